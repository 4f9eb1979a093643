"""Inputs of the MuJoCo route: joint angles, ground reaction, and the segment sizes of a person.

Joint angles of OpenSim's inverse kinematics become joints of the myoLegs model. Both models have
the same joint axes; angles are in rad, all offsets are 0:

===================  =================  ======================================================
coordinate           myoLegs joint      sign
===================  =================  ======================================================
``pelvis_*``         ``root``           three rotations (tilt about z, list about x, rotation
                                        about y, in this order, fixed to the pelvis) and the
                                        position of the pelvis; together the free joint
``hip_flexion_?``    same name          +, flexion positive
``hip_adduction_?``  same name          +, adduction positive
``hip_rotation_?``   same name          +, internal rotation positive
``knee_angle_?``     same name          + where flexion is positive (Rajagopal); - where it is
                                        negative (gait2392, gait2354)
``ankle_angle_?``    same name          +, dorsiflexion positive
``subtalar_angle_?`` same name          +, inversion positive
``mtp_angle_?``      same name          + of Rajagopal's axis; - of gait2392's, which is opposite
===================  =================  ======================================================

The sign of the knee is detected from the recording, since a knee bends one way only; it also
determines the axis of the toes. Knee translation and patella follow the knee by polynomials of the
model, so ``knee_angle_?_beta`` is not read. Trunk and arms are rigidly fixed to the pelvis.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError, near
from nem2e_tf.io.storage import Storage
from nem2e_tf.signals.emg.filters import both_ways
from nem2e_tf.simulate.opensim.files import read_xml, text_of
from nem2e_tf.simulate.opensim.inputs import (
    coordinate_columns,
    coordinate_of,
    require_cover,
    require_finite,
)

PELVIS = ("tilt", "list", "rotation", "tx", "ty", "tz")
NEEDED = ("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle")
OPTIONAL = ("subtalar_angle", "mtp_angle")
_ORDER = 4
_PELVIS = tuple(f"pelvis_{axis}" for axis in PELVIS)
_JOINTS = tuple(f"{joint}_{side}" for side in "rl" for joint in (*NEEDED, *OPTIONAL))
_LARGEST_GAP = 0.05


@dataclass(frozen=True, eq=False)
class Motion:
    """A motion in the joints of myoLegs.

    Attributes
    ----------
    time : float64 array [frame]
        s, evenly spaced.
    pelvis : float64 array [frame, 6]
        Tilt, list, rotation (rad) and position (m) of the pelvis; y is up.
    joints : tuple of str
        Names of the moving joints.
    angles : float64 array [frame, joint]
        rad, with the signs of myoLegs.
    signs : float64 array [joint]
        1, or -1 where the recording has the opposite sign.
    notes : tuple of str
        Changed signs, ignored coordinates, resampling.
    """

    time: NDArray[np.float64]
    pelvis: NDArray[np.float64]
    joints: tuple[str, ...]
    angles: NDArray[np.float64]
    signs: NDArray[np.float64]
    notes: tuple[str, ...]


def motion_from(storage: Storage, *, cutoff: float = 6.0, in_degrees: bool | None = None) -> Motion:
    """Convert joint angles of inverse kinematics to the joints of myoLegs.

    Parameters
    ----------
    storage : Storage
        Coordinates, labelled by name (``hip_flexion_r``) or path
        (``/jointset/hip_r/hip_flexion_r/value``).
    cutoff : float
        Cut-off frequency of a zero-lag low-pass filter (fourth order), Hz; 0 for none, if the
        angles are smooth already.
    in_degrees : bool, optional
        Unit of the angles, if the file does not state it; files of SIMM's time do not.

    Raises
    ------
    InputError
        A coordinate of the pelvis, hip, knee or ankle is missing or NaN, the unit of the angles is
        unknown, there are too few frames, the knees bend in opposite directions, or the cut-off
        exceeds half the frame rate.

    Notes
    -----
    Flexion is positive if the largest knee angle exceeds the smallest in magnitude.
    """
    columns = coordinate_columns(storage)
    where = storage.path or "motion"
    for name in (*_PELVIS, *(f"{joint}_{side}" for side in "rl" for joint in NEEDED)):
        if name not in columns:
            raise InputError(
                f"{where}: expected a coordinate {name!r}, found none{near(name, list(columns))}"
            )
    joints = [name for name in _JOINTS if name in columns]
    chosen = [*_PELVIS, *joints]
    # Old motion files also hold forces, some of them twice; only coordinates must be unique.
    found = [coordinate_of(label) for label in storage.labels]
    twice = [name for name in chosen if found.count(name) > 1]
    if twice:
        raise InputError(f"{where}: expected coordinate {twice[0]!r} once, found it twice")
    values = storage.data[:, [columns[name] for name in chosen]]
    require_finite(storage, {name: columns[name] for name in chosen}, where=where)
    degrees = in_degrees if storage.in_degrees is None else storage.in_degrees
    if degrees is None:
        raise InputError(
            f"{where}: expected inDegrees=yes or no in the header, found neither; state the unit "
            "of the angles"
        )
    if in_degrees is not None and degrees != in_degrees:
        raise InputError(
            f"{where}: expected angles in the stated unit, found inDegrees="
            f"{'yes' if degrees else 'no'} in the header"
        )
    if degrees:
        angular = [name not in _PELVIS[3:] for name in chosen]
        values[:, angular] = np.deg2rad(values[:, angular])
    time, values, notes = _even(storage, values)
    if cutoff:
        rate = (len(time) - 1) / (time[-1] - time[0])
        if not 0 < cutoff < rate / 2:
            raise InputError(
                f"cutoff: expected Hz between 0 and {rate / 2:g} (half the rate of {where}), found "
                f"{cutoff:g}"
            )
        values = both_ways(values, cutoff, kind="low", order=_ORDER, rate=rate)
    angles = values[:, len(PELVIS) :]
    signs = np.ones(len(joints))
    if _knee_flexion_is_negative(where, joints, angles):
        notes.append(
            "knee flexion is negative in this motion, as in gait2392: knee and toe signs changed"
        )
        signs[[joint.startswith(("knee", "mtp")) for joint in joints]] = -1.0
    still = [name for name in _JOINTS if name not in joints]
    if still:
        notes.append(f"not in the motion, held at 0 and not balanced: {', '.join(still)}")
    unused = [name for name in columns if name not in chosen]
    if unused:
        notes.append(f"not used: {len(unused)} other coordinates, such as {unused[0]}")
    pelvis = values[:, : len(PELVIS)]
    return Motion(time, pelvis, tuple(joints), angles * signs, signs, tuple(notes))


def _even(
    storage: Storage, values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]:
    """Frames at uniform time steps, resampled by cubic splines if necessary."""
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


def _knee_flexion_is_negative(
    where: object, joints: list[str], angles: NDArray[np.float64]
) -> bool:
    knees = {name: angles[:, joints.index(name)] for name in ("knee_angle_r", "knee_angle_l")}
    negative = [name for name, knee in knees.items() if -knee.min() > knee.max()]
    if len(negative) == 1:
        raise InputError(
            f"{where}: expected the same sign of flexion for both knees, found flexion negative in "
            f"{negative[0]} only"
        )
    return bool(negative)


@dataclass(frozen=True, eq=False)
class Ground:
    """Ground reaction on each foot.

    Attributes
    ----------
    time : float64 array [sample]
        s.
    wrenches : dict of str to float64 array [sample, 6]
        Force (N), then moment about the origin of the laboratory (N m), by side (``r``, ``l``).
        A centre of pressure is arbitrary without force; these moments are then 0, so that linear
        interpolation is also correct at contact.
    where : str
        The file, for messages.
    """

    time: NDArray[np.float64]
    wrenches: dict[str, NDArray[np.float64]]
    where: str

    def at(self, times: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Interpolate linearly.

        Parameters
        ----------
        times : float64 array [frame]
            s.

        Returns
        -------
        dict of str to float64 array [frame, 6]

        Raises
        ------
        InputError
            The file does not cover the times, or has a gap.
        """
        start, end = float(times[0]), float(times[-1])
        require_cover(self.time, (start, end), where=self.where, what="ground reaction", slack=1e-4)
        inside = self.time[(self.time >= start) & (self.time <= end)]
        steps = np.diff(inside)
        if len(steps) and steps.max() > _LARGEST_GAP:
            raise InputError(
                f"{self.where}: expected samples at most {_LARGEST_GAP} s apart, found a gap of "
                f"{steps.max():.3g} s after {inside[steps.argmax()]:.6g} s"
            )
        return {
            side: np.stack([np.interp(times, self.time, column) for column in wrench.T], axis=1)
            for side, wrench in self.wrenches.items()
        }


def ground_from(storage: Storage, plates: Mapping[str, str]) -> Ground:
    """Convert a ground reaction file to forces and moments on each foot.

    Parameters
    ----------
    storage : Storage
        Forces in N, centres of pressure in m, torques in N m; y up.
    plates : mapping of str to str
        Column prefix of each foot: ``{"r": "ground_force_r", "l": "ground_force_l"}`` stands for
        ``ground_force_r_vx``, ``ground_force_r_px``, ``ground_torque_r_x`` and so on.

    Raises
    ------
    InputError
        A column is missing, a cell is NaN, or a foot has no upward force along y.

    Examples
    --------
    >>> heads = ("ground_force_v", "ground_force_p", "ground_torque_")
    >>> labels = tuple(head + axis for head in heads for axis in "xyz")
    >>> row = np.array([[0, 700.0, 0, 0.1, 0, 0.2, 0, 5.0, 0]])
    >>> ground_from(Storage("", labels, np.zeros(1), row), {"r": "ground_force"}).wrenches["r"]
    array([[   0.,  700.,    0., -140.,    5.,   70.]])
    """
    where = str(storage.path or "ground reaction")
    wrenches = {}
    for side, prefix in plates.items():
        heads = (f"{prefix}_v", f"{prefix}_p", f"{prefix.replace('force', 'torque')}_")
        force, centre, moment = (
            np.stack([storage.column(f"{head}{axis}") for axis in "xyz"], axis=1) for head in heads
        )
        labels = [f"{head}{axis}" for head in heads for axis in "xyz"]
        require_finite(
            storage,
            {label: storage.labels.index(label) for label in labels},
            where=where,
            remedy="write zeros where there is no force",
        )
        peaks = np.abs(force).max(axis=0)
        if force[:, 1].max() <= 0 or peaks[1] < peaks.max():
            raise InputError(
                f"{where}, columns {prefix}_v: expected the largest force upward along y, found "
                f"{peaks[0]:.4g}, {peaks[1]:.4g}, {peaks[2]:.4g} N along x, y, z; rotate the axes, "
                "or check that this foot hits its plate"
            )
        wrenches[side] = np.hstack([force, np.cross(centre, force) + moment])
    return Ground(storage.time, wrenches, where)


# Joint at the distal end of each segment and the segment beyond it; the position of the joint in
# the segment is the size of the segment.
SEGMENTS = {
    "pelvis": ("hip_r", "femur_r"),
    **{
        f"{segment}_{side}": (f"{joint}_{side}", f"{distal}_{side}")
        for side in "rl"
        for segment, joint, distal in (
            ("femur", "knee", "tibia"),
            ("tibia", "ankle", "talus"),
            ("talus", "subtalar", "calcn"),
            ("calcn", "mtp", "toes"),
        )
    },
}


@dataclass(frozen=True, eq=False)
class Sizes:
    """Mass and segment sizes of a person, from a scaled model.

    Attributes
    ----------
    mass : float
        kg.
    ends : dict of str to float64 array [3]
        Position of the distal joint in each segment of `SEGMENTS`, m.
    path : Path
        The model.
    """

    mass: float
    ends: dict[str, NDArray[np.float64]]
    path: Path


def read_sizes(path: "str | os.PathLike[str]") -> Sizes:
    """Read segment sizes and mass from a scaled model; OpenSim is not required.

    Parameters
    ----------
    path : path-like
        An ``.osim`` of OpenSim 4 with the joints of Rajagopal's model.

    Raises
    ------
    InputError
        The file is missing or not a model of OpenSim 4, or one of the joints is missing.
    """
    file = Path(path)
    root = read_xml(file, what="an OpenSim model (.osim)")
    places: dict[str, tuple[str, NDArray[np.float64]]] = {}
    for joint in root.iterfind(".//JointSet//*[socket_parent_frame]"):
        frames = {frame.get("name"): frame for frame in joint.iter("PhysicalOffsetFrame")}
        frame = frames.get(_last(text_of(joint, "socket_parent_frame")))
        if frame is not None:
            offset = _numbers(f"{file}, {joint.get('name')}", text_of(frame, "translation"))
            places[joint.get("name", "")] = _last(text_of(frame, "socket_parent")), offset
    if root.tag != "OpenSimDocument" or not places:
        raise InputError(
            f"{file}: expected a model of OpenSim 4 with joints between frames, found none; open "
            "and save an older model with OpenSim 4"
        )
    ends = {}
    for segment, (joint_name, _) in SEGMENTS.items():
        # Some versions call the knee walker_knee_r; the patella is also a child of the femur.
        fitting = [
            place
            for name, (parent, place) in places.items()
            if parent == segment and (name == joint_name or name.endswith(f"_{joint_name}"))
        ]
        if len(fitting) != 1 or not np.linalg.norm(fitting[0]) > 0:
            raise InputError(
                f"{file}: expected a joint {joint_name!r} away from the origin of {segment!r}, as "
                "in Rajagopal's model, found none; give a mass instead of the model"
            )
        ends[segment] = fitting[0]
    masses = [text_of(body, "mass") for body in root.iterfind(".//BodySet//Body")]
    mass = float(sum(_numbers(f"{file}, mass", text or "0")[0] for text in masses))
    if not mass > 0:
        raise InputError(f"{file}: expected bodies with a mass, found {mass:g} kg in total")
    return Sizes(mass, ends, file)


def _last(path: str) -> str:
    return path.rsplit("/", maxsplit=1)[-1]


def _numbers(where: str, text: str) -> NDArray[np.float64]:
    try:
        return np.array(text.split(), dtype=np.float64)
    except ValueError:
        raise InputError(f"{where}: expected numbers, found {text!r}") from None
