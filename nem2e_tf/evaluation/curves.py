"""Curve metrics of every entry as tables: by cycle, by group and muscle, by muscle."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from nem2e_tf.errors import InputError
from nem2e_tf.evaluation import metrics
from nem2e_tf.evaluation.results import BLOCK, by_columns, by_muscle, entry_columns, with_variant
from nem2e_tf.evaluation.statistics import OVERALL, estimate

METRICS = (
    *("rmse", "nrmse", "r2", "r", "lag_percent", "lag_ms", "peak_percent", "peak_ms"),
    *("onset_percent", "onset_ms", "offset_percent", "offset_ms"),
)


def curve_metrics(
    measured: ArrayLike,
    estimated: ArrayLike,
    /,
    *,
    muscles: Sequence[str],
    groups: Sequence[str],
    conditions: Sequence[str],
    durations: ArrayLike,
    threshold: float = metrics.THRESHOLD,
) -> pd.DataFrame:
    """Compute every metric per cycle and muscle.

    Parameters
    ----------
    measured, estimated : array [cycle, sample, muscle]
        EMG and its estimate, in the same units.
    muscles : sequence of str
        Names.
    groups, conditions : sequence of str [cycle]
        The left-out group of each cycle, such as its subject, and its condition, such as the speed.
    durations : array [cycle]
        In seconds.
    threshold : float
        For onset and offset; see `nem2e_tf.evaluation.metrics.main_burst`.

    Returns
    -------
    DataFrame
        One row per cycle and muscle: ``cycle`` (its index in the arrays), ``group``, ``condition``,
        ``muscle``; ``rmse``, ``nrmse`` (over the measured range), ``r2``, ``r``; and, each in % of
        the cycle and in ms and positive where the estimate is late, ``lag`` (best match of the
        whole curve), ``peak``, ``onset`` and ``offset`` (of the main burst). Metrics that a curve
        does not have are NaN, and so are all metrics of a cycle with NaN in its measured curve.

    Raises
    ------
    InputError
        The shapes do not fit.
    """
    target, curves = np.asarray(measured, float), np.asarray(estimated, float)
    n_cycles, n_muscles = len(groups), len(muscles)
    expected = (n_cycles, target.shape[1] if target.ndim == 3 else 0, n_muscles)
    given: dict[str, Any] = {"measured": target, "estimated": curves, "conditions": conditions}
    for name, values in {**given, "durations": durations}.items():
        fits = expected if name in ("measured", "estimated") else expected[:1]
        if np.shape(values) != fits:
            raise InputError(
                f"{name}: expected shape {fits} of {n_cycles} cycles and {n_muscles} muscles, "
                f"found {np.shape(values)}"
            )
    lag = metrics.lag_percent(target, curves)
    scores = {
        "rmse": metrics.rmse(target, curves),
        "nrmse": metrics.normalised_rmse(target, curves),
        "r2": metrics.determination(target, curves),
        "r": metrics.correlation(target, curves),
    }
    errors = metrics.timing_error(target, curves, threshold=threshold)._asdict()
    for name, percent in {"lag": lag, **errors}.items():
        scores[f"{name}_percent"] = percent
        scores[f"{name}_ms"] = metrics.milliseconds(percent, durations)
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
    """Average the metrics per group and muscle: over the cycles of a condition, then conditions.

    As the paper's subject value is a mean over four speeds. A cycle without a value of a metric (a
    flat curve has no lag) is left out of its mean.

    Parameters
    ----------
    table : DataFrame
        See `curve_metrics`.

    Returns
    -------
    DataFrame
        One row per group and muscle: ``group``, ``muscle``, ``n_cycles`` (with EMG and an estimate)
        and the metrics.
    """
    names = list(METRICS)
    by_condition = table.groupby(["group", "muscle", "condition"], sort=False)[names].mean()
    means = by_condition.groupby(["group", "muscle"], sort=False).mean()
    means.insert(0, "n_cycles", table.groupby(["group", "muscle"], sort=False)["rmse"].count())
    return means.reset_index()


def muscle_metrics(groups: pd.DataFrame, *, by: str = "subject") -> pd.DataFrame:
    """Summarise the metrics over groups, per muscle and for all muscles together.

    Parameters
    ----------
    groups : DataFrame
        See `group_metrics`.
    by : str
        What was left out; blocks of one person get their range and no interval.

    Returns
    -------
    DataFrame
        One row per muscle (then ``overall``: a group's mean over its muscles) and metric:
        ``muscle``, ``metric``, ``n`` (groups with a value), ``mean``, ``sd``, ``low`` and ``high``
        (95 % t interval of the mean), ``notes``.
    """
    means = groups.groupby("group", sort=False)[list(METRICS)].mean()
    rows = []
    for muscle, part in (*by_muscle(groups), (OVERALL, means)):
        for metric in METRICS:
            found = estimate(part[metric], blocks=by == BLOCK)
            row = {"muscle": muscle, "metric": metric, "n": found.n, "mean": found.mean}
            row |= {"sd": float(part[metric].std()), "low": found.low, "high": found.high}
            rows.append(row | {"notes": found.note})
    return pd.DataFrame(rows)


def entry_groups(
    measured: ArrayLike,
    estimates: Iterable[tuple[Mapping[str, str], ArrayLike]],
    /,
    *,
    by: str,
    **cycles: Any,
) -> pd.DataFrame:
    """Compute every metric of the left-out curves per entry, seed, group and muscle.

    Parameters
    ----------
    measured : array [cycle, sample, muscle]
        EMG.
    estimates : iterable of (mapping, array [cycle, sample, muscle])
        Settings and seed of an entry, and its curves; a cycle whose fit is missing is NaN.
    by : str
        What was left out.
    **cycles
        ``muscles``, ``groups``, ``conditions`` and ``durations`` of `curve_metrics`.

    Returns
    -------
    DataFrame
        One row per entry, seed, group and muscle: ``by``, the settings, ``seed``, and the columns
        of `group_metrics`.
    """
    tables = [
        group_metrics(curve_metrics(measured, curves, **cycles)).assign(by=by, **entry)
        for entry, curves in estimates
    ]
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
        One row per entry, muscle (then ``overall``) and metric: the entry and its ``variant``, and
        the columns of `muscle_metrics`. Empty if `groups` is.
    """
    if groups.empty:
        return pd.DataFrame()
    table = with_variant(groups)
    entry = entry_columns(table)
    keys = [*entry, "group", "muscle"]
    table = table.groupby(keys, sort=False)[list(METRICS)].mean().reset_index()
    rows = []
    for names, part in by_columns(table, entry):
        found = muscle_metrics(part, by=names["by"])
        rows.append(pd.DataFrame(names, index=found.index).join(found))
    return pd.concat(rows, ignore_index=True)
