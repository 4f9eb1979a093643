"""The reader of tables that people write: CSV with commas, semicolons or tabs.

Manifests, channel maps, events, maps of simulated columns and of markers all pass through
`read_table`, so they share their encodings (`nem2e_tf.io.text`), delimiters and error messages.
"""

import csv
import math
import os

from nem2e_tf.errors import InputError, near
from nem2e_tf.io.text import read_text

Lines = list[tuple[int, list[str]]]


class Row(dict[str, str]):
    """The cells of one row by column, stripped; `where` is its file and line."""

    def __init__(self, cells: dict[str, str], where: str) -> None:
        super().__init__(cells)
        self.where = where

    def wrong(self, column: str, expected: str, hint: str = "") -> InputError:
        """Return the error of a cell; the caller raises it."""
        found = repr(self[column]) if self.get(column) else "an empty cell"
        return InputError(
            f"{self.where}, column {column}: expected {expected}, found {found}{hint}"
        )

    def require(self, column: str) -> str:
        """Return a cell that must not be empty."""
        if not self.get(column):
            raise self.wrong(column, "a value")
        return self[column]

    def number(self, column: str, default: float = math.nan) -> float:
        """Return a cell as a finite number; `default` if it is empty."""
        text = self.get(column, "")
        if not text:
            return default
        value = as_number(text)
        if not math.isfinite(value):
            raise self.wrong(column, "a number")
        return value


def as_number(text: str) -> float:
    """Return a text as a number; NaN if it is none.

    Examples
    --------
    >>> as_number("1.5"), as_number("1,5")
    (1.5, nan)
    """
    try:
        return float(text)
    except ValueError:
        return math.nan


def read_table(
    path: "str | os.PathLike[str]",
    required: tuple[str, ...],
    optional: tuple[str, ...] = (),
    *,
    what: str,
    remarks: str = "",
) -> tuple[list[Row], set[str], list[str]]:
    """Read a table with one line of column names.

    Parameters
    ----------
    path : path-like
        The file.
    required, optional : tuple of str
        Names of columns in lower case. In the file, case does not matter.
    what : str
        Kind of table, for the error messages: ``a channel map``.
    remarks : str
        Lines that start with this text are skipped; by default none.

    Returns
    -------
    rows : list of Row
        Rows that are not empty.
    columns : set of str
        The file's columns in lower case.
    notes : list of str
        Columns that are not used.

    Raises
    ------
    InputError
        The file is missing or not a table, a required column is missing, a known column occurs
        twice, a row has more cells than there are columns, or there are no rows.
    """
    lines = read_text(path, what).splitlines()
    if remarks:
        lines = ["" if line.startswith(remarks) else line for line in lines]
    body = split_cells(path, lines)
    at, names = body[0] if body else (1, [])
    header = [name.lower() for name in names]
    for column in required:
        if column not in header:
            found = ", ".join(filter(None, header)) or "an empty file"
            raise InputError(
                f"{path}, line {at}: expected a column {column!r}, found {found}"
                f"{near(column, header)}"
            )
    known = {*required, *optional}
    twice = sorted({column for column in header if column in known and header.count(column) > 1})
    if twice:
        raise InputError(f"{path}, line {at}: expected one column {twice[0]!r}, found two")
    for line, cells in body[1:]:
        if len(cells) > len(header):
            raise InputError(
                f"{path}, line {line}: expected {len(header)} cells, found {len(cells)}"
            )
    rows = [Row(dict(zip(header, cells, strict=False)), f"{path}, line {n}") for n, cells in body]
    if len(rows) < 2:
        raise InputError(f"{path}: expected {what} with at least one row, found none")
    notes = [
        f"{path}: column {column!r} is not used{near(column, sorted(known - set(header)))}"
        for column in header
        if column and column not in known
    ]
    return rows[1:], set(header), notes


def split_cells(path: "str | os.PathLike[str]", lines: list[str]) -> Lines:
    """Split lines of CSV into stripped cells; empty lines are left out.

    The delimiter is the most frequent of comma, semicolon and tab in the first line that is not
    empty.

    Returns
    -------
    list of (int, list of str)
        Line number, from 1, and cells.

    Raises
    ------
    InputError
        The CSV is damaged.
    """
    first = next(filter(str.strip, lines), "")
    reader = csv.reader(lines, delimiter=max(",;\t", key=first.count), skipinitialspace=True)
    try:
        table = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: expected CSV, found {error}") from None
    return [(line, cells) for line, cells in table if any(cells)]


def column_names(path: "str | os.PathLike[str]") -> set[str]:
    """Return the column names of a table in lower case; empty if it cannot be read."""
    try:
        lines = read_text(path, "a table").splitlines()
        return {name.lower() for _, cells in split_cells(path, lines)[:1] for name in cells}
    except InputError:
        return set()  # the reader of the file reports the reason
