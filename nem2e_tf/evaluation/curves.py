"""Curve metrics of every entry of a run, summarised over the groups that were left out.

All metrics of estimated curves as tables: by cycle, by group and muscle, by muscle.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.metrics import (
    THRESHOLD,
    correlation,
    determination,
    lag_percent,
    milliseconds,
    normalised_rmse,
    rmse,
    timing_error,
)
from nem2e_tf.evaluation.results import BLOCK, ENSEMBLE, SEEDS_MEAN, entry_columns
from nem2e_tf.evaluation.statistics import OVERALL
from nem2e_tf.evaluation.statistics import estimate as estimate_mean

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
        Of the onset and offset; see `nem2e_tf.evaluation.metrics.main_burst`.

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


def entry_groups(
    measured: ArrayLike,
    estimates: Iterable[tuple[Mapping[str, str], ArrayLike]],
    /,
    *,
    by: str,
    muscles: Sequence[str],
    groups: Sequence[str],
    conditions: Sequence[str],
    durations: ArrayLike,
) -> pd.DataFrame:
    """Take every metric of the held-out curves of each entry and seed, by group and muscle.

    Parameters
    ----------
    measured : array [cycle, sample, muscle]
        EMG.
    estimates : iterable of (mapping, array [cycle, sample, muscle])
        The settings and the seed of an entry, and its curves; a cycle whose fit is missing is NaN.
    by : str
        What was left out.
    muscles, groups, conditions, durations
        See `nem2e_tf.evaluation.curves.curve_metrics`.

    Returns
    -------
    DataFrame
        One row an entry, seed, group and muscle: ``by``, the settings, ``seed``, and what
        `nem2e_tf.evaluation.curves.group_metrics` gives.
    """
    tables = []
    for entry, curves in estimates:
        table = curve_metrics(
            measured,
            curves,
            muscles=muscles,
            groups=groups,
            conditions=conditions,
            durations=durations,
        )
        tables.append(group_metrics(table).assign(by=by, **entry))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def entry_curves(groups: pd.DataFrame) -> pd.DataFrame:
    """Summarise the metrics of every entry over groups.

    Parameters
    ----------
    groups : DataFrame
        See `entry_groups`; several runs have a column ``run``. Seeds are averaged first.

    Returns
    -------
    DataFrame
        One row an entry, muscle (then ``overall``) and metric: the entry and its ``variant``, and
        what `nem2e_tf.evaluation.curves.muscle_metrics` gives. Empty of nothing.
    """
    if groups.empty:
        return pd.DataFrame()
    table = groups.assign(variant=np.where(groups["seed"] == ENSEMBLE, ENSEMBLE, SEEDS_MEAN))
    entry = entry_columns(table)
    metrics = list(METRICS)
    table = table.groupby([*entry, "group", "muscle"], sort=False)[metrics].mean().reset_index()
    rows: list[pd.DataFrame] = []
    for key, part in table.groupby(entry, sort=False):
        names: dict[str, Any] = dict(zip(entry, key, strict=True))
        found = muscle_metrics(part, by=names["by"])
        rows.append(pd.DataFrame(names, index=found.index).join(found))
    return pd.concat(rows, ignore_index=True)
