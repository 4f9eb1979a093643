"""Plates that several feet hit: such a force has contacts that no foot made alone.

The centre of pressure tells. Under one foot it moves evenly from heel to toe (on a treadmill the
belt carries it back as evenly), so over a stance it stays near a straight line over time: within
0.17 m in 109 stances of the treadmill recording the project is tested with. A second foot on the
same plate makes it jump by a step length. A stance whose centre of pressure leaves a straight line
by more than the length of a foot is of several feet. A second peak of the force says nothing, since
a single foot has two.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.gait.force import THRESHOLD, stances

FOOT = 0.35
# Where the force is low the centre of pressure is a quotient of noise.
LOADED = 100.0


def several_feet(
    time: ArrayLike,
    force: ArrayLike,
    centre: ArrayLike,
    /,
    *,
    threshold: float = THRESHOLD,
    foot: float = FOOT,
) -> list[tuple[float, float]]:
    """Find the stances on a plate that several feet made.

    Parameters
    ----------
    time : array [sample]
        Seconds.
    force : array [sample]
        Vertical force on the plate, N, up positive.
    centre : array [sample, 2]
        Centre of pressure on the ground, m. NaN is left out.
    threshold : float
        N; see `contacts`.
    foot : float
        Length of the longest foot, m.

    Returns
    -------
    list of (start, end)
        s; the recording's ends where a stance is cut.

    Examples
    --------
    >>> time = np.linspace(0, 1, 101)
    >>> force = np.where((time > 0.1) & (time < 0.9), 700.0, 0.0)
    >>> jump = np.stack([np.where(time < 0.5, 0.0, 0.7), 0 * time], axis=1)
    >>> several_feet(time, force, jump)
    [(0.11, 0.9)]
    """
    seconds = np.asarray(time, dtype=np.float64)
    newtons = np.asarray(force, dtype=np.float64)
    place = np.asarray(centre, dtype=np.float64)
    if place.shape != (len(seconds), 2):
        raise InputError(
            f"centre of pressure: expected [sample, 2] of {len(seconds)} samples, found "
            f"{place.shape}"
        )
    found = []
    for contact, lift_off in stances(seconds, newtons, threshold=threshold):
        start = seconds[0] if np.isnan(contact) else contact
        end = seconds[-1] if np.isnan(lift_off) else lift_off
        inside = (seconds >= start) & (seconds <= end) & (newtons > LOADED)
        inside &= ~np.isnan(place).any(axis=1)
        if inside.sum() > 2 and _from_line(seconds[inside], place[inside]) > foot:
            found.append((float(start), float(end)))
    return found


def refuse_shared_plate(
    time: ArrayLike,
    force: ArrayLike,
    centre: ArrayLike,
    /,
    *,
    where: str,
    threshold: float = THRESHOLD,
    foot: float = FOOT,
) -> None:
    """Refuse a plate that several feet hit; see `several_feet`.

    Parameters
    ----------
    where : str
        File and column, for the message.

    Raises
    ------
    InputError
        A stance is of several feet.
    """
    found = several_feet(time, force, centre, threshold=threshold, foot=foot)
    if found:
        raise InputError(
            f"{where}: expected the force of one foot, found the centre of pressure moving by more "
            f"than a foot's length ({foot:g} m) within {len(found)} stances, the first at "
            f"{found[0][0]:.6g} to {found[0][1]:.6g} s; several feet hit this plate, give events "
            "instead"
        )


def _from_line(time: NDArray[np.float64], place: NDArray[np.float64]) -> float:
    """How far places are from a straight line over time, m, from one side to the other."""
    line = np.stack([time - time.mean(), np.ones_like(time)], axis=1)
    rest = place - line @ np.linalg.lstsq(line, place, rcond=None)[0]
    return float(np.ptp(rest, axis=0).max())
