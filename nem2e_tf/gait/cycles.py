"""Contacts paired to gait cycles: of one foot, or from one foot's to the other's."""

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

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
