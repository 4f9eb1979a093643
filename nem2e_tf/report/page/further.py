"""Section of a page with effect sizes, rank tests, power, seeds and mixed-effects models."""

from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.evaluation.statistics import OVERALL
from nem2e_tf.report.further import Further
from nem2e_tf.report.labels import entry_label, settings_of
from nem2e_tf.report.page.html import Markup, element
from nem2e_tf.report.page.reasons import notes_list, reasons
from nem2e_tf.report.page.tables import (
    Column,
    download,
    files_line,
    html_table,
    interval,
    number,
    p_value,
)

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
        Column("n", _plain("n", 0), _key("n")),
        Column("mean", _plain("mean", 3, sign=True), _key("mean")),
        Column("SD", _plain("sd", 3), _key("sd"), "over those left out"),
        Column("dz", _plain("dz", 2, sign=True), _key("dz"), "Cohen's: mean / SD"),
        Column("gz", lambda row: interval(row, "gz", 2), _key("gz"),
               "Hedges': dz without its small-sample bias; 95 % interval"),
        Column("p, t", _p("t_p"), _key("t_p"), "t test against 0, not adjusted"),
        Column("p, Wilcoxon", _p("wilcoxon_p"), _key("wilcoxon_p"),
               "signed-rank test, which assumes no normal distribution; not adjusted"),
        Column("power", _plain("power", 2), _key("power"),
               "of the t test with this n, if the true effect is gz"),
        Column("n needed", _needed, _key("n_needed"),
               "for a power of 0.8 if the true effect is gz; below it, at the end of gz's interval "
               "further from 0"),
    ]  # fmt: skip
    by_muscle = [
        *_named(settings, muscle=True),
        *columns[:5],
        Column("p, t, Holm", _p("t_p_holm"), _key("t_p_holm"), "over the muscles of an entry"),
        Column("p, Wilcoxon, Holm", _p("wilcoxon_p_holm"), _key("wilcoxon_p_holm"),
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
        Column("groups", _plain("n_groups", 0), _key("n_groups")),
        Column("seeds", _plain("n_seeds", 0), _key("n_seeds")),
        Column("mean", _plain("mean", 3, sign=True), _key("mean")),
        Column("SD, seeds", _plain("seed_sd", 4), _key("seed_sd"),
               "the same experiment with the same people again"),
        Column("SD, people", _plain("group_sd", 4), _key("group_sd"),
               "between those left out, the seeds' part taken away"),
        Column("seeds' share", _percent("seed_share"), _key("seed_share"), "of the variance"),
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
        Column("groups", _plain("n_groups", 0), _key("n_groups")),
        Column("muscles", _plain("n_muscles", 0), _key("n_muscles")),
        Column("mean", lambda row: interval(row, "mean"), _key("mean"), "95 % interval"),
        Column("t", _plain("t", 2), _key("t")),
        Column("df", _plain("df", 0), _key("df")),
        Column("p", _p("p"), _key("p"), "against 0, not adjusted"),
        Column("SD, people", _plain("group_sd", 3), _key("group_sd"),
               "what one's muscles have in common"),
        Column("SD, rest", _plain("residual_sd", 3), _key("residual_sd")),
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


def _key(name: str) -> Any:
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
