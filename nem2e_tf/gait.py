"""Foot contacts and gait cycles from vertical ground reaction, and signals cut into cycles."""

from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.errors import InputError

THRESHOLD = 30.0
SHORTEST = 0.4
LONGEST = 3.0
POINTS = 101
_STEPS_BETWEEN = 10


def contacts(
    time: ArrayLike,
    force: ArrayLike,
    /,
    *,
    threshold: float = THRESHOLD,
    shortest_swing: float = 0.05,
) -> NDArray[np.float64]:
    """Find the foot contacts in a vertical ground reaction force.

    A contact is the first sample above the threshold after the force was at or below it. A
    recording that starts in stance has no contact at its start.

    Parameters
    ----------
    time : array [sample]
        Seconds, not decreasing.
    force : array [sample]
        Vertical ground reaction force of one foot, N, up positive. NaN is refused: a gap could hide
        a contact.
    threshold : float
        N.
    shortest_swing : float
        Seconds the force must have been at or below the threshold, so that noise around it does not
        make contacts. A recording may start anywhere in swing, so its first swing is exempt.

    Returns
    -------
    float64 array [contact]
        Times of the samples, s.

    Raises
    ------
    InputError
        The arrays differ in length, or the force holds NaN.

    Examples
    --------
    >>> contacts([0.0, 0.1, 0.2, 0.3, 0.4], [700.0, 0.0, 0.0, 31.0, 600.0])
    array([0.3])
    """
    seconds = np.asarray(time, dtype=np.float64)
    newtons = np.asarray(force, dtype=np.float64)
    if seconds.ndim != 1 or seconds.shape != newtons.shape:
        raise InputError(
            f"force: expected one value a time stamp {seconds.shape}, found {newtons.shape}"
        )
    if np.isnan(newtons).any():
        raise InputError(
            f"force: expected numbers, found nan at {seconds[np.isnan(newtons)][0]:.10g} s; "
            "leave the gap out or fill it first"
        )
    above = newtons > threshold
    change = np.flatnonzero(above[1:] != above[:-1]) + 1
    found: list[float] = []
    lifted = -np.inf
    for index in change:
        if not above[index]:
            lifted = seconds[index]
        elif seconds[index] - lifted >= shortest_swing:
            found.append(seconds[index])
    return np.array(found, dtype=np.float64)


def cycles_from_contacts(
    times: ArrayLike, /, *, shortest: float = SHORTEST, longest: float = LONGEST
) -> list[tuple[float, float]]:
    """Pair consecutive contacts of one foot to gait cycles.

    Parameters
    ----------
    times : array [contact]
        Contact times of one foot, s, increasing.
    shortest, longest : float
        Durations a cycle may have, s; pairs outside are left out (a missed or a doubled contact, a
        pause). The defaults hold from sprinting to very slow walking.

    Returns
    -------
    list of (float, float)
        Start and end of each cycle, s.

    Examples
    --------
    >>> cycles_from_contacts([1.0, 2.1, 2.2, 3.3, 9.0])
    [(1.0, 2.1), (2.2, 3.3)]
    """
    seconds = [float(value) for value in np.asarray(times, dtype=np.float64)]
    return [(start, end) for start, end in pairwise(seconds) if shortest <= end - start <= longest]


def resample_cycle(
    time: ArrayLike, data: ArrayLike, /, *, start: float, end: float, points: int = POINTS
) -> NDArray[np.float64]:
    """Cut a cycle out of a recording and resample it to evenly spaced points.

    The recording is taken as straight lines between its samples. The result is the broken line
    through `points` points nearest to it (least squares over the cycle), held within the extremes
    the recording has there. Plain interpolation at the points would cut every peak between two of
    them: models see 20 samples taken from 101 points, and the error of a simulation recorded at
    50 Hz would change by more than 1 %.

    Parameters
    ----------
    time : array [sample]
        Seconds, not decreasing; need not be even.
    data : array [sample, column]
        Signals. A NaN within the cycle makes the whole column NaN in the result.
    start, end : float
        Bounds of the cycle, s. Beyond its ends a recording holds its first or last value: check
        that it covers the cycle.
    points : int
        Points from 0 to 100 %, both included.

    Returns
    -------
    float64 array [points, column]

    Examples
    --------
    >>> resample_cycle([0.0, 1.0], [[0.0], [1.0]], start=0.0, end=1.0, points=3).round(6)
    array([[0. ],
           [0.5],
           [1. ]])
    """
    seconds = np.asarray(time, dtype=np.float64)
    signals = np.asarray(data, dtype=np.float64)
    fine_time = np.linspace(start, end, (points - 1) * _STEPS_BETWEEN + 1)
    fine = np.stack([np.interp(fine_time, seconds, column) for column in signals.T], axis=-1)
    nearest = _projection(points) @ fine
    return np.clip(nearest, fine.min(axis=0), fine.max(axis=0))


@cache
def _projection(points: int) -> NDArray[np.float64]:
    """Matrix [point, fine sample] that gives the nearest broken line's points."""
    fine = np.linspace(0, points - 1, (points - 1) * _STEPS_BETWEEN + 1)
    hats = np.maximum(0, 1 - np.abs(fine[:, None] - np.arange(points)[None, :]))
    return np.asarray(np.linalg.pinv(hats))
