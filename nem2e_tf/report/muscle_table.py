"""Improvement muscle by muscle, as in the paper's Tables 2 and 3, and what it lacks beside it."""

import pandas as pd

from nem2e_tf.evaluation.results import BLOCK, entry_columns
from nem2e_tf.evaluation.statistics import OVERALL
from nem2e_tf.report.labels import differing, entry_label
from nem2e_tf.report.latex import latex_table
from nem2e_tf.report.page.tables import number, p_value

WORDS = ("muscle", "95 % interval", "range", "skill's interval", "skill's range")


def entries(summary: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
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
    found = []
    for _, row in overall.iterrows():
        rows = summary[(summary[keys] == row[keys]).all(axis=1)]
        found.append((entry_label(row, settings), rows))
    return found


def printed(rows: pd.DataFrame) -> pd.DataFrame:
    """Write one entry's rows as text, ready to print.

    Returns
    -------
    DataFrame
        Muscle, n, mean rate with interval, t, p and Holm's p; skill with interval and Holm's p.
        Blocks have the range over blocks and no tests.
    """
    blocks = bool((rows["by"] == BLOCK).all())
    columns: dict[str, list[str]] = {
        "muscle": [str(name) for name in rows["muscle"]],
        "n": [str(n) for n in rows["n"]],
    }
    for name, of, between in (("rate", "", "95 % interval"), ("skill", "skill's ", "interval")):
        columns[name] = [number(value, 3, sign=True) for value in rows[name]]
        columns[f"{of}{'range' if blocks else between}"] = [
            "–" if pd.isna(low) else f"[{number(low, 3, sign=True)}, {number(high, 3, sign=True)}]"
            for low, high in zip(rows[f"{name}_low"], rows[f"{name}_high"], strict=True)
        ]
        if not blocks:
            columns[f"{of}t"] = [number(value, 2) for value in rows[f"{name}_t"]]
            columns[f"{of}p"] = [p_value(value) for value in rows[f"{name}_p"]]
            columns[f"{of}Holm"] = [p_value(value) for value in rows[f"{name}_p_holm"]]
    return pd.DataFrame(columns)


def muscles_latex(summary: pd.DataFrame, /, *, cohort: str) -> str:
    """Write a LaTeX table an entry."""
    tables = []
    for place, (label, rows) in enumerate(entries(summary), start=1):
        by = str(rows.iloc[0]["by"])
        caption = (
            f"{label}: improvement rate against OpenSim and skill over the mean EMG pattern, "
            f"{cohort}, one {by} left out at a time."
        )
        tables.append(
            latex_table(printed(rows), caption=caption, label=f"tab:{by}-{place}", words=WORDS)
        )
    return "\n".join(tables)


def muscles_csv(summary: pd.DataFrame, /) -> str:
    """Write everything that is known of every entry and muscle as CSV."""
    return summary.to_csv(index=False, lineterminator="\n")
