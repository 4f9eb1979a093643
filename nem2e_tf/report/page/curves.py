"""Section of a page about the curves themselves: their size, their shape and their timing."""

from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.evaluation.results import BLOCK, entry_columns
from nem2e_tf.evaluation.statistics import OVERALL
from nem2e_tf.report.further import Further
from nem2e_tf.report.labels import entry_label, settings_of
from nem2e_tf.report.page.html import Markup, element
from nem2e_tf.report.page.reasons import notes_list, reasons
from nem2e_tf.report.page.tables import Column, download, files_line, html_table, interval

METRICS = {
    "nrmse": ("RMSE / range", 3, "RMSE over the range of the measured curve; 0 is perfect"),
    "r2": ("R²", 2, "1 is perfect; below 0 the mean of the measured curve is nearer"),
    "r": ("r", 2, "Pearson's: shape alone"),
    "lag_ms": ("lag, ms", 0, "shift of best match of the whole curve; above 0 is late"),
    "peak_ms": ("peak, ms", 0, "above 0 is late"),
    "onset_ms": ("onset, ms", 0, "of the main burst, at a fifth of its height; above 0 is late"),
    "offset_ms": ("offset, ms", 0, "of the main burst, at a fifth of its height; above 0 is late"),
}
"""What is shown of `nem2e_tf.evaluation.curve_table.METRICS`: head, decimals, explanation."""


def curve_section(further: Further, /) -> list[Markup | None]:
    """Write the metrics of held-out curves, or why there are none."""
    table = further.curves
    why = notes_list(further.missing, kind="missing")
    if table.empty:
        return [why] if why else []
    settings = settings_of(table)
    shown = _wide(table[table["metric"].isin(METRICS)])
    overall = shown[shown["muscle"] == OVERALL]
    entry = Column("entry", lambda row: entry_label(row, settings))
    n = Column("n", lambda row: str(row["n"]), lambda row: float(row["n"]))
    values = [
        Column(head, _value(name, places), _key(name), explain)
        for name, (head, places, explain) in METRICS.items()
    ]
    between = "range of the blocks" if (table["by"] == BLOCK).all() else "95 % interval"
    files = further.files()
    return [
        why,
        element(
            "p",
            "Curves of cycles that were left out, held against the EMG: mean over the cycles of a "
            "condition, then conditions, then those left out. Errors of timing are estimate minus "
            "measured, so that early and late ones cancel in a mean.",
        ),
        html_table(
            overall,
            [entry, n, *values],
            caption=f"Curves, mean over muscles, {between}.",
            sortable=True,
        ),
        notes_list(reasons(overall, settings)),
        element(
            "details",
            element("summary", "Muscle by muscle"),
            html_table(
                shown[shown["muscle"] != OVERALL],
                [entry, Column("muscle", lambda row: str(row["muscle"])), n, *values],
                caption=f"Curves by muscle, {between}.",
                sortable=True,
            ),
        ),
        files_line([download("curves.csv", files["curves.csv"], kind="text/csv", label="CSV")]),
    ]


def _wide(table: pd.DataFrame) -> pd.DataFrame:
    """One row an entry and muscle, with every metric and its ends."""
    keys = [*entry_columns(table), "muscle"]
    rows = []
    for key, part in table.groupby(keys, sort=False):
        row: dict[str, Any] = dict(zip(keys, key, strict=True))
        row["n"] = int(part["n"].max())
        row["notes"] = "; ".join(_notes(part, most=row["n"]))
        for _, one in part.iterrows():
            name = str(one["metric"])
            row |= {name: one["mean"], f"{name}_low": one["low"], f"{name}_high": one["high"]}
        rows.append(row)
    return pd.DataFrame(rows)


def _notes(part: pd.DataFrame, *, most: int) -> list[str]:
    """Reasons that hold for every metric are told of none of them."""
    told = part[part["notes"] != ""]
    if len(told) == len(part) and told["notes"].nunique() == 1:
        return [str(told["notes"].iloc[0])]
    lines = [f"{METRICS[row['metric']][0]}: {row['notes']}" for _, row in told.iterrows()]
    few = part[(part["n"] < most) & (part["notes"] == "")]
    return lines + [f"{METRICS[r['metric']][0]} of {r['n']} of {most}" for _, r in few.iterrows()]


def _key(name: str) -> Any:
    return lambda row: float(row[name])


def _value(name: str, places: int) -> Any:
    signed = name.endswith("_ms")

    def write(row: "pd.Series[Any]") -> Any:
        return interval(row, name, places, sign=signed) if np.isfinite(row[name]) else "–"

    return write
