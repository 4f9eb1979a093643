"""Section of a page with effect sizes, rank tests, power, seeds and mixed-effects models.

Section of a page about the curves themselves: their size, their shape and their timing.
"""

from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.evaluation.results import BLOCK, entry_columns
from nem2e_tf.evaluation.statistics import OVERALL
from nem2e_tf.report.evidence import Further
from nem2e_tf.report.notes import entry_label, settings_of
from nem2e_tf.report.page.html import (
    Column,
    Markup,
    download,
    element,
    files_line,
    html_table,
    interval,
    notes_list,
    number,
    p_value,
    reasons,
)

METRICS = {
    "nrmse": ("RMSE / range", 3, "RMSE over the range of the measured curve; 0 is perfect"),
    "r2": ("R²", 2, "1 is perfect; below 0 the mean of the measured curve is nearer"),
    "r": ("r", 2, "Pearson's: shape alone"),
    "lag_ms": ("lag, ms", 0, "shift of best match of the whole curve; above 0 is late"),
    "peak_ms": ("peak, ms", 0, "above 0 is late"),
    "onset_ms": ("onset, ms", 0, "of the main burst, at a fifth of its height; above 0 is late"),
    "offset_ms": ("offset, ms", 0, "of the main burst, at a fifth of its height; above 0 is late"),
}
"""What is shown of `nem2e_tf.evaluation.curves.METRICS`: head, decimals, explanation."""


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


MEASURES = {"rate": "rate", "skill": "skill", "difference": "RMSE - OpenSim"}
"""What is written for a measure."""

# Nothing is compared with itself.
_ITSELF = {"opensim": ("rate", "difference"), "mean-pattern": ("skill",)}


def further_section(further: Further, /) -> list[Markup | None]:
    """Write what stands beside means and t tests; nothing where nothing was scored."""
    effects, seeds, mixed = map(_compared, (further.effects, further.seeds, further.mixed))
    if effects.empty:
        return []
    files = further.files()
    links = [
        download(name, files[name], kind="text/csv", label=label)
        for name, label in (
            ("effects.csv", "effects and power, CSV"),
            ("seeds.csv", "seeds, CSV"),
            ("mixed-models.csv", "mixed-effects models, CSV"),
        )
        if name in files
    ]
    return [*_effects(effects), *_seeds(seeds), *_mixed(mixed), files_line(links)]


def _compared(table: pd.DataFrame) -> pd.DataFrame:
    own = [row["measure"] in _ITSELF.get(row["model"], ()) for _, row in table.iterrows()]
    return table[~np.array(own, dtype=bool)]


def _effects(table: pd.DataFrame) -> list[Markup | None]:
    settings = settings_of(table)
    overall = table[table["muscle"] == OVERALL]
    muscles = table[(table["muscle"] != OVERALL) & (table["measure"] != "difference")]
    columns = [
        Column("n", _plain("n", 0), _keys("n")),
        Column("mean", _plain("mean", 3, sign=True), _keys("mean")),
        Column("SD", _plain("sd", 3), _keys("sd"), "over those left out"),
        Column("dz", _plain("dz", 2, sign=True), _keys("dz"), "Cohen's: mean / SD"),
        Column("gz", lambda row: interval(row, "gz", 2), _keys("gz"),
               "Hedges': dz without its small-sample bias; 95 % interval"),
        Column("p, t", _p("t_p"), _keys("t_p"), "t test against 0, not adjusted"),
        Column("p, Wilcoxon", _p("wilcoxon_p"), _keys("wilcoxon_p"),
               "signed-rank test, which assumes no normal distribution; not adjusted"),
        Column("power", _plain("power", 2), _keys("power"),
               "of the t test with this n, if the true effect is gz"),
        Column("n needed", _needed, _keys("n_needed"),
               "for a power of 0.8 if the true effect is gz; below it, at the end of gz's interval "
               "further from 0"),
    ]  # fmt: skip
    by_muscle = [
        *_named(settings, muscle=True),
        *columns[:5],
        Column("p, t, Holm", _p("t_p_holm"), _keys("t_p_holm"), "over the muscles of an entry"),
        Column("p, Wilcoxon, Holm", _p("wilcoxon_p_holm"), _keys("wilcoxon_p_holm"),
               "over the muscles of an entry"),
        *columns[-2:],
    ]  # fmt: skip
    return [
        element("h3", "Effect sizes, rank tests and power"),
        element(
            "p",
            "Wilcoxon's test is the check of the t test: where they disagree, a few people decide. "
            "The n needed follows from an effect that few people gave, and is as uncertain.",
        ),
        html_table(
            overall,
            [*_named(settings), *columns],
            caption="Effects, mean over muscles.",
            sortable=True,
        ),
        _told(overall, settings),
        element(
            "details",
            element("summary", "Muscle by muscle"),
            html_table(muscles, by_muscle, caption="Effects by muscle.", sortable=True),
        ),
    ]


def _seeds(table: pd.DataFrame) -> list[Markup | None]:
    rows = table[table["muscle"] == OVERALL]
    head = element("h3", "Seeds apart from people")
    if rows.empty:
        return []
    if rows["seed_sd"].isna().all():
        return [
            head,
            element(
                "p",
                "Every entry has one seed: how much a fit differs from the next with the same "
                "people is unknown, and part of the spread between people above is it. Run with "
                "--seeds 2 or more to tell them apart.",
                class_="missing",
            ),
        ]
    settings = settings_of(rows)
    columns = [
        *_named(settings),
        Column("groups", _plain("n_groups", 0), _keys("n_groups")),
        Column("seeds", _plain("n_seeds", 0), _keys("n_seeds")),
        Column("mean", _plain("mean", 3, sign=True), _keys("mean")),
        Column("SD, seeds", _plain("seed_sd", 4), _keys("seed_sd"),
               "the same experiment with the same people again"),
        Column("SD, people", _plain("group_sd", 4), _keys("group_sd"),
               "between those left out, the seeds' part taken away"),
        Column("seeds' share", _percent("seed_share"), _keys("seed_share"), "of the variance"),
    ]  # fmt: skip
    return [
        head,
        html_table(
            rows,
            columns,
            caption="Spread of one fit, mean over muscles, taken apart by analysis of variance.",
            sortable=True,
        ),
        _told(rows, settings),
    ]


def _mixed(rows: pd.DataFrame) -> list[Markup | None]:
    if rows.empty:
        return []
    settings = settings_of(rows)
    head = element("h3", "Mixed-effects models")
    if rows["mean"].isna().all():
        return [head, _told(rows, settings, kind="missing")]
    columns = [
        *_named(settings),
        Column("groups", _plain("n_groups", 0), _keys("n_groups")),
        Column("muscles", _plain("n_muscles", 0), _keys("n_muscles")),
        Column("mean", lambda row: interval(row, "mean"), _keys("mean"), "95 % interval"),
        Column("t", _plain("t", 2), _keys("t")),
        Column("df", _plain("df", 0), _keys("df")),
        Column("p", _p("p"), _keys("p"), "against 0, not adjusted"),
        Column("SD, people", _plain("group_sd", 3), _keys("group_sd"),
               "what one's muscles have in common"),
        Column("SD, rest", _plain("residual_sd", 3), _keys("residual_sd")),
    ]  # fmt: skip
    return [
        head,
        html_table(
            rows,
            columns,
            caption="Restricted maximum likelihood: muscles fixed, those left out random. Uses "
            "also those of whom some muscles are missing.",
            sortable=True,
        ),
        _told(rows, settings),
    ]


def _named(settings: list[str], *, muscle: bool = False) -> list[Column]:
    between = [Column("muscle", lambda row: str(row["muscle"]))] if muscle else []
    return [
        Column("entry", lambda row: entry_label(row, settings)),
        *between,
        Column("of", lambda row: MEASURES[row["measure"]]),
    ]


def _told(rows: pd.DataFrame, settings: list[str], *, kind: str = "soft") -> Markup | None:
    return notes_list(reasons(rows, settings, of=("measure",)), kind=kind)


def _keys(name: str) -> Any:
    return lambda row: float(row[name])


def _plain(name: str, places: int, *, sign: bool = False) -> Any:
    return lambda row: number(row[name], places, sign=sign)


def _percent(name: str) -> Any:
    return lambda row: f"{100 * row[name]:.0f} %" if np.isfinite(row[name]) else number(None, 0)


def _p(name: str) -> Any:
    return lambda row: p_value(row[name])


def _needed(row: "pd.Series[Any]") -> Any:
    if np.isinf(row["n_needed"]):
        return "> 100 000"
    least = row["n_needed_at_least"]
    told = number(row["n_needed"], 0)
    return [told, element("small", f"at least {least:.0f}")] if np.isfinite(least) else told
