"""MocoInverse: activations by direct collocation, which knows the delay from excitation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nem2e_tf.errors import InputError
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
    write_id,
)
from nem2e_tf.simulate.opensim.files import ModelFile, take_over
from nem2e_tf.simulate.opensim.inputs import coordinate_columns, motion_file
from nem2e_tf.simulate.opensim.stage import (
    Gate,
    Made,
    Plan,
    Result,
    Run,
    Watch,
    perform,
    plain,
    verified,
)

TOOL = "MocoInverse"
STATES = "moco_states.sto"
CONTROLS = "moco_controls.sto"
_SETUP = "setup_moco.xml"
_RESERVE = "reserve_"


@dataclass(frozen=True)
class MocoSettings(DynamicsSettings):
    """Settings of MocoInverse; see `DynamicsSettings` for the first ones.

    All coordinates share one optimal force: of `reserves` nothing is taken. Tendons are rigid and
    muscles those of De Groote et al. (2016), as in OpenSim's own examples.

    Attributes
    ----------
    interval : float
        Of the mesh, s.
    iterations : int
        At most.
    """

    interval: float = 0.02
    iterations: int = 2000


def moco_inverse(
    settings: MocoSettings | Path, output: Path, *, watch: Watch | None = None
) -> Result:
    """Find activations by MocoInverse.

    Parameters
    ----------
    settings : MocoSettings or Path
        Settings, or the user's own setup file, as OpenSim prints a ``MocoInverse``: with files for
        model, kinematics and, as ``ModOpAddExternalLoads``, external loads.
    output : Path
        Folder to write: activations (output ``states``), excitations and reserves (``controls``)
        and inverse dynamics (``moments``).
    watch : callable, optional
        Told when it is done: the solver tells no time.

    Raises
    ------
    InputError
        Inputs do not fit each other, or OpenSim found no solution.
    """
    plan = _own(settings) if isinstance(settings, Path) else _generated(settings)
    return perform(plan, output, watch=watch)


def _generated(settings: MocoSettings) -> Plan:
    if settings.reserves:
        raise InputError("moco: expected one reserve for all coordinates, found single ones")
    inputs = read_inputs(settings)
    inputs = replace(inputs, motion=_complete(inputs.motion, inputs.model))
    if not inputs.model.muscles:
        raise InputError(f"{inputs.model.path}: expected muscles, found none")

    def make(folder: Path, run: Run) -> Made:
        problem = {
            "model": str(inputs.model.path.absolute()),
            "motion": str(motion_file(inputs.motion, folder)),
            "loads": "loads.xml",
            "cutoff": settings.cutoff,
            "reserve": settings.reserve,
            "start": inputs.span[0],
            "end": inputs.span[1],
            "interval": settings.interval,
            "iterations": settings.iterations,
        }
        return _run(folder, run, inputs, problem, reserve=settings.reserve)

    return Plan("moco", plain(settings), inputs.files, inputs.span, make, inputs.notes)


def _own(path: Path) -> Plan:
    own = take_over(path, tool=TOOL)
    inputs = own_inputs(
        own,
        model="ModelProcessor/filepath",
        motion="TableProcessor/filepath",
        loads="ModOpAddExternalLoads/filepath",
        span=("initial_time", "final_time"),
        cutoff="TabOpLowPassFilter/cutoff_frequency",
    )
    columns = coordinate_columns(inputs.motion)
    missing = [one.name for one in inputs.model.coordinates if one.free and one.name not in columns]
    if missing:
        raise InputError(
            f"{path}: expected the kinematics to have all free coordinates, found no {missing[0]}, "
            "which MocoInverse takes for NaN"
        )
    reserve = None
    notes = inputs.notes
    if own.document.find(".//ModOpAddReserves") is not None:
        reserve = own.number("ModOpAddReserves/optimal_force", default=1.0)
    else:
        notes += (f"{path}: no <ModOpAddReserves>, so that no reserves are judged",)

    def make(folder: Path, run: Run) -> Made:
        own.write(folder / _SETUP, {})
        return _run(folder, run, inputs, {"setup": _SETUP}, reserve=reserve)

    return Plan("moco", {"own": path.name}, inputs.files, inputs.span, make, notes)


def _run(
    folder: Path, run: Run, inputs: Inputs, problem: Mapping[str, object], *, reserve: float | None
) -> Made:
    tools = [write_id(inputs, folder)]
    moco = {**problem, "states": STATES, "controls": CONTROLS}
    facts = run({"tools": tools, "moco": moco, "facts": facts_job(inputs, folder)})["facts"]
    tables = {
        name: verified(folder, name, stage="moco", span=inputs.span, slack=0.01)
        for name in (STATES, CONTROLS, ID_MOTION)
    }
    gates: list[Gate] = []
    if reserve is not None:
        gates = force_gates(
            _forces(tables[CONTROLS], inputs.model, reserve),
            tables[ID_MOTION],
            inputs,
            facts,
            reserve_of=lambda label: label,
        )
    return Made({"states": STATES, "controls": CONTROLS, "moments": ID_MOTION}, tuple(gates))


def _complete(motion: Storage, model: ModelFile) -> Storage:
    """Add coordinates that the motion lacks, at their defaults: Moco would take them for NaN."""
    columns = coordinate_columns(motion)
    missing = [one for one in model.coordinates if one.free and one.name not in columns]
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


def _forces(controls: Storage, model: ModelFile, optimal: float) -> Storage:
    """Forces of the reserves, by coordinate.

    Moco names them like ``/forceset/reserve_jointset_hip_r_hip_flexion_r``.
    """
    named = {
        name: next(
            (
                label
                for label in controls.labels
                if f"/{_RESERVE}" in label and label.endswith(f"_{name}")
            ),
            None,
        )
        for name in model.free
    }
    forces = {
        name: optimal * controls.column(label) for name, label in named.items() if label is not None
    }
    if not forces:
        raise InputError("moco: expected controls of reserves, found none")
    data = np.column_stack(list(forces.values()))
    return Storage("Reserves", tuple(forces), controls.time, data, in_degrees=False)
