"""Points of another system made into markers of an OpenSim model.

Tables that say which point of another system is which marker of the model.

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

import math
import os
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError, near
from nem2e_tf.io.tables import Row as TableRow
from nem2e_tf.io.tables import read_table
from nem2e_tf.io.trc import Markers
from nem2e_tf.simulate.markers.points import Points, read_points

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
    with as_file(files("nem2e_tf.simulate.markers") / "mappings" / f"{system}.csv") as path:
        return read_mapping(path)


def read_mapping(path: "str | os.PathLike[str]") -> list[Row]:
    """Read a mapping; see the module's text.

    Raises
    ------
    InputError
        The file or a column is missing, it has no rows, a marker stands twice, a number is none, or
        there is a distance without axes.
    """
    table, columns, _ = read_table(path, _NEEDED, _KNOWN, what="a mapping of markers", remarks="#")
    unknown = sorted(columns.difference(_KNOWN))
    if unknown:
        raise InputError(
            f"{path}: expected the columns {', '.join(_KNOWN)}, found also {unknown[0]!r}"
        )
    rows: list[Row] = []
    for cells in table:
        row = _row(cells)
        if any(other.marker == row.marker for other in rows):
            raise InputError(f"{cells.where}: expected {row.marker} once, found it again")
        rows.append(row)
    return rows


def _row(cells: TableRow) -> Row:
    for column in _NEEDED:
        cells.require(column)
    x, y, z = (cells.number(axis, 0.0) for axis in "xyz")
    axes = cells.get("axes", "")
    if any((x, y, z)) and not axes:
        raise cells.wrong("axes", "the segment along whose axes x, y and z are measured")
    needed = cells.get("needed", "").lower()
    if needed not in ("", "yes", "no"):
        raise cells.wrong("needed", "yes, no or an empty cell")
    return Row(
        marker=cells["marker"],
        sources=tuple(name.strip() for name in cells["source"].split("+")),
        axes=axes,
        offset=(x, y, z),
        needed=needed == "yes",
    )


_ENDINGS = {
    "mediapipe": (".csv",),
    "opencap": (".trc", ".csv"),
    "theia": (".c3d",),
    "c3d": (".c3d",),
    "trc": (".trc",),
}
SYSTEMS = tuple(_ENDINGS)
# Which axes of the system point up and forward.
_AXES = {
    "mediapipe": ("-y", "x"),
    "opencap": ("y", "x"),
    "theia": ("z", "y"),
    "c3d": ("z", "x"),
    "trc": ("y", "x"),
}
AXES = ("x", "y", "z", "-x", "-y", "-z")


@dataclass(frozen=True, eq=False)
class Converted:
    """Markers of the model, and what was done to get them.

    Attributes
    ----------
    markers : Markers
        m; x forward, y up, z right.
    notes : tuple of str
        Axes, gaps, what was left out.
    """

    markers: Markers
    notes: tuple[str, ...]


def convert(
    path: Path,
    system: str,
    *,
    mapping: Path | None = None,
    up: str | None = None,
    forward: str | None = None,
    rate: float = math.nan,
    visibility: float = 0.5,
    model: Path | None = None,
) -> Converted:
    """Make markers of a file of another system.

    Parameters
    ----------
    path : Path
        The file.
    system : {"mediapipe", "opencap", "theia", "c3d", "trc"}
        What wrote it.
    mapping : Path, optional
        Table of `nem2e_tf.simulate.markers.converting`; the system's own if not given.
    up, forward : {"x", "y", "z", "-x", "-y", "-z"}, optional
        The file's axes that point up, and where the person goes; the system's usual ones if not
        given.
    rate : float
        Frames a second, for a CSV file without times.
    visibility : float
        Landmarks below it are gaps.
    model : Path, optional
        OpenSim model that has to have the markers.

    Raises
    ------
    InputError
        The file cannot be read, needed points are missing (all are named), a marker was never seen,
        an option makes no sense, or the model lacks a marker.
    """
    if system not in SYSTEMS:
        raise InputError(f"system: expected {', '.join(SYSTEMS)}, found {system!r}")
    if path.suffix.lower() not in _ENDINGS[system]:
        raise InputError(
            f"{path}: expected a file {' or '.join(_ENDINGS[system])} of {system}, found "
            f"{path.suffix or 'no ending'}"
        )
    points = read_points(path, rate=rate, visibility=visibility)
    usual_up, usual_forward = _AXES[system]
    turn = turn_to_opensim(up or usual_up, forward or usual_forward)
    rows = _rows(system, mapping, points)
    places, notes = _markers(path, rows, points)
    notes = [
        f"{path}: axes: up is {up or usual_up}, forward is {forward or usual_forward}",
        *(f"{path}: {note}" for note in points.notes),
        *notes,
    ]
    markers = Markers(
        tuple(places), points.time, np.stack([p @ turn.T for p in places.values()], axis=1), path
    )
    notes += [f"{path}: {note}" for note in gaps(markers)]
    if model:
        notes += _against(model, markers)
    return Converted(markers, tuple(notes))


def turn_to_opensim(up: str, forward: str) -> NDArray[np.float64]:
    """Return the rotation from a system's axes to OpenSim's (x forward, y up, z right).

    Raises
    ------
    InputError
        The axes are unknown or not at right angles.

    Examples
    --------
    >>> turn_to_opensim("z", "y") @ [1.0, 2.0, 3.0]
    array([2., 3., 1.])
    """
    for name, axis in (("up", up), ("forward", forward)):
        if axis not in AXES:
            raise InputError(f"{name}: expected {', '.join(AXES)}, found {axis!r}")
    if up[-1] == forward[-1]:
        raise InputError(f"up and forward: expected two axes, found {up} and {forward}")
    x, y = (np.eye(3)["xyz".index(axis[-1])] * (1 - 2 * (axis[0] == "-")) for axis in (forward, up))
    return np.stack([x, y, np.cross(x, y)])


def gaps(markers: Markers) -> list[str]:
    """Say where markers were not seen, a text a marker."""
    told = []
    for index, name in enumerate(markers.names):
        unseen = np.isnan(markers.positions[:, index].sum(axis=1))
        if not unseen.any():
            continue
        edges = np.flatnonzero(np.diff(np.concatenate([[0], unseen, [0]])))
        starts, lengths = edges[::2], edges[1::2] - edges[::2]
        longest = int(lengths.argmax())
        told.append(
            f"{name}: not seen in {unseen.sum()} of {len(unseen)} frames, the longest gap "
            f"{lengths[longest]} frames from {markers.time[starts[longest]]:.6g} s; left empty"
        )
    return told


def _rows(system: str, mapping: Path | None, points: Points) -> list[Row]:
    if mapping:
        return read_mapping(mapping)
    if system in SHIPPED:
        return shipped_mapping(system)
    return [Row(name, (name,)) for name in points.places if not name.startswith("*")]


def _markers(
    path: Path, rows: list[Row], points: Points
) -> tuple[dict[str, NDArray[np.float64]], list[str]]:
    known = set(points.places)
    lacking = {
        row.marker: [
            *(source for source in row.sources if source not in known),
            *([row.axes] if row.axes and row.axes not in points.axes else []),
        ]
        for row in rows
    }
    needed = dict.fromkeys(name for row in rows if row.needed for name in lacking[row.marker])
    if needed:
        raise InputError(
            f"{path}: expected {', '.join(needed)}, found none"
            f"{near(next(iter(needed)), list(points.places))}"
        )
    places, notes = {}, []
    for row in rows:
        if lacking[row.marker]:
            continue
        place = np.mean([points.places[source] for source in row.sources], axis=0)
        if row.axes:
            place = place + points.axes[row.axes] @ np.array(row.offset)
        if np.isnan(place).any(axis=1).all():
            raise InputError(
                f"{path}: expected {' and '.join(row.sources)} in some frame, found it in none"
            )
        places[row.marker] = place
    if not places:
        raise InputError(f"{path}: expected points of the mapping, found none of them")
    left = [row.marker for row in rows if lacking[row.marker]]
    if left:
        notes.append(f"{path}: markers without a point in the file, left out: {', '.join(left)}")
    used = {source for row in rows for source in (*row.sources, row.axes)}
    unused = [name for name in points.places if name not in used]
    if unused:
        notes.append(f"{path}: points not used ({len(unused)}): {', '.join(unused)}")
    return places, notes


def _against(model: Path, markers: Markers) -> list[str]:
    """Hold markers against those of a model."""
    try:
        root = ElementTree.parse(model).getroot()
    except FileNotFoundError:
        raise InputError(f"{model}: expected an OpenSim model, found no such file") from None
    except (OSError, ElementTree.ParseError) as error:
        raise InputError(f"{model}: expected an OpenSim model (.osim), found {error}") from None
    known = [marker.get("name", "") for marker in root.iter("Marker")]
    foreign = [name for name in markers.names if name not in known]
    if foreign:
        raise InputError(
            f"{model}: expected the markers {', '.join(foreign)}, found none"
            f"{near(foreign[0], known)}; give a mapping to this model's names"
        )
    without = [name for name in known if name not in markers.names]
    return [f"{model}: markers without data ({len(without)}): {', '.join(without)}"] * bool(without)
