"""Computed muscle control: excitations that make a forward simulation follow a motion.

What residual reduction and computed muscle control share: tracking a motion in simulation.

Residual reduction: joint angles and a trunk that agree better with the ground reaction.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nem2e_tf.errors import InputError, near
from nem2e_tf.io.storage import Storage
from nem2e_tf.simulate.opensim.dynamics import (
    ID_MOTION,
    DynamicsSettings,
    Inputs,
    facts_job,
    force_gates,
    is_distance,
    own_inputs,
    read_inputs,
    reserve_actuators,
    reserve_coordinate,
    root_actuators,
    write_actuators,
    write_id,
    write_loads,
)
from nem2e_tf.simulate.opensim.files import (
    ModelFile,
    element,
    elements,
    objects,
    take_over,
    write_document,
)
from nem2e_tf.simulate.opensim.inputs import motion_file
from nem2e_tf.simulate.opensim.process import LOG, log_lines
from nem2e_tf.simulate.opensim.stage import (
    Gate,
    Made,
    Plan,
    Result,
    Run,
    Watch,
    found_file,
    perform,
    plain,
    tracking_gates,
    verified,
)

# Gains of the tracking, critically damped: kv = 2 sqrt(kp), as in OpenSim's examples.
_KP, _KV = 100.0, 20.0
# Root distances may drift to where the forces put them; the trunk's attitude hardly.
_WEIGHT, _ROOT_DISTANCE, _ROOT_ANGLE = 20.0, 5.0, 500.0


@dataclass(frozen=True)
class TrackingSettings(DynamicsSettings):
    """Settings of a stage that tracks a motion; see `DynamicsSettings` for the first ones.

    Attributes
    ----------
    tasks : Path or None
        OpenSim's ``CMC_TaskSet``: what is tracked how closely. Else all free coordinates.
    weights : mapping of str to float
        Tracking weights of coordinates, where there is no file of tasks.
    actuators, constraints : Path or None
        OpenSim's ``ForceSet`` and bounds of its controls.
    """

    tasks: Path | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    actuators: Path | None = None
    constraints: Path | None = None


def tasks_of(model: ModelFile, weights: Mapping[str, float]) -> list[ET.Element]:
    """Make a tracking task of every free coordinate.

    Raises
    ------
    InputError
        A weight is of no free coordinate.
    """
    for name in weights:
        if name not in model.free:
            raise InputError(
                f"weight {name}: expected a free coordinate of {model.path.name}, found "
                f"none{near(name, model.free)}"
            )
    made = []
    for name in model.free:
        usual = _WEIGHT
        if name in model.residual:
            usual = _ROOT_DISTANCE if is_distance(name) else _ROOT_ANGLE
        values = {
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
        made.append(element("CMC_Joint", None, *elements(values), name=name))
    return made


def write_tasks(path: Path, tasks: list[ET.Element]) -> None:
    """Write a file of tasks."""
    write_document(path, objects("CMC_TaskSet", tasks, name="tracking"))


def joint_actuators(model: ModelFile, moment: float) -> list[ET.Element]:
    """Make an actuator for every free coordinate that is no residual, in place of the muscles."""
    return [
        element(
            "CoordinateActuator",
            None,
            *elements(
                {
                    "min_control": -1.0,
                    "max_control": 1.0,
                    "coordinate": name,
                    "optimal_force": moment,
                }
            ),
            name=name,
        )
        for name in model.free
        if name not in model.residual
    ]


def tracking(inputs: Inputs, cutoff: float, motion: Path) -> dict[str, object]:
    """Settings that both tools have."""
    return {
        "model_file": str(inputs.model.path.absolute()),
        "results_directory": ".",
        "initial_time": inputs.span[0],
        "final_time": inputs.span[1],
        "maximum_number_of_integrator_steps": 200000,
        "minimum_integrator_step_size": 1e-8,
        "desired_kinematics_file": str(motion),
        "lowpass_cutoff_frequency": cutoff,
        "optimizer_algorithm": "ipopt",
        "use_verbose_printing": False,
    }


def errors_of(errors: Storage) -> list[Gate]:
    """Judge the errors of tracking, which the tools write in radians and m."""
    angles, distances = {}, {}
    for label in errors.labels:
        curve = errors.column(label)
        if is_distance(label):
            distances[label] = curve
        else:
            angles[label] = np.degrees(curve)
    return tracking_gates(angles, distances)


RRA_TOOL = "RRATool"
MODEL = "adjusted.osim"
_SETUP = "setup_rra.xml"
_ACTUATORS = "actuators.xml"
_TASKS = "tasks.xml"
# Root actuators are weak, so that the optimizer leaves them alone: N, N m, and times of them.
RRA_ROOT_FORCE, RRA_ROOT_MOMENT, RRA_ROOT_TIMES = 4.0, 2.0, (20.0, 50.0)
JOINT_MOMENT = 300.0


@dataclass(frozen=True)
class RraSettings(TrackingSettings):
    """Settings of residual reduction; see `TrackingSettings` for the first ones.

    Actuators take the place of the muscles.

    Attributes
    ----------
    adjust_body : str
        Body whose centre of mass is moved to lower the residual moments; empty for none.
    """

    adjust_body: str = "torso"


def reduce_residuals(
    settings: RraSettings | Path, output: Path, *, watch: Watch | None = None
) -> Result:
    """Adjust motion and trunk to the ground reaction.

    Parameters
    ----------
    settings : RraSettings or Path
        Settings, or the user's own setup file.
    output : Path
        Folder to write: joint angles (output ``motion``), forces (``forces``) and, where a body is
        adjusted, the model (``model``).
    watch : callable, optional
        Told how far it is.

    Raises
    ------
    InputError
        Inputs do not fit each other, or OpenSim failed.
    """
    plan = _own(settings) if isinstance(settings, Path) else _generated(settings)
    return perform(plan, output, watch=watch)


def _generated(settings: RraSettings) -> Plan:
    inputs = read_inputs(settings)
    model = inputs.model
    if settings.adjust_body:
        model.require_body(settings.adjust_body, where="adjust body")
    tasks = None if settings.tasks else tasks_of(model, settings.weights)
    if not model.root_body and settings.actuators is None:
        raise InputError(f"{model.path}: expected a joint to ground that moves, found none")

    def make(folder: Path, run: Run) -> Made:
        if settings.actuators is None:
            root = root_actuators(
                model, force=RRA_ROOT_FORCE, moment=RRA_ROOT_MOMENT, limit=RRA_ROOT_TIMES
            )
            joints = joint_actuators(model, JOINT_MOMENT)
            write_actuators(folder / _ACTUATORS, [*root, *joints])
        if tasks is not None:
            write_tasks(folder / _TASKS, tasks)
        values = tracking(inputs, settings.cutoff, motion_file(inputs.motion, folder))
        values |= {
            "replace_force_set": True,
            "force_set_files": str(settings.actuators.absolute())
            if settings.actuators
            else _ACTUATORS,
            "external_loads_file": write_loads(inputs, folder),
            "task_set_file": str(settings.tasks.absolute()) if settings.tasks else _TASKS,
            "solve_for_equilibrium_for_auxiliary_states": False,
            "maximum_integrator_step_size": 0.001,
            "integrator_error_tolerance": 1e-4,
            "adjust_com_to_reduce_residuals": bool(settings.adjust_body),
            "adjusted_com_body": settings.adjust_body,
            "output_model_file": MODEL,
        }
        if settings.constraints:
            values["constraints_file"] = str(settings.constraints.absolute())
        write_document(folder / _SETUP, element(RRA_TOOL, None, *elements(values), name="rra"))
        return _run(folder, run, inputs, adjusted=bool(settings.adjust_body))

    files = [settings.tasks, settings.actuators, settings.constraints]
    return Plan(
        "rra",
        plain(settings),
        (*inputs.files, *(file for file in files if file is not None)),
        inputs.span,
        make,
        inputs.notes,
    )


def _own(path: Path) -> Plan:
    own = take_over(path, tool=RRA_TOOL)
    inputs = own_inputs(
        own,
        motion="desired_kinematics_file",
        span=("initial_time", "final_time"),
        cutoff="lowpass_cutoff_frequency",
    )
    adjusted = own.text("adjust_com_to_reduce_residuals").lower() == "true"

    def make(folder: Path, run: Run) -> Made:
        own.write(folder / _SETUP, {"results_directory": ".", "output_model_file": MODEL})
        return _run(folder, run, inputs, adjusted=adjusted)

    return Plan("rra", {"own": path.name}, inputs.files, inputs.span, make, inputs.notes)


def _run(folder: Path, run: Run, inputs: Inputs, *, adjusted: bool) -> Made:
    facts = run({"tools": [[RRA_TOOL, _SETUP]], "facts": facts_job(inputs, folder)})["facts"]
    names = {
        "motion": found_file(folder, "*_Kinematics_q.sto", stage="rra"),
        "forces": found_file(folder, "*_Actuation_force.sto", stage="rra"),
        "errors": found_file(folder, "*_pErr.sto", stage="rra"),
        "states": found_file(folder, "*_states.sto", stage="rra"),
    }
    tables = {
        what: verified(folder, name, stage="rra", span=inputs.span, slack=0.005)
        for what, name in names.items()
    }
    gates = force_gates(
        tables["forces"], None, inputs, facts, reserve_of=reserve_coordinate
    ) + errors_of(tables["errors"])
    notes = [
        f"OpenSim recommends {found[3]} kg instead of {found[2]} kg for {found[1]}"
        for line in log_lines(folder / LOG, r"new mass")
        if (found := re.search(r"(\w+): orig mass = ([\d.]+), new mass = ([\d.]+)", line))
        and found[1] == "torso"
    ]
    if adjusted:
        if not (folder / MODEL).is_file():
            raise InputError(f"rra: expected OpenSim to write {MODEL}, found no such file")
        names["model"] = MODEL
    return Made(names, tuple(gates), tuple(notes[-1:]))


CMC_TOOL = "CMCTool"
_SETUP_CMC = "setup_cmc.xml"
_ACTUATORS_CMC = "actuators.xml"
_TASKS_CMC = "tasks.xml"
# Root actuators are strong: what RRA left must not fall to the muscles. N, N m.
CMC_ROOT_FORCE, CMC_ROOT_MOMENT, CMC_ROOT_TIMES = 100.0, 80.0, (100.0, 100.0)
# CMC spends the first 30 ms on initial states and writes nothing of them.
SETTLING = 0.03


@dataclass(frozen=True)
class CmcSettings(TrackingSettings):
    """Settings of computed muscle control; see `TrackingSettings` for the first ones.

    Actuators stand beside the muscles.

    Attributes
    ----------
    window : float
        Ahead of now by which forces are to be reached, s.
    fast : bool
        Accelerations are met exactly, or the tool gives up; else as well as may be, and slower.
    """

    window: float = 0.01
    fast: bool = True


def computed_muscle_control(
    settings: CmcSettings | Path, output: Path, *, watch: Watch | None = None
) -> Result:
    """Find excitations and activations by computed muscle control.

    Parameters
    ----------
    settings : CmcSettings or Path
        Settings, or the user's own setup file.
    output : Path
        Folder to write: states with the activations (output ``states``), joint angles
        (``motion``), forces (``forces``) and inverse dynamics (``moments``).
    watch : callable, optional
        Told how far it is.

    Raises
    ------
    InputError
        Inputs do not fit each other, or OpenSim failed.
    """
    plan = _own_cmc(settings) if isinstance(settings, Path) else _generated_cmc(settings)
    return perform(plan, output, watch=watch)


def _generated_cmc(settings: CmcSettings) -> Plan:
    inputs = read_inputs(settings)
    model = inputs.model
    if not model.muscles:
        raise InputError(f"{model.path}: expected muscles, found none")
    tasks = None if settings.tasks else tasks_of(model, settings.weights)

    def make(folder: Path, run: Run) -> Made:
        if settings.actuators is None:
            root = root_actuators(
                model, force=CMC_ROOT_FORCE, moment=CMC_ROOT_MOMENT, limit=CMC_ROOT_TIMES
            )
            reserves = reserve_actuators(model, settings, skip=model.residual)
            write_actuators(folder / _ACTUATORS_CMC, [*root, *reserves])
        if tasks is not None:
            write_tasks(folder / _TASKS_CMC, tasks)
        values = tracking(inputs, settings.cutoff, motion_file(inputs.motion, folder))
        values |= {
            "replace_force_set": False,
            "force_set_files": str(settings.actuators.absolute())
            if settings.actuators
            else _ACTUATORS_CMC,
            "external_loads_file": write_loads(inputs, folder),
            "task_set_file": str(settings.tasks.absolute()) if settings.tasks else _TASKS_CMC,
            "solve_for_equilibrium_for_auxiliary_states": True,
            "maximum_integrator_step_size": 1.0,
            "integrator_error_tolerance": 1e-6,
            "cmc_time_window": settings.window,
            "use_fast_optimization_target": settings.fast,
            "optimizer_max_iterations": 1000,
        }
        if settings.constraints:
            values["constraints_file"] = str(settings.constraints.absolute())
        write_document(folder / _SETUP_CMC, element(CMC_TOOL, None, *elements(values), name="cmc"))
        return _run_cmc(folder, run, inputs)

    files = [settings.tasks, settings.actuators, settings.constraints]
    return Plan(
        "cmc",
        plain(settings),
        (*inputs.files, *(file for file in files if file is not None)),
        inputs.span,
        make,
        inputs.notes,
    )


def _own_cmc(path: Path) -> Plan:
    own = take_over(path, tool=CMC_TOOL)
    inputs = own_inputs(
        own,
        motion="desired_kinematics_file",
        span=("initial_time", "final_time"),
        cutoff="lowpass_cutoff_frequency",
    )

    def make(folder: Path, run: Run) -> Made:
        own.write(folder / _SETUP_CMC, {"results_directory": "."})
        return _run_cmc(folder, run, inputs)

    return Plan("cmc", {"own": path.name}, inputs.files, inputs.span, make, inputs.notes)


def _run_cmc(folder: Path, run: Run, inputs: Inputs) -> Made:
    tools = [write_id(inputs, folder), [CMC_TOOL, _SETUP_CMC]]
    facts = run({"tools": tools, "facts": facts_job(inputs, folder)})["facts"]
    names = {
        "states": found_file(folder, "*_states.sto", stage="cmc"),
        "motion": found_file(folder, "*_Kinematics_q.sto", stage="cmc"),
        "forces": found_file(folder, "*_Actuation_force.sto", stage="cmc"),
        "errors": found_file(folder, "*_pErr.sto", stage="cmc"),
        "moments": ID_MOTION,
    }
    span = (inputs.span[0] + SETTLING, inputs.span[1])
    tables = {
        what: verified(
            folder, name, stage="cmc", span=inputs.span if what == "moments" else span, slack=0.02
        )
        for what, name in names.items()
    }
    gates = force_gates(
        tables["forces"], tables["moments"], inputs, facts, reserve_of=reserve_coordinate
    ) + errors_of(tables["errors"])
    return Made(names, tuple(gates))
