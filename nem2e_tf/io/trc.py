"""Marker files (``.trc``): read and write positions of named markers over time.

Positions are in metres in memory and in written files, whatever the unit of a file that was read.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError, near
from nem2e_tf.io.files import write_text
from nem2e_tf.io.numbers import number
from nem2e_tf.io.text import read_text

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
        Metres; NaN where a marker was not visible.
    path : Path
        The file they were read from.
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
            There is no such marker; similar names are listed.
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
        The file is missing or not a marker file, its unit is unknown, the number of cells in a
        line does not fit the markers, or there are fewer frames than stated.
    """
    file = Path(path)
    lines = read_text(file, "a marker file (.trc)").split("\n")
    if len(lines) < 6 or not lines[0].startswith("PathFileType"):
        raise InputError(
            f"{file}, line 1: expected a marker file (.trc) that starts with PathFileType, found "
            f"{lines[0][:40]!r}"
        )
    settings = dict(zip(lines[1].split(), lines[2].split(), strict=False))
    unit = settings.get("Units", "")
    if unit.lower() not in _METRES:
        raise InputError(f"{file}, line 3: expected Units of mm, cm or m, found {unit!r}")
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
            f"{file}: expected {stated} frames (NumFrames), found {len(rows)}; the file seems "
            "truncated, get a complete copy"
        )
    table = np.array(rows, dtype=np.float64).reshape(len(rows), len(names), 3)
    seconds = np.array(time, dtype=np.float64)
    return Markers(names, seconds, table * _METRES[unit.lower()], file)


def write_trc(path: "str | os.PathLike[str]", markers: Markers) -> None:
    """Write a marker file that OpenSim can read; an interrupted write leaves no partial file.

    Positions are in metres, with all digits. Where a marker was not visible, its three cells are
    empty.

    Parameters
    ----------
    path : path-like
        The file; replaced if it exists.
    markers : Markers
        The markers to write. The header states the mean frame rate.

    Raises
    ------
    InputError
        There are no frames or markers, a name contains a tab or line break or occurs twice, time
        does not increase, a position is infinite, or the folder does not exist.

    Examples
    --------
    >>> import tempfile
    >>> markers = Markers(("heel",), np.arange(2) / 100, np.zeros((2, 1, 3)), Path("heel.trc"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_trc(f"{folder}/heel.trc", markers)
    ...     read_trc(f"{folder}/heel.trc").marker("heel").shape
    (2, 3)
    """
    where = Path(path)
    _check_writable(where, markers)
    count = len(markers.time)
    span = float(markers.time[-1] - markers.time[0])
    rate = f"{(count - 1) / span:.10g}" if count > 1 else "1"
    keys = "DataRate CameraRate NumFrames NumMarkers Units OrigDataRate OrigDataStartFrame"
    values = [rate, rate, str(count), str(len(markers.names)), "m", rate, "1", str(count)]
    axes = [f"{a}{i}" for i in range(1, len(markers.names) + 1) for a in "XYZ"]
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{where.name}",
        "\t".join((*keys.split(), "OrigNumFrames")),
        "\t".join(values),
        "\t".join(("Frame#", "Time", *(f"{name}\t\t" for name in markers.names))).rstrip("\t"),
        "\t".join(("", "", *axes)),
        "",
    ]
    table = markers.positions.reshape(count, -1).astype(np.float64).tolist()
    for frame, (seconds, row) in enumerate(zip(markers.time.tolist(), table, strict=True), 1):
        cells = ("" if value != value else repr(value) for value in row)
        lines.append("\t".join((str(frame), repr(seconds), *cells)))
    write_text(where, "\n".join(lines) + "\n")


def _check_writable(where: Path, markers: Markers) -> None:
    if not where.parent.is_dir():
        raise InputError(f"{where}: expected an existing folder {where.parent}, found none")
    expected = (len(markers.time), len(markers.names), 3)
    if markers.positions.shape != expected or 0 in expected:
        raise InputError(
            f"{where}: expected positions of at least one frame and marker, shape "
            f"{expected}, found {markers.positions.shape}"
        )
    for name in markers.names:
        if not name.strip() or name != name.strip() or any(mark in name for mark in "\t\n\r"):
            raise InputError(
                f"{where}: expected marker names without tabs and line breaks, found {name!r}"
            )
        if markers.names.count(name) > 1:
            raise InputError(f"{where}: expected each marker once, found {name!r} twice")
    still = np.flatnonzero(~(np.diff(markers.time) > 0))
    if len(still) or not np.isfinite(markers.time).all():
        raise InputError(f"{where}: expected finite, increasing times, found others")
    if np.isinf(markers.positions).any():
        name = markers.names[np.argwhere(np.isinf(markers.positions))[0, 1]]
        raise InputError(f"{where}: expected finite positions, found infinity in {name!r}")
