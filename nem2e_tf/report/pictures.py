"""The figures of a report, with their captions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nem2e_tf.evaluation.results import BLOCK, average_seeds, entry_columns
from nem2e_tf.evaluation.statistics import OVERALL
from nem2e_tf.names import PATTERNS
from nem2e_tf.report.evidence import Evidence
from nem2e_tf.report.notes import differing, entry_label

if TYPE_CHECKING:
    from matplotlib.figure import Figure


REFERENCES = ("opensim", "mean-pattern")
_MOST_BOXES = 5


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure, the name of its files, and its caption."""

    name: str
    figure: "Figure"
    caption: str


@dataclass(frozen=True, eq=False)
class Traces:
    """Curves of all test cycles of an entry.

    Attributes
    ----------
    label : str
    measured, simulated, refined : array [cycle, sample, muscle]
    muscles : tuple of str
        Last axis.
    conditions : tuple of str
        First axis.
    """

    label: str
    measured: NDArray[np.float32]
    simulated: NDArray[np.float32]
    refined: NDArray[np.float32]
    muscles: tuple[str, ...]
    conditions: tuple[str, ...]


def chosen(summary: pd.DataFrame, /, *, models: Sequence[str] = ()) -> pd.DataFrame:
    """Select the entries whose curves are drawn: the highest skill of each input pattern.

    Parameters
    ----------
    summary : DataFrame
        See `nem2e_tf.evaluation.statistics.summarise`; one kind of groups.
    models : sequence of str
        Select all entries of these models instead.

    Returns
    -------
    DataFrame
        Overall rows, in the paper's order of patterns. The references (simulation, mean pattern)
        are selected only if there is no other entry.
    """
    rows = summary[(summary["muscle"] == OVERALL) & summary["skill"].notna()]
    rows = rows.iloc[rows["pattern"].map(PATTERNS.index).argsort(kind="stable")]
    if models:
        return rows[rows["model"].isin(models)]
    refiners = rows[~rows["model"].isin(REFERENCES)]
    rows = rows if refiners.empty else refiners
    return rows.loc[rows.groupby("pattern", sort=False)["skill"].idxmax()]


def evidence_pictures(
    evidence: Evidence, results: pd.DataFrame, shown: pd.DataFrame, /, *, by: str
) -> list[Picture]:
    """Draw skill and rate: all entries with intervals, some entries per muscle.

    Parameters
    ----------
    evidence : Evidence
    results : DataFrame
        Rows of ``results.csv``.
    shown : DataFrame
        See `chosen`; box plots are drawn of at most five.
    by : str
        Kind of groups.
    """
    from nem2e_tf.report.figures.scores import draw_boxes, draw_intervals

    summary = evidence.summary[evidence.summary["by"] == by]
    overall = summary[(summary["muscle"] == OVERALL) & summary["skill"].notna()]
    if overall.empty:
        return []
    settings = differing(overall)
    overall = overall.sort_values("skill", ascending=False, kind="stable")
    overall = overall.assign(label=[entry_label(row, settings) for _, row in overall.iterrows()])
    between = "the range over blocks" if by == BLOCK else "95 % interval"
    pictures = [
        Picture(
            f"skill-{by}",
            draw_intervals(overall, value="skill", zero="the mean EMG pattern"),
            f"Skill of every entry, mean over muscles, with {between}; filled dots where it "
            "excludes 0, the skill of the mean EMG pattern, which does not depend on its input.",
        )
    ]
    shown = shown.head(_MOST_BOXES)
    if shown.empty:
        return pictures
    table = average_seeds(results)
    keys = entry_columns(table)
    labels = shown[keys].assign(series=[entry_label(r, settings) for _, r in shown.iterrows()])
    scores = labels.merge(table, on=keys)
    references = evidence.references[evidence.references["by"] == by].set_index("muscle")
    for value, zero, reference in (
        ("rate", "OpenSim", references["mean_pattern_rate"]),
        ("skill", "mean EMG\npattern", None),
    ):
        figure = draw_boxes(
            scores,
            value=value,
            zero=zero,
            reference=reference,
            reference_label="mean EMG pattern",
        )
        pictures.append(
            Picture(
                f"{value}-by-muscle-{by}",
                figure,
                f"{value.capitalize()} per muscle. Dots: {by}s; boxes: quartiles and median; "
                f"whiskers: furthest {by} within 1.5 interquartile ranges. "
                + (
                    "Below 0: better than OpenSim. Diamonds: mean EMG pattern."
                    if value == "rate"
                    else "Above 0: better than the mean EMG pattern."
                ),
            )
        )
    return pictures


def trace_pictures(traces: Sequence[Traces], /) -> list[Picture]:
    """Draw measured, simulated and refined curves, one figure per entry."""
    from nem2e_tf.report.figures.panels import draw_curves

    return [
        Picture(
            f"traces-{place}",
            draw_curves(
                one.measured,
                one.simulated,
                one.refined,
                muscles=one.muscles,
                groups=one.conditions,
                title=one.label,
            ),
            f"{one.label}: test cycles per condition; mean and standard deviation over cycles, in "
            "units of the normalised EMG.",
        )
        for place, one in enumerate(traces, start=1)
    ]


def loss_pictures(history: "pd.DataFrame | None", /) -> list[Picture]:
    """Draw loss curves; closed forms have none."""
    from nem2e_tf.report.figures.panels import draw_losses

    if history is None or history.empty:
        return []
    return [
        Picture(
            "losses",
            draw_losses(history),
            "Loss over epochs, over all folds, muscles and seeds. The training loss includes "
            "dropout. The loss of the test cycles is recorded but never used.",
        )
    ]


def attention_pictures(weights: "pd.DataFrame | None", /) -> list[Picture]:
    """Draw attention, one or two figures per entry.

    Parameters
    ----------
    weights : DataFrame or None
        ``weights.csv`` of the control ``attention``: columns ``model``, ``pattern``, ``muscle``,
        ``attention``, ``sample``, ``token`` and ``weight``. For entries with one model per muscle
        the mean over muscles is drawn.
    """
    from nem2e_tf.report.figures.attention import (
        draw_channel_map,
        draw_spatial_attention,
        draw_temporal_attention,
    )

    pictures: list[Picture] = []
    if weights is None or weights.empty:
        return pictures
    keys = ["model", "pattern", "targets", "output", "recipe", "attention"]
    for place, (key, one) in enumerate(weights.groupby(keys, sort=False), start=1):
        model, pattern, attention = str(key[0]), str(key[1]), str(key[-1])
        tokens = list(dict.fromkeys(one["token"].astype(str)))
        means = one.groupby(["sample", one["token"].astype(str)], sort=False)["weight"].mean()
        table = means.unstack()[tokens].sort_index().to_numpy(float)
        label = f"{model}, {pattern}"
        n = one["muscle"].nunique()
        of = f"mean over {n} muscles and " if n > 1 else "mean over "
        if attention == "temporal":
            pictures.append(
                Picture(
                    f"attention-{place}",
                    draw_temporal_attention(table, title=label),
                    f"Temporal attention of {label}, {of}test cycles: weight of each simulated "
                    "sample for each refined sample. Above the dashed line: later samples.",
                )
            )
            continue
        pictures += [
            Picture(
                f"attention-{place}-body",
                draw_spatial_attention(table, channels=tokens, title=label),
                f"Spatial attention of {label}, {of}test cycles: the ten channels with the "
                "highest weights at 0, 50 and 100 % of the cycle. Ipsi: the leg whose foot "
                "contacts delimit the cycle. Discs are at the middle of the muscle belly.",
            ),
            Picture(
                f"attention-{place}-channels",
                draw_channel_map(table, channels=tokens, title=label),
                f"Spatial attention of {label} over the cycle, {of}test cycles.",
            ),
        ]
    return pictures
