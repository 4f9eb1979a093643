"""Foot contacts: from a vertical ground reaction force, or from markers alone.

Force plates hit by more than one foot are refused, because their force has contacts that no single
foot made. The centre of pressure shows it: under one foot it moves evenly from heel to toe (on a
treadmill the belt carries it back as evenly), so during a stance it stays near a straight line over
time, within 0.17 m in 109 stances of the treadmill recording that the project is tested with. A
second foot on the same plate makes it jump by a step length. A second peak of the force proves
nothing, since a single foot has two.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.errors import InputError, near
from nem2e_tf.io.storage import Storage

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
    """Detect foot contacts in a vertical ground reaction force.

    A contact is the first sample above the threshold after the force was at or below `release`
    (hysteresis: noise between the two levels causes no contact). A recording that starts in stance
    has no contact at its start.

    Parameters
    ----------
    time : array [sample]
        Seconds, not decreasing.
    force : array [sample]
        Vertical ground reaction force of one foot, N, upward positive. NaN is refused: a gap could
        hide a contact.
    threshold : float
        N.
    release : float, optional
        Force at which a stance ends, N, not above the threshold. By default 20 N, or two thirds of
        a threshold below 30 N.
    shortest_swing : float
        Shortest accepted swing, s; prevents contacts by chatter. The first swing is exempt, since
        a recording may start anywhere in swing.
    shortest_stance : float
        Shortest accepted stance, s; prevents contacts by a knock on the plate. The last stance is
        exempt, since the end of the recording may cut it.

    Returns
    -------
    float64 array [contact]
        Times of the samples, s.

    Raises
    ------
    InputError
        The arrays differ in length, the force has NaN, or `release` is above the threshold.

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
    """Detect contact and lift-off of every stance; see `contacts` for the parameters.

    Returns
    -------
    list of (contact, lift-off)
        s. The contact is NaN if the recording starts in the stance, the lift-off if it ends in it.
        A lift-off is the first sample at or below `release`.

    Examples
    --------
    >>> stances([0.0, 0.1, 0.2, 0.3, 0.4], [700.0, 0.0, 0.0, 31.0, 600.0])
    [(nan, 0.1), (0.3, nan)]
    """
    seconds = np.asarray(time, dtype=np.float64)
    newtons = np.asarray(force, dtype=np.float64)
    if seconds.ndim != 1 or seconds.shape != newtons.shape:
        raise InputError(
            f"force: expected one value per time stamp {seconds.shape}, found {newtons.shape}"
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
    # The state can change only where one of the two levels is crossed.
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
# At low force, the centre of pressure is a quotient of noise.
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
    """Detect stances on a plate in which more than one foot touched it.

    Parameters
    ----------
    time : array [sample]
        Seconds.
    force : array [sample]
        Vertical force on the plate, N, upward positive.
    centre : array [sample, 2]
        Centre of pressure on the ground, m. NaN is ignored.
    threshold : float
        N; see `contacts`.
    foot : float
        Length of the longest foot, m.

    Returns
    -------
    list of (start, end)
        s; limited to the recording.

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


def _from_line(time: NDArray[np.float64], place: NDArray[np.float64]) -> float:
    """Return the range of the deviations of places from a straight line over time, m."""
    line = np.stack([time - time.mean(), np.ones_like(time)], axis=1)
    rest = place - line @ np.linalg.lstsq(line, place, rcond=None)[0]
    return float(np.ptp(rest, axis=0).max())


def vertical_force(forces: Storage, plate: str) -> str:
    """Return the label of a plate's vertical force.

    Parameters
    ----------
    forces : Storage
        Ground reaction file.
    plate : str
        Prefix of the plate's columns, such as ``1_ground_force`` for ``1_ground_force_vy``; or the
        complete label of the vertical force.

    Raises
    ------
    InputError
        There is no such column.
    """
    for label in (plate, f"{plate}_vy", f"{plate}vy"):
        if label in forces.labels:
            return label
    vertical = [name for name in forces.labels if name.endswith("vy")]
    raise InputError(
        f"{forces.path or forces.name}: expected a vertical force {plate}_vy, found "
        f"{', '.join(vertical) or 'no column that ends in vy'}{near(f'{plate}_vy', vertical)}"
    )


def contacts_in(
    forces: Storage, label: str, *, threshold: float = THRESHOLD
) -> NDArray[np.float64]:
    """Detect contacts in a vertical force of a file.

    If the file has the plate's centre of pressure (``..px`` and ``..pz`` with ``..vy``), plates
    touched by more than one foot are refused; see `several_feet`.

    Parameters
    ----------
    forces : Storage
        Ground reaction file.
    label : str
        Column of the vertical force.
    threshold : float
        N.

    Returns
    -------
    float64 array [contact], s

    Raises
    ------
    InputError
        The force has NaN, or more than one foot touched the plate.
    """
    newtons = forces.column(label)
    where = f"{forces.path or forces.name}, column {label!r}"
    centre = [f"{label.removesuffix('vy')}{axis}" for axis in ("px", "pz")]
    try:
        times = contacts(forces.time, newtons, threshold=threshold)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    if label.endswith("vy") and set(centre) <= set(forces.labels):
        place = np.stack([forces.column(name) for name in centre], axis=1)
        shared = several_feet(forces.time, newtons, place, threshold=threshold)
        if shared:
            raise InputError(
                f"{where}: expected the force of one foot, found the centre of pressure moving by "
                f"more than a foot's length ({FOOT:g} m) within {len(shared)} stances, the first "
                f"at {shared[0][0]:.6g} to {shared[0][1]:.6g} s; more than one foot touched this "
                "plate, give events instead"
            )
    return times


# Shortest cycle, s, as in sprinting.
SHORTEST = 0.4
_SMOOTHED = 0.06


def contacts_from_markers(
    time: ArrayLike, heel: ArrayLike, pelvis: ArrayLike, /, *, shortest: float = SHORTEST
) -> NDArray[np.float64]:
    """Detect contacts of one foot from its heel marker and a marker of the pelvis.

    After Zeni, Richards & Higginson (2008), doi 10.1016/j.gaitpost.2007.07.007: a foot touches the
    ground when its heel is farthest in front of the pelvis. Compared with force plates, contacts
    were within one frame (17 ms) in 94 % of cases on a treadmill, within two in 98 % overground;
    they tend to be early. The method requires walking or running in one direction. In running,
    where the foot already moves backward at contact, it is earlier still.

    The direction of walking is that of the heel's largest movement relative to the pelvis, and
    forward is the faster direction, since swing is quicker than stance. The method therefore works
    on a treadmill and overground, with any orientation of the laboratory's axes.

    Parameters
    ----------
    time : array [frame]
        Seconds, evenly spaced.
    heel : array [frame, 2]
        Horizontal position of the heel (or ankle) marker; any unit of length.
    pelvis : array [frame, 2]
        Horizontal position of the sacrum, or the mean of the posterior iliac spines.
    shortest : float
        Shortest time between two contacts of the foot, s.

    Returns
    -------
    float64 array [contact]
        s, interpolated between frames. A maximum at the first or last frame is left out, since the
        recording may have cut it.

    Raises
    ------
    InputError
        The shapes differ, a marker is missing in some frames, or frames are not evenly spaced.
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
    """Return the position along the direction of walking, forward positive."""
    centred = relative - relative.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    along: NDArray[np.float64] = centred @ directions[0]
    # The sign is that of the highest speeds, not of the longer duration.
    return along if np.sum(np.diff(along) ** 3) > 0 else -along


def _smooth(signal: NDArray[np.float64], time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Remove jitter between frames with a Hann window of 60 ms, without delay."""
    half = int(_SMOOTHED / 2 * (len(time) - 1) / (time[-1] - time[0]))
    if not half:
        return signal
    window = np.hanning(2 * half + 3)[1:-1]
    padded = np.pad(signal, half, mode="reflect", reflect_type="odd")
    return np.convolve(padded, window / window.sum(), mode="valid")
