"""Common parts of the stages that compute forces: inputs, additional actuators, gates, activations.

A reserve actuator drives one coordinate where muscles cannot; residual actuators act on the root
body, where the real person has none.
"""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError, near
from nem2e_tf.io.storage import Storage, read_storage
from nem2e_tf.simulate.opensim.files import (
    ModelFile,
    OwnSetup,
    element,
    files_of,
    read_model,
    write_document,
)
from nem2e_tf.simulate.opensim.inputs import (
    SHORTEST_STEP,
    Loads,
    Span,
    motion_file,
    read_loads,
    read_motion,
    require_cover,
    span_of,
)
from nem2e_tf.simulate.opensim.stage import Gate, Inputs, Result, Tool, reserve_gate, residual_gates

RESERVE = "_reserve"
# OpenSim's tools look for residual actuators of these names.
RESIDUAL_FORCES = ("FX", "FY", "FZ")
RESIDUAL_MOMENTS = ("MX", "MY", "MZ")
ID_MOTION = "id.sto"
_LOADS = "loads.xml"
_ID_SETUP = "setup_id.xml"
_DISTANCE = ("tx", "ty", "tz")
_UNBOUND = 1000.0


@dataclass(frozen=True)
class DynamicsSettings:
    """Settings of every stage that computes forces.

    Attributes
    ----------
    model : Path
        Scaled model (.osim).
    motion : Path
        Joint angles (.mot, .sto) from inverse kinematics or residual reduction.
    forces : Path
        Ground reaction (.mot, .sto) or OpenSim's external loads (.xml).
    load : tuple of str
        Body that a plate acts on, such as calcn_l=1_ground_force_v; one for each plate if the
        column names do not show the foot.
    start : float or None
        Start of the simulated span, s; by default that of the recording.
    end : float or None
        End of the simulated span, s; by default that of the recording.
    cutoff : float
        Low-pass filter of the motion, Hz; -1 for none. 6 Hz is usual for walking.
    reserve : float
        Optimal force of the reserve actuators, N m; the smaller, the more costly to use.
    reserves : mapping of str to float
        Optimal force of the reserve of one coordinate, such as a trunk without muscles, N m.
    """

    model: Path
    motion: Path
    forces: Path
    load: tuple[str, ...] = field(default=(), metadata={"metavar": "BODY=PREFIX"})
    start: float | None = None
    end: float | None = None
    cutoff: float = 6.0
    reserve: float = 1.0
    reserves: Mapping[str, float] = field(
        default_factory=dict, metadata={"option": "--reserve-of", "metavar": "COORDINATE=NUMBER"}
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class MotionInputs(Inputs):
    """Inputs of a stage that computes forces.

    Attributes
    ----------
    model : ModelFile
    motion : Storage
    loads : Loads
    cutoff : float
        Low-pass filter of the motion, Hz; -1 for none.
    """

    span: Span
    model: ModelFile
    motion: Storage
    loads: Loads
    cutoff: float


def read_inputs(settings: DynamicsSettings) -> MotionInputs:
    """Read model, motion and forces.

    Raises
    ------
    InputError
        A file is unreadable, a body is unknown, or motion or forces do not cover the span.
    """
    inputs = _read(
        (settings.model, settings.motion, settings.forces),
        (settings.start, settings.end),
        files=(settings.model, settings.motion, *files_of(settings.forces)),
        load=settings.load,
        cutoff=settings.cutoff,
        settings=settings,
    )
    for name in settings.reserves:
        if name not in inputs.model.free:
            raise InputError(
                f"reserves {name}: expected a free coordinate of {settings.model.name}, found "
                f"none{near(name, inputs.model.free)}"
            )
    return inputs


def own_inputs(
    own: OwnSetup,
    *,
    motion: str,
    cutoff: str,
    model: str = "model_file",
    loads: str = "external_loads_file",
) -> MotionInputs:
    """Read the model, motion and forces named in a setup file of the user.

    Parameters
    ----------
    own : OwnSetup
    motion, cutoff, model, loads : str
        Elements of the motion, its filter, the model and the external loads.
    """
    return _read(
        own.require_files(model, motion, loads),
        own.span("initial_time", "final_time"),
        files=own.inputs,
        notes=own.notes,
        cutoff=(own.numbers(cutoff) or [-1.0])[0],
        own=own,
    )


def _read(
    paths: Sequence[Path],
    asked: tuple[float | None, float | None],
    *,
    load: Sequence[str] = (),
    notes: tuple[str, ...] = (),
    **known: Any,
) -> MotionInputs:
    model = read_model(paths[0])
    motion, found = read_motion(paths[1], model)
    loads = read_loads(paths[2], model, given=load)
    span = span_of(asked, motion.time, where=paths[1])
    require_cover(loads.forces.time, span, where=loads.forces.path or paths[2], what="forces")
    notes = (*notes, *found, *loads.notes)
    return MotionInputs(model=model, motion=motion, loads=loads, span=span, notes=notes, **known)


def write_loads(inputs: MotionInputs, folder: Path) -> str:
    """Write the external loads and return the name of the file."""
    write_document(folder / _LOADS, inputs.loads.content())
    return _LOADS


def with_facts(tool: Tool, inputs: MotionInputs, folder: Path) -> dict[str, Any]:
    """Job of a tool that also returns `nem2e_tf.simulate.opensim.worker.facts`."""
    motion = motion_file(inputs.motion, folder)
    facts = {
        "model": str(inputs.model.path.absolute()),
        "motion": motion if isinstance(motion, str) else str(motion.absolute()),
    }
    return {"tools": [[tool.kind, tool.setup_file]], "facts": facts}


def with_moments(tool: Tool, inputs: MotionInputs, folder: Path) -> dict[str, Any]:
    """Job of a tool after inverse dynamics, whose moments the reserves are compared with."""
    settings = {
        "results_directory": ".",
        "model_file": inputs.model.path,
        "time_range": inputs.span,
        "forces_to_exclude": "Muscles",
        "external_loads_file": write_loads(inputs, folder),
        "coordinates_file": motion_file(inputs.motion, folder),
        "lowpass_cutoff_frequency_for_coordinates": inputs.cutoff,
        "output_gen_force_file": ID_MOTION,
    }
    write_document(folder / _ID_SETUP, element("InverseDynamicsTool", settings, name="id"))
    job = with_facts(tool, inputs, folder)
    return {**job, "tools": [["InverseDynamicsTool", _ID_SETUP], *job["tools"]]}


def is_distance(coordinate: str) -> bool:
    """True for a translation, by its name: ``pelvis_tx``."""
    return coordinate.endswith(_DISTANCE)


def reserve_coordinate(label: str) -> str | None:
    """Coordinate of a reserve actuator named like ours; None for another actuator.

    Examples
    --------
    >>> reserve_coordinate("knee_angle_r_reserve"), reserve_coordinate("soleus_r")
    ('knee_angle_r', None)
    """
    return label.removesuffix(RESERVE) if label.endswith(RESERVE) else None


def force_gates(
    table: Storage,
    inverse_dynamics: Storage | None,
    inputs: MotionInputs,
    facts: Mapping[str, Any],
    *,
    reserve_of: Callable[[str], str | None] = reserve_coordinate,
) -> list[Gate]:
    """Judge residuals and reserves.

    Parameters
    ----------
    table : Storage
        Forces of all actuators.
    inverse_dynamics : Storage or None
        Joint moments; without them reserves are not judged.
    inputs : MotionInputs
    facts : mapping
        ``com_height`` (m) and ``moved_by_muscles`` (coordinates).
    reserve_of : callable (label) -> coordinate or None
        Coordinate of the reserve in a column.
    """
    forces, moments = (
        {name: table.column(name) for name in names if name in table.labels}
        for names in (RESIDUAL_FORCES, RESIDUAL_MOMENTS)
    )
    reserves: dict[str, NDArray[np.float64]] = {}
    for label in table.labels:
        coordinate = reserve_of(label)
        if coordinate is None:
            continue
        kind = reserves
        if coordinate in inputs.model.residual:
            kind = forces if is_distance(coordinate) else moments
        kind[coordinate] = table.column(label)
    labels = () if inverse_dynamics is None else inverse_dynamics.labels
    joint_moments = {
        label.removesuffix("_moment"): inverse_dynamics.column(label)
        for label in labels
        if inverse_dynamics and label.endswith("_moment")
    }
    peak = inputs.loads.peak(*inputs.span)
    return [
        *residual_gates(forces, moments, external=peak, height=facts["com_height"]),
        *reserve_gate(reserves, joint_moments, crossed=facts["moved_by_muscles"]),
    ]


def actuator(kind: str, name: str, optimal: float, times: float, **content: object) -> ET.Element:
    """Make an actuator.

    Parameters
    ----------
    kind, name : str
        OpenSim's class, and the name of the actuator.
    optimal : float
        Optimal force, N or N m.
    times : float
        Largest multiple of the optimal force, in both directions.
    **content
        Further elements.
    """
    bounds = {"min_control": -times, "max_control": times, "optimal_force": optimal}
    return element(kind, {**bounds, **content}, name=name)


def reserve_actuators(
    model: ModelFile, settings: DynamicsSettings, *, skip: Sequence[str] = ()
) -> list[ET.Element]:
    """Make a reserve actuator for every free coordinate except the skipped ones."""
    optimal = {name: settings.reserves.get(name, settings.reserve) for name in model.free}
    return [
        actuator("CoordinateActuator", name + RESERVE, force, _UNBOUND, coordinate=name)
        for name, force in optimal.items()
        if name not in skip
    ]


def root_actuators(
    model: ModelFile, *, force: float, moment: float, limit: tuple[float, float]
) -> list[ET.Element]:
    """Make residual actuators at the centre of mass of the root body, named FX to MZ.

    Parameters
    ----------
    model : ModelFile
    force, moment : float
        Optimal forces, N and N m.
    limit : (float, float)
        Largest multiples of the optimal forces and moments.
    """
    axes = [tuple(axis) for axis in np.eye(3).tolist()]
    point = {"body": model.root_body, "point": model.root_mass_center, "point_is_global": False}
    bodies = {"bodyA": model.root_body, "bodyB": "ground", "torque_is_global": True}
    forces = [
        actuator(
            "PointActuator", name, force, limit[0], direction=axis, force_is_global=True, **point
        )
        for name, axis in zip(RESIDUAL_FORCES, axes, strict=True)
    ]
    return forces + [
        actuator("TorqueActuator", name, moment, limit[1], axis=axis, **bodies)
        for name, axis in zip(RESIDUAL_MOMENTS, axes, strict=True)
    ]


def write_actuators(path: Path, actuators: list[ET.Element]) -> str:
    """Write a file of actuators and return its name."""
    write_document(path, element("ForceSet", {"objects": actuators}, name="reserves"))
    return path.name


def activations(result: Result, muscles: Sequence[str]) -> Storage:
    """Return the activations of all muscles from a finished stage.

    Parameters
    ----------
    result : Result
        Of static optimization, computed muscle control or MocoInverse.
    muscles : sequence of str
        Names of the muscles of the model.

    Returns
    -------
    Storage
        One column per muscle in the given order, 0 to 1. Static optimization keeps its rows; the
        others, written at the steps of a solver, are interpolated linearly every 5 ms.

    Raises
    ------
    InputError
        The activation of a muscle is missing.
    """
    file = result.outputs.get("activation") or result.outputs["states"]
    table = read_storage(file)
    columns = [_column(table, name, file) for name in muscles]
    first = np.concatenate([[True], np.diff(table.time) > 0])
    time, data = table.time[first], table.data[first][:, columns]
    if "states" in result.outputs:
        count = max(int((time[-1] - time[0]) / SHORTEST_STEP + 1e-6), 1)
        grid = time[0] + SHORTEST_STEP * np.arange(count + 1)
        data = np.column_stack([np.interp(grid, time, column) for column in data.T])
        time = grid
    return Storage("Muscle activations", tuple(muscles), time, data, in_degrees=False)


def _column(table: Storage, muscle: str, file: Path) -> int:
    for label in (muscle, f"/forceset/{muscle}/activation", f"{muscle}.activation"):
        if label in table.labels:
            return table.labels.index(label)
    raise InputError(f"{file}: expected the activation of {muscle}, found none")
