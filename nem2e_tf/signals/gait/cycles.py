"""Cycles unlike the others: flagged with a reason, never dropped here.

A stumble, a step beside the plate or a burst of noise makes a cycle that is not what the others
are. Two things are looked at, each against the other cycles by median and median absolute
deviation, which a few odd cycles do not move (Leys et al. 2013, doi 10.1016/j.jesp.2013.03.013).

A cycle cut out of a recording and brought to evenly spaced points.

Contacts paired to gait cycles: of one foot, or from one foot's to the other's.
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.errors import InputError

POINTS = 101
_STEPS_BETWEEN = 10


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


SHORTEST = 0.4
LONGEST = 3.0


def cycles_from_contacts(
    times: ArrayLike, /, *, shortest: float = SHORTEST, longest: float = LONGEST
) -> list[tuple[float, float]]:
    """Pair consecutive contacts of one foot to gait cycles: right to right, or left to left.

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


def cycles_between(
    starts: ArrayLike,
    ends: ArrayLike,
    /,
    *,
    shortest: float = SHORTEST / 2,
    longest: float = LONGEST / 2,
) -> list[tuple[float, float]]:
    """Pair each contact of one foot with the next contact of the other.

    The NEM2E paper speaks of cycles from right to left contact (doi 10.3389/fbioe.2025.1611414):
    give the right contacts as `starts`, the left ones as `ends`. Such a cycle is a step, half of
    what is called a gait cycle elsewhere, and so are the default durations.

    Parameters
    ----------
    starts, ends : array [contact]
        Contact times of the two feet, s, increasing.
    shortest, longest : float
        Durations a cycle may have, s; pairs outside are left out.

    Returns
    -------
    list of (float, float)
        Start and end of each cycle, s. A start that meets its own foot's next contact before the
        other foot's has no cycle.

    Examples
    --------
    >>> cycles_between([1.0, 2.0, 3.0], [1.5, 3.6])
    [(1.0, 1.5), (3.0, 3.6)]
    """
    first = np.asarray(starts, dtype=np.float64)
    second = np.asarray(ends, dtype=np.float64)
    following = np.append(first[1:], np.inf)
    found = []
    for start, again in zip(first, following, strict=True):
        later = second[(second > start) & (second <= again)]
        if len(later) and shortest <= later[0] - start <= longest:
            found.append((float(start), float(later[0])))
    return found


LIMIT = 5.0
FEWEST = 5
# Deviation of a normal distribution in median absolute deviations.
_NORMAL = 1.4826
# A median cannot be told more finely than the sampling: no deviation below these is odd.
_LEAST_DURATION = 0.02
_LEAST_DISTANCE = 0.05


@dataclass(frozen=True)
class Outlier:
    """A cycle unlike the others.

    Attributes
    ----------
    cycle : int
        Index.
    what : str
        ``duration`` or ``curve``.
    column : int
        Of the curves; -1 for the duration.
    deviations : float
        How many robust standard deviations from the median.
    """

    cycle: int
    what: str
    column: int
    deviations: float


def outlier_cycles(
    durations: ArrayLike, curves: ArrayLike, /, *, limit: float = LIMIT
) -> list[Outlier]:
    """Flag cycles of odd duration or with an odd curve.

    Parameters
    ----------
    durations : array [cycle]
        s.
    curves : array [cycle, point, column]
        Signals of one subject and condition. A curve that holds NaN is passed over.
    limit : float
        Robust standard deviations from the median that are odd. Of a curve the distance is judged:
        the root mean square difference from the median curve.

    Returns
    -------
    list of Outlier
        In order of cycles. Empty where there are fewer than 5 cycles: nobody can say then which is
        odd.

    Raises
    ------
    InputError
        There are more or fewer durations than curves.
    """
    seconds = np.asarray(durations, dtype=np.float64)
    signals = np.asarray(curves, dtype=np.float64)
    if signals.ndim != 3 or seconds.shape != signals.shape[:1]:
        raise InputError(
            f"curves: expected [cycle, point, column] and a duration for each cycle, found "
            f"{signals.shape} and {seconds.shape}"
        )
    found = []
    if len(seconds) >= FEWEST:
        least = _LEAST_DURATION * np.median(seconds)
        for cycle, size in _odd(np.abs(seconds - np.median(seconds)), 0.0, least, limit):
            found.append(Outlier(cycle, "duration", -1, size))
    for column in range(signals.shape[2]):
        usable = np.flatnonzero(~np.isnan(signals[:, :, column]).any(axis=1))
        if len(usable) < FEWEST:
            continue
        curve = signals[usable, :, column]
        usual = np.median(curve, axis=0)
        distance = np.sqrt(np.mean((curve - usual) ** 2, axis=1))
        least = _LEAST_DISTANCE * np.ptp(usual)
        for row, size in _odd(distance, float(np.median(distance)), least, limit):
            found.append(Outlier(int(usable[row]), "curve", column, size))
    return sorted(found, key=lambda outlier: (outlier.cycle, outlier.column))


def _odd(
    values: NDArray[np.float64], centre: float, least: float, limit: float
) -> list[tuple[int, float]]:
    """Which values are more than `limit` deviations above a centre, and by how many."""
    deviation = max(_NORMAL * float(np.median(np.abs(values - centre))), least, 1e-12)
    sizes = (values - centre) / deviation
    return [(int(i), float(sizes[i])) for i in np.flatnonzero(sizes > limit)]
