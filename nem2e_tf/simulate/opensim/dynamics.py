"""Actuators beside the muscles: reserves of the coordinates, residuals of the root body.

What the stages share that find forces: their inputs, the actuators beside the muscles, gates.
"""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.io.storage import Storage
from nem2e_tf.simulate.opensim.files import (
    ModelFile,
    OwnSetup,
    element,
    elements,
    files_of,
    objects,
    read_model,
    write_document,
)
from nem2e_tf.simulate.opensim.inputs import (
    Loads,
    Span,
    motion_file,
    read_loads,
    read_motion,
    require_cover,
    span_of,
)
from nem2e_tf.simulate.opensim.stage import Gate, reserve_gate, residual_gates

RESERVE = "_reserve"
# Residual actuators on the root body, as OpenSim's tools name and look for them.
RESIDUAL_FORCES = ("FX", "FY", "FZ")
RESIDUAL_MOMENTS = ("MX", "MY", "MZ")
LOADS = "loads.xml"
ID_MOTION = "id.sto"
_ID_SETUP = "setup_id.xml"
_DISTANCE = ("tx", "ty", "tz")


@dataclass(frozen=True)
class DynamicsSettings:
    """Settings of every stage that finds forces.

    Attributes
    ----------
    model : Path
    motion : Path
        Joint angles: those of inverse kinematics or of residual reduction.
    forces : Path
        Ground reaction (``.mot``, ``.sto``), or OpenSim's XML of external loads.
    load : tuple of str
        ``BODY=PREFIX`` of each plate, where its columns' names do not tell.
    start, end : float or None
        s; what both motion and forces cover where not given.
    cutoff : float
        Low-pass filter of the motion, Hz; -1 for none. 6 Hz is the usual choice for walking.
    reserve : float
        Optimal force of the reserve actuator of each coordinate, N m. Small: it costs much to use.
    reserves : mapping of str to float
        Optimal forces of single coordinates, such as a trunk without muscles.
    """

    model: Path
    motion: Path
    forces: Path
    load: tuple[str, ...] = ()
    start: float | None = None
    end: float | None = None
    cutoff: float = 6.0
    reserve: float = 1.0
    reserves: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a stage that finds forces goes by, read and fitting each other.

    Attributes
    ----------
    model : ModelFile
    motion : Storage
    loads : Loads
    span : (float, float)
    cutoff : float
    files : tuple of Path
    notes : tuple of str
    """

    model: ModelFile
    motion: Storage
    loads: Loads
    span: Span
    cutoff: float
    files: tuple[Path, ...]
    notes: tuple[str, ...]


def read_inputs(settings: DynamicsSettings) -> Inputs:
    """Read model, motion and forces.

    Raises
    ------
    InputError
        One cannot be read, a body is unknown, or motion or forces do not cover the span.
    """
    model = read_model(settings.model)
    motion, notes = read_motion(settings.motion, model)
    loads = read_loads(settings.forces, model, given=settings.load)
    span = span_of((settings.start, settings.end), motion.time, where=settings.motion)
    force_file = loads.forces.path or settings.forces
    require_cover(loads.forces.time, span, where=force_file, what="forces")
    unknown = [name for name in settings.reserves if name not in model.free]
    if unknown:
        raise InputError(
            f"reserve {unknown[0]}: expected a free coordinate of {model.path.name}, found none"
        )
    files = [settings.model, settings.motion, *files_of(settings.forces)]
    return Inputs(model, motion, loads, span, settings.cutoff, tuple(files), (*notes, *loads.notes))


def own_inputs(
    own: OwnSetup,
    *,
    motion: str,
    span: tuple[str, str],
    cutoff: str,
    model: str = "model_file",
    loads: str = "external_loads_file",
) -> Inputs:
    """Read the model, motion and forces that a user's setup file names.

    Parameters
    ----------
    own : OwnSetup
    motion, cutoff : str
        Tags of the motion and of its filter.
    span : (str, str)
        Tags of start and end.
    model, loads : str
        Tags of the model and of the external loads.
    """
    files = {tag: own.file(tag) for tag in (model, motion, loads)}
    missing = [tag for tag, file in files.items() if file is None]
    if missing:
        raise InputError(f"{own.path}: expected <{missing[0]}>, found none")
    model_file, motion_path, loads_file = (file for file in files.values() if file is not None)
    body = read_model(model_file)
    recorded, notes = read_motion(motion_path, body)
    forces = read_loads(loads_file, body)
    asked = own.span(*span) or (None, None)
    found = span_of(asked, recorded.time, where=motion_path)
    require_cover(forces.forces.time, found, where=forces.forces.path, what="forces")
    filtered = own.number(cutoff, default=-1.0)
    return Inputs(body, recorded, forces, found, filtered, own.inputs, (*own.notes, *notes))


def write_loads(inputs: Inputs, folder: Path) -> str:
    """Write the external loads and name the file."""
    write_document(folder / LOADS, inputs.loads.content())
    return LOADS


def write_id(inputs: Inputs, folder: Path) -> list[str]:
    """Write the setup of inverse dynamics, which reserves are held against; tool and file."""
    write_document(
        folder / _ID_SETUP,
        element(
            "InverseDynamicsTool",
            None,
            *elements(
                {
                    "results_directory": ".",
                    "model_file": str(inputs.model.path.absolute()),
                    "time_range": inputs.span,
                    "forces_to_exclude": "Muscles",
                    "external_loads_file": write_loads(inputs, folder),
                    "coordinates_file": str(motion_file(inputs.motion, folder)),
                    "lowpass_cutoff_frequency_for_coordinates": inputs.cutoff,
                    "output_gen_force_file": ID_MOTION,
                }
            ),
            name="id",
        ),
    )
    return ["InverseDynamicsTool", _ID_SETUP]


def facts_job(inputs: Inputs, folder: Path) -> dict[str, str]:
    """Make the question for the height of the centre of mass and what muscles move."""
    return {
        "model": str(inputs.model.path.absolute()),
        "motion": str(motion_file(inputs.motion, folder)),
    }


Curves = dict[str, NDArray[np.float64]]


def moments_of(table: Storage) -> tuple[Curves, Curves]:
    """Forces and moments of inverse dynamics by coordinate."""
    forces: Curves = {}
    moments: Curves = {}
    for label in table.labels:
        name, _, kind = label.rpartition("_")
        (forces if kind == "force" else moments)[name] = table.column(label)
    return forces, moments


def is_distance(coordinate: str) -> bool:
    """Whether a coordinate is a translation, by its name: ``pelvis_tx``."""
    return coordinate.endswith(_DISTANCE)


def force_gates(
    table: Storage,
    inverse_dynamics: Storage | None,
    inputs: Inputs,
    facts: Mapping[str, object],
    *,
    reserve_of: Callable[[str], str | None],
) -> list[Gate]:
    """Judge residuals and reserves.

    Parameters
    ----------
    table : Storage
        Forces of all actuators.
    inverse_dynamics : Storage or None
        Joint moments; without, reserves are not judged.
    facts : mapping
        The worker's: ``com_height`` and ``moved_by_muscles``.
    reserve_of : callable (label) -> coordinate or None
        Which coordinate's reserve a column is.
    """
    residual_forces: Curves = {n: table.column(n) for n in RESIDUAL_FORCES if n in table.labels}
    residual_moments: Curves = {n: table.column(n) for n in RESIDUAL_MOMENTS if n in table.labels}
    reserves: Curves = {}
    for label in table.labels:
        coordinate = reserve_of(label)
        if coordinate is None:
            continue
        if coordinate in inputs.model.residual:
            kind = residual_forces if is_distance(coordinate) else residual_moments
            kind[coordinate] = table.column(label)
        else:
            reserves[coordinate] = table.column(label)
    moved = facts["moved_by_muscles"]
    assert isinstance(moved, list)
    moments = moments_of(inverse_dynamics)[1] if inverse_dynamics is not None else {}
    return [
        *residual_gates(
            residual_forces,
            residual_moments,
            external=inputs.loads.peak(*inputs.span),
            height=float(str(facts["com_height"])),
        ),
        *reserve_gate(reserves, moments, crossed=moved),
    ]


def reserve_coordinate(label: str) -> str | None:
    """Coordinate of a column of our own reserves, or of a user's named the same way.

    Examples
    --------
    >>> reserve_coordinate("knee_angle_r_reserve"), reserve_coordinate("soleus_r")
    ('knee_angle_r', None)
    """
    return label.removesuffix(RESERVE) if label.endswith(RESERVE) else None


_UNBOUND = 1000.0


def reserve_actuators(
    model: ModelFile, settings: DynamicsSettings, *, skip: Sequence[str] = ()
) -> list[ET.Element]:
    """Make a reserve actuator for every free coordinate.

    Parameters
    ----------
    skip : sequence of str
        Coordinates without one.
    """
    default = settings.reserve
    made = []
    for name in model.free:
        if name not in skip:
            values = {"coordinate": name, "optimal_force": settings.reserves.get(name, default)}
            bounds = {"min_control": -_UNBOUND, "max_control": _UNBOUND}
            made.append(
                element("CoordinateActuator", None, *elements(bounds | values), name=name + RESERVE)
            )
    return made


def root_actuators(
    model: ModelFile, *, force: float, moment: float, limit: tuple[float, float]
) -> list[ET.Element]:
    """Make residual actuators at the root body's centre of mass, named FX to MZ.

    Parameters
    ----------
    force, moment : float
        Optimal forces, N and N m.
    limit : (float, float)
        How many times that they may reach.
    """
    made = []
    axes = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    for name, axis in zip(RESIDUAL_FORCES, axes, strict=True):
        values: dict[str, object] = {"min_control": -limit[0], "max_control": limit[0]}
        values |= {"optimal_force": force, "body": model.root_body}
        values |= {"point": model.root_mass_center, "point_is_global": False}
        values |= {"direction": axis, "force_is_global": True}
        made.append(element("PointActuator", None, *elements(values), name=name))
    for name, axis in zip(RESIDUAL_MOMENTS, axes, strict=True):
        values = {"min_control": -limit[1], "max_control": limit[1], "optimal_force": moment}
        values |= {"bodyA": model.root_body, "bodyB": "ground"}
        values |= {"torque_is_global": True, "axis": axis}
        made.append(element("TorqueActuator", None, *elements(values), name=name))
    return made


def write_actuators(path: Path, actuators: list[ET.Element]) -> None:
    """Write a file of actuators."""
    write_document(path, objects("ForceSet", actuators, name="reserves"))
