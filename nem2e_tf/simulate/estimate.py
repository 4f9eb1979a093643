"""One trial of ``nem2e-tf estimate``: its activations refined, compared with EMG, and drawn."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.io.quiet import quiet_stderr
from nem2e_tf.io.storage import Storage, read_storage, write_storage
from nem2e_tf.muscles import parse_label, try_parse_label
from nem2e_tf.refiners.recording import Refines, refine_recording
from nem2e_tf.signals.gait import POINTS, resample_cycle
from nem2e_tf.signals.gait.bounds import Cycles, cycles_of_plate, read_events

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nem2e_tf.simulate.opensim.chain import Chain, ChainSettings


REFINED = "refined.sto"


@dataclass(frozen=True, eq=False)
class Estimate:
    """A refined trial.

    Attributes
    ----------
    title : str
    path : Path
        The refined file.
    cycles : int
    muscles : tuple of str
    simulated, refined : float64 array [cycle, 101, muscle]
    measured : float64 array [cycle, 101, muscle]
        NaN where there is no EMG of a muscle.
    before, after : dict of str to float
        Correlation of each EMG channel with the simulation and with the refined activity.
    gates : list of dict
    notes : list of str
    """

    title: str
    path: Path
    cycles: int
    muscles: tuple[str, ...]
    simulated: NDArray[np.float64]
    refined: NDArray[np.float64]
    measured: NDArray[np.float64]
    before: dict[str, float]
    after: dict[str, float]
    gates: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the estimate as plain values for JSON."""
        return {
            "refined": str(self.path),
            "cycles": self.cycles,
            "muscles": list(self.muscles),
            "r_simulated": self.before,
            "r_refined": self.after,
            "gates": self.gates,
            "notes": self.notes,
        }

    def lines(self) -> list[str]:
        """Table of correlations with the EMG; none where there is no EMG."""
        if not self.after:
            return []
        wide = max(len(name) for name in (*self.after, "mean"))
        rows = [f"{'EMG':<{wide}}  r simulated  r refined"]
        rows += [
            f"{name:<{wide}}  {self.before[name]:+11.2f}  {self.after[name]:+9.2f}"
            for name in self.after
        ]
        means = [float(np.mean(list(values.values()))) for values in (self.before, self.after)]
        return [*rows, f"{'mean':<{wide}}  {means[0]:+11.2f}  {means[1]:+9.2f}"]


def find_cycles(
    settings: "ChainSettings", *, side: str, events: Path | None, threshold: float
) -> tuple[Cycles, list[str]]:
    """Find the cycles of a trial: of its events, or of the contacts of that foot's plate.

    Raises
    ------
    InputError
        The foot has no plate of its own, or no cycle is within the span that is simulated.
    """
    foot = "left" if side == "l" else "right"
    if events is not None:
        cycles, notes = read_events(events)
    else:
        from nem2e_tf.simulate.opensim.files import read_model
        from nem2e_tf.simulate.opensim.inputs import read_loads

        loads = read_loads(settings.forces, read_model(settings.model), given=settings.load)
        plates = [load for load in loads.loads if load.body.endswith(f"_{side}")]
        if len(plates) != 1:
            raise InputError(
                f"{settings.forces}: expected one plate of the {foot} foot, found {len(plates)}; "
                "give --events"
            )
        label = f"{plates[0].force}y"
        cycles, notes = cycles_of_plate(loads.forces, plate=label, threshold=threshold)
    start = -np.inf if settings.start is None else settings.start
    end = np.inf if settings.end is None else settings.end
    if not any(start <= first and last <= end for first, last in cycles):
        span = f"{'' if settings.start is None else f' from {start:g} s'}"
        span += f"{'' if settings.end is None else f' up to {end:g} s'}"
        known = f"cycles at {', '.join(f'{a:.4g} to {b:.4g} s' for a, b in cycles[:3])}"
        raise InputError(
            f"{events or settings.forces}: expected a cycle of the {foot} foot{span}, found "
            f"{known if cycles else 'none; give --events'}"
        )
    return cycles, notes


def refine_trial(
    title: str,
    chain: "Chain",
    refiner: Refines,
    *,
    side: str,
    found: tuple[Cycles, list[str]],
    emg: Storage | None,
) -> Estimate:
    """Refine what a chain simulated and write it beside the activations.

    Raises
    ------
    InputError
        No cycle is complete, a channel is missing, or the EMG does not fit.
    """
    recording = read_storage(chain.activation)
    cycles, notes = found[0], list(found[1])
    with quiet_stderr():
        refined = refine_recording(refiner, recording, cycles, side=side)
    notes += refined.notes
    path = chain.folder / REFINED
    write_storage(path, refined.storage)
    before, after = ({}, {}) if emg is None else _compare(recording, refined.storage, emg, side)
    names = refined.storage.labels
    return Estimate(
        title=title,
        path=path,
        cycles=len(refined.cycles),
        muscles=names,
        simulated=_curves(recording, refined.cycles, names),
        refined=_curves(refined.storage, refined.cycles, names),
        measured=_measured(emg, refined.storage, refined.cycles, names, side=side),
        before=before,
        after=after,
        gates=[{"stage": r.stage, **gate.as_dict()} for r in chain.stages for gate in r.gates],
        notes=notes,
    )


def draw(estimates: list[Estimate], *, with_emg: bool) -> "Figure":
    """Draw simulated and refined curves over the cycle, a column a trial."""
    from nem2e_tf.report.figures.panels import Series, draw_panels
    from nem2e_tf.report.figures.style import MEASURED, REFINED, SIMULATED

    series = [
        Series("simulated activation", np.concatenate([e.simulated for e in estimates]), SIMULATED),
        Series("refined", np.concatenate([e.refined for e in estimates]), REFINED),
    ]
    if with_emg:
        measured = np.concatenate([e.measured for e in estimates])
        series.append(Series("measured EMG, scaled to the refined", measured, MEASURED))
    groups = [estimate.title for estimate in estimates for _ in range(estimate.cycles)]
    return draw_panels(series, muscles=estimates[0].muscles, groups=groups)


def _compare(
    simulated: Storage, refined: Storage, emg: Storage, side: str
) -> tuple[dict[str, float], dict[str, float]]:
    """Correlations over the refined rows, of channels that both have."""
    from nem2e_tf.cohorts.checks.recordings import align_storages

    rows = np.isin(simulated.time, refined.time)
    same = Storage(
        simulated.name,
        simulated.labels,
        simulated.time[rows],
        simulated.data[rows],
        path=simulated.path,
    )
    found = [align_storages(one, emg, side=side) for one in (same, refined)]
    before, after = (dict(zip(one.muscles, map(float, one.r), strict=True)) for one in found)
    both = [
        name for name in after if name in before and np.isfinite([before[name], after[name]]).all()
    ]
    return {name: before[name] for name in both}, {name: after[name] for name in both}


def _curves(table: Storage, cycles: Cycles, labels: tuple[str, ...]) -> NDArray[np.float64]:
    """Curves [cycle, 101, column]; columns that the table does not have are NaN."""
    columns = {try_parse_label(label): index for index, label in enumerate(table.labels)}
    data = np.full((table.n_rows, len(labels)), np.nan)
    for place, label in enumerate(labels):
        index = columns.get(try_parse_label(label))
        if index is not None:
            data[:, place] = table.data[:, index]
    return np.stack(
        [resample_cycle(table.time, data, start=start, end=end) for start, end in cycles]
    ).astype(np.float64)


def _measured(
    emg: Storage | None, refined: Storage, cycles: Cycles, names: tuple[str, ...], *, side: str
) -> NDArray[np.float64]:
    """Curves of the EMG that sees each muscle, scaled to the peak of what is refined."""
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
            curves = np.stack(
                [
                    resample_cycle(emg.time, emg.data[:, [column]], start=start, end=end)[:, 0]
                    for start, end in cycles
                ]
            )
            scale = np.nanmax(np.abs(curves), initial=0.0)
            if scale > 0:
                found[:, :, place] = curves / scale * refined.column(label).max()
            break
    return found
