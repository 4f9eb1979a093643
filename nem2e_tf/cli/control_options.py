"""What the commands of ``nem2e-tf control`` share: options, and how results are printed."""

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nem2e_tf.cli.options import PATH, Function
from nem2e_tf.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from nem2e_tf.controls.source import Source

WIDTH = 100


def cohort_option(*, required: bool = True) -> Callable[[Function], Function]:
    """Make the option that names the cohort of the run."""
    return click.option(
        "--cohort", required=required, type=PATH, help="The cohort folder that the run was made of."
    )


def models_option(function: Function) -> Function:
    """Add the option that chooses among the run's models."""
    return click.option(
        "--model", "models", multiple=True, help="Only this entry of the run; may be repeated."
    )(function)


def jobs_option(function: Function) -> Function:
    """Add the option for processes."""
    return click.option(
        "--jobs", type=int, help="Processes, one thread each.  [default: cores of this machine]"
    )(function)


def seed_option(function: Function) -> Function:
    """Add the option for what is drawn at random."""
    return click.option("--seed", type=int, default=0, show_default=True, help="Of what is drawn.")(
        function
    )


def n_jobs(jobs: int | None) -> int:
    """Check ``--jobs``."""
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs {jobs}: expected 1 or more")
    return jobs or len(os.sched_getaffinity(0))


def n_seed(seed: int) -> int:
    """Check ``--seed``."""
    if seed < 0:
        raise InputError(f"--seed {seed}: expected 0 or more")
    return seed


def opened(run: Path, cohort: Path, models: Iterable[str] = ()) -> "Source":
    """Open the run and its cohort."""
    from nem2e_tf.controls.source import open_source

    return open_source(run, cohort, models=models)


def tell(
    name: str,
    tables: "Mapping[str, pd.DataFrame]",
    out: Path,
    *,
    columns: Sequence[str],
    as_json: bool,
    rows: "pd.Series | None" = None,
) -> None:
    """Print a control's summary: as a table, or everything in it as JSON.

    Parameters
    ----------
    name : str
        Of the control.
    tables : mapping
        What it wrote.
    out : Path
        Where.
    columns : sequence of str
        What the table shows after the entry; the JSON has all columns.
    as_json : bool
    rows : boolean Series, optional
        Rows that the table shows; by default those over all muscles.
    """
    from nem2e_tf.evaluation.control_results import MARKER
    from nem2e_tf.files import read_json

    notes = read_json(out / MARKER)["notes"]
    summary = tables["summary"]
    if as_json:
        value = {"control": name, "notes": notes, "summary": records(summary), "folder": str(out)}
        click.echo(json.dumps(value, indent=1, allow_nan=False))
        return
    _print(summary[summary["muscle"] == "overall" if rows is None else rows], columns)
    for note in notes:
        click.echo(note)
    click.echo(f"Control: {out}")


def records(table: "pd.DataFrame") -> list[dict[str, Any]]:
    """Rows of a table for JSON: a number that is unknown is null."""
    return [
        {
            str(key): value if not isinstance(value, float) or abs(value) < float("inf") else None
            for key, value in row.items()
        }
        for row in table.astype(object).to_dict("records")
    ]


def _print(table: "pd.DataFrame", columns: Sequence[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(WIDTH, console.width))
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    settings = [c for c in ("pattern", "targets", "output", "recipe", "variant") if c in table]
    # References of the controls' own have no settings.
    told = [c for c in settings if len(set(table[c]) - {""}) > 1]
    shown.add_column("entry", min_width=17, overflow="fold")
    for column in columns:
        words = column.replace("_", " ")
        shown.add_column(words, justify="right", overflow="fold")
    for row in table.to_dict("records"):
        entry = " ".join(filter(None, [str(row["model"]), *(str(row[c]) for c in told)]))
        shown.add_row(entry, *(_cell(row, column) for column in columns))
    console.print(shown)


def _cell(row: Mapping[Any, Any], column: str) -> str:
    value = row[column]
    if isinstance(value, bool) or not isinstance(value, float | int):
        return str(value)
    if math.isnan(value):
        return "-"
    if isinstance(value, int):
        return str(value)
    if column.endswith(("_p", "_p_holm")):
        return f"{value:.3f}" if value >= 5e-4 else f"{value:.1e}"
    low, high = (row.get(f"{column}_{end}", math.nan) for end in ("low", "high"))
    text = f"{value:+z.3f}"
    return text if math.isnan(low) else f"{text} [{low:+z.3f}, {high:+z.3f}]"
