"""Cycles unlike the others: flagged with a reason, never dropped here.

A stumble, a step beside the plate or a burst of noise makes a cycle that is not what the others
are. Two things are looked at, each against the other cycles by median and median absolute
deviation, which a few odd cycles do not move (Leys et al. 2013, doi 10.1016/j.jesp.2013.03.013).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.errors import InputError

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
