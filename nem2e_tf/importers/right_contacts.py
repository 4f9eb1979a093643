"""Bounds of a simulated cycle by the right foot's contacts, where no setup file tells them."""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np

from nem2e_tf.cycle_bounds import contacts_in
from nem2e_tf.errors import InputError
from nem2e_tf.importers.signals import read_signals
from nem2e_tf.storage import Storage

# A simulation is computed from contact to contact; its ends are written with few digits.
CLOSE = 0.02
_RIGHT = re.compile(r"(^|[_ .-])r(ight)?([_ .-]|$)", re.IGNORECASE)


def bounds_of_contacts(
    simulation: Storage, forces: Path, known: list[float]
) -> tuple[float, float, str]:
    """Find the cycle of a simulation between two right contacts.

    Parameters
    ----------
    simulation : Storage
        One simulated cycle.
    forces : Path
        Ground reaction of the trial.
    known : list of float
        Right contacts of the trial's other cycles, s, by which the right foot's column is told
        where its label does not say.

    Returns
    -------
    start, end : float
        s; a contact within 20 ms beyond the simulation is taken to be its end.
    source : str
        File and column.

    Raises
    ------
    InputError
        The right foot's column cannot be told, several feet hit its plate, or no two contacts fit
        the simulation.
    """
    storage = read_signals(forces)
    label = _right_column(storage, known)
    times = contacts_in(storage, label)
    first, last = simulation.time[0], simulation.time[-1]
    for start, end in pairwise(times.tolist()):
        if start >= first - CLOSE and end <= last + CLOSE:
            return max(start, float(first)), min(end, float(last)), f"{forces.name}, {label}"
    raise InputError(
        f"{forces}: expected two contacts in a row in {label} between {first:.6g} and "
        f"{last:.6g} s, found none"
    )


def _right_column(storage: Storage, known: list[float]) -> str:
    vertical = [label for label in storage.labels if label.lower().endswith("vy")]
    named = [label for label in vertical if _RIGHT.search(label)]
    if len(named) == 1:
        return named[0]
    fitting = []
    for label in vertical if known else []:
        times = contacts_in(storage, label)
        if len(times) and all(np.abs(times - time).min() <= CLOSE for time in known):
            fitting.append(label)
    if len(fitting) != 1:
        raise InputError(
            f"{storage.path}: expected to tell the right foot's vertical force, found "
            f"{', '.join(vertical) or 'none'}; write start and end into the manifest"
        )
    return fitting[0]
