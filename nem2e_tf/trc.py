"""Marker files (``.trc``): positions of named markers over time, in metres."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError, near
from nem2e_tf.storage_numbers import number

_METRES = {"mm": 1e-3, "cm": 1e-2, "m": 1.0}


@dataclass(frozen=True, eq=False)
class Markers:
    """Positions of markers.

    Attributes
    ----------
    names : tuple of str
    time : float64 array [frame]
        Seconds.
    positions : float64 array [frame, marker, 3]
        Metres; NaN where a marker was not seen.
    path : Path
        Where they were read from.
    """

    names: tuple[str, ...]
    time: NDArray[np.float64]
    positions: NDArray[np.float64]
    path: Path

    def marker(self, name: str) -> NDArray[np.float64]:
        """Return one marker's positions [frame, 3].

        Raises
        ------
        InputError
            There is no such marker; near names are given.
        """
        if name not in self.names:
            raise InputError(
                f"{self.path}: expected a marker {name!r}, found none{near(name, self.names)}"
            )
        return self.positions[:, self.names.index(name)]


def read_trc(path: "str | os.PathLike[str]") -> Markers:
    """Read a marker file.

    Raises
    ------
    InputError
        The file is missing or no marker file, its unit is unknown, a line has another number of
        cells than there are markers (the line is named), or there are fewer frames than stated.
    """
    file = Path(path)
    try:
        lines = file.read_text(encoding="latin-1").splitlines()
    except OSError as error:
        raise InputError(f"{file}: expected a marker file, cannot read it ({error})") from None
    if len(lines) < 6 or not lines[0].startswith("PathFileType"):
        raise InputError(f"{file}: expected a marker file (.trc), found another")
    settings = dict(zip(lines[1].split(), lines[2].split(), strict=False))
    unit = settings.get("Units", "")
    if unit.lower() not in _METRES:
        raise InputError(f"{file}, line 3: expected Units mm, cm or m, found {unit!r}")
    names = tuple(name.strip() for name in lines[3].split("\t")[2:] if name.strip())
    width = 2 + 3 * len(names)
    time, rows = [], []
    for count, line in enumerate(lines[5:], start=6):
        cells = [cell.strip() for cell in line.split("\t")]
        if not any(cells):
            continue
        if any(cells[width:]) or len(cells) < width - 2:
            raise InputError(f"{file}, line {count}: expected {width} cells, found {len(cells)}")
        cells += [""] * (width - len(cells))
        values = [number(cell.encode()) if cell else np.nan for cell in cells[:width]]
        wrong = [i for i, value in enumerate(values) if value is None]
        if wrong:
            raise InputError(
                f"{file}, line {count}, column {wrong[0] + 1}: expected a number, found "
                f"{cells[wrong[0]]!r}"
            )
        time.append(values[1])
        rows.append(values[2:])
    stated = settings.get("NumFrames", "")
    if stated.isdecimal() and len(rows) < int(stated):
        raise InputError(
            f"{file}: expected {stated} frames (NumFrames), found {len(rows)}; the file seems cut, "
            "get a whole copy"
        )
    table = np.array(rows, dtype=np.float64).reshape(len(rows), len(names), 3)
    seconds = np.array(time, dtype=np.float64)
    return Markers(names, seconds, table * _METRES[unit.lower()], file)
