"""The map of a simulated file: which column is which muscle, where its labels do not say.

OpenSim, Moco, SIMM and MuJoCo's myoLegs name muscles in a way that `nem2e_tf.muscles` knows; other
programs, such as AnyBody, have names and branches of their own. A CSV table, named in the
manifest's column ``simulated_map``:

==========  ====================================================================================
``column``  label in the simulated file
``muscle``  name of the muscle, in any style `nem2e_tf.muscles.canonical` knows
``side``    ``r`` or ``l``
==========  ====================================================================================

Columns of the same muscle and side are its branches: their mean is the muscle's activation.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from nem2e_tf.errors import InputError, near
from nem2e_tf.importers.tables import read_table, require
from nem2e_tf.importers.trials import SIDES
from nem2e_tf.muscles import canonical
from nem2e_tf.storage import Storage

COLUMNS = ("column", "muscle", "side")


def read_simulated_map(path: Path) -> dict[str, tuple[str, ...]]:
    """Read a map of a simulated file.

    Returns
    -------
    dict of str to tuple of str
        Label of a muscle (``soleus_r``) to the columns it is the mean of.

    Raises
    ------
    InputError
        The map or a column is missing, a muscle is unknown, a side is neither r nor l, or a column
        stands twice.
    """
    rows, _, _ = read_table(path, COLUMNS, (), what="a map of simulated columns")
    found: dict[str, tuple[str, ...]] = {}
    seen: set[str] = set()
    for line, row in rows:
        where = f"{path}, line {line}"
        column = require(row, "column", where)
        try:
            muscle = canonical(require(row, "muscle", where))
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        side = SIDES.get(row.get("side", "").lower())
        if side is None:
            raise InputError(
                f"{where}, column side: expected r or l, found {row.get('side', '')!r}"
            )
        if column in seen:
            raise InputError(f"{where}: expected each column once, found {column!r} again")
        seen.add(column)
        label = f"{muscle}_{side}"
        found[label] = (*found.get(label, ()), column)
    return found


def apply_simulated_map(simulation: Storage, path: Path) -> Storage:
    """Name a simulated file's columns by a map.

    Parameters
    ----------
    simulation : Storage
        As in the file.
    path : Path
        The map.

    Returns
    -------
    Storage
        A column a muscle and side; its notes tell which are means, and what is left out.

    Raises
    ------
    InputError
        The map is wrong, or names a column that the file has not.
    """
    muscles = read_simulated_map(path)
    wanted = [column for columns in muscles.values() for column in columns]
    missing = next((column for column in wanted if column not in simulation.labels), None)
    if missing is not None:
        raise InputError(
            f"{path}: expected column {missing!r} in {simulation.path}, found none"
            f"{near(missing, simulation.labels)}"
        )
    data = [
        np.mean([simulation.column(column) for column in columns], axis=0)
        for columns in muscles.values()
    ]
    notes = list(simulation.notes)
    means = [f"{label} of {len(columns)}" for label, columns in muscles.items() if columns[1:]]
    if means:
        notes.append(f"activations that are means of several columns: {', '.join(means)}")
    unused = [label for label in simulation.labels if label not in wanted]
    if unused:
        notes.append(f"columns left out ({len(unused)}), not in {path.name}: {', '.join(unused)}")
    return replace(
        simulation, labels=tuple(muscles), data=np.stack(data, axis=1), notes=tuple(notes)
    )
