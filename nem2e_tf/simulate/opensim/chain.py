"""A project file: the trials of many subjects, simulated by one command.

TOML. A key given above holds for all below it that do not give it again; file names are relative to
the project file::

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

Keys are those of `nem2e_tf.simulate.opensim.chain.ChainSettings`. Results go to ``S01/walk1``
below the
output folder.

The whole way: from markers and ground reaction to an activation file, stage by stage.
"""

import dataclasses
import math
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from nem2e_tf.errors import InputError, near
from nem2e_tf.io.files import output_folder, write_json
from nem2e_tf.io.storage import read_storage, write_storage
from nem2e_tf.io.trc import read_trc
from nem2e_tf.simulate.opensim.files import ModelFile, read_model
from nem2e_tf.simulate.opensim.ik import IkSettings, inverse_kinematics
from nem2e_tf.simulate.opensim.ik import plan_of as ik_plan
from nem2e_tf.simulate.opensim.inputs import (
    Span,
    read_loads,
    read_markers,
    read_motion,
    require_cover,
    span_of,
)
from nem2e_tf.simulate.opensim.moco import MocoSettings, moco_inverse
from nem2e_tf.simulate.opensim.process import opensim_version
from nem2e_tf.simulate.opensim.scale import ScaleSettings, scale
from nem2e_tf.simulate.opensim.scale import plan_of as scale_plan
from nem2e_tf.simulate.opensim.so import SoSettings, static_optimization
from nem2e_tf.simulate.opensim.stage import Result, Watch, activations
from nem2e_tf.simulate.opensim.tracking import (
    CmcSettings,
    RraSettings,
    computed_muscle_control,
    reduce_residuals,
)

MARKER = "chain.json"
ACTIVATION = "activation.sto"
Method = Literal["so", "cmc", "moco"]
METHODS: tuple[Method, ...] = get_args(Method)
# A model within this share of the subject's mass is taken to be scaled.
_SAME_MASS = 0.005
# Joint angles before and after the span, s: the filter rings where they end.
_ROOM = 0.1
# Between frames of static optimization after residual reduction, at least, s.
_FRAME = 0.01


@dataclass(frozen=True)
class ChainSettings:
    """What there is of a trial, and how activations are found.

    Attributes
    ----------
    model : Path
        A generic model, which is scaled, or a scaled one.
    motion : Path
        Markers (``.trc``), or joint angles (``.mot``, ``.sto``), which need no inverse kinematics.
    forces : Path
        Ground reaction, or OpenSim's XML of external loads.
    load : tuple of str
        ``BODY=PREFIX`` of each plate, where its columns' names do not tell.
    mass : float or None
        Of the subject, kg. The model's is left as it is where not given.
    height, model_height : float or None
        m; see `nem2e_tf.simulate.opensim.scale.ScaleSettings`.
    static, measurements, factors, marker_set, static_tasks : Path or None
        For scaling by a static trial, see the same; `static_tasks` moves the markers.
    tasks : Path or None
        Weights of markers in inverse kinematics, as OpenSim's ``IKTaskSet``.
    skip_missing : bool
        Leave out tasks without a marker.
    start, end : float or None
        s.
    method : {"so", "cmc", "moco"}
        Static optimization, computed muscle control or MocoInverse.
    rra : bool
        Whether residuals are reduced first; computed muscle control is meant to follow it.
    cutoff : float
        Low-pass filter of joint angles, Hz.
    reserve : float
        Optimal force of reserve actuators, N m.
    every : int
        Static optimization takes every n-th row of the joint angles: 1 is all.
    """

    model: Path
    motion: Path
    forces: Path
    load: tuple[str, ...] = ()
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
        A folder for each stage, ``activation.sto`` and ``chain.json``.
    activation : Path
    stages : tuple of Result
    notes : tuple of str
        Of the chain itself; the stages have their own.
    """

    folder: Path
    activation: Path
    stages: tuple[Result, ...]
    notes: tuple[str, ...]

    @property
    def failed_gates(self) -> list[str]:
        """Gates that were not passed, with their stages."""
        return [f"{r.stage}: {g.name}" for r in self.stages for g in r.gates if not g.passed]

    def as_dict(self) -> dict[str, Any]:
        """Return the chain as plain values for JSON."""
        return {
            "activation": str(self.activation),
            "stages": [result.as_dict() for result in self.stages],
            "notes": list(self.notes),
        }


def run_chain(
    settings: ChainSettings, output: Path, *, watch: Watch | None = None, strict: bool = False
) -> Chain:
    """Go from motion and ground reaction to activations.

    Everything that can be seen to be wrong beforehand is refused before the first stage starts.
    Finished stages are taken as they are if their inputs and settings are the same.

    Parameters
    ----------
    settings : ChainSettings
    output : Path
        Folder to write.
    watch : callable, optional
        Told how far each stage is.
    strict : bool
        Stop after a stage that does not pass a quality gate.

    Raises
    ------
    InputError
        Inputs do not fit each other, a stage failed or, if strict, did not pass.
    """
    if settings.method not in METHODS:
        raise InputError(f"method: expected {', '.join(METHODS)}, found {settings.method!r}")
    opensim_version()
    model = read_model(settings.model)
    from_markers = settings.motion.suffix.lower() == ".trc"
    wanted_scale, notes = _scaling(settings, model)
    span, around = _check(settings, model, from_markers=from_markers)
    kinematics = IkSettings(
        model=settings.model,
        markers=settings.motion,
        tasks=settings.tasks,
        skip_missing=settings.skip_missing,
        start=around[0],
        end=around[1],
    )
    if wanted_scale is not None:
        scale_plan(wanted_scale)
    elif from_markers:
        ik_plan(kinematics)
    folder = output_folder(output, marker=MARKER)
    write_json(folder / MARKER, {"finished": False})
    stages: list[Result] = []

    def done(result: Result) -> Result:
        stages.append(result)
        bad = [gate for gate in result.gates if not gate.passed]
        if strict and bad:
            gate = bad[0]
            raise InputError(
                f"{result.stage}: expected {gate.name} of at most {gate.limit:g} {gate.unit}, "
                f"found {gate.value:.3g} ({gate.where or 'all'}); see "
                f"{result.folder}, or leave out --strict"
            )
        return result

    scaled = settings.model
    if wanted_scale is not None:
        scaled = done(scale(wanted_scale, folder / "scale", watch=watch)).outputs["model"]
    motion = settings.motion
    if from_markers:
        kinematics = replace(kinematics, model=scaled)
        motion = done(inverse_kinematics(kinematics, folder / "ik", watch=watch)).outputs["motion"]
    common: dict[str, Any] = {"model": scaled, "motion": motion, "forces": settings.forces}
    common |= {"load": settings.load, "cutoff": settings.cutoff}
    common |= {"start": span[0], "end": span[1]}
    every = settings.every
    if settings.rra:
        reduced = done(reduce_residuals(RraSettings(**common), folder / "rra", watch=watch))
        # It ends up to a step before the span does, and its steps are a millisecond.
        time = read_storage(reduced.outputs["motion"]).time
        common |= {"model": reduced.outputs["model"], "motion": reduced.outputs["motion"]}
        common |= {"cutoff": -1.0, "start": float(time[0]), "end": float(time[-1])}
        every = max(every, round(_FRAME / float(np.diff(time).mean())))
    common["reserve"] = settings.reserve
    result = _activate(settings.method, common, folder, every=every, watch=watch)
    table = activations(done(result), model.muscles)
    write_storage(folder / ACTIVATION, table)
    chain = Chain(folder, folder / ACTIVATION, tuple(stages), tuple(notes))
    write_json(
        folder / MARKER,
        {
            "finished": True,
            "opensim": opensim_version(),
            "settings": {
                name: str(value) if isinstance(value, Path) else value
                for name, value in dataclasses.asdict(settings).items()
            },
            "span": span,
            **chain.as_dict(),
        },
    )
    return chain


def _activate(
    method: Method, common: dict[str, Any], folder: Path, *, every: int, watch: Watch | None
) -> Result:
    """Run the stage that finds activations."""
    if method == "so":
        return static_optimization(SoSettings(**common, every=every), folder / "so", watch=watch)
    if method == "cmc":
        return computed_muscle_control(CmcSettings(**common), folder / "cmc", watch=watch)
    return moco_inverse(MocoSettings(**common), folder / "moco", watch=watch)


def _scaling(settings: ChainSettings, model: ModelFile) -> tuple[ScaleSettings | None, list[str]]:
    """Decide whether the model is to be scaled, and how."""
    by_markers = settings.measurements or settings.factors or settings.static
    same = settings.mass is None or math.isclose(settings.mass, model.mass, rel_tol=_SAME_MASS)
    if not by_markers and settings.height is None and same:
        return None, [f"{settings.model}: {model.mass:.4g} kg, used as it is, not scaled"]
    if settings.mass is None:
        raise InputError("mass: expected the subject's with scaling, found none; give --mass")
    notes = []
    if not by_markers and settings.height is None:
        notes.append(
            f"{settings.model}: mass scaled from {model.mass:.4g} to {settings.mass:.4g} kg, "
            "lengths kept; give --height, or a static trial with measurements, to scale them"
        )
    wanted = ScaleSettings(
        model=settings.model,
        mass=settings.mass,
        static=settings.static,
        measurements=settings.measurements,
        factors=settings.factors,
        marker_set=settings.marker_set,
        tasks=settings.static_tasks,
        height=settings.height,
        model_height=settings.model_height,
        keep_mass_distribution=not by_markers,
    )
    return wanted, notes


def _check(settings: ChainSettings, model: ModelFile, *, from_markers: bool) -> tuple[Span, Span]:
    """Refuse what does not fit before anything is run.

    Gives the span to go over and, for inverse kinematics, one with room for the filter.
    """
    asked = (settings.start, settings.end)
    if not model.muscles:
        raise InputError(f"{settings.model}: expected a model with muscles, found none")
    if from_markers:
        # With a set of its own, the model's markers are those that scaling puts there.
        own = settings.marker_set is not None
        markers = read_trc(settings.motion) if own else read_markers(settings.motion, model)[0]
        time = markers.time
    else:
        time = read_motion(settings.motion, model)[0].time
    span = span_of(asked, time, where=settings.motion)
    loads = read_loads(settings.forces, model, given=settings.load)
    require_cover(
        loads.forces.time, span, where=loads.forces.path or settings.forces, what="forces"
    )
    return span, (max(span[0] - _ROOM, time[0]), min(span[1] + _ROOM, time[-1]))


PROJECT_MARKER = "project.json"
_FIELDS = {field.name: str(field.type) for field in dataclasses.fields(ChainSettings)}
_NEEDED = ("model", "motion", "forces")
_KINDS: dict[str, tuple[type, ...]] = {
    "float": (int, float),
    "int": (int,),
    "bool": (bool,),
    "tuple": (list,),
}


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
    """What became of a trial: its chain, or why there is none."""

    trial: Trial
    chain: Chain | None
    error: str = ""


def read_project(path: "str | os.PathLike[str]") -> list[Trial]:
    """Read a project file.

    Raises
    ------
    InputError
        It is missing or no TOML, a key is unknown or of the wrong kind, or a trial lacks one.
    """
    file = Path(path)
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{file}: expected a project file, found no such file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            f"{file}: expected a project file (TOML), cannot read it ({error})"
        ) from None
    common = _keys(table, file, "the top", below=("subject",))
    trials = []
    for number, subject in enumerate(_tables(table, "subject", file), start=1):
        name = _name(subject, file, f"subject {number}")
        shared = common | _keys(subject, file, f"subject {name}", below=("name", "trial"))
        for count, trial in enumerate(_tables(subject, "trial", file, f"subject {name}"), start=1):
            title = f"{name}/{_name(trial, file, f'trial {count} of subject {name}')}"
            given = shared | _keys(trial, file, f"trial {title}", below=("name",))
            missing = [key for key in _NEEDED if key not in given]
            if missing:
                raise InputError(f"{file}, trial {title}: expected {missing[0]}, found none")
            trials.append(Trial(name, title.partition("/")[2], ChainSettings(**given)))
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
    """Simulate all trials, several at a time; one that fails does not stop the others.

    Parameters
    ----------
    trials : list of Trial
    output : Path
        Folder to write.
    jobs : int
        How many trials at a time, each with OpenSim in a process of its own.
    strict : bool
        A trial ends at the first quality gate that it does not pass.
    watch : callable (title) -> watch, optional
        Gives what is told how far a trial is.
    finished : callable, optional
        Told of each trial when it has ended.
    marker : str
        File that holds the results and tells a folder of ours.

    Returns
    -------
    list of Outcome
        In the order of the trials.

    Raises
    ------
    InputError
        OpenSim is not there, or the folder holds something else.
    """
    if jobs < 1:
        raise InputError(f"jobs: expected 1 or more, found {jobs}")
    opensim_version()
    folder = output_folder(output, marker=marker)
    write_json(folder / marker, {"finished": False})

    def one(trial: Trial) -> Outcome:
        place = folder / trial.subject / trial.name
        try:
            told = watch(trial.title) if watch is not None else None
            outcome = Outcome(trial, run_chain(trial.settings, place, watch=told, strict=strict))
        except InputError as error:
            outcome = Outcome(trial, None, str(error))
        if finished is not None:
            finished(outcome)
        return outcome

    pool = ThreadPoolExecutor(jobs)
    try:
        outcomes = list(pool.map(one, trials))
    finally:
        pool.shutdown(cancel_futures=True)
    write_json(
        folder / marker,
        {
            "finished": all(outcome.chain is not None for outcome in outcomes),
            "trials": {
                outcome.trial.title: outcome.chain.as_dict()
                if outcome.chain is not None
                else {"error": outcome.error}
                for outcome in outcomes
            },
        },
    )
    return outcomes


def _keys(
    table: Mapping[str, Any], file: Path, where: str, *, below: tuple[str, ...]
) -> dict[str, Any]:
    """Settings of one level, checked; files relative to the project's folder."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        if key in below:
            continue
        if key not in _FIELDS:
            known = [*_FIELDS, *below]
            raise InputError(f"{file}, {where}: no key {key!r}{near(key, known)}")
        kind = _FIELDS[key]
        wanted = next((types for name, types in _KINDS.items() if name in kind), (str,))
        if not isinstance(value, wanted) or (bool not in wanted and isinstance(value, bool)):
            name = {str: "a text", list: "a list", bool: "true or false"}.get(wanted[0], "a number")
            raise InputError(f"{file}, {where}, {key}: expected {name}, found {value!r}")
        if "Path" in kind:
            found[key] = file.parent / str(value)
        else:
            found[key] = tuple(value) if isinstance(value, list) else value
    return found


def _tables(
    table: Mapping[str, Any], key: str, file: Path, where: str = "the top"
) -> Iterator[Mapping[str, Any]]:
    rows = table.get(key)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{file}, {where}: expected [[{key}]] tables, found none")
    yield from rows


def _name(table: Mapping[str, Any], file: Path, where: str) -> str:
    name = table.get("name")
    if not isinstance(name, str) or not name or set(name) & set("/\\") or name.startswith("."):
        raise InputError(f"{file}, {where}: expected a name that can be a folder's, found {name!r}")
    return name
