"""What a fit is asked for and what it comes to, in arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Data:
    """Rows of all fits together.

    Attributes
    ----------
    inputs : float32 array [row, sample, channel]
        May be memory-mapped.
    targets : float32 array [row, sample, target]
    present : bool array [row, target]
        Whether a muscle was measured in that row.
    """

    inputs: NDArray[np.float32]
    targets: NDArray[np.float32]
    present: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of inputs and of targets that belong together."""

    inputs: NDArray[np.intp]
    targets: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Task:
    """One fit: which rows it is trained, validated and applied on.

    Attributes
    ----------
    seed : int
        Of the initial weights.
    stream : int
        Seeds the order of the rows and the dropout; differs between fits. 0 to 2**32 - 1.
    training, validation, application : Rows
    """

    seed: int
    stream: int
    training: Rows
    validation: Rows
    application: Rows


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a fit came to.

    Attributes
    ----------
    weights : list of array
        In the order of ``model.weights``.
    epochs : int
        The epoch whose weights are kept, counted from 1; 0 where the fit diverged, that is, never
        had a finite error.
    history : float32 array [epoch, 3]
        Loss on training, validation and application rows; NaN where there are none.
    applied : float32 array [row, sample, target]
        Output for the application rows; NaN where the fit diverged.
    """

    weights: list[NDArray[Any]]
    epochs: int
    history: NDArray[np.float32]
    applied: NDArray[np.float32]


@dataclass(frozen=True)
class Sizes:
    """Fits and rows that a trainer is traced for; smaller work is padded."""

    fits: int
    training: int
    validation: int
    application: int


def padded_rows(rows: Sequence[Rows], size: int) -> NDArray[np.int32]:
    """Lay the rows of several fits side by side.

    Returns
    -------
    int32 array [3, fit, size]
        Rows of inputs, rows of targets, and 1 where a row is there and 0 where it is padding.
    """
    chosen = np.zeros((3, len(rows), size), np.int32)
    for fit, row in enumerate(rows):
        n = len(row.inputs)
        chosen[:, fit, :n] = row.inputs, row.targets, np.ones(n)
    return chosen


def shuffled_rows(
    rows: Sequence[Rows], orders: Sequence[np.random.Generator], *, steps: int, batch: int
) -> NDArray[np.int32]:
    """Deal each fit's rows out to steps, in a new order.

    Returns
    -------
    int32 array [3, step, fit, batch]
        As `padded_rows`.
    """
    mixed = []
    for row, order in zip(rows, orders, strict=True):
        places = order.permutation(len(row.inputs))
        mixed.append(Rows(row.inputs[places], row.targets[places]))
    padded = padded_rows(mixed, steps * batch)
    return padded.reshape(3, len(rows), steps, batch).transpose(0, 2, 1, 3)
