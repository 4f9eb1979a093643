"""Inverse dynamics: the moments a motion needs, and what each muscle can give, frame by frame.

The unknown moments belong to the joints that move; joints that follow them (knee translation,
patella) hand on their share through the slope of their polynomial, which is how OpenSim counts a
coupled joint, too. Passive springs and dampers of the MuJoCo model are left out.

Ground reaction as forces and moments about the laboratory's origin.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.io.storage import Storage
from nem2e_tf.simulate.mujoco.body import Body, mujoco
from nem2e_tf.simulate.mujoco.motion import Motion

_LARGEST_GAP = 0.05


@dataclass(frozen=True, eq=False)
class Ground:
    """What the ground does to each foot.

    Attributes
    ----------
    time : float64 array [sample]
        s.
    wrenches : dict of str to float64 array [sample, 6]
        Of each side (``r``, ``l``): force (N), then moment about the origin (N m). Centres of
        pressure mean nothing while there is no force; these moments are 0 then, so that straight
        lines between samples are right at contact, too.
    where : str
        The file, for messages.
    """

    time: NDArray[np.float64]
    wrenches: dict[str, NDArray[np.float64]]
    where: str

    def at(self, times: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Interpolate straight between samples.

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
            The file does not cover the times, or has a gap in them.
        """
        start, end = times[0], times[-1]
        if start < self.time[0] - 1e-4 or end > self.time[-1] + 1e-4:
            raise InputError(
                f"{self.where}: expected ground reaction from {start:.6g} to {end:.6g} s, as the "
                f"motion has it, found {self.time[0]:.6g} to {self.time[-1]:.6g} s"
            )
        inside = self.time[(self.time >= start) & (self.time <= end)]
        if len(inside) > 1 and np.diff(inside).max() > _LARGEST_GAP:
            raise InputError(
                f"{self.where}: expected samples at most {_LARGEST_GAP} s apart, found a gap of "
                f"{np.diff(inside).max():.3g} s after {inside[np.diff(inside).argmax()]:.6g} s"
            )
        return {
            side: np.stack([np.interp(times, self.time, column) for column in wrench.T], axis=1)
            for side, wrench in self.wrenches.items()
        }


def ground_from(storage: Storage, plates: Mapping[str, str]) -> Ground:
    """Take the forces under each foot from a ground reaction file.

    Parameters
    ----------
    storage : Storage
        Forces in N, centres of pressure in m, torques in N m; y up.
    plates : mapping of str to str
        Prefix of each foot's columns: ``{"r": "ground_force_r", "l": "ground_force_l"}`` takes
        ``ground_force_r_vx``, ``ground_force_r_px``, ``ground_torque_r_x`` and so on.

    Raises
    ------
    InputError
        A prefix or column is missing, a cell is nan, or a foot has no upward force along y.

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
        torque = prefix.replace("force", "torque")
        force, centre, moment = (
            np.stack([storage.column(f"{head}{axis}") for axis in "xyz"], axis=1)
            for head in (f"{prefix}_v", f"{prefix}_p", f"{torque}_")
        )
        wrench = np.hstack([force, np.cross(centre, force) + moment])
        if not np.isfinite(wrench).all():
            first = np.flatnonzero(~np.isfinite(wrench).all(axis=1))[0]
            raise InputError(
                f"{where}, columns {prefix}: expected finite numbers, found nan at "
                f"{storage.time[first]:.6g} s; write zeros where there is no force"
            )
        peaks = np.abs(force).max(axis=0)
        if force[:, 1].max() <= 0 or peaks[1] < peaks.max():
            raise InputError(
                f"{where}, columns {prefix}_v: expected the largest force upward along y, found "
                f"{peaks[0]:.4g}, {peaks[1]:.4g}, {peaks[2]:.4g} N along x, y, z; turn the axes, "
                "or is this foot never on its plate?"
            )
        wrenches[side] = wrench
    return Ground(storage.time, wrenches, where)


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
