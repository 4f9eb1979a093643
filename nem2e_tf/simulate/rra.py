"""Residual reduction: joint angles and a trunk that agree better with the ground reaction."""

import re
from dataclasses import dataclass
from pathlib import Path

from nem2e_tf.errors import InputError
from nem2e_tf.simulate.actuators import root_actuators, write_actuators
from nem2e_tf.simulate.dynamics import (
    Inputs,
    facts_job,
    force_gates,
    own_inputs,
    read_inputs,
    reserve_coordinate,
    write_loads,
)
from nem2e_tf.simulate.motion import motion_file
from nem2e_tf.simulate.process import LOG, log_lines
from nem2e_tf.simulate.setup_xml import element, elements, take_over, write_document
from nem2e_tf.simulate.stage import (
    Made,
    Plan,
    Result,
    Run,
    Watch,
    found_file,
    perform,
    plain,
    verified,
)
from nem2e_tf.simulate.tracking import (
    TrackingSettings,
    errors_of,
    joint_actuators,
    tasks_of,
    tracking,
    write_tasks,
)

TOOL = "RRATool"
MODEL = "adjusted.osim"
_SETUP = "setup_rra.xml"
_ACTUATORS = "actuators.xml"
_TASKS = "tasks.xml"
# Root actuators are weak, so that the optimizer leaves them alone: N, N m, and times of them.
ROOT_FORCE, ROOT_MOMENT, ROOT_TIMES = 4.0, 2.0, (20.0, 50.0)
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
            root = root_actuators(model, force=ROOT_FORCE, moment=ROOT_MOMENT, limit=ROOT_TIMES)
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
        write_document(folder / _SETUP, element(TOOL, None, *elements(values), name="rra"))
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
    own = take_over(path, tool=TOOL)
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
    facts = run({"tools": [[TOOL, _SETUP]], "facts": facts_job(inputs, folder)})["facts"]
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
