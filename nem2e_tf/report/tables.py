"""Tables for the terminal: which entry to choose, and on what evidence.

Tables for LaTeX, with the package booktabs.

Improvement muscle by muscle, as in the paper's Tables 2 and 3, and what it lacks beside it.
"""

import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from nem2e_tf.evaluation.results import BLOCK, SEEDS_MEAN
from nem2e_tf.evaluation.statistics import OVERALL
from nem2e_tf.report.evidence import Evidence
from nem2e_tf.report.notes import notes
from nem2e_tf.report.runs import Run, read_evidence

COLUMNS = 100
"""Width of printed tables where the terminal's is unknown, in characters."""


class Printable:
    """Tables and notes that print: with ``print``, with rich, and at the end of a notebook cell.

    Parameters
    ----------
    parts : rich renderables
        Printed below one another.
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
    """Return the tables of runs of one cohort with their notes: which entry, on what evidence.

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


FORMAT = 1
UNKNOWN = "-"


def leaderboard(evidence: Evidence, *, by: str) -> Table:
    """Every entry on two lines, the highest skill first: value and p above, interval below.

    Parameters
    ----------
    evidence : Evidence
        See `gather`.
    by : str
        Which kind of groups.

    Returns
    -------
    rich.table.Table
        Readable at 100 columns; cells are folded, never cut, where there are fewer.
    """
    rows = evidence.summary[
        (evidence.summary["by"] == by) & (evidence.summary["muscle"] == OVERALL)
    ]
    n_muscles = evidence.summary.loc[evidence.summary["by"] == by, "muscle"].nunique() - 1
    table = _table(f"{_groups(by, _most(rows['n']))}, mean over {n_muscles} muscles", gap=2)
    for name, justify in (
        ("entry", "left"),
        ("n", "right"),
        ("rate", "left"),
        ("skill", "left"),
        ("r, lag", "left"),
        (f"RMSE - {evidence.baseline}", "left"),
    ):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    extra = _extra(rows)
    for _, row in rows.sort_values("skill", ascending=False, kind="stable").iterrows():
        settings = f"{row['pattern']} {row['targets']} {row['output']}"
        more = " ".join(str(row[column]) for column in extra)
        table.add_row(
            *_cells(
                "\n".join(part for part in (row["model"], settings, more) if part),
                str(row["n"]),
                _value(row, "rate"),
                _value(row, "skill"),
                _shape(row),
                _against(evidence, row),
            )
        )
    return table


def muscle_tables(evidence: Evidence, *, by: str) -> list[Table]:
    """One table an entry, one row a muscle.

    Parameters
    ----------
    evidence : Evidence
        See `gather`.
    by : str
        Which kind of groups.
    """
    summary = evidence.summary[evidence.summary["by"] == by]
    keys = [*(["run"] if "run" in summary else []), "model", "pattern", "targets", "output"]
    keys += ["recipe", "variant"]
    tables = []
    for key, entry in summary.groupby(keys, sort=False):
        words = [str(word) for word in key if word != SEEDS_MEAN]
        table = _table(" ".join(words), gap=1)
        for name in ("muscle", "n", "OpenSim", "pattern", "refined", "rate", "skill", "r, lag"):
            left = name in ("muscle", "rate", "skill", "r, lag")
            table.add_column(name, justify="left" if left else "right", overflow="fold")
        table.add_column(f"RMSE - {evidence.baseline}", overflow="fold")
        for _, row in entry.iterrows():
            places = _places(row["rmse_simulated"], row["rmse_refined"])
            table.add_row(
                *_cells(
                    row["muscle"],
                    str(row["n"]),
                    *(
                        _number(row[f"rmse_{name}"], places)
                        for name in ("simulated", "mean_pattern", "refined")
                    ),
                    _value(row, "rate"),
                    _value(row, "skill"),
                    _shape(row),
                    _against(evidence, row),
                )
            )
        tables.append(table)
    return tables


def comparison_table(rows: pd.DataFrame) -> Table:
    """Compare two runs, a row an entry and muscle.

    Parameters
    ----------
    rows : DataFrame
        See `nem2e_tf.report.comparing.compare`.
    """
    table = _table("Difference: second - first", gap=2)
    for name in ("entry", "muscle", "n", "RMSE", "difference", "rate", "skill"):
        right = name in ("n", "rate", "skill")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for _, row in rows.iterrows():
        places = _places(row["rmse_first"], row["rmse_second"])
        against = f"\nagainst {row['against']}" if row["against"] else ""
        variant = "" if row["variant"] == SEEDS_MEAN else f" {row['variant']}"
        table.add_row(
            *_cells(
                f"{row['model']}\n{row['pattern']}{variant}{against}",
                row["muscle"],
                str(row["n"]),
                f"{_number(row['rmse_first'], places)} ->\n{_number(row['rmse_second'], places)}",
                _with_interval(row, "difference", places),
                _number(row["rate_difference"], 3, sign="+"),
                _number(row["skill_difference"], 3, sign="+"),
            )
        )
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
        "format": FORMAT,
        "baseline": evidence.baseline,
        "summary": records(evidence.summary),
        "against_baseline": records(evidence.comparison),
        "references": records(evidence.references),
        "notes": {by: notes(evidence, by=by) for by in evidence.kinds()},
    }


def _table(title: str, *, gap: int) -> Table:
    # The box itself puts one space between columns.
    return Table(
        title=Text(title),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, gap - 1, 0, 0),
    )


def _cells(*values: str) -> Iterable[Text]:
    # Plain text: rich would take brackets for markup.
    return [Text(value, overflow="fold") for value in values]


def _groups(by: str, n: int) -> str:
    if by == BLOCK:
        return f"{n} blocks of cycles, each left out in turn"
    return f"Leave one {by} out: {n} {by}s"


def _most(values: pd.Series) -> int:
    return int(values.max()) if len(values) else 0


def _extra(rows: pd.DataFrame) -> list[str]:
    """Settings worth a line of their own: those that differ between entries."""
    return [
        column
        for column in ("run", "recipe", "variant")
        if column in rows and rows[column].nunique() > 1
    ]


def _value(row: "pd.Series[Any]", name: str) -> str:
    decimals = 3 if not abs(row[name]) >= 10 else 1
    return _with_interval(row, name, decimals)


def _against(evidence: Evidence, row: "pd.Series[Any]") -> str:
    table = evidence.comparison
    if table.empty:
        return UNKNOWN
    keys = ["by", "model", "pattern", "targets", "output", "recipe", "variant", "muscle"]
    keys += ["run"] if "run" in table else []
    same = table[np.logical_and.reduce([table[key] == row[key] for key in keys])]
    if same.empty:
        return UNKNOWN
    one = same.iloc[0]
    return _with_interval(one, "difference", _places(one["rmse"], one["rmse_baseline"]))


def _with_interval(row: "pd.Series[Any]", name: str, decimals: int) -> str:
    if np.isnan(row[name]):
        return UNKNOWN
    first = f"{row[name]:+z.{decimals}f}"
    p = row[f"{name}_p_holm"]
    if not np.isnan(p):
        first += " p<.001" if p < 0.001 else f" p={p:.3f}".replace("=0.", "=.")
    if np.isnan(row[f"{name}_low"]):
        return first
    return f"{first}\n[{row[f'{name}_low']:+z.{decimals}f}, {row[f'{name}_high']:+z.{decimals}f}]"


def _shape(row: "pd.Series[Any]") -> str:
    lag = UNKNOWN if np.isnan(row["lag_ms"]) else f"{row['lag_ms']:+z.0f} ms"
    return f"{_number(row['r'], 2)}\n{lag}"


def _number(value: float, decimals: int, *, sign: str = "-") -> str:
    return UNKNOWN if np.isnan(value) else f"{value:{sign}z.{decimals}f}"


def _places(*errors: float) -> int:
    """Decimals that show four digits of the smallest of some errors, 3 to 5."""
    known = [error for error in errors if error > 0]
    return int(np.clip(3 - np.floor(np.log10(min(known))), 3, 5)) if known else 3


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values for ``json.dumps``; NaN is None."""
    return [
        {str(name): _plain(value) for name, value in row.items()}
        for row in table.to_dict(orient="records")
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
