"""Runs one job of OpenSim in its own process; started by `nem2e_tf.simulate.opensim.process`.

Imports only OpenSim and the standard library, so that it also runs under the Python of another
OpenSim installation. Its arguments are the JSON files of the job and of its answer.
"""

import importlib
import json
import math
import os
import sys
from pathlib import Path
from typing import Any

MOMENT_ARM = 1e-3


def run_tools(opensim: Any, tools: list[list[str]]) -> None:
    """Run the tools of a job in order, each from its setup file.

    Their return values are unreliable and ignored: the caller checks the files.
    """
    for kind, setup in tools:
        sys.stdout.write(f"nem2e-tf: {kind} {setup}\n")
        sys.stdout.flush()
        getattr(opensim, kind)(setup).run()


def run_moco(opensim: Any, job: dict[str, Any]) -> None:
    """Solve a MocoInverse, from a setup file or from the values of the job."""
    if job.get("setup"):
        inverse = opensim.MocoInverse()
        inverse.assign(opensim.OpenSimObject.makeObjectFromFile(job["setup"]))
    else:
        inverse = moco_problem(opensim, job)
    # The solution belongs to `solved`, which must not be collected before it.
    solved = inverse.solve()
    solution = solved.getMocoSolution()
    if solution.isSealed():
        solution.unseal()
        raise RuntimeError(f"MocoInverse found no solution: {solution.getStatus()}")
    opensim.STOFileAdapter.write(solution.exportToStatesTable(), job["states"])
    opensim.STOFileAdapter.write(solution.exportToControlsTable(), job["controls"])


def moco_problem(opensim: Any, job: dict[str, Any]) -> Any:
    """Build a MocoInverse from the values of the job."""
    model = opensim.ModelProcessor(job["model"])
    model.append(opensim.ModOpAddExternalLoads(job["loads"]))
    model.append(opensim.ModOpIgnoreTendonCompliance())
    model.append(opensim.ModOpReplaceMusclesWithDeGrooteFregly2016())
    model.append(opensim.ModOpIgnorePassiveFiberForcesDGF())
    model.append(opensim.ModOpScaleActiveFiberForceCurveWidthDGF(1.5))
    model.append(opensim.ModOpAddReserves(job["reserve"], 1000.0))
    inverse = opensim.MocoInverse()
    inverse.setName("moco")
    inverse.setModel(model)
    kinematics = opensim.TableProcessor(job["motion"])
    if job["cutoff"] > 0:
        kinematics.append(opensim.TabOpLowPassFilter(job["cutoff"]))
    kinematics.append(opensim.TabOpUseAbsoluteStateNames())
    inverse.setKinematics(kinematics)
    inverse.set_kinematics_allow_extra_columns(True)
    inverse.set_initial_time(job["start"])
    inverse.set_final_time(job["end"])
    inverse.set_mesh_interval(job["interval"])
    inverse.set_convergence_tolerance(1e-3)
    inverse.set_constraint_tolerance(1e-3)
    inverse.set_max_iterations(job["iterations"])
    return inverse


def facts(opensim: Any, job: dict[str, Any]) -> dict[str, Any]:
    """Return facts that require OpenSim: coordinates crossed by muscles, height of the COM."""
    model = opensim.Model(job["model"])
    state = model.initSystem()
    columns = opensim.TimeSeriesTable(job["motion"])
    coordinates = model.getCoordinateSet()
    names = [coordinates.get(i).getName() for i in range(coordinates.getSize())]
    labels = list(columns.getColumnLabels())
    row = columns.getRowAtIndex(columns.getNumRows() // 2)
    degrees = columns.hasTableMetaDataKey("inDegrees") and (
        columns.getTableMetaDataString("inDegrees") == "yes"
    )
    for name in names:
        if name in labels and not coordinates.get(name).getLocked(state):
            value = row[labels.index(name)]
            if degrees and coordinates.get(name).getMotionType() == 1:
                value = math.radians(value)
            coordinates.get(name).setValue(state, value, False)
    model.assemble(state)
    model.realizePosition(state)
    muscles = model.getMuscles()
    moved = [
        name
        for name in names
        if any(
            abs(muscles.get(i).computeMomentArm(state, coordinates.get(name))) > MOMENT_ARM
            for i in range(muscles.getSize())
        )
    ]
    return {"moved_by_muscles": moved, "com_height": model.calcMassCenterPosition(state)[1]}


def main() -> None:
    """Run a job; the process exits without OpenSim's clean-up, which damages files it wrote."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    answer: dict[str, Any] = {}
    try:
        opensim = importlib.import_module("opensim")
        opensim.Logger.removeFileSink()
        answer["opensim"] = str(opensim.GetVersion())
        run_tools(opensim, job["tools"])
        if job.get("moco"):
            run_moco(opensim, job["moco"])
        if job.get("facts"):
            answer["facts"] = facts(opensim, job["facts"])
    except Exception as error:
        answer["error"] = f"{type(error).__name__}: {error}"
    Path(sys.argv[2]).write_text(json.dumps(answer), encoding="utf-8")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
