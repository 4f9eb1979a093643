"""The leaderboard of a page: every entry with its evidence, to be sorted by any column."""

from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.evaluation.results import entry_columns
from nem2e_tf.evaluation.statistics import OVERALL
from nem2e_tf.report.evidence import Evidence
from nem2e_tf.report.notes import WORDS, differing, shared
from nem2e_tf.report.page.html import (
    UNKNOWN,
    Column,
    Markup,
    element,
    html_table,
    interval,
    number,
    p_value,
)

VERDICTS = {
    "adds": "adds skill",
    "unclear": "not shown",
    "worse": "worse",
    "unknown": "unknown",
}
"""What is written for a verdict of `nem2e_tf.controls.blind.input_blind`."""


def leaderboard(evidence: Evidence, blind: pd.DataFrame, /, *, by: str) -> Markup:
    """Make the leaderboard of one kind of groups, the highest skill first.

    Parameters
    ----------
    evidence : Evidence
    blind : DataFrame
        See `nem2e_tf.controls.blind.input_blind`.
    by : str
        Which kind of groups.
    """
    rows = together(evidence, blind, by=by)
    blocks = by == "block"
    columns = [Column("entry", lambda row: str(row["model"]))]
    columns += [Column(name, _setting(name)) for name in differing(rows)]
    between = "range of the blocks" if blocks else "95 % interval"
    columns += [
        Column("n", lambda row: str(row["n"]), _key("n"), f"{by}s left out with a result"),
        Column("rate", lambda row: interval(row, "rate"), _key("rate"),
               f"against OpenSim: below 0 is better; {between}"),
        Column("p rate", lambda row: p_value(row["rate_p_holm"]), _key("rate_p_holm"),
               "t test against 0, Holm-adjusted"),
        Column("mean pattern's share", _share, _key("share"),
               "how much of the gain over OpenSim the mean EMG pattern alone reaches"),
        Column("skill", lambda row: interval(row, "skill"), _key("skill"),
               f"over the mean EMG pattern: above 0 is better; {between}"),
        Column("p skill", lambda row: p_value(row["skill_p_holm"]), _key("skill_p_holm"),
               "t test against 0, Holm-adjusted"),
        Column("skill is", _verdict),
        Column("RMSE", lambda row: number(row["rmse_refined"], 4), _key("rmse_refined")),
        Column("r", lambda row: number(row["r"], 2), _key("r"), "mean of the cycles"),
        Column("lag, ms", lambda row: number(row["lag_ms"], 0, sign=True), _key("lag_ms"),
               "above 0 is late"),
        Column(f"RMSE - {evidence.baseline}", lambda row: interval(row, "difference_base", 4),
               _key("difference_base"), f"below 0 is better than {evidence.baseline}"),
        Column("p", lambda row: p_value(row["difference_base_p_holm"]),
               _key("difference_base_p_holm"), f"of the difference from {evidence.baseline}"),
        Column("epochs", lambda row: number(row["epochs"], 0), _key("epochs"),
               "kept, mean of the fits; 0 for closed forms"),
        Column("fit, s", lambda row: number(row["seconds"], 1), _key("seconds"),
               "training time of a fit, which many share"),
    ]  # fmt: skip
    if blocks:
        columns = [column for column in columns if column.head not in ("p rate", "p skill", "p")]
    if rows["difference_base"].isna().all():
        columns = [c for c in columns if c.head not in (f"RMSE - {evidence.baseline}", "p")]
    n_muscles = evidence.summary.loc[evidence.summary["by"] == by, "muscle"].nunique() - 1
    caption = f"Leaderboard: {by}s left out in turn, mean over {n_muscles} muscles, {between}."
    same = shared(rows)
    return html_table(
        rows, columns, caption=f"{caption}{f' All entries: {same}.' if same else ''}", sortable=True
    )


def together(evidence: Evidence, blind: pd.DataFrame, /, *, by: str) -> pd.DataFrame:
    """Put overall rows of all tables side by side, the highest skill first."""
    rows = evidence.summary
    rows = rows[(rows["by"] == by) & (rows["muscle"] == OVERALL)]
    keys = entry_columns(rows)
    told = blind[blind["muscle"] == OVERALL][[*keys, "share", "verdict"]]
    rows = rows.merge(told, on=keys, how="left", validate="one_to_one")
    names = ["difference", "difference_low", "difference_high", "difference_p_holm"]
    new = [name.replace("difference", "difference_base") for name in names]
    if evidence.comparison.empty:
        rows = rows.assign(**dict.fromkeys(new, np.nan))
    else:
        base = evidence.comparison
        base = base[base["muscle"] == OVERALL][[*keys, *names]]
        base = base.rename(columns=dict(zip(names, new, strict=True)))
        rows = rows.merge(base, on=keys, how="left", validate="one_to_one")
    return rows.sort_values("skill", ascending=False, kind="stable").reset_index(drop=True)


def _key(name: str) -> Any:
    return lambda row: float(row[name])


def _setting(name: str) -> Any:
    return lambda row: WORDS.get(str(row[name]), str(row[name])) or "mean of seeds"


def _share(row: "pd.Series[Any]") -> str:
    return UNKNOWN if not np.isfinite(row["share"]) else f"{100 * row['share']:.0f} %"


def _verdict(row: "pd.Series[Any]") -> Any:
    if row["model"] == "mean-pattern":
        return "the reference"
    verdict = str(row["verdict"])
    return element("span", VERDICTS.get(verdict, UNKNOWN), class_=verdict)
