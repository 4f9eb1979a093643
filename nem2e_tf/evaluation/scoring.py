"""Scores of one group: the refined cycles against the simulation and the mean EMG pattern.

A cycle whose measured curve for a muscle contains NaN is left out for that muscle; the number of
remaining cycles is part of the score. NaN in an estimate is never left out: it makes the score NaN.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.metrics import correlation, lag_percent, milliseconds, rmse
from nem2e_tf.evaluation.results import SCORES

SCORE_COLUMNS = ("n_cycles", *SCORES)

# Larger arrays are scored in blocks of cycles, which bounds the memory of the lags.
CYCLES_AT_A_TIME = 4096


def group_error(
    error_by_cycle: ArrayLike, condition: ArrayLike, *, keep: "NDArray[np.bool_] | None" = None
) -> NDArray[np.float64]:
    """Average an error over the cycles of each condition, then over the conditions of a group.

    The paper's subject value is such a mean over four speeds: a condition with many cycles has the
    same weight as one with few.

    Parameters
    ----------
    error_by_cycle : array [cycle, ...]
        Such as the RMSE of each cycle and muscle.
    condition : array [cycle]
        The condition of each cycle.
    keep : boolean array [cycle, ...], optional
        Cycles that count; all by default. A condition without any is not part of the mean.

    Returns
    -------
    float64 array [...]
        NaN where no cycle counts, or where one that counts is NaN.

    Examples
    --------
    >>> group_error([[1.0], [3.0], [10.0]], ["slow", "slow", "fast"])
    array([6.])
    """
    error = np.asarray(error_by_cycle, dtype=np.float64)
    labels = np.asarray(condition)
    if labels.shape != error.shape[:1]:
        raise InputError(
            f"condition: expected one per cycle ({error.shape[0]}), found shape {labels.shape}"
        )
    counted = np.ones(error.shape, dtype=bool) if keep is None else np.asarray(keep, dtype=bool)
    total = np.zeros(error.shape[1:])
    n_conditions = np.zeros(error.shape[1:])
    for label in np.unique(labels):
        rows = labels == label
        n = counted[rows].sum(axis=0)
        total += np.where(counted[rows], error[rows], 0.0).sum(axis=0) / np.maximum(n, 1)
        n_conditions += n > 0
    return ratio(total, n_conditions)


def score(
    measured: ArrayLike,
    *,
    simulated: ArrayLike,
    mean_pattern: ArrayLike,
    refined: ArrayLike,
    conditions: ArrayLike,
    durations: ArrayLike,
) -> list[dict[str, Any]]:
    """Score the refined cycles of one group that was left out.

    Parameters
    ----------
    measured : array [cycle, sample, muscle]
        Normalised EMG. A cycle with NaN for a muscle is left out for that muscle.
    simulated : array [cycle, sample, muscle]
        The mean of each muscle's simulated counterparts.
    mean_pattern : array [sample, muscle] or [cycle, sample, muscle]
        The mean EMG pattern of the training cycles; see `mean_pattern`.
    refined : array [cycle, sample, muscle]
        The refiner's output.
    conditions : array [cycle]
        Such as the speed; see `group_error`.
    durations : array [cycle]
        In seconds.

    Returns
    -------
    list of dict
        One per muscle, with the keys `SCORE_COLUMNS`: ``n_cycles``; ``rmse_simulated``,
        ``rmse_mean_pattern`` and ``rmse_refined`` (see `group_error`, in units of the EMG);
        ``rate`` = (refined - simulated) / simulated, negative is better; ``skill`` = 1 - refined /
        mean pattern, positive is better (both from the group's errors, not means of ratios; NaN
        where the divisor is 0); ``r`` and ``lag_ms`` of the refined curves, means over the cycles
        that have one (a constant curve has none). Without any cycle all but ``n_cycles`` are NaN.

    Raises
    ------
    InputError
        The shapes do not fit.

    Examples
    --------
    Activity of 0; simulated as 0.4, estimated as 0.2 by the mean pattern and as 0.1 by the refiner:

    >>> level = np.ones((1, 20, 1))
    >>> found = score(
    ...     0 * level,
    ...     simulated=0.4 * level,
    ...     mean_pattern=0.2 * level[0],
    ...     refined=0.1 * level,
    ...     conditions=["walk"],
    ...     durations=[1.1],
    ... )
    >>> round(found[0]["rate"], 4), round(found[0]["skill"], 4)
    (-0.75, 0.5)
    """
    target = np.asarray(measured)
    if target.ndim != 3:
        raise InputError(f"measured: expected [cycle, sample, muscle], found {target.shape}")
    if np.shape(durations) != target.shape[:1]:
        raise InputError(
            f"durations: expected one per cycle ({target.shape[0]}), found {np.shape(durations)}"
        )
    pattern = np.asarray(mean_pattern)
    if pattern.ndim == 2:
        pattern = np.broadcast_to(pattern, (len(target), *pattern.shape))
    keep, *errors, r, lag = _in_blocks(_by_cycle, target, simulated, pattern, refined, durations)
    before, blind, after = (group_error(error, conditions, keep=keep) for error in errors)
    columns = {
        "rmse_simulated": before,
        "rmse_mean_pattern": blind,
        "rmse_refined": after,
        "rate": ratio(after - before, before),
        "skill": 1.0 - ratio(after, blind),
        "r": _mean_of_known(r),
        "lag_ms": _mean_of_known(lag),
    }
    return [
        {"n_cycles": int(n), **{name: float(columns[name][muscle]) for name in SCORES}}
        for muscle, n in enumerate(keep.sum(axis=0))
    ]


def group_rmse(
    measured: ArrayLike, estimate: ArrayLike, *, conditions: ArrayLike
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Root mean square error of a group, as in `score` but without the slow lags.

    Parameters
    ----------
    measured : array [cycle, sample, muscle]
        NaN as in `score`.
    estimate : array [cycle, sample, muscle] or [sample, muscle]
    conditions : array [cycle]

    Returns
    -------
    n_cycles : int array [muscle]
        Cycles that count.
    error : float64 array [muscle]

    Examples
    --------
    >>> n_cycles, error = group_rmse(np.zeros((2, 20, 1)), np.full((20, 1), 0.5), conditions=[1, 1])
    >>> n_cycles.tolist(), error.tolist()
    ([2], [0.5])
    """
    curves = np.broadcast_to(np.asarray(estimate), np.shape(measured))
    keep, errors = _in_blocks(lambda a, b: (_known(a), rmse(a, b)), measured, curves)
    return keep.sum(axis=0), group_error(errors, conditions, keep=keep)


def _in_blocks(
    function: Callable[..., tuple[NDArray[Any], ...]], *arrays: ArrayLike
) -> list[NDArray[Any]]:
    """Results of a function of arrays [cycle, ...], computed for some cycles at a time."""
    whole = [np.asarray(array) for array in arrays]
    parts = [
        function(*(array[start : start + CYCLES_AT_A_TIME] for array in whole))
        for start in range(0, max(len(whole[0]), 1), CYCLES_AT_A_TIME)
    ]
    return [np.concatenate(values) for values in zip(*parts, strict=True)]


def _known(measured: NDArray[Any]) -> NDArray[np.bool_]:
    """Cycles and muscles with EMG."""
    return np.asarray(~np.isnan(measured).any(axis=1))


def _by_cycle(
    target: NDArray[Any],
    simulated: NDArray[Any],
    pattern: NDArray[Any],
    refined: NDArray[Any],
    durations: NDArray[Any],
) -> tuple[NDArray[Any], ...]:
    """Cycles that count, three errors, r and lag in ms, each [cycle, muscle]."""
    return (
        _known(target),
        rmse(target, simulated),
        rmse(target, pattern),
        rmse(target, refined),
        correlation(target, refined),
        milliseconds(lag_percent(target, refined), durations),
    )


def mean_pattern(
    measured: ArrayLike, *, rows: "NDArray[np.intp] | None" = None
) -> NDArray[np.float64]:
    """Mean EMG pattern of the training cycles: the estimate that does not depend on its input.

    Parameters
    ----------
    measured : array [cycle, sample, muscle]
        Training cycles, all conditions. A cycle with NaN for a muscle is left out for that muscle.
    rows : int array, optional
        Indices of the cycles, of an array that may be memory-mapped; all by default.

    Returns
    -------
    float64 array [sample, muscle]
        NaN for a muscle without any cycle.

    Examples
    --------
    >>> mean_pattern([[[1.0], [2.0]], [[3.0], [6.0]], [[9.0], [np.nan]]])
    array([[2.],
           [4.]])
    """
    curves = np.asarray(measured)
    chosen = np.arange(len(curves)) if rows is None else rows
    total, n = np.zeros(curves.shape[1:]), np.zeros((1, *curves.shape[2:]), int)
    for start in range(0, len(chosen), CYCLES_AT_A_TIME):
        block = np.asarray(curves[chosen[start : start + CYCLES_AT_A_TIME]], dtype=np.float64)
        keep = ~np.isnan(block).any(axis=1, keepdims=True)
        total += np.where(keep, block, 0.0).sum(axis=0)
        n += keep.sum(axis=0)
    return ratio(total, np.broadcast_to(n, total.shape))


def mean_pattern_per_condition(
    measured: ArrayLike, *, conditions: ArrayLike, wanted: "Sequence[Any] | NDArray[Any]"
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Mean EMG pattern of the training cycles of the same condition: a stronger reference.

    Parameters
    ----------
    measured : array [cycle, sample, muscle]
        Training cycles; NaN as in `mean_pattern`.
    conditions : array [cycle]
        The condition of each training cycle.
    wanted : sequence [other cycle]
        The condition of each cycle to estimate.

    Returns
    -------
    patterns : float64 array [other cycle, sample, muscle]
        The mean pattern of each one's condition. Where training has no cycle of a condition with a
        muscle's EMG, it is the mean pattern over all conditions.
    pooled : boolean array [other cycle, muscle]
        True where it is over all conditions.
    """
    curves = np.asarray(measured)
    labels = np.asarray(conditions)
    others = np.asarray(wanted)
    overall = mean_pattern(curves)
    patterns = np.empty((len(others), *curves.shape[1:]))
    pooled = np.zeros((len(others), curves.shape[2]), dtype=bool)
    for label in np.unique(others):
        own = mean_pattern(curves, rows=np.flatnonzero(labels == label))
        absent = np.isnan(own).any(axis=0)
        patterns[others == label] = np.where(absent, overall, own)
        pooled[others == label] = absent
    return patterns, pooled


def ratio(part: NDArray[np.float64], whole: NDArray[Any]) -> NDArray[np.float64]:
    """Divide; NaN where the divisor is 0, without a warning."""
    return np.asarray(part) / np.where(np.asarray(whole) == 0, np.nan, whole)


def _mean_of_known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0))
