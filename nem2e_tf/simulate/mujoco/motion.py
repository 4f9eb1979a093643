"""Joint angles of OpenSim's inverse kinematics as joints of the myoLegs model.

Both models have the same joint axes, so the mapping is short. Angles in rad, offsets are all 0:

===================  =================  ======================================================
coordinate           myoLegs joint      sign
===================  =================  ======================================================
``pelvis_*``         ``root``           three rotations (tilt about z, list about x, rotation
                                        about y, in this order, fixed to the pelvis) and the
                                        place of the pelvis; together the free joint
``hip_flexion_?``    same name          +, flexion positive
``hip_adduction_?``  same name          +, adduction positive
``hip_rotation_?``   same name          +, inward positive
``knee_angle_?``     same name          + where flexion is positive (Rajagopal); - where it is
                                        negative (gait2392, gait2354)
``ankle_angle_?``    same name          +, dorsiflexion positive
``subtalar_angle_?`` same name          +, inversion positive
``mtp_angle_?``      same name          + of Rajagopal's axis; - of gait2392's, which is opposite
===================  =================  ======================================================

The sense of the knee is taken from the recording: a knee bends one way only. It tells whose axis
the toes' is, too. Knee translation and patella follow the knee by the model's own polynomials, so
``knee_angle_?_beta`` is not read; trunk and arms are one rigid piece with the pelvis.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError, near
from nem2e_tf.io.storage import Storage
from nem2e_tf.signals.emg.filters import both_ways

PELVIS = ("tilt", "list", "rotation", "tx", "ty", "tz")
NEEDED = ("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle")
OPTIONAL = ("subtalar_angle", "mtp_angle")
_ORDER = 4
_ALL = (
    *(f"pelvis_{axis}" for axis in PELVIS),
    *(f"{joint}_{side}" for side in "rl" for joint in (*NEEDED, *OPTIONAL)),
)


@dataclass(frozen=True, eq=False)
class Motion:
    """A motion in the joints of myoLegs.

    Attributes
    ----------
    time : float64 array [frame]
        s, evenly spaced.
    pelvis : float64 array [frame, 6]
        Tilt, list, rotation (rad) and place (m) of the pelvis; y is up.
    joints : tuple of str
        Names of the joints that move.
    angles : float64 array [frame, joint]
        rad, in myoLegs' sense.
    signs : float64 array [joint]
        1, or -1 where the recording has the opposite sense.
    notes : tuple of str
        What was turned, left out or resampled.
    """

    time: NDArray[np.float64]
    pelvis: NDArray[np.float64]
    joints: tuple[str, ...]
    angles: NDArray[np.float64]
    signs: NDArray[np.float64]
    notes: tuple[str, ...]


def motion_from(storage: Storage, *, cutoff: float = 6.0, in_degrees: bool | None = None) -> Motion:
    """Take the motion of the pelvis and the legs from inverse kinematics.

    Parameters
    ----------
    storage : Storage
        Coordinates by bare name (``hip_flexion_r``) or path
        (``/jointset/hip_r/hip_flexion_r/value``).
    cutoff : float
        Corner of a low-pass filter without delay (fourth order), Hz; 0 filters nothing, for angles
        that are smooth already.
    in_degrees : bool, optional
        Whether angles are in degrees, where the file does not say. Motion files of SIMM's time do
        not.

    Returns
    -------
    Motion

    Raises
    ------
    InputError
        A coordinate of the pelvis, hip, knee or ankle is missing or nan, the file does not say
        whether angles are in degrees, there are too few frames, the knees bend in opposite senses,
        or the cut-off is above half of the rate.

    Notes
    -----
    Knee angles up to the larger extreme decide the sense of flexion.
    """
    columns = _coordinates(storage)
    where = storage.path or "motion"
    names = [f"pelvis_{axis}" for axis in PELVIS]
    names += [f"{joint}_{side}" for side in "rl" for joint in NEEDED]
    for name in names:
        if name not in columns:
            raise InputError(
                f"{where}: expected a coordinate {name!r}, found none{near(name, list(columns))}"
            )
    joints = [name for name in _ALL[len(PELVIS) :] if name in columns]
    chosen = [*names[: len(PELVIS)], *joints]
    values = np.stack([storage.data[:, columns[name]] for name in chosen], axis=1)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        raise InputError(
            f"{where}, column {chosen[bad[0, 1]]}: expected a number in every row, found "
            f"{values[tuple(bad[0])]} at {storage.time[bad[0, 0]]:.6g} s; fill the gap first"
        )
    degrees = in_degrees if storage.in_degrees is None else storage.in_degrees
    if degrees is None:
        raise InputError(
            f"{where}: expected inDegrees=yes or no in the header, found neither; say whether "
            "angles are degrees or radians"
        )
    if in_degrees is not None and degrees != in_degrees:
        raise InputError(
            f"{where}: expected angles as asked for, found inDegrees="
            f"{'yes' if degrees else 'no'} in the header"
        )
    if degrees:
        values[:, :3] = np.deg2rad(values[:, :3])
        values[:, 6:] = np.deg2rad(values[:, 6:])
    time, values, notes = _even(storage, values)
    if cutoff:
        rate = (len(time) - 1) / (time[-1] - time[0])
        if not 0 < cutoff < rate / 2:
            raise InputError(
                f"cut-off: expected Hz between 0 and {rate / 2:g} (half of the rate of {where}), "
                f"found {cutoff:g}"
            )
        values = both_ways(values, cutoff, kind="low", order=_ORDER, rate=rate)
    angles = values[:, len(PELVIS) :]
    signs = np.ones(len(joints))
    if _knees_bend_backwards(where, joints, angles):
        notes.append(
            "knee flexion is negative in this motion, as in gait2392: knees and toes turned"
        )
        signs[[joint.startswith(("knee", "mtp")) for joint in joints]] = -1.0
    still = [f"{j}_{s}" for s in "rl" for j in OPTIONAL if f"{j}_{s}" not in joints]
    if still:
        notes.append(f"not in the motion, held at 0 and not balanced: {', '.join(still)}")
    unused = [name for name in columns if name not in chosen]
    if unused:
        notes.append(f"not used: {len(unused)} other coordinates, such as {unused[0]}")
    return Motion(
        time, values[:, : len(PELVIS)], tuple(joints), angles * signs, signs, tuple(notes)
    )


def _coordinates(storage: Storage) -> dict[str, int]:
    """Coordinate names to columns; speeds and other quantities are not coordinates."""
    found: dict[str, int] = {}
    for index, label in enumerate(storage.labels):
        parts = label.strip("/").split("/")
        name = parts[0] if len(parts) == 1 else parts[-2] if parts[-1] == "value" else ""
        # Motion files of old hold forces, too, some twice; only what is used has to be single.
        if name in found and name in _ALL:
            raise InputError(
                f"{storage.path or 'motion'}: expected coordinate {name!r} once, found it twice"
            )
        if name:
            found[name] = index
    return found


def _even(
    storage: Storage, values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Frames at even steps; resampled by cubic splines where they are not."""
    time, where = storage.time, storage.path or "motion"
    if len(time) < 10 * _ORDER:
        raise InputError(f"{where}: expected at least {10 * _ORDER} frames, found {len(time)}")
    steps = np.diff(time)
    if steps.min() <= 0:
        first = np.flatnonzero(steps <= 0)[0]
        raise InputError(
            f"{where}: expected increasing times, found {time[first + 1]:.10g} s after "
            f"{time[first]:.10g} s"
        )
    even = np.linspace(time[0], time[-1], len(time))
    if np.abs(even - time).max() < 0.01 * steps.mean():
        return even, values, []
    from scipy.interpolate import CubicSpline

    note = f"uneven steps ({steps.min():.3g} to {steps.max():.3g} s): resampled by cubic splines"
    return even, CubicSpline(time, values)(even), [note]


def _knees_bend_backwards(where: object, joints: list[str], angles: NDArray[np.float64]) -> bool:
    senses = {}
    for joint in ("knee_angle_r", "knee_angle_l"):
        knee = angles[:, joints.index(joint)]
        senses[joint] = bool(-knee.min() > knee.max())
    if len(set(senses.values())) > 1:
        raise InputError(
            f"{where}: expected both knees to bend in one sense, found flexion negative in "
            f"{next(joint for joint, back in senses.items() if back)} only"
        )
    return senses["knee_angle_r"]
