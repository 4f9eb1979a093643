"""From joint angles and ground reaction to activation: the whole MuJoCo route.

Sharing moments among muscles: static optimization, solved exactly and fast.

A frame's problem (Crowninshield & Brand 1981, doi 10.1016/0021-9290(81)90035-X, with exponent 2):
least sum of squared activations and of squared reserves, where the muscles' moments and the
reserves together are the moment that is needed. Instead of 80 activations with bounds, its dual has
one unknown a joint: activations are ``clip(strength.T @ price, lowest, 1)`` and reserves are
``price``, with the prices at which the moments are met. That equation is piecewise linear and the
gradient of a convex function, so Newton's method ends in a few steps at the exact solution.
"""

import time as clock
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.io.storage import Storage, read_storage
from nem2e_tf.simulate.mujoco.body import GRAVITY, Body, load_body, read_sizes
from nem2e_tf.simulate.mujoco.dynamics import Ground, frames, ground_from
from nem2e_tf.simulate.mujoco.motion import Motion, motion_from

LOWEST = 0.01
"""Least activation, as OpenSim's muscles have it."""

_STEPS = 100
_CLOSE = 1e-9


@dataclass(frozen=True, eq=False)
class Shared:
    """The solution of one frame.

    Attributes
    ----------
    activation : float64 array [muscle]
        `LOWEST` to 1.
    reserve : float64 array [joint]
        Moment that the muscles do not give, N m (for reserves of 1 N m, the prices themselves).
    """

    activation: NDArray[np.float64]
    reserve: NDArray[np.float64]


def share(
    strength: NDArray[np.float64],
    moment: NDArray[np.float64],
    *,
    guess: NDArray[np.float64] | None = None,
) -> Shared:
    """Find the activations of one frame.

    Parameters
    ----------
    strength : float64 array [joint, muscle]
        Moment of each muscle at full activation, N m.
    moment : float64 array [joint]
        What is needed, N m.
    guess : float64 array [joint], optional
        Reserves of the frame before: where to start.

    Returns
    -------
    Shared
        Reserves have an optimal force of 1 N m, as is usual: 10 N m cost as much as 100 muscles
        that are fully active.

    Raises
    ------
    InputError
        The numbers are not finite, or the iteration does not end.

    Examples
    --------
    Two equal muscles of 10 N m share 10 N m; a reserve takes a small rest.

    >>> found = share(np.array([[10.0, 10.0]]), np.array([10.0]))
    >>> found.activation.round(4), found.reserve.round(4)
    (array([0.4975, 0.4975]), array([0.0498]))
    """
    if not (np.isfinite(strength).all() and np.isfinite(moment).all()):
        raise InputError("static optimization: expected finite moments and strengths, found nan")
    price = np.zeros(len(moment)) if guess is None else guess.copy()
    limit = _CLOSE * max(1.0, float(np.abs(moment).max()))
    value, rest, pull = _dual(price, strength, moment)
    for _ in range(_STEPS):
        if np.abs(rest).max() <= limit:
            return Shared(np.clip(pull, LOWEST, 1.0), price)
        free = strength[:, (pull > LOWEST) & (pull < 1.0)]
        step = np.linalg.solve(free @ free.T + np.eye(len(moment)), -rest)
        length = 1.0
        while True:
            trial = _dual(price + length * step, strength, moment)
            # At the end steps are so small that the value's own rounding is larger.
            if trial[0] <= value + 1e-4 * length * (rest @ step) or length < 1e-6:
                break
            length /= 2
        price = price + length * step
        value, rest, pull = trial
    raise InputError(
        f"static optimization: expected an end after {_STEPS} steps, found "
        f"{np.abs(rest).max():.3g} N m left"
    )


def _dual(
    price: NDArray[np.float64], strength: NDArray[np.float64], moment: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Value and gradient of the dual, and the muscles' activations before they are clipped."""
    pull = price @ strength
    activation = np.clip(pull, LOWEST, 1.0)
    value = float(pull @ activation - activation @ activation / 2 + price @ price / 2)
    return value - float(moment @ price), strength @ activation + price - moment, pull


RESERVE_LIMIT = 0.1
"""Peak reserve over peak moment that OpenSim's documentation accepts ("reserves and residuals")."""


RESIDUAL_LIMIT = 0.25
"""Residual force over body weight above which plates, sides or axes are likely wrong.

Plausible walks have about .12 here, since trunk and arms are one rigid piece.
"""


@dataclass(frozen=True)
class Gate:
    """How much of a joint's moment the muscles could not give.

    Attributes
    ----------
    coordinate : str
    moment, reserve : float
        Largest absolute values, N m.
    share : float
        Reserve over moment.
    passed : bool
        Whether `share` is at most `RESERVE_LIMIT`, or the reserve below 1 N m.
    """

    coordinate: str
    moment: float
    reserve: float
    share: float
    passed: bool


@dataclass(frozen=True, eq=False)
class Simulated:
    """What the route gives.

    Attributes
    ----------
    activation : Storage
        Muscles by canonical name with side (``soleus_r``), 0.01 to 1, then reserves
        (``knee_angle_r_reserve``), N m, in the motion's own sense.
    moments : Storage
        Of the joints (``knee_angle_r_moment``), N m, in the motion's own sense.
    gates : tuple of Gate
        One a joint.
    residual : float64 array [6]
        Root mean square force (N) and moment (N m) that the ground reaction leaves unexplained.
    imbalance : float
        Residual force over body weight; see `RESIDUAL_LIMIT`.
    seconds_a_frame : float
        Inverse dynamics and static optimization, without reading files and the model.
    notes : tuple of str
        What was scaled, turned, left out or resampled.
    """

    activation: Storage
    moments: Storage
    gates: tuple[Gate, ...]
    residual: NDArray[np.float64]
    imbalance: float
    seconds_a_frame: float
    notes: tuple[str, ...]


def simulate(
    motion: Path,
    ground_reaction: Path,
    *,
    plates: Mapping[str, str],
    mass: float | None = None,
    scaled_model: Path | None = None,
    myolegs: Path | None = None,
    cutoff: float = 6.0,
    in_degrees: bool | None = None,
    rate: float = 100.0,
    start: float | None = None,
    end: float | None = None,
) -> Simulated:
    """Compute muscle activations of a motion with MuJoCo.

    Parameters
    ----------
    motion : Path
        Joint angles of inverse kinematics (``.mot``, ``.sto``); see
        `nem2e_tf.simulate.mujoco.motion`.
    ground_reaction : Path
        Forces (``.mot``, ``.sto``).
    plates : mapping of str to str
        Prefix of the columns of each foot, ``r`` and ``l``; see `ground_from`.
    mass : float, optional
        Of the person, kg; that of `scaled_model` if not given.
    scaled_model : Path, optional
        Scaled OpenSim model to take segment lengths from. Joint moments depend on them.
    myolegs : Path, optional
        Model file; that of the package ``myo-sim`` if not given.
    cutoff : float
        Low-pass of the joint angles, Hz; 0 for none.
    in_degrees : bool, optional
        Whether angles are in degrees, where the motion does not say.
    rate : float
        Frames a second of the result.
    start, end : float, optional
        s; what motion and ground reaction both cover if not given.

    Raises
    ------
    InputError
        A package or a file is missing, a coordinate or column is, the ground reaction does not
        cover the time, or an option makes no sense.
    """
    sizes = read_sizes(scaled_model) if scaled_model else None
    coordinates, forces = read_storage(motion), read_storage(ground_reaction)
    moving = motion_from(coordinates, cutoff=cutoff, in_degrees=in_degrees)
    ground = ground_from(forces, plates)
    times = _times(motion, moving, ground, rate, start, end)
    ground.at(times[[0, -1]])
    body = load_body(mass=mass, sizes=sizes, path=myolegs)
    began = clock.perf_counter()
    activations, reserves, moments, residuals = [], [], [], []
    guess = None
    for frame in frames(body, moving, ground, times):
        found = share(frame.strength, frame.moment, guess=guess)
        guess = found.reserve
        activations.append(found.activation)
        reserves.append(found.reserve * moving.signs)
        moments.append(frame.moment * moving.signs)
        residuals.append(frame.residual)
    seconds = (clock.perf_counter() - began) / len(times)
    notes = [f"{motion}: {note}" for note in (*coordinates.notes, *moving.notes)]
    notes += [f"{ground_reaction}: {note}" for note in forces.notes]
    if times[0] > moving.time[0] + 1 / rate or times[-1] < moving.time[-1] - 1 / rate:
        notes.append(
            f"{motion}: frames from {times[0]:.6g} to {times[-1]:.6g} s of "
            f"{moving.time[0]:.6g} to {moving.time[-1]:.6g} s"
        )
    residual = np.sqrt(np.mean(np.square(residuals), axis=0))
    weight = GRAVITY * float(body.model.body_mass.sum())
    return Simulated(
        activation=_activation(body, moving, times, activations, reserves),
        moments=Storage(
            "Inverse Dynamics Generalized Forces",
            tuple(f"{joint}_moment" for joint in moving.joints),
            times,
            np.array(moments),
            in_degrees=False,
        ),
        gates=_gates(moving.joints, np.array(moments), np.array(reserves)),
        residual=residual,
        imbalance=float(np.linalg.norm(residual[:3])) / weight,
        seconds_a_frame=seconds,
        notes=(*notes, *body.notes),
    )


def _times(
    path: Path,
    motion: Motion,
    ground: Ground,
    rate: float,
    start: float | None,
    end: float | None,
) -> NDArray[np.float64]:
    if not 0 < rate < float("inf"):
        raise InputError(f"rate: expected frames a second above 0, found {rate:g}")
    first = max(motion.time[0], ground.time[0]) if start is None else start
    last = min(motion.time[-1], ground.time[-1]) if end is None else end
    if not motion.time[0] - 1e-9 <= first < last <= motion.time[-1] + 1e-9:
        raise InputError(
            f"{path}: expected a start before the end within {motion.time[0]:.6g} to "
            f"{motion.time[-1]:.6g} s, found {first:g} to {last:g} s (of {ground.where} where not "
            "asked for)"
        )
    count = int(np.floor((last - first) * rate + 1e-6)) + 1
    times: NDArray[np.float64] = first + np.arange(count) / rate
    return times


def _activation(
    body: Body,
    motion: Motion,
    times: NDArray[np.float64],
    activations: list[NDArray[np.float64]],
    reserves: list[NDArray[np.float64]],
) -> Storage:
    return Storage(
        "Static Optimization activations, myoLegs",
        (*body.muscles, *(f"{joint}_reserve" for joint in motion.joints)),
        times,
        np.hstack([np.array(activations), np.array(reserves)]),
        in_degrees=False,
    )


def _gates(
    joints: tuple[str, ...], moments: NDArray[np.float64], reserves: NDArray[np.float64]
) -> tuple[Gate, ...]:
    gates = []
    for joint, moment, reserve in zip(
        joints, np.abs(moments).max(axis=0), np.abs(reserves).max(axis=0), strict=True
    ):
        share_ = float(reserve / moment) if moment > 0 else 0.0
        passed = bool(share_ <= RESERVE_LIMIT or reserve < 1.0)
        gates.append(Gate(joint, float(moment), float(reserve), share_, passed))
    return tuple(gates)
