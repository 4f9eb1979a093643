"""Inverse dynamics: the moments a motion needs, and what each muscle can give, frame by frame.

The unknown moments belong to the joints that move; joints that follow them (knee translation,
patella) hand on their share through the slope of their polynomial, which is how OpenSim counts a
coupled joint, too. Passive springs and dampers of the MuJoCo model are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.myolegs.body import Body, mujoco
from nem2e_tf.myolegs.ground import Ground
from nem2e_tf.myolegs.motion import Motion

_ROOT = 6
# Half of the distance of the poses that a frame's speed and acceleration are taken from, s.
_STEP = 1e-3


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame.

    Attributes
    ----------
    moment : float64 array [joint]
        Of the joints in the order of `Motion.joints`, N m, in myoLegs' sense.
    residual : float64 array [6]
        Force (N) and moment (N m) on the trunk that no ground reaction accounts for.
    strength : float64 array [joint, muscle]
        Moment of each muscle at full activation, N m.
    """

    moment: NDArray[np.float64]
    residual: NDArray[np.float64]
    strength: NDArray[np.float64]


def frames(
    body: Body, motion: Motion, ground: Ground, times: NDArray[np.float64]
) -> Iterator[Frame]:
    """Go through a motion.

    Parameters
    ----------
    body : Body
    motion : Motion
    ground : Ground
    times : float64 array [frame]
        s, inside the motion.

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
    """Force of each muscle at full activation, N, negative as MuJoCo counts a pull.

    Active force-length and force-velocity; the passive force of a stretched muscle is left out, as
    OpenSim's static optimization does.
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
