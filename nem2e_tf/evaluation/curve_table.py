"""All metrics of estimated curves as tables: by cycle, by group and muscle, by muscle."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.estimate import estimate as estimate_mean
from nem2e_tf.evaluation.metrics import (
    correlation,
    determination,
    lag_percent,
    milliseconds,
    normalised_rmse,
    rmse,
)
from nem2e_tf.evaluation.results import BLOCK
from nem2e_tf.evaluation.statistics import OVERALL
from nem2e_tf.evaluation.timing import THRESHOLD, timing_error

METRICS = (
    *("rmse", "nrmse", "r2", "r", "lag_percent", "lag_ms", "peak_percent", "peak_ms"),
    *("onset_percent", "onset_ms", "offset_percent", "offset_ms"),
)


def curve_metrics(
    measured: ArrayLike,
    estimate: ArrayLike,
    /,
    *,
    muscles: Sequence[str],
    groups: Sequence[str],
    conditions: Sequence[str],
    durations: ArrayLike,
    threshold: float = THRESHOLD,
) -> pd.DataFrame:
    """Every metric of every cycle and muscle.

    Parameters
    ----------
    measured, estimate : array [cycle, sample, muscle]
        EMG and what stands for it, in the same units.
    muscles : sequence of str
        Names.
    groups, conditions : sequence of str [cycle]
        Who was left out with the cycle, such as its subject, and its condition, such as the speed.
    durations : array [cycle]
        In seconds.
    threshold : float
        Of the onset and offset; see `nem2e_tf.evaluation.timing.main_burst`.

    Returns
    -------
    DataFrame
        One row a cycle and muscle: ``cycle`` (its number in the arrays), ``group``, ``condition``,
        ``muscle``; ``rmse``, ``nrmse`` (over the measured range), ``r2``, ``r``; and, each in % of
        the cycle and in ms and positive where the estimate is late, ``lag`` (best match of the
        whole curve), ``peak``, ``onset`` and ``offset`` (of the main burst). What a curve does not
        have is NaN; a cycle whose measured curve holds NaN has NaN throughout.

    Raises
    ------
    InputError
        The shapes do not fit.
    """
    target, curves = np.asarray(measured, float), np.asarray(estimate, float)
    expected = (len(groups), target.shape[1] if target.ndim == 3 else 0, len(muscles))
    for array, what in ((target, "measured"), (curves, "estimate")):
        if array.shape != expected:
            raise InputError(
                f"{what}: expected [cycle, sample, muscle] of {len(groups)} cycles and "
                f"{len(muscles)} muscles, found {array.shape}"
            )
    for values, what in ((conditions, "conditions"), (np.asarray(durations), "durations")):
        if len(values) != len(groups):
            raise InputError(f"{what}: expected one a cycle ({len(groups)}), found {len(values)}")
    lag = lag_percent(target, curves)
    times = {"lag": lag, **timing_error(target, curves, threshold=threshold)._asdict()}
    scores = {
        "rmse": rmse(target, curves),
        "nrmse": normalised_rmse(target, curves),
        "r2": determination(target, curves),
        "r": correlation(target, curves),
    }
    for name, percent in times.items():
        scores[f"{name}_percent"] = percent
        scores[f"{name}_ms"] = milliseconds(percent, durations)
    n_cycles, n_muscles = len(groups), len(muscles)
    return pd.DataFrame(
        {
            "cycle": np.repeat(np.arange(n_cycles), n_muscles),
            "group": np.repeat(np.asarray(groups, dtype=object), n_muscles),
            "condition": np.repeat(np.asarray(conditions, dtype=object), n_muscles),
            "muscle": np.tile(np.asarray(muscles, dtype=object), n_cycles),
            **{name: scores[name].ravel() for name in METRICS},
        }
    )


def group_metrics(table: pd.DataFrame) -> pd.DataFrame:
    """Metrics of each group and muscle: mean over the cycles of a condition, then conditions.

    As the paper's subject value is a mean over four speeds. A cycle that has no value of a metric
    (a flat curve has no lag) is left out of that mean.

    Parameters
    ----------
    table : DataFrame
        See `curve_metrics`.

    Returns
    -------
    DataFrame
        One row a group and muscle: ``group``, ``muscle``, ``n_cycles`` (with EMG and an estimate)
        and the metrics.
    """
    metrics = list(METRICS)
    by_condition = table.groupby(["group", "muscle", "condition"], sort=False)[metrics].mean()
    means = by_condition.groupby(["group", "muscle"], sort=False).mean()
    counts = table.groupby(["group", "muscle"], sort=False)["rmse"].count()
    means.insert(0, "n_cycles", counts)
    return means.reset_index()


def muscle_metrics(groups: pd.DataFrame, *, by: str = "subject") -> pd.DataFrame:
    """Metrics of each muscle over groups, and of all muscles together.

    Parameters
    ----------
    groups : DataFrame
        See `group_metrics`.
    by : str
        What was left out; blocks of one person get their range and no interval.

    Returns
    -------
    DataFrame
        One row a muscle (then ``overall``: a group's mean over its muscles) and metric: ``muscle``,
        ``metric``, ``n`` (groups with a value), ``mean``, ``sd``, ``low`` and ``high`` (95 % t
        interval of the mean), ``notes``.
    """
    metrics = list(METRICS)
    parts = [(str(name), part) for name, part in groups.groupby("muscle", sort=False)]
    parts.append((OVERALL, groups.groupby("group", sort=False)[metrics].mean()))
    rows = []
    for muscle, part in parts:
        for metric in metrics:
            found = estimate_mean(part[metric], blocks=by == BLOCK)
            known = part[metric].dropna()
            rows.append(
                {
                    "muscle": muscle,
                    "metric": metric,
                    "n": found.n,
                    "mean": found.mean,
                    "sd": float(known.std(ddof=1)) if len(known) > 1 else np.nan,
                    "low": found.low,
                    "high": found.high,
                    "notes": found.note,
                }
            )
    return pd.DataFrame(rows)
