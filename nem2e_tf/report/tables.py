"""Printed tables: the leaderboard, one table per entry with its muscles, and compared runs.

Tables fit 100 columns; in narrower terminals cells wrap and are never cut off.
"""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from nem2e_tf.evaluation.results import BLOCK, SEEDS_MEAN, entry_columns
from nem2e_tf.evaluation.statistics import OVERALL
from nem2e_tf.report.evidence import Evidence
from nem2e_tf.report.muscles import number, p_value
from nem2e_tf.report.notes import notes
from nem2e_tf.report.runs import Run, read_evidence

COLUMNS = 100
"""Width of printed tables if that of the terminal is unknown, in characters."""


class Printable:
    """Tables and notes that can be printed, with ``print`` or rich, or shown by a notebook cell.

    Parameters
    ----------
    parts : rich renderables
        Printed in this order.
    """

    def __init__(self, *parts: RenderableType) -> None:
        self.parts = parts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Give rich the parts."""
        yield from self.parts

    def __str__(self) -> str:
        """Text without colours, 100 columns wide."""
        text = io.StringIO()
        Console(file=text, width=COLUMNS, highlight=False).print(self)
        return text.getvalue()

    __repr__ = __str__


def table(runs: "Run | Sequence[Run]", /, *, muscles: bool = False) -> Printable:
    """Return the leaderboard of runs of one cohort, with notes on how to read it.

    Parameters
    ----------
    runs : path-like or run, or a sequence of them
    muscles : bool
        Add one table per entry with one row per muscle.

    Raises
    ------
    InputError
        A run cannot be read or is not finished, or the runs are of different cohorts.
    """
    return evidence_tables(read_evidence(runs), muscles=muscles)


def evidence_tables(evidence: Evidence, /, *, muscles: bool = False) -> Printable:
    """Return the tables of evidence with their notes; see `table`."""
    parts: list[RenderableType] = []
    for by in evidence.kinds():
        tables = [leaderboard(evidence, by=by)]
        tables += muscle_tables(evidence, by=by) if muscles else []
        for one in tables:
            parts += [one, ""]
        parts += [Text(note) for note in notes(evidence, by=by)]
    return Printable(*parts)


def sentence(note: str, /) -> str:
    """Return a note with a capital and a full stop."""
    return f"{note[0].upper()}{note[1:]}."


UNKNOWN = "-"  # ASCII, for consoles without Unicode


def leaderboard(evidence: Evidence, *, by: str) -> Table:
    """Return a table of all entries, the highest skill first.

    An entry has two lines: values with p, and their intervals.

    Parameters
    ----------
    evidence : Evidence
    by : str
        Kind of groups.
    """
    rows = evidence.summary[evidence.summary["by"] == by]
    n_muscles = rows["muscle"].nunique() - 1
    rows = rows[rows["muscle"] == OVERALL].sort_values("skill", ascending=False, kind="stable")
    n = int(rows["n"].max()) if len(rows) else 0
    split = f"Leave one {by} out: {n} {by}s"
    if by == BLOCK:
        split = f"{n} blocks of cycles, each left out in turn"
    table = _table(
        f"{split}, mean over {n_muscles} muscles",
        ("entry", "n", "rate", "skill", "r, lag", f"RMSE - {evidence.baseline}"),
        right=("n",),
        gap=2,
    )
    # Settings that differ between entries have a line of their own.
    extra = [
        name for name in ("run", "recipe", "variant") if name in rows and rows[name].nunique() > 1
    ]
    for _, row in rows.iterrows():
        settings = f"{row['pattern']} {row['targets']} {row['output']}"
        more = " ".join(str(row[name]) for name in extra)
        entry = "\n".join(filter(None, (row["model"], settings, more)))
        table.add_row(*_cells(entry, str(row["n"]), *_scores(evidence, row)))
    return table


def muscle_tables(evidence: Evidence, *, by: str) -> list[Table]:
    """Return one table per entry with one row per muscle.

    Parameters
    ----------
    evidence : Evidence
    by : str
        Kind of groups.
    """
    summary = evidence.summary[evidence.summary["by"] == by]
    keys = [name for name in entry_columns(summary) if name != "by"]
    errors = ("simulated", "mean_pattern", "refined")
    heads = ("muscle", "n", "OpenSim", "pattern", "refined", "rate", "skill", "r, lag")
    tables = []
    for key, entry in summary.groupby(keys, sort=False):
        table = _table(
            " ".join(str(word) for word in key if word != SEEDS_MEAN),
            (*heads, f"RMSE - {evidence.baseline}"),
            right=("n", "OpenSim", "pattern", "refined"),
            gap=1,
        )
        for _, row in entry.iterrows():
            places = _places(row["rmse_simulated"], row["rmse_refined"])
            values = [number(row[f"rmse_{name}"], places, unknown=UNKNOWN) for name in errors]
            cells = (row["muscle"], str(row["n"]), *values, *_scores(evidence, row))
            table.add_row(*_cells(*cells))
        tables.append(table)
    return tables


def comparison_table(rows: pd.DataFrame) -> Table:
    """Return a table of two compared runs, one row per entry and muscle.

    Parameters
    ----------
    rows : DataFrame
        See `nem2e_tf.report.comparing.compare_results`.
    """
    table = _table(
        "Difference: second - first",
        ("entry", "muscle", "n", "RMSE", "difference", "rate", "skill"),
        right=("n", "rate", "skill"),
        gap=2,
    )
    for _, row in rows.iterrows():
        places = _places(row["rmse_first"], row["rmse_second"])
        errors = (number(row[f"rmse_{n}"], places, unknown=UNKNOWN) for n in ("first", "second"))
        differences = (
            number(row[f"{name}_difference"], 3, sign=True, unknown=UNKNOWN)
            for name in ("rate", "skill")
        )
        against = f"\nagainst {row['against']}" if row["against"] else ""
        variant = "" if row["variant"] == SEEDS_MEAN else f" {row['variant']}"
        entry = f"{row['model']}\n{row['pattern']}{variant}{against}"
        difference = _with_interval(row, "difference", places)
        cells = (entry, row["muscle"], str(row["n"]), " ->\n".join(errors), difference)
        table.add_row(*_cells(*cells, *differences))
    return table


def to_json(evidence: Evidence, /) -> dict[str, Any]:
    """Return what the tables show, and more, as plain values for ``json.dumps``.

    Returns
    -------
    dict
        ``format``, ``baseline``, the rows of ``summary``, ``against_baseline`` and ``references``
        (mean over muscles: ``muscle`` = ``overall``; NaN is None), and ``notes`` by what was left
        out.
    """
    return {
        "format": 1,
        "baseline": evidence.baseline,
        "summary": records(evidence.summary),
        "against_baseline": records(evidence.comparison),
        "references": records(evidence.references),
        "notes": {by: notes(evidence, by=by) for by in evidence.kinds()},
    }


def _table(title: str, heads: Sequence[str], *, right: Sequence[str], gap: int) -> Table:
    table = Table(
        title=Text(title),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        # The box itself puts one space between columns.
        padding=(0, gap - 1, 0, 0),
    )
    for head in heads:
        table.add_column(head, justify="right" if head in right else "left", overflow="fold")
    return table


def _cells(*values: str) -> list[Text]:
    # As Text, because rich would read brackets in strings as markup.
    return [Text(value, overflow="fold") for value in values]


def _scores(evidence: Evidence, row: "pd.Series[Any]") -> tuple[str, ...]:
    """Rate, skill, shape and timing, and the difference from the baseline."""
    lag = number(row["lag_ms"], 0, sign=True, unknown=UNKNOWN)
    return (
        *(
            _with_interval(row, name, 1 if abs(row[name]) >= 10 else 3)
            for name in ("rate", "skill")
        ),
        f"{number(row['r'], 2, unknown=UNKNOWN)}\n{lag if lag == UNKNOWN else f'{lag} ms'}",
        _against(evidence, row),
    )


def _against(evidence: Evidence, row: "pd.Series[Any]") -> str:
    table = evidence.comparison
    if table.empty:
        return UNKNOWN
    keys = [*entry_columns(table), "muscle"]
    same = table[np.logical_and.reduce([table[key] == row[key] for key in keys])]
    if same.empty:
        return UNKNOWN
    one = same.iloc[0]
    return _with_interval(one, "difference", _places(one["rmse"], one["rmse_baseline"]))


def _with_interval(row: "pd.Series[Any]", name: str, decimals: int) -> str:
    """Value and adjusted p, and under them the interval."""
    value, low, high = (
        number(row[column], decimals, sign=True, unknown=UNKNOWN)
        for column in (name, f"{name}_low", f"{name}_high")
    )
    if value == UNKNOWN:
        return value
    p = row[f"{name}_p_holm"]
    if not np.isnan(p):
        value += f" p{'' if p < 0.001 else '='}{p_value(p)}"
    return value if low == UNKNOWN else f"{value}\n[{low}, {high}]"


def _places(*errors: float) -> int:
    """Decimals that show four digits of the smallest of some errors, 3 to 5."""
    known = [error for error in errors if error > 0]
    return int(np.clip(3 - np.floor(np.log10(min(known))), 3, 5)) if known else 3


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as plain values for ``json.dumps``; NaN is None."""
    return [
        {str(name): _plain(value) for name, value in row.items()}
        for row in table.to_dict(orient="records")
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
