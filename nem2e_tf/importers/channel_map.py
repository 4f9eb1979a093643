"""The channel map of a manifest: which EMG column is which muscle."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from nem2e_tf.errors import InputError
from nem2e_tf.importers.tables import number, read_table, require
from nem2e_tf.muscles import canonical

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
        EMG column label; ``{side}`` in it stands for the row's ``r`` or ``l``.
    muscle : str
        Canonical name of the measured muscle.
    electrode : str
        Muscles with the same electrode carry the same signal.
    counterparts : tuple of str
        Names of the simulated channels (``soleus_ipsi``) the muscle is compared with.
    reference : float
        What the EMG is divided by where it is normalised by fixed numbers; NaN where not given.
    """

    where: str
    column: str
    muscle: str
    electrode: str
    counterparts: tuple[str, ...]
    reference: float = math.nan


def read_map(path: "str | os.PathLike[str]") -> tuple[list[Channel], list[str]]:
    """Read a channel map; see `nem2e_tf.importers.manifest` for its columns.

    Returns
    -------
    channels : list of Channel
    notes : list of str
        Columns that are not used.

    Raises
    ------
    InputError
        The map or a column is missing, it has no rows, a muscle is unknown (near names are given)
        or stands twice, or muscles of one EMG column claim different electrodes.
    """
    file = Path(path)
    rows, _, notes = read_table(file, COLUMNS, OTHER_COLUMNS, what="a channel map")
    channels: list[Channel] = []
    for line, row in rows:
        where = f"{file}, line {line}"
        for column in COLUMNS:
            require(row, column, where)
        try:
            muscle = canonical(row["muscle"])
            counterparts = tuple(
                _channel_name(name) for name in (row.get("counterparts") or muscle).split()
            )
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        for other in channels:
            if other.muscle == muscle:
                raise InputError(
                    f"{where}: expected each muscle once, found {muscle} again ({other.where})"
                )
        electrode = row.get("electrode") or muscle
        shared = next((other for other in channels if other.column == row["column"]), None)
        if shared and shared.electrode != electrode:
            raise InputError(
                f"{where}, column electrode: expected {shared.electrode!r} as for the other muscle "
                f"of EMG column {shared.column!r}, found {electrode!r}"
            )
        reference = number(row, "reference", where)
        if reference <= 0:
            raise InputError(
                f"{where}, column reference: expected a number above 0, found {reference:g}"
            )
        channels.append(Channel(where, row["column"], muscle, electrode, counterparts, reference))
    return channels, notes


def _channel_name(text: str) -> str:
    for side in ("_ipsi", "_contra"):
        if text.endswith(side):
            return f"{canonical(text.removesuffix(side))}{side}"
    return f"{canonical(text)}_ipsi"
