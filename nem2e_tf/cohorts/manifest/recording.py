"""One trial of a manifest: read its recordings, check them against each other, extract cycles."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.cohorts.manifest.bounds import candidates, describe
from nem2e_tf.cohorts.manifest.columns import Channel, activations
from nem2e_tf.cohorts.manifest.measured import Files
from nem2e_tf.cohorts.manifest.trials import Trial
from nem2e_tf.errors import InputError
from nem2e_tf.io.storage import Storage
from nem2e_tf.signals.gait import POINTS, resample_cycle

LARGEST_GAP = 0.1
_CLOCK = 1e-4


@dataclass(frozen=True, eq=False)
class Recording:
    """The cycles of one trial.

    Attributes
    ----------
    trial : Trial
        The row of the manifest.
    channels : dict of str to str
        Simulated channel (``soleus_ipsi``) to its label in the file.
    simulated : float64 array [cycle, 101, channel]
        Activations, channels in the order of `channels`.
    muscles : tuple of str
        Measured muscles.
    measured : float64 array [cycle, 101, muscle]
        EMG envelopes; NaN in cycles with a NaN.
    bounds : list of (int, float, float)
        Number, start and end (s) of each cycle.
    emg_facts, emg_unit : str
        Rate, unit and recipe of the EMG in words; the unit only, empty if unknown.
    left_out : tuple of str
        Cycles left out, and the reason.
    columns_left_out : tuple of str
        Columns left out, one text per file and reason.
    notes : tuple of str
        Irregularities.
    """

    trial: Trial
    channels: dict[str, str]
    simulated: NDArray[np.float64]
    muscles: tuple[str, ...]
    measured: NDArray[np.float64]
    bounds: list[tuple[int, float, float]]
    emg_facts: str
    emg_unit: str
    left_out: tuple[str, ...]
    columns_left_out: tuple[str, ...]
    notes: tuple[str, ...]


def cut(
    trial: Trial, channels: list[Channel], *, files: Files, shortest: float, longest: float
) -> Recording:
    """Read a trial's recordings and extract cycles of 101 points.

    Parameters
    ----------
    trial : Trial
        A row of a manifest.
    channels : list of Channel
        The channel map.
    files : Files
        Reads the files.
    shortest, longest : float
        Shortest and longest accepted cycle between two contacts, s.

    Returns
    -------
    Recording
        Cycles are left out and listed if they exceed the simulated or measured time, are too short
        or too long, have a gap of more than a tenth of the cycle, or a NaN activation.

    Raises
    ------
    InputError
        A file cannot be read, a column is missing, there are no activations, or simulation and EMG
        do not overlap in time.
    """
    simulation, measured = files.simulation(trial), files.measured(trial, channels)
    emg = measured.storage
    others = [files.read(trial.ground_reaction)] if trial.ground_reaction else []
    _refuse_truncated([simulation, emg, *others])
    if max(simulation.time[0], emg.time[0]) >= min(simulation.time[-1], emg.time[-1]):
        raise InputError(
            f"{trial.where}: expected simulation and EMG that overlap in time, found "
            f"{_span(simulation)} and {_span(emg)}; do they belong to one trial and one clock?"
        )
    found, columns_left_out, notes = activations(simulation, trial.ipsilateral)
    activity = simulation.data[:, list(found.values())]
    cycles, left_out, more = candidates(trial, files.read, shortest=shortest, longest=longest)
    simulated_cycles, measured_cycles, bounds = [], [], []
    for number, start, end in cycles:
        reason = _unusable(simulation, "the simulation", start, end)
        reason = reason or _unusable(emg, "the EMG", start, end)
        if not reason:
            cycle = resample_cycle(simulation.time, activity, start=start, end=end)
            holes = np.flatnonzero(np.isnan(cycle).any(axis=0))
            if len(holes):
                reason = f"simulated {list(found)[holes[0]]} has nan"
        if reason:
            left_out.append(f"{describe(trial, number, start, end)}: {reason}")
            continue
        simulated_cycles.append(cycle)
        measured_cycles.append(resample_cycle(emg.time, measured.signals, start=start, end=end))
        bounds.append((number, start, end))
    for storage in (simulation, emg, *others):
        notes += [f"{storage.path}: {note}" for note in storage.notes]
    return Recording(
        trial=trial,
        channels={name: simulation.labels[index] for name, index in found.items()},
        simulated=np.array(simulated_cycles).reshape(len(bounds), POINTS, len(found)),
        muscles=measured.muscles,
        measured=np.array(measured_cycles).reshape(len(bounds), POINTS, len(channels)),
        bounds=bounds,
        emg_facts=measured.facts,
        emg_unit=measured.unit,
        left_out=tuple(left_out),
        columns_left_out=(*columns_left_out, *measured.columns_left_out),
        notes=(*notes, *more, *measured.notes),
    )


def _refuse_truncated(storages: list[Storage]) -> None:
    """Refuse a file that states more rows than it has and ends before the trial's other files.

    Many complete files state too many rows, so the reader of a single file only notes it.
    """
    for storage in storages:
        stated = storage.stated_rows or 0
        others = [other for other in storages if other is not storage and other.n_rows]
        end = min((other.time[-1] for other in others), default=-np.inf)
        if stated > storage.n_rows and storage.n_rows and storage.time[-1] < end - _CLOCK:
            raise InputError(
                f"{storage.path}: expected {stated} rows (nRows), found {storage.n_rows}, the last "
                f"at {storage.time[-1]:.6g} s while the trial's other files end at {end:.6g} s; "
                "the file seems truncated, get a complete copy or correct its nRows"
            )


def _unusable(storage: Storage, what: str, start: float, end: float) -> str:
    """Return the reason why a recording does not cover a cycle, or an empty text."""
    # Time stamps written in single precision are wrong by some microseconds.
    if start < storage.time[0] - _CLOCK or end > storage.time[-1] + _CLOCK:
        return f"outside {what}, {_span(storage)}"
    inside = storage.time[(storage.time > start) & (storage.time < end)]
    gap = np.diff(np.concatenate([[start], inside, [end]])).max()
    if gap > LARGEST_GAP * (end - start):
        return f"{what} has a gap of {gap:.3g} s"
    return ""


def _span(storage: Storage) -> str:
    return f"{storage.time[0]:.6g} to {storage.time[-1]:.6g} s"
