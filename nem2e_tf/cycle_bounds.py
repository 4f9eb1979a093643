"""Where the cycles of a recording are: from its ground-reaction file or from a table of events."""

import csv
import os
from pathlib import Path

import numpy as np

from nem2e_tf import gait
from nem2e_tf.errors import InputError, near
from nem2e_tf.storage import Storage

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
        The column is missing, or the force holds NaN.
    """
    tried = (plate, f"{plate}_vy", f"{plate}vy")
    label = next((name for name in tried if name in forces.labels), None)
    if label is None:
        raise InputError(
            f"{forces.path or forces.name}: expected a vertical force {plate}_vy, found none"
            f"{near(f'{plate}_vy', [name for name in forces.labels if name.endswith('vy')])}"
        )
    times = gait.contacts(forces.time, forces.column(label), threshold=threshold)
    cycles = gait.cycles_from_contacts(times)
    odd = max(len(times) - 1, 0) - len(cycles)
    notes = []
    if odd:
        notes.append(
            f"{odd} stretch{'es'[: 2 * (odd > 1)]} between contacts left out: shorter than "
            f"{gait.SHORTEST:g} s or longer than {gait.LONGEST:g} s"
        )
    return cycles, notes


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
