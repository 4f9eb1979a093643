"""The rows of a storage file made into float64, each number the one that Python's ``float`` gives.

Two ways: a library takes regular rows by the thousand, and where it stumbles, or returns other than
what the lines can hold, a plain reader takes them one by one and names the line and column at
fault. The library is numpy, or pandas where it is there and pays. Both round to the nearest float64
(pandas since 3.1, older ones are not asked); only the sign of ``-0`` may be lost among integers.
"""

import csv
import io
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError

BLANK = " \t,"
# Bytes from which pandas is faster than numpy: loaded already, or with the time to load it.
LOADED_PANDAS_FROM = 300_000
IMPORTED_PANDAS_FROM = 30_000_000
PIECE = 1 << 18

_NUMBER = re.compile(
    rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity|nan|nan\(\w*\))", re.IGNORECASE
)
_WINDOWS_NAN = re.compile(rb"[+-]?1\.#(QNAN|SNAN|IND|NAN)0*", re.IGNORECASE)

Table = tuple[NDArray[np.float64], NDArray[np.intp]]


def number(text: bytes) -> float | None:
    """Return the number that a cell holds; None where it holds none.

    Examples
    --------
    >>> number(b"-1.5e3"), number(b"-1.#IND"), number(b"1_0")
    (-1500.0, nan, None)
    """
    if not _NUMBER.fullmatch(text):
        return float("nan") if _WINDOWS_NAN.fullmatch(text) else None
    return float("nan") if b"nan" in text.lower() else float(text)


def cells_of(line: str) -> list[str]:
    """Cells between spaces and tabs; other characters that print nothing are part of a cell."""
    return [cell for cell in re.split(r"[ \t]+", line) if cell]


def decode(content: bytes) -> str:
    """Text of UTF-8, or of Latin-1 where it is not UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


class Rows:
    """Rows of numbers, and how their cells are separated.

    Parameters
    ----------
    content : bytes
        A whole file or its start; lines end with a newline and there are no quotes.
    rest : binary file, optional
        What follows the content.
    start : int
        Where the first row begins.
    where : str
        The file's name, for messages.
    above : int
        How many lines are above the first row.
    vectors : bool
        Whether a cell, except of the first column, holds several numbers with commas between.

    Raises
    ------
    InputError
        There is a rest, and a library cannot read all: the whole file has to be given.

    Attributes
    ----------
    columns : int
        Cells of the first row.
    parts : int
        Numbers of a cell.
    lines : int array [row]
        Line number of each row, from 1. Empty lines are no rows.
    """

    def __init__(
        self,
        content: bytes,
        rest: BinaryIO | None = None,
        *,
        start: int,
        where: str,
        above: int,
        vectors: bool,
    ) -> None:
        self.where, self.above = where, above
        end = content.find(b"\n", start)
        line = decode(content[start : len(content) if end < 0 else end])
        first = line.rstrip(BLANK)
        cells = cells_of(first)
        self.parts = cells[1].count(",") + 1 if vectors and len(cells) > 1 else 1
        self.commas = not vectors and "," in first and "\t" not in first.strip()
        self.columns = len(first.split(",") if self.commas else cells)
        self.table: Table | None = None
        self.texts: list[str] = []
        if first and self.parts == 1:
            mark = "," if self.commas else "\t" if line.split("\t") == cells else " "
            self.table = read_regular(content, rest, start=start, columns=self.columns, mark=mark)
        if self.table is None and rest is not None:
            raise InputError(f"{where}: expected regular rows, found others; read the file whole")
        if self.table is None:
            self.texts = decode(content[start:]).split("\n")
        lines = _filled(self.texts) if self.table is None else self.table[1]
        self.lines = lines + above + 1

    def values(self, labels: list[str]) -> NDArray[np.float64]:
        """Return the numbers, float64 [row, column]; vector cells spread over columns.

        Raises
        ------
        InputError
            A row has another number of cells than the first, or a cell holds no number.
        """
        if self.table is not None:
            return self.table[0]
        if not len(self.lines):
            return np.empty((0, len(labels)))
        return np.array([self._row(line, labels) for line in self.lines.tolist()])

    def _row(self, line: int, labels: list[str]) -> list[float]:
        where = f"{self.where}, line {line}"
        text = self.texts[line - self.above - 1]
        stripped = text.rstrip(BLANK)
        cells = [c.strip(BLANK) for c in stripped.split(",")] if self.commas else cells_of(text)
        by_tab = [cell.strip(" ") for cell in text.split("\t")]
        if len(cells) < self.columns <= len(by_tab) and "" in by_tab[: self.columns]:
            cells = by_tab[: self.columns]
        if len(cells) != self.columns:
            cut = line == self.lines[-1] and len(cells) < self.columns
            raise InputError(
                f"{where}: expected {self.columns} numbers, found {len(cells)}"
                + ("; the file seems cut, get a whole copy" if cut else "")
            )
        row: list[float] = []
        for column, cell in enumerate(cells):
            texts = cell.split(",") if self.parts > 1 and column else [cell]
            if len(texts) != (self.parts if column else 1):
                raise InputError(
                    f"{where}, column {column + 1} ({labels[column]}): expected {self.parts} "
                    f"numbers in the cell, found {len(texts)}"
                )
            for one in texts:
                value = number(one.encode())
                if value is None:
                    raise InputError(
                        f"{where}, column {column + 1} ({labels[column]}): expected a number, "
                        f"found {one[:40]!r}{_advise(one)}"
                    )
                row.append(value)
        return row


def _advise(cell: str) -> str:
    if not cell:
        return "; write nan where a value is missing"
    if re.fullmatch(r"[+-]?\d+,\d+", cell):
        return "; write a decimal point, not a comma"
    return ""


def _filled(texts: list[str]) -> NDArray[np.intp]:
    return np.array([i for i, text in enumerate(texts) if text.strip(BLANK)], dtype=np.intp)


def read_regular(
    content: bytes, rest: BinaryIO | None = None, /, *, start: int, columns: int, mark: str
) -> Table | None:
    r"""Read rows of numbers with a library, one row a line.

    Parameters
    ----------
    content : bytes
        Lines end with a newline. Empty ones are passed over.
    rest : open file, optional
        What follows: `content` is the start of this file on disk, without quotes. It ends with a
        newline and has no empty line. Pandas reads the file itself, on all cores.
    start : int
        Where the first row begins.
    columns : int
        Numbers in a row.
    mark : {",", "\t", " "}
        What separates them; a space stands for any spaces and tabs.

    Returns
    -------
    values : float64 array [row, column]
    lines : int array [row]
        The line each row stands on, from 0.
    None
        Where anything is odd: the caller looks closer.

    Examples
    --------
    >>> values, lines = read_regular(b"0 1.5\n\n1\t-2e-3\n", start=0, columns=2, mark=" ")
    >>> values.tolist(), lines.tolist()
    ([[0.0, 1.5], [1.0, -0.002]], [0, 2])
    """
    pieces = _Pieces(content, start, rest)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            if rest is not None:
                above = content.count(b"\n", 0, start)
                # opened by pandas itself: only then does it use all cores
                values = _with_pandas(pieces, Path(rest.name).absolute(), mark, above=above)
            elif pandas_pays(len(content) - start):
                values = _with_pandas(pieces, pieces, mark)
            else:
                values = _with_numpy(pieces, mark)
    except (ValueError, Warning):
        return None
    if values is None or values.shape[1] != columns or np.isnan(values).sum() != pieces.nans:
        return None
    ended = pieces.last.endswith(b"\n")
    if len(values) == pieces.newlines + (not ended) and (ended or rest is None):
        return values, np.arange(len(values))
    if rest is not None:
        return None
    filled = _filled(decode(content[start:]).split("\n"))
    return (values, filled) if len(filled) == len(values) else None


class _Pieces:
    """Hands out a content piece by piece and looks at each, since then it is near the processor."""

    def __init__(self, content: bytes, start: int, rest: BinaryIO | None) -> None:
        self.stream, self.rest = io.BytesIO(content), rest
        self.stream.seek(start)
        self.newlines, self.nans, self.odd, self.last = 0, 0, False, b""

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        piece = self.stream.read(size)
        if not piece and self.rest is not None:
            piece = self.rest.read(size)
        codes = np.frombuffer(piece, dtype=np.uint8)
        self.newlines += int(np.count_nonzero(codes == ord("\n")))
        if b"n" in piece or b"N" in piece:
            self.nans += (self.last + piece).lower().count(b"nan")
        # Both libraries pass over the first two beside a number; the third ends a line for pandas.
        self.odd |= b"\v" in piece or b"\f" in piece or b"\r" in piece
        self.last = (self.last + piece[-2:])[-2:]
        return piece

    def __iter__(self) -> Iterator[bytes]:
        """Every file has its lines; pandas takes nothing else for one."""
        return iter(self.stream)


def _with_numpy(pieces: _Pieces, mark: str) -> NDArray[np.float64] | None:
    text = pieces.read()
    # Numpy passes over whatever Unicode calls a space.
    if pieces.odd or not text.isascii() or any(bytes([code]) in text for code in range(28, 32)):
        return None
    delimiter = "," if mark == "," else None
    return np.loadtxt(io.BytesIO(text), comments=None, delimiter=delimiter, ndmin=2)


def pandas_pays(size: int) -> bool:
    """Whether so many bytes of numbers are read faster with pandas, and it is there."""
    if size < (LOADED_PANDAS_FROM if "pandas" in sys.modules else IMPORTED_PANDAS_FROM):
        return False
    try:
        import pandas as pd
    except ImportError:
        return False
    return tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1)


def _with_pandas(
    pieces: _Pieces, source: Any, mark: str, *, above: int = 0
) -> NDArray[np.float64] | None:
    import pandas as pd

    # Types are left to pandas: asked for float64, it copies once more.
    frame = pd.read_csv(
        source,
        sep=r"\s+" if mark == " " else mark,
        header=None,
        skiprows=above,
        engine="c",
        compression=None,
        quoting=csv.QUOTE_NONE,
        keep_default_na=False,
        na_values=["nan", "NaN", "NAN", "-nan", "-NaN"],
    )
    while pieces.read(PIECE):
        pass
    if pieces.odd or not all(dtype.kind in "iuf" for dtype in frame.dtypes):
        return None
    return frame.to_numpy(dtype=np.float64)
