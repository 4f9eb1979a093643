"""Computed muscle control: excitations that make a forward simulation follow a motion."""

from dataclasses import dataclass
from pathlib import Path

from nem2e_tf.errors import InputError
from nem2e_tf.simulate.actuators import reserve_actuators, root_actuators, write_actuators
from nem2e_tf.simulate.dynamics import (
    ID_MOTION,
    Inputs,
    facts_job,
    force_gates,
    own_inputs,
    read_inputs,
    reserve_coordinate,
    write_id,
    write_loads,
)
from nem2e_tf.simulate.motion import motion_file
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
    tasks_of,
    tracking,
    write_tasks,
)

TOOL = "CMCTool"
_SETUP = "setup_cmc.xml"
_ACTUATORS = "actuators.xml"
_TASKS = "tasks.xml"
# Root actuators are strong: what RRA left must not fall to the muscles. N, N m.
ROOT_FORCE, ROOT_MOMENT, ROOT_TIMES = 100.0, 80.0, (100.0, 100.0)
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
    plan = _own(settings) if isinstance(settings, Path) else _generated(settings)
    return perform(plan, output, watch=watch)


def _generated(settings: CmcSettings) -> Plan:
    inputs = read_inputs(settings)
    model = inputs.model
    if not model.muscles:
        raise InputError(f"{model.path}: expected muscles, found none")
    tasks = None if settings.tasks else tasks_of(model, settings.weights)

    def make(folder: Path, run: Run) -> Made:
        if settings.actuators is None:
            root = root_actuators(model, force=ROOT_FORCE, moment=ROOT_MOMENT, limit=ROOT_TIMES)
            reserves = reserve_actuators(model, settings, skip=model.residual)
            write_actuators(folder / _ACTUATORS, [*root, *reserves])
        if tasks is not None:
            write_tasks(folder / _TASKS, tasks)
        values = tracking(inputs, settings.cutoff, motion_file(inputs.motion, folder))
        values |= {
            "replace_force_set": False,
            "force_set_files": str(settings.actuators.absolute())
            if settings.actuators
            else _ACTUATORS,
            "external_loads_file": write_loads(inputs, folder),
            "task_set_file": str(settings.tasks.absolute()) if settings.tasks else _TASKS,
            "solve_for_equilibrium_for_auxiliary_states": True,
            "maximum_integrator_step_size": 1.0,
            "integrator_error_tolerance": 1e-6,
            "cmc_time_window": settings.window,
            "use_fast_optimization_target": settings.fast,
            "optimizer_max_iterations": 1000,
        }
        if settings.constraints:
            values["constraints_file"] = str(settings.constraints.absolute())
        write_document(folder / _SETUP, element(TOOL, None, *elements(values), name="cmc"))
        return _run(folder, run, inputs)

    files = [settings.tasks, settings.actuators, settings.constraints]
    return Plan(
        "cmc",
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

    def make(folder: Path, run: Run) -> Made:
        own.write(folder / _SETUP, {"results_directory": "."})
        return _run(folder, run, inputs)

    return Plan("cmc", {"own": path.name}, inputs.files, inputs.span, make, inputs.notes)


def _run(folder: Path, run: Run, inputs: Inputs) -> Made:
    tools = [write_id(inputs, folder), [TOOL, _SETUP]]
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
