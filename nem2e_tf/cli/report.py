"""``nem2e-tf report``: the evidence in one or several runs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nem2e_tf.cli.options import json_option
from nem2e_tf.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

WIDTH = 100


@click.command(name="report")
@click.argument("run", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--muscles", is_flag=True, help="Add one table an entry with a row a muscle.")
@json_option("everything")
def command(run: tuple[Path, ...], *, muscles: bool, as_json: bool) -> None:
    """Print the evidence in one or several RUNs of one cohort.

    Every entry with its rate (against OpenSim), its skill (against the mean EMG pattern) and its
    RMSE against seq2seq, with 95 % intervals over the subjects left out and Holm-adjusted p.
    """
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
) -> "tuple[pd.DataFrame, pd.DataFrame | None]":
    """Read the results and references of runs of one cohort.

    Parameters
    ----------
    folders : sequence of Path
        Run folders. Of several the rows are put together, with a column ``run``.

    Returns
    -------
    results : DataFrame
        Rows of every ``results.csv``.
    references : DataFrame or None
        Rows of every ``references.csv``; None where no run has one.

    Raises
    ------
    InputError
        A folder is missing, is no run or is not finished; the same run is given twice; the runs are
        of different cohorts.
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
    names = [place.name for place in places]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in folders]
    results, references = [], []
    for folder, name in zip(folders, names, strict=True):
        file = folder / "results.csv"
        if not file.exists():
            raise InputError(
                f"{file}: expected the results of a finished run, found none; "
                "run the same 'nem2e-tf cv' again to finish it"
            )
        run = {"run": name} if len(names) > 1 else {}
        results.append(read_results(file).assign(**run))
        if results[-1].empty:
            raise InputError(f"{file}: expected rows of results, found none")
        if (folder / "references.csv").exists():
            references.append(read_references(folder / "references.csv").assign(**run))
    together: Any = pd.concat(references, ignore_index=True) if references else None
    return pd.concat(results, ignore_index=True), together


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
