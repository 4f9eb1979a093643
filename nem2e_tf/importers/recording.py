"""One trial of a manifest: its recordings read, checked against each other and cut into cycles."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError, near
from nem2e_tf.gait import POINTS, contacts, cycles_from_contacts, resample_cycle
from nem2e_tf.importers.tables import Channel, Trial
from nem2e_tf.muscles import relative, try_parse_label
from nem2e_tf.storage import Storage

LARGEST_GAP = 0.1
_CLOCK = 1e-4
_FORCES = 10.0
_EXCITATION = "an excitation"

Reader = Callable[[Path], Storage]


@dataclass(frozen=True, eq=False)
class Recording:
    """The cycles of one trial.

    Attributes
    ----------
    trial : Trial
        The row it comes from.
    channels : dict of str to str
        Simulated channel (``soleus_ipsi``) to the label it was read from.
    simulated : float64 array [cycle, 101, channel]
        Activations, channels in the order of `channels`.
    muscles : tuple of str
        Measured muscles.
    measured : float64 array [cycle, 101, muscle]
        EMG as in the file; NaN where a cycle holds a NaN.
    bounds : list of (int, float, float)
        Number, start and end (s) of each cycle.
    left_out : tuple of str
        Cycles left out, and why.
    columns_left_out : tuple of str
        Columns left out, one text a file and reason.
    notes : tuple of str
        What was odd.
    """

    trial: Trial
    channels: dict[str, str]
    simulated: NDArray[np.float64]
    muscles: tuple[str, ...]
    measured: NDArray[np.float64]
    bounds: list[tuple[int, float, float]]
    left_out: tuple[str, ...]
    columns_left_out: tuple[str, ...]
    notes: tuple[str, ...]


def cut(
    trial: Trial, channels: list[Channel], *, read: Reader, shortest: float, longest: float
) -> Recording:
    """Read a trial's recordings and cut them into cycles of 101 points.

    Parameters
    ----------
    trial : Trial
        A row of a manifest.
    channels : list of Channel
        The channel map.
    read : callable
        Reads a storage file.
    shortest, longest : float
        Durations a cycle between two contacts may have, s.

    Returns
    -------
    Recording
        Cycles outside the simulated or the measured time, of an unlikely duration, across a gap of
        more than a tenth of the cycle, or with a nan activation are left out and listed.

    Raises
    ------
    InputError
        A file cannot be read, a column is missing, the activations are none, or the simulation and
        the EMG do not overlap in time.
    """
    simulation, emg = read(trial.simulated), read(trial.emg)
    for storage in (simulation, emg):
        if not storage.n_rows:
            raise InputError(f"{storage.path}: expected rows of numbers, found none")
    others = [] if trial.ground_reaction is None else [read(trial.ground_reaction)]
    _refuse_cut([simulation, emg, *others])
    first, last = (pick(a.time[i] for a in (simulation, emg)) for pick, i in ((max, 0), (min, -1)))
    if first >= last:
        raise InputError(
            f"{trial.where}: expected simulation and EMG that overlap in time, found "
            f"{_span(simulation)} and {_span(emg)}; are they of one trial and one clock?"
        )
    found, columns_left_out = _activations(simulation, trial.side)
    activity = simulation.data[:, list(found.values())]
    notes = _range_note(simulation, found)
    labels = [channel.column.replace("{side}", trial.side) for channel in channels]
    signals = np.stack(
        [_emg_column(emg, label, c) for label, c in zip(labels, channels, strict=True)], -1
    )
    columns_left_out += _left_out(
        emg, {"not in the channel map": [text for text in emg.labels if text not in labels]}
    )
    candidates, left_out = _candidates(trial, read, shortest=shortest, longest=longest)
    simulated, measured, bounds = [], [], []
    for number, start, end in candidates:
        reason = _unusable(simulation, "the simulation", start, end)
        reason = reason or _unusable(emg, "the EMG", start, end)
        if not reason:
            cycle = resample_cycle(simulation.time, activity, start=start, end=end)
            holes = np.flatnonzero(np.isnan(cycle).any(axis=0))
            if len(holes):
                reason = f"simulated {list(found)[holes[0]]} is nan"
        if reason:
            left_out.append(f"{_which(trial, number, start, end)}: {reason}")
            continue
        simulated.append(cycle)
        measured.append(resample_cycle(emg.time, signals, start=start, end=end))
        bounds.append((number, start, end))
    sources = {name: simulation.labels[index] for name, index in found.items()}
    for storage in (simulation, emg, *others):
        notes += [f"{storage.path}: {note}" for note in storage.notes]
    return Recording(
        trial=trial,
        channels=sources,
        simulated=np.array(simulated).reshape(len(bounds), POINTS, len(found)),
        muscles=tuple(channel.muscle for channel in channels),
        measured=np.array(measured).reshape(len(bounds), POINTS, len(channels)),
        bounds=bounds,
        left_out=tuple(left_out),
        columns_left_out=tuple(columns_left_out),
        notes=tuple(notes),
    )


def _refuse_cut(storages: list[Storage]) -> None:
    """Refuse a file that states more rows than it has and ends before the trial's other files.

    Many genuine files state too many rows, so the reader only notes it; here there is more to see.
    """
    for storage in storages:
        stated = storage.stated_rows or 0
        others = [other for other in storages if other is not storage and other.n_rows]
        end = min((other.time[-1] for other in others), default=-np.inf)
        if stated > storage.n_rows and storage.n_rows and storage.time[-1] < end - _CLOCK:
            raise InputError(
                f"{storage.path}: expected {stated} rows (nRows), found {storage.n_rows}, the last "
                f"at {storage.time[-1]:.6g} s while the trial's other files go on to {end:.6g} s; "
                "the file seems cut, get a whole copy or correct its nRows"
            )


def _activations(simulation: Storage, side: str) -> tuple[dict[str, int], list[str]]:
    """Channel name to column index; columns left out."""
    found: dict[str, int] = {}
    others: dict[str, list[str]] = {}
    for index, text in enumerate(simulation.labels):
        label = try_parse_label(text)
        reason = (
            "no muscle's activation"
            if label is None
            else _EXCITATION
            if label.quantity == "excitation"
            else "without a side"
        )
        if label is None or label.quantity == "excitation" or not label.side:
            others.setdefault(reason, []).append(text)
            continue
        name = f"{label.muscle}_{relative(label.side, side)}"
        if name in found:
            raise InputError(
                f"{simulation.path}: expected each muscle once, found {text!r} and "
                f"{simulation.labels[found[name]]!r}"
            )
        found[name] = index
    if not found:
        raise InputError(
            f"{simulation.path}: expected muscle activations such as soleus_r or "
            "/forceset/soleus_r/activation, found "
            + (
                f"{len(others[_EXCITATION])} excitations; give the states file, not the controls"
                if _EXCITATION in others
                else f"none in {len(simulation.labels)} columns"
            )
        )
    return found, _left_out(simulation, others)


def _left_out(storage: Storage, others: dict[str, list[str]]) -> list[str]:
    return [
        f"{storage.path}: columns left out ({len(labels)}), {reason}: {', '.join(labels)}"
        for reason, labels in others.items()
        if labels
    ]


def _range_note(simulation: Storage, found: dict[str, int]) -> list[str]:
    values = simulation.data[:, list(found.values())]
    if np.isnan(values).all():
        return []
    lowest, highest = np.nanmin(values), np.nanmax(values)
    if highest > _FORCES:
        label = simulation.labels[
            list(found.values())[int(np.nanargmax(np.nanmax(values, axis=0)))]
        ]
        raise InputError(
            f"{simulation.path}, column {label!r}: expected activations from 0 to 1, found "
            f"{highest:.6g}; is this a file of forces?"
        )
    outside = int(((values < 0) | (values > 1)).sum())
    if not outside:
        return []
    return [
        f"{simulation.path}: {outside} of {values.size} activations are outside 0..1 "
        f"({lowest:.4g} to {highest:.4g}); kept as they are"
    ]


def _emg_column(emg: Storage, label: str, channel: Channel) -> NDArray[np.float64]:
    if label not in emg.labels:
        raise InputError(
            f"{channel.where}: expected EMG column {label!r} in {emg.path}, found none"
            f"{near(label, emg.labels)}"
        )
    return emg.column(label)


def _candidates(
    trial: Trial, read: Reader, *, shortest: float, longest: float
) -> tuple[list[tuple[int, float, float]], list[str]]:
    if trial.ground_reaction is None:
        return [(1, trial.start, trial.end)], []
    storage = read(trial.ground_reaction)
    label = f"{trial.plate}_vy"
    if label not in storage.labels:
        vertical = [name for name in storage.labels if name.endswith("_vy")]
        raise InputError(
            f"{trial.where}, column plate: expected {label!r} in {storage.path}, found "
            f"{', '.join(vertical) or 'no column that ends in _vy'}"
        )
    try:
        times = contacts(storage.time, storage.column(label), threshold=trial.threshold)
    except InputError as error:
        raise InputError(f"{storage.path}, column {label!r}: {error}") from None
    kept = set(cycles_from_contacts(times, shortest=shortest, longest=longest))
    candidates, left_out = [], []
    for number, pair in enumerate(pairwise(times.tolist()), start=1):
        if pair in kept:
            candidates.append((number, *pair))
        else:
            left_out.append(
                f"{_which(trial, number, *pair)}: it lasts {pair[1] - pair[0]:.3g} s, "
                f"expected {shortest:g} to {longest:g} s"
            )
    if len(times) < 2:
        left_out.append(
            f"{trial.where}: {len(times)} foot contacts above {trial.threshold:g} N in {label}, "
            "two are needed for a cycle"
        )
    return candidates, left_out


def _unusable(storage: Storage, what: str, start: float, end: float) -> str:
    """Why a recording cannot give a cycle, or nothing."""
    # Stamps written in single precision are off by a few microseconds.
    if start < storage.time[0] - _CLOCK or end > storage.time[-1] + _CLOCK:
        return f"outside {what}, {storage.time[0]:.6g} to {storage.time[-1]:.6g} s"
    inside = storage.time[(storage.time > start) & (storage.time < end)]
    gap = np.diff(np.concatenate([[start], inside, [end]])).max()
    if gap > LARGEST_GAP * (end - start):
        return f"{what} has a gap of {gap:.3g} s in it"
    return ""


def _which(trial: Trial, number: int, start: float, end: float) -> str:
    return f"{trial.where}: subject {trial.subject}, cycle {number}, {start:.6g} to {end:.6g} s"


def _span(storage: Storage) -> str:
    return f"{storage.time[0]:.6g} to {storage.time[-1]:.6g} s"
