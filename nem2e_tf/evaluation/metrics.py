"""When a muscle is active within the cycle: peak, onset and offset of the main burst.

Arrays are [cycle, sample, ...] as in `nem2e_tf.evaluation.metrics`; times are in % of the cycle.
The curves are brought to steps of 1 % by a cubic spline first. The cycle is taken as closed: after
100 % it goes on at 0 %, so that a burst over foot contact is one burst.

Errors of an estimated curve against the measured one, cycle by cycle.

Arrays are [cycle, sample, ...]; the samples stand at ``linspace(0, 100, n)`` % of the cycle. A
curve that holds NaN, measured or estimated, has the metric NaN: nothing is left out here.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.errors import InputError

# A curve whose deviation from its mean is below this share of its largest value is constant: what
# remains is rounding, and its correlation with anything is a number without meaning.
CONSTANT = 1e-9


def rmse(measured: ArrayLike, estimate: ArrayLike) -> NDArray[np.float64]:
    """Root mean square error of each cycle over its samples.

    Parameters
    ----------
    measured, estimate : array [cycle, sample, ...]
        Curves in the same units.

    Returns
    -------
    float64 array [cycle, ...]
        In the units of the curves; NaN where either curve holds NaN.

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
    """Root mean square error of each cycle over the range of its measured curve.

    Parameters
    ----------
    measured, estimate : array [cycle, sample, ...]
        Curves in the same units.

    Returns
    -------
    float64 array [cycle, ...]
        1 is an error as large as the measured curve's highest minus its lowest value. NaN where
        either curve holds NaN or the measured one is constant.

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
    """Coefficient of determination R2 of each cycle over its samples.

    Parameters
    ----------
    measured, estimate : array [cycle, sample, ...]
        Curves in the same units.

    Returns
    -------
    float64 array [cycle, ...]
        1 - squared error / squared deviation of the measured curve from its mean: 1 is perfect, 0
        no better than that mean, and below 0 worse. It is not the square of `correlation`. NaN
        where either curve holds NaN or the measured one is constant.

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
    """Pearson's r of each cycle over its samples.

    Parameters
    ----------
    measured, estimate : array [cycle, sample, ...]
        Curves; their units do not matter.

    Returns
    -------
    float64 array [cycle, ...]
        -1..1; NaN where either curve holds NaN or is constant.

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
    """How late each estimated cycle is: the peak of the normalised cross-correlation.

    The curves are brought to steps of 1 % by a cubic spline. At each shift of whole percents within
    the search range Pearson's r is taken over the part where the shifted curves overlap (a cycle is
    not wrapped around: its ends need not meet); a parabola through the highest r and its neighbours
    gives the peak between the steps.

    For a curve that is shifted and nothing else, and has no content above four periods a cycle, 20
    samples find a shift within +-15 % to 0.1 % of the cycle. A curve that repeats itself within the
    search range has more than one peak: the highest is taken.

    Parameters
    ----------
    measured, estimate : array [cycle, sample, ...]
        Curves; their units do not matter. At least four samples.
    search : int
        Largest shift tried, in % of the cycle, 1..50. A wider search meets another burst of the
        same muscle more often.

    Returns
    -------
    float64 array [cycle, ...]
        In % of the cycle, positive where the estimate is late. NaN where either curve holds NaN or
        is constant, where no shift gives a positive r, and where the highest r is at the edge of
        the search range (the true peak may be beyond).

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
        raise InputError(f"lag: expected at least 4 samples a cycle, found {n_samples}")
    if not 1 <= search <= 50:
        raise InputError(f"lag: expected a search range of 1..50 % of the cycle, found {search}")
    shape = np.moveaxis(reference, 1, -1).shape[:-1]
    reference = np.moveaxis(reference, 1, -1).reshape(-1, n_samples)
    curve = np.moveaxis(curve, 1, -1).reshape(-1, n_samples)

    lag = np.full(len(reference), np.nan)
    usable = ~np.isnan(_pearson(reference, curve))
    lag[usable] = _peak(reference[usable], curve[usable], search)
    return lag.reshape(shape)


def milliseconds(percent: ArrayLike, duration: ArrayLike) -> NDArray[np.float64]:
    """Times in milliseconds from times in % of the cycle.

    Parameters
    ----------
    percent : array [cycle, ...]
        In % of the cycle, such as a lag.
    duration : array [cycle]
        Of each cycle, in seconds.

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


def _pearson(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's r over the last axis; NaN where a curve is constant or holds NaN."""
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
    # Three equal values make a flat top, whose middle is the best guess.
    bend = np.where(curvature < 0.0, curvature, -np.inf)
    lag = shifts[inside] + 0.5 * (before - after) / bend
    return np.where((best == inside) & (top > 0.0) & ~np.isnan(curvature), lag, np.nan)


@lru_cache(maxsize=8)
def to_percents(n_samples: int) -> NDArray[np.float64]:
    """Cubic spline from samples to 0..100 % in steps of 1 %, as a matrix [101, sample]."""
    from scipy.interpolate import CubicSpline

    spline = CubicSpline(np.linspace(0.0, 100.0, n_samples), np.eye(n_samples))
    return np.asarray(spline(np.arange(101.0)))


THRESHOLD = 0.2
PERIOD = 100


class Burst(NamedTuple):
    """Times of the main burst, float64 arrays [cycle, ...] in % of the cycle, 0 to below 100."""

    peak: NDArray[np.float64]
    onset: NDArray[np.float64]
    offset: NDArray[np.float64]


def main_burst(curves: ArrayLike, *, threshold: float = THRESHOLD) -> Burst:
    """Peak, onset and offset of each cycle's main burst.

    The peak is the highest point (a parabola through it and its neighbours gives the place between
    the steps). Onset and offset are where the curve last rises above, and first falls below, the
    lowest value plus a share of the range, seen from the peak, with linear interpolation.

    A fifth of the difference between peak and baseline is a rule in use for the envelopes of
    cyclic movements (Dorel et al., J Electromyogr Kinesiol 18 (2008) 857-865, pedalling): rules in
    standard deviations of a resting baseline (Hodges & Bui, Electroencephalogr Clin Neurophysiol
    101 (1996) 511-519) need rest, which a cycle does not hold. No one threshold suits all muscles
    and efforts (Ozgunen et al., J Sports Sci Med 9 (2010) 620-628), so it is an option.

    Parameters
    ----------
    curves : array [cycle, sample, ...]
        At least four samples from 0 to 100 % of the cycle.
    threshold : float
        Share of the range, between 0 and 1.

    Returns
    -------
    Burst
        NaN where a curve holds NaN or is constant.

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
            f"burst: expected curves [cycle, sample, ...] of 4 samples or more, found "
            f"{values.shape}"
        )
    if not 0.0 < threshold < 1.0:
        raise InputError(f"burst: expected a threshold between 0 and 1, found {threshold}")
    rows = np.moveaxis(values, 1, -1)
    shape = rows.shape[:-1]
    rows = rows.reshape(-1, values.shape[1])
    found = np.full((3, len(rows)), np.nan)
    largest = np.max(np.abs(rows), axis=1, initial=0.0)
    usable = np.ptp(rows, axis=1) > CONSTANT * largest if len(rows) else np.zeros(0, bool)
    for row in np.flatnonzero(usable):
        # Points 0 and 100 % are one: their mean closes the cycle without a step.
        fine = to_percents(values.shape[1]) @ rows[row]
        closed = np.append((fine[0] + fine[-1]) / 2.0, fine[1:-1])
        found[:, row] = _burst(closed, threshold)
    return Burst(*(part.reshape(shape) for part in found))


def timing_error(
    measured: ArrayLike, estimate: ArrayLike, *, threshold: float = THRESHOLD
) -> Burst:
    """How late the estimate's peak, onset and offset are, the shorter way around the cycle.

    Parameters
    ----------
    measured, estimate : array [cycle, sample, ...]
    threshold : float
        See `main_burst`.

    Returns
    -------
    Burst
        Estimate minus measured, in % of the cycle, -50 to below 50, positive where the estimate is
        late. NaN where one of the two has no burst.
    """
    first = main_burst(measured, threshold=threshold)
    second = main_burst(estimate, threshold=threshold)
    half = PERIOD / 2
    return Burst(*((b - a + half) % PERIOD - half for a, b in zip(first, second, strict=True)))


def timing_error_ms(error: Burst, durations: ArrayLike) -> Burst:
    """Timing errors in milliseconds from those in % of the cycle and durations in seconds."""
    return Burst(*(milliseconds(part, durations) for part in error))


def _burst(curve: NDArray[np.float64], threshold: float) -> tuple[float, float, float]:
    """Peak, onset and offset of one closed curve of 100 points."""
    top = int(np.argmax(curve))
    level = float(curve.min()) + threshold * float(np.ptp(curve))
    before, after = curve[top - 1], curve[(top + 1) % PERIOD]
    bend = before - 2.0 * curve[top] + after
    peak = top + (0.5 * (before - after) / bend if bend < 0.0 else 0.0)
    return peak % PERIOD, _crossing(curve, top, -1, level), _crossing(curve, top, 1, level)


def _crossing(curve: NDArray[np.float64], top: int, step: int, level: float) -> float:
    """Where the curve first comes down to the level, going from the peak."""
    walk = curve[(top + step * np.arange(PERIOD + 1)) % PERIOD]
    below = int(np.argmax(walk <= level))
    high, low = walk[below - 1], walk[below]
    return float((top + step * (below - 1 + (high - level) / (high - low))) % PERIOD)
