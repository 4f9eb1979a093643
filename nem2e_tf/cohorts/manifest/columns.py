"""Columns of a trial's files: simulated channels, and the channel map of the EMG.

Labels that name muscles in the style of OpenSim, Moco, SIMM or MuJoCo's myoLegs are understood by
`nem2e_tf.muscles`. Other programs, such as AnyBody, have names and branches of their own; for them
the manifest's column ``simulated_map`` names a CSV table:

==========  ====================================================================================
``column``  label in the simulated file
``muscle``  name of the muscle, in any style that `nem2e_tf.muscles.canonical` knows
``side``    ``r`` or ``l``
==========  ====================================================================================

Columns of the same muscle and side are its branches: their mean is the muscle's activation.
"""

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nem2e_tf.cohorts.manifest.trials import SIDES
from nem2e_tf.errors import InputError, near
from nem2e_tf.io.storage import Storage
from nem2e_tf.io.tables import Row, read_table
from nem2e_tf.muscles import canonical, relative, try_parse_label

_FORCES = 10.0
_EXCITATION = "an excitation"
_NO_SIDE = "without a side"


def activations(simulation: Storage, side: str) -> tuple[dict[str, int], list[str], list[str]]:
    """Identify the activations in a simulated file.

    Parameters
    ----------
    simulation : Storage
        Static optimization, CMC or Moco.
    side : {"r", "l"}
        The side that is ipsilateral.

    Returns
    -------
    found : dict of str to int
        Channel name (``soleus_ipsi``) to column.
    columns_left_out : list of str
        Columns that are left out, one text per reason.
    notes : list of str
        A note if values are outside 0..1.

    Raises
    ------
    InputError
        There are no activations, a muscle occurs twice, or the numbers are forces.
    """
    found: dict[str, int] = {}
    others: dict[str, list[str]] = {}
    for index, text in enumerate(simulation.labels):
        label = try_parse_label(text)
        if label is None:
            others.setdefault("not a muscle's activation", []).append(text)
        elif label.quantity == "excitation":
            others.setdefault(_EXCITATION, []).append(text)
        elif not label.side:
            others.setdefault(_NO_SIDE, []).append(text)
        else:
            name = f"{label.muscle}_{relative(label.side, side)}"
            if name in found:
                raise InputError(
                    f"{simulation.path}: expected each muscle once, found {text!r} and "
                    f"{simulation.labels[found[name]]!r}"
                )
            found[name] = index
    if not found:
        raise InputError(
            f"{simulation.path}: expected muscle activations such as soleus_r or "
            f"/forceset/soleus_r/activation, found {_instead(simulation, others)}"
        )
    return found, columns_left_out(simulation, others), _outside(simulation, found)


def columns_left_out(storage: Storage, others: dict[str, list[str]]) -> list[str]:
    """Describe the columns that are left out, one text per reason."""
    return [
        f"{storage.path}: columns left out ({len(labels)}), {reason}: {', '.join(labels)}"
        for reason, labels in others.items()
        if labels
    ]


def _instead(simulation: Storage, others: dict[str, list[str]]) -> str:
    if _EXCITATION in others:
        return f"{len(others[_EXCITATION])} excitations; give the states file, not the controls"
    if _NO_SIDE in others:
        return (
            f"{len(others[_NO_SIDE])} without a side, such as {others[_NO_SIDE][0]}; "
            "end the labels in _r or _l"
        )
    return f"none in {len(simulation.labels)} columns"


def _outside(simulation: Storage, found: dict[str, int]) -> list[str]:
    columns = list(found.values())
    values = simulation.data[:, columns]
    if np.isnan(values).all():
        return []
    lowest, highest = np.nanmin(values), np.nanmax(values)
    if highest > _FORCES:
        label = simulation.labels[columns[int(np.nanargmax(np.nanmax(values, axis=0)))]]
        raise InputError(
            f"{simulation.path}, column {label!r}: expected activations from 0 to 1, found "
            f"{highest:.6g}; does the file contain forces?"
        )
    outside = int(((values < 0) | (values > 1)).sum())
    if not outside:
        return []
    return [
        f"{simulation.path}: {outside} of {values.size} activations are outside 0..1 "
        f"({lowest:.4g} to {highest:.4g}); not changed"
    ]


COLUMNS = ("column", "muscle")
OTHER_COLUMNS = ("electrode", "counterparts", "reference")


@dataclass(frozen=True)
class Channel:
    """One row of a channel map.

    Attributes
    ----------
    where : str
        File and line of the row, for messages.
    column : str
        EMG column label; ``{side}`` in it is replaced by the row's ``r`` or ``l``.
    muscle : str
        Canonical name of the measured muscle.
    electrode : str
        Muscles with the same electrode have the same signal.
    counterparts : tuple of str
        Names of the simulated channels (``soleus_ipsi``) the muscle is compared with.
    reference : float
        Divisor of the EMG for normalisation by fixed numbers; NaN if not given.
    """

    where: str
    column: str
    muscle: str
    electrode: str
    counterparts: tuple[str, ...]
    reference: float = math.nan


def read_map(path: "str | os.PathLike[str]") -> tuple[list[Channel], list[str]]:
    """Read a channel map; see `nem2e_tf.cohorts.manifest.build` for its columns.

    Returns
    -------
    channels : list of Channel
    notes : list of str
        Columns that are not used.

    Raises
    ------
    InputError
        The map or a column is missing, it has no rows, a muscle is unknown (similar names are
        listed) or occurs twice, or muscles of one EMG column have different electrodes.
    """
    rows, _, notes = read_table(path, COLUMNS, OTHER_COLUMNS, what="a channel map")
    channels: list[Channel] = []
    for row in rows:
        column, muscle = row.require("column"), _muscle(row)
        try:
            names = (row.get("counterparts") or muscle).split()
            counterparts = tuple(map(_channel_name, names))
        except InputError as error:
            raise InputError(f"{row.where}: {error}") from None
        for other in channels:
            if other.muscle == muscle:
                raise InputError(
                    f"{row.where}: expected each muscle once, found {muscle} again ({other.where})"
                )
        electrode = row.get("electrode") or muscle
        shared = next((other for other in channels if other.column == column), None)
        if shared and shared.electrode != electrode:
            raise InputError(
                f"{row.where}, column electrode: expected {shared.electrode!r} as for the other "
                f"muscle of EMG column {column!r}, found {electrode!r}"
            )
        reference = row.number("reference")
        if reference <= 0:
            raise row.wrong("reference", "a number above 0")
        channels.append(Channel(row.where, column, muscle, electrode, counterparts, reference))
    return channels, notes


def _muscle(row: Row) -> str:
    name = row.require("muscle")
    try:
        return canonical(name)
    except InputError as error:
        raise InputError(f"{row.where}: {error}") from None


def _channel_name(text: str) -> str:
    for side in ("_ipsi", "_contra"):
        if text.endswith(side):
            return f"{canonical(text.removesuffix(side))}{side}"
    return f"{canonical(text)}_ipsi"


SIMULATED_COLUMNS = ("column", "muscle", "side")


def read_simulated_map(path: Path) -> dict[str, tuple[str, ...]]:
    """Read a map of a simulated file: a muscle's label (``soleus_r``) to its columns.

    Raises
    ------
    InputError
        The map or a column is missing, a muscle is unknown, a side is neither r nor l, or a column
        occurs twice.
    """
    rows, _, _ = read_table(path, SIMULATED_COLUMNS, what="a map of simulated columns")
    found: dict[str, tuple[str, ...]] = {}
    seen: set[str] = set()
    for row in rows:
        column, muscle = row.require("column"), _muscle(row)
        side = SIDES.get(row.get("side", "").lower())
        if side is None:
            raise row.wrong("side", "r or l")
        if column in seen:
            raise InputError(f"{row.where}: expected each column once, found {column!r} again")
        seen.add(column)
        label = f"{muscle}_{side}"
        found[label] = (*found.get(label, ()), column)
    return found


def apply_simulated_map(simulation: Storage, path: Path) -> Storage:
    """Name and average a simulated file's columns by a map.

    Returns
    -------
    Storage
        One column per muscle and side; its notes list the means, and the columns left out.

    Raises
    ------
    InputError
        The map is wrong, or names a column that is not in the file.
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
