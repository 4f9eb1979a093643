"""The text of a storage file taken apart: header, labels and numbers, as real files have them.

Two ways through the numbers: a fast one that converts all of them at once after counting the cells
of each line, and, only where that fails, a slow one that names the line and column at fault.
"""

import re
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError

BLANK = " \t,"
_NUMBER = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity|nan|nan\(\w*\))", re.IGNORECASE
)
_WINDOWS_NAN = re.compile(r"[+-]?1\.#(QNAN|SNAN|IND|NAN)0*", re.IGNORECASE)
_SETTING = re.compile(r"(\w[\w .]*?)\s*=\s*(.*)")
_SIMM_SETTING = re.compile(r"(name|datarows|datacolumns|otherdata|range)\s+(.*)", re.IGNORECASE)
VECTORS = ("vec2", "vec3", "vec4", "vec5", "vec6", "unitvec3", "quaternion")


@dataclass(frozen=True, eq=False)
class Text:
    """A storage file taken apart.

    Attributes
    ----------
    name : str
        First line of the header, or empty.
    header : dict of str to str
        Settings of the header, keys as written.
    labels : tuple of str
        Labels with ``time`` first; those of vector cells expanded to ``label_1``, ``label_2``, ...
    values : float64 array [row, column]
        Numbers, time first.
    lines : list of int
        Line number of each row, from 1.
    notes : tuple of str
        What was odd and how it was read.
    """

    name: str
    header: dict[str, str]
    labels: tuple[str, ...]
    values: NDArray[np.float64]
    lines: list[int]
    notes: tuple[str, ...]


def take_apart(text: str, *, where: str) -> Text:
    """Take the text of a storage file apart.

    Parameters
    ----------
    text : str
        Content of the file.
    where : str
        The file's name, for messages.

    Raises
    ------
    InputError
        The text is no storage file, was cut short, or holds a cell that is no number.
    """
    notes: list[str] = []
    ended = text.endswith(("\n", "\r"))
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace('"', "").split("\n")
    ends = [i for i, line in enumerate(lines) if line.strip(BLANK).lower() == "endheader"]
    start = ends[-1] + 1 if ends else 0
    first = next((i for i in range(start, len(lines)) if _starts_with_number(lines[i])), len(lines))
    titles = [i for i in range(start, first) if lines[i].strip(BLANK)]
    if not ends and (not titles or first == len(lines)):
        raise InputError(
            f"{where}: expected a storage file (header, endheader, labels, numbers), "
            "found no endheader and no rows of numbers under labels"
        )
    if not titles:
        raise InputError(
            f"{where}, line {first + 1}: expected column labels after endheader, found "
            f"{'numbers' if first < len(lines) else 'the end of the file; it seems cut'}"
        )
    name, header = _read_header(lines[: ends[0]] if ends else lines[: titles[-1]])
    if not ends:
        notes.append("no endheader; the line above the first row of numbers taken as labels")
    damaged = bool(ends) and len(titles) > 1
    rows = [i for i in range(first, len(lines)) if lines[i].strip(BLANK)]
    body = _Body(where, lines, rows, header)
    labels, repaired = _read_labels(lines[titles[-1]], body.columns, damaged=damaged)
    if labels is None:
        raise InputError(
            f"{where}, line {first + 1}: expected as many cells as there are labels "
            f"({_columns_of(lines[titles[-1]])}), found {body.columns}"
        )
    if labels[0].lower() != "time":
        raise InputError(
            f"{where}, line {titles[-1] + 1}: expected 'time' as the first label, "
            f"found {labels[0]!r}"
        )
    empty = [i + 1 for i, label in enumerate(labels) if not label]
    if empty:
        raise InputError(
            f"{where}, line {titles[-1] + 1}, column {empty[0]}: expected a label, found none"
        )
    tabs = lines[titles[-1]].strip().count("\t")
    if tabs and len(labels) not in (tabs + 1, tabs + 1 + repaired):
        notes.append("labels are separated by tabs and spaces both")
    if damaged or repaired:
        notes.append(
            "damaged header repaired: labels are the last line before the numbers"
            + (", their first one restored as 'time'" if repaired else "")
        )
    else:
        notes += _compare_counts(header, len(rows), len(labels), ended=ended, where=where)
    values = body.values(labels)
    if rows and not ended:
        notes.append("no newline at the end; the last number may have been cut short")
    if body.parts > 1:
        notes.append(f"cells of {body.parts} numbers read as columns label_1 to _{body.parts}")
        parts = range(1, body.parts + 1)
        labels = [labels[0], *(f"{label}_{part}" for label in labels[1:] for part in parts)]
    return Text(name, header, tuple(labels), values, [i + 1 for i in rows], tuple(notes))


class _Body:
    """The rows of numbers and how their cells are separated."""

    def __init__(
        self, where: str, lines: list[str], rows: list[int], header: dict[str, str]
    ) -> None:
        self.where, self.lines, self.rows = where, lines, rows
        kind = setting(header, "DataType") or "double"
        line = lines[rows[0]].rstrip(BLANK) if rows else ""
        self.parts, self.commas = 1, False
        if kind.lower() in VECTORS:
            cells = line.split()
            self.parts = cells[1].count(",") + 1 if len(cells) > 1 else 1
        elif kind.lower() not in ("double", "float"):
            raise InputError(f"{where}: expected DataType double, Vec3 or Quaternion, found {kind}")
        else:
            self.commas = "," in line and "\t" not in line.strip()
        self.columns = len(line.split(",") if self.commas else line.split())

    def values(self, labels: list[str]) -> NDArray[np.float64]:
        """Return the numbers, float64 [row, column]; vector cells spread over columns."""
        width = 1 + (self.columns - 1) * self.parts if self.rows else len(labels)
        if not self.rows:
            return np.empty((0, width))
        if all(self._is_regular(self.lines[i], width) for i in self.rows):
            body = "\n".join(self.lines[self.rows[0] :])
            if self.commas or self.parts > 1:
                body = body.replace(",", " ")
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                try:
                    found = np.fromstring(body, dtype=np.float64, sep=" ")
                except (DeprecationWarning, ValueError):
                    found = np.empty(0)
            # A token gives at least one number ("1-2" gives two), so equal counts mean one each.
            if found.size == len(self.rows) * width:
                return found.reshape(len(self.rows), width)
        return np.array([self._careful(i, labels) for i in self.rows])

    def _is_regular(self, line: str, width: int) -> bool:
        if self.parts > 1:
            cells = line.split()
            return len(cells) == self.columns and all(
                cell.count(",") == (self.parts - 1 if k else 0)
                and not cell.startswith(",")
                and not cell.endswith(",")
                and ",," not in cell
                for k, cell in enumerate(cells)
            )
        if not self.commas:
            return len(line.split()) == width
        cells = line.rstrip(BLANK).split(",")
        return len(cells) == width and all(len(cell.split()) == 1 for cell in cells)

    def _careful(self, index: int, labels: list[str]) -> list[float]:
        where = f"{self.where}, line {index + 1}"
        line = self.lines[index].rstrip(BLANK)
        cells = [c.strip() for c in line.split(",")] if self.commas else line.split()
        by_tab = [cell.strip() for cell in self.lines[index].split("\t")]
        if len(cells) < self.columns <= len(by_tab) and "" in by_tab[: self.columns]:
            cells = by_tab[: self.columns]
        if len(cells) != self.columns:
            cut = index == self.rows[-1] and len(cells) < self.columns
            raise InputError(
                f"{where}: expected {self.columns} numbers, found {len(cells)}"
                + ("; the file seems cut, get a whole copy" if cut else "")
            )
        row: list[float] = []
        for column, cell in enumerate(cells):
            numbers = cell.split(",") if self.parts > 1 and column else [cell]
            if len(numbers) != (self.parts if column else 1):
                raise InputError(
                    f"{where}, column {column + 1} ({labels[column]}): expected {self.parts} "
                    f"numbers in the cell, found {len(numbers)}"
                )
            for number in numbers:
                if _WINDOWS_NAN.fullmatch(number):
                    row.append(np.nan)
                elif _NUMBER.fullmatch(number):
                    row.append(np.nan if "nan" in number.lower() else float(number))
                else:
                    raise InputError(
                        f"{where}, column {column + 1} ({labels[column]}): expected a number, "
                        f"found {number[:40]!r}{_advise(number)}"
                    )
        return row


def setting(header: dict[str, str], *keys: str) -> str | None:
    """Return a setting of the header by any of its names, in any case; None where it has none."""
    wanted = {key.lower() for key in keys}
    return next((value for key, value in header.items() if key.lower() in wanted), None)


def _read_header(lines: list[str]) -> tuple[str, dict[str, str]]:
    name = ""
    header: dict[str, str] = {}
    for number, line in enumerate(lines):
        text = line.strip(BLANK)
        matched = _SETTING.fullmatch(text) or _SIMM_SETTING.fullmatch(text)
        if matched and matched[1].lower() != "name":
            header.setdefault(matched[1], matched[2])
        elif matched or number == 0:
            name = name or (matched[2] if matched else text)
    return name, header


def _read_labels(line: str, columns: int, *, damaged: bool) -> tuple[list[str] | None, bool]:
    """Labels that fit the number of columns, and whether the first one had to be restored."""
    text = line.rstrip(BLANK)
    ways = [[c.strip() for c in text.split(mark)] for mark in ("\t", ",") if mark in text]
    ways.append(text.split())
    fitting = ways[0] if not columns else next((w for w in ways if len(w) == columns), None)
    if fitting is not None:
        # The end of a half overwritten "time" is restored only where the header is known damaged.
        remains = fitting[0].lower()
        restore = remains != "time" and "time".endswith(remains) and (damaged or not remains)
        return (["time", *fitting[1:]], True) if restore else (fitting, False)
    short = next((w for w in ways if len(w) == columns - 1 and w[0].lower() != "time"), None)
    return (None, False) if short is None else (["time", *short], True)


def _columns_of(line: str) -> int:
    text = line.rstrip(BLANK)
    return len(text.split("\t") if "\t" in text else text.split("," if "," in text else None))


def _compare_counts(
    header: dict[str, str], rows: int, columns: int, *, ended: bool, where: str
) -> list[str]:
    notes = []
    for keys, found, what in (
        (("nRows", "datarows"), rows, "rows"),
        (("nColumns", "datacolumns"), columns, "columns"),
    ):
        for key in keys:
            stated = setting(header, key)
            if stated is None:
                continue
            if not stated.isdecimal():
                notes.append(f"header says {key} {stated!r}, which is no count; found {found}")
            elif int(stated) != found:
                if what == "rows" and int(stated) > found and (not ended or not found):
                    raise InputError(
                        f"{where}: expected {stated} rows ({key}), found {found}"
                        f"{'' if ended else ' and no newline at the end'}; "
                        "the file seems cut, get a whole copy"
                    )
                notes.append(f"header says {int(stated)} {what} ({key}), found {found}")
    if not rows and not ended and setting(header, "nRows", "datarows") is None:
        raise InputError(
            f"{where}: expected rows of numbers, found the end of the file within the labels"
        )
    return notes


def _starts_with_number(line: str) -> bool:
    cells = line.replace(",", " ").split(maxsplit=1)
    return bool(cells) and bool(_NUMBER.fullmatch(cells[0]) or _WINDOWS_NAN.fullmatch(cells[0]))


def _advise(cell: str) -> str:
    if not cell:
        return "; write nan where a value is missing"
    if re.fullmatch(r"[+-]?\d+,\d+", cell):
        return "; write a decimal point, not a comma"
    return ""
