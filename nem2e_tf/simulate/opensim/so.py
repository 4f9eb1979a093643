"""Static optimization: the least squared activations that make the joint moments of a motion."""

from dataclasses import dataclass, replace
from pathlib import Path

from nem2e_tf.simulate.opensim.dynamics import (
    ID_MOTION,
    DynamicsSettings,
    Inputs,
    facts_job,
    force_gates,
    own_inputs,
    read_inputs,
    reserve_actuators,
    reserve_coordinate,
    write_actuators,
    write_id,
    write_loads,
)
from nem2e_tf.simulate.opensim.files import element, elements, objects, take_over, write_document
from nem2e_tf.simulate.opensim.inputs import motion_file
from nem2e_tf.simulate.opensim.stage import (
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

TOOL = "AnalyzeTool"
_SETUP = "setup_so.xml"
_ACTUATORS = "actuators.xml"
# Dearer to use than muscles, but free to close what no muscle can: N and N m.
ROOT_RESERVE = 500.0
ACTUATED_RESERVE = 50.0


@dataclass(frozen=True)
class SoSettings(DynamicsSettings):
    """Settings of static optimization; see `DynamicsSettings` for the first ones.

    Where `reserves` does not say otherwise, coordinates of the root have 500 N or N m and those
    that an actuator of the model drives, such as a trunk without muscles, 50.

    Attributes
    ----------
    exponent : float
        Power of activation that is summed; 2 is the usual choice.
    physiology : bool
        Whether force depends on fibre length and velocity.
    every : int
        Take every n-th row of the motion.
    iterations : int
        At most, a frame.
    convergence : float
    """

    exponent: float = 2.0
    physiology: bool = True
    every: int = 1
    iterations: int = 100
    convergence: float = 1e-4


def static_optimization(
    settings: SoSettings | Path, output: Path, *, watch: Watch | None = None
) -> Result:
    """Find activations by static optimization.

    Parameters
    ----------
    settings : SoSettings or Path
        Settings, or the user's own setup file of OpenSim's ``AnalyzeTool``.
    output : Path
        Folder to write: activations (output ``activation``), actuator forces (``forces``) and
        inverse dynamics (``moments``).
    watch : callable, optional
        Told how far it is.

    Raises
    ------
    InputError
        Inputs do not fit each other, or OpenSim failed.
    """
    plan = _own(settings) if isinstance(settings, Path) else _generated(settings)
    return perform(plan, output, watch=watch)


def _generated(settings: SoSettings) -> Plan:
    inputs = read_inputs(settings)
    usual = dict.fromkeys(inputs.model.residual, ROOT_RESERVE)
    usual = dict.fromkeys(inputs.model.actuated, ACTUATED_RESERVE) | usual
    usual = {name: value for name, value in usual.items() if name in inputs.model.free}
    settings = replace(settings, reserves=usual | dict(settings.reserves))

    def make(folder: Path, run: Run) -> Made:
        write_actuators(folder / _ACTUATORS, reserve_actuators(inputs.model, settings))
        start, end = inputs.span
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
            "model_file": str(inputs.model.path.absolute()),
            "replace_force_set": False,
            "force_set_files": _ACTUATORS,
            "results_directory": ".",
            "initial_time": start,
            "final_time": end,
            "solve_for_equilibrium_for_auxiliary_states": False,
            "external_loads_file": write_loads(inputs, folder),
            "coordinates_file": str(motion_file(inputs.motion, folder)),
            "lowpass_cutoff_frequency_for_coordinates": settings.cutoff,
        }
        one = element("StaticOptimization", None, *elements(analysis), name="StaticOptimization")
        written = element(TOOL, None, *elements(tool), name="so")
        written.append(objects("AnalysisSet", [one]))
        write_document(folder / _SETUP, written)
        return _run(folder, run, inputs)

    return Plan("so", plain(settings), inputs.files, inputs.span, make, inputs.notes)


def _own(path: Path) -> Plan:
    own = take_over(path, tool=TOOL)
    inputs = own_inputs(
        own,
        motion="coordinates_file",
        span=("initial_time", "final_time"),
        cutoff="lowpass_cutoff_frequency_for_coordinates",
    )

    def make(folder: Path, run: Run) -> Made:
        own.write(folder / _SETUP, {"results_directory": "."})
        return _run(folder, run, inputs)

    return Plan("so", {"own": path.name}, inputs.files, inputs.span, make, inputs.notes)


def _run(folder: Path, run: Run, inputs: Inputs) -> Made:
    tools = [write_id(inputs, folder), [TOOL, _SETUP]]
    facts = run({"tools": tools, "facts": facts_job(inputs, folder)})["facts"]
    slack = 1.5 * float((inputs.motion.time[1:] - inputs.motion.time[:-1]).max())
    names = {
        "activation": found_file(folder, "*StaticOptimization_activation.sto", stage="so"),
        "forces": found_file(folder, "*StaticOptimization_force.sto", stage="so"),
        "moments": ID_MOTION,
    }
    tables = {
        what: verified(folder, name, stage="so", span=inputs.span, slack=slack)
        for what, name in names.items()
    }
    gates = force_gates(
        tables["forces"], tables["moments"], inputs, facts, reserve_of=reserve_coordinate
    )
    return Made(names, tuple(gates))
