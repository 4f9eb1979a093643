"""Estimated muscle activity of a motion: simulated, refined, compared with EMG, and drawn."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.io.files import output_folder, replacing, write_json
from nem2e_tf.io.quiet import quiet_stderr
from nem2e_tf.io.storage import Storage, read_storage, write_storage
from nem2e_tf.muscles import parse_label, try_parse_label
from nem2e_tf.refiners.recording import Refines, refine_recording
from nem2e_tf.signals.gait import (
    POINTS,
    THRESHOLD,
    Cycles,
    cycles_of_plate,
    read_events,
    resample_cycle,
)
from nem2e_tf.simulate.opensim.chain import Chain, ChainSettings, Trial, read_project, run_project
from nem2e_tf.simulate.opensim.files import read_model
from nem2e_tf.simulate.opensim.inputs import read_loads
from nem2e_tf.simulate.opensim.stage import Watch

if TYPE_CHECKING:
    from matplotlib.figure import Figure


MARKER = "estimate.json"
PICTURE = "refined.png"
REFINED = "refined.sto"


@dataclass(frozen=True, eq=False)
class Estimate:
    """A refined trial.

    Attributes
    ----------
    title : str
    chain : Chain
        The simulation, with its quality gates.
    path : Path
        The refined file.
    muscles : tuple of str
    simulated, refined : float64 array [cycle, 101, muscle]
    measured : float64 array [cycle, 101, muscle]
        NaN for a muscle without EMG.
    r_simulated, r_refined : dict of str to float
        Correlation of each EMG channel with the simulated and with the refined activity.
    notes : list of str
    """

    title: str
    chain: Chain
    path: Path
    muscles: tuple[str, ...]
    simulated: NDArray[np.float64]
    refined: NDArray[np.float64]
    measured: NDArray[np.float64]
    r_simulated: dict[str, float]
    r_refined: dict[str, float]
    notes: list[str]

    @property
    def cycles(self) -> int:
        """Number of refined cycles."""
        return len(self.refined)

    def as_dict(self) -> dict[str, Any]:
        """Return the estimate as plain values for JSON."""
        stages = self.chain.stages
        return {
            "refined": str(self.path),
            "cycles": self.cycles,
            "muscles": list(self.muscles),
            "r_simulated": self.r_simulated,
            "r_refined": self.r_refined,
            "gates": [{"stage": r.stage, **gate.as_dict()} for r in stages for gate in r.gates],
            "notes": self.notes,
        }


@dataclass(frozen=True, eq=False)
class Estimates:
    """Result of `estimate`.

    Attributes
    ----------
    folder : Path
        One folder per trial, with its stages, ``activation.sto`` and ``refined.sto``;
        ``refined.png``; and ``estimate.json``.
    trials : list of Estimate
    """

    folder: Path
    trials: list[Estimate]

    @property
    def picture(self) -> Path:
        """Simulated and refined curves of all trials."""
        return self.folder / PICTURE

    def as_dict(self) -> dict[str, Any]:
        """Return the trials as plain values for JSON."""
        return {trial.title: trial.as_dict() for trial in self.trials}

    def table(self) -> str:
        """Table of the correlations with EMG; empty without EMG."""
        lines = []
        for trial in self.trials:
            rows = [(name, trial.r_simulated[name], r) for name, r in trial.r_refined.items()]
            if rows:
                means = np.mean([row[1:] for row in rows], axis=0)
                rows.append(("mean", float(means[0]), float(means[1])))
                wide = max(len(name) for name, *_ in rows)
                lines.append(f"{'EMG':<{wide}}  r simulated  r refined")
                lines += [f"{name:<{wide}}  {one:+11.2f}  {two:+9.2f}" for name, one, two in rows]
        return "\n".join(lines)


def estimate(
    motion: "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]",
    *,
    forces: "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]" = (),
    model: "str | os.PathLike[str] | None" = None,
    refiner: "str | os.PathLike[str] | Refines",
    side: str,
    out: "str | os.PathLike[str]",
    events: "str | os.PathLike[str] | None" = None,
    threshold: float | None = None,
    emg: "str | os.PathLike[str] | None" = None,
    jobs: int = 1,
    strict: bool = False,
    watch: Callable[[str], Watch] | None = None,
    **settings: Any,
) -> Estimates:
    """Estimate muscle activity from motion: simulate it with OpenSim, then refine it.

    Parameters
    ----------
    motion : path-like or sequence of path-like
        Marker files (``.trc``) or joint angles (``.mot``, ``.sto``), one per trial; or one project
        file (``.toml``, see `nem2e_tf.simulate.opensim.chain`).
    forces : path-like or sequence of path-like
        Ground reaction or external loads of each motion; none with a project.
    model : path-like
        Scaled or generic model (``.osim``); none with a project.
    refiner : path-like or Refiner or Runtime
        Any refiner that `nem2e_tf.export.runtime.load.load` opens, or a loaded one.
    side : {"left", "right"}
        Leg to refine.
    out : path-like
        Folder to write.
    events : path-like, optional
        CSV with start and end of the cycles, s; by default cycles are the contacts on the plate of
        that foot.
    threshold : float, optional
        Vertical force of a contact, N; 30 by default.
    emg : path-like, optional
        Measured EMG envelopes to compare with, of a single motion.
    jobs : int
        Number of trials in parallel.
    strict : bool
        Stop a trial at the first quality gate that fails.
    watch : callable (title) -> callable (stage, share), optional
        Returns the progress callback of a trial.
    **settings
        Further fields of `nem2e_tf.simulate.opensim.chain.ChainSettings`, such as ``mass``.

    Returns
    -------
    Estimates

    Raises
    ------
    InputError
        Inputs are missing or inconsistent, a stage failed, or no cycle is complete.

    Examples
    --------
    >>> done = estimate(
    ...     "walk.trc",
    ...     forces="grf.mot",
    ...     model="model.osim",
    ...     mass=72.6,
    ...     refiner="refiner",
    ...     side="right",
    ...     out="estimate",
    ...     emg="emg.sto",
    ... )  # doctest: +SKIP
    >>> print(done.table())  # doctest: +SKIP
    """
    from nem2e_tf.export.runtime.load import load

    if side not in ("left", "right"):
        raise InputError(f"side: expected left or right, found {side!r}")
    motions, plates = _paths(motion), _paths(forces)
    trials = _trials(motions, plates, None if model is None else Path(model), settings)
    if emg is not None and len(trials) > 1:
        raise InputError(f"emg: expected EMG of a single motion, found {len(trials)} motions")
    found = [
        find_cycles(
            trial.settings,
            side=side[0],
            events=None if events is None else Path(events),
            threshold=THRESHOLD if threshold is None else threshold,
        )
        for trial in trials
    ]
    envelopes = None if emg is None else read_storage(emg)
    if isinstance(refiner, str | os.PathLike):
        name = str(refiner)
        with quiet_stderr():
            loaded: Refines = load(refiner)
    else:
        name, loaded = type(refiner).__name__, refiner
    outcomes = run_project(trials, Path(out), jobs=jobs, strict=strict, watch=watch, marker=MARKER)
    chains = []
    for outcome in outcomes:
        if outcome.chain is None:
            raise InputError(f"{outcome.trial.title}: {outcome.error}")
        chains.append((outcome.trial.title, outcome.chain))
    refined = [
        refine_trial(title, chain, loaded, side=side[0], found=cycles, emg=envelopes)
        for (title, chain), cycles in zip(chains, found, strict=True)
    ]
    done = Estimates(output_folder(Path(out), marker=MARKER), refined)
    with replacing(done.picture) as temporary:
        draw(done.trials, with_emg=emg is not None).savefig(temporary, format="png", dpi=200)
    write_json(done.folder / MARKER, {"finished": True, "refiner": name, "trials": done.as_dict()})
    return done


def _paths(given: Any) -> list[Path]:
    return [Path(given)] if isinstance(given, str | os.PathLike) else [Path(one) for one in given]


def _trials(
    motions: list[Path], forces: list[Path], model: Path | None, settings: dict[str, Any]
) -> list[Trial]:
    if len(motions) == 1 and motions[0].suffix.lower() == ".toml":
        if forces or model:
            raise InputError(
                f"{'forces' if forces else 'model'}: expected none with a project, which sets it"
            )
        return read_project(motions[0])
    if len(forces) != len(motions):
        raise InputError(
            f"forces: expected one file per motion, found {len(motions)} motions, {len(forces)} "
            "forces"
        )
    if model is None:
        raise InputError("model: expected an OpenSim model (.osim), found none")
    names = [motion.stem for motion in motions]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(
            f"motion: expected motions with different names, found two {twice[0]}; use a project"
        )
    return [
        Trial("", motion.stem, ChainSettings(model=model, motion=motion, forces=file, **settings))
        for motion, file in zip(motions, forces, strict=True)
    ]


def find_cycles(
    settings: ChainSettings, *, side: str, events: Path | None, threshold: float
) -> tuple[Cycles, list[str]]:
    """Detect the cycles of a trial, from events or from the contacts on the plate of one foot.

    Parameters
    ----------
    settings : ChainSettings
    side : {"l", "r"}
    events : Path or None
        CSV with start and end of the cycles, s.
    threshold : float
        Vertical force of a contact, N.

    Returns
    -------
    list of (start, end) in s, and notes

    Raises
    ------
    InputError
        The foot has no plate of its own, or no cycle lies within the simulated span.
    """
    foot = "left" if side == "l" else "right"
    if events is not None:
        cycles, notes = read_events(events)
    else:
        loads = read_loads(settings.forces, read_model(settings.model), given=settings.load)
        plates = [load for load in loads.loads if load.body.endswith(f"_{side}")]
        if len(plates) != 1:
            raise InputError(
                f"{settings.forces}: expected one plate of the {foot} foot, found {len(plates)}; "
                "give a file of events"
            )
        label = f"{plates[0].force}y"
        cycles, notes = cycles_of_plate(loads.forces, plate=label, threshold=threshold)
    start = -np.inf if settings.start is None else settings.start
    end = np.inf if settings.end is None else settings.end
    if not any(start <= first and last <= end for first, last in cycles):
        span = "" if settings.start is None else f" from {start:g} s"
        span += "" if settings.end is None else f" up to {end:g} s"
        known = f"cycles at {', '.join(f'{a:.4g} to {b:.4g} s' for a, b in cycles[:3])}"
        raise InputError(
            f"{events or settings.forces}: expected a cycle of the {foot} foot{span}, found "
            f"{known if cycles else 'none; give a file of events'}"
        )
    return cycles, notes


def refine_trial(
    title: str,
    chain: Chain,
    refiner: Refines,
    *,
    side: str,
    found: tuple[Cycles, list[str]],
    emg: Storage | None,
) -> Estimate:
    """Refine the activations of a chain and write them to its folder.

    Parameters
    ----------
    title : str
    chain : Chain
    refiner : Refiner or Runtime
    side : {"l", "r"}
    found : cycles and notes
        See `find_cycles`.
    emg : Storage or None
        Measured EMG envelopes to compare with.

    Raises
    ------
    InputError
        No cycle is complete, a channel is missing, or the EMG does not fit.
    """
    recording = read_storage(chain.activation)
    cycles, notes = found
    with quiet_stderr():
        refined = refine_recording(refiner, recording, cycles, side=side)
    path = chain.folder / REFINED
    write_storage(path, refined.storage)
    before, after = (
        ({}, {}) if emg is None else _correlations(recording, refined.storage, emg, side)
    )
    names = refined.storage.labels
    return Estimate(
        title=title,
        chain=chain,
        path=path,
        muscles=names,
        simulated=_curves(recording, refined.cycles, names),
        refined=_curves(refined.storage, refined.cycles, names),
        measured=_measured(emg, refined.storage, refined.cycles, names, side=side),
        r_simulated=before,
        r_refined=after,
        notes=[*notes, *refined.notes],
    )


def draw(estimates: list[Estimate], *, with_emg: bool) -> "Figure":
    """Draw simulated and refined curves over the cycle, one column per trial."""
    from nem2e_tf.report.figures.panels import Series, draw_panels
    from nem2e_tf.report.figures.style import MEASURED, REFINED, SIMULATED

    kinds = [("simulated activation", "simulated", SIMULATED), ("refined", "refined", REFINED)]
    if with_emg:
        kinds.append(("measured EMG, scaled to the refined", "measured", MEASURED))
    series = [
        Series(label, np.concatenate([getattr(one, name) for one in estimates]), look)
        for label, name, look in kinds
    ]
    groups = [one.title for one in estimates for _ in range(one.cycles)]
    return draw_panels(series, muscles=estimates[0].muscles, groups=groups)


def _correlations(
    simulated: Storage, refined: Storage, emg: Storage, side: str
) -> tuple[dict[str, float], dict[str, float]]:
    """Correlations with each EMG channel over the refined rows."""
    from nem2e_tf.cohorts.checks.recordings import align_storages

    rows = np.isin(simulated.time, refined.time)
    same = replace(simulated, time=simulated.time[rows], data=simulated.data[rows])
    found = [align_storages(one, emg, side=side) for one in (same, refined)]
    before, after = (dict(zip(one.muscles, map(float, one.r), strict=True)) for one in found)
    both = [
        name for name in after if name in before and np.isfinite([before[name], after[name]]).all()
    ]
    return {name: before[name] for name in both}, {name: after[name] for name in both}


def _resampled(table: Storage, columns: NDArray[np.float64], cycles: Cycles) -> NDArray[np.float64]:
    """Resample columns [row, column] to [cycle, 101, column]."""
    return np.stack(
        [resample_cycle(table.time, columns, start=start, end=end) for start, end in cycles]
    ).astype(np.float64)


def _curves(table: Storage, cycles: Cycles, labels: tuple[str, ...]) -> NDArray[np.float64]:
    """Curves [cycle, 101, column]; missing columns are NaN."""
    columns = {try_parse_label(label): index for index, label in enumerate(table.labels)}
    data = np.full((table.n_rows, len(labels)), np.nan)
    for place, label in enumerate(labels):
        index = columns.get(try_parse_label(label))
        if index is not None:
            data[:, place] = table.data[:, index]
    return _resampled(table, data, cycles)


def _measured(
    emg: Storage | None, refined: Storage, cycles: Cycles, names: tuple[str, ...], *, side: str
) -> NDArray[np.float64]:
    """Curves of the EMG that sees each muscle, scaled to the peak of the refined ones."""
    found = np.full((len(cycles), POINTS, len(names)), np.nan)
    if emg is None:
        return found
    from nem2e_tf.cohorts.checks.recordings import name_and_side, seen_by

    for place, label in enumerate(names):
        muscle = parse_label(label).muscle
        for column, channel in enumerate(emg.labels):
            name, leg = name_and_side(channel)
            if (leg or side) != side or not seen_by(name, [muscle]):
                continue
            curves = _resampled(emg, emg.data[:, [column]], cycles)[:, :, 0]
            scale = np.nanmax(np.abs(curves), initial=0.0)
            if scale > 0:
                found[:, :, place] = curves / scale * refined.column(label).max()
            break
    return found
