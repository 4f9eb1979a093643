"""Stages that use markers: scaling a generic model to a subject, and inverse kinematics."""

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from nem2e_tf.errors import InputError
from nem2e_tf.io.trc import Markers
from nem2e_tf.simulate.opensim.files import (
    ModelFile,
    OwnSetup,
    element,
    read_model,
    read_set,
    read_xml,
    text_of,
)
from nem2e_tf.simulate.opensim.inputs import Span, read_markers, span_of
from nem2e_tf.simulate.opensim.process import LOG, log_lines
from nem2e_tf.simulate.opensim.stage import Finished, Inputs, Judged, Tool, marker_gates

MOTION = "ik.mot"
MODEL = "scaled.osim"
FACTORS = "scale_factors.xml"
_STATIC = "static.mot"


@dataclass(frozen=True)
class IkSettings:
    """Settings of inverse kinematics.

    Attributes
    ----------
    model : Path
        Scaled model with markers (.osim).
    markers : Path
        Marker file (.trc).
    tasks : Path or None
        OpenSim's IKTaskSet with the weights of the markers; the file must have every marker that
        it applies. By default every marker that model and file share has the weight 1.
    weights : mapping of str to float
        Weight of a marker without an IKTaskSet; 0 excludes it.
    skip_missing : bool
        Skip tasks whose marker is missing in the file or the model, with a note.
    start : float or None
        Start of the span, s; by default that of the recording.
    end : float or None
        End of the span, s; by default that of the recording.
    accuracy : float
        Accuracy of the solver.
    constraint_weight : float
        Weight of the constraints of the model; infinity enforces them exactly.
    """

    model: Path
    markers: Path
    tasks: Path | None = None
    weights: Mapping[str, float] = field(
        default_factory=dict, metadata={"option": "--weight", "metavar": "MARKER=NUMBER"}
    )
    skip_missing: bool = False
    start: float | None = None
    end: float | None = None
    accuracy: float = 1e-5
    constraint_weight: float = math.inf


@dataclass(frozen=True, eq=False, kw_only=True)
class _MarkerInputs(Inputs):
    """Inputs of either stage; those that only the other one has keep their defaults."""

    mass: float = -1.0
    static_span: Span = (0.0, 0.0)
    sets: Mapping[str, ET.Element] = field(default_factory=dict)
    tasks: tuple[ET.Element, ...] = ()


def _read_ik(settings: IkSettings) -> _MarkerInputs:
    model = read_model(settings.model)
    notes = []
    tasks = read_set(settings.tasks, "IKTaskSet")
    applied = settings.weights if tasks is None else _marker_tasks(tasks)
    wanted = [name for name, weight in applied.items() if weight > 0]
    if tasks is None or settings.skip_missing:
        shared = read_markers(settings.markers, model)[1]
        missing = [name for name in wanted if name not in shared]
        if tasks is None:
            # A weight of a missing marker is an error; all shared markers are tracked.
            wanted = [*shared, *missing]
            tasks = _task_set({name: settings.weights.get(name, 1.0) for name in shared})
        elif missing:
            wanted = [name for name in wanted if name in shared]
            notes.append(
                f"{settings.tasks}: tasks of {', '.join(missing)} skipped: marker missing in the "
                "file or the model"
            )
    markers, names = read_markers(settings.markers, model, wanted=wanted)
    span = span_of((settings.start, settings.end), markers.time, where=settings.markers)
    unused = [name for name in markers.names if name not in names]
    if unused:
        notes.append(f"{settings.markers}: {len(unused)} markers not tracked, such as {unused[0]}")
    notes += _gaps(markers, names, span)
    files = (settings.model, settings.markers, *([settings.tasks] if settings.tasks else []))
    return _MarkerInputs(
        files=files, span=span, notes=tuple(notes), settings=settings, tasks=(tasks,)
    )


def _own_ik(own: OwnSetup) -> Inputs:
    model_file, marker_file = own.require_files("model_file", "marker_file")
    markers, names = read_markers(marker_file, read_model(model_file))
    span = span_of(own.span("time_range"), markers.time, where=own.path)
    notes = (*own.notes, *_gaps(markers, names, span))
    return Inputs(files=own.inputs, span=span, notes=notes, own=own)


def _ik_setup(inputs: _MarkerInputs, _folder: Path) -> ET.Element:
    settings: IkSettings = inputs.settings
    weight = settings.constraint_weight
    content = {
        "results_directory": ".",
        "model_file": settings.model,
        "constraint_weight": "Infinity" if math.isinf(weight) else weight,
        "accuracy": settings.accuracy,
        "marker_file": settings.markers,
        "time_range": inputs.span,
        "report_errors": True,
        "output_motion_file": MOTION,
    }
    return element(IK.kind, content, *inputs.tasks, name="ik")


def _judge_ik(done: Finished) -> Judged:
    if not np.isfinite(done.tables["motion"].data).all():
        raise InputError("ik: expected finite joint angles from OpenSim, found nan")
    errors = done.tables["marker_errors"]
    found = _logged_errors(done.folder)
    worst = max(found)[2] if found else ""
    largest, rms = errors.column("marker_error_max"), errors.column("marker_error_RMS")
    return Judged(marker_gates(largest, rms, where=worst))


def _logged_errors(folder: Path) -> list[tuple[float, float, str]]:
    """Largest and RMS marker error of each frame, m, and its marker, which only the log names."""
    pattern = r"marker error: RMS\s*=\s*([^\s,]+),? max\s*=\s*(\S+) \((.+)\)"
    found = [re.search(pattern, line) for line in log_lines(folder / LOG, "marker error: RMS")]
    return [(float(one[2]), float(one[1]), one[3]) for one in found if one]


def _marker_tasks(tasks: ET.Element) -> dict[str, float]:
    """Weight of each marker in a task set; 0 if it is not applied."""
    return {
        task.get("name", ""): 0.0
        if text_of(task, "apply") == "false"
        else float(text_of(task, "weight") or 1)
        for task in tasks.iter("IKMarkerTask")
    }


def _task_set(weights: Mapping[str, float]) -> ET.Element:
    tasks = [
        element("IKMarkerTask", {"apply": weight > 0, "weight": weight}, name=name)
        for name, weight in weights.items()
    ]
    return element("IKTaskSet", {"objects": tasks})


def _gaps(markers: Markers, names: tuple[str, ...], span: Span) -> list[str]:
    """Note on the tracked markers with gaps."""
    rows = (markers.time >= span[0]) & (markers.time <= span[1])
    missing = {name: int(np.isnan(markers.marker(name)[rows]).any(axis=1).sum()) for name in names}
    worst = max(missing, key=lambda name: missing[name])
    if not missing[worst]:
        return []
    count = sum(1 for frames in missing.values() if frames)
    return [
        f"{markers.path}: {count} of {len(names)} markers have gaps, {worst} in {missing[worst]} "
        f"of {int(rows.sum())} frames; OpenSim ignores them there"
    ]


@dataclass(frozen=True)
class ScaleSettings:
    """Settings of scaling.

    Attributes
    ----------
    model : Path
        Generic model (.osim).
    mass : float
        Mass of the subject, kg.
    static : Path or None
        Marker file of the subject standing still (.trc).
    measurements : Path or None
        OpenSim's MeasurementSet: the marker distances that scale each body. Requires the static
        trial.
    factors : Path or None
        OpenSim's ScaleSet: factors given by hand, which override measured ones.
    marker_set : Path or None
        OpenSim's MarkerSet, if the model has no markers or other ones.
    tasks : Path or None
        OpenSim's IKTaskSet that places the markers of the model at the measured ones; by default
        they are not moved.
    height : float or None
        Height of the subject, m: without measurements, all bodies are scaled by its ratio to the
        height of the model.
    model_height : float or None
        Height of the generic model, m.
    start : float or None
        Start of the average over the static trial, s; by default its start.
    end : float or None
        End of the average over the static trial, s; by default its end.
    keep_mass_distribution : bool
        Keep the share of each body in the mass; by default masses follow the volumes.
    """

    model: Path
    mass: float
    static: Path | None = None
    measurements: Path | None = None
    factors: Path | None = None
    marker_set: Path | None = None
    tasks: Path | None = None
    height: float | None = None
    model_height: float | None = None
    start: float | None = None
    end: float | None = None
    keep_mass_distribution: bool = False


def _read_scale(settings: ScaleSettings) -> _MarkerInputs:
    model = read_model(settings.model)
    if not settings.mass > 0:
        raise InputError(f"mass: expected more than 0 kg, found {settings.mass:g}")
    measurements = read_set(settings.measurements, "MeasurementSet")
    factors = read_set(settings.factors, "ScaleSet")
    for name in ("measurements", "tasks"):
        if getattr(settings, name) is not None and settings.static is None:
            raise InputError(f"{name}: expected a static trial as well, found none")
    if measurements is None and factors is None:
        factors = _by_height(settings, model)
    span: Span = (0.0, 0.0)
    tasks = None
    if settings.static is not None:
        named = read_set(settings.marker_set, "MarkerSet")
        if named is not None:
            model = replace(model, markers=tuple(m.get("name", "") for m in named.iter("Marker")))
        tasks = read_set(settings.tasks, "IKTaskSet")
        wanted = [name for text in _texts(measurements, "markers") for name in text.split()]
        placed = _marker_tasks(tasks) if tasks is not None else {}
        wanted += [name for name, weight in placed.items() if weight > 0]
        markers, _ = read_markers(settings.static, model, wanted=list(dict.fromkeys(wanted)))
        span = span_of((settings.start, settings.end), markers.time, where=settings.static)
    for body in _texts(factors, "segment"):
        model.require_body(body, where=str(settings.factors))
    unknown = [body for body in _texts(measurements, "BodyScale") if body not in model.bodies]
    note = f"{settings.measurements}: {', '.join(unknown)} skipped: the model has no such body"
    files = [settings.model, settings.static, settings.measurements, settings.factors]
    files += [settings.marker_set, settings.tasks]
    sets = {"measurements": measurements, "manualScale": factors}
    return _MarkerInputs(
        files=tuple(file for file in files if file is not None),
        span=None,
        notes=(note,) if unknown else (),
        settings=settings,
        mass=settings.mass,
        static_span=span,
        sets={name: one for name, one in sets.items() if one is not None},
        tasks=() if tasks is None else (tasks,),
    )


def _own_scale(own: OwnSetup) -> _MarkerInputs:
    read_model(own.require_files("model_file")[0])
    mass = own.numbers("mass") or [-1.0]
    return _MarkerInputs(files=own.inputs, span=None, notes=own.notes, own=own, mass=mass[0])


def _scale_setup(inputs: _MarkerInputs, _folder: Path) -> ET.Element:
    settings: ScaleSettings = inputs.settings
    common: dict[str, object] = {"time_range": inputs.static_span, "output_model_file": MODEL}
    if settings.static:
        common["marker_file"] = settings.static
    maker = {"model_file": settings.model}
    if settings.marker_set:
        maker["marker_set_file"] = settings.marker_set
    scaler = {
        "apply": True,
        "scaling_order": " ".join(inputs.sets),
        "preserve_mass_distribution": settings.keep_mass_distribution,
        "output_scale_file": FACTORS,
        **common,
    }
    placer = {
        "apply": bool(inputs.tasks),
        "output_motion_file": _STATIC,
        "max_marker_movement": -1.0,
        **common,
    }
    return element(
        SCALE.kind,
        {"mass": settings.mass, "GenericModelMaker": maker},
        element("ModelScaler", scaler, *inputs.sets.values()),
        element("MarkerPlacer", placer, *inputs.tasks),
        name="scale",
    )


def _judge_scale(done: Finished) -> Judged:
    scaled = read_model(done.folder / MODEL)
    mass = done.inputs.mass
    if mass > 0 and not math.isclose(scaled.mass, mass, rel_tol=1e-3):
        raise InputError(
            f"scale: expected a model of {mass:g} kg from OpenSim, found {scaled.mass:.5g} kg"
        )
    written = read_xml(done.folder / FACTORS, what="scale factors")
    factors = [
        (float(part), body)
        for body, text in zip(_texts(written, "segment"), _texts(written, "scales"), strict=True)
        for part in text.split()
        if body != "ground"
    ]
    least = min(factors, key=lambda one: one[0])
    most = max(factors, key=lambda one: one[0])
    note = (
        f"{scaled.mass:.4g} kg; factors from {least[0]:.3f} ({least[1]}) to {most[0]:.3f} "
        f"({most[1]})"
    )
    # The last errors are those after the markers of the model were moved.
    gates = [
        gate
        for largest, rms, marker in _logged_errors(done.folder)[-1:]
        for gate in marker_gates(np.array([largest]), np.array([rms]), where=marker)
    ]
    return Judged(gates, (note,))


def _by_height(settings: ScaleSettings, model: ModelFile) -> ET.Element:
    """Scale factors of all bodies by height; 1 if only the mass changes."""
    if settings.static is not None and settings.height is None:
        raise InputError(
            "static: expected measurements (the marker distances that scale each body) or factors "
            "with a static trial, found neither"
        )
    if (settings.height is None) != (settings.model_height is None):
        raise InputError(
            "height: expected the heights of the subject and of the generic model, found only one"
        )
    factor = (settings.height or 1.0) / (settings.model_height or 1.0)
    if not 0.5 < factor < 2.0:
        raise InputError(
            f"height: expected 0.5 to 2 times the height of the model, in m, found "
            f"{settings.height:g} and {settings.model_height:g}"
        )
    scales = [
        element("Scale", {"scales": (factor,) * 3, "segment": body, "apply": True})
        for body in model.bodies
    ]
    return element("ScaleSet", {"objects": scales})


def _texts(root: ET.Element | None, tag: str) -> list[str]:
    """Text of each element with a tag, or its name if it has no text."""
    found = root.iter(tag) if root is not None else []
    return [(one.text or "").strip() or one.get("name", "") for one in found]


SCALE = Tool(
    name="scale",
    kind="ScaleTool",
    title="Scale a model by a static trial, by factors or by height, or change only its mass.",
    settings=ScaleSettings,
    read=_read_scale,
    read_own=_own_scale,
    setup=_scale_setup,
    replaced={
        "ModelScaler/output_scale_file": FACTORS,
        "ModelScaler/output_model_file": MODEL,
        "MarkerPlacer/output_model_file": MODEL,
        "MarkerPlacer/output_motion_file": _STATIC,
        "MarkerPlacer/output_marker_file": "Unassigned",
    },
    outputs={"model": MODEL, "factors": FACTORS},
    judge=_judge_scale,
)
IK = Tool(
    name="ik",
    kind="InverseKinematicsTool",
    title="Compute joint angles from markers.",
    settings=IkSettings,
    hidden=("accuracy", "constraint_weight"),
    read=_read_ik,
    read_own=_own_ik,
    setup=_ik_setup,
    replaced={"results_directory": ".", "output_motion_file": MOTION, "report_errors": True},
    outputs={"motion": MOTION, "marker_errors": "*ik_marker_errors.sto"},
    # The last frame may lie up to one frame before the requested end.
    slack=lambda _inputs: 0.05,
    judge=_judge_ik,
)
