"""The text of a storage file taken apart: header, labels and numbers, as real files have them."""

import re
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.storage_numbers import BLANK, Rows, cells_of, decode, number

_SETTING = re.compile(r"(\w[\w .]*?)\s*=\s*(.*)")
_SIMM_SETTING = re.compile(r"(name|datarows|datacolumns|otherdata|range)\s+(.*)", re.IGNORECASE)
_BLANKS = re.compile(rb"[ \t,]+")
_END = re.compile(rb"^[ \t,]*endheader[ \t,]*$", re.IGNORECASE | re.MULTILINE)
# How far behind a number that may be a remnant of a header another end of a header is looked for.
_REMNANT = 4096
_VECTORS = ("vec2", "vec3", "vec4", "vec5", "vec6", "unitvec3", "quaternion")


def setting(header: dict[str, str], *keys: str) -> str | None:
    """Return a setting of the header by any of its names, in any case; None where it has none."""
    wanted = {key.lower() for key in keys}
    return next((value for key, value in header.items() if key.lower() in wanted), None)


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
    lines : int array [row]
        Line number of each row, from 1.
    notes : tuple of str
        What was odd and how it was read.
    """

    name: str
    header: dict[str, str]
    labels: tuple[str, ...]
    values: NDArray[np.float64]
    lines: NDArray[np.intp]
    notes: tuple[str, ...]


def take_apart(content: bytes, *, where: str, rest: BinaryIO | None = None) -> Text:
    """Take the content of a storage file apart.

    Parameters
    ----------
    content : bytes
        Content of the file: ASCII, UTF-8, or Latin-1 where it is not UTF-8.
    where : str
        The file's name, for messages.
    rest : binary file, optional
        What follows the content, where that is the start of a large file only.

    Raises
    ------
    InputError
        The content is no storage file, was cut short, or holds a cell that is no number. With a
        rest: something is odd, and only the whole content tells what.
    """
    content = content.removeprefix(b"\xef\xbb\xbf")
    notes: list[str] = []
    ended = rest is not None or content.endswith((b"\n", b"\r"))
    marks = _marks_in(content)
    if b"\0" in marks:
        raise InputError(
            f"{where}: expected a storage file, found binary content; save it as plain text"
        )
    if b"\r" in marks:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b'"' in marks:
        content = content.replace(b'"', b"")
    parts = _find_parts(content, where)
    if rest is not None and (marks or len(content) < parts.body + _REMNANT):
        raise InputError(f"{where}: expected a plain start, found another; read the file whole")
    lines, titles, first = parts.lines, parts.titles, len(parts.lines)
    name, header = _read_header(lines[: parts.end if parts.has_end else titles[-1]])
    if not parts.has_end:
        notes.append("no endheader; the line above the first row of numbers taken as labels")
    damaged = parts.has_end and len(titles) > 1
    vectors = _holds_vectors(header, where)
    body = Rows(content, rest, start=parts.body, where=where, above=first, vectors=vectors)
    title = lines[titles[-1]]
    labels, repaired = _read_labels(title, body.columns, damaged=damaged)
    at = f"{where}, line {titles[-1] + 1}"
    if damaged and any(number(cell.encode()) is not None for cell in cells_of(title)):
        raise InputError(
            f"{at}, column 1: expected labels or a number, found {cells_of(title)[0][:40]!r}"
        )
    if labels is None:
        raise InputError(
            f"{where}, line {first + 1}: expected as many cells as there are labels "
            f"({_columns_of(title)}), found {body.columns}"
        )
    if labels[0].lower() != "time":
        raise InputError(f"{at}: expected 'time' as the first label, found {labels[0][:40]!r}")
    empty = [i + 1 for i, label in enumerate(labels) if not label]
    if empty:
        raise InputError(f"{at}, column {empty[0]}: expected a label, found none")
    tabs = title.strip().count("\t")
    if tabs and len(labels) not in (tabs + 1, tabs + 1 + repaired):
        notes.append("labels are separated by tabs and spaces both")
    if damaged or repaired:
        notes.append(
            "damaged header repaired: labels are the last line before the numbers"
            + (", their first one restored as 'time'" if repaired else "")
        )
    else:
        notes += _compare_counts(header, len(body.lines), len(labels), ended=ended, where=where)
    # One order in memory, whichever way they were read: sums depend on it in their last digit.
    values = np.asfortranarray(body.values(labels))
    if len(values) and not ended:
        notes.append("no newline at the end; the last number may have been cut short")
    if body.parts > 1:
        notes.append(f"cells of {body.parts} numbers read as columns label_1 to _{body.parts}")
        components = range(1, body.parts + 1)
        labels = [labels[0], *(f"{label}_{part}" for label in labels[1:] for part in components)]
    return Text(name, header, tuple(labels), values, body.lines, tuple(notes))


def _marks_in(content: bytes) -> set[bytes]:
    """Tell which of the characters that no plain file has stand in a content.

    A large content is taken in pieces, which stay near the processor for all three searches.
    """
    step = 1 << 18
    return {
        mark
        for at in range(0, len(content), step)
        for mark in (b"\0", b"\r", b'"')
        if content.find(mark, at, at + step) >= 0
    }


@dataclass(frozen=True)
class _Parts:
    """Where the parts of a file are.

    `lines` are those above the first row of numbers, `titles` the numbers of those that may hold
    labels, `end` the line of endheader where there is one (`has_end`), `body` the place of the
    first row among the bytes.
    """

    lines: list[str]
    titles: list[int]
    end: int
    has_end: bool
    body: int


def _find_parts(content: bytes, where: str) -> _Parts:
    ends: list[int] = []
    position = 0
    found = _END.search(content)
    if found:
        position = found.end()
        ends.append(content.count(b"\n", 0, found.start()))
    while position < len(content):
        stop = content.find(b"\n", position)
        stop = len(content) if stop < 0 else stop
        cells = _BLANKS.split(content[position:stop].strip(BLANK.encode()))
        if number(cells[0]) is not None:
            # Stale bytes at the start of a damaged file may be a number too, alone on its line.
            again = None
            if ends and len(cells) == 1:
                again = _END.search(content, stop, stop + _REMNANT)
            if again is None:
                break
            stop = again.start() - 1
        elif ends and len(cells) == 1 and cells[0].lower() == b"endheader":
            ends.append(content.count(b"\n", 0, position))
        position = stop + 1
    position = min(position, len(content))
    text = decode(content[:position])
    lines = text.removesuffix("\n").split("\n") if text else []
    below = ends[-1] + 1 if ends else 0
    titles = [i for i in range(below, len(lines)) if lines[i].strip(BLANK)]
    for i in range(below - 1):
        cells = _BLANKS.split(lines[i].strip(BLANK).encode())
        if len(cells) > 1 and all(number(cell) is not None for cell in cells):
            raise InputError(
                f"{where}, line {i + 1}: expected a header as far as endheader on line {below}, "
                "found a row of numbers; split the file if it is two in one"
            )
    if not ends and (not titles or position == len(content)):
        raise InputError(
            f"{where}: expected a storage file (header, endheader, labels, numbers), "
            "found no endheader and no rows of numbers under labels"
        )
    if not titles:
        has_rows = position < len(content)
        raise InputError(
            f"{where}, line {len(lines) + 1}: expected column labels after endheader, found "
            f"{'numbers' if has_rows else 'the end of the file; it seems cut'}"
        )
    return _Parts(lines, titles, ends[0] if ends else 0, bool(ends), position)


def _holds_vectors(header: dict[str, str], where: str) -> bool:
    kind = setting(header, "DataType") or "double"
    if kind.lower() not in ("double", "float", *_VECTORS):
        raise InputError(
            f"{where}: expected DataType double, Vec3 or Quaternion, found {kind[:40]}"
        )
    return kind.lower() in _VECTORS


def _read_header(lines: list[str]) -> tuple[str, dict[str, str]]:
    """Name and settings in the lines above the labels."""
    name = ""
    header: dict[str, str] = {}
    for index, line in enumerate(lines):
        text = line.strip(BLANK)
        matched = _SETTING.fullmatch(text) or _SIMM_SETTING.fullmatch(text)
        if matched and matched[1].lower() != "name":
            header.setdefault(matched[1], matched[2])
        elif matched or index == 0:
            name = name or (matched[2] if matched else text)
    return name, header


def _read_labels(line: str, columns: int, *, damaged: bool) -> tuple[list[str] | None, bool]:
    """Labels that fit the number of columns, and whether the first one had to be restored."""
    text = line.rstrip(BLANK)
    ways = [[c.strip() for c in text.split(mark)] for mark in ("\t", ",") if mark in text]
    ways.append(cells_of(text))
    fitting = ways[0] if not columns else next((w for w in ways if len(w) == columns), None)
    if fitting is not None:
        # The end of a half overwritten "time" is restored only where the header is known damaged.
        remains = fitting[0].lower()
        restore = remains != "time" and "time".endswith(remains) and (damaged or not remains)
        return (["time", *fitting[1:]], True) if restore else (fitting, False)
    short = next((w for w in ways if len(w) == columns - 1 and w[0].lower() != "time"), None)
    return (None, False) if short is None else (["time", *short], True)


def _columns_of(line: str) -> int:
    """Count the labels in a line of labels."""
    text = line.rstrip(BLANK)
    mark = next((mark for mark in ("\t", ",") if mark in text), None)
    return len(text.split(mark) if mark else cells_of(text))


def _compare_counts(
    header: dict[str, str], rows: int, columns: int, *, ended: bool, where: str
) -> list[str]:
    """Compare the counts a header states with those found; what does not fit, as notes.

    Raises
    ------
    InputError
        More rows are stated than found and the file does not end with a newline, or has no row.
    """
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
