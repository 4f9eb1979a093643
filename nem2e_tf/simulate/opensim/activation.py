"""Stages that compute activations without forward simulation: static optimization, MocoInverse.

Static optimization minimises the activations that give the joint moments, frame by frame.
MocoInverse does so for the whole motion by direct collocation, with the delay from excitation to
activation.
"""

import functools
import math
import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nem2e_tf.errors import InputError
from nem2e_tf.io.storage import Storage
from nem2e_tf.simulate.opensim.dynamics import (
    ID_MOTION,
    DynamicsSettings,
    MotionInputs,
    force_gates,
    is_distance,
    own_inputs,
    read_inputs,
    reserve_actuators,
    with_moments,
    write_actuators,
    write_loads,
)
from nem2e_tf.simulate.opensim.files import Coordinate, OwnSetup, element
from nem2e_tf.simulate.opensim.inputs import coordinate_columns, motion_file
from nem2e_tf.simulate.opensim.stage import Finished, Judged, Tool

# More costly than muscles, but strong enough to balance what no muscle can: N and N m.
_ROOT_RESERVE = 500.0
_ACTUATED_RESERVE = 50.0


@dataclass(frozen=True)
class SoSettings(DynamicsSettings):
    """Settings of static optimization, in addition to `DynamicsSettings`.

    By default the reserves of the root have 500 N or N m, and those of coordinates driven by an
    actuator of the model, such as a trunk without muscles, 50 N m.

    Attributes
    ----------
    exponent : float
        Exponent of the activations in the sum that is minimised; 2 is usual.
    physiology : bool
        Let the force depend on fibre length and velocity.
    every : int
        Use every n-th row of the motion.
    iterations : int
        Largest number of iterations per frame.
    convergence : float
        Convergence criterion of the optimizer.
    """

    exponent: float = 2.0
    physiology: bool = True
    every: int = 1
    iterations: int = 100
    convergence: float = 1e-4


def _read_so(settings: SoSettings) -> MotionInputs:
    inputs = read_inputs(settings)
    model = inputs.model
    usual = dict.fromkeys(model.actuated, _ACTUATED_RESERVE)
    usual |= dict.fromkeys(model.residual, _ROOT_RESERVE)
    usual = {name: value for name, value in usual.items() if name in model.free}
    return replace(inputs, settings=replace(settings, reserves=usual | dict(settings.reserves)))


def _setup_so(inputs: MotionInputs, folder: Path) -> ET.Element:
    settings: SoSettings = inputs.settings
    start, end = inputs.span
    reserves = reserve_actuators(inputs.model, settings)
    analysis = {
        "start_time": start,
        "end_time": end,
        "step_interval": settings.every,
        "in_degrees": True,
        "use_model_force_set": True,
        "activation_exponent": settings.exponent,
        "use_muscle_physiology": settings.physiology,
        "optimizer_convergence_criterion": settings.convergence,
        "optimizer_max_iterations": settings.iterations,
    }
    tool = {
        "model_file": inputs.model.path,
        "replace_force_set": False,
        "force_set_files": write_actuators(folder / "actuators.xml", reserves),
        "results_directory": ".",
        "initial_time": start,
        "final_time": end,
        "solve_for_equilibrium_for_auxiliary_states": False,
        "external_loads_file": write_loads(inputs, folder),
        "coordinates_file": motion_file(inputs.motion, folder),
        "lowpass_cutoff_frequency_for_coordinates": settings.cutoff,
        "AnalysisSet": {
            "objects": [element("StaticOptimization", analysis, name="StaticOptimization")]
        },
    }
    return element(SO.kind, tool, name="so")


def _judge_so(done: Finished) -> Judged:
    tables = done.tables
    return Judged(force_gates(tables["forces"], tables["moments"], done.inputs, done.facts))


def _slack_so(inputs: MotionInputs) -> float:
    return 1.5 * float(np.diff(inputs.motion.time).max())


SO = Tool(
    name="so",
    kind="AnalyzeTool",
    title="Compute activations by static optimization.",
    hint=" with a StaticOptimization",
    settings=SoSettings,
    hidden=("physiology", "iterations", "convergence"),
    read=_read_so,
    read_own=functools.partial(
        own_inputs, motion="coordinates_file", cutoff="lowpass_cutoff_frequency_for_coordinates"
    ),
    setup=_setup_so,
    job=with_moments,
    outputs={
        "activation": "*StaticOptimization_activation.sto",
        "forces": "*StaticOptimization_force.sto",
        "moments": ID_MOTION,
    },
    slack=_slack_so,
    judge=_judge_so,
)


@dataclass(frozen=True)
class MocoSettings(DynamicsSettings):
    """Settings of MocoInverse, in addition to `DynamicsSettings`.

    All coordinates have the same reserve; `reserves` must be empty. Tendons are rigid, and muscles
    are those of De Groote et al. (2016), as in OpenSim's own examples.

    Attributes
    ----------
    interval : float
        Mesh interval, s.
    iterations : int
        Largest number of iterations.
    """

    interval: float = 0.02
    iterations: int = 2000


def _read_moco(settings: MocoSettings) -> MotionInputs:
    if settings.reserves:
        raise InputError(
            "reserves: expected none with MocoInverse, which has one reserve for all coordinates"
        )
    inputs = read_inputs(settings)
    inputs.model.require_muscles()
    return replace(inputs, motion=_complete(inputs.motion, _missing(inputs)))


def _own_moco(own: OwnSetup) -> MotionInputs:
    inputs = own_inputs(
        own,
        model="ModelProcessor/filepath",
        motion="TableProcessor/filepath",
        loads="ModOpAddExternalLoads/filepath",
        cutoff="TabOpLowPassFilter/cutoff_frequency",
    )
    missing = _missing(inputs)
    if missing:
        raise InputError(
            f"{own.path}: expected all free coordinates in the kinematics, found no "
            f"{missing[0].name}, which MocoInverse would read as NaN"
        )
    if _reserve(inputs) is None:
        note = f"{own.path}: no <ModOpAddReserves>: reserves are not judged"
        return replace(inputs, notes=(*inputs.notes, note))
    return inputs


def _reserve(inputs: MotionInputs) -> float | None:
    """Optimal force of the reserves, N m; None if a user's setup has none."""
    if inputs.own is None:
        return float(inputs.settings.reserve)
    if inputs.own.document.find(".//ModOpAddReserves") is None:
        return None
    return (inputs.own.numbers("ModOpAddReserves/optimal_force") or [1.0])[0]


def _moco_job(tool: Tool, inputs: MotionInputs, folder: Path) -> dict[str, Any]:
    """Job of inverse dynamics and MocoInverse, whose problem the worker builds from settings."""
    job = with_moments(tool, inputs, folder)
    problem: dict[str, Any] = {"setup": tool.setup_file}
    if inputs.own is None:
        settings: MocoSettings = inputs.settings
        problem = {
            **job["facts"],
            "loads": "loads.xml",
            "cutoff": settings.cutoff,
            "reserve": settings.reserve,
            "start": inputs.span[0],
            "end": inputs.span[1],
            "interval": settings.interval,
            "iterations": settings.iterations,
        }
    problem |= {what: tool.outputs[what] for what in ("states", "controls")}
    return {**job, "tools": job["tools"][:1], "moco": problem}


def _judge_moco(done: Finished) -> Judged:
    reserve = _reserve(done.inputs)
    if reserve is None:
        return Judged()
    forces = _reserve_forces(done.tables["controls"], done.inputs.model.free, reserve)
    moments = done.tables["moments"]
    return Judged(
        force_gates(forces, moments, done.inputs, done.facts, reserve_of=lambda label: label)
    )


def _missing(inputs: MotionInputs) -> list[Coordinate]:
    columns = coordinate_columns(inputs.motion)
    return [one for one in inputs.model.coordinates if one.free and one.name not in columns]


def _complete(motion: Storage, missing: list[Coordinate]) -> Storage:
    """Add missing coordinates at their defaults; MocoInverse would read them as NaN."""
    if not missing:
        return motion
    scale = math.degrees(1) if motion.in_degrees else 1.0
    values = [one.default * (1.0 if is_distance(one.name) else scale) for one in missing]
    return replace(
        motion,
        labels=(*motion.labels, *(one.name for one in missing)),
        data=np.column_stack([motion.data, np.tile(values, (motion.n_rows, 1))]),
        path=None,
    )


def _reserve_forces(controls: Storage, coordinates: tuple[str, ...], optimal: float) -> Storage:
    """Forces of the reserves, by coordinate.

    MocoInverse names them like ``/forceset/reserve_jointset_hip_r_hip_flexion_r``.
    """
    reserves = [label for label in controls.labels if "/reserve_" in label]
    forces = {
        name: optimal * controls.column(label)
        for name in coordinates
        for label in [one for one in reserves if one.endswith(f"_{name}")][:1]
    }
    if not forces:
        raise InputError("moco: expected controls of reserves, found none")
    data = np.column_stack(list(forces.values()))
    return Storage("Reserves", tuple(forces), controls.time, data, in_degrees=False)


MOCO = Tool(
    name="moco",
    kind="MocoInverse",
    title="Compute activations by MocoInverse.",
    hint=", with files for the model, its kinematics and its external loads",
    settings=MocoSettings,
    hidden=("reserves",),
    read=_read_moco,
    read_own=_own_moco,
    setup=lambda _inputs, _folder: None,
    replaced={},
    job=_moco_job,
    outputs={"states": "moco_states.sto", "controls": "moco_controls.sto", "moments": ID_MOTION},
    slack=lambda _inputs: 0.01,
    judge=_judge_moco,
)
