"""Cycle bounds of a trial: from ground reaction forces, markers, events or the manifest row.

Tables of events are CSV files with one row per event, for any number of trials:

================  =================================================================================
``trial``         name of the recording, as in the manifest; empty for every recording
``side``          ``r`` or ``l``; empty if the event has none
``event``         ``contact`` (or ``foot strike``, ``heel strike``, ``initial contact``),
                  ``off`` (or ``toe off``, ``foot off``), ``start`` or ``end``
``time``          s, on the recording's clock
================  =================================================================================

Cycles run from contact to contact of the row's side, or from each ``start`` to the next ``end``.
For a single recording, a table with the columns ``start`` and ``end`` and one row per cycle, as
``nem2e-tf refine`` takes it, is accepted as well.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np

from nem2e_tf.cohorts.manifest.trials import SIDES, Trial
from nem2e_tf.errors import InputError, near
from nem2e_tf.io.storage import Storage
from nem2e_tf.io.tables import column_names, read_table
from nem2e_tf.io.trc import read_trc
from nem2e_tf.signals.gait import (
    contacts_from_markers,
    contacts_in,
    cycles_between,
    cycles_from_contacts,
    read_events,
    vertical_force,
)

COLUMNS = ("trial", "side", "event", "time")
EVENTS = {
    **dict.fromkeys(("contact", "footstrike", "heelstrike", "initialcontact"), "contact"),
    **dict.fromkeys(("off", "toeoff", "footoff"), "off"),
    "start": "start",
    "end": "end",
}

Bounds = list[tuple[float, float]]
Numbered = tuple[int, float, float]
Read = Callable[[Path], Storage]

# Horizontal coordinates of a marker: OpenSim's second axis points up.
_GROUND = (0, 2)


def read_bounds(path: Path, *, trial: str, side: str) -> tuple[list[float], Bounds, list[str]]:
    """Read a trial's events.

    Parameters
    ----------
    path : Path
        The table.
    trial : str
        Name of the recording.
    side : {"r", "l", ""}
        Side of the events.

    Returns
    -------
    contacts : list of float
        Times of the side's contacts, increasing, s.
    bounds : list of (float, float)
        Starts and ends, s, in order.
    notes : list of str
        Columns and events that are not used.

    Raises
    ------
    InputError
        The table is missing, a cell is wrong, there is no event of this trial and side, starts and
        ends do not alternate, or there are both contacts and starts.
    """
    columns = column_names(path)
    if {"start", "end"} <= columns and "event" not in columns:
        pairs, more = read_events(path)
        return [], pairs, more
    rows, _, notes = read_table(path, COLUMNS, what="a table of events")
    found: dict[str, list[tuple[float, str]]] = {"contact": [], "off": [], "start": [], "end": []}
    trials, sides = set(), set()
    for row in rows:
        text = row.require("event").lower()
        event = EVENTS.get("".join(filter(str.isalpha, text)))
        if event is None:
            raise row.wrong("event", "contact, off, start or end", near(text, list(found)))
        of = SIDES.get(row.get("side", "").lower(), "")
        if row.get("side") and not of:
            raise row.wrong("side", "r or l")
        row.require("time")
        time = row.number("time")
        trials.add(row["trial"])
        if row["trial"] not in ("", trial):
            continue
        sides.add(of)
        if of == side or not of:
            found[event].append((time, row.where))
    if not sides:
        raise InputError(
            f"{path}: expected events of trial {trial!r}, found {', '.join(sorted(trials))}"
            f"{near(trial, sorted(trials))}"
        )
    contacts = sorted(time for time, _ in found["contact"])
    bounds = _pairs(found["start"], found["end"])
    if bool(contacts) == bool(bounds):
        raise InputError(
            f"{path}: expected either contacts{f' of side {side}' if side else ''} or starts and "
            f"ends of trial {trial!r}, found {'both' if bounds else 'neither'}"
        )
    twice = [one for one, other in pairwise(contacts) if one == other]
    if twice:
        raise InputError(f"{path}: expected each contact once, found two at {twice[0]:g} s")
    if found["off"]:
        notes.append(f"{path}: {len(found['off'])} events 'off' of trial {trial} are not used")
    return contacts, bounds, notes


def _pairs(starts: list[tuple[float, str]], ends: list[tuple[float, str]]) -> Bounds:
    """Pair each start with the end that follows it; starts and ends have to alternate."""
    ordered = sorted(
        [(time, "start", where) for time, where in starts]
        + [(time, "end", where) for time, where in ends]
    )
    for place, (_, kind, where) in enumerate(ordered):
        if kind != ("end" if place % 2 else "start"):
            raise InputError(f"{where}: expected alternating starts and ends, found another {kind}")
    if len(ordered) % 2:
        raise InputError(f"{ordered[-1][2]}: expected an end after this start, found none")
    times = [time for time, _, _ in ordered]
    return list(zip(times[::2], times[1::2], strict=True))


def candidates(
    trial: Trial, read: Read, *, shortest: float, longest: float
) -> tuple[list[Numbered], list[str], list[str]]:
    """Locate the cycles of a trial.

    Parameters
    ----------
    trial : Trial
        A row of a manifest.
    read : callable
        Reads a file of forces.
    shortest, longest : float
        Shortest and longest accepted cycle between two contacts of one foot, s; half of it if the
        cycle ends with the other foot's contact. Stated starts and ends are not checked.

    Returns
    -------
    cycles : list of (int, float, float)
        Number, start and end, s.
    left_out : list of str
        Intervals between contacts that are not cycles, and the reason.
    notes : list of str
        Columns and events that are not used.

    Raises
    ------
    InputError
        The plate or a marker is missing, the force has NaN, the plate's centre of pressure shows
        more than one foot, or the events are wrong.
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
    for nth, pair in enumerate(pairwise(times), start=1):
        if pair in whole:
            found.append((nth, *pair))
        else:
            left_out.append(
                f"{describe(trial, nth, *pair)}: duration {pair[1] - pair[0]:.3g} s, "
                f"expected {shortest:g} to {longest:g} s"
            )
    if len(times) < 2:
        left_out.append(f"{trial.where}: {len(times)} foot contacts {source}, a cycle requires two")
    return found, left_out, notes


def describe(trial: Trial, number: int, start: float, end: float) -> str:
    """Return the name of a cycle for messages."""
    return f"{trial.where}: subject {trial.subject}, cycle {number}, {start:.6g} to {end:.6g} s"


def _contacts(trial: Trial, foot: int, read: Read) -> tuple[list[float], str]:
    """Return contacts of the row's foot (0) or the other one (1), s, and their source."""
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
