"""Tables that people write (CSV, UTF-8), read and checked cell by cell."""

import csv
import math
from pathlib import Path

from nem2e_tf.errors import InputError, near

Rows = list[tuple[int, dict[str, str]]]


def read_table(
    file: Path, required: tuple[str, ...], optional: tuple[str, ...], *, what: str
) -> tuple[Rows, set[str], list[str]]:
    """Read a table with a header; separated by commas, semicolons or tabs.

    Parameters
    ----------
    file : Path
        The table.
    required, optional : tuple of str
        Columns, in small letters. Case does not matter in the file.
    what : str
        What it should be, for messages.

    Returns
    -------
    rows : list of (int, dict of str to str)
        Line number and cells of each row that is not empty; cells are stripped.
    columns : set of str
        The file's columns.
    notes : list of str
        Columns that are not used.

    Raises
    ------
    InputError
        The file is missing or no table, a required column is missing, a known one stands twice, a
        row has more cells than the header, or there are no rows.
    """
    text = read_text(file, what)
    lines = text.splitlines()
    first = lines[0] if lines else ""
    reader = csv.reader(lines, delimiter=max(",;\t", key=first.count), skipinitialspace=True)
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        body = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise InputError(f"{file}, line {reader.line_num}: expected CSV, found {error}") from None
    for column in required:
        if column not in header:
            raise InputError(
                f"{file}: expected a column {column!r}, found "
                f"{', '.join(filter(None, header)) or 'an empty file'}{near(column, header)}"
            )
    known = {*required, *optional}
    twice = sorted({column for column in header if column in known and header.count(column) > 1})
    if twice:
        raise InputError(f"{file}: expected column {twice[0]!r} once, found it twice")
    notes = [
        f"{file}: column {column!r} is not used{near(column, sorted(known - set(header)))}"
        for column in header
        if column and column not in known
    ]
    rows = []
    for line, cells in body:
        if not any(cells):
            continue
        if len(cells) > len(header):
            raise InputError(
                f"{file}, line {line}: expected {len(header)} cells, found {len(cells)}"
            )
        rows.append((line, dict(zip(header, cells, strict=False))))
    if not rows:
        raise InputError(f"{file}: expected {what} with at least one row, found none")
    return rows, set(header), notes


def read_text(file: Path, what: str) -> str:
    """Read a text file; UTF-8, with or without a byte order mark.

    Raises
    ------
    InputError
        There is none, or it is something else than `what`.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{file}: expected {what}, found no such file") from None
    except IsADirectoryError:
        raise InputError(f"{file}: expected {what}, found a folder") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: expected {what} (CSV, UTF-8), found {error}") from None


def require(row: dict[str, str], column: str, where: str) -> str:
    """Return a cell that must not be empty.

    Raises
    ------
    InputError
        It is empty.
    """
    text = row.get(column, "")
    if not text:
        raise InputError(f"{where}, column {column}: expected a value, found an empty cell")
    return text


def number(row: dict[str, str], column: str, where: str, default: float = math.nan) -> float:
    """Return a cell as a finite number; `default` where it is empty.

    Raises
    ------
    InputError
        It is not a finite number.
    """
    text = row.get(column, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where}, column {column}: expected a number, found {text!r}")
    return value
