"""``nem2e-tf compare``: two runs of one cohort against each other."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nem2e_tf.cli.options import PATH, json_option
from nem2e_tf.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


FORMAT = 1
WIDTH = 100


@click.command(name="compare")
@click.argument("first", type=PATH)
@click.argument("second", type=PATH)
@click.option("--muscles", is_flag=True, help="Add a row a muscle to every entry.")
@json_option("everything")
def command(first: Path, second: Path, *, muscles: bool, as_json: bool) -> None:
    """Compare the runs FIRST and SECOND of one cohort: what differs, and by how much.

    Entries of one model and input pattern are compared by the difference of their RMSE (second -
    first: below 0 the second run is better), paired by the subjects left out, with 95 % interval
    and Holm-adjusted p. Settings that differ are listed.
    """
    from nem2e_tf.io.files import read_json
    from nem2e_tf.report.comparing import compare, differing_settings
    from nem2e_tf.report.runs import read_runs

    results, _ = read_runs((first, second))
    runs = [rows.drop(columns="run") for _, rows in results.groupby("run", sort=False)]
    table = compare(*runs)
    headers = [read_json(folder / "run.json") for folder in (first, second)]
    settings = differing_settings(*headers)
    notes = table.attrs["notes"]
    if table.empty:
        raise InputError(
            f"{second}: expected an entry of {first}, found none in common"
            f"{f' ({notes[0]})' if notes else ''}"
        )
    if as_json:
        from nem2e_tf.report.tables import records

        value = {
            "format": FORMAT,
            "first": str(first),
            "second": str(second),
            "settings": [
                dict(zip(("name", "first", "second"), row, strict=True)) for row in settings
            ],
            "comparison": records(table),
            "notes": notes,
        }
        click.echo(json.dumps(value, indent=1, allow_nan=False))
        return
    _print(table, settings, notes, names=(str(first), str(second)), muscles=muscles)


def _print(
    table: "pd.DataFrame",
    settings: list[tuple[str, str, str]],
    notes: list[str],
    *,
    names: tuple[str, str],
    muscles: bool,
) -> None:
    from rich.console import Console

    from nem2e_tf.evaluation.results import BLOCK
    from nem2e_tf.evaluation.statistics import OVERALL
    from nem2e_tf.report.tables import comparison_table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(WIDTH, console.width))
    console.print(f"First: {names[0]}\nSecond: {names[1]}", markup=False)
    for name, one, other in settings:
        console.print(f"{name}: {one} -> {other}", markup=False)
    if not settings:
        console.print("Settings and versions are the same.")
    console.print()
    rows = table if muscles else table[table["muscle"] == OVERALL]
    console.print(comparison_table(rows))
    console.print()
    told: list[Any] = [
        "Second - first of the RMSE, below 0 the second run is better; rate and skill likewise, "
        "where above 0 is better for skill."
    ]
    if (table["by"] == BLOCK).all():
        told.append("[lowest, highest block]; blocks of one person allow no test.")
    else:
        told.append("[95 % t interval], paired by group; p Holm-adjusted over the entries.")
    for note, of_note in rows[rows["notes"] != ""].groupby("notes", sort=False):
        where = [f"{one['model']} ({one['muscle']})" for _, one in of_note.iterrows()]
        text = str(note)
        told.append(f"{text[0].upper()}{text[1:]}: {', '.join(where)}.")
    for line in [*told, *(f"{note[0].upper()}{note[1:]}." for note in notes)]:
        console.print(line, markup=False)
