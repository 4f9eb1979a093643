"""``nem2e-tf report``: the evidence in one or several runs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nem2e_tf.cli.options import PATH, json_option
from nem2e_tf.errors import InputError

if TYPE_CHECKING:
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
        from nem2e_tf.report.material import write_report

        write_report(run, output, cohort=cohort, controls=controls, models=models)
        return
    if cohort is not None or controls or models:
        raise InputError("--cohort, --control and --entry: expected --out with them, found none")
    from nem2e_tf.report.runs import read_runs

    results, references = read_runs(run)
    if as_json:
        from nem2e_tf.report.tables import to_json

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
    from nem2e_tf.report.tables import leaderboard, muscle_tables

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
