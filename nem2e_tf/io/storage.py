"""OpenSim storage files (``.sto``, ``.mot``): read and write a table of numbers over time.

The reader accepts what programs write in practice: header versions 1, 2, 3 or none, SIMM's
``datarows``, tabs, spaces or commas, quotes, padding, Windows line ends, wrong counts, vector cells
(read as columns ``label_1``, ``label_2``, ...), and the header that OpenSim 4.6 damages in its own
``_states.sto``. Irregularities are listed in `Storage.notes`; ambiguous content is refused.

A truncated file is refused if that can be detected: its last row is short, or it states more rows
than it has and does not end with a newline, or it has no rows. A file truncated exactly between two
rows cannot be distinguished from the many complete files that state too many rows: it is read, with
a note.
"""

import os
import re
from codecs import BOM_UTF8
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError, near
from nem2e_tf.io.files import write_text
from nem2e_tf.io.numbers import BLANK, Rows, cells_of, number, pandas_pays
from nem2e_tf.io.text import decode, without_mark

_SETTING = re.compile(r"(\w[\w .]*?)\s*=\s*(.*)")
_SIMM_SETTING = re.compile(r"(name|datarows|datacolumns|otherdata|range)\s+(.*)", re.IGNORECASE)
_BLANKS = re.compile(rb"[ \t,]+")
_END = re.compile(rb"^[ \t,]*endheader[ \t,]*$", re.IGNORECASE | re.MULTILINE)
# Bytes after a lone number within which a second endheader marks it as a remnant of the header.
_REMNANT = 4096
_VECTORS = ("vec2", "vec3", "vec4", "vec5", "vec6", "unitvec3", "quaternion")


def setting(header: dict[str, str], *keys: str) -> str | None:
    """Return a header setting by any of its names, in upper or lower case; None if missing."""
    wanted = {key.lower() for key in keys}
    return next((value for key, value in header.items() if key.lower() in wanted), None)


@dataclass(frozen=True, eq=False)
class Text:
    """The parts of a storage file.

    Attributes
    ----------
    name : str
        First line of the header; may be empty.
    header : dict of str to str
        Settings of the header, keys as written.
    labels : tuple of str
        Labels, ``time`` first; those of vector cells expanded to ``label_1``, ``label_2``, ...
    values : float64 array [row, column]
        Numbers, time first.
    lines : int array [row]
        Line number of each row, from 1.
    notes : tuple of str
        Irregularities and how they were read.
    """

    name: str
    header: dict[str, str]
    labels: tuple[str, ...]
    values: NDArray[np.float64]
    lines: NDArray[np.intp]
    notes: tuple[str, ...]


def parse(content: bytes, *, where: str, rest: BinaryIO | None = None) -> Text:
    """Split the content of a storage file into header, labels and numbers.

    Parameters
    ----------
    content : bytes
        Content of the file; see `nem2e_tf.io.text.decode` for the encodings.
    where : str
        The file's name, for messages.
    rest : binary file, optional
        The remainder, if the content is only the start of a large file.

    Raises
    ------
    InputError
        The content is not a storage file, is truncated, or has a cell that is not a number. With a
        remainder: something is irregular, and the complete content is required.
    """
    content = without_mark(content) if rest is None else content.removeprefix(BOM_UTF8)
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
        raise InputError(f"{where}: expected a regular start; read the complete file")
    lines, titles, first = parts.lines, parts.titles, len(parts.lines)
    name, header = _read_header(lines[: parts.end if parts.has_end else titles[-1]])
    if not parts.has_end:
        notes.append("no endheader; the line above the first row of numbers is taken as labels")
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
        notes.append("labels are separated by both tabs and spaces")
    if damaged or repaired:
        notes.append(
            "damaged header repaired: the last line before the numbers is taken as labels"
            + (", and its first label restored as 'time'" if repaired else "")
        )
    else:
        notes += _compare_counts(header, len(body.lines), len(labels), ended=ended, where=where)
    # One memory order for both parsers: the last digit of sums depends on it.
    values = np.asfortranarray(body.values(labels))
    if len(values) and not ended:
        notes.append("no newline at the end; the last number may be incomplete")
    if body.parts > 1:
        notes.append(f"cells of {body.parts} numbers are read as columns label_1 to _{body.parts}")
        components = range(1, body.parts + 1)
        labels = [labels[0], *(f"{label}_{part}" for label in labels[1:] for part in components)]
    return Text(name, header, tuple(labels), values, body.lines, tuple(notes))


def _marks_in(content: bytes) -> set[bytes]:
    """Return which of the characters that a regular file lacks occur in a content.

    Large content is searched in pieces, which stay in the processor's cache for all three searches.
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
    """Positions of the parts of a file.

    `lines` are the lines above the first row of numbers, `titles` the indices of those that may
    contain labels, `end` the line of endheader if there is one (`has_end`), `body` the position of
    the first row in the content.
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
            # Stale bytes at the start of a damaged file may also be a number alone on its line.
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
                f"{where}, line {i + 1}: expected a header up to endheader on line {below}, "
                "found a row of numbers; split the file if it contains two recordings"
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
            f"{'numbers' if has_rows else 'the end of the file; it seems truncated'}"
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
    """Return name and settings from the lines above the labels."""
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
    """Return labels that fit the number of columns, and True if the first one was restored."""
    text = line.rstrip(BLANK)
    ways = [[c.strip() for c in text.split(mark)] for mark in ("\t", ",") if mark in text]
    ways.append(cells_of(text))
    fitting = ways[0] if not columns else next((w for w in ways if len(w) == columns), None)
    if fitting is not None:
        # A partly overwritten "time" is restored only if the header is known to be damaged.
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
    """Compare the counts that a header states with those found; return differences as notes.

    More stated than found rows are an error if the file does not end with a newline or has no rows.
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
                notes.append(f"header states {key} {stated!r}, which is not a count; found {found}")
            elif int(stated) != found:
                if what == "rows" and int(stated) > found and (not ended or not found):
                    raise InputError(
                        f"{where}: expected {stated} rows ({key}), found {found}"
                        f"{'' if ended else ' and no newline at the end'}; "
                        "the file seems truncated, get a complete copy"
                    )
                notes.append(f"header states {int(stated)} {what} ({key}), found {found}")
    if not rows and not ended and setting(header, "nRows", "datarows") is None:
        raise InputError(
            f"{where}: expected rows of numbers, found the end of the file in the labels"
        )
    return notes


# The header of a large file has to be within this many bytes; pandas reads the remainder.
_START = 1 << 16

# Settings that the writer sets itself.
_OURS = [
    "version",
    "nrows",
    "ncolumns",
    "datarows",
    "datacolumns",
    "indegrees",
    "datatype",
    "range",
]


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
        The numbers; NaN where the file states nan.
    in_degrees : bool or None
        True if angles are in degrees; None if the file does not state it.
    header : dict of str to str
        All settings of the header, as written.
    notes : tuple of str
        Irregularities of the file and how they were read.
    path : Path or None
        The file it was read from.
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
        """Number of rows stated in the header; None if not stated."""
        stated = setting(self.header, "nRows") or setting(self.header, "datarows") or ""
        return int(stated) if stated.isdecimal() else None

    def column(self, label: str) -> NDArray[np.float64]:
        """Return the column of a label, float64 [row].

        Raises
        ------
        InputError
            The label is missing (similar ones are listed) or occurs more than once.

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
        `Storage.notes` lists irregularities: wrong counts, duplicate labels or time stamps, nan
        cells, a repaired header.

    Raises
    ------
    InputError
        The file is missing, not a storage file or truncated, a cell is not a number, or time
        decreases or is nan. The message states line and column.

    Examples
    --------
    >>> import tempfile
    >>> table = Storage("demo", ("soleus_r",), np.array([0.0, 0.01]), np.array([[0.1], [0.2]]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_storage(f"{folder}/demo.sto", table)
    ...     read_storage(f"{folder}/demo.sto").column("soleus_r")
    array([0.1, 0.2])
    """
    where = Path(path)
    parts = _read(where)
    time, data = parts.values[:, 0].copy(), parts.values[:, 1:]
    labels = parts.labels[1:]
    notes = list(parts.notes)
    twice = [label for label, count in Counter(labels).items() if count > 1]
    if twice:
        notes.append(f"{len(twice)} labels occur more than once, such as {twice[0]}")
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
            f"{len(still)} time stamps occur twice, the first on line {parts.lines[still[0] + 1]}"
        )
    notes += _not_finite(data, labels)
    degrees = setting(parts.header, "inDegrees")
    in_degrees = {"yes": True, "true": True, "no": False, "false": False}.get(
        (degrees or "").lower()
    )
    if degrees is not None and in_degrees is None:
        notes.append(f"header states inDegrees {degrees!r}, which is neither yes nor no")
    return Storage(parts.name, labels, time, data, in_degrees, parts.header, tuple(notes), where)


def write_storage(path: "str | os.PathLike[str]", storage: Storage) -> None:
    """Write a storage file that OpenSim can read; an interrupted write leaves no partial file.

    The file has version 1, tabs, and all digits of every number. Settings in `Storage.header`
    follow the standard ones; `Storage.notes` are not written.

    Parameters
    ----------
    path : path-like
        The file; replaced if it exists.
    storage : Storage
        The table to write.

    Raises
    ------
    InputError
        The table has content that OpenSim silently drops or misreads: nan or infinite numbers,
        time that does not increase, duplicate labels, white space or quotes in a label or name. Or
        the folder does not exist.
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
    write_text(where, "\n".join(lines) + "\n")


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


def _read(where: Path) -> Text:
    try:
        with where.open("rb") as file:
            if pandas_pays(os.fstat(file.fileno()).st_size):
                try:
                    return parse(file.read(_START), where=str(where), rest=file)
                except InputError:
                    file.seek(0)
            raw = file.read()
    except FileNotFoundError:
        raise InputError(f"{where}: expected a storage file, found no such file") from None
    except OSError as error:
        raise InputError(f"{where}: expected a storage file, cannot read it ({error})") from None
    if not raw or raw.isspace():
        raise InputError(f"{where}: expected a storage file, found an empty file")
    return parse(raw, where=str(where))


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
                f"{where}: expected labels without spaces, tabs, commas and quotes, at "
                f"which OpenSim would split them, found {label!r}"
            )
    texts = [storage.name, *storage.header, *storage.header.values()]
    broken = [text for text in texts if any(mark in text for mark in '\n\r"')]
    if broken or "=" in storage.name or any("=" in key for key in storage.header):
        found = broken[0] if broken else storage.name
        raise InputError(
            f"{where}: expected a name and header settings without line breaks, quotes and "
            f"equals signs, found {found!r}"
        )
