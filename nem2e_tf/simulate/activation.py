"""Activations out of what a stage wrote: muscles alone, by their names, in uniform time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nem2e_tf.errors import InputError
from nem2e_tf.simulate.motion import SHORTEST_STEP
from nem2e_tf.simulate.stage import Result
from nem2e_tf.storage import Storage, read_storage


def activations(result: Result, muscles: Sequence[str]) -> Storage:
    """Take the activations of all muscles from a finished stage.

    Parameters
    ----------
    result : Result
        Of static optimization, computed muscle control or MocoInverse.
    muscles : sequence of str
        Names of the model's muscles.

    Returns
    -------
    Storage
        A column a muscle in the model's order. Static optimization's rows are kept; the others',
        which lie at the steps of their solvers, are interpolated linearly every 5 ms.

    Raises
    ------
    InputError
        A muscle's activation is missing.
    """
    file = result.outputs.get("activation") or result.outputs["states"]
    table = read_storage(file)
    columns = [_column(table, name, file) for name in muscles]
    first = np.concatenate([[True], np.diff(table.time) > 0])
    time, data = table.time[first], table.data[first][:, columns]
    if "states" in result.outputs:
        count = max(int((time[-1] - time[0]) / SHORTEST_STEP + 1e-6), 1)
        grid = time[0] + SHORTEST_STEP * np.arange(count + 1)
        data = np.column_stack([np.interp(grid, time, column) for column in data.T])
        time = grid
    return Storage("Muscle activations", tuple(muscles), time, data, in_degrees=False)


def _column(table: Storage, muscle: str, file: Path) -> int:
    for label in (muscle, f"/forceset/{muscle}/activation", f"{muscle}.activation"):
        if label in table.labels:
            return table.labels.index(label)
    raise InputError(f"{file}: expected the activation of {muscle}, found none")
