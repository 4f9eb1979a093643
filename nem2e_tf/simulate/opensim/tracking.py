"""Stages that track a motion in forward simulation: residual reduction, computed muscle control.

Residual reduction adjusts the joint angles and the trunk to the ground reaction; actuators replace
the muscles. Computed muscle control computes the excitations that make the muscles follow a motion.
"""

import functools
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from nem2e_tf.errors import InputError, near
from nem2e_tf.io.storage import Storage
from nem2e_tf.simulate.opensim.dynamics import (
    ID_MOTION,
    DynamicsSettings,
    MotionInputs,
    actuator,
    force_gates,
    is_distance,
    own_inputs,
    read_inputs,
    reserve_actuators,
    root_actuators,
    with_facts,
    with_moments,
    write_actuators,
    write_loads,
)
from nem2e_tf.simulate.opensim.files import ModelFile, element, write_document
from nem2e_tf.simulate.opensim.inputs import motion_file
from nem2e_tf.simulate.opensim.process import LOG, log_lines
from nem2e_tf.simulate.opensim.stage import Finished, Gate, Judged, Tool, found_file, tracking_gates

# Critically damped tracking gains: kv = 2 sqrt(kp), as in OpenSim's examples.
_KP, _KV = 100.0, 20.0
# The forces decide where the root translates; the attitude of the trunk hardly changes.
_WEIGHT, _ROOT_DISTANCE, _ROOT_ANGLE = 20.0, 5.0, 500.0
# Residual reduction has weak root actuators, so that the optimizer avoids them: N, N m, and the
# largest multiples of them.
_RRA_ROOT: dict[str, Any] = {"force": 4.0, "moment": 2.0, "limit": (20.0, 50.0)}
_JOINT_MOMENT = 300.0
# Computed muscle control has strong ones: muscles must not compensate the remaining residuals.
_CMC_ROOT: dict[str, Any] = {"force": 100.0, "moment": 80.0, "limit": (100.0, 100.0)}
# Computed muscle control spends the first 30 ms on initial states, without output.
_SETTLING = 0.03
MODEL = "adjusted.osim"
_OUTPUTS = {
    "motion": "*_Kinematics_q.sto",
    "forces": "*_Actuation_force.sto",
    "errors": "*_pErr.sto",
}


@dataclass(frozen=True)
class TrackingSettings(DynamicsSettings):
    """Settings of a stage that tracks a motion, in addition to `DynamicsSettings`.

    Attributes
    ----------
    tasks : Path or None
        OpenSim's CMC_TaskSet with all tracking weights; by default all free coordinates are
        tracked.
    weights : mapping of str to float
        Tracking weight of a coordinate without a CMC_TaskSet.
    actuators : Path or None
        OpenSim's ForceSet with the actuators.
    constraints : Path or None
        OpenSim's ControlSet with the bounds of the actuators.
    """

    tasks: Path | None = None
    weights: Mapping[str, float] = field(
        default_factory=dict, metadata={"option": "--weight", "metavar": "COORDINATE=NUMBER"}
    )
    actuators: Path | None = None
    constraints: Path | None = None


@dataclass(frozen=True)
class RraSettings(TrackingSettings):
    """Settings of residual reduction, in addition to `TrackingSettings`.

    Attributes
    ----------
    adjust_body : str
        Body whose centre of mass is moved to lower the residual moments; empty for none.
    """

    adjust_body: str = "torso"


@dataclass(frozen=True)
class CmcSettings(TrackingSettings):
    """Settings of computed muscle control, in addition to `TrackingSettings`.

    Attributes
    ----------
    window : float
        Time ahead at which forces are to be reached, s.
    fast : bool
        Meet the accelerations exactly or fail; or approximate them, which takes longer.
    """

    window: float = 0.01
    fast: bool = field(default=True, metadata={"option": "--fast/--slow"})


def _read(settings: TrackingSettings) -> MotionInputs:
    inputs = read_inputs(settings)
    for name in settings.weights if settings.tasks is None else ():
        if name not in inputs.model.free:
            raise InputError(
                f"weights {name}: expected a free coordinate of {inputs.model.path.name}, found "
                f"none{near(name, inputs.model.free)}"
            )
    more = (settings.tasks, settings.actuators, settings.constraints)
    files = (*inputs.files, *(file for file in more if file is not None))
    return replace(inputs, files=files)


def _read_rra(settings: RraSettings) -> MotionInputs:
    inputs = _read(settings)
    if settings.adjust_body:
        inputs.model.require_body(settings.adjust_body, where=f"adjust_body {settings.adjust_body}")
    if not inputs.model.root_body and settings.actuators is None:
        raise InputError(f"{inputs.model.path}: expected a joint that moves on ground, found none")
    return inputs


def _read_cmc(settings: CmcSettings) -> MotionInputs:
    inputs = _read(settings)
    inputs.model.require_muscles()
    return inputs


_own = functools.partial(
    own_inputs, motion="desired_kinematics_file", cutoff="lowpass_cutoff_frequency"
)


def _setup(
    tool: Tool,
    inputs: MotionInputs,
    folder: Path,
    actuators: list[ET.Element],
    content: Mapping[str, object],
) -> ET.Element:
    """Setup of either tool; files of actuators and tasks are written if none are given."""
    settings: TrackingSettings = inputs.settings
    force_set: object = settings.actuators
    if force_set is None:
        force_set = write_actuators(folder / "actuators.xml", actuators)
    task_set: object = settings.tasks
    if task_set is None:
        tasks = {"objects": _tasks(inputs.model, settings.weights)}
        write_document(folder / "tasks.xml", element("CMC_TaskSet", tasks, name="tracking"))
        task_set = "tasks.xml"
    common = {
        "model_file": inputs.model.path,
        "results_directory": ".",
        "initial_time": inputs.span[0],
        "final_time": inputs.span[1],
        "maximum_number_of_integrator_steps": 200000,
        "minimum_integrator_step_size": 1e-8,
        "desired_kinematics_file": motion_file(inputs.motion, folder),
        "lowpass_cutoff_frequency": settings.cutoff,
        "optimizer_algorithm": "ipopt",
        "use_verbose_printing": False,
        "force_set_files": force_set,
        "external_loads_file": write_loads(inputs, folder),
        "task_set_file": task_set,
    }
    bounds = {"constraints_file": settings.constraints} if settings.constraints else {}
    return element(tool.kind, {**common, **content, **bounds}, name=tool.name)


def _tasks(model: ModelFile, weights: Mapping[str, float]) -> list[ET.Element]:
    """Tracking task of every free coordinate."""
    tasks = []
    for name in model.free:
        usual = _WEIGHT
        if name in model.residual:
            usual = _ROOT_DISTANCE if is_distance(name) else _ROOT_ANGLE
        content = {
            "on": True,
            "weight": weights.get(name, usual),
            "wrt_body": -1,
            "express_body": -1,
            "active": "true false false",
            "kp": (_KP, 1.0, 1.0),
            "kv": (_KV, 1.0, 1.0),
            "ka": (1.0, 1.0, 1.0),
            "coordinate": name,
            "limit": 0,
        }
        tasks.append(element("CMC_Joint", content, name=name))
    return tasks


def _setup_rra(inputs: MotionInputs, folder: Path) -> ET.Element:
    settings: RraSettings = inputs.settings
    actuators = []
    if settings.actuators is None:
        actuators = root_actuators(inputs.model, **_RRA_ROOT) + [
            actuator("CoordinateActuator", name, _JOINT_MOMENT, 1.0, coordinate=name)
            for name in inputs.model.free
            if name not in inputs.model.residual
        ]
    content = {
        "replace_force_set": True,
        "solve_for_equilibrium_for_auxiliary_states": False,
        "maximum_integrator_step_size": 0.001,
        "integrator_error_tolerance": 1e-4,
        "adjust_com_to_reduce_residuals": bool(settings.adjust_body),
        "adjusted_com_body": settings.adjust_body,
        "output_model_file": MODEL,
    }
    return _setup(RRA, inputs, folder, actuators, content)


def _setup_cmc(inputs: MotionInputs, folder: Path) -> ET.Element:
    settings: CmcSettings = inputs.settings
    actuators = []
    if settings.actuators is None:
        reserves = reserve_actuators(inputs.model, settings, skip=inputs.model.residual)
        actuators = root_actuators(inputs.model, **_CMC_ROOT) + reserves
    content = {
        "replace_force_set": False,
        "solve_for_equilibrium_for_auxiliary_states": True,
        "maximum_integrator_step_size": 1.0,
        "integrator_error_tolerance": 1e-6,
        "cmc_time_window": settings.window,
        "use_fast_optimization_target": settings.fast,
        "optimizer_max_iterations": 1000,
    }
    return _setup(CMC, inputs, folder, actuators, content)


def _gates(done: Finished) -> list[Gate]:
    moments = done.tables.get("moments")
    gates = force_gates(done.tables["forces"], moments, done.inputs, done.facts)
    return gates + tracking_gates(*_errors(done.tables["errors"]))


def _errors(errors: Storage) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Tracking errors in degrees and m; the tools write radians and m."""
    angles, distances = {}, {}
    for label in errors.labels:
        if is_distance(label):
            distances[label] = errors.column(label)
        else:
            angles[label] = np.degrees(errors.column(label))
    return angles, distances


def _judge_rra(done: Finished) -> Judged:
    pattern = r"(torso): orig mass = ([\d.]+), new mass = ([\d.]+)"
    notes = [
        f"OpenSim recommends {found[3]} kg instead of {found[2]} kg for {found[1]}"
        for line in log_lines(done.folder / LOG, "new mass")
        if (found := re.search(pattern, line))
    ]
    inputs: MotionInputs = done.inputs
    if inputs.own is not None:
        adjusted = inputs.own.text("adjust_com_to_reduce_residuals").lower() == "true"
    else:
        adjusted = bool(inputs.settings.adjust_body)
    model = {"model": found_file(done.folder, MODEL, stage=RRA.name)} if adjusted else {}
    return Judged(_gates(done), notes[-1:], model)


def _judge_cmc(done: Finished) -> Judged:
    return Judged(_gates(done))


RRA = Tool(
    name="rra",
    kind="RRATool",
    title="Adjust joint angles and the trunk's centre of mass to the ground reaction.",
    settings=RraSettings,
    hidden=("reserve", "reserves"),
    read=_read_rra,
    read_own=_own,
    setup=_setup_rra,
    replaced={"results_directory": ".", "output_model_file": MODEL},
    job=with_facts,
    outputs={**_OUTPUTS, "states": "*_states.sto"},
    slack=lambda _inputs: 0.005,
    judge=_judge_rra,
)
CMC = Tool(
    name="cmc",
    kind="CMCTool",
    title="Compute excitations and activations by computed muscle control.",
    settings=CmcSettings,
    hidden=("window",),
    read=_read_cmc,
    read_own=_own,
    setup=_setup_cmc,
    job=with_moments,
    outputs={"states": "*_states.sto", **_OUTPUTS, "moments": ID_MOTION},
    delay=_SETTLING,
    slack=lambda _inputs: 0.02,
    judge=_judge_cmc,
)
