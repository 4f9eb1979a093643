"""Ground reaction as OpenSim's external loads: which columns act on which body.

Joint angles and markers that go into a stage: do they fit the model, do they cover the span.
"""

import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError, near
from nem2e_tf.io.storage import Storage, read_storage
from nem2e_tf.io.trc import Markers, read_trc
from nem2e_tf.simulate.opensim.files import ModelFile, element, elements, objects, read_xml, text_of

# What is asked for and what is there may differ by this, s: clocks are rounded.
SLACK = 1e-3
# Stamps further from even ones than this share of a step are no uniform time; nearer is rounding.
_UNIFORM = 0.1
# Non-uniform time is made uniform at steps of this or of its own median, whichever is longer, s.
# RRA's own steps are down to 1e-8 s, which no filter in OpenSim survives.
SHORTEST_STEP = 0.005

Span = tuple[float, float]


def read_motion(
    path: "str | os.PathLike[str]", model: ModelFile
) -> tuple[Storage, tuple[str, ...]]:
    """Read joint angles and make their time uniform.

    Parameters
    ----------
    path : path-like
        Storage file with a column a coordinate, by name or by OpenSim's path to its value.
    model : ModelFile

    Returns
    -------
    motion : Storage
        With the path of the file where it can be used as it is, else without.
    notes : tuple of str
        Coordinates the file lacks, and what was done to time.

    Raises
    ------
    InputError
        No column is one of the model's coordinates, or a needed one holds NaN.
    """
    motion = read_storage(path)
    columns = coordinate_columns(motion)
    free = [name for name in model.free if name in columns]
    missing = [name for name in model.free if name not in columns]
    if not free or motion.n_rows < 2:
        raise InputError(
            f"{path}: expected two rows or more of joint angles of {model.path.name} "
            f"({', '.join(model.free[:3])}, ...), found {motion.n_rows} rows of "
            f"{', '.join(motion.labels[:3])}"
        )
    for name in free:
        values = motion.data[:, columns[name]]
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise InputError(
                f"{path}, column {name}: expected finite numbers, found {values[bad[0]]} at "
                f"{motion.time[bad[0]]:.6g} s; fill or cut it first"
            )
    notes = [f"{path}: {note}" for note in motion.notes]
    if missing:
        notes.append(
            f"{path}: no column for {len(missing)} of {len(model.free)} coordinates, such as "
            f"{missing[0]}; OpenSim holds them at their defaults"
        )
    if any("/" in label for label in motion.labels):
        motion = replace(
            motion,
            labels=tuple(columns),
            data=motion.data[:, list(columns.values())],
            notes=(),
            path=None,
        )
        columns = {name: index for index, name in enumerate(columns)}
    step = np.diff(motion.time)
    even = np.linspace(motion.time[0], motion.time[-1], motion.n_rows)
    if (np.abs(motion.time - even) > _UNIFORM * step.mean()).any():
        motion = _uniform(motion, [columns[name] for name in columns], path)
        notes.append(
            f"{path}: time steps from {step.min():.3g} to {step.max():.3g} s; resampled to "
            f"{1 / np.diff(motion.time[:2])[0]:.5g} Hz"
        )
    return motion, tuple(notes)


def coordinate_columns(motion: Storage) -> dict[str, int]:
    """Find the column of each coordinate, by bare name or OpenSim's path to its value.

    Examples
    --------
    >>> labels = ("/jointset/hip_r/hip_flexion_r/value", "knee_angle_r")
    >>> coordinate_columns(Storage("", labels, np.zeros(1), np.zeros((1, 2))))
    {'hip_flexion_r': 0, 'knee_angle_r': 1}
    """
    found: dict[str, int] = {}
    for index, label in enumerate(motion.labels):
        name = label
        if "/" in label:
            *_, name, quantity = label.split("/")
            if quantity != "value":
                continue
        found.setdefault(name, index)
    return found


def read_markers(
    path: "str | os.PathLike[str]", model: ModelFile, *, wanted: Sequence[str] = ()
) -> tuple[Markers, tuple[str, ...]]:
    """Read markers and compare their names with the model's.

    Parameters
    ----------
    wanted : sequence of str
        Markers that have to be there; those of the model that the file has, if none are named.

    Returns
    -------
    markers : Markers
    names : tuple of str
        Markers of both the model and the file, or those wanted.

    Raises
    ------
    InputError
        A wanted marker is missing in file or model, or fewer than three are in both.
    """
    markers = read_trc(path)
    known = {name.lower(): name for name in model.markers}
    for name in wanted:
        if name not in markers.names:
            raise InputError(
                f"{path}: expected a marker {name!r}, found none{near(name, markers.names)}; "
                "rename it in the file, or leave it out (tasks, --skip-missing)"
            )
        if name not in model.markers:
            raise InputError(
                f"{model.path}: expected a marker {name!r}, found none{near(name, model.markers)}"
            )
    both = tuple(wanted) or tuple(name for name in markers.names if name in model.markers)
    if len(both) < 3:
        unlike = [(name, known[name.lower()]) for name in markers.names if name.lower() in known]
        hint = f"; {unlike[0][0]!r} is {unlike[0][1]!r} in the model" if unlike else ""
        raise InputError(
            f"{path}: expected three markers or more of {model.path.name}, found {len(both)} of "
            f"{len(markers.names)} ({', '.join(markers.names[:3])}, ...); the model has "
            f"{', '.join(model.markers[:3]) or 'none'}{hint}"
        )
    return markers, both


def span_of(
    asked: "tuple[float | None, float | None]", /, time: NDArray[np.float64], *, where: object
) -> Span:
    """Make the span to go over of what is asked for and what is there.

    Raises
    ------
    InputError
        The span is empty or goes beyond the recording.
    """
    first, last = float(time[0]), float(time[-1])
    start = first if asked[0] is None else asked[0]
    end = last if asked[1] is None else asked[1]
    if not start < end:
        raise InputError(f"expected a start before the end, found {start:.6g} to {end:.6g} s")
    require_cover(time, (start, end), where=where, what="a recording")
    return max(start, first), min(end, last)


def require_cover(
    time: NDArray[np.float64], span: Span, *, where: object, what: str, slack: float = SLACK
) -> None:
    """Refuse a file that does not cover a span.

    Raises
    ------
    InputError
        The message gives the span that would do.
    """
    if not len(time) or time[0] > span[0] + slack or time[-1] < span[1] - slack:
        has = f"{time[0]:.6g} to {time[-1]:.6g} s" if len(time) else "no rows"
        raise InputError(
            f"{where}: expected {what} from {span[0]:.6g} to {span[1]:.6g} s, found {has}; give "
            "--start and --end within it"
        )


def _uniform(motion: Storage, columns: list[int], path: "str | os.PathLike[str]") -> Storage:
    """Resample angles to uniform time; monotone cubics do not ring where steps change by 1e5."""
    from scipy.interpolate import PchipInterpolator

    if motion.in_degrees is None:
        raise InputError(
            f"{path}: expected a header that says inDegrees=yes or no, since its time is to be "
            "made uniform, found none; add it"
        )
    first = np.concatenate([[True], np.diff(motion.time) > 0])
    time, data = motion.time[first], motion.data[first]
    step = max(float(np.median(np.diff(time))), SHORTEST_STEP)
    count = max(round((time[-1] - time[0]) / step), 1)
    grid = np.linspace(time[0], time[-1], count + 1)
    return replace(
        motion,
        labels=tuple(motion.labels[column] for column in columns),
        time=grid,
        data=PchipInterpolator(time, data[:, columns])(grid),
        notes=(),
        path=None,
    )


def motion_file(motion: Storage, folder: Path) -> Path:
    """Give the file of a motion, written to a folder where it was resampled."""
    if motion.path is not None:
        return motion.path.absolute()
    from nem2e_tf.io.storage import write_storage

    write_storage(folder / "motion.sto", motion)
    return Path("motion.sto")


_FEET = {"r": "calcn_r", "l": "calcn_l"}


@dataclass(frozen=True)
class Load:
    """One plate's force on one body.

    Attributes
    ----------
    body : str
    force, point, torque : str
        How the columns of each begin; ``x``, ``y`` and ``z`` follow. The torque may be empty.
    """

    body: str
    force: str
    point: str
    torque: str


@dataclass(frozen=True, eq=False)
class Loads:
    """All forces from outside in a recording.

    Attributes
    ----------
    loads : tuple of Load
    forces : Storage
        The file of forces.
    notes : tuple of str
        What was taken for granted.
    xml : Path or None
        The user's own file of external loads.
    """

    loads: tuple[Load, ...]
    forces: Storage
    notes: tuple[str, ...] = ()
    xml: Path | None = None

    def peak(self, start: float, end: float) -> float:
        """Largest magnitude of the net external force within a span, N."""
        return float(self.net(start, end).max(initial=0.0))

    def net(self, start: float, end: float) -> NDArray[np.float64]:
        """Magnitude of the net external force, N [row within the span]."""
        rows = (self.forces.time >= start) & (self.forces.time <= end)
        total = sum(
            np.column_stack([self.forces.column(load.force + axis)[rows] for axis in "xyz"])
            for load in self.loads
        )
        return np.asarray(np.linalg.norm(total, axis=1))

    def content(self) -> ET.Element:
        """Make OpenSim's element of these loads."""
        if self.xml is not None:
            root = read_xml(self.xml, what="external loads")
            own = root if root.tag == "ExternalLoads" else root[0]
            for tag in ("datafile", "external_loads_model_kinematics_file"):
                for old in own.findall(tag):
                    own.remove(old)
            own.append(element("datafile", str(_file(self.forces).absolute())))
            return own
        made = []
        for load in self.loads:
            given = {"applied_to_body": load.body, "force_expressed_in_body": "ground"}
            given |= {"point_expressed_in_body": "ground", "force_identifier": load.force}
            given |= {"point_identifier": load.point}
            if load.torque:
                given["torque_identifier"] = load.torque
            made.append(element("ExternalForce", None, *elements(given), name=f"on_{load.body}"))
        loads = objects("ExternalLoads", made, name="ground_reaction")
        loads.append(element("datafile", str(_file(self.forces).absolute())))
        return loads

    def as_list(self) -> list[dict[str, str]]:
        """Return the loads as plain values for JSON."""
        return [asdict(load) for load in self.loads]


def read_loads(
    path: "str | os.PathLike[str]", model: ModelFile, *, given: Sequence[str] = ()
) -> Loads:
    """Read ground reaction, from a storage file or from OpenSim's XML of external loads.

    Parameters
    ----------
    path : path-like
        ``.mot`` or ``.sto``, or ``.xml`` of external loads, which names the file of forces.
    model : ModelFile
    given : sequence of str
        ``BODY=PREFIX`` for each plate, such as ``calcn_l=1_ground_force_v``, where the names of the
        columns do not tell.

    Raises
    ------
    InputError
        A file or column is missing, a body is unknown, a force is NaN, or the columns do not tell
        which foot a plate is of.
    """
    file = Path(path)
    if file.suffix.lower() == ".xml":
        if given:
            raise InputError(f"{file}: expected --load or external loads as XML, found both")
        loads = _from_xml(file)
    else:
        forces = read_storage(file)
        loads = _given(forces, given) if given else _found(forces)
    for load in loads.loads:
        model.require_body(load.body, where=f"{file}, force {load.force!r}")
        for prefix in (load.force, load.point, load.torque):
            for axis in "xyz" if prefix else "":
                values = loads.forces.column(prefix + axis)
                bad = np.flatnonzero(~np.isfinite(values))
                if len(bad):
                    raise InputError(
                        f"{_file(loads.forces)}, column {prefix + axis}: expected finite numbers, "
                        f"found {values[bad[0]]} at {loads.forces.time[bad[0]]:.6g} s; fill or cut "
                        "it first"
                    )
    return loads


def _from_xml(file: Path) -> Loads:
    root = read_xml(file, what="external loads as XML")
    forces = [
        force for force in root.iter("ExternalForce") if force.find("applied_to_body") is not None
    ]
    named = next((text_of(holder, "datafile") for holder in root.iter("ExternalLoads")), "")
    if not forces or not named:
        raise InputError(f"{file}: expected external loads with forces and a datafile, found none")
    applied = [f for f in forces if text_of(f, "appliesForce") != "false"]
    applied = [f for f in applied if text_of(f, "isDisabled") != "true"]
    loads = [
        Load(
            text_of(force, "applied_to_body"),
            text_of(force, "force_identifier"),
            text_of(force, "point_identifier"),
            text_of(force, "torque_identifier"),
        )
        for force in applied
    ]
    return Loads(tuple(loads), read_storage(file.parent / named), (), file)


def _given(forces: Storage, texts: Sequence[str]) -> Loads:
    loads = []
    prefixes = [prefix for prefix, *_ in _plates(forces)]
    for text in texts:
        body, equals, prefix = (part.strip() for part in text.partition("="))
        if not (body and equals and prefix):
            raise InputError(
                f"--load {text}: expected BODY=PREFIX, such as calcn_l=1_ground_force_v"
            )
        plate = next(
            (p for p in _plates(forces) if p[0] in (prefix, prefix + "v", prefix + "_v")), None
        )
        if plate is None:
            raise InputError(
                f"{_file(forces)}: expected force columns {prefix}x, {prefix}y, {prefix}z, found "
                f"none{near(prefix, prefixes) or '; found ' + ', '.join(prefixes)}"
            )
        loads.append(Load(body, *plate))
    return Loads(tuple(loads), forces)


def _found(forces: Storage) -> Loads:
    """Tell the feet by the names of the columns."""
    plates = _plates(forces)
    if not plates:
        raise InputError(
            f"{_file(forces)}: expected columns of a force plate such as ground_force_vx, _vy, _vz "
            "with ground_force_px, _py, _pz, found none"
        )
    sides = [_side(prefix) for prefix, *_ in plates]
    notes: tuple[str, ...] = ()
    if len(plates) == 2 and sorted(sides) in (["", "l"], ["", "r"]):
        other = {"l": "r", "r": "l"}[max(sides)]
        sides = [side or other for side in sides]
    elif len(plates) == 2 and sides == ["", ""] and plates[1][0] == f"1_{plates[0][0]}":
        sides = ["r", "l"]
        notes = (
            f"{_file(forces)}: {plates[0][0]} taken for the right foot and {plates[1][0]} for the "
            "left one, as OpenSim's examples have it",
        )
    if "" in sides or len(set(sides)) < len(sides):
        raise InputError(
            f"{_file(forces)}: expected names that tell left and right, found "
            f"{', '.join(prefix for prefix, *_ in plates)}; give --load BODY=PREFIX for each plate"
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
        if force and all(
            f"{start}{axis}" in labels for start in (force[1], point) for axis in "xyz"
        ):
            torque = force[1][:-1].replace("force", "torque")
            plates.append((force[1], point, torque if f"{torque}x" in labels else ""))
    return plates


def _side(prefix: str) -> str:
    found = re.search(r"(?:^|_)(l|r|left|right)(?:_|$)", prefix.lower())
    return found[1][0] if found else ""


def _file(forces: Storage) -> Path:
    return forces.path or Path("forces")
