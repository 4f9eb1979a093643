"""Results per muscle as text, CSV and LaTeX; numbers and p values as reports write them."""

import re
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.evaluation.results import BLOCK, entry_columns
from nem2e_tf.evaluation.statistics import OVERALL
from nem2e_tf.report.notes import differing, entry_label

UNKNOWN = "–"


def number(value: Any, places: int, /, *, sign: bool = False, unknown: str = UNKNOWN) -> str:
    """Write a number; a dash if it is unknown.

    Examples
    --------
    >>> number(-0.0004, 3, sign=True), number(float("nan"), 2)
    ('+0.000', '–')
    """
    if value is None or not np.isfinite(value):
        return unknown
    return f"{value:{'+' if sign else ''}z.{places}f}"


def p_value(value: Any, /) -> str:
    """Write a p value.

    Examples
    --------
    >>> p_value(0.0123), p_value(0.00001)
    ('.012', '<.001')
    """
    if value is None or not np.isfinite(value):
        return UNKNOWN
    return "<.001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def entries(summary: pd.DataFrame, /) -> list[tuple[str, pd.DataFrame]]:
    """Split a summary of one kind of groups into entries, the highest skill first.

    Parameters
    ----------
    summary : DataFrame
        See `nem2e_tf.evaluation.statistics.summarise`.

    Returns
    -------
    list of (label, rows)
    """
    overall = summary[summary["muscle"] == OVERALL].sort_values(
        "skill", ascending=False, kind="stable"
    )
    keys = [name for name in entry_columns(summary) if name in summary]
    settings = differing(overall)
    return [
        (entry_label(row, settings), summary[(summary[keys] == row[keys]).all(axis=1)])
        for _, row in overall.iterrows()
    ]


def printed(rows: pd.DataFrame, /) -> pd.DataFrame:
    """Write one entry's rows of a summary as text.

    Returns
    -------
    DataFrame
        Muscle, n, mean rate with 95 % interval, t, p and Holm-adjusted p; the same for skill.
        Blocks have the range over blocks and no tests.
    """
    blocks = bool((rows["by"] == BLOCK).all())
    columns: dict[str, list[str]] = {
        "muscle": [str(name) for name in rows["muscle"]],
        "n": [str(n) for n in rows["n"]],
    }
    for name in ("rate", "skill"):
        columns[name] = [number(value, 3, sign=True) for value in rows[name]]
        columns[f"{name}, {'range' if blocks else '95 % interval'}"] = [
            UNKNOWN
            if pd.isna(low)
            else f"[{number(low, 3, sign=True)}, {number(high, 3, sign=True)}]"
            for low, high in zip(rows[f"{name}_low"], rows[f"{name}_high"], strict=True)
        ]
        if not blocks:
            columns[f"t ({name})"] = [number(value, 2) for value in rows[f"{name}_t"]]
            columns[f"p ({name})"] = [p_value(value) for value in rows[f"{name}_p"]]
            columns[f"p ({name}), Holm"] = [p_value(value) for value in rows[f"{name}_p_holm"]]
    return pd.DataFrame(columns)


def csv_text(table: pd.DataFrame, /) -> str:
    """Return a table as CSV."""
    return table.to_csv(index=False, lineterminator="\n")


def muscles_latex(summary: pd.DataFrame, /, *, cohort: str) -> str:
    """Return one LaTeX table per entry; they require the package booktabs."""
    tables = []
    for place, (label, rows) in enumerate(entries(summary), start=1):
        by = str(rows.iloc[0]["by"])
        caption = (
            f"{label}: improvement rate over OpenSim and skill over the mean EMG pattern, "
            f"{cohort}, one {by} left out at a time."
        )
        tables.append(latex_table(printed(rows), caption=caption, label=f"tab:{by}-{place}"))
    return "\n".join(tables)


def latex_table(rows: pd.DataFrame, /, *, caption: str, label: str) -> str:
    """Return a table of text as LaTeX; muscles and intervals are aligned left."""
    words = ("muscle", "interval", "range")
    return (
        rows.style.hide(axis="index")
        .format(_typeset, escape="latex")
        .format_index(_typeset, axis="columns", escape="latex")
        .to_latex(
            hrules=True,
            caption=_escaped(caption),
            label=label,
            column_format="".join("l" if str(name).endswith(words) else "r" for name in rows),
        )
    )


def _typeset(value: object) -> str:
    """Escape what pandas leaves; numbers and intervals in math mode, where a hyphen is a minus."""
    text = str(value)
    for sign, command in (("<", r"\textless{}"), (">", r"\textgreater{}"), ("–", "--")):
        text = text.replace(sign, command)
    return f"${text}$" if re.fullmatch(r"[+-][\d.]+|\[.+\]", text) else text


def _escaped(text: str) -> str:
    cell = pd.DataFrame([text]).style.hide(axis="index").hide(axis="columns")
    return cell.format(_typeset, escape="latex").to_string().strip()
