"""The MuJoCo route in one call: from joint angles and ground reaction to activations.

The moments of a frame are distributed among the muscles by static optimization (Crowninshield &
Brand 1981, doi 10.1016/0021-9290(81)90035-X, with exponent 2): the least sum of squared activations
and squared reserves, where the moments of muscles and reserves add up to the required ones. Its
dual has one unknown per joint instead of 80 bounded activations: activations are
``clip(strength.T @ price, lowest, 1)`` and reserves are ``price``, at the prices that meet the
moments. That equation is piecewise linear and the gradient of a convex function, so that Newton's
method reaches the exact solution in a few steps.
"""

import os
import time as clock
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.io.storage import Storage, read_storage
from nem2e_tf.simulate.mujoco.dynamics import GRAVITY, frames, load_body
from nem2e_tf.simulate.mujoco.inputs import Ground, Motion, ground_from, motion_from, read_sizes

LOWEST = 0.01
"""Least activation, as in OpenSim's muscles."""

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
        Moment not given by the muscles, N m (the prices, for reserves of 1 N m).
    """

    activation: NDArray[np.float64]
    reserve: NDArray[np.float64]


def share(
    strength: NDArray[np.float64],
    moment: NDArray[np.float64],
    *,
    guess: NDArray[np.float64] | None = None,
) -> Shared:
    """Compute the activations of one frame.

    Parameters
    ----------
    strength : float64 array [joint, muscle]
        Moment of each muscle at full activation, N m.
    moment : float64 array [joint]
        Required moments, N m.
    guess : float64 array [joint], optional
        Reserves of the previous frame, as a first guess.

    Returns
    -------
    Shared
        Reserves have the usual optimal force of 1 N m: 10 N m cost as much as 100 fully active
        muscles.

    Raises
    ------
    InputError
        The numbers are not finite, or the iteration does not converge.

    Examples
    --------
    Two equal muscles of 10 N m share a moment of 10 N m; a small part remains for the reserve.

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
            # Near the solution, a step changes the value by less than its rounding.
            if trial[0] <= value + 1e-4 * length * (rest @ step) or length < 1e-6:
                break
            length /= 2
        price = price + length * step
        value, rest, pull = trial
    raise InputError(
        f"static optimization: expected convergence after {_STEPS} steps, found "
        f"{np.abs(rest).max():.3g} N m unbalanced"
    )


def _dual(
    price: NDArray[np.float64], strength: NDArray[np.float64], moment: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Value and gradient of the dual, and the activations before clipping."""
    pull = price @ strength
    activation = np.clip(pull, LOWEST, 1.0)
    value = float(pull @ activation - activation @ activation / 2 + price @ price / 2)
    return value - float(moment @ price), strength @ activation + price - moment, pull


RESERVE_LIMIT = 0.1
"""Largest peak reserve over peak moment, by OpenSim's documentation ("reserves and residuals")."""


RESIDUAL_LIMIT = 0.25
"""Residual force over body weight above which plates, sides or axes are likely wrong.

Plausible walks have about .12, since trunk and arms are rigid here.
"""


@dataclass(frozen=True)
class Gate:
    """Share of the moment of a joint that the muscles could not give.

    Attributes
    ----------
    coordinate : str
    moment, reserve : float
        Largest absolute values, N m.
    share : float
        Reserve over moment.
    passed : bool
        True if `share` is at most `RESERVE_LIMIT` or the reserve below 1 N m.
    """

    coordinate: str
    moment: float
    reserve: float
    share: float
    passed: bool


@dataclass(frozen=True, eq=False)
class Simulated:
    """Result of the MuJoCo route.

    Attributes
    ----------
    activation : Storage
        Muscles by canonical name with side (``soleus_r``), 0.01 to 1, then reserves
        (``knee_angle_r_reserve``), N m, with the signs of the motion.
    moments : Storage
        Joint moments (``knee_angle_r_moment``), N m, with the signs of the motion.
    gates : tuple of Gate
        One per joint.
    residual : float64 array [6]
        Root mean square force (N) and moment (N m) not explained by the ground reaction.
    imbalance : float
        Residual force over body weight; see `RESIDUAL_LIMIT`.
    seconds_per_frame : float
        Inverse dynamics and static optimization, without reading files and the model.
    notes : tuple of str
        Scaling, changed signs, ignored coordinates, resampling.
    """

    activation: Storage
    moments: Storage
    gates: tuple[Gate, ...]
    residual: NDArray[np.float64]
    imbalance: float
    seconds_per_frame: float
    notes: tuple[str, ...]

    def warnings(self) -> list[str]:
        """Reserves or residuals above their limits."""
        failed = [gate.coordinate for gate in self.gates if not gate.passed]
        found = []
        if failed:
            found.append(
                f"reserves above {RESERVE_LIMIT:.0%} of the moment (and 1 N m) in "
                f"{', '.join(failed)}: the muscles could not produce this motion; check plates, "
                "model and mass"
            )
        if self.imbalance > RESIDUAL_LIMIT:
            found.append(
                f"{self.imbalance:.0%} of the body weight is not balanced (at most "
                f"{RESIDUAL_LIMIT:.0%} expected): check that the plates belong to the right feet, "
                "and axes, time and mass"
            )
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return the quality measures as plain values for JSON."""
        return {
            "reserves": [asdict(gate) for gate in self.gates],
            "residual": self.residual.tolist(),
            "imbalance": self.imbalance,
            "seconds_per_frame": self.seconds_per_frame,
            "notes": list(self.notes),
        }


def simulate(
    motion: "str | os.PathLike[str]",
    ground_reaction: "str | os.PathLike[str]",
    *,
    plates: Mapping[str, str],
    mass: float | None = None,
    scaled_model: "str | os.PathLike[str] | None" = None,
    myolegs: "str | os.PathLike[str] | None" = None,
    cutoff: float = 6.0,
    in_degrees: bool | None = None,
    rate: float = 100.0,
    start: float | None = None,
    end: float | None = None,
) -> Simulated:
    """Compute muscle activations of a motion with MuJoCo.

    Parameters
    ----------
    motion : path-like
        Joint angles of inverse kinematics (``.mot``, ``.sto``); see
        `nem2e_tf.simulate.mujoco.inputs`.
    ground_reaction : path-like
        Forces (``.mot``, ``.sto``).
    plates : mapping of str to str
        Column prefix of each foot, ``r`` and ``l``; see `ground_from`.
    mass : float, optional
        Mass of the person, kg; by default that of `scaled_model`.
    scaled_model : path-like, optional
        Scaled OpenSim model with the segment lengths, on which joint moments depend.
    myolegs : path-like, optional
        Model file; by default that of the package ``myo-sim``.
    cutoff : float
        Low-pass filter of the joint angles, Hz; 0 for none.
    in_degrees : bool, optional
        Unit of the angles, if the motion does not state it.
    rate : float
        Frames per second of the result.
    start, end : float, optional
        s; by default the time covered by both motion and ground reaction.

    Raises
    ------
    InputError
        A package, file, coordinate or column is missing, the ground reaction does not cover the
        time, or a parameter is invalid.
    """
    sizes = read_sizes(scaled_model) if scaled_model else None
    coordinates, forces = read_storage(motion), read_storage(ground_reaction)
    moving = motion_from(coordinates, cutoff=cutoff, in_degrees=in_degrees)
    ground = ground_from(forces, plates)
    times = _times(motion, moving, ground, rate, start, end)
    ground.at(times[[0, -1]])
    body = load_body(mass=mass, sizes=sizes, path=Path(myolegs) if myolegs else None)
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
        activation=Storage(
            "Static Optimization activations, myoLegs",
            (*body.muscles, *(f"{joint}_reserve" for joint in moving.joints)),
            times,
            np.hstack([np.array(activations), np.array(reserves)]),
            in_degrees=False,
        ),
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
        seconds_per_frame=seconds,
        notes=(*notes, *body.notes),
    )


def _times(
    path: object,
    motion: Motion,
    ground: Ground,
    rate: float,
    start: float | None,
    end: float | None,
) -> NDArray[np.float64]:
    if not 0 < rate < float("inf"):
        raise InputError(f"rate: expected frames per second above 0, found {rate:g}")
    first = max(motion.time[0], ground.time[0]) if start is None else start
    last = min(motion.time[-1], ground.time[-1]) if end is None else end
    if not motion.time[0] - 1e-9 <= first < last <= motion.time[-1] + 1e-9:
        raise InputError(
            f"start: expected a time before the end within {motion.time[0]:.6g} to "
            f"{motion.time[-1]:.6g} s of {path}, found {first:g} to {last:g} s"
        )
    count = int(np.floor((last - first) * rate + 1e-6)) + 1
    times: NDArray[np.float64] = first + np.arange(count) / rate
    return times


def _gates(
    joints: tuple[str, ...], moments: NDArray[np.float64], reserves: NDArray[np.float64]
) -> tuple[Gate, ...]:
    gates = []
    peaks = np.abs(moments).max(axis=0), np.abs(reserves).max(axis=0)
    for joint, moment, reserve in zip(joints, *map(np.ndarray.tolist, peaks), strict=True):
        part = reserve / moment if moment > 0 else 0.0
        gates.append(Gate(joint, moment, reserve, part, part <= RESERVE_LIMIT or reserve < 1.0))
    return tuple(gates)
