"""Errors of an estimated curve relative to the measured one, per cycle.

Arrays are [cycle, sample, ...]; the samples are at ``linspace(0, 100, n)`` % of the cycle. A curve
with NaN, measured or estimated, has the metric NaN: nothing is left out here. Lag, peak, onset and
offset are determined at steps of 1 % after cubic spline interpolation, and are in % of the cycle.
For the main burst the cycle is closed, so that a burst over foot contact is one burst.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.errors import InputError

# A curve whose deviation from its mean is below this share of its largest value is constant: the
# rest is rounding, and its correlation with another curve has no meaning.
CONSTANT = 1e-9
THRESHOLD = 0.2
PERIOD = 100


def rmse(measured: ArrayLike, estimate: ArrayLike) -> NDArray[np.float64]:
    """Root mean square error per cycle, over its samples.

    Parameters
    ----------
    measured, estimate : array [cycle, sample, ...]
        Curves in the same units.

    Returns
    -------
    float64 array [cycle, ...]
        In the units of the curves; NaN where either curve contains NaN.

    Raises
    ------
    InputError
        The shapes differ.

    Examples
    --------
    >>> rmse([[0.0, 0.0]], [[3.0, 4.0]]).round(4)
    array([3.5355])
    """
    reference, curve = _pair(measured, estimate)
    return np.sqrt(np.mean((curve - reference) ** 2, axis=1))


def normalised_rmse(measured: ArrayLike, estimate: ArrayLike) -> NDArray[np.float64]:
    """Root mean square error per cycle, divided by the range of the measured curve.

    Parameters
    ----------
    measured, estimate : array [cycle, sample, ...]
        Curves in the same units.

    Returns
    -------
    float64 array [cycle, ...]
        1 is an error as large as the range of the measured curve. NaN where either curve contains
        NaN or the measured one is constant.

    Raises
    ------
    InputError
        The shapes differ.

    Examples
    --------
    >>> normalised_rmse([[0.0, 2.0]], [[1.0, 3.0]])
    array([0.5])
    """
    reference, _ = _pair(measured, estimate)
    spread = np.ptp(reference, axis=1)
    floor = CONSTANT * np.max(np.abs(reference), axis=1)
    return rmse(measured, estimate) / np.where(spread > floor, spread, np.nan)


def determination(measured: ArrayLike, estimate: ArrayLike) -> NDArray[np.float64]:
    """Coefficient of determination R2 per cycle, over its samples.

    Parameters
    ----------
    measured, estimate : array [cycle, sample, ...]
        Curves in the same units.

    Returns
    -------
    float64 array [cycle, ...]
        1 - squared error / squared deviation of the measured curve from its mean: 1 is perfect, 0
        no better than that mean, negative worse. It is not the square of `correlation`. NaN where
        either curve contains NaN or the measured one is constant.

    Raises
    ------
    InputError
        The shapes differ.

    Examples
    --------
    >>> determination([[0.0, 2.0]], [[1.0, 2.0]])
    array([0.5])
    """
    reference, curve = _pair(measured, estimate)
    spread = np.sum((reference - reference.mean(axis=1, keepdims=True)) ** 2, axis=1)
    floor = reference.shape[1] * (CONSTANT * np.max(np.abs(reference), axis=1)) ** 2
    error = np.sum((curve - reference) ** 2, axis=1)
    return 1.0 - error / np.where(spread > floor, spread, np.nan)


def correlation(measured: ArrayLike, estimate: ArrayLike) -> NDArray[np.float64]:
    """Pearson's r per cycle, over its samples.

    Parameters
    ----------
    measured, estimate : array [cycle, sample, ...]
        Curves; their units do not matter.

    Returns
    -------
    float64 array [cycle, ...]
        -1..1; NaN where either curve contains NaN or is constant.

    Raises
    ------
    InputError
        The shapes differ.

    Examples
    --------
    >>> correlation([[0.0, 1.0, 2.0]], [[5.0, 4.0, 3.0]])
    array([-1.])
    >>> correlation([[0.0, 1.0, 2.0]], [[5.0, 5.0, 5.0]])
    array([nan])
    """
    reference, curve = _pair(measured, estimate)
    return _pearson(np.moveaxis(reference, 1, -1), np.moveaxis(curve, 1, -1))


def lag_percent(
    measured: ArrayLike, estimate: ArrayLike, *, search: int = 25
) -> NDArray[np.float64]:
    """Lag of each estimated cycle: the peak of the normalised cross-correlation.

    The curves are interpolated to steps of 1 % by a cubic spline. At each shift of whole percents
    within the search range Pearson's r is computed over the part where the shifted curves overlap
    (a cycle is not wrapped around: its ends need not meet). A parabola through the maximum of r and
    its neighbours gives the peak between the steps.

    For a curve that is only shifted, without content above four periods per cycle, 20 samples
    resolve a shift within +-15 % to 0.1 % of the cycle. A curve that repeats itself within the
    search range has more than one peak: the highest is used.

    Parameters
    ----------
    measured, estimate : array [cycle, sample, ...]
        Curves; their units do not matter. At least four samples.
    search : int
        Largest shift tried, in % of the cycle, 1..50. With a wider search, a match with another
        burst of the same muscle is more likely.

    Returns
    -------
    float64 array [cycle, ...]
        In % of the cycle, positive where the estimate is late. NaN where either curve contains NaN
        or is constant, where no shift gives a positive r, and where the maximum of r is at the edge
        of the search range (the true peak may be beyond).

    Raises
    ------
    InputError
        The shapes differ, there are fewer than four samples, or the range is outside 1..50.

    Examples
    --------
    >>> phase = np.linspace(0, 1, 20)
    >>> measured = np.exp(-((phase - 0.50) ** 2) / 0.02)
    >>> estimate = np.exp(-((phase - 0.56) ** 2) / 0.02)
    >>> lag_percent(measured[None], estimate[None]).round(1)
    array([6.])
    """
    reference, curve = _pair(measured, estimate)
    n_samples = reference.shape[1]
    if n_samples < 4:
        raise InputError(f"lag: expected at least 4 samples per cycle, found {n_samples}")
    if not 1 <= search <= 50:
        raise InputError(f"search {search}: expected a range of 1..50 % of the cycle")
    (first, shape), (second, _) = _rows(reference), _rows(curve)
    lag = np.full(len(first), np.nan)
    usable = ~np.isnan(_pearson(first, second))
    lag[usable] = _peak(first[usable], second[usable], search)
    return lag.reshape(shape)


def milliseconds(percent: ArrayLike, duration: ArrayLike) -> NDArray[np.float64]:
    """Convert times in % of the cycle to milliseconds.

    Parameters
    ----------
    percent : array [cycle, ...]
        In % of the cycle, such as a lag.
    duration : array [cycle]
        Duration of each cycle in seconds.

    Returns
    -------
    float64 array [cycle, ...]

    Examples
    --------
    >>> milliseconds([[5.0], [5.0]], [1.0, 1.2])
    array([[50.],
           [60.]])
    """
    share = np.asarray(percent, dtype=np.float64)
    seconds = np.asarray(duration, dtype=np.float64)
    return share * 10.0 * seconds.reshape(-1, *(1,) * (share.ndim - 1))


def _pair(
    measured: ArrayLike, estimate: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    reference = np.asarray(measured, dtype=np.float64)
    curve = np.asarray(estimate, dtype=np.float64)
    if reference.ndim < 2 or reference.shape != curve.shape:
        raise InputError(
            "curves: expected measured and estimated [cycle, sample, ...] of one shape, "
            f"found {reference.shape} and {curve.shape}"
        )
    return reference, curve


def _rows(curves: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """Curves [row, sample], and the shape [cycle, ...] that their rows came from."""
    last = np.moveaxis(curves, 1, -1)
    return last.reshape(-1, curves.shape[1]), last.shape[:-1]


def _pearson(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's r over the last axis; NaN where a curve is constant or contains NaN."""
    spread = []
    centred = []
    for curve in (a, b):
        deviation = curve - curve.mean(axis=-1, keepdims=True)
        size = np.sqrt(np.sum(deviation**2, axis=-1))
        floor = CONSTANT * np.sqrt(curve.shape[-1]) * np.max(np.abs(curve), axis=-1)
        centred.append(deviation)
        spread.append(np.where(size > floor, size, np.nan))
    r = np.sum(centred[0] * centred[1], axis=-1) / (spread[0] * spread[1])
    return np.clip(r, -1.0, 1.0)


def _peak(
    reference: NDArray[np.float64], curve: NDArray[np.float64], search: int
) -> NDArray[np.float64]:
    """Peak of the cross-correlation of rows [row, sample], in % of the cycle, NaN where none."""
    fine = to_percents(reference.shape[1])
    reference, curve = reference @ fine.T, curve @ fine.T
    n = reference.shape[1]
    shifts = np.arange(-search, search + 1)
    r = np.stack(
        [
            _pearson(
                reference[:, max(0, -shift) : n - max(0, shift)],
                curve[:, max(0, shift) : n - max(0, -shift)],
            )
            for shift in shifts
        ],
        axis=1,
    )
    best = np.argmax(np.where(np.isnan(r), -np.inf, r), axis=1)
    inside = np.clip(best, 1, len(shifts) - 2)
    row = np.arange(len(r))
    before, top, after = r[row, inside - 1], r[row, inside], r[row, inside + 1]
    curvature = before - 2.0 * top + after
    # Three equal values are a flat top, whose centre is the best estimate.
    bend = np.where(curvature < 0.0, curvature, -np.inf)
    lag = shifts[inside] + 0.5 * (before - after) / bend
    return np.where((best == inside) & (top > 0.0) & ~np.isnan(curvature), lag, np.nan)


@lru_cache(maxsize=8)
def to_percents(n_samples: int) -> NDArray[np.float64]:
    """Matrix [101, sample] of the cubic spline from samples to 0..100 % in steps of 1 %."""
    from scipy.interpolate import CubicSpline

    spline = CubicSpline(np.linspace(0.0, 100.0, n_samples), np.eye(n_samples))
    return np.asarray(spline(np.arange(101.0)))


class Burst(NamedTuple):
    """Times of the main burst, float64 arrays [cycle, ...] in % of the cycle, 0 to below 100."""

    peak: NDArray[np.float64]
    onset: NDArray[np.float64]
    offset: NDArray[np.float64]


def main_burst(curves: ArrayLike, *, threshold: float = THRESHOLD) -> Burst:
    """Peak, onset and offset of each cycle's main burst.

    The peak is the maximum (a parabola through it and its neighbours gives the position between the
    steps). Onset and offset are the last rise above, and the first fall below, the minimum plus a
    share of the range, seen from the peak, with linear interpolation.

    A fifth of the difference between peak and baseline is in use for the envelopes of cyclic
    movements (Dorel et al., J Electromyogr Kinesiol 18 (2008) 857-865, pedalling). Thresholds in
    standard deviations of a resting baseline (Hodges & Bui, Electroencephalogr Clin Neurophysiol
    101 (1996) 511-519) require rest, which a gait cycle does not contain. No single threshold suits
    all muscles and efforts (Ozgunen et al., J Sports Sci Med 9 (2010) 620-628), so it is an option.

    Parameters
    ----------
    curves : array [cycle, sample, ...]
        At least four samples from 0 to 100 % of the cycle.
    threshold : float
        Share of the range, between 0 and 1.

    Returns
    -------
    Burst
        NaN where a curve contains NaN or is constant.

    Raises
    ------
    InputError
        Fewer than four samples, or a threshold outside 0..1.

    Examples
    --------
    >>> phase = np.linspace(0, 1, 20)
    >>> found = main_burst(np.maximum(0, 1 - np.abs(phase - 0.5) / 0.25)[None])
    >>> found.peak.round(), found.onset.round(), found.offset.round()
    (array([50.]), array([30.]), array([70.]))
    """
    values = np.asarray(curves, dtype=np.float64)
    if values.ndim < 2 or values.shape[1] < 4:
        raise InputError(
            f"curves: expected [cycle, sample, ...] of 4 samples or more, found {values.shape}"
        )
    if not 0.0 < threshold < 1.0:
        raise InputError(f"threshold {threshold}: expected between 0 and 1")
    rows, shape = _rows(values)
    found = np.full((3, len(rows)), np.nan)
    largest = np.max(np.abs(rows), axis=1, initial=0.0)
    usable = np.ptp(rows, axis=1) > CONSTANT * largest if len(rows) else np.zeros(0, bool)
    for row in np.flatnonzero(usable):
        # 0 and 100 % are the same point: their mean closes the cycle without a step.
        fine = to_percents(values.shape[1]) @ rows[row]
        closed = np.append((fine[0] + fine[-1]) / 2.0, fine[1:-1])
        found[:, row] = _burst(closed, threshold)
    return Burst(*(part.reshape(shape) for part in found))


def timing_error(
    measured: ArrayLike, estimate: ArrayLike, *, threshold: float = THRESHOLD
) -> Burst:
    """Delay of the estimate's peak, onset and offset, the shorter way around the cycle.

    Parameters
    ----------
    measured, estimate : array [cycle, sample, ...]
    threshold : float
        See `main_burst`.

    Returns
    -------
    Burst
        Estimate minus measured, in % of the cycle, -50 to below 50, positive where the estimate is
        late. NaN where one of the two curves has no burst.
    """
    first = main_burst(measured, threshold=threshold)
    second = main_burst(estimate, threshold=threshold)
    half = PERIOD / 2
    return Burst(*((b - a + half) % PERIOD - half for a, b in zip(first, second, strict=True)))


def _burst(curve: NDArray[np.float64], threshold: float) -> tuple[float, float, float]:
    """Peak, onset and offset of one closed curve of 100 points."""
    top = int(np.argmax(curve))
    level = float(curve.min()) + threshold * float(np.ptp(curve))
    before, after = curve[top - 1], curve[(top + 1) % PERIOD]
    bend = before - 2.0 * curve[top] + after
    peak = top + (0.5 * (before - after) / bend if bend < 0.0 else 0.0)
    return peak % PERIOD, _crossing(curve, top, -1, level), _crossing(curve, top, 1, level)


def _crossing(curve: NDArray[np.float64], top: int, step: int, level: float) -> float:
    """First position from the peak where the curve falls to the level."""
    walk = curve[(top + step * np.arange(PERIOD + 1)) % PERIOD]
    below = int(np.argmax(walk <= level))
    high, low = walk[below - 1], walk[below]
    return float((top + step * (below - 1 + (high - level) / (high - low))) % PERIOD)
