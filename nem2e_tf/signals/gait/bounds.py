"""Where the cycles of a recording are: from its ground-reaction file or from a table of events."""

import csv
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError, near
from nem2e_tf.io.storage import Storage
from nem2e_tf.signals import gait

Cycles = list[tuple[float, float]]


def cycles_of_plate(
    forces: Storage, *, plate: str, threshold: float = gait.THRESHOLD
) -> tuple[Cycles, list[str]]:
    """Find the cycles in a ground-reaction file.

    Parameters
    ----------
    forces : Storage
        Ground-reaction file.
    plate : str
        The plate's columns by their beginning, such as ``1_ground_force`` for
        ``1_ground_force_vy``; or the vertical force's label in full.
    threshold : float
        N.

    Returns
    -------
    list of (start, end) in s, and notes

    Raises
    ------
    InputError
        The column is missing, the force holds NaN, or several feet hit the plate.
    """
    times = contacts_in(forces, vertical_force(forces, plate), threshold=threshold)
    cycles = gait.cycles_from_contacts(times)
    odd = max(len(times) - 1, 0) - len(cycles)
    notes = []
    if odd:
        notes.append(
            f"{odd} stretch{'es'[: 2 * (odd > 1)]} between contacts left out: shorter than "
            f"{gait.SHORTEST:g} s or longer than {gait.LONGEST:g} s"
        )
    return cycles, notes


def vertical_force(forces: Storage, plate: str) -> str:
    """Find the label of a plate's vertical force; see `cycles_of_plate`.

    Raises
    ------
    InputError
        There is none.
    """
    for label in (plate, f"{plate}_vy", f"{plate}vy"):
        if label in forces.labels:
            return label
    vertical = [name for name in forces.labels if name.endswith("vy")]
    raise InputError(
        f"{forces.path or forces.name}: expected a vertical force {plate}_vy, found "
        f"{', '.join(vertical) or 'no column that ends in vy'}{near(f'{plate}_vy', vertical)}"
    )


def contacts_in(
    forces: Storage, label: str, *, threshold: float = gait.THRESHOLD
) -> NDArray[np.float64]:
    """Find the contacts in a vertical force of a file.

    Where the file has the plate's centre of pressure (``..px`` and ``..pz`` beside ``..vy``), it is
    looked at as well; see `nem2e_tf.signals.gait.several_feet`.

    Parameters
    ----------
    forces : Storage
        Ground-reaction file.
    label : str
        Of the vertical force.
    threshold : float
        N.

    Returns
    -------
    float64 array [contact], s

    Raises
    ------
    InputError
        The force holds NaN, or several feet hit the plate.
    """
    newtons = forces.column(label)
    where = f"{forces.path or forces.name}, column {label!r}"
    centre = [f"{label.removesuffix('vy')}{axis}" for axis in ("px", "pz")]
    try:
        times = gait.contacts(forces.time, newtons, threshold=threshold)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    if label.endswith("vy") and set(centre) <= set(forces.labels):
        place = np.stack([forces.column(name) for name in centre], axis=1)
        gait.refuse_shared_plate(forces.time, newtons, place, where=where, threshold=threshold)
    return times


def read_events(path: "str | os.PathLike[str]") -> tuple[Cycles, list[str]]:
    """Read cycles from a CSV file with columns ``start`` and ``end``, in seconds.

    Returns
    -------
    list of (start, end) in s, and notes

    Raises
    ------
    InputError
        The file is missing, lacks a column, or a line does not hold an increasing pair of numbers.
    """
    file = Path(path)
    try:
        lines = list(csv.reader(file.read_text(encoding="utf-8-sig").splitlines()))
    except FileNotFoundError:
        raise InputError(f"{file}: expected an events file, found no such file") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file}: expected a CSV file, cannot read it ({error})") from None
    header = [name.strip().lower() for name in lines[0]] if lines else []
    for name in ("start", "end"):
        if name not in header:
            raise InputError(
                f"{file}, line 1: expected columns start and end, found no {name}"
                f"{near(name, header)}"
            )
    places = header.index("start"), header.index("end")
    cycles = []
    for number, line in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in line):
            continue
        try:
            start, end = (float(line[place]) for place in places)
        except (ValueError, IndexError):
            raise InputError(
                f"{file}, line {number}: expected numbers for start and end, found "
                f"{','.join(line)!r}"
            ) from None
        if not (np.isfinite([start, end]).all() and start < end):
            raise InputError(
                f"{file}, line {number}: expected a start before the end, found {start:g} and "
                f"{end:g}"
            )
        cycles.append((start, end))
    others = [name for name in header if name not in ("start", "end")]
    return cycles, [f"column {name} of the events file not used" for name in others]
