"""Tables of events: a CSV with a row an event, for any number of trials.

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

from itertools import pairwise
from pathlib import Path

from nem2e_tf.cycle_bounds import read_events
from nem2e_tf.errors import InputError, near
from nem2e_tf.importers.tables import number, read_table, require
from nem2e_tf.importers.trials import SIDES

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
