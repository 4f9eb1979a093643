"""Output files of the AnyBody Modeling System (``AnyOutputFile``).

Title, constants and a numbered list of the variables stand between lines of hyphens; then one line
of column names, and the numbers. Separator and sections are the user's choice, so the names are
found from the end: the last line before the numbers.
"""

import re
from pathlib import Path

import numpy as np

from nem2e_tf.errors import InputError
from nem2e_tf.importers.tables import read_text
from nem2e_tf.storage import Storage

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
