"""When a muscle is active within the cycle: peak, onset and offset of the main burst.

Arrays are [cycle, sample, ...] as in `nem2e_tf.evaluation.metrics`; times are in % of the cycle.
The curves are brought to steps of 1 % by a cubic spline first. The cycle is taken as closed: after
100 % it goes on at 0 %, so that a burst over foot contact is one burst.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.metrics import CONSTANT, milliseconds, to_percents

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
