"""Tables that say which point of another system is which marker of the model.

A CSV table, a row a marker; lines that begin with ``#`` are remarks:

============  ==================================================================================
``marker``    name in the OpenSim model
``source``    name in the file; several with ``+`` between them: their middle
``axes``      optional; a segment along whose axes the next columns count
``x, y, z``   optional; how far the marker is from the source, m
``needed``    optional; ``yes``: a file without the source is refused. Else the marker is left
              out, and reported
============  ==================================================================================
"""

import csv
import math
import os
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from nem2e_tf.errors import InputError

SHIPPED = ("mediapipe", "opencap", "theia")
_NEEDED = ("marker", "source")
_KNOWN = (*_NEEDED, "axes", "x", "y", "z", "needed")


@dataclass(frozen=True)
class Row:
    """One marker.

    Attributes
    ----------
    marker : str
        Name in the model.
    sources : tuple of str
        Points whose middle it is.
    axes : str
        Segment along whose axes `offset` counts; may be empty.
    offset : tuple of float
        m.
    needed : bool
        Whether a file without the sources is refused.
    """

    marker: str
    sources: tuple[str, ...]
    axes: str = ""
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    needed: bool = False


def shipped_mapping(system: str) -> list[Row]:
    """Return the mapping of a system to the markers of Rajagopal's model.

    Examples
    --------
    >>> shipped_mapping("mediapipe")[0]
    Row(marker='RHJC', sources=('RIGHT_HIP',), axes='', offset=(0.0, 0.0, 0.0), needed=True)
    """
    with as_file(files("nem2e_tf.markers") / "mappings" / f"{system}.csv") as path:
        return read_mapping(path)


def read_mapping(path: "str | os.PathLike[str]") -> list[Row]:
    """Read a mapping; see the module's text.

    Raises
    ------
    InputError
        The file or a column is missing, it has no rows, a marker stands twice, a number is none, or
        there is a distance without axes.
    """
    file = Path(path)
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise InputError(f"{file}: expected a mapping of markers, found no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: expected a mapping (CSV, UTF-8), found {error}") from None
    numbered = [
        (number, line)
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.startswith("#")
    ]
    table = [[cell.strip() for cell in row] for row in csv.reader(line for _, line in numbered)]
    header = [cell.lower() for cell in table[0]] if table else []
    for column in _NEEDED:
        if column not in header:
            raise InputError(f"{file}: expected a column {column!r}, found {', '.join(header)}")
    unknown = [column for column in header if column not in _KNOWN]
    if unknown:
        raise InputError(
            f"{file}: expected the columns {', '.join(_KNOWN)}, found {unknown[0]!r}, too"
        )
    rows: list[Row] = []
    for (line, _), cells in zip(numbered[1:], table[1:], strict=True):
        if len(cells) > len(header):
            raise InputError(f"{file}, line {line}: expected {len(header)} cells, found more")
        row = _row(f"{file}, line {line}", dict(zip(header, cells, strict=False)))
        if any(other.marker == row.marker for other in rows):
            raise InputError(f"{file}, line {line}: expected {row.marker} once, found it again")
        rows.append(row)
    if not rows:
        raise InputError(f"{file}: expected a mapping with at least one marker, found none")
    return rows


def _row(where: str, cells: dict[str, str]) -> Row:
    for column in _NEEDED:
        if not cells.get(column):
            raise InputError(f"{where}, column {column}: expected a name, found an empty cell")
    offset = []
    for axis in "xyz":
        text = cells.get(axis) or "0"
        try:
            offset.append(float(text))
        except ValueError:
            offset.append(math.nan)
        if not math.isfinite(offset[-1]):
            raise InputError(f"{where}, column {axis}: expected a number of m, found {text!r}")
    axes = cells.get("axes", "")
    if any(offset) and not axes:
        raise InputError(
            f"{where}, column axes: expected the segment along whose axes x, y, z count, found "
            "an empty cell"
        )
    needed = cells.get("needed", "").lower()
    if needed not in ("", "yes", "no"):
        raise InputError(f"{where}, column needed: expected yes, no or nothing, found {needed!r}")
    return Row(
        marker=cells["marker"],
        sources=tuple(name.strip() for name in cells["source"].split("+")),
        axes=axes,
        offset=(offset[0], offset[1], offset[2]),
        needed=needed == "yes",
    )
