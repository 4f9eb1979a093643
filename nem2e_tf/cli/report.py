"""``nem2e-tf report`` and ``nem2e-tf compare``: the evidence of runs, printed or as a page."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nem2e_tf.cli.options import PATH, json_option
from nem2e_tf.errors import InputError

if TYPE_CHECKING:
    from rich.console import RenderableType

muscles_option = click.option(
    "--muscles", is_flag=True, help="Add one row per muscle to every entry."
)


@click.command(name="report")
@click.argument("run", nargs=-1, required=True, type=PATH)
@muscles_option
@json_option("everything")
@click.option(
    "-o", "--out", "output", type=PATH, help="Write a page with tables and figures to this folder."
)
@click.option(
    "--cohort",
    type=PATH,
    help="The cohort of the runs, for traces.  [default: searched for next to the runs]",
)
@click.option(
    "--control",
    "controls",
    multiple=True,
    type=PATH,
    help="Folder of a control; repeatable. Controls next to the runs are added.",
)
@click.option(
    "--entry",
    "models",
    multiple=True,
    help="Model whose curves are drawn; repeatable.  [default: highest skill of each pattern]",
)
def command(
    run: tuple[Path, ...], *, muscles: bool, as_json: bool, output: Path | None, **given: Any
) -> None:
    """Print the evidence of one or several RUNs of one cohort, or write it as a page with -o.

    Shows for every entry its rate (against OpenSim), its skill (against the mean EMG pattern) and
    its RMSE compared with seq2seq, with 95 % intervals over the groups left out and Holm-adjusted
    p values. With -o: report.html, which needs no network, and figures and tables next to it.
    """
    if output is not None:
        if as_json or muscles:
            raise InputError("--out: expected neither --json nor --muscles with it")
        from nem2e_tf.report.report import report

        written = report(run, output, **given)
        for note in written.notes:
            click.echo(note, err=True)
        click.echo(f"{written.path}: {written.figures} figures, {len(written.controls)} controls")
        return
    if any(given.values()):
        raise InputError("--cohort, --control and --entry: expected --out with them, found none")
    print_evidence(run, muscles=muscles, as_json=as_json)


@click.command(name="compare")
@click.argument("first", type=PATH)
@click.argument("second", type=PATH)
@muscles_option
@json_option("everything")
def compare_command(first: Path, second: Path, *, muscles: bool, as_json: bool) -> None:
    """Compare the runs FIRST and SECOND of one cohort.

    Entries with the same model and input pattern are compared by the difference of their RMSE
    (second - first: below 0 the second run is better), paired by the groups left out, with 95 %
    intervals and Holm-adjusted p values. Settings that differ are listed.
    """
    from nem2e_tf.report.comparing import compare

    comparison = compare(first, second)
    if as_json:
        print_json(comparison.to_json())
    else:
        print_tables(comparison.table(muscles=muscles))


def print_evidence(runs: tuple[Path, ...], *, muscles: bool, as_json: bool) -> None:
    """Print the evidence of runs to stdout, as tables or as JSON."""
    from nem2e_tf.report.runs import read_evidence
    from nem2e_tf.report.tables import evidence_tables, to_json

    evidence = read_evidence(runs)
    if as_json:
        print_json(to_json(evidence))
    else:
        print_tables(evidence_tables(evidence, muscles=muscles))


def print_json(value: object) -> None:
    """Print a value as JSON to stdout."""
    click.echo(json.dumps(value, indent=1, allow_nan=False))


def print_tables(tables: "RenderableType") -> None:
    """Print tables to stdout, at least 100 columns wide where that is not a terminal."""
    from rich.console import Console

    from nem2e_tf.report.tables import COLUMNS

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(COLUMNS, console.width))
    console.print(tables)
