"""Foot contacts in a vertical ground reaction force, of a treadmill or of a plate in the floor."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.errors import InputError

THRESHOLD = 30.0
RELEASE = 20.0
SHORTEST_SWING = 0.05
SHORTEST_STANCE = 0.05


def contacts(
    time: ArrayLike,
    force: ArrayLike,
    /,
    *,
    threshold: float = THRESHOLD,
    release: float | None = None,
    shortest_swing: float = SHORTEST_SWING,
    shortest_stance: float = SHORTEST_STANCE,
) -> NDArray[np.float64]:
    """Find the foot contacts in a vertical ground reaction force.

    A contact is the first sample above the threshold after the force was at or below `release`
    (hysteresis: noise between the two makes no contact). A recording that starts in stance has no
    contact at its start.

    Parameters
    ----------
    time : array [sample]
        Seconds, not decreasing.
    force : array [sample]
        Vertical ground reaction force of one foot, N, up positive. NaN is refused: a gap could hide
        a contact.
    threshold : float
        N.
    release : float, optional
        N, not above the threshold: where a stance ends. 20 N if not given, or two thirds of a
        threshold below 30 N.
    shortest_swing : float
        Seconds the force must have been released, so that chatter makes no contacts. A recording
        may start anywhere in swing, so its first swing is exempt.
    shortest_stance : float
        Seconds a stance lasts at least, so that a knock on the plate makes no contact. The last
        stance is exempt, which the end of the recording may cut.

    Returns
    -------
    float64 array [contact]
        Times of the samples, s.

    Raises
    ------
    InputError
        The arrays differ in length, the force holds NaN, or `release` is above the threshold.

    Examples
    --------
    >>> contacts([0.0, 0.1, 0.2, 0.3, 0.4], [700.0, 0.0, 0.0, 31.0, 600.0])
    array([0.3])
    """
    found = stances(
        time,
        force,
        threshold=threshold,
        release=release,
        shortest_swing=shortest_swing,
        shortest_stance=shortest_stance,
    )
    return np.array([start for start, _ in found if not np.isnan(start)], dtype=np.float64)


def stances(
    time: ArrayLike,
    force: ArrayLike,
    /,
    *,
    threshold: float = THRESHOLD,
    release: float | None = None,
    shortest_swing: float = SHORTEST_SWING,
    shortest_stance: float = SHORTEST_STANCE,
) -> list[tuple[float, float]]:
    """Find contact and lift-off of every stance; see `contacts` for the parameters.

    Returns
    -------
    list of (contact, lift-off)
        s. NaN for the contact of a stance in which the recording starts, and for the lift-off of
        one in which it ends. A lift-off is the first sample at or below `release`.

    Examples
    --------
    >>> stances([0.0, 0.1, 0.2, 0.3, 0.4], [700.0, 0.0, 0.0, 31.0, 600.0])
    [(nan, 0.1), (0.3, nan)]
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
    lower = min(RELEASE, threshold * RELEASE / THRESHOLD) if release is None else release
    if lower > threshold:
        raise InputError(
            f"release: expected at most the threshold of {threshold:g} N, found {lower:g}"
        )
    found: list[list[float]] = []
    standing = bool((newtons[:1] > threshold).any())
    if standing:
        found.append([np.nan, np.nan])
    lifted = -np.inf
    # Only samples where one of the two levels is crossed can change anything.
    above, released = newtons > threshold, newtons <= lower
    change = np.flatnonzero((above[1:] != above[:-1]) | (released[1:] != released[:-1])) + 1
    for index in change:
        if standing and released[index]:
            standing, lifted = False, seconds[index]
            found[-1][1] = lifted
            if lifted - found[-1][0] < shortest_stance:
                found.pop()
        elif not standing and above[index]:
            standing = True
            if found and seconds[index] - lifted < shortest_swing:
                found[-1][1] = np.nan
            else:
                found.append([seconds[index], np.nan])
    return [(float(start), float(end)) for start, end in found]
