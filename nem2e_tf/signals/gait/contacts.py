"""Foot contacts from markers alone, for recordings without force plates.

Zeni, Richards & Higginson (2008), doi 10.1016/j.gaitpost.2007.07.007: a foot touches the ground
where its heel is farthest before the pelvis. Against force it was within one frame (17 ms) in 94 %
of contacts on a treadmill, within two in 98 % overground; it tends to be early. It needs walking
or running in one direction; in running, where the foot is already on its way back at contact, it is
earlier still.

Foot contacts in a vertical ground reaction force, of a treadmill or of a plate in the floor.

Plates that several feet hit: such a force has contacts that no foot made alone.

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


# Contacts of one foot are at least as far apart as the shortest cycle in sprinting.
SHORTEST = 0.4
_SMOOTHED = 0.06


def contacts_from_markers(
    time: ArrayLike, heel: ArrayLike, pelvis: ArrayLike, /, *, shortest: float = SHORTEST
) -> NDArray[np.float64]:
    """Find the contacts of one foot from its heel and a marker of the pelvis.

    The direction of walking is where the heel moves most relative to the pelvis, forward being
    where it moves faster: swing is quicker than stance. So it makes no difference whether the
    recording is of a treadmill or overground, nor how the laboratory's axes lie.

    Parameters
    ----------
    time : array [frame]
        Seconds, evenly spaced.
    heel : array [frame, 2]
        Horizontal position of the heel (or ankle) marker; any unit of length.
    pelvis : array [frame, 2]
        Horizontal position of the sacrum, or the middle of the posterior iliac spines.
    shortest : float
        Seconds between two contacts of the foot, at least.

    Returns
    -------
    float64 array [contact]
        s, between frames. A maximum within half of `shortest` of the recording's ends may be cut
        by them and is left out unless it is a true one, with lower values on both sides.

    Raises
    ------
    InputError
        The shapes differ, a marker is missing for some frames, or time is not even.
    """
    seconds = np.asarray(time, dtype=np.float64)
    places = [np.asarray(marker, dtype=np.float64) for marker in (heel, pelvis)]
    if any(place.shape != (seconds.size, 2) for place in places) or len(seconds) < 5:
        raise InputError(
            f"markers: expected [frame, 2] of at least 5 frames and a time for each, found "
            f"{places[0].shape}, {places[1].shape} and {seconds.shape}"
        )
    relative = places[0] - places[1]
    if np.isnan(relative).any():
        first = np.flatnonzero(np.isnan(relative).any(axis=1))[0]
        raise InputError(
            f"markers: expected heel and pelvis in every frame, found a gap at "
            f"{seconds[first]:.6g} s; fill the gap first"
        )
    step = np.diff(seconds)
    if step.min() <= 0 or np.ptp(step) > 0.1 * step.mean():
        raise InputError(
            "markers: expected evenly spaced frames, found steps of "
            f"{step.min():.6g} to {step.max():.6g} s"
        )
    ahead = _smooth(_along(relative), seconds)
    middle = (ahead.max() + ahead.min()) / 2
    reach = max(1, round(shortest / step.mean() / 2))
    found = []
    for i in range(1, len(ahead) - 1):
        around = ahead[max(0, i - reach) : i + reach + 1]
        if ahead[i] > middle and ahead[i] == around.max() and ahead[i - 1] < ahead[i]:
            before, top, after = ahead[i - 1 : i + 2]
            if after < top:
                shift = 0.5 * (before - after) / (before - 2 * top + after)
                found.append(seconds[i] + shift * step.mean())
    return np.array(found, dtype=np.float64)


def _along(relative: NDArray[np.float64]) -> NDArray[np.float64]:
    """Position along the direction of walking, forward positive."""
    centred = relative - relative.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    along: NDArray[np.float64] = centred @ directions[0]
    # Forward is where the highest speeds are, not where most of the time is spent.
    return along if np.sum(np.diff(along) ** 3) > 0 else -along


def _smooth(signal: NDArray[np.float64], time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take out jitter between frames: a Hann window of 60 ms, without delay."""
    half = int(_SMOOTHED / 2 * (len(time) - 1) / (time[-1] - time[0]))
    if not half:
        return signal
    window = np.hanning(2 * half + 3)[1:-1]
    padded = np.pad(signal, half, mode="reflect", reflect_type="odd")
    return np.convolve(padded, window / window.sum(), mode="valid")
