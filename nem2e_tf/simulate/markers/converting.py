"""Motion of other systems converted to markers of an OpenSim model.

A mapping is a CSV table with one row per marker; lines that start with ``#`` are comments:

============  ==================================================================================
``marker``    name in the OpenSim model
``source``    point in the file; several joined by ``+``: their midpoint
``axes``      optional; segment along whose axes the next columns are measured
``x, y, z``   optional; offset of the marker from the source, m
``needed``    optional; ``yes``: a file without the source is refused. Otherwise the marker is
              omitted, with a note
============  ==================================================================================
"""

import math
import os
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError, near
from nem2e_tf.io.c3d import open_c3d, parameter
from nem2e_tf.io.tables import Row as TableRow
from nem2e_tf.io.tables import read_table
from nem2e_tf.io.time_series import read_csv
from nem2e_tf.io.trc import Markers, read_trc
from nem2e_tf.simulate.opensim.files import read_xml

_NEEDED = ("marker", "source")
_KNOWN = (*_NEEDED, "axes", "x", "y", "z", "needed")
_METRES = {"mm": 1e-3, "cm": 1e-2, "m": 1.0}
# Extensions of a system's files; its axes that point up and forward; True if it has a mapping.
_SYSTEMS = {
    "mediapipe": ((".csv",), "-y", "x", True),
    "opencap": ((".trc", ".csv"), "y", "x", True),
    "theia": ((".c3d",), "z", "y", True),
    "c3d": ((".c3d",), "z", "x", False),
    "trc": ((".trc",), "y", "x", False),
}
SHIPPED = tuple(name for name, (*_, shipped) in _SYSTEMS.items() if shipped)
AXES = ("x", "y", "z", "-x", "-y", "-z")


@dataclass(frozen=True)
class Row:
    """One row of a mapping.

    Attributes
    ----------
    marker : str
        Name in the model.
    sources : tuple of str
        Points whose midpoint it is.
    axes : str
        Segment along whose axes the offset is measured; may be empty.
    offset : tuple of float
        m.
    needed : bool
        Refuse a file without the sources.
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
    """Read a mapping; the module docstring describes its columns.

    Raises
    ------
    InputError
        The file or a column is missing, there are no rows, a marker occurs twice, a cell is not a
        number, or an offset has no axes.
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


@dataclass(frozen=True, eq=False)
class Points:
    """Points of another system, in its own axes.

    Attributes
    ----------
    time : float64 array [frame]
        s.
    places : dict of str to float64 array [frame, 3]
        m; NaN where a point is missing.
    axes : dict of str to float64 array [frame, 3, 3]
        Orientation of segments: columns are their x, y and z axes.
    notes : tuple of str
        Gaps.
    """

    time: NDArray[np.float64]
    places: dict[str, NDArray[np.float64]]
    axes: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_points(path: Path, *, rate: float = math.nan, visibility: float = 0.5) -> Points:
    """Read a file of points by its extension: ``.trc``, ``.c3d`` or ``.csv``.

    Parameters
    ----------
    path : Path
        The file.
    rate : float
        Frames per second of a CSV file without a column ``time``.
    visibility : float
        Landmarks of a CSV file whose ``_visibility`` is lower are gaps.

    Raises
    ------
    InputError
        The file is missing, damaged or of another kind, or has no points.
    """
    ending = path.suffix.lower()
    if ending == ".trc":
        markers = read_trc(path)
        places = {name: markers.positions[:, i] for i, name in enumerate(markers.names)}
        return Points(markers.time, places)
    if ending == ".c3d":
        return _read_c3d(path)
    if ending == ".csv":
        return _read_landmarks(path, rate=rate, visibility=visibility)
    raise InputError(
        f"{path}: expected a file of points (.trc, .c3d, .csv), found {ending or 'no extension'}"
    )


def _read_landmarks(path: Path, *, rate: float, visibility: float) -> Points:
    """Read a CSV table with ``<name>_x``, ``_y``, ``_z`` (m) and optional ``_visibility``."""
    table = read_csv(path, rate=rate)
    columns = {label: index for index, label in enumerate(table.labels)}
    names = [label[:-2] for label in table.labels if label.endswith("_x")]
    if not names:
        raise InputError(
            f"{path}, line 1: expected columns such as LEFT_HIP_x, LEFT_HIP_y, LEFT_HIP_z, found "
            f"{', '.join(table.labels[:3])}"
        )
    places, dim = {}, {}
    for name in names:
        missing = [f"{name}_{axis}" for axis in "yz" if f"{name}_{axis}" not in columns]
        if missing:
            raise InputError(f"{path}, line 1: expected a column {missing[0]!r}, found none")
        place = table.data[:, [columns[f"{name}_{axis}"] for axis in "xyz"]].copy()
        seen = columns.get(f"{name}_visibility")
        if seen is not None:
            hidden = ~(table.data[:, seen] >= visibility)
            place[hidden] = np.nan
            dim[name] = int(hidden.sum())
        places[name] = place
    notes = list(table.notes)
    hidden_in = [f"{name} {count}" for name, count in dim.items() if count]
    if hidden_in:
        notes.append(
            f"frames with visibility below {visibility:g}, treated as gaps: {', '.join(hidden_in)}"
        )
    return Points(table.time, places, notes=tuple(notes))


def _read_c3d(path: Path) -> Points:
    """Read markers, and one matrix per segment and frame (ROTATION), as Theia3D writes them."""
    content = open_c3d(path)
    header, parameters = content["header"], content["parameters"]
    rate = float(header["points"]["frame_rate"])
    samples = np.asarray(content["data"]["points"], dtype=np.float64)
    matrices = np.asarray(content["data"].get("rotations", np.zeros((4, 4, 0, 0))))
    point = parameters.get("POINT", {})
    units = [str(unit).strip().lower() for unit in parameter(point, "UNITS")]
    if not units or units[0] not in _METRES:
        raise InputError(
            f"{path}: expected POINT:UNITS mm, cm or m, found {units[0] if units else 'none'!r}"
        )
    scale = _METRES[units[0]]
    notes, places, axes = [], {}, {}
    labels = [str(label).strip() for label in parameter(point, "LABELS")]
    for index, label in enumerate(labels[: samples.shape[1]]):
        if label in places:
            raise InputError(f"{path}: expected each marker once, found {label!r} twice")
        place = samples[:3, index].T * scale
        hidden = (place == 0).all(axis=1)
        if hidden.any():
            notes.append(f"{label}: {hidden.sum()} frames at exactly 0, 0, 0 treated as gaps")
            place[hidden] = np.nan
        places[label] = place
    segments = parameter(parameters.get("ROTATION", {}), "LABELS")
    for index, label in enumerate(str(text).strip() for text in segments):
        places[label] = matrices[:3, 3, index].T * scale
        axes[label] = matrices[:3, :3, index].transpose(2, 0, 1)
    lengths = {len(place) for place in places.values()}
    if not places or lengths == {0}:
        raise InputError(f"{path}: expected markers or rotations of segments, found none")
    if len(lengths) > 1:
        raise InputError(
            f"{path}: expected markers and rotations at one rate, found {sorted(lengths)} frames"
        )
    if not rate > 0:
        raise InputError(f"{path}: expected a frame rate above 0, found {rate:g}")
    first = int(header["points"]["first_frame"])
    if first:
        notes.append(f"trimmed: its first frame is number {first + 1}, at {first / rate:g} s")
    return Points((first + np.arange(lengths.pop())) / rate, places, axes, tuple(notes))


@dataclass(frozen=True, eq=False)
class Converted:
    """Markers of the model, and notes on the conversion.

    Attributes
    ----------
    markers : Markers
        m; x forward, y up, z right.
    notes : tuple of str
        Axes, gaps, omitted markers and points.
    """

    markers: Markers
    notes: tuple[str, ...]


def convert(
    path: "str | os.PathLike[str]",
    system: str,
    *,
    mapping: "str | os.PathLike[str] | None" = None,
    up: str | None = None,
    forward: str | None = None,
    rate: float = math.nan,
    visibility: float = 0.5,
    model: "str | os.PathLike[str] | None" = None,
) -> Converted:
    """Convert a file of another system to markers.

    Parameters
    ----------
    path : path-like
        The file.
    system : {"mediapipe", "opencap", "theia", "c3d", "trc"}
        System that wrote it.
    mapping : path-like, optional
        Mapping; by default that of the system. Without one, c3d and trc keep their names.
    up, forward : {"x", "y", "z", "-x", "-y", "-z"}, optional
        Axes of the file that point up and in the walking direction; by default those of the
        system.
    rate : float
        Frames per second of a CSV file without times.
    visibility : float
        Landmarks with a lower visibility are gaps.
    model : path-like, optional
        OpenSim model that must have all the markers.

    Raises
    ------
    InputError
        The file is unreadable, needed points are missing (all are named), a marker has no data, a
        parameter is invalid, or a marker is missing in the model.
    """
    path = Path(path)
    if system not in _SYSTEMS:
        raise InputError(f"system: expected {', '.join(_SYSTEMS)}, found {system!r}")
    extensions, usual_up, usual_forward, shipped = _SYSTEMS[system]
    if path.suffix.lower() not in extensions:
        raise InputError(
            f"{path}: expected a {' or '.join(extensions)} file of {system}, found "
            f"{path.suffix or 'no extension'}"
        )
    points = read_points(path, rate=rate, visibility=visibility)
    up, forward = up or usual_up, forward or usual_forward
    turn = turn_to_opensim(up, forward)
    if mapping:
        rows = read_mapping(mapping)
    elif shipped:
        rows = shipped_mapping(system)
    else:
        rows = [Row(name, (name,)) for name in points.places if not name.startswith("*")]
    places, notes = _markers(path, rows, points)
    notes = [
        f"{path}: axes: up is {up}, forward is {forward}",
        *(f"{path}: {note}" for note in points.notes),
        *notes,
    ]
    markers = Markers(
        tuple(places), points.time, np.stack([p @ turn.T for p in places.values()], axis=1), path
    )
    notes += [f"{path}: {note}" for note in gaps(markers)]
    if model:
        notes += _compare(Path(model), markers)
    return Converted(markers, tuple(notes))


def turn_to_opensim(up: str, forward: str) -> NDArray[np.float64]:
    """Return the rotation from a system's axes to OpenSim's (x forward, y up, z right).

    Raises
    ------
    InputError
        An axis is unknown, or both are the same.

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
    """Describe the gaps of each marker that has any."""
    notes = []
    for index, name in enumerate(markers.names):
        hidden = np.isnan(markers.positions[:, index].sum(axis=1))
        if not hidden.any():
            continue
        edges = np.flatnonzero(np.diff(np.concatenate([[0], hidden, [0]])))
        starts, lengths = edges[::2], edges[1::2] - edges[::2]
        longest = int(lengths.argmax())
        notes.append(
            f"{name}: missing in {hidden.sum()} of {len(hidden)} frames, the longest gap "
            f"{lengths[longest]} frames from {markers.time[starts[longest]]:.6g} s; not filled"
        )
    return notes


def _markers(
    path: Path, rows: list[Row], points: Points
) -> tuple[dict[str, NDArray[np.float64]], list[str]]:
    known = set(points.places)
    missing = {
        row.marker: [
            *(source for source in row.sources if source not in known),
            *([row.axes] if row.axes and row.axes not in points.axes else []),
        ]
        for row in rows
    }
    needed = dict.fromkeys(name for row in rows if row.needed for name in missing[row.marker])
    if needed:
        raise InputError(
            f"{path}: expected {', '.join(needed)}, found none"
            f"{near(next(iter(needed)), list(points.places))}"
        )
    places, notes = {}, []
    for row in rows:
        if missing[row.marker]:
            continue
        place = np.mean([points.places[source] for source in row.sources], axis=0)
        if row.axes:
            place = place + points.axes[row.axes] @ np.array(row.offset)
        if np.isnan(place).any(axis=1).all():
            raise InputError(
                f"{path}: expected {' and '.join(row.sources)} in some frame, found no data"
            )
        places[row.marker] = place
    if not places:
        raise InputError(f"{path}: expected points of the mapping, found none")
    left = [row.marker for row in rows if missing[row.marker]]
    if left:
        notes.append(f"{path}: markers without a point in the file, omitted: {', '.join(left)}")
    used = {source for row in rows for source in (*row.sources, row.axes)}
    unused = [name for name in points.places if name not in used]
    if unused:
        notes.append(f"{path}: points not used ({len(unused)}): {', '.join(unused)}")
    return places, notes


def _compare(model: Path, markers: Markers) -> list[str]:
    """Require that the model has all markers; note its markers without data."""
    root = read_xml(model, what="an OpenSim model (.osim)")
    known = [marker.get("name", "") for marker in root.iter("Marker")]
    foreign = [name for name in markers.names if name not in known]
    if foreign:
        raise InputError(
            f"{model}: expected the markers {', '.join(foreign)}, found none"
            f"{near(foreign[0], known)}; use a mapping to the names of this model"
        )
    without = [name for name in known if name not in markers.names]
    return [f"{model}: markers without data ({len(without)}): {', '.join(without)}"] * bool(without)
