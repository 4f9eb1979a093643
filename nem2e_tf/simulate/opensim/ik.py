"""Inverse kinematics: from markers to joint angles."""

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nem2e_tf.errors import InputError
from nem2e_tf.io.trc import Markers
from nem2e_tf.simulate.opensim.files import (
    element,
    elements,
    objects,
    read_model,
    read_xml,
    take_over,
    text_of,
    write_document,
)
from nem2e_tf.simulate.opensim.inputs import Span, read_markers, span_of
from nem2e_tf.simulate.opensim.process import LOG, log_lines
from nem2e_tf.simulate.opensim.stage import (
    Made,
    Plan,
    Result,
    Run,
    Watch,
    found_file,
    marker_gates,
    perform,
    plain,
    verified,
)

TOOL = "InverseKinematicsTool"
MOTION = "ik.mot"
_SETUP = "setup_ik.xml"


@dataclass(frozen=True)
class IkSettings:
    """Settings of inverse kinematics.

    Attributes
    ----------
    model : Path
        Scaled model with markers.
    markers : Path
        Marker file (``.trc``).
    tasks : Path or None
        OpenSim's ``IKTaskSet``; every marker it applies has to be in the file. Else every marker of
        both model and file is tracked.
    weights : mapping of str to float
        Weights of markers, where there is no file of tasks; 1 where not given, 0 leaves one out.
    skip_missing : bool
        Leave out tasks whose marker the file or the model does not have; told in the notes.
    start, end : float or None
        s; the whole recording where not given.
    accuracy : float
        Of the solver.
    constraint_weight : float
        How strictly the model's constraints hold; infinite is exactly.
    """

    model: Path
    markers: Path
    tasks: Path | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    skip_missing: bool = False
    start: float | None = None
    end: float | None = None
    accuracy: float = 1e-5
    constraint_weight: float = math.inf


def inverse_kinematics(
    settings: IkSettings | Path, output: Path, *, watch: Watch | None = None
) -> Result:
    """Find the joint angles that bring the model's markers nearest to those measured.

    Parameters
    ----------
    settings : IkSettings or Path
        Settings, or the user's own setup file.
    output : Path
        Folder to write: ``ik.mot`` (output ``motion``) and the errors of the markers.
    watch : callable, optional
        Told how far it is.

    Raises
    ------
    InputError
        A marker is missing, a file cannot be read, the recording does not cover the span, or
        OpenSim failed.
    """
    plan = _own(settings) if isinstance(settings, Path) else plan_of(settings)
    return perform(plan, output, watch=watch)


def plan_of(settings: IkSettings) -> Plan:
    """Read the inputs and make sure that they fit each other; see `inverse_kinematics`."""
    model = read_model(settings.model)
    notes = []
    if settings.tasks is None:
        wanted = [name for name, weight in settings.weights.items() if weight > 0]
        read_markers(settings.markers, model, wanted=wanted)
        markers, names = read_markers(settings.markers, model)
        tasks = task_set({name: settings.weights.get(name, 1.0) for name in names})
    else:
        tasks = read_tasks(settings.tasks)
        wanted = [name for name, weight in marker_tasks(tasks).items() if weight > 0]
        if settings.skip_missing:
            there = {*read_markers(settings.markers, model)[1]}
            missing = [name for name in wanted if name not in there]
            wanted = [name for name in wanted if name in there]
            if missing:
                notes.append(
                    f"{settings.tasks}: tasks of {', '.join(missing)} left out: no such "
                    "marker in file or model"
                )
        markers, names = read_markers(settings.markers, model, wanted=wanted)
    span = span_of((settings.start, settings.end), markers.time, where=settings.markers)
    inputs = (settings.model, settings.markers, *([settings.tasks] if settings.tasks else []))
    unused = [name for name in markers.names if name not in names]
    if unused:
        notes.append(f"{settings.markers}: {len(unused)} markers not tracked, such as {unused[0]}")

    def make(folder: Path, run: Run) -> Made:
        tool = element(
            TOOL,
            None,
            *elements(
                {
                    "results_directory": ".",
                    "model_file": str(settings.model.absolute()),
                    "constraint_weight": "Infinity"
                    if math.isinf(settings.constraint_weight)
                    else settings.constraint_weight,
                    "accuracy": settings.accuracy,
                    "marker_file": str(settings.markers.absolute()),
                    "time_range": span,
                    "report_errors": True,
                    "output_motion_file": MOTION,
                }
            ),
            tasks,
            name="ik",
        )
        write_document(folder / _SETUP, tool)
        return _run(folder, run, span)

    notes += gaps(markers, names, span)
    return Plan("ik", plain(settings), inputs, span, make, tuple(notes))


def _own(path: Path) -> Plan:
    own = take_over(path, tool=TOOL)
    model_file, marker_file = own.file("model_file"), own.file("marker_file")
    if model_file is None or marker_file is None:
        raise InputError(f"{path}: expected <model_file> and <marker_file>, found none")
    model = read_model(model_file)
    markers, names = read_markers(marker_file, model)
    span = span_of(own.span("time_range", "time_range") or (None, None), markers.time, where=path)

    def make(folder: Path, run: Run) -> Made:
        own.write(
            folder / _SETUP,
            {"results_directory": ".", "output_motion_file": MOTION, "report_errors": True},
        )
        return _run(folder, run, span)

    notes = (*own.notes, *gaps(markers, names, span))
    return Plan("ik", {"own": path.name}, own.inputs, span, make, notes)


def _run(folder: Path, run: Run, span: Span) -> Made:
    run({"tools": [[TOOL, _SETUP]]})
    # The last frame may lie up to a frame before the end asked for.
    motion = verified(folder, MOTION, stage="ik", span=span, slack=0.05)
    if not np.isfinite(motion.data).all():
        raise InputError("ik: expected finite joint angles from OpenSim, found nan")
    name = found_file(folder, "*ik_marker_errors.sto", stage="ik")
    errors = verified(folder, name, stage="ik", span=span, slack=0.05)
    gates = marker_gates(
        errors.column("marker_error_max"), errors.column("marker_error_RMS"), where=_worst(folder)
    )
    return Made({"motion": MOTION, "marker_errors": name}, tuple(gates))


def _worst(folder: Path) -> str:
    """Name of the marker with the largest error, which only the log tells."""
    found = [
        re.search(r"max = (\S+) \((.+)\)", line)
        for line in log_lines(folder / LOG, r"marker error: RMS")
    ]
    return max((float(match[1]), match[2]) for match in found if match)[1] if any(found) else ""


def read_tasks(path: Path) -> ET.Element:
    """Read a file with an ``IKTaskSet``."""
    root = read_xml(path, what="OpenSim's IKTaskSet")
    found = root if root.tag == "IKTaskSet" else root.find("IKTaskSet")
    if found is None:
        raise InputError(f"{path}: expected OpenSim's IKTaskSet, found <{root.tag}>")
    return found


def marker_tasks(tasks: ET.Element) -> dict[str, float]:
    """Weight of each marker of a task set; 0 where it is not applied."""
    return {
        task.get("name", ""): 0.0
        if text_of(task, "apply") == "false"
        else float(text_of(task, "weight") or 1)
        for task in tasks.iter("IKMarkerTask")
    }


def task_set(weights: Mapping[str, float]) -> ET.Element:
    """Make an ``IKTaskSet`` of weights."""
    tasks = [
        element("IKMarkerTask", None, *elements({"apply": weight > 0, "weight": weight}), name=name)
        for name, weight in weights.items()
    ]
    return objects("IKTaskSet", tasks)


def gaps(markers: Markers, names: tuple[str, ...], span: Span) -> list[str]:
    """Tell which of the markers used were not seen all the time."""
    rows = (markers.time >= span[0]) & (markers.time <= span[1])
    unseen = {name: int(np.isnan(markers.marker(name)[rows]).any(axis=1).sum()) for name in names}
    worst = max(unseen, key=lambda name: unseen[name])
    if not unseen[worst]:
        return []
    count = sum(1 for frames in unseen.values() if frames)
    return [
        f"{markers.path}: {count} of {len(names)} markers not seen all the time, {worst} in "
        f"{unseen[worst]} of {int(rows.sum())} frames; OpenSim leaves them out there"
    ]
