"""The myoLegs model: loaded, checked, and fitted to a person.

Segment lengths and mass of a person, read from a scaled OpenSim model (needs no OpenSim).
"""

import importlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.muscles import try_parse_label

# Segment, and the joint at its far end, whose place in the segment is the segment's size.
SEGMENTS = {
    "pelvis": "hip_r",
    **{
        f"{segment}_{side}": f"{joint}_{side}"
        for side in "rl"
        for segment, joint in (
            ("femur", "knee"),
            ("tibia", "ankle"),
            ("talus", "subtalar"),
            ("calcn", "mtp"),
        )
    },
}


@dataclass(frozen=True, eq=False)
class Sizes:
    """What a scaled model says of a person.

    Attributes
    ----------
    mass : float
        kg.
    ends : dict of str to float64 array [3]
        Where the next joint is, in each segment of `SEGMENTS`, m.
    path : Path
        The model.
    """

    mass: float
    ends: dict[str, NDArray[np.float64]]
    path: Path


def read_sizes(path: "str | os.PathLike[str]") -> Sizes:
    """Read segment sizes and mass from a scaled model.

    Parameters
    ----------
    path : path-like
        An ``.osim`` of OpenSim 4 with Rajagopal's joints.

    Raises
    ------
    InputError
        The file is missing, is no model of OpenSim 4, or lacks one of the joints.
    """
    file = Path(path)
    try:
        root = ElementTree.parse(file).getroot()
    except FileNotFoundError:
        raise InputError(f"{file}: expected an OpenSim model, found no such file") from None
    except (OSError, ElementTree.ParseError) as error:
        raise InputError(f"{file}: expected an OpenSim model (.osim), found {error}") from None
    places: dict[str, tuple[str, NDArray[np.float64]]] = {}
    for joint in root.iterfind(".//JointSet//*[socket_parent_frame]"):
        frames = {frame.get("name"): frame for frame in joint.iter("PhysicalOffsetFrame")}
        frame = frames.get(_last(joint.findtext("socket_parent_frame", "")))
        if frame is not None:
            offset = _numbers(file, joint.get("name", ""), frame.findtext("translation", ""))
            places[joint.get("name", "")] = _last(frame.findtext("socket_parent", "")), offset
    if root.tag != "OpenSimDocument" or not places:
        raise InputError(
            f"{file}: expected a model of OpenSim 4 with joints between frames, found none; open "
            "and save an older model with OpenSim 4"
        )
    ends = {}
    for segment, joint_name in SEGMENTS.items():
        # The knee is called walker_knee_r in some versions, and a patella hangs on the femur, too.
        fitting = [
            place
            for name, (parent, place) in places.items()
            if parent == segment and (name == joint_name or name.endswith(f"_{joint_name}"))
        ]
        if len(fitting) != 1 or not np.linalg.norm(fitting[0]) > 0:
            raise InputError(
                f"{file}: expected a joint {joint_name!r} away from the origin of {segment!r}, as "
                "Rajagopal's model has it, found none; leave the model out and give a mass"
            )
        ends[segment] = fitting[0]
    masses = [body.findtext("mass", "0") for body in root.iterfind(".//BodySet//Body")]
    mass = float(sum(_numbers(file, "mass", text)[0] for text in masses)) if masses else 0.0
    if not mass > 0:
        raise InputError(f"{file}: expected bodies with a mass, found {mass:g} kg in all")
    return Sizes(mass, ends, file)


def _last(path: str) -> str:
    return path.strip().rsplit("/", maxsplit=1)[-1]


def _numbers(file: Path, what: str, text: str) -> NDArray[np.float64]:
    try:
        return np.array(text.split(), dtype=np.float64)
    except ValueError:
        raise InputError(f"{file}, {what}: expected numbers, found {text.strip()!r}") from None


GRAVITY = 9.80665
# Segments without a joint at their far end, which go with the one before them.
_BEFORE = {"toes": "calcn", "patella": "femur"}
# The segment whose place in its parent is the parent's size.
_CHILDREN = {
    "pelvis": "femur_r",
    **{
        f"{segment}_{side}": f"{child}_{side}"
        for side in "rl"
        for segment, child in (
            ("femur", "tibia"),
            ("tibia", "talus"),
            ("talus", "calcn"),
            ("calcn", "toes"),
        )
    },
}


@dataclass(frozen=True, eq=False)
class Body:
    """A MuJoCo model ready for inverse dynamics; y is up, as in OpenSim.

    Attributes
    ----------
    model, data : mujoco.MjModel, mujoco.MjData
    muscles : tuple of str
        Canonical names with side (``soleus_r``), in the order of the actuators.
    joints : dict of str to int
        Hinge and slide joints to their number.
    couplings : tuple of (int, int, float64 array [5])
        Joint that follows, joint it follows, and the polynomial's coefficients, constant first.
    root_turn : float64 array [3, 3]
        Axes of the pelvis in the axes of the free joint, which is the trunk's.
    root_place : float64 array [3]
        Place of the pelvis in them, m.
    notes : tuple of str
        What was scaled, and by how much.
    """

    model: Any
    data: Any
    muscles: tuple[str, ...]
    joints: dict[str, int]
    couplings: tuple[tuple[int, int, NDArray[np.float64]], ...]
    root_turn: NDArray[np.float64]
    root_place: NDArray[np.float64]
    notes: tuple[str, ...]


def mujoco() -> Any:
    """Return the MuJoCo module.

    Raises
    ------
    InputError
        It is not installed.
    """
    try:
        return importlib.import_module("mujoco")
    except ImportError:
        raise InputError(
            "the MuJoCo route needs the packages mujoco and myo-sim; pip install 'nem2e-tf[mujoco]'"
        ) from None


def load_body(
    *, mass: float | None = None, sizes: Sizes | None = None, path: Path | None = None
) -> Body:
    """Load myoLegs and fit it to a person.

    Segments are scaled by the ratio of joint distances, the pelvis along each of its axes, and
    with a segment the places of muscle points and wrapping surfaces, its inertia and the knee's
    translations. Muscles keep their strength; their optimal lengths grow with their whole length,
    as in OpenSim's scaling. All masses are multiplied by one number.

    Parameters
    ----------
    mass : float, optional
        kg; that of `sizes` if not given, one of them is needed.
    sizes : Sizes, optional
        Segment lengths; the model's own (an adult of 1.70 m) if not given.
    path : Path, optional
        Model file (MJCF) with the same joints and muscles; that of the package ``myo-sim`` if not
        given.

    Raises
    ------
    InputError
        A package is missing, the model cannot be read or is another one, or the mass is not
        positive.
    """
    if mass is None:
        if sizes is None:
            raise InputError("mass: expected the person's mass (kg) or a scaled model, found none")
        mass = sizes.mass
    if not 0 < mass < float("inf"):
        raise InputError(f"mass: expected kg above 0, found {mass:g}")
    mj, model = mujoco(), _load(path)
    # Contacts, limits and springs are not part of inverse dynamics; armature is no real inertia.
    model.opt.disableflags |= mj.mjtDisableBit.mjDSBL_CONTACT | mj.mjtDisableBit.mjDSBL_CONSTRAINT
    model.opt.gravity[:] = 0.0, -GRAVITY, 0.0
    model.dof_armature[:] = 0.0
    data = mj.MjData(model)
    joints = {model.joint(i).name: i for i in range(1, model.njnt)}
    # Their coefficients are the model's own: scaling the model scales them, too.
    couplings = tuple(
        (int(model.eq_obj1id[i]), int(model.eq_obj2id[i]), model.eq_data[i, :5])
        for i in range(model.neq)
        if model.eq_type[i] == mj.mjtEq.mjEQ_JOINT
    )
    notes = []
    factor = mass / model.body_mass.sum()
    model.body_mass *= factor
    model.body_inertia *= factor
    notes.append(f"masses of myoLegs times {factor:.3f}, to {mass:.1f} kg")
    if sizes is None:
        notes.append("segment lengths are those of an adult of 1.70 m; give a scaled model")
    else:
        lengths = _neutral_lengths(mj, model, data, couplings)
        scales = _scale(model, sizes)
        mj.mj_setConst(model, data)
        longer = _neutral_lengths(mj, model, data, couplings) / lengths
        model.actuator_lengthrange *= longer[:, None]
        told = ", ".join(f"{s} {np.mean(v):.3f}" for s, v in scales.items())
        notes.append(f"segments scaled by {told}")
    data.qpos[:] = 0.0
    data.qpos[3] = 1.0
    mj.mj_kinematics(model, data)
    pelvis = model.body("pelvis").id
    return Body(
        model=model,
        data=data,
        muscles=_muscles(model, path),
        joints=joints,
        couplings=couplings,
        root_turn=data.xmat[pelvis].reshape(3, 3).copy(),
        root_place=data.xpos[pelvis].copy(),
        notes=tuple(notes),
    )


def _load(path: Path | None) -> Any:
    mj = mujoco()
    where = path or "myo-sim"
    try:
        if path is None:
            with _without_warnings(mj):
                model = importlib.import_module("myo_sim").load_model("myolegs")
        else:
            model = mj.MjModel.from_xml_path(str(path))
    except ImportError:
        raise InputError(
            "the myoLegs model comes with the package myo-sim; pip install 'nem2e-tf[mujoco]', or "
            "give the model's file"
        ) from None
    except Exception as error:
        # MuJoCo and the package raise errors of several kinds, some with many lines
        raise InputError(
            f"{where}: expected the myoLegs model, cannot read it ({' '.join(str(error).split())})"
        ) from None
    bodies = {model.body(i).name for i in range(model.nbody)}
    names = {model.joint(i).name for i in range(model.njnt)}
    wanted = {f"{j}_{s}" for s in "rl" for j in ("hip_flexion", "knee_angle", "ankle_angle")}
    missing = sorted((set(SEGMENTS) - bodies) | (wanted - names))
    if missing or model.jnt_type[0] != mj.mjtJoint.mjJNT_FREE:
        found = f"no {missing[0]!r}" if missing else "no free joint at its root"
        raise InputError(f"{where}: expected the myoLegs model, found {found}")
    return model


def _scale_segment(model: Any, number: int, scale: NDArray[np.float64]) -> None:
    model.body_inertia[number] *= np.mean(scale) ** 2
    model.body_ipos[number] *= scale
    model.body_pos[model.body_parentid == number] *= scale
    model.site_pos[model.site_bodyid == number] *= scale
    model.geom_pos[model.geom_bodyid == number] *= scale
    model.geom_size[model.geom_bodyid == number] *= np.mean(scale)


@contextmanager
def _without_warnings(mj: Any) -> Iterator[None]:
    """Silence a warning about saving the model, which also leaves a log file in the folder."""
    handler = mj.get_mju_user_warning()
    mj.set_mju_user_warning(lambda _text: None)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Attaching a spec", UserWarning)
            yield
    finally:
        mj.set_mju_user_warning(handler)


def _muscles(model: Any, path: Path | None) -> tuple[str, ...]:
    names = []
    for index in range(model.nu):
        label = try_parse_label(model.actuator(index).name)
        if label is None or not label.side:
            raise InputError(
                f"{path or 'myo-sim'}: expected muscles with known names such as soleus_r, found "
                f"{model.actuator(index).name!r}"
            )
        names.append(f"{label.muscle}_{label.side}")
    return tuple(names)


def _scale(model: Any, sizes: Sizes) -> dict[str, NDArray[np.float64]]:
    """Scale segments in place; the factors along x, y and z of each."""
    scales = {}
    for segment, joint_end in sizes.ends.items():
        number = model.body(segment).id
        child = model.body(_CHILDREN[segment]).id
        own = model.body_pos[child]
        scale = np.full(3, np.linalg.norm(joint_end) / np.linalg.norm(own))
        if segment == "pelvis":
            scale = np.abs(joint_end / own)
        scales[segment] = scale
        _scale_segment(model, number, scale)
    for side in "rl":
        for segment, before in _BEFORE.items():
            _scale_segment(model, model.body(f"{segment}_{side}").id, scales[f"{before}_{side}"])
    for index in range(model.neq):
        name = model.joint(model.eq_obj1id[index]).name
        if "translation" in name:
            model.eq_data[index, :5] *= np.mean(scales[f"femur_{name[-1]}"])
    return scales


def _neutral_lengths(
    mj: Any, model: Any, data: Any, couplings: tuple[tuple[int, int, NDArray[np.float64]], ...]
) -> NDArray[np.float64]:
    """Length of each muscle with all angles at 0, m."""
    data.qpos[:] = 0.0
    data.qpos[3] = 1.0
    for follower, _, coefficients in couplings:
        data.qpos[model.jnt_qposadr[follower]] = coefficients[0]
    mj.mj_fwdPosition(model, data)
    lengths: NDArray[np.float64] = data.actuator_length.copy()
    return lengths
