"""Gait cycles: bounds from contacts, plates and tables of events, resampling, outliers."""

import os
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.io.storage import Storage
from nem2e_tf.io.tables import read_table
from nem2e_tf.signals.gait.contacts import SHORTEST, THRESHOLD, contacts_in, vertical_force

Cycles = list[tuple[float, float]]

POINTS = 101
_STEPS_BETWEEN = 10


def resample_cycle(
    time: ArrayLike, data: ArrayLike, /, *, start: float, end: float, points: int = POINTS
) -> NDArray[np.float64]:
    """Extract a cycle from a recording and resample it to evenly spaced points.

    The recording is taken as piecewise linear. The result is the piecewise linear curve through
    `points` points that is nearest to it (least squares over the cycle), clipped to the
    recording's range within the cycle. Interpolation at the points would miss every peak between
    two of them: models see 20 samples taken from 101 points, and the error of a simulation
    recorded at 50 Hz would change by more than 1 %.

    Parameters
    ----------
    time : array [sample]
        Seconds, not decreasing; need not be even.
    data : array [sample, column]
        Signals. A NaN within the cycle makes the complete column NaN in the result.
    start, end : float
        Bounds of the cycle, s. Outside the recording, its first or last value is used; make sure
        that it covers the cycle.
    points : int
        Number of points from 0 to 100 %, both included.

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
    return np.clip(_nearest_line(fine, points), fine.min(axis=0), fine.max(axis=0))


def _nearest_line(fine: NDArray[np.float64], points: int) -> NDArray[np.float64]:
    """Return the piecewise linear curve [point, column] nearest to evenly spaced fine samples.

    The normal equations of least squares are tridiagonal and solved without BLAS, whose sums depend
    on the number of threads and the processor: the same recording gives the same bits everywhere.
    """
    before, after = np.zeros(points), np.zeros(points)
    sums = np.zeros((points, fine.shape[1]))
    for step in range(_STEPS_BETWEEN):
        share = step / _STEPS_BETWEEN
        samples = fine[step:-1:_STEPS_BETWEEN]
        sums[:-1] += (1 - share) * samples
        sums[1:] += share * samples
        before[1:] += share**2
        after[:-1] += (1 - share) ** 2
    sums[-1] += fine[-1]
    after[-1] = 1.0
    beside = sum(s * (_STEPS_BETWEEN - s) for s in range(_STEPS_BETWEEN)) / _STEPS_BETWEEN**2
    diagonal = before + after
    for i in range(1, points):
        factor = beside / diagonal[i - 1]
        diagonal[i] -= factor * beside
        sums[i] -= factor * sums[i - 1]
    sums[-1] /= diagonal[-1]
    for i in range(points - 2, -1, -1):
        sums[i] = (sums[i] - beside * sums[i + 1]) / diagonal[i]
    return sums


LONGEST = 3.0


def cycles_from_contacts(
    times: ArrayLike, /, *, shortest: float = SHORTEST, longest: float = LONGEST
) -> list[tuple[float, float]]:
    """Pair consecutive contacts of one foot into gait cycles: right to right, or left to left.

    Parameters
    ----------
    times : array [contact]
        Contact times of one foot, s, increasing.
    shortest, longest : float
        Shortest and longest accepted cycle, s; other pairs (a missed or a double contact, a pause)
        are left out. The defaults suit all gaits from sprinting to very slow walking.

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

    The NEM2E paper uses cycles from right to left contact (doi 10.3389/fbioe.2025.1611414): give
    the right contacts as `starts`, the left ones as `ends`. Such a cycle is a step, half a gait
    cycle, and the default durations are halved accordingly.

    Parameters
    ----------
    starts, ends : array [contact]
        Contact times of the two feet, s, increasing.
    shortest, longest : float
        Shortest and longest accepted cycle, s; other pairs are left out.

    Returns
    -------
    list of (float, float)
        Start and end of each cycle, s. A contact that is followed by one of the same foot before
        one of the other foot has no cycle.

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


def cycles_of_plate(
    forces: Storage, *, plate: str, threshold: float = THRESHOLD
) -> tuple[Cycles, list[str]]:
    """Detect the cycles in a ground reaction file.

    Parameters
    ----------
    forces : Storage
        Ground reaction file.
    plate : str
        Prefix of the plate's columns, such as ``1_ground_force`` for ``1_ground_force_vy``; or the
        complete label of the vertical force.
    threshold : float
        N.

    Returns
    -------
    list of (start, end) in s, and notes

    Raises
    ------
    InputError
        The column is missing, the force has NaN, or more than one foot touched the plate.
    """
    times = contacts_in(forces, vertical_force(forces, plate), threshold=threshold)
    cycles = cycles_from_contacts(times)
    odd = max(len(times) - 1, 0) - len(cycles)
    notes = []
    if odd:
        notes.append(
            f"{odd} interval{'s'[: odd > 1]} between contacts left out: shorter than "
            f"{SHORTEST:g} s or longer than {LONGEST:g} s"
        )
    return cycles, notes


def read_events(path: "str | os.PathLike[str]") -> tuple[Cycles, list[str]]:
    """Read cycles from a CSV table with the columns ``start`` and ``end``, in seconds.

    Returns
    -------
    list of (start, end) in s, and notes

    Raises
    ------
    InputError
        The file or a column is missing, or a row is not an increasing pair of numbers.
    """
    rows, _, notes = read_table(path, ("start", "end"), what="a table of events")
    cycles = []
    for row in rows:
        row.require("start"), row.require("end")
        start, end = row.number("start"), row.number("end")
        if start >= end:
            raise row.wrong("end", f"an end after the start at {start:g} s")
        cycles.append((start, end))
    return cycles, notes


LIMIT = 5.0
FEWEST = 5
# Deviation of a normal distribution in median absolute deviations.
_NORMAL = 1.4826
# Deviations below these are within the resolution of the sampling and never count as odd.
_LEAST_DURATION = 0.02
_LEAST_DISTANCE = 0.05


@dataclass(frozen=True)
class Outlier:
    """A cycle that differs from the others.

    Attributes
    ----------
    cycle : int
        Index.
    what : str
        ``duration`` or ``curve``.
    column : int
        Column of the curves; -1 for the duration.
    deviations : float
        Distance from the median in robust standard deviations.
    """

    cycle: int
    what: str
    column: int
    deviations: float


def outlier_cycles(
    durations: ArrayLike, curves: ArrayLike, /, *, limit: float = LIMIT
) -> list[Outlier]:
    """Flag cycles whose duration or curve differs from the others; none is removed.

    A stumble, a step next to the plate or a burst of noise causes such cycles. Duration and curves
    are compared with the other cycles by median and median absolute deviation, which are robust
    against a few outliers (Leys et al. 2013, doi 10.1016/j.jesp.2013.03.013).

    Parameters
    ----------
    durations : array [cycle]
        s.
    curves : array [cycle, point, column]
        Signals of one subject and condition. Curves with NaN are skipped.
    limit : float
        Accepted distance from the median in robust standard deviations. The distance of a curve is
        its root mean square difference from the median curve.

    Returns
    -------
    list of Outlier
        In order of cycles. Empty for fewer than 5 cycles, too few to identify an outlier.

    Raises
    ------
    InputError
        There are more or fewer durations than curves.

    Examples
    --------
    >>> outlier_cycles([1.0, 1.01, 0.99, 1.0, 1.0, 1.4], np.zeros((6, 101, 1)))[0].cycle
    5
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
    """Return index and deviations of values more than `limit` deviations above a centre."""
    deviation = max(_NORMAL * float(np.median(np.abs(values - centre))), least, 1e-12)
    sizes = (values - centre) / deviation
    return [(int(i), float(sizes[i])) for i in np.flatnonzero(sizes > limit)]
