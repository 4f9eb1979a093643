"""Which figures a report has, and what is said below each."""

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
    """A figure with its name, which its files have, and its caption."""

    name: str
    figure: "Figure"
    caption: str


@dataclass(frozen=True, eq=False)
class Traces:
    """Curves of an entry, of all cycles that were left out.

    Attributes
    ----------
    label : str
    measured, simulated, refined : array [cycle, sample, muscle]
    muscles, conditions : tuple of str
        Of the last and the first axis.
    """

    label: str
    measured: NDArray[np.float32]
    simulated: NDArray[np.float32]
    refined: NDArray[np.float32]
    muscles: tuple[str, ...]
    conditions: tuple[str, ...]


def chosen(summary: pd.DataFrame, /, *, models: Sequence[str] = ()) -> pd.DataFrame:
    """Choose the entries whose curves are shown: the highest skill under each input pattern.

    Parameters
    ----------
    summary : DataFrame
        See `nem2e_tf.evaluation.statistics.summarise`; one kind of groups.
    models : sequence of str
        Every entry of these models instead.

    Returns
    -------
    DataFrame
        Overall rows, in the paper's order of patterns. References that look at no input or return
        it are chosen only where there is nothing else.
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
    """Draw skill and rate of one kind of groups.

    Parameters
    ----------
    evidence : Evidence
    results : DataFrame
        Rows of ``results.csv``.
    shown : DataFrame
        See `chosen`; at most five get boxes.
    by : str
        Which kind of groups.
    """
    from nem2e_tf.report.figures.scores import draw_boxes, draw_intervals

    summary = evidence.summary[evidence.summary["by"] == by]
    overall = summary[(summary["muscle"] == OVERALL) & summary["skill"].notna()]
    if overall.empty:
        return []
    settings = differing(overall)
    overall = overall.sort_values("skill", ascending=False, kind="stable")
    overall = overall.assign(label=[entry_label(row, settings) for _, row in overall.iterrows()])
    between = "the range of the blocks" if by == BLOCK else "its 95 % interval"
    pictures = [
        Picture(
            f"skill-{by}",
            draw_intervals(overall, value="skill", zero="the mean EMG pattern"),
            f"Skill of every entry, mean over muscles, with {between}; full where that leaves out "
            "0, which the mean EMG pattern reaches without looking at its input.",
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
            reference_label="mean EMG pattern alone",
        )
        pictures.append(
            Picture(
                f"{value}-by-muscle-{by}",
                figure,
                f"{value.capitalize()} by muscle: a dot a {by}, the box from quartile to quartile "
                f"with the median, whiskers to the furthest {by} within 1.5 times that. "
                + (
                    "Below 0 is better than OpenSim; the diamond is what the mean EMG pattern "
                    "alone reaches."
                    if value == "rate"
                    else "Above 0 is better than the mean EMG pattern."
                ),
            )
        )
    return pictures


def trace_pictures(traces: Sequence[Traces], /) -> list[Picture]:
    """Draw refined traces, a figure an entry."""
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
            f"{one.label}: cycles that were left out of its training, by condition; mean and "
            "standard deviation over cycles, in units of the EMG.",
        )
        for place, one in enumerate(traces, start=1)
    ]


def loss_pictures(history: "pd.DataFrame | None", /) -> list[Picture]:
    """Draw loss curves, if there are any; closed forms have none."""
    from nem2e_tf.report.figures.panels import draw_losses

    if history is None or history.empty:
        return []
    return [
        Picture(
            "losses",
            draw_losses(history),
            "Loss over the epochs of every fold, muscle and seed. Training includes dropout. The "
            "loss on what was left out is never used.",
        )
    ]


def attention_pictures(weights: "pd.DataFrame | None", /) -> list[Picture]:
    """Draw attention, a figure or two an entry.

    Parameters
    ----------
    weights : DataFrame or None
        ``weights.csv`` of the control ``attention``: columns ``model``, ``pattern``, ``muscle``,
        ``attention``, ``sample``, ``token`` and ``weight``. Of entries with one model a muscle the
        mean over muscles is drawn.
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
                    f"Temporal attention of {label}, {of}cycles left out: which simulated samples "
                    "each refined sample draws on. Above the dashed line it looks at later ones.",
                )
            )
            continue
        pictures += [
            Picture(
                f"attention-{place}-body",
                draw_spatial_attention(table, channels=tokens, title=label),
                f"Spatial attention of {label}, {of}cycles left out: the ten channels with the "
                "highest weight at 0, 50 and 100 % of the cycle. Ipsi: the leg whose contacts "
                "bound the cycle. Discs stand for the middle of a muscle's belly.",
            ),
            Picture(
                f"attention-{place}-channels",
                draw_channel_map(table, channels=tokens, title=label),
                f"Spatial attention of {label} over the cycle.",
            ),
        ]
    return pictures
