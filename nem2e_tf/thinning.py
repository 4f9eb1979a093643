"""From cycles of 101 points to the 20 samples that models see, a block of cycles at a time.

Neither the cycles nor what is made of them need fit the memory: a `Store` keeps the results.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.cohort import POINTS, Cohort
from nem2e_tf.composition import SAMPLES, resample

BLOCK = 32 * 2**20
"""Bytes of float64 numbers that are thinned at a time."""

Parts = Callable[[], Iterator[NDArray[Any]]]


class Store(Protocol):
    """Keeps arrays that are made part after part: `in_memory`, or in files."""

    def __call__(
        self, name: str, shape: tuple[int, ...], dtype: type[Any], parts: Parts
    ) -> NDArray[Any]:
        """Return the array of that name and shape whose rows `parts` gives in order."""


def in_memory(
    name: str,  # noqa: ARG001
    shape: tuple[int, ...],
    dtype: type[Any],
    parts: Parts,
) -> NDArray[Any]:
    """Put parts together in memory; a `Store`."""
    values, start = np.empty(shape, dtype), 0
    for part in parts():
        values[start : start + len(part)] = part
        start += len(part)
    return values


def thin(cycles: NDArray[np.float32]) -> NDArray[np.float32]:
    """Thin cycles of 101 points to the 20 samples that models see and scores are taken on.

    Linear interpolation at ``linspace(0, 100, 20)``, the paper's thinning, in float64 for a block
    of cycles at a time: cycles that are memory-mapped need not fit the memory.

    Parameters
    ----------
    cycles : float array [cycle, 101, column]

    Returns
    -------
    float32 array [cycle, 20, column]
        A point that is NaN makes its neighbouring samples NaN.

    Examples
    --------
    >>> thin(np.linspace(0, 1, 101)[None, :, None])[0, [0, 19], 0].tolist()
    [0.0, 1.0]
    """
    return _thin(cycles, "", in_memory)


def _thin(cycles: NDArray[np.float32], name: str, store: Store) -> NDArray[np.float32]:
    if cycles.shape[1] != POINTS:
        raise ValueError(f"Expected {POINTS} points a cycle. Received: {cycles.shape[1]}")

    def parts() -> Iterator[NDArray[np.float32]]:
        for rows in blocks(len(cycles), POINTS * cycles.shape[2]):
            values = np.asarray(cycles[rows], dtype=np.float64)
            yield resample(values, SAMPLES).astype(np.float32)

    return store(name, (len(cycles), SAMPLES, cycles.shape[2]), np.float32, parts)


def blocks(n_cycles: int, numbers: int) -> Iterator[slice]:
    """Cut cycles of so many numbers each into blocks of `BLOCK` bytes."""
    size = max(1, BLOCK // (8 * max(numbers, 1)))
    for start in range(0, n_cycles, size):
        yield slice(start, min(start + size, n_cycles))


@dataclass(frozen=True, eq=False)
class Thinned:
    """The cycles of a cohort, thinned; the arrays may be memory-mapped.

    Attributes
    ----------
    simulated : float32 array [cycle, 20, channel]
    measured : float32 array [cycle, 20, muscle]
    """

    simulated: NDArray[np.float32]
    measured: NDArray[np.float32]

    @classmethod
    def of(cls, cohort: Cohort, *, store: Store = in_memory) -> "Thinned":
        """Thin a cohort."""
        return cls(
            _thin(cohort.simulated, "simulated", store), _thin(cohort.measured, "measured", store)
        )

    def estimates(
        self, counterparts: Sequence[Sequence[int]], *, store: Store = in_memory
    ) -> NDArray[np.float32]:
        """The simulation's estimate of each muscle: the mean of its counterpart channels.

        Parameters
        ----------
        counterparts : sequence of sequences of int
            Of each muscle: ``cohort.counterparts``.
        store : Store

        Returns
        -------
        float32 array [cycle, 20, muscle]
        """

        def parts() -> Iterator[NDArray[np.float32]]:
            for rows in blocks(len(self.simulated), SAMPLES * self.simulated.shape[2]):
                block = self.simulated[rows]
                yield np.stack([block[:, :, list(row)].mean(axis=2) for row in counterparts], 2)

        shape = (len(self.simulated), SAMPLES, len(counterparts))
        return store("estimates", shape, np.float32, parts)
