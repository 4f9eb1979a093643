"""Inputs that a refiner should do worse with: warped in time, or another person's."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.errors import InputError

SLOWEST, FASTEST = 0.5, 2.0


def warped(
    curves: ArrayLike, *, frequency: ArrayLike, phase: ArrayLike, n_samples: int = 20
) -> NDArray[np.float32]:
    """Run through each cycle faster or slower, from another phase on; all channels alike.

    Parameters
    ----------
    curves : array [cycle, point, channel]
        From 0 to 100 % of the cycle, after which they begin again.
    frequency : array [cycle]
        Cycles of the input within one cycle: 1 changes nothing.
    phase : array [cycle]
        Where to begin, as a share of the cycle: 0 changes nothing.
    n_samples : int
        Samples wanted, by linear interpolation.

    Returns
    -------
    float32 array [cycle, sample, channel]

    Examples
    --------
    >>> warped(np.arange(5.0).reshape(1, 5, 1), frequency=[1], phase=[0.5], n_samples=5)[0, :, 0]
    array([2., 3., 4., 1., 2.], dtype=float32)
    """
    values = np.asarray(curves)
    n_points = values.shape[1]
    at = np.asarray(phase, float)[:, None] + np.asarray(frequency, float)[:, None] * np.linspace(
        0.0, 1.0, n_samples
    )
    # The end of the cycle stays the end: only what goes beyond begins again.
    at = np.where(at <= 1.0, at, at % 1.0) * (n_points - 1)
    before = np.minimum(at.astype(int), n_points - 2)
    share = (at - before)[:, :, None]
    rows = np.arange(len(values))[:, None]
    found = values[rows, before] * (1.0 - share) + values[rows, before + 1] * share
    return np.asarray(found, dtype=np.float32)


def random_warp(
    n_cycles: int, *, seed: int, draw: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw a frequency and a phase for every cycle.

    Returns
    -------
    frequency : float64 array [cycle]
        From 0.5 to 2, as likely faster as slower.
    phase : float64 array [cycle]
        From 0 to 1.
    """
    random = np.random.default_rng([seed, draw])
    octaves = random.uniform(np.log2(SLOWEST), np.log2(FASTEST), n_cycles)
    return 2.0**octaves, random.uniform(0.0, 1.0, n_cycles)


def of_others(
    groups: Sequence[str], conditions: Sequence[str], *, seed: int, draw: int
) -> NDArray[np.intp]:
    """Draw for every cycle one of another group, of the same condition where there is any.

    Parameters
    ----------
    groups, conditions : sequence [cycle]
    seed, draw : int
        Each draw is another one.

    Returns
    -------
    int array [cycle]
        Places of the other cycles.

    Raises
    ------
    InputError
        There is one group only.
    """
    who, what = np.asarray(groups), np.asarray(conditions)
    random = np.random.default_rng([seed, draw])
    if len(set(groups)) < 2:
        raise InputError("another's input: expected two or more groups, found one")
    found = np.empty(len(who), np.intp)
    places: dict[tuple[str, str], NDArray[np.intp]] = {}
    for cycle in range(len(who)):
        key = (who[cycle], what[cycle])
        if key not in places:
            others = who != who[cycle]
            alike = others & (what == what[cycle])
            places[key] = np.flatnonzero(alike if alike.any() else others)
        found[cycle] = random.choice(places[key])
    return found
