"""All stages in sequence, from markers and ground reaction to an activation file; projects.

A project file (TOML) describes the trials of many subjects. A key set on one level applies to all
levels below that do not set it again; file names are relative to the project file::

    model = "generic.osim"
    method = "so"

    [[subject]]
    name = "S01"
    mass = 72.6
    static = "S01/static.trc"
    measurements = "measurements.xml"

    [[subject.trial]]
    name = "walk1"
    motion = "S01/walk1.trc"
    forces = "S01/walk1_grf.mot"
    start = 0.5
    end = 1.9

The keys are the fields of `ChainSettings`. Results of this trial go to ``S01/walk1`` in the output
folder.
"""

import dataclasses
import math
import os
import tomllib
import typing
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nem2e_tf.errors import InputError, near
from nem2e_tf.io.files import output_folder, write_json
from nem2e_tf.io.storage import read_storage, write_storage
from nem2e_tf.io.text import read_text
from nem2e_tf.io.trc import read_trc
from nem2e_tf.simulate.opensim.activation import MOCO, SO
from nem2e_tf.simulate.opensim.dynamics import activations
from nem2e_tf.simulate.opensim.files import ModelFile, read_model
from nem2e_tf.simulate.opensim.inputs import (
    Span,
    read_loads,
    read_markers,
    read_motion,
    require_cover,
    span_of,
)
from nem2e_tf.simulate.opensim.kinematics import IK, SCALE, ScaleSettings
from nem2e_tf.simulate.opensim.process import opensim_version
from nem2e_tf.simulate.opensim.stage import Result, Tool, Watch, run_stage, with_paths
from nem2e_tf.simulate.opensim.tracking import CMC, RRA

TOOLS = {tool.name: tool for tool in (SCALE, IK, RRA, SO, CMC, MOCO)}
MARKER = "chain.json"
ACTIVATION = "activation.sto"
Method = Literal["so", "cmc", "moco"]
# A model whose mass differs from the subject's by less than this share counts as scaled.
_SAME_MASS = 0.005
# Joint angles before and after the span, s, since the filter rings at their ends.
_ROOM = 0.1
# Shortest step of static optimization after residual reduction, s.
_FRAME = 0.01


@dataclass(frozen=True)
class ChainSettings:
    """Files of a trial, and settings of the stages.

    Attributes
    ----------
    model : Path
        Scaled or generic model (.osim).
    motion : Path
        Markers (.trc) or joint angles (.mot, .sto); joint angles need no inverse kinematics.
    forces : Path
        Ground reaction (.mot, .sto) or OpenSim's external loads (.xml).
    mass : float or None
        Mass of the subject, kg; scales the model.
    height : float or None
        Height of the subject, m; requires the height of the model.
    model_height : float or None
        Height of the generic model, m.
    static : Path or None
        Marker file of the subject standing still (.trc), for scaling.
    measurements : Path or None
        OpenSim's MeasurementSet for the static trial.
    factors : Path or None
        OpenSim's ScaleSet.
    marker_set : Path or None
        OpenSim's MarkerSet for the model.
    static_tasks : Path or None
        OpenSim's IKTaskSet that places the markers of the model.
    tasks : Path or None
        OpenSim's IKTaskSet with the weights of the markers in inverse kinematics.
    skip_missing : bool
        Skip tasks whose marker is missing.
    load : tuple of str
        Body that a plate acts on, such as calcn_l=1_ground_force_v.
    start : float or None
        Start of the simulated span, s; by default that of the recording.
    end : float or None
        End of the simulated span, s; by default that of the recording.
    method : {"so", "cmc", "moco"}
        Static optimization, computed muscle control or MocoInverse.
    rra : bool
        Reduce residuals first; recommended before computed muscle control.
    cutoff : float
        Low-pass filter of the joint angles, Hz.
    reserve : float
        Optimal force of the reserve actuators, N m.
    every : int
        Use every n-th row of the motion in static optimization.
    """

    model: Path
    motion: Path
    forces: Path
    mass: float | None = None
    height: float | None = None
    model_height: float | None = None
    static: Path | None = None
    measurements: Path | None = None
    factors: Path | None = None
    marker_set: Path | None = None
    static_tasks: Path | None = None
    tasks: Path | None = None
    skip_missing: bool = False
    load: tuple[str, ...] = field(default=(), metadata={"metavar": "BODY=PREFIX"})
    start: float | None = None
    end: float | None = None
    method: Method = "so"
    rra: bool = False
    cutoff: float = 6.0
    reserve: float = 1.0
    every: int = 1


@dataclass(frozen=True)
class Chain:
    """A finished chain.

    Attributes
    ----------
    folder : Path
        One folder per stage, ``activation.sto`` and ``chain.json``.
    activation : Path
    stages : tuple of Result
    notes : tuple of str
        Notes of the chain itself; the stages have their own.
    """

    folder: Path
    activation: Path
    stages: tuple[Result, ...]
    notes: tuple[str, ...]

    @property
    def failed_gates(self) -> list[str]:
        """Failed gates, with their stages."""
        return [f"{r.stage}: {g.name}" for r in self.stages for g in r.gates if not g.passed]

    def as_dict(self) -> dict[str, Any]:
        """Return the chain as plain values for JSON."""
        return {
            "activation": str(self.activation),
            "stages": [result.as_dict() for result in self.stages],
            "notes": list(self.notes),
        }


def run_chain(
    settings: ChainSettings,
    output: "str | os.PathLike[str]",
    *,
    watch: Watch | None = None,
    strict: bool = False,
) -> Chain:
    """Compute activations from motion and ground reaction.

    All inputs are checked before the first stage starts. Finished stages are reused if their inputs
    and settings are the same.

    Parameters
    ----------
    settings : ChainSettings
    output : path-like
        Folder to write.
    watch : callable (stage, share), optional
        Called with the finished share of each stage, 0 to 1.
    strict : bool
        Stop after a stage that fails a quality gate.

    Raises
    ------
    InputError
        Inputs are inconsistent, a stage failed or, if strict, a quality gate failed.
    """
    methods = typing.get_args(Method)
    if settings.method not in methods:
        raise InputError(f"method: expected {', '.join(methods)}, found {settings.method!r}")
    opensim_version()
    settings = with_paths(settings)
    model = read_model(settings.model)
    from_markers = settings.motion.suffix.lower() == ".trc"
    scaling, notes = _scaling(settings, model)
    span, around = _check(settings, model, from_markers=from_markers)
    kinematics = _shared(IK, settings, markers=settings.motion, start=around[0], end=around[1])
    if scaling is not None:
        SCALE.read(scaling)
    elif from_markers:
        IK.read(kinematics)
    folder = output_folder(output, marker=MARKER)
    write_json(folder / MARKER, {"finished": False})
    stages: list[Result] = []

    def run(tool: Tool, wanted: Any) -> dict[str, Path]:
        result = run_stage(tool, wanted, folder / tool.name, watch=watch)
        stages.append(result)
        for gate in result.gates:
            if strict and not gate.passed:
                raise InputError(
                    f"{result.stage}: expected {gate.name} of at most {gate.limit:g} {gate.unit}, "
                    f"found {gate.value:.3g} ({gate.where or 'all'}); see {result.folder}, or "
                    "continue without strict"
                )
        return result.outputs

    scaled = run(SCALE, scaling)["model"] if scaling is not None else settings.model
    motion = settings.motion
    if from_markers:
        motion = run(IK, replace(kinematics, model=scaled))["motion"]
    changed: dict[str, Any] = {"model": scaled, "motion": motion, "start": span[0], "end": span[1]}
    if settings.rra:
        reduced = run(RRA, _shared(RRA, settings, **changed))
        # It ends up to a step before the span, and its steps are about a millisecond.
        time = read_storage(reduced["motion"]).time
        changed = {"model": reduced["model"], "motion": reduced["motion"], "cutoff": -1.0}
        changed |= {"start": float(time[0]), "end": float(time[-1])}
        if settings.method == "so":
            step = round(_FRAME / float(np.diff(time).mean()))
            changed["every"] = max(settings.every, step)
    run(TOOLS[settings.method], _shared(TOOLS[settings.method], settings, **changed))
    write_storage(folder / ACTIVATION, activations(stages[-1], model.muscles))
    chain = Chain(folder, folder / ACTIVATION, tuple(stages), tuple(notes))
    given = dataclasses.asdict(settings).items()
    write_json(
        folder / MARKER,
        {
            "finished": True,
            "opensim": opensim_version(),
            "settings": {n: str(value) if isinstance(value, Path) else value for n, value in given},
            "span": span,
            **chain.as_dict(),
        },
    )
    return chain


def _scaling(settings: ChainSettings, model: ModelFile) -> tuple[ScaleSettings | None, list[str]]:
    """Settings of scaling, or None if the model is used unchanged; notes."""
    by_markers = settings.measurements or settings.factors or settings.static
    same = settings.mass is None or math.isclose(settings.mass, model.mass, rel_tol=_SAME_MASS)
    if not by_markers and settings.height is None and same:
        return None, [f"{settings.model}: {model.mass:.4g} kg, used unchanged, not scaled"]
    if settings.mass is None:
        raise InputError("mass: expected the mass of the subject (kg) for scaling, found none")
    notes = []
    if not by_markers and settings.height is None:
        notes.append(
            f"{settings.model}: mass scaled from {model.mass:.4g} to {settings.mass:.4g} kg, "
            "lengths unchanged; give a height, or a static trial with measurements, to scale them"
        )
    scaling = _shared(
        SCALE,
        settings,
        tasks=settings.static_tasks,
        start=None,
        end=None,
        keep_mass_distribution=not by_markers,
    )
    return scaling, notes


def _shared(tool: Tool, settings: ChainSettings, **changed: Any) -> Any:
    """Settings of a stage: those of the chain with the same name, and changed ones."""
    names = {one.name for one in dataclasses.fields(tool.settings)}
    names -= {*tool.hidden, *changed}
    if tool is not IK:
        names -= {"tasks"}  # those of the chain are for inverse kinematics
    same = {name: getattr(settings, name) for name in names if hasattr(settings, name)}
    return tool.settings(**same, **changed)


def _check(settings: ChainSettings, model: ModelFile, *, from_markers: bool) -> tuple[Span, Span]:
    """Check the inputs; return the span and, for inverse kinematics, one with room for the filter.

    With a marker set, scaling adds the markers of the model: they cannot be compared yet.
    """
    model.require_muscles()
    if not from_markers:
        time = read_motion(settings.motion, model)[0].time
    elif settings.marker_set is not None:
        time = read_trc(settings.motion).time
    else:
        time = read_markers(settings.motion, model)[0].time
    span = span_of((settings.start, settings.end), time, where=settings.motion)
    forces = read_loads(settings.forces, model, given=settings.load).forces
    require_cover(forces.time, span, where=forces.path or settings.forces, what="forces")
    return span, (max(span[0] - _ROOM, time[0]), min(span[1] + _ROOM, time[-1]))


PROJECT_MARKER = "project.json"
_NEEDED = ("model", "motion", "forces")
# Type of a setting, accepted values of its key, and their name; the first that fits.
_KINDS = (
    ("float", int | float, "a number"),
    ("int", int, "a number"),
    ("bool", bool, "true or false"),
    ("tuple", list, "a list"),
    ("", str, "a text"),
)


@dataclass(frozen=True)
class Trial:
    """One trial of a project.

    Attributes
    ----------
    subject, name : str
        The subject may be empty.
    settings : ChainSettings
    """

    subject: str
    name: str
    settings: ChainSettings

    @property
    def title(self) -> str:
        """Subject and name."""
        return f"{self.subject}/{self.name}" if self.subject else self.name


@dataclass(frozen=True)
class Outcome:
    """Outcome of a trial: its chain, or the error that prevented it."""

    trial: Trial
    chain: Chain | None
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the chain or the error as plain values for JSON."""
        return {"error": self.error} if self.chain is None else self.chain.as_dict()


def read_project(path: "str | os.PathLike[str]") -> list[Trial]:
    """Read a project file.

    Raises
    ------
    InputError
        The file is missing or not TOML, a key is unknown or has the wrong type, or a trial has no
        model, motion or forces.
    """
    file = Path(path)
    try:
        table = tomllib.loads(read_text(file, "a project file (TOML)"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file}: expected a project file (TOML), found {error}") from None
    common = _keys(table, file, "top level", below=("subject",))
    trials = []
    for number, subject in enumerate(_tables(table, "subject", file, "top level"), start=1):
        name = _name(subject, file, f"subject {number}")
        shared = common | _keys(subject, file, f"subject {name}", below=("name", "trial"))
        for count, trial in enumerate(_tables(subject, "trial", file, f"subject {name}"), start=1):
            short = _name(trial, file, f"trial {count} of subject {name}")
            where = f"trial {name}/{short}"
            given = shared | _keys(trial, file, where, below=("name",))
            missing = [key for key in _NEEDED if key not in given]
            if missing:
                raise InputError(f"{file}, {where}: expected {missing[0]}, found none")
            trials.append(Trial(name, short, ChainSettings(**given)))
    titles = [trial.title for trial in trials]
    twice = [title for title in titles if titles.count(title) > 1]
    if twice:
        raise InputError(f"{file}: expected each trial once, found {twice[0]} again")
    return trials


def run_project(
    trials: list[Trial],
    output: Path,
    *,
    jobs: int = 1,
    strict: bool = False,
    watch: Callable[[str], Watch] | None = None,
    finished: Callable[[Outcome], None] | None = None,
    marker: str = PROJECT_MARKER,
) -> list[Outcome]:
    """Simulate all trials, several in parallel; a failing trial does not stop the others.

    Parameters
    ----------
    trials : list of Trial
    output : Path
        Folder to write.
    jobs : int
        Number of trials in parallel, each with OpenSim in its own process.
    strict : bool
        Stop a trial at the first quality gate that fails.
    watch : callable (title) -> callable (stage, share), optional
        Returns the progress callback of a trial.
    finished : callable (Outcome), optional
        Called when a trial has ended.
    marker : str
        File with the results; it also identifies the folder as ours.

    Returns
    -------
    list of Outcome
        In the order of the trials.

    Raises
    ------
    InputError
        OpenSim is not installed, or the folder holds other files.
    """
    if jobs < 1:
        raise InputError(f"jobs: expected 1 or more, found {jobs}")
    opensim_version()
    folder = output_folder(output, marker=marker)
    write_json(folder / marker, {"finished": False})

    def run(trial: Trial) -> Outcome:
        place = folder / trial.subject / trial.name
        called = watch(trial.title) if watch is not None else None
        try:
            outcome = Outcome(trial, run_chain(trial.settings, place, watch=called, strict=strict))
        except InputError as error:
            outcome = Outcome(trial, None, str(error))
        if finished is not None:
            finished(outcome)
        return outcome

    pool = ThreadPoolExecutor(jobs)
    try:
        outcomes = list(pool.map(run, trials))
    finally:
        pool.shutdown(cancel_futures=True)
    write_json(
        folder / marker,
        {
            "finished": all(outcome.chain is not None for outcome in outcomes),
            "trials": {outcome.trial.title: outcome.as_dict() for outcome in outcomes},
        },
    )
    return outcomes


def _keys(
    table: Mapping[str, Any], file: Path, where: str, *, below: tuple[str, ...]
) -> dict[str, Any]:
    """Settings of one level, checked; files relative to the folder of the project."""
    found: dict[str, Any] = {}
    types = {one.name: str(one.type) for one in dataclasses.fields(ChainSettings)}
    for key, value in table.items():
        if key in below:
            continue
        if key not in types:
            raise InputError(f"{file}, {where}: unknown key {key!r}{near(key, [*types, *below])}")
        wanted, name = next(
            (accepted, name) for kind, accepted, name in _KINDS if kind in types[key]
        )
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            raise InputError(f"{file}, {where}, {key}: expected {name}, found {value!r}")
        if "Path" in types[key]:
            found[key] = file.parent / str(value)
        else:
            found[key] = tuple(value) if isinstance(value, list) else value
    return found


def _tables(
    table: Mapping[str, Any], key: str, file: Path, where: str
) -> Iterator[Mapping[str, Any]]:
    rows = table.get(key)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{file}, {where}: expected [[{key}]] tables, found none")
    yield from rows


def _name(table: Mapping[str, Any], file: Path, where: str) -> str:
    name = table.get("name")
    if not isinstance(name, str) or not name or set(name) & set("/\\") or name.startswith("."):
        raise InputError(f"{file}, {where}: expected a name valid for a folder, found {name!r}")
    return name
