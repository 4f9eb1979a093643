"""Ground reaction as OpenSim's external loads: which columns act on which body."""

import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError, near
from nem2e_tf.simulate.model_file import ModelFile, read_xml, text_of
from nem2e_tf.simulate.setup_xml import element, elements, objects
from nem2e_tf.storage import Storage, read_storage

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
