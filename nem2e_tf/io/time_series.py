"""Signals over time from any supported file: storage, CSV, AnyBody output and C3D.

All readers return a `nem2e_tf.io.storage.Storage`. ``.sto`` and ``.mot`` are OpenSim's. A CSV file
has one line of labels, then numbers, with a column ``time`` in seconds unless the sampling rate is
given. Output files of the AnyBody Modeling System (``AnyOutputFile``) are recognised by their
title. ``.c3d`` files give their analog channels. MATLAB's ``.mat`` files are refused: there are
several formats of them, and none of them names the meaning of its fields.
"""

import math
import os
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.io.c3d import read_c3d
from nem2e_tf.io.storage import Storage, read_storage
from nem2e_tf.io.tables import Lines, as_number, split_cells
from nem2e_tf.io.text import read_text

TABLES = (".csv", ".tsv", ".txt")
_TIME = ("time", "t", "time_s", "time (s)", "time [s]", "times")
_NAN = re.compile(r"[+-]?nan", re.IGNORECASE)
_ANYBODY = "AnyBody Output File"
_TITLE_LENGTH = 200


def read_signals(path: "str | os.PathLike[str]", *, rate: float = math.nan) -> Storage:
    r"""Read a file of signals; its ending decides how.

    Parameters
    ----------
    path : path-like
        The file.
    rate : float
        Sampling rate in Hz of a CSV file without a column of times; NaN if unknown.

    Returns
    -------
    Storage
        `Storage.header` has an entry ``unit <label>`` for each channel whose unit the file states.

    Raises
    ------
    InputError
        The file is missing, incomplete or of another kind, or a cell is not a number.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "emg.csv")
    ...     _ = file.write_text("time;soleus;tibant\n0;0.1;0.4\n0.01;0.2;0.3\n")
    ...     emg = read_signals(file)
    >>> emg.labels, emg.column("soleus")
    (('soleus', 'tibant'), array([0.1, 0.2]))
    """
    file = Path(path)
    ending = file.suffix.lower()
    if ending == ".mat":
        raise InputError(
            f"{file}: expected .sto, .mot, .csv or .c3d, found a MATLAB file; export its signals "
            "to a CSV file with a column time"
        )
    if ending == ".c3d":
        return read_c3d(file)
    return read_csv(file, rate=rate) if ending in TABLES else read_storage(file)


def read_csv(path: Path, *, rate: float = math.nan) -> Storage:
    """Read a table of numbers or an AnyBody output file; see `read_signals`.

    An empty cell is a missing value (NaN, with a note). A line with fewer cells than labels is
    refused: the file is incomplete, or the labels do not belong to the columns.
    """
    text = read_text(path, "a table of signals")
    if not text.strip():
        raise InputError(f"{path}: expected a table of signals, found an empty file")
    anybody = _ANYBODY in text[:_TITLE_LENGTH]
    table = _anybody_cells(path, text) if anybody else split_cells(path, text.splitlines())
    at, labels = table[0]
    if "" in labels:
        raise InputError(f"{path}, line {at}: expected a label in column {labels.index('') + 1}")
    if all(_is_number(label) for label in labels):
        raise InputError(f"{path}, line {at}: expected labels, found numbers only")
    times = [
        index
        for index, label in enumerate(labels)
        if (label.endswith(".t") if anybody else label.lower() in _TIME)
    ]
    if len(times) > 1 or (anybody and not times):
        advice = ", such as Main.Study.t" if anybody else ""
        raise InputError(
            f"{path}, line {at}: expected one column of times{advice}, found {len(times)}"
            f"{'; switch ColumnNamesOnOff on' if anybody else ''}"
        )
    values = _numbers(path, table)
    notes = []
    missing = int(np.isnan(values).sum())
    if missing:
        notes.append(f"{missing} empty or nan cells")
    if not text.endswith("\n"):
        notes.append("no newline at the end; the last number may be incomplete")
    if times:
        time = values[:, times[0]]
        values = np.delete(values, times[0], axis=1)
        bad = np.flatnonzero(~np.isfinite(time) | (np.diff(time, prepend=-np.inf) < 0))
        if len(bad):
            raise InputError(
                f"{path}, line {table[bad[0] + 1][0]}: expected times that do not decrease, found "
                f"{time[bad[0]]:.10g}"
            )
    elif rate > 0:
        time = np.arange(len(values)) / rate
        notes.append(f"no column time: rows counted from 0 s at {rate:g} Hz")
    else:
        raise InputError(
            f"{path}, line {at}: expected a column time (s), or the sampling rate, found neither"
        )
    columns = [label for index, label in enumerate(labels) if index not in times]
    return Storage(path.stem, tuple(columns), time, values, notes=tuple(notes), path=path)


def _numbers(path: Path, table: Lines) -> NDArray[np.float64]:
    """All cells below the labels, float64 [row, column]; empty ones are NaN."""
    labels, rows = table[0][1], table[1:]
    try:
        values = np.array([cells for _, cells in rows], dtype=np.float64)
        values = values.reshape(len(rows), len(labels))
        if not np.isinf(values).any():
            return values
    except ValueError:
        pass  # an empty cell, or an error to be located
    values = np.full((len(rows), len(labels)), np.nan)
    for index, (line, cells) in enumerate(rows):
        if len(cells) != len(labels):
            cut = index == len(rows) - 1 and len(cells) < len(labels)
            raise InputError(
                f"{path}, line {line}: expected {len(labels)} cells, found {len(cells)}"
                f"{'; the file seems truncated, get a complete copy' if cut else ''}"
            )
        for column, cell in enumerate(cells):
            if cell and (not _is_number(cell) or math.isinf(float(cell))):
                comma = cell.count(",") == 1 and _is_number(cell.replace(",", "."))
                raise InputError(
                    f"{path}, line {line}, column {labels[column]}: expected a number, found "
                    f"{cell[:40]!r}{'; write a decimal point' if comma else ''}"
                )
            values[index, column] = float(cell or "nan")
    return values


def _is_number(text: str) -> bool:
    return not math.isnan(as_number(text)) or _NAN.fullmatch(text) is not None


def _anybody_cells(path: Path, text: str) -> Lines:
    """Split the column names and numbers of an AnyBody file into cells.

    Title, constants and a numbered list of the variables stand between lines of hyphens. Delimiter
    and sections are the user's choice, so everything below the last line of hyphens is read.
    """
    lines = text.splitlines()
    first = max((n + 1 for n, line in enumerate(lines) if line.startswith("----")), default=0)
    body = [(n, line) for n, line in enumerate(lines[first:], start=first + 1) if line.strip()]
    if len(body) < 2:
        raise InputError(f"{path}: expected column names and numbers, found none")
    mark = next((mark for mark in ("\t", ";", ",") if mark in body[0][1]), None)
    return [
        (n, [cell.strip() for cell in line.strip().rstrip(mark or " ").split(mark)])
        for n, line in body
    ]
