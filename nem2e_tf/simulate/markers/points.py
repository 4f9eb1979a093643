"""What motion systems write, read to named points (and axes of segments) over time, in metres."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.io.c3d import open_c3d, parameter
from nem2e_tf.io.time_series import read_csv
from nem2e_tf.io.trc import read_trc

_METRES = {"mm": 1e-3, "cm": 1e-2, "m": 1.0}


@dataclass(frozen=True, eq=False)
class Points:
    """Points of another system, in its own axes.

    Attributes
    ----------
    time : float64 array [frame]
        s.
    places : dict of str to float64 array [frame, 3]
        m; NaN where a point was not seen.
    axes : dict of str to float64 array [frame, 3, 3]
        Of segments: columns are their x, y and z axes.
    notes : tuple of str
        What was taken as a gap.
    """

    time: NDArray[np.float64]
    places: dict[str, NDArray[np.float64]]
    axes: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_points(path: Path, *, rate: float = math.nan, visibility: float = 0.5) -> Points:
    """Read a file of points by its ending: ``.trc``, ``.c3d`` or ``.csv``.

    Parameters
    ----------
    path : Path
        The file.
    rate : float
        Frames a second, for a CSV file without a column ``time``.
    visibility : float
        Landmarks in a CSV file whose ``_visibility`` is below this are gaps.

    Raises
    ------
    InputError
        The file is missing, damaged or of another kind, or holds no points.
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
        f"{path}: expected a file of points (.trc, .c3d, .csv), found {ending or 'no ending'}"
    )


def _read_landmarks(path: Path, *, rate: float, visibility: float) -> Points:
    """A CSV table with ``<name>_x``, ``_y``, ``_z`` (m) and, for some, ``_visibility``."""
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
        notes.append(f"frames with visibility below {visibility:g}, gaps: {', '.join(hidden_in)}")
    return Points(table.time, places, notes=tuple(notes))


def _read_c3d(path: Path) -> Points:
    """Markers, and segments with a matrix a frame (ROTATION), as Theia3D writes."""
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
        unseen = (place == 0).all(axis=1)
        if unseen.any():
            notes.append(f"{label}: {unseen.sum()} frames exactly at 0, 0, 0 taken as gaps")
            place[unseen] = np.nan
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
            f"{path}: expected markers and rotations of one rate, found {sorted(lengths)} frames"
        )
    if not rate > 0:
        raise InputError(f"{path}: expected a frame rate above 0, found {rate:g}")
    first = int(header["points"]["first_frame"])
    if first:
        notes.append(f"trimmed: its first frame is number {first + 1}, at {first / rate:g} s")
    return Points((first + np.arange(lengths.pop())) / rate, places, axes, tuple(notes))
