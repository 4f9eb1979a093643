"""Output files of the AnyBody Modeling System (``AnyOutputFile``).

Title, constants and a numbered list of the variables stand between lines of hyphens; then one line
of column names, and the numbers. Separator and sections are the user's choice, so the names are
found from the end: the last line before the numbers.

One reader for the files that signals come in: storage, CSV and C3D, all to one table over time.

``.sto`` and ``.mot`` are OpenSim's. A CSV file has one line of labels, then numbers; a column
``time`` in seconds, or none where the rate is stated; output files of AnyBody are told by their
title. ``.c3d`` gives its analog channels. MATLAB's ``.mat`` files are refused: its versions are
several formats, and none says what its fields are.
"""

import csv
import math
import re
from pathlib import Path

import numpy as np

from nem2e_tf.errors import InputError
from nem2e_tf.io.c3d import read_c3d
from nem2e_tf.io.storage import Storage, read_storage
from nem2e_tf.io.tables import read_text

TABLES = (".csv", ".tsv", ".txt")
_TIME = ("time", "t", "time_s", "time (s)", "time [s]", "times")


def read_signals(path: Path, *, rate: float = math.nan) -> Storage:
    """Read a file of signals by its ending.

    Parameters
    ----------
    path : Path
        The file.
    rate : float
        Samples a second, for a CSV file without a column of times; NaN where nobody said.

    Returns
    -------
    Storage
        `Storage.header` holds ``unit <label>`` for each channel whose unit the file states.

    Raises
    ------
    InputError
        The file is missing, cut, of another kind, or a cell is no number. The line is named.
    """
    ending = path.suffix.lower()
    if ending == ".mat":
        raise InputError(
            f"{path}: expected .sto, .mot, .csv or .c3d, found a MATLAB file; write its signals to "
            "a CSV file with a column time"
        )
    if ending == ".c3d":
        return read_c3d(path)
    if ending not in TABLES:
        return read_storage(path)
    return read_anybody(path) if is_anybody(path) else read_csv(path, rate=rate)


def read_csv(path: Path, *, rate: float = math.nan) -> Storage:
    """Read a table of numbers; see `read_signals`.

    An empty cell is a missing value (NaN, noted). A line that has fewer cells than there are labels
    is refused: the file was cut, or its columns are not what the labels say.
    """
    text = read_text(path, "a table of signals")
    if not text.strip():
        raise InputError(f"{path}: expected a table of signals, found an empty file")
    lines = text.splitlines()
    delimiter = max(",;\t", key=lines[0].count)
    try:
        rows = [row for row in csv.reader(lines, delimiter=delimiter) if any(map(str.strip, row))]
    except csv.Error as error:
        raise InputError(f"{path}: expected CSV, found {error}") from None
    labels = [label.strip() for label in rows[0]]
    _check_labels(path, labels)
    values = _numbers(path, rows, lines)
    notes = []
    endless = np.argwhere(np.isinf(values))
    if len(endless):
        raise InputError(
            f"{path}, row {endless[0, 0] + 1} after the labels, column "
            f"{labels[endless[0, 1]]}: expected a finite number, found infinity"
        )
    missing = int(np.isnan(values).sum())
    if missing:
        notes.append(f"{missing} empty or nan cells")
    if not text.endswith(("\n", "\r")):
        notes.append("no newline at the end; the last number may have been cut short")
    found = [index for index, label in enumerate(labels) if label.lower() in _TIME]
    if len(found) > 1:
        raise InputError(f"{path}, line 1: expected one column of times, found {len(found)}")
    if found:
        time = values[:, found[0]]
        labels, values = labels[: found[0]] + labels[found[0] + 1 :], np.delete(values, found[0], 1)
    elif rate > 0:
        time = np.arange(len(values)) / rate
        notes.append(f"no column time: rows counted from 0 s at the stated {rate:g} Hz")
    else:
        raise InputError(
            f"{path}, line 1: expected a column time (s), or a rate in the manifest, found neither"
        )
    bad = np.flatnonzero(~np.isfinite(time) | (np.diff(time, prepend=-np.inf) < 0))
    if len(bad):
        raise InputError(
            f"{path}, row {bad[0] + 1} after the labels: expected times that do not decrease, "
            f"found {time[bad[0]]:.10g}"
        )
    return Storage(path.stem, tuple(labels), time, values, notes=tuple(notes), path=path)


def _check_labels(path: Path, labels: list[str]) -> None:
    if not all(labels):
        raise InputError(f"{path}, line 1: expected a label in column {labels.index('') + 1}")
    if all(_is_number(label) for label in labels):
        raise InputError(f"{path}, line 1: expected labels, found numbers only")


def _numbers(path: Path, rows: list[list[str]], lines: list[str]) -> np.ndarray:
    """All cells below the labels, float64 [row, column]; empty ones are NaN."""
    width = len(rows[0])
    try:
        return np.array(rows[1:], dtype=np.float64).reshape(len(rows) - 1, width)
    except ValueError:
        pass
    table = np.full((len(rows) - 1, width), np.nan)
    numbered = [n for n, line in enumerate(lines, start=1) if line.strip(",;\t \"'")]
    for index, (line, row) in enumerate(zip(numbered[1:], rows[1:], strict=False)):
        if len(row) != width:
            cut = index == len(rows) - 2 and len(row) < width
            raise InputError(
                f"{path}, line {line}: expected {width} cells, found {len(row)}"
                f"{'; the file seems cut, get a whole copy' if cut else ''}"
            )
        for column, cell in enumerate(row):
            if cell.strip() and not _is_number(cell):
                comma = cell.count(",") == 1 and _is_number(cell.replace(",", "."))
                raise InputError(
                    f"{path}, line {line}, column {rows[0][column].strip()}: expected a number, "
                    f"found {cell[:40]!r}{'; write a decimal point' if comma else ''}"
                )
            table[index, column] = float(cell) if cell.strip() else np.nan
    return table


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_TITLE = "AnyBody Output File"
_START = 200


def is_anybody(path: Path) -> bool:
    """Whether a text file has AnyBody's title."""
    try:
        with path.open("rb") as stream:
            return _TITLE.encode() in stream.read(_START)
    except OSError:
        return False  # reading it says what is wrong


def read_anybody(path: Path) -> Storage:
    """Read an output file; its times are the column that ends in ``.t``.

    Raises
    ------
    InputError
        There are no column names, no or several columns of times, a line has another number of
        cells, or a cell is no number. The line is named.
    """
    lines = read_text(path, "an output file of AnyBody").splitlines()
    rules = [number for number, line in enumerate(lines) if line.startswith("----")]
    body = [
        (number, line)
        for number, line in enumerate(lines[rules[-1] + 1 :] if rules else lines, start=1)
        if line.strip()
    ]
    first = rules[-1] + 1 if rules else 0
    if len(body) < 2:
        raise InputError(f"{path}: expected column names and numbers, found none")
    separator = next((mark for mark in ("\t", ";", ",") if mark in body[0][1]), None)
    table = [(first + number, _cells(line, separator)) for number, line in body]
    labels = table[0][1]
    times = [index for index, label in enumerate(labels) if label.endswith(".t")]
    if len(times) != 1:
        raise InputError(
            f"{path}, line {table[0][0]}: expected one column of times, such as Main.Study.t, "
            f"found {len(times)}; switch ColumnNamesOnOff on"
        )
    values = np.empty((len(table) - 1, len(labels)))
    for index, (line, cells) in enumerate(table[1:]):
        if len(cells) != len(labels):
            raise InputError(
                f"{path}, line {line}: expected {len(labels)} cells, found {len(cells)}"
            )
        try:
            values[index] = [float(cell) for cell in cells]
        except ValueError as error:
            raise InputError(f"{path}, line {line}: expected numbers, found {error}") from None
    time = values[:, times[0]]
    back = np.flatnonzero(~(np.diff(time) >= 0))
    if len(back):
        raise InputError(
            f"{path}, line {table[back[0] + 2][0]}: expected times that do not decrease, found "
            f"{time[back[0] + 1]:.10g}"
        )
    kept = [label for index, label in enumerate(labels) if index != times[0]]
    return Storage(path.stem, tuple(kept), time, np.delete(values, times[0], 1), path=path)


def _cells(line: str, separator: str | None) -> list[str]:
    if separator is None:
        return line.split()
    return [cell.strip() for cell in re.split(re.escape(separator), line.strip().rstrip(separator))]
