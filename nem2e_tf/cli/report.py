"""``nem2e-tf report``: the evidence in one or several runs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nem2e_tf.cli.options import PATH, json_option
from nem2e_tf.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from rich.console import Console

WIDTH = 100


@click.command(name="report")
@click.argument("run", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--muscles", is_flag=True, help="Add one table an entry with a row a muscle.")
@json_option("everything")
@click.option(
    "-o", "--out", "output", type=PATH, help="Write a page with tables and figures to this folder."
)
@click.option(
    "--cohort", type=PATH, help="The runs' cohort, for traces.  [default: found beside the runs]"
)
@click.option(
    "--control",
    "controls",
    multiple=True,
    type=PATH,
    help="Folder of a control; may be repeated. Those beside the runs are found.",
)
@click.option(
    "--entry",
    "models",
    multiple=True,
    help="Entry whose curves are drawn; may be repeated.  [default: highest skill of each pattern]",
)
def command(
    run: tuple[Path, ...],
    *,
    muscles: bool,
    as_json: bool,
    output: Path | None,
    cohort: Path | None,
    controls: tuple[Path, ...],
    models: tuple[str, ...],
) -> None:
    """Print the evidence in one or several RUNs of one cohort, or write it as a page with -o.

    Every entry with its rate (against OpenSim), its skill (against the mean EMG pattern) and its
    RMSE against seq2seq, with 95 % intervals over the subjects left out and Holm-adjusted p. With
    -o: report.html, which needs no network, with figures and tables beside it.
    """
    if output is not None:
        if as_json or muscles:
            raise InputError("--out: expected neither --json nor --muscles with it")
        from nem2e_tf.cli.report_page import write_report

        write_report(run, output, cohort=cohort, controls=controls, models=models)
        return
    if cohort is not None or controls or models:
        raise InputError("--cohort, --control and --entry: expected --out with them, found none")
    results, references = read_runs(run)
    if as_json:
        from nem2e_tf.report.table import to_json

        click.echo(json.dumps(to_json(results, references), indent=1, allow_nan=False))
    else:
        print_report(results, references, muscles=muscles)


def print_report(
    results: "pd.DataFrame",
    references: "pd.DataFrame | None" = None,
    *,
    console: "Console | None" = None,
    muscles: bool = False,
) -> None:
    """Print the tables of a run and the notes under them.

    Parameters
    ----------
    results : DataFrame
        Rows of ``results.csv``.
    references : DataFrame, optional
        Rows of ``references.csv``.
    console : rich.console.Console, optional
        Where to; stdout by default, at 100 columns where that is no terminal.
    muscles : bool
        Add one table an entry with a row a muscle.
    """
    from rich.console import Console

    from nem2e_tf.report.evidence import gather
    from nem2e_tf.report.notes import notes
    from nem2e_tf.report.table import leaderboard, muscle_tables

    if console is None:
        console = Console(highlight=False)
        if not console.is_terminal:
            console = Console(highlight=False, width=max(WIDTH, console.width))
    evidence = gather(results, references)
    for by in evidence.kinds():
        tables = [leaderboard(evidence, by=by)]
        tables += muscle_tables(evidence, by=by) if muscles else []
        for table in tables:
            console.print(table)
            console.print()
        for note in notes(evidence, by=by):
            console.print(note, markup=False)


def read_runs(
    folders: "tuple[Path, ...] | list[Path]",
    *,
    of_unfinished: "Callable[[Path], pd.DataFrame | None] | None" = None,
) -> "tuple[pd.DataFrame, pd.DataFrame | None]":
    """Read the results and references of runs of one cohort.

    Parameters
    ----------
    folders : sequence of Path
        Run folders. Of several the rows are put together, with a column ``run``.
    of_unfinished : callable, optional
        Gives the results of a run that is not finished, or None to leave it out.

    Returns
    -------
    results : DataFrame
        Rows of every ``results.csv``.
    references : DataFrame or None
        Rows of every ``references.csv``; None where no run has one.

    Raises
    ------
    InputError
        A folder is missing, is no run or is not finished, or none has results; the same run is
        given twice; the runs are of different cohorts.
    """
    import pandas as pd

    from nem2e_tf.evaluation.results import read_references, read_results

    headers = [_header(folder) for folder in folders]
    places = [folder.resolve() for folder in folders]
    for i, place in enumerate(places):
        if place in places[:i]:
            raise InputError(f"{folders[i]}: expected each run once, found it twice")
        if headers[i] != headers[0]:
            raise InputError(
                f"{folders[i]}: expected a run of the same cohort as {folders[0]} "
                f"({headers[0][:12] or 'no digest'}), found another "
                f"({headers[i][:12] or 'no digest'}); report them apart"
            )
    names = run_names(folders)
    results, references = [], []
    for folder, name in zip(folders, names, strict=True):
        file = folder / "results.csv"
        run = {"run": name} if len(names) > 1 else {}
        if not file.exists():
            found = of_unfinished(folder) if of_unfinished is not None else None
            if found is not None:
                results.append(found.assign(**run))
            if found is not None or (of_unfinished is not None and len(folders) > 1):
                continue
            raise InputError(
                f"{file}: expected the results of a finished run, found none; "
                "run the same 'nem2e-tf cv' again to finish it"
            )
        results.append(read_results(file).assign(**run))
        if results[-1].empty:
            raise InputError(f"{file}: expected rows of results, found none")
        if (folder / "references.csv").exists():
            references.append(read_references(folder / "references.csv").assign(**run))
    if not results:
        raise InputError(f"{folders[0]}: expected a finished run among several, found none")
    together: Any = pd.concat(references, ignore_index=True) if references else None
    return pd.concat(results, ignore_index=True), together


def run_names(folders: "Sequence[Path]") -> list[str]:
    """Name runs by their folders, as short as tells them apart."""
    names = [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def _header(folder: Path) -> str:
    """Digest of a run's cohort, empty where the run does not tell it."""
    from nem2e_tf.files import read_json

    if not folder.is_dir():
        raise InputError(f"{folder}: expected a run folder, found no such folder")
    if not (folder / "run.json").exists():
        raise InputError(
            f"{folder}: expected a run folder with run.json, found none; "
            "make one with 'nem2e-tf cv COHORT --model NAME -o RUN'"
        )
    header = read_json(folder / "run.json")
    if not isinstance(header, dict):
        raise InputError(f"{folder / 'run.json'}: expected a run's settings, found something else")
    cohort = header.get("cohort")
    digest = cohort.get("digest") if isinstance(cohort, dict) else None
    return str(digest or header.get("digest") or "")
