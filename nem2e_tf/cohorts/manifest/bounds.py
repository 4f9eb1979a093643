"""Where the cycles of a trial are: by force, by markers, by events, or as the row says.

Tables of events: a CSV with a row an event, for any number of trials.

================  =================================================================================
``trial``         name of the recording, as in the manifest; empty for every recording
``side``          ``r`` or ``l``; empty where the event has none
``event``         ``contact`` (or ``foot strike``, ``heel strike``, ``initial contact``),
                  ``off`` (or ``toe off``, ``foot off``), ``start`` or ``end``
``time``          s, of the recording's clock
================  =================================================================================

Cycles run from contact to contact of the row's side, or from each ``start`` to the next ``end``.
A table with the columns ``start`` and ``end`` instead, a row a cycle, as ``nem2e-tf refine`` takes,
does as well where it is of one recording.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np

from nem2e_tf.cohorts.manifest.trials import SIDES, Trial
from nem2e_tf.errors import InputError, near
from nem2e_tf.io.storage import Storage
from nem2e_tf.io.tables import number, read_table, require
from nem2e_tf.io.trc import read_trc
from nem2e_tf.signals.gait import contacts_from_markers, cycles_between, cycles_from_contacts
from nem2e_tf.signals.gait.bounds import contacts_in, read_events, vertical_force

COLUMNS = ("trial", "side", "event", "time")
EVENTS = {
    **dict.fromkeys(("contact", "footstrike", "heelstrike", "initialcontact"), "contact"),
    **dict.fromkeys(("off", "toeoff", "footoff"), "off"),
    "start": "start",
    "end": "end",
}

Bounds = list[tuple[float, float]]


def read_bounds(path: Path, *, trial: str, side: str) -> tuple[list[float], Bounds, list[str]]:
    """Read a trial's events.

    Parameters
    ----------
    path : Path
        The table.
    trial : str
        Name of the recording.
    side : {"r", "l", ""}
        Whose events.

    Returns
    -------
    contacts : list of float
        Times of the side's contacts, increasing, s.
    bounds : list of (float, float)
        Starts and ends, s, in order.
    notes : list of str
        What is not used.

    Raises
    ------
    InputError
        The table is missing, a cell is wrong, it holds no event of this trial and side, starts and
        ends do not alternate, or there are both contacts and starts.
    """
    if _is_of_cycles(path):
        pairs, more = read_events(path)
        return [], pairs, [f"{path}: {note}" for note in more]
    rows, _, notes = read_table(path, COLUMNS, (), what="a table of events")
    found: dict[str, list[tuple[float, str]]] = {"contact": [], "off": [], "start": [], "end": []}
    trials, sides = set(), set()
    for line, row in rows:
        where = f"{path}, line {line}"
        text = require(row, "event", where)
        event = EVENTS.get("".join(filter(str.isalpha, text.lower())))
        if event is None:
            raise InputError(
                f"{where}, column event: expected contact, off, start or end, found {text!r}"
                f"{near(text.lower(), list(found))}"
            )
        of = SIDES.get(row.get("side", "").lower(), "")
        if row.get("side") and not of:
            raise InputError(f"{where}, column side: expected r or l, found {row['side']!r}")
        require(row, "time", where)
        time = number(row, "time", where)
        trials.add(row["trial"])
        if row["trial"] not in ("", trial):
            continue
        sides.add(of)
        if of == side or not of:
            found[event].append((time, where))
    if not sides:
        raise InputError(
            f"{path}: expected events of trial {trial!r}, found {', '.join(sorted(trials))}"
            f"{near(trial, sorted(trials))}"
        )
    contacts = sorted(time for time, _ in found["contact"])
    bounds = _pairs(found["start"], found["end"])
    if contacts and bounds:
        raise InputError(
            f"{path}: expected either contacts or starts and ends of trial {trial!r}, found both"
        )
    if not contacts and not bounds:
        raise InputError(
            f"{path}: expected contacts{f' of side {side}' if side else ''}, or starts and ends, "
            f"of trial {trial!r}, found neither"
        )
    twice = [one for one, other in pairwise(contacts) if one == other]
    if twice:
        raise InputError(f"{path}: expected each contact once, found two at {twice[0]:g} s")
    if found["off"]:
        notes.append(f"{path}: {len(found['off'])} events 'off' of trial {trial} are not used")
    return contacts, bounds, notes


def _is_of_cycles(path: Path) -> bool:
    """Whether the table has a start and an end in each row, and not an event."""
    try:
        with path.open(encoding="utf-8-sig") as stream:
            columns = {cell.strip().lower() for cell in stream.readline().split(",")}
    except (OSError, UnicodeDecodeError):
        return False  # reading the table says what is wrong
    return {"start", "end"} <= columns and "event" not in columns


def _pairs(starts: list[tuple[float, str]], ends: list[tuple[float, str]]) -> Bounds:
    """Each start with the end that follows it; nothing may stand between them or be left over."""
    ordered = sorted(
        [(time, "start", where) for time, where in starts]
        + [(time, "end", where) for time, where in ends]
    )
    for place, (_, kind, where) in enumerate(ordered):
        expected = "end" if place % 2 else "start"
        if kind != expected:
            raise InputError(f"{where}: expected starts and ends in turn, found another {kind}")
    if len(ordered) % 2:
        raise InputError(f"{ordered[-1][2]}: expected an end after this start, found none")
    times = [time for time, _, _ in ordered]
    return list(zip(times[::2], times[1::2], strict=True))


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
    for nth, pair in enumerate(pairwise(times), start=1):
        if pair in whole:
            found.append((nth, *pair))
        else:
            left_out.append(
                f"{describe(trial, nth, *pair)}: it lasts {pair[1] - pair[0]:.3g} s, "
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
