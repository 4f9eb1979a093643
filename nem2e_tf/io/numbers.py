"""The rows of numbers of a storage file, parsed to exactly the values that ``float`` returns.

Regular rows are parsed by a library: pandas for large files if it is installed, else numpy. If the
library fails, or its result cannot be what the lines contain, a plain reader parses row by row and
reports line and column of the error. Both libraries round to the nearest float64 (pandas since
3.1; older versions are not used). Only the sign of ``-0`` may be lost in a column of integers.
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
from nem2e_tf.io.text import decode

BLANK = " \t,"
# Size in bytes above which pandas is faster than numpy: already imported, or import included.
LOADED_PANDAS_FROM = 300_000
IMPORTED_PANDAS_FROM = 30_000_000
PIECE = 1 << 18

_NUMBER = re.compile(
    rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity|nan|nan\(\w*\))", re.IGNORECASE
)
_WINDOWS_NAN = re.compile(rb"[+-]?1\.#(QNAN|SNAN|IND|NAN)0*", re.IGNORECASE)

Table = tuple[NDArray[np.float64], NDArray[np.intp]]


def number(text: bytes) -> float | None:
    """Return the number in a cell; None if it is not a number.

    Examples
    --------
    >>> number(b"-1.5e3"), number(b"-1.#IND"), number(b"1_0")
    (-1500.0, nan, None)
    """
    if not _NUMBER.fullmatch(text):
        return float("nan") if _WINDOWS_NAN.fullmatch(text) else None
    return float("nan") if b"nan" in text.lower() else float(text)


def cells_of(line: str) -> list[str]:
    """Split at spaces and tabs only; other white space is part of a cell."""
    return [cell for cell in re.split(r"[ \t]+", line) if cell]


class Rows:
    """Rows of numbers and the delimiter of their cells.

    Parameters
    ----------
    content : bytes
        A complete file or its start; lines end with a newline, and there are no quotes.
    rest : binary file, optional
        The remainder of the file.
    start : int
        Position of the first row.
    where : str
        The file's name, for messages.
    above : int
        Number of lines above the first row.
    vectors : bool
        True if every cell except the first contains several numbers separated by commas.

    Raises
    ------
    InputError
        There is a remainder that the library cannot read; the complete file is required.

    Attributes
    ----------
    columns : int
        Number of cells in the first row.
    parts : int
        Numbers per cell.
    lines : int array [row]
        Line number of each row, from 1. Empty lines are not rows.
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
            raise InputError(f"{where}: expected regular rows; read the complete file")
        if self.table is None:
            self.texts = decode(content[start:]).split("\n")
        lines = _filled(self.texts) if self.table is None else self.table[1]
        self.lines = lines + above + 1

    def values(self, labels: list[str]) -> NDArray[np.float64]:
        """Return the numbers, float64 [row, column]; each part of a vector cell has a column.

        Raises
        ------
        InputError
            A row has more or fewer cells than the first, or a cell is not a number.
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
                + ("; the file seems truncated, get a complete copy" if cut else "")
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
    r"""Parse rows of numbers with a library, one row per line.

    Parameters
    ----------
    content : bytes
        Lines end with a newline; empty lines are skipped.
    rest : open file, optional
        Set if `content` is only the start of this file, which has no quotes, ends with a newline
        and has no empty line. Pandas then opens the file itself and uses all cores.
    start : int
        Position of the first row.
    columns : int
        Numbers per row.
    mark : {",", "\t", " "}
        Delimiter; a space stands for any number of spaces and tabs.

    Returns
    -------
    values : float64 array [row, column]
    lines : int array [row]
        Line of each row, from 0.

    None is returned for anything irregular, which the caller then parses row by row.

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
                # pandas uses all cores only for a file it opens itself
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
    """Reads content in pieces and counts in each while it is in the processor's cache."""

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
        # Both libraries ignore \v and \f next to a number; pandas ends a line at \r.
        self.odd |= b"\v" in piece or b"\f" in piece or b"\r" in piece
        self.last = (self.last + piece[-2:])[-2:]
        return piece

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over lines; pandas requires it of a file object."""
        return iter(self.stream)


def _with_numpy(pieces: _Pieces, mark: str) -> NDArray[np.float64] | None:
    text = pieces.read()
    # Numpy ignores every kind of Unicode white space.
    if pieces.odd or not text.isascii() or any(bytes([code]) in text for code in range(28, 32)):
        return None
    delimiter = "," if mark == "," else None
    return np.loadtxt(io.BytesIO(text), comments=None, delimiter=delimiter, ndmin=2)


def pandas_pays(size: int) -> bool:
    """Return True if pandas is installed and parses this many bytes faster than numpy."""
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

    # No dtype: asked for float64, pandas would copy the table once more.
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
