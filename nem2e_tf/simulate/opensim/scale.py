"""Scaling: a generic model made into a subject's, from a static trial or from mass and height."""

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nem2e_tf.errors import InputError
from nem2e_tf.simulate.opensim.files import (
    ModelFile,
    OwnSetup,
    element,
    elements,
    objects,
    read_model,
    read_xml,
    take_over,
    write_document,
)
from nem2e_tf.simulate.opensim.ik import marker_tasks, read_tasks
from nem2e_tf.simulate.opensim.inputs import Span, read_markers, span_of
from nem2e_tf.simulate.opensim.process import LOG, log_lines
from nem2e_tf.simulate.opensim.stage import (
    Gate,
    Made,
    Plan,
    Result,
    Run,
    Watch,
    marker_gates,
    perform,
    plain,
)

TOOL = "ScaleTool"
MODEL = "scaled.osim"
FACTORS = "scale_factors.xml"
_SETUP = "setup_scale.xml"
_STATIC = "static.mot"


@dataclass(frozen=True)
class ScaleSettings:
    """Settings of scaling.

    Attributes
    ----------
    model : Path
        Generic model.
    mass : float
        Of the subject, kg.
    static : Path or None
        Marker file of the subject standing.
    measurements : Path or None
        OpenSim's ``MeasurementSet``: which markers' distances scale which bodies. Needs `static`.
    factors : Path or None
        OpenSim's ``ScaleSet``: factors given by hand, over what is measured.
    marker_set : Path or None
        OpenSim's ``MarkerSet``, where the model has no markers or others.
    tasks : Path or None
        ``IKTaskSet`` by which the model's markers are moved to those measured; they stay where
        they are if not given.
    height, model_height : float or None
        m; without measurements, all bodies are scaled by the ratio of the two.
    start, end : float or None
        Stretch of the static trial that is averaged, s.
    keep_mass_distribution : bool
        Bodies keep their shares of the mass; else they follow their volumes.
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


def scale(settings: ScaleSettings | Path, output: Path, *, watch: Watch | None = None) -> Result:
    """Scale a model.

    Parameters
    ----------
    settings : ScaleSettings or Path
        Settings, or the user's own setup file.
    output : Path
        Folder to write: ``scaled.osim`` (output ``model``) and ``scale_factors.xml``.
    watch : callable, optional
        Told how far it is.

    Raises
    ------
    InputError
        A marker or body is missing, the settings do not tell how to scale, or OpenSim failed.
    """
    plan = _own(settings) if isinstance(settings, Path) else plan_of(settings)
    return perform(plan, output, watch=watch)


def plan_of(settings: ScaleSettings) -> Plan:
    """Read the inputs and make sure that they fit each other; see `scale`."""
    model = read_model(settings.model)
    if not settings.mass > 0:
        raise InputError(f"mass: expected more than 0 kg, found {settings.mass:g}")
    files = [settings.model, settings.static, settings.measurements, settings.factors]
    files += [settings.marker_set, settings.tasks]
    measurements = _set(settings.measurements, "MeasurementSet")
    factors = _set(settings.factors, "ScaleSet")
    for name, needs in (("measurements", measurements), ("tasks", settings.tasks)):
        if needs is not None and settings.static is None:
            raise InputError(f"{name}: expected a static trial with them, found none")
    if measurements is None and factors is None:
        factors = _by_height(settings, model)
    span: Span = (0.0, 0.0)
    tasks = None
    if settings.static is not None:
        named = _set(settings.marker_set, "MarkerSet")
        if named is not None:
            model = replace(model, markers=tuple(m.get("name", "") for m in named.iter("Marker")))
        tasks = read_tasks(settings.tasks) if settings.tasks else None
        wanted = [*_pairs(measurements)]
        wanted += [
            n for n, w in (marker_tasks(tasks) if tasks is not None else {}).items() if w > 0
        ]
        markers, _ = read_markers(settings.static, model, wanted=list(dict.fromkeys(wanted)))
        span = span_of((settings.start, settings.end), markers.time, where=settings.static)
    for body in _texts(factors, "segment"):
        model.require_body(body, where=str(settings.factors))
    unknown = [body for body in _texts(measurements, "BodyScale") if body not in model.bodies]
    notes = [f"{settings.measurements}: {', '.join(unknown)} left out: no such body in the model"]

    def make(folder: Path, run: Run) -> Made:
        static = str(settings.static.absolute()) if settings.static else None
        maker = {"model_file": str(settings.model.absolute())}
        if settings.marker_set:
            maker["marker_set_file"] = str(settings.marker_set.absolute())
        order = ["measurements"] if measurements is not None else []
        order += ["manualScale"] if factors is not None else []
        scaler: dict[str, object] = {"apply": True, "scaling_order": " ".join(order)}
        scaler |= {
            "time_range": span,
            "preserve_mass_distribution": settings.keep_mass_distribution,
        }
        scaler |= {"output_model_file": MODEL, "output_scale_file": FACTORS}
        placer: dict[str, object] = {"apply": tasks is not None, "time_range": span}
        placer |= {"output_model_file": MODEL, "output_motion_file": _STATIC}
        placer |= {"max_marker_movement": -1.0}
        if static:
            scaler["marker_file"] = placer["marker_file"] = static
        sets = [one for one in (measurements, factors) if one is not None]
        tool = element(
            TOOL,
            None,
            *elements({"mass": settings.mass}),
            element("GenericModelMaker", None, *elements(maker)),
            element("ModelScaler", None, *elements(scaler), *sets),
            element(
                "MarkerPlacer", None, *elements(placer), *([tasks] if tasks is not None else [])
            ),
            name="scale",
        )
        write_document(folder / _SETUP, tool)
        return _run(folder, run, settings.mass)

    inputs = tuple(file for file in files if file is not None)
    return Plan("scale", plain(settings), inputs, None, make, tuple(notes if unknown else ()))


def _own(path: Path) -> Plan:
    own = take_over(path, tool=TOOL)
    model = own.file("model_file")
    if model is None:
        raise InputError(f"{path}: expected <model_file>, found none")
    read_model(model)
    mass = _own_mass(own)

    def make(folder: Path, run: Run) -> Made:
        outputs: dict[str, object] = {
            "ModelScaler/output_scale_file": FACTORS,
            "ModelScaler/output_model_file": MODEL,
            "MarkerPlacer/output_model_file": MODEL,
            "MarkerPlacer/output_motion_file": _STATIC,
            "MarkerPlacer/output_marker_file": "Unassigned",
        }
        own.write(folder / _SETUP, outputs)
        return _run(folder, run, mass)

    return Plan("scale", {"own": path.name}, own.inputs, None, make, own.notes)


def _run(folder: Path, run: Run, mass: float) -> Made:
    run({"tools": [[TOOL, _SETUP]]})
    for name in (MODEL, FACTORS):
        if not (folder / name).is_file():
            raise InputError(f"scale: expected OpenSim to write {name}, found no such file")
    scaled = read_model(folder / MODEL)
    if mass > 0 and not math.isclose(scaled.mass, mass, rel_tol=1e-3):
        raise InputError(
            f"scale: expected a model of {mass:g} kg from OpenSim, found {scaled.mass:.5g} kg"
        )
    factors = [
        (body, [float(part) for part in text.split()])
        for body, text in zip(
            _texts(read_xml(folder / FACTORS, what="scale factors"), "segment"),
            _texts(read_xml(folder / FACTORS, what="scale factors"), "scales"),
            strict=True,
        )
        if body != "ground"
    ]
    least = min(factors, key=lambda one: min(one[1]))
    most = max(factors, key=lambda one: max(one[1]))
    note = (
        f"{scaled.mass:.4g} kg; factors from {min(least[1]):.3f} ({least[0]}) to "
        f"{max(most[1]):.3f} ({most[0]})"
    )
    return Made({"model": MODEL, "factors": FACTORS}, tuple(_gates(folder)), (note,))


def _gates(folder: Path) -> list[Gate]:
    """Errors of the markers after placement of the model, which only the log tells."""
    for line in reversed(log_lines(folder / LOG, r"marker error: RMS")):
        found = re.search(r"RMS\s*=\s*(\S+), max\s*=\s*(\S+) \((.+)\)", line)
        if found:
            largest, rms = np.array([float(found[2])]), np.array([float(found[1].rstrip(","))])
            return marker_gates(largest, rms, where=found[3])
    return []


def _by_height(settings: ScaleSettings, model: ModelFile) -> ET.Element:
    """Scale factors of all bodies by height, or of 1 where only the mass is to change."""
    if settings.static is not None and settings.height is None:
        raise InputError(
            "scale: expected measurements (which markers' distances scale which bodies) or factors "
            "with a static trial, found neither"
        )
    if (settings.height is None) != (settings.model_height is None):
        raise InputError("height: expected the subject's and the generic model's, found only one")
    factor = (settings.height or 1.0) / (settings.model_height or 1.0)
    if not 0.5 < factor < 2.0:
        raise InputError(
            f"height: expected metres, 0.5 to 2 times the model's, found {settings.height:g} and "
            f"{settings.model_height:g}"
        )
    scales = [
        element("Scale", None, *elements({"scales": (factor,) * 3, "segment": body, "apply": True}))
        for body in model.bodies
    ]
    return objects("ScaleSet", scales)


def _set(path: Path | None, tag: str) -> ET.Element | None:
    if path is None:
        return None
    root = read_xml(path, what=f"OpenSim's {tag}")
    found = root if root.tag == tag else next(root.iter(tag), None)
    if found is None:
        raise InputError(f"{path}: expected OpenSim's {tag}, found <{root.tag}>")
    return found


def _pairs(measurements: ET.Element | None) -> Iterator[str]:
    for text in _texts(measurements, "markers"):
        yield from text.split()


def _texts(root: ET.Element | None, tag: str) -> list[str]:
    """Texts of all elements with a tag, or their names where they have no text."""
    found = root.iter(tag) if root is not None else []
    return [(one.text or "").strip() or one.get("name", "") for one in found]


def _own_mass(own: OwnSetup) -> float:
    try:
        return float(own.text("mass") or -1)
    except ValueError:
        raise InputError(f"{own.path}: expected a number in <mass>") from None
