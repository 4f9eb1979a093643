"""The myoLegs model fitted to a person, and its inverse dynamics, frame by frame.

Inverse dynamics yields the moments of the moving joints and the moment that each muscle can give.
Dependent joints (knee translation, patella) contribute through the slope of their polynomial, as
coupled joints do in OpenSim. Passive springs and dampers of the MuJoCo model are ignored.
"""

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.muscles import try_parse_label
from nem2e_tf.simulate.mujoco.inputs import SEGMENTS, Ground, Motion, Sizes

GRAVITY = 9.80665
# Segments without a distal joint are scaled with the proximal one.
_PROXIMAL = {"toes": "calcn", "patella": "femur"}
_ROOT = 6
# Half the distance between the poses that give the speed and acceleration of a frame, s.
_STEP = 1e-3

# Dependent joint, its leading joint, and the coefficients of the polynomial, constant first.
Couplings = tuple[tuple[int, int, NDArray[np.float64]], ...]


@dataclass(frozen=True, eq=False)
class Body:
    """A MuJoCo model ready for inverse dynamics; y is up, as in OpenSim.

    Attributes
    ----------
    model, data : mujoco.MjModel, mujoco.MjData
    muscles : tuple of str
        Canonical names with side (``soleus_r``), in the order of the actuators.
    joints : dict of str to int
        Index of each hinge and slide joint.
    couplings : tuple of (int, int, float64 array [5])
        Dependent joint, its leading joint, and the coefficients of the polynomial, constant first.
    root_turn : float64 array [3, 3]
        Axes of the pelvis in those of the free joint, which is the trunk's.
    root_place : float64 array [3]
        Position of the pelvis in them, m.
    notes : tuple of str
        Scale factors.
    """

    model: Any
    data: Any
    muscles: tuple[str, ...]
    joints: dict[str, int]
    couplings: Couplings
    root_turn: NDArray[np.float64]
    root_place: NDArray[np.float64]
    notes: tuple[str, ...]


def mujoco() -> Any:
    """Return the MuJoCo module; an `InputError` if it is not installed."""
    try:
        return importlib.import_module("mujoco")
    except ImportError:
        raise InputError(
            "MuJoCo is not installed (packages mujoco and myo-sim): pip install 'nem2e-tf[mujoco]'"
        ) from None


def load_body(
    *, mass: float | None = None, sizes: Sizes | None = None, path: Path | None = None
) -> Body:
    """Load myoLegs and fit it to a person.

    Segments are scaled by the ratio of joint distances, the pelvis along each of its axes. Muscle
    points, wrapping surfaces, inertia and the translations of the knee scale with their segment.
    Muscles keep their strength; their optimal lengths scale with their total length, as in OpenSim.
    All masses are multiplied by one factor.

    Parameters
    ----------
    mass : float, optional
        kg; by default that of `sizes`. One of them is required.
    sizes : Sizes, optional
        Segment sizes; by default those of the model, an adult of 1.70 m.
    path : Path, optional
        Model file (MJCF) with the same joints and muscles; by default that of the package
        ``myo-sim``.

    Raises
    ------
    InputError
        A package is missing, the model is unreadable or another one, or the mass is not positive.
    """
    if mass is None:
        if sizes is None:
            raise InputError("mass: expected the mass of the person (kg) or a scaled model")
        mass = sizes.mass
    if not 0 < mass < float("inf"):
        raise InputError(f"mass: expected kg above 0, found {mass:g}")
    mj, model = mujoco(), _load(path)
    # Inverse dynamics excludes contacts, limits and springs; armature is not a real inertia.
    model.opt.disableflags |= mj.mjtDisableBit.mjDSBL_CONTACT | mj.mjtDisableBit.mjDSBL_CONSTRAINT
    model.opt.gravity[:] = 0.0, -GRAVITY, 0.0
    model.dof_armature[:] = 0.0
    data = mj.MjData(model)
    joints = {model.joint(i).name: i for i in range(1, model.njnt)}
    # Views of the model's own coefficients: scaling the model scales them, too.
    couplings = tuple(
        (int(model.eq_obj1id[i]), int(model.eq_obj2id[i]), model.eq_data[i, :5])
        for i in range(model.neq)
        if model.eq_type[i] == mj.mjtEq.mjEQ_JOINT
    )
    factor = mass / model.body_mass.sum()
    model.body_mass *= factor
    model.body_inertia *= factor
    notes = [f"masses of myoLegs multiplied by {factor:.3f}, to {mass:.1f} kg"]
    if sizes is None:
        notes.append("segment lengths are those of an adult of 1.70 m; give a scaled model")
    else:
        lengths = _neutral_lengths(mj, model, data, couplings)
        scales = _scale(model, sizes)
        mj.mj_setConst(model, data)
        longer = _neutral_lengths(mj, model, data, couplings) / lengths
        model.actuator_lengthrange *= longer[:, None]
        factors = ", ".join(f"{s} {np.mean(v):.3f}" for s, v in scales.items())
        notes.append(f"segments scaled by {factors}")
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
            "the myoLegs model is not installed (package myo-sim): pip install 'nem2e-tf[mujoco]', "
            "or give the file of the model"
        ) from None
    except Exception as error:
        # MuJoCo and the package raise errors of several types, some with many lines.
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


@contextmanager
def _without_warnings(mj: Any) -> Iterator[None]:
    """Suppress a warning about saving the model, which also leaves a log file in the folder."""
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
    """Scale segments in place; return the factors of each along x, y and z."""
    scales = {}
    for segment, joint_end in sizes.ends.items():
        own = model.body_pos[model.body(SEGMENTS[segment][1]).id]
        scale = np.full(3, np.linalg.norm(joint_end) / np.linalg.norm(own))
        if segment == "pelvis":
            scale = np.abs(joint_end / own)
        scales[segment] = scale
        _scale_segment(model, model.body(segment).id, scale)
    for side in "rl":
        for segment, proximal in _PROXIMAL.items():
            scale = scales[f"{proximal}_{side}"]
            _scale_segment(model, model.body(f"{segment}_{side}").id, scale)
    for index in range(model.neq):
        name = model.joint(model.eq_obj1id[index]).name
        if "translation" in name:
            model.eq_data[index, :5] *= np.mean(scales[f"femur_{name[-1]}"])
    return scales


def _scale_segment(model: Any, number: int, scale: NDArray[np.float64]) -> None:
    model.body_inertia[number] *= np.mean(scale) ** 2
    model.body_ipos[number] *= scale
    model.body_pos[model.body_parentid == number] *= scale
    model.site_pos[model.site_bodyid == number] *= scale
    model.geom_pos[model.geom_bodyid == number] *= scale
    model.geom_size[model.geom_bodyid == number] *= np.mean(scale)


def _neutral_lengths(mj: Any, model: Any, data: Any, couplings: Couplings) -> NDArray[np.float64]:
    """Length of each muscle with all angles at 0, m."""
    data.qpos[:] = 0.0
    data.qpos[3] = 1.0
    for follower, _, coefficients in couplings:
        data.qpos[model.jnt_qposadr[follower]] = coefficients[0]
    mj.mj_fwdPosition(model, data)
    lengths: NDArray[np.float64] = data.actuator_length.copy()
    return lengths


@dataclass(frozen=True, eq=False)
class Frame:
    """Inverse dynamics of one frame.

    Attributes
    ----------
    moment : float64 array [joint]
        Moments of the joints in the order of `Motion.joints`, N m, with the signs of myoLegs.
    residual : float64 array [6]
        Force (N) and moment (N m) on the trunk that the ground reaction does not explain.
    strength : float64 array [joint, muscle]
        Moment of each muscle at full activation, N m.
    """

    moment: NDArray[np.float64]
    residual: NDArray[np.float64]
    strength: NDArray[np.float64]


def frames(
    body: Body, motion: Motion, ground: Ground, times: NDArray[np.float64]
) -> Iterator[Frame]:
    """Compute the inverse dynamics of a motion, frame by frame.

    Parameters
    ----------
    body : Body
    motion : Motion
    ground : Ground
    times : float64 array [frame]
        s, within the motion.

    Yields
    ------
    Frame

    Raises
    ------
    InputError
        The ground reaction does not cover the times.
    """
    mj, model, data = mujoco(), body.model, body.data
    before, now, after = (_poses(body, motion, times + shift) for shift in (-_STEP, 0.0, _STEP))
    wrenches = ground.at(times)
    feet = {side: model.body(f"calcn_{side}").id for side in wrenches}
    first, second, needed, push = (np.zeros(model.nv) for _ in range(4))
    dense = np.zeros((model.nu, model.nv))
    origin = np.zeros(3)
    for index in range(len(times)):
        mj.mj_differentiatePos(model, first, _STEP, before[index], now[index])
        mj.mj_differentiatePos(model, second, _STEP, now[index], after[index])
        data.qpos[:] = now[index]
        data.qvel[:] = (first + second) / 2
        mj.mj_fwdPosition(model, data)
        mj.mj_fwdVelocity(model, data)
        mj.mj_mulM(model, data, needed, (second - first) / _STEP)
        needed += data.qfrc_bias
        for side, wrench in wrenches.items():
            push[:] = 0.0
            force, moment = wrench[index, :3], wrench[index, 3:]
            mj.mj_applyFT(model, data, force, moment, origin, feet[side], push)
            needed -= push
        slopes = _slopes(body, motion, now[index])
        mj.mju_sparse2dense(
            dense,
            data.actuator_moment.ravel(),
            data.moment_rownnz,
            data.moment_rowadr,
            data.moment_colind.ravel(),
        )
        moments = slopes.T @ needed
        strength = (dense @ slopes)[:, _ROOT:].T * _forces(body)
        yield Frame(moments[_ROOT:], moments[:_ROOT], strength)


def _poses(body: Body, motion: Motion, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """MuJoCo's positions [frame, position] of the motion at the times."""
    from scipy.interpolate import CubicSpline
    from scipy.spatial.transform import Rotation

    model = body.model
    pelvis = CubicSpline(motion.time, motion.pelvis)(times)
    angles = CubicSpline(motion.time, motion.angles)(times)
    turn = Rotation.from_euler("ZXY", pelvis[:, :3]) * Rotation.from_matrix(body.root_turn).inv()
    poses = np.zeros((len(times), model.nq))
    poses[:, :3] = pelvis[:, 3:] - turn.apply(body.root_place)
    poses[:, 3:7] = turn.as_quat(scalar_first=True)
    for column, joint in enumerate(motion.joints):
        poses[:, model.jnt_qposadr[body.joints[joint]]] = angles[:, column]
    for follower, leader, coefficients in body.couplings:
        lead = poses[:, model.jnt_qposadr[leader]]
        poses[:, model.jnt_qposadr[follower]] = np.polyval(coefficients[::-1], lead)
    return poses


def _slopes(body: Body, motion: Motion, pose: NDArray[np.float64]) -> NDArray[np.float64]:
    """Speed of every joint [speed, root and joint] for a unit speed of the root or a joint."""
    model = body.model
    slopes = np.zeros((model.nv, _ROOT + len(motion.joints)))
    slopes[:_ROOT, :_ROOT] = np.eye(_ROOT)
    columns = {}
    for column, joint in enumerate(motion.joints, start=_ROOT):
        columns[body.joints[joint]] = column
        slopes[model.jnt_dofadr[body.joints[joint]], column] = 1.0
    for follower, leader, coefficients in body.couplings:
        slope = np.polyval(np.polyder(coefficients[::-1]), pose[model.jnt_qposadr[leader]])
        if leader in columns:
            slopes[model.jnt_dofadr[follower], columns[leader]] = slope
    return slopes


def _forces(body: Body) -> NDArray[np.float64]:
    """Force of each muscle at full activation, N; pulling is negative in MuJoCo.

    Includes active force-length and force-velocity. The passive force of a stretched muscle is
    ignored, as in OpenSim's static optimization.
    """
    mj, model, data = mujoco(), body.model, body.data
    return np.array(
        [
            mj.mju_muscleGain(
                data.actuator_length[i],
                data.actuator_velocity[i],
                model.actuator_lengthrange[i],
                model.actuator_acc0[i],
                model.actuator_gainprm[i, :9],
            )
            for i in range(model.nu)
        ]
    )
