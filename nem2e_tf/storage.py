"""Storage files of OpenSim (``.sto``, ``.mot``): one table of numbers over time, in and out.

Reads what real programs have written: header versions 1, 2, 3 or none, SIMM's ``datarows``, tabs,
spaces or commas, quotes, padding, Windows line ends, wrong counts, vector cells (spread over
columns ``label_1``, ``label_2``, ...), and the header OpenSim 4.6 damages in its own
``_states.sto``.
Whatever is odd is told in `Storage.notes`; what cannot be read right is refused.

A file that was cut is refused where that can be seen: its last row is short, or it states more rows
than it has and does not end with a newline, or has no row at all. A file cut exactly between two
rows looks like the many genuine files that state too many rows: it is read, with a note.
"""

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError, near
from nem2e_tf.files import replacing
from nem2e_tf.storage_numbers import pandas_pays
from nem2e_tf.storage_text import Text, setting, take_apart

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
