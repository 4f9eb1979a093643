"""Inputs of the stages: joint angles, markers and ground reaction, checked against the model.

Ground reaction becomes OpenSim's external loads: the columns of one plate act on one body.
"""

import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError, near
from nem2e_tf.io.storage import Storage, read_storage, write_storage
from nem2e_tf.io.trc import Markers, read_trc
from nem2e_tf.simulate.opensim.files import ModelFile, element, read_xml, text_of

# Tolerance between the requested span and the recorded one, s: clocks are rounded.
SLACK = 1e-3
# Time stamps further than this share of a step from uniform ones are not rounding.
_UNIFORM = 0.1
# Non-uniform time is resampled at this step or its own median, whichever is longer, s.
# RRA's steps go down to 1e-8 s, which no filter in OpenSim survives.
SHORTEST_STEP = 0.005

Span = tuple[float, float]


def read_motion(
    path: "str | os.PathLike[str]", model: ModelFile
) -> tuple[Storage, tuple[str, ...]]:
    """Read joint angles and make their time uniform.

    Parameters
    ----------
    path : path-like
        Storage file with one column per coordinate, labelled by its name or by OpenSim's path to
        its value.
    model : ModelFile

    Returns
    -------
    motion : Storage
        Its `path` is None if it differs from the file.
    notes : tuple of str
        Missing coordinates, and changes to time.

    Raises
    ------
    InputError
        No column is a coordinate of the model, or a free one holds NaN.
    """
    motion = read_storage(path)
    columns = coordinate_columns(motion)
    free = [name for name in model.free if name in columns]
    missing = [name for name in model.free if name not in columns]
    if not free or motion.n_rows < 2:
        raise InputError(
            f"{path}: expected two or more rows of joint angles of {model.path.name} "
            f"({', '.join(model.free[:3])}, ...), found {motion.n_rows} rows of "
            f"{', '.join(motion.labels[:3])}"
        )
    require_finite(motion, {name: columns[name] for name in free}, where=path)
    notes = [f"{path}: {note}" for note in motion.notes]
    if missing:
        notes.append(
            f"{path}: no column for {len(missing)} of {len(model.free)} coordinates, such as "
            f"{missing[0]}; OpenSim keeps them at their defaults"
        )
    if any("/" in label for label in motion.labels):
        data = motion.data[:, list(columns.values())]
        motion = replace(motion, labels=tuple(columns), data=data, notes=(), path=None)
        columns = {name: index for index, name in enumerate(columns)}
    step = np.diff(motion.time)
    even = np.linspace(motion.time[0], motion.time[-1], motion.n_rows)
    if (np.abs(motion.time - even) > _UNIFORM * step.mean()).any():
        motion = _uniform(motion, list(columns.values()), path)
        notes.append(
            f"{path}: time steps from {step.min():.3g} to {step.max():.3g} s; resampled to "
            f"{1 / np.diff(motion.time[:2])[0]:.5g} Hz"
        )
    return motion, tuple(notes)


def coordinate_columns(motion: Storage) -> dict[str, int]:
    """Column of each coordinate, labelled by its name or by OpenSim's path to its value.

    Examples
    --------
    >>> labels = ("/jointset/hip_r/hip_flexion_r/value", "knee_angle_r")
    >>> coordinate_columns(Storage("", labels, np.zeros(1), np.zeros((1, 2))))
    {'hip_flexion_r': 0, 'knee_angle_r': 1}
    """
    found: dict[str, int] = {}
    for index, label in enumerate(motion.labels):
        name = coordinate_of(label)
        if name:
            found.setdefault(name, index)
    return found


def coordinate_of(label: str) -> str:
    """Coordinate of a column; empty for speeds and other quantities of a path."""
    *above, quantity = label.split("/")
    if not above:
        return label
    return above[-1] if quantity == "value" else ""


def require_finite(
    table: Storage,
    columns: dict[str, int],
    *,
    where: object,
    remedy: str = "fill the gap or cut the recording first",
) -> None:
    """Raise an `InputError` if a cell of some columns is NaN or infinite."""
    for name, column in columns.items():
        values = table.data[:, column]
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise InputError(
                f"{where}, column {name}: expected finite numbers, found {values[bad[0]]} at "
                f"{table.time[bad[0]]:.6g} s; {remedy}"
            )


def read_markers(
    path: "str | os.PathLike[str]", model: ModelFile, *, wanted: Sequence[str] = ()
) -> tuple[Markers, tuple[str, ...]]:
    """Read markers and compare their names with those of the model.

    Parameters
    ----------
    path : path-like
        Marker file (``.trc``).
    model : ModelFile
    wanted : sequence of str
        Required markers; by default those that the model and the file share.

    Returns
    -------
    markers : Markers
    names : tuple of str
        The wanted markers, or the shared ones.

    Raises
    ------
    InputError
        A wanted marker is missing in the file or the model, or fewer than three are shared.
    """
    markers = read_trc(path)
    for name in wanted:
        if name not in markers.names:
            raise InputError(
                f"{path}: expected a marker {name!r}, found none{near(name, markers.names)}; "
                "rename it in the file, remove its task or weight, or skip missing markers"
            )
        if name not in model.markers:
            raise InputError(
                f"{model.path}: expected a marker {name!r}, found none{near(name, model.markers)}"
            )
    both = tuple(wanted) or tuple(name for name in markers.names if name in model.markers)
    if len(both) < 3:
        known = {name.lower(): name for name in model.markers}
        unlike = [(name, known[name.lower()]) for name in markers.names if name.lower() in known]
        hint = f"; {unlike[0][0]!r} is {unlike[0][1]!r} in the model" if unlike else ""
        raise InputError(
            f"{path}: expected three or more markers of {model.path.name}, found {len(both)} of "
            f"{len(markers.names)} ({', '.join(markers.names[:3])}, ...); the model has "
            f"{', '.join(model.markers[:3]) or 'none'}{hint}"
        )
    return markers, both


def span_of(
    asked: "tuple[float | None, float | None]", /, time: NDArray[np.float64], *, where: object
) -> Span:
    """Combine the requested start and end with those of the recording.

    Raises
    ------
    InputError
        The span is empty or exceeds the recording.
    """
    first, last = float(time[0]), float(time[-1])
    start = first if asked[0] is None else asked[0]
    end = last if asked[1] is None else asked[1]
    if not start < end:
        raise InputError(f"start: expected a time before the end, found {start:.6g} to {end:.6g} s")
    require_cover(time, (start, end), where=where, what="a recording")
    return max(start, first), min(end, last)


def require_cover(
    time: NDArray[np.float64], span: Span, *, where: object, what: str, slack: float = SLACK
) -> None:
    """Raise an `InputError`, with the recorded span, if a table does not cover a span."""
    if not len(time) or time[0] > span[0] + slack or time[-1] < span[1] - slack:
        has = f"{time[0]:.6g} to {time[-1]:.6g} s" if len(time) else "no rows"
        raise InputError(
            f"{where}: expected {what} from {span[0]:.6g} to {span[1]:.6g} s, found {has}; choose "
            "start and end within it"
        )


def _uniform(motion: Storage, columns: list[int], path: "str | os.PathLike[str]") -> Storage:
    """Resample to uniform time; monotone cubics do not ring where steps change by 1e5."""
    from scipy.interpolate import PchipInterpolator

    if motion.in_degrees is None:
        raise InputError(
            f"{path}: expected inDegrees=yes or no in the header, since the time must be resampled;"
            " found none; add it"
        )
    first = np.concatenate([[True], np.diff(motion.time) > 0])
    time, data = motion.time[first], motion.data[first]
    step = max(float(np.median(np.diff(time))), SHORTEST_STEP)
    grid = np.linspace(time[0], time[-1], max(round((time[-1] - time[0]) / step), 1) + 1)
    return replace(
        motion,
        labels=tuple(motion.labels[column] for column in columns),
        time=grid,
        data=PchipInterpolator(time, data[:, columns])(grid),
        notes=(),
        path=None,
    )


def motion_file(motion: Storage, folder: Path) -> Path | str:
    """Return the file of a motion; one that differs from its file is written to the folder."""
    if motion.path is not None:
        return motion.path
    write_storage(folder / "motion.sto", motion)
    return "motion.sto"


_FEET = {"r": "calcn_r", "l": "calcn_l"}


@dataclass(frozen=True)
class Load:
    """Force of one plate on one body.

    Attributes
    ----------
    body : str
    force, point, torque : str
        Column prefixes; ``x``, ``y`` and ``z`` follow. The torque may be empty.
    """

    body: str
    force: str
    point: str
    torque: str


@dataclass(frozen=True, eq=False)
class Loads:
    """All external forces of a recording.

    Attributes
    ----------
    loads : tuple of Load
    forces : Storage
    notes : tuple of str
        Assumptions.
    xml : Path or None
        The user's own file of external loads.
    """

    loads: tuple[Load, ...]
    forces: Storage
    notes: tuple[str, ...] = ()
    xml: Path | None = None

    def peak(self, start: float, end: float) -> float:
        """Largest magnitude of the net external force within a span, N."""
        rows = (self.forces.time >= start) & (self.forces.time <= end)
        total = sum(
            np.column_stack([self.forces.column(load.force + axis)[rows] for axis in "xyz"])
            for load in self.loads
        )
        return float(np.linalg.norm(total, axis=1).max(initial=0.0))

    def content(self) -> ET.Element:
        """Return OpenSim's element of external loads."""
        datafile = element("datafile", _file(self.forces))
        if self.xml is not None:
            root = read_xml(self.xml, what="external loads")
            own = root if root.tag == "ExternalLoads" else root[0]
            for tag in ("datafile", "external_loads_model_kinematics_file"):
                for old in own.findall(tag):
                    own.remove(old)
            own.append(datafile)
            return own
        forces = [
            element(
                "ExternalForce",
                {
                    "applied_to_body": load.body,
                    "force_expressed_in_body": "ground",
                    "point_expressed_in_body": "ground",
                    "force_identifier": load.force,
                    "point_identifier": load.point,
                    **({"torque_identifier": load.torque} if load.torque else {}),
                },
                name=f"on_{load.body}",
            )
            for load in self.loads
        ]
        return element("ExternalLoads", {"objects": forces}, datafile, name="ground_reaction")


def read_loads(
    path: "str | os.PathLike[str]", model: ModelFile, *, given: Sequence[str] = ()
) -> Loads:
    """Read ground reaction from a storage file or from OpenSim's XML of external loads.

    Parameters
    ----------
    path : path-like
        ``.mot`` or ``.sto``; or ``.xml`` of external loads, which names the file of forces.
    model : ModelFile
    given : sequence of str
        ``BODY=PREFIX`` for each plate, such as ``calcn_l=1_ground_force_v``; needed if the column
        names do not show which foot a plate belongs to.

    Raises
    ------
    InputError
        A file or column is missing, a body is unknown, a force is NaN, or the column names do not
        show which foot a plate belongs to.
    """
    file = Path(path)
    if file.suffix.lower() == ".xml":
        if given:
            raise InputError(f"load: expected none with external loads as XML, found {file}")
        loads = _from_xml(file)
    else:
        forces = read_storage(file)
        loads = _given(forces, given) if given else _found(forces)
    for load in loads.loads:
        model.require_body(load.body, where=f"{file}, force {load.force!r}")
        prefixes = [prefix for prefix in (load.force, load.point, load.torque) if prefix]
        labels = [prefix + axis for prefix in prefixes for axis in "xyz"]
        for label in labels:
            loads.forces.column(label)  # its error names similar columns
        columns = {label: loads.forces.labels.index(label) for label in labels}
        require_finite(loads.forces, columns, where=_file(loads.forces))
    return loads


def _from_xml(file: Path) -> Loads:
    root = read_xml(file, what="external loads as XML")
    forces = [
        force for force in root.iter("ExternalForce") if force.find("applied_to_body") is not None
    ]
    named = next((text_of(holder, "datafile") for holder in root.iter("ExternalLoads")), "")
    if not forces or not named:
        raise InputError(f"{file}: expected external loads with forces and a datafile, found none")
    identifiers = ("force_identifier", "point_identifier", "torque_identifier")
    loads = [
        Load(text_of(force, "applied_to_body"), *(text_of(force, tag) for tag in identifiers))
        for force in forces
        if text_of(force, "appliesForce") != "false" and text_of(force, "isDisabled") != "true"
    ]
    return Loads(tuple(loads), read_storage(file.parent / named), (), file)


def _given(forces: Storage, texts: Sequence[str]) -> Loads:
    loads = []
    plates = {prefix: plate for prefix, *plate in _plates(forces)}
    for text in texts:
        body, equals, prefix = (part.strip() for part in text.partition("="))
        if not (body and equals and prefix):
            raise InputError(f"load {text}: expected BODY=PREFIX, such as calcn_l=1_ground_force_v")
        full = next((p for p in (prefix, f"{prefix}v", f"{prefix}_v") if p in plates), None)
        if full is None:
            raise InputError(
                f"{_file(forces)}: expected force columns {prefix}x, {prefix}y, {prefix}z, found "
                f"none{near(prefix, list(plates)) or '; found ' + ', '.join(plates)}"
            )
        loads.append(Load(body, full, *plates[full]))
    return Loads(tuple(loads), forces)


def _found(forces: Storage) -> Loads:
    """Assign plates to feet by their column names."""
    plates = _plates(forces)
    if not plates:
        raise InputError(
            f"{_file(forces)}: expected columns of a force plate such as ground_force_vx, _vy, _vz "
            "with ground_force_px, _py, _pz, found none"
        )
    prefixes = [prefix for prefix, *_ in plates]
    sides = [_side(prefix) for prefix in prefixes]
    notes: tuple[str, ...] = ()
    if len(plates) == 2 and sorted(sides) in (["", "l"], ["", "r"]):
        other = {"l": "r", "r": "l"}[max(sides)]
        sides = [side or other for side in sides]
    elif len(plates) == 2 and sides == ["", ""] and prefixes[1] == f"1_{prefixes[0]}":
        sides = ["r", "l"]
        notes = (
            f"{_file(forces)}: {prefixes[0]} assigned to the right foot and {prefixes[1]} to the "
            "left, as in OpenSim's examples",
        )
    if "" in sides or len(set(sides)) < len(sides):
        raise InputError(
            f"{_file(forces)}: expected column names that distinguish left and right, found "
            f"{', '.join(prefixes)}; name the body of each plate (load: BODY=PREFIX)"
        )
    loads = [Load(_FEET[side], *plate) for side, plate in zip(sides, plates, strict=True)]
    return Loads(tuple(loads), forces, notes)


def _plates(forces: Storage) -> list[tuple[str, str, str]]:
    """Force, point and torque prefixes of each plate."""
    labels = set(forces.labels)
    plates = []
    for label in forces.labels:
        force = re.fullmatch(r"(.*force.*?v)x", label)
        point = f"{label[:-2]}p"
        if force and all(f"{head}{axis}" in labels for head in (force[1], point) for axis in "xyz"):
            torque = force[1][:-1].replace("force", "torque")
            plates.append((force[1], point, torque if f"{torque}x" in labels else ""))
    return plates


def _side(prefix: str) -> str:
    found = re.search(r"(?:^|_)(l|r|left|right)(?:_|$)", prefix.lower())
    return found[1][0] if found else ""


def _file(forces: Storage) -> Path:
    return forces.path or Path("forces")
