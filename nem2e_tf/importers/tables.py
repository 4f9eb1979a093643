"""The two tables a manifest consists of, read and checked cell by cell."""

import csv
import math
import os
from dataclasses import dataclass
from pathlib import Path

from nem2e_tf.errors import InputError, near
from nem2e_tf.gait import THRESHOLD
from nem2e_tf.muscles import canonical

TRIAL_COLUMNS = ("subject", "condition", "speed", "side", "simulated", "emg")
EVENT_COLUMNS = ("ground_reaction", "plate", "threshold", "start", "end")
OTHER_TRIAL_COLUMNS = ("trial", "map")
MAP_COLUMNS = ("column", "muscle")
OTHER_MAP_COLUMNS = ("electrode", "counterparts")
_SIDES = {"r": "r", "right": "r", "l": "l", "left": "l"}


@dataclass(frozen=True)
class Trial:
    """One row of a manifest, paths made whole.

    Attributes
    ----------
    where : str
        File and line of the row, for messages.
    subject, condition, trial : str
        Who, under which condition, in which recording.
    speed : float
        m/s; NaN where the cell is empty.
    side : {"r", "l"}
        The foot whose contacts bound the cycles, and the leg the EMG is from.
    simulated, emg : Path
        Storage files.
    ground_reaction : Path or None
        Storage file; None where `start` and `end` are given.
    plate : str
        Prefix of the force columns of the foot's plate.
    threshold : float
        N.
    start, end : float
        Bounds of one cycle, s; NaN where there is a ground reaction.
    map : Path or None
        Channel map of this row.
    """

    where: str
    subject: str
    condition: str
    speed: float
    side: str
    trial: str
    simulated: Path
    emg: Path
    ground_reaction: Path | None
    plate: str
    threshold: float
    start: float
    end: float
    map: Path | None


@dataclass(frozen=True)
class Channel:
    """One row of a channel map.

    Attributes
    ----------
    where : str
        File and line of the row, for messages.
    column : str
        EMG column label; ``{side}`` in it stands for the row's ``r`` or ``l``.
    muscle : str
        Canonical name of the measured muscle.
    electrode : str
        Muscles with the same electrode carry the same signal.
    counterparts : tuple of str
        Names of the simulated channels (``soleus_ipsi``) the muscle is compared with.
    """

    where: str
    column: str
    muscle: str
    electrode: str
    counterparts: tuple[str, ...]


def read_trials(path: "str | os.PathLike[str]") -> tuple[list[Trial], list[str]]:
    """Read a manifest; see `nem2e_tf.importers.manifest` for its columns.

    Returns
    -------
    trials : list of Trial
    notes : list of str
        Columns that are not used.

    Raises
    ------
    InputError
        The manifest or a column is missing, it has no rows, or a cell is wrong; file and line are
        named.
    """
    file = Path(path)
    rows, columns, notes = _read_table(
        file, TRIAL_COLUMNS, (*EVENT_COLUMNS, *OTHER_TRIAL_COLUMNS), what="a manifest"
    )
    if not ({"ground_reaction", "plate"} <= columns or {"start", "end"} <= columns):
        missing = "plate" if "ground_reaction" in columns else "end" if "start" in columns else ""
        raise InputError(
            f"{file}: expected columns ground_reaction and plate, or start and end, "
            f"found {f'no {missing}' if missing else 'neither'}"
        )
    trials = [_read_trial(file, line, row) for line, row in rows]
    seen: dict[tuple[object, ...], str] = {}
    key: tuple[object, ...]
    for trial in trials:
        files = (trial.simulated, trial.emg, trial.ground_reaction, trial.plate)
        key = (trial.subject, trial.condition, trial.trial, trial.side, *files)
        if not math.isnan(trial.start):
            key = (*key, trial.start, trial.end)
        if key in seen:
            raise InputError(f"{trial.where}: expected each trial once, found {seen[key]} again")
        seen[key] = trial.where
    return trials, notes


def read_map(path: "str | os.PathLike[str]") -> tuple[list[Channel], list[str]]:
    """Read a channel map; see `nem2e_tf.importers.manifest` for its columns.

    Returns
    -------
    channels : list of Channel
    notes : list of str
        Columns that are not used.

    Raises
    ------
    InputError
        The map or a column is missing, it has no rows, a muscle is unknown (near names are given)
        or stands twice, or muscles of one EMG column claim different electrodes.
    """
    file = Path(path)
    rows, _, notes = _read_table(file, MAP_COLUMNS, OTHER_MAP_COLUMNS, what="a channel map")
    channels: list[Channel] = []
    for line, row in rows:
        where = f"{file}, line {line}"
        for column in MAP_COLUMNS:
            _required(row, column, where)
        try:
            muscle = canonical(row["muscle"])
            counterparts = tuple(
                _channel_name(name) for name in (row.get("counterparts") or muscle).split()
            )
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        for other in channels:
            if other.muscle == muscle:
                raise InputError(
                    f"{where}: expected each muscle once, found {muscle} again ({other.where})"
                )
        electrode = row.get("electrode") or muscle
        shared = next((other for other in channels if other.column == row["column"]), None)
        if shared and shared.electrode != electrode:
            raise InputError(
                f"{where}, column electrode: expected {shared.electrode!r} as for the other muscle "
                f"of EMG column {shared.column!r}, found {electrode!r}"
            )
        channels.append(Channel(where, row["column"], muscle, electrode, counterparts))
    return channels, notes


def _read_table(
    file: Path, required: tuple[str, ...], optional: tuple[str, ...], *, what: str
) -> tuple[list[tuple[int, dict[str, str]]], set[str], list[str]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{file}: expected {what}, found no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: expected {what} (CSV, UTF-8), found {error}") from None
    lines = text.splitlines()
    first = lines[0] if lines else ""
    reader = csv.reader(lines, delimiter=max(",;\t", key=first.count), skipinitialspace=True)
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        body = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise InputError(f"{file}, line {reader.line_num}: expected CSV, found {error}") from None
    for column in required:
        if column not in header:
            raise InputError(
                f"{file}: expected a column {column!r}, found "
                f"{', '.join(filter(None, header)) or 'an empty file'}{near(column, header)}"
            )
    known = {*required, *optional}
    twice = sorted({column for column in header if column in known and header.count(column) > 1})
    if twice:
        raise InputError(f"{file}: expected column {twice[0]!r} once, found it twice")
    notes = [
        f"{file}: column {column!r} is not used{near(column, sorted(known - set(header)))}"
        for column in header
        if column and column not in known
    ]
    rows = []
    for line, cells in body:
        if not any(cells):
            continue
        if len(cells) > len(header):
            raise InputError(
                f"{file}, line {line}: expected {len(header)} cells, found {len(cells)}"
            )
        rows.append((line, dict(zip(header, cells, strict=False))))
    if not rows:
        raise InputError(f"{file}: expected {what} with at least one row, found none")
    return rows, set(header), notes


def _read_trial(file: Path, line: int, row: dict[str, str]) -> Trial:
    where = f"{file}, line {line}"
    for column in ("subject", "side", "simulated", "emg"):
        _required(row, column, where)
    side = _SIDES.get(row["side"].lower())
    if side is None:
        raise InputError(f"{where}, column side: expected r or l, found {row['side']!r}")
    by_force, by_time = bool(row.get("ground_reaction")), bool(row.get("start") or row.get("end"))
    if by_force == by_time:
        raise InputError(
            f"{where}: expected either ground_reaction and plate or start and end, "
            f"found {'both' if by_force else 'neither'}"
        )
    for column in ("plate",) if by_force else ("start", "end"):
        _required(row, column, where)
    start, end = (_number(row, column, where, math.nan) for column in ("start", "end"))
    if end <= start:
        raise InputError(f"{where}: expected end after start, found {start:g} to {end:g} s")
    speed = _number(row, "speed", where, math.nan)
    if speed < 0:
        raise InputError(f"{where}, column speed: expected m/s of 0 or more, found {speed:g}")
    folder = file.parent
    return Trial(
        where=where,
        subject=row["subject"],
        condition=row.get("condition") or row.get("speed") or "",
        speed=speed,
        side=side,
        trial=row.get("trial") or Path(row["simulated"]).stem,
        simulated=folder / row["simulated"],
        emg=folder / row["emg"],
        ground_reaction=folder / row["ground_reaction"] if by_force else None,
        plate=row.get("plate", ""),
        threshold=_number(row, "threshold", where, THRESHOLD),
        start=start,
        end=end,
        map=folder / row["map"] if row.get("map") else None,
    )


def _required(row: dict[str, str], column: str, where: str) -> None:
    if not row.get(column):
        raise InputError(f"{where}, column {column}: expected a value, found an empty cell")


def _number(row: dict[str, str], column: str, where: str, default: float) -> float:
    text = row.get(column, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where}, column {column}: expected a number, found {text!r}")
    return value


def _channel_name(text: str) -> str:
    for side in ("_ipsi", "_contra"):
        if text.endswith(side):
            return f"{canonical(text.removesuffix(side))}{side}"
    return f"{canonical(text)}_ipsi"
