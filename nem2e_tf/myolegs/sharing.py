"""Sharing moments among muscles: static optimization, solved exactly and fast.

A frame's problem (Crowninshield & Brand 1981, doi 10.1016/0021-9290(81)90035-X, with exponent 2):
least sum of squared activations and of squared reserves, where the muscles' moments and the
reserves together are the moment that is needed. Instead of 80 activations with bounds, its dual has
one unknown a joint: activations are ``clip(strength.T @ price, lowest, 1)`` and reserves are
``price``, with the prices at which the moments are met. That equation is piecewise linear and the
gradient of a convex function, so Newton's method ends in a few steps at the exact solution.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError

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
