"""Where the cycles of a trial are: by force, by markers, by events, or as the row says."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np

from nem2e_tf.cycle_bounds import contacts_in, vertical_force
from nem2e_tf.errors import InputError
from nem2e_tf.gait import contacts_from_markers, cycles_between, cycles_from_contacts
from nem2e_tf.importers.events import read_bounds
from nem2e_tf.importers.trials import Trial
from nem2e_tf.storage import Storage
from nem2e_tf.trc import read_trc

Numbered = tuple[int, float, float]
Read = Callable[[Path], Storage]

# Of the coordinates of a marker, those along the ground: OpenSim's second axis points up.
_GROUND = (0, 2)


def candidates(
    trial: Trial, read: Read, *, shortest: float, longest: float
) -> tuple[list[Numbered], list[str], list[str]]:
    """Find the cycles of a trial.

    Parameters
    ----------
    trial : Trial
        A row of a manifest.
    read : callable
        Reads a file of forces.
    shortest, longest : float
        Durations a cycle between two contacts of one foot may have, s; half of them where it lasts
        until the other foot's contact. Starts and ends are taken as they are.

    Returns
    -------
    cycles : list of (int, float, float)
        Number, start and end, s.
    left_out : list of str
        Stretches between contacts that are no cycle, and why.
    notes : list of str
        What is not used.

    Raises
    ------
    InputError
        The plate or a marker is not in the file, its force holds NaN, its centre of pressure says
        that several feet hit it, or the events are wrong.
    """
    if not (trial.ground_reaction or trial.markers or trial.events):
        return [(trial.cycle or 1, trial.start, trial.end)], [], []
    notes: list[str] = []
    if trial.events:
        _, bounds, notes = read_bounds(trial.events, trial=trial.trial, side=trial.side)
        if bounds:
            return [(n, *pair) for n, pair in enumerate(bounds, start=1)], [], notes
    times, source = _contacts(trial, 0, read)
    if trial.to_other_foot:
        others, _ = _contacts(trial, 1, read)
        kept = cycles_between(times, others, shortest=shortest / 2, longest=longest / 2)
        starts = [start for start, _ in kept]
        found = [(times.index(start) + 1, start, end) for start, end in kept]
        left_out = [
            f"{trial.where}: subject {trial.subject}, contact {n} at {time:.6g} s: no contact of "
            f"the other foot {shortest / 2:g} to {longest / 2:g} s later"
            for n, time in enumerate(times[:-1], start=1)
            if time not in starts
        ]
        return found, left_out, notes
    whole = set(cycles_from_contacts(times, shortest=shortest, longest=longest))
    found, left_out = [], []
    for number, pair in enumerate(pairwise(times), start=1):
        if pair in whole:
            found.append((number, *pair))
        else:
            left_out.append(
                f"{describe(trial, number, *pair)}: it lasts {pair[1] - pair[0]:.3g} s, "
                f"expected {shortest:g} to {longest:g} s"
            )
    if len(times) < 2:
        left_out.append(
            f"{trial.where}: {len(times)} foot contacts {source}, two are needed for a cycle"
        )
    return found, left_out, notes


def describe(trial: Trial, number: int, start: float, end: float) -> str:
    """Name a cycle in a message."""
    return f"{trial.where}: subject {trial.subject}, cycle {number}, {start:.6g} to {end:.6g} s"


def _contacts(trial: Trial, foot: int, read: Read) -> tuple[list[float], str]:
    """Contacts of the row's foot (0) or the other one (1), s, and where they were found."""
    if trial.ground_reaction:
        forces = read(trial.ground_reaction)
        try:
            label = vertical_force(forces, trial.plate[foot])
        except InputError as error:
            raise InputError(f"{trial.where}, column plate: {error}") from None
        times = contacts_in(forces, label, threshold=trial.threshold)
        return times.tolist(), f"above {trial.threshold:g} N in {label}"
    if trial.markers:
        return _contacts_of_markers(trial, trial.markers, trial.heel[foot])
    side = trial.side if not foot else {"r": "l", "l": "r"}[trial.side]
    events = trial.events or Path()
    times_of_events, _, _ = read_bounds(events, trial=trial.trial, side=side)
    return times_of_events, str(events)


def _contacts_of_markers(trial: Trial, path: Path, heel: str) -> tuple[list[float], str]:
    markers = read_trc(path)
    try:
        pelvis = np.mean([markers.marker(name)[:, _GROUND] for name in trial.pelvis], axis=0)
        times = contacts_from_markers(markers.time, markers.marker(heel)[:, _GROUND], pelvis)
    except InputError as error:
        raise InputError(f"{trial.where}: {path}: {error}") from None
    return times.tolist(), f"by {heel} in {path}"
