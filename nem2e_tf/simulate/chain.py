"""The whole way: from markers and ground reaction to an activation file, stage by stage."""

import dataclasses
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from nem2e_tf.errors import InputError
from nem2e_tf.files import output_folder, write_json
from nem2e_tf.simulate.activation import activations
from nem2e_tf.simulate.cmc import CmcSettings, computed_muscle_control
from nem2e_tf.simulate.ik import IkSettings, inverse_kinematics
from nem2e_tf.simulate.ik import plan_of as ik_plan
from nem2e_tf.simulate.loads import read_loads
from nem2e_tf.simulate.moco import MocoSettings, moco_inverse
from nem2e_tf.simulate.model_file import ModelFile, read_model
from nem2e_tf.simulate.motion import Span, read_markers, read_motion, require_cover, span_of
from nem2e_tf.simulate.process import opensim_version
from nem2e_tf.simulate.rra import RraSettings, reduce_residuals
from nem2e_tf.simulate.scale import ScaleSettings, scale
from nem2e_tf.simulate.scale import plan_of as scale_plan
from nem2e_tf.simulate.so import SoSettings, static_optimization
from nem2e_tf.simulate.stage import Result, Watch
from nem2e_tf.storage import read_storage, write_storage
from nem2e_tf.trc import read_trc

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
        m; see `nem2e_tf.simulate.scale.ScaleSettings`.
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
