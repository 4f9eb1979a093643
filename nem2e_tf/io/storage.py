"""Storage files of OpenSim (``.sto``, ``.mot``): one table of numbers over time, in and out.

Reads what real programs have written: header versions 1, 2, 3 or none, SIMM's ``datarows``, tabs,
spaces or commas, quotes, padding, Windows line ends, wrong counts, vector cells (spread over
columns ``label_1``, ``label_2``, ...), and the header OpenSim 4.6 damages in its own
``_states.sto``.
Whatever is odd is told in `Storage.notes`; what cannot be read right is refused.

A file that was cut is refused where that can be seen: its last row is short, or it states more rows
than it has and does not end with a newline, or has no row at all. A file cut exactly between two
rows looks like the many genuine files that state too many rows: it is read, with a note.

The text of a storage file taken apart: header, labels and numbers, as real files have them.
"""

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError, near
from nem2e_tf.io.files import replacing
from nem2e_tf.io.text import BLANK, Rows, cells_of, decode, number, pandas_pays

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


# Of a large file, the bytes that have to hold the header; the rest goes to pandas as it is.
_START = 1 << 16

_OURS = (
    "version",
    "nrows",
    "ncolumns",
    "datarows",
    "datacolumns",
    "indegrees",
    "datatype",
    "range",
)


@dataclass(frozen=True, eq=False)
class Storage:
    """A table of numbers over time.

    Attributes
    ----------
    name : str
        First line of the header; may be empty.
    labels : tuple of str
        Column labels, without ``time``. Duplicates are kept.
    time : float64 array [row]
        Seconds, never decreasing.
    data : float64 array [row, column]
        The numbers. NaN where the file says nan.
    in_degrees : bool or None
        Whether angles are in degrees; None where the file does not say.
    header : dict of str to str
        All settings of the header, as written.
    notes : tuple of str
        What was odd in the file and how it was read.
    path : Path or None
        Where it was read from.
    """

    name: str
    labels: tuple[str, ...]
    time: NDArray[np.float64]
    data: NDArray[np.float64]
    in_degrees: bool | None = None
    header: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    path: Path | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.time)

    @property
    def stated_rows(self) -> int | None:
        """Number of rows the header states; None where it states none."""
        stated = setting(self.header, "nRows") or setting(self.header, "datarows") or ""
        return int(stated) if stated.isdecimal() else None

    def column(self, label: str) -> NDArray[np.float64]:
        """Return the column of a label, float64 [row].

        Raises
        ------
        InputError
            The label is missing (labels like it are named) or stands more than once.

        Examples
        --------
        >>> table = Storage("", ("a", "b"), np.arange(2.0), np.array([[1.0, 2.0], [3.0, 4.0]]))
        >>> table.column("b")
        array([2., 4.])
        """
        where = self.path or "storage"
        count = self.labels.count(label)
        if count == 0:
            raise InputError(
                f"{where}: expected a column {label!r}, found none{near(label, self.labels)}"
            )
        if count > 1:
            raise InputError(f"{where}: expected one column {label!r}, found {count}")
        return self.data[:, self.labels.index(label)]


def read_storage(path: "str | os.PathLike[str]") -> Storage:
    """Read a ``.sto`` or ``.mot`` file.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    Storage
        With `Storage.notes` telling what was odd: counts that do not fit, duplicate labels or time
        stamps, nan cells, a repaired header.

    Raises
    ------
    InputError
        The file is missing, is no storage file, was cut, holds a cell that is no number, or its
        time decreases or is nan. The message names the line and column.
    """
    where = Path(path)
    parts = _read_text(where)
    time, data = parts.values[:, 0].copy(), parts.values[:, 1:]
    labels = parts.labels[1:]
    notes = list(parts.notes)
    twice = [label for label, count in Counter(labels).items() if count > 1]
    if twice:
        notes.append(f"{len(twice)} labels stand more than once, such as {twice[0]}")
    bad = np.flatnonzero(~np.isfinite(time))
    if len(bad):
        raise InputError(
            f"{where}, line {parts.lines[bad[0]]}, column 1 (time): expected a finite time, "
            f"found {time[bad[0]]}"
        )
    step = np.diff(time)
    back = np.flatnonzero(step < 0)
    if len(back):
        raise InputError(
            f"{where}, line {parts.lines[back[0] + 1]}: expected time not before "
            f"{time[back[0]]:.10g}, found {time[back[0] + 1]:.10g}; sort or split the recording"
        )
    still = np.flatnonzero(step == 0)
    if len(still):
        notes.append(
            f"{len(still)} time stamps stand twice, the first on line {parts.lines[still[0] + 1]}"
        )
    notes += _not_finite(data, labels)
    degrees = setting(parts.header, "inDegrees")
    in_degrees = {"yes": True, "true": True, "no": False, "false": False}.get(
        (degrees or "").lower()
    )
    if degrees is not None and in_degrees is None:
        notes.append(f"header says inDegrees {degrees!r}, which is neither yes nor no")
    return Storage(parts.name, labels, time, data, in_degrees, parts.header, tuple(notes), where)


def write_storage(path: "str | os.PathLike[str]", storage: Storage) -> None:
    """Write a storage file that OpenSim opens, whole or not at all.

    Version 1, tabs, every number with the digits that give it back exactly. Settings in
    `Storage.header` follow the standard ones; `Storage.notes` are not written.

    Parameters
    ----------
    path : path-like
        The file; replaced if it exists.
    storage : Storage
        What to write.

    Raises
    ------
    InputError
        Something OpenSim would drop or misread without a word: nan or infinite numbers, time that
        does not increase, duplicate labels, labels or a name that would break the lines. Or the
        folder does not exist.
    """
    where = Path(path)
    _check_writable(where, storage)
    lines = [storage.name or "UNKNOWN", "version=1", f"nRows={storage.n_rows}"]
    lines.append(f"nColumns={len(storage.labels) + 1}")
    lines.append(f"inDegrees={'yes' if storage.in_degrees else 'no'}")
    lines += [f"{k}={v}" for k, v in storage.header.items() if k.lower() not in _OURS]
    lines += ["endheader", "\t".join(("time", *storage.labels))]
    table = np.column_stack([storage.time, storage.data]).astype(np.float64)
    lines += ["\t".join(map(repr, row)) for row in table.tolist()]
    with replacing(where) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def _not_finite(data: NDArray[np.float64], labels: tuple[str, ...]) -> list[str]:
    if np.isfinite(data).all():
        return []
    notes = []
    for what, found in (("nan", np.isnan(data)), ("infinite", np.isinf(data))):
        columns = np.flatnonzero(found.any(axis=0))
        if len(columns):
            notes.append(
                f"{found.sum()} {what} cells in {len(columns)} columns, such as "
                f"{labels[columns[0]]}"
            )
    return notes


def _read_text(where: Path) -> Text:
    try:
        with where.open("rb") as file:
            if pandas_pays(os.fstat(file.fileno()).st_size):
                try:
                    return take_apart(file.read(_START), where=str(where), rest=file)
                except InputError:
                    file.seek(0)
            raw = file.read()
    except FileNotFoundError:
        raise InputError(f"{where}: expected a storage file, found no such file") from None
    except OSError as error:
        raise InputError(f"{where}: expected a storage file, cannot read it ({error})") from None
    if not raw or raw.isspace():
        raise InputError(f"{where}: expected a storage file, found an empty file")
    return take_apart(raw, where=str(where))


def _check_writable(where: Path, storage: Storage) -> None:
    if not where.parent.is_dir():
        raise InputError(f"{where}: expected an existing folder {where.parent}, found none")
    expected = (len(storage.time), len(storage.labels))
    if storage.data.shape != expected:
        raise InputError(f"{where}: expected data of shape {expected}, found {storage.data.shape}")
    bad = np.argwhere(~np.isfinite(np.column_stack([storage.time, storage.data])))
    if len(bad):
        label = ("time", *storage.labels)[bad[0, 1]]
        raise InputError(
            f"{where}: expected finite numbers, found nan or infinity in row {bad[0, 0] + 1}, "
            f"column {label!r}; OpenSim drops such rows, leave them out or fill them first"
        )
    still = np.flatnonzero(np.diff(storage.time) <= 0)
    if len(still):
        raise InputError(
            f"{where}: expected increasing time, found {storage.time[still[0] + 1]:.10g} s in row "
            f"{still[0] + 2} after {storage.time[still[0]]:.10g} s"
        )
    twice = [label for label, count in Counter(("time", *storage.labels)).items() if count > 1]
    if twice:
        raise InputError(f"{where}: expected each label once, found {twice[0]!r} twice")
    for label in storage.labels:
        if not label or re.search(r'[\s,"]', label):
            raise InputError(
                f"{where}: expected labels without spaces, tabs, commas and quotes, at which "
                f"OpenSim would split them, found {label!r}"
            )
    texts = [storage.name, *storage.header, *storage.header.values()]
    broken = [text for text in texts if any(mark in text for mark in '\n\r"')]
    if broken or "=" in storage.name or any("=" in key for key in storage.header):
        found = broken[0] if broken else storage.name
        raise InputError(
            f"{where}: expected a name and header settings of one line without quotes and "
            f"equals signs, found {found!r}"
        )
