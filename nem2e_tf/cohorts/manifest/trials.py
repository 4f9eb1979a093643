"""The rows of a manifest: what was recorded of whom, and where the cycles are."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from nem2e_tf.errors import InputError, near
from nem2e_tf.io.tables import number, read_table, require
from nem2e_tf.muscles import canonical
from nem2e_tf.signals.gait import THRESHOLD

COLUMNS = ("subject", "condition", "speed", "side", "simulated", "emg")
EVENT_COLUMNS = (
    *("ground_reaction", "plate", "threshold", "markers", "heel", "pelvis", "events", "until"),
    *("start", "end"),
)
OTHER_COLUMNS = (
    *("trial", "cycle", "map", "simulated_map", "recipe", "rate", "unit", "emg_offset"),
    *("drop", "mvc"),
    *EVENT_COLUMNS,
)
SIDES = {"r": "r", "right": "r", "l": "l", "left": "l"}
UNITS = {"v": 1.0, "mv": 1e-3, "uv": 1e-6, "µv": 1e-6, "%": 0.01, "1": 1.0}
WAYS = "ground_reaction and plate, or markers, heel and pelvis, or events, or start and end"
# The columns of each way, the first of which says that it is the row's.
_WAY_COLUMNS = (
    ("ground_reaction", "plate"),
    ("markers", "heel", "pelvis"),
    ("events",),
    ("start", "end"),
)


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
    side : {"r", "l", ""}
        The foot whose contacts bound the cycles, and the leg the EMG is from; empty for a motion
        that has none.
    simulated, emg : Path
        Files of signals.
    ground_reaction, markers, events : Path or None
        File of forces, marker file, or table of events.
    plate : tuple of str
        Prefix of the force columns of the foot's plate, and of the other foot's.
    threshold : float
        N.
    heel : tuple of str
        Heel marker of the foot, and of the other foot.
    pelvis : tuple of str
        Markers whose middle is the back of the pelvis.
    to_other_foot : bool
        Whether a cycle ends with the other foot's contact, not with the same foot's next one.
    start, end : float
        Bounds of one cycle, s; NaN where events or a ground reaction tell.
    cycle : int or None
        Number of the cycle with these bounds.
    map : Path or None
        Channel map of this row.
    simulated_map : Path or None
        Which simulated column is which muscle, where the labels do not say.
    recipe : str
        How raw EMG becomes envelopes; empty where the file holds envelopes.
    rate : float
        Samples a second of the EMG as stated; NaN where the cell is empty.
    unit : str
        Unit of the EMG as stated, one of `UNITS`; may be empty.
    emg_offset : float
        s, added to the times of the EMG.
    drop : tuple of str
        Muscles or electrodes whose EMG is not usable in this row.
    mvc : tuple of Path
        Recordings of maximal voluntary contractions.
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
    markers: Path | None
    events: Path | None
    plate: tuple[str, ...]
    threshold: float
    heel: tuple[str, ...]
    pelvis: tuple[str, ...]
    to_other_foot: bool
    start: float
    end: float
    cycle: int | None
    map: Path | None
    simulated_map: Path | None
    recipe: str
    rate: float
    unit: str
    emg_offset: float
    drop: tuple[str, ...]
    mvc: tuple[Path, ...] = ()

    @property
    def ipsilateral(self) -> str:
        """The side that channel names call ``ipsi``: the row's, or the right where it has none."""
        return self.side or "r"


def read_trials(path: "str | os.PathLike[str]") -> tuple[list[Trial], list[str]]:
    """Read a manifest; see `nem2e_tf.cohorts.manifest.build` for its columns.

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
    rows, columns, notes = read_table(file, COLUMNS, OTHER_COLUMNS, what="a manifest")
    if not any(columns.issuperset(way) for way in _WAY_COLUMNS):
        begun = [set(way) - columns for way in _WAY_COLUMNS if way[0] in columns]
        missing = f"no {sorted(begun[0])[0]}" if begun else "none"
        raise InputError(f"{file}: expected columns {WAYS}, found {missing}")
    trials = [_read_trial(file, line, row) for line, row in rows]
    seen: dict[tuple[object, ...], str] = {}
    key: tuple[object, ...]
    for trial in trials:
        files = (trial.simulated, trial.emg, trial.ground_reaction, trial.markers, trial.events)
        feet = (trial.plate, trial.heel, trial.to_other_foot)
        key = (trial.subject, trial.condition, trial.trial, trial.side, *files, *feet)
        if not math.isnan(trial.start):
            key = (*key, trial.start, trial.end)
        if key in seen:
            raise InputError(f"{trial.where}: expected each trial once, found {seen[key]} again")
        seen[key] = trial.where
    return trials, notes


def _read_trial(file: Path, line: int, row: dict[str, str]) -> Trial:
    where = f"{file}, line {line}"
    for column in ("subject", "simulated", "emg"):
        require(row, column, where)
    begun = [
        way for way in _WAY_COLUMNS if row.get(way[0]) or (way[0] == "start" and row.get("end"))
    ]
    if len(begun) != 1:
        found = "more than one" if begun else "none"
        raise InputError(f"{where}: expected either {WAYS}, found {found}")
    (way,) = begun
    for column in way:
        require(row, column, where)
    start, end = (number(row, column, where) for column in ("start", "end"))
    if end <= start:
        raise InputError(f"{where}: expected end after start, found {start:g} to {end:g} s")
    speed, rate = (number(row, column, where) for column in ("speed", "rate"))
    if speed < 0:
        raise InputError(f"{where}, column speed: expected m/s of 0 or more, found {speed:g}")
    if rate <= 0:
        raise InputError(f"{where}, column rate: expected Hz above 0, found {rate:g}")
    unit = row.get("unit", "").lower()
    if unit and unit not in UNITS:
        raise InputError(
            f"{where}, column unit: expected V, mV, uV, % or 1, found {row['unit']!r}"
            f"{near(unit, list(UNITS))}"
        )
    cycle = number(row, "cycle", where)
    if cycle == cycle and (cycle != int(cycle) or cycle < 1):
        raise InputError(f"{where}, column cycle: expected a whole number, found {row['cycle']!r}")
    until = row.get("until", "").lower() or "same"
    if until not in ("same", "other") or (until == "other" and way[0] == "start"):
        raise InputError(
            f"{where}, column until: expected same, or other where contacts tell the cycles, "
            f"found {row['until']!r}"
        )
    plate, heel, pelvis = (_names(row, column) for column in ("plate", "heel", "pelvis"))
    for column, names in (("plate", plate), ("heel", heel)):
        if until == "other" and column in way and len(names) != 2:
            raise InputError(
                f"{where}, column {column}: expected this foot's and the other foot's separated "
                f"by |, since cycles last until the other foot's contact, found {row[column]!r}"
            )
    folder = file.parent

    def path(column: str) -> Path | None:
        return folder / row[column] if row.get(column) else None

    return Trial(
        where=where,
        subject=row["subject"],
        condition=row.get("condition") or row.get("speed") or "",
        speed=speed,
        side=_side(row, where, needed=way[0] in ("ground_reaction", "markers") or until == "other"),
        trial=row.get("trial") or Path(row["simulated"]).stem,
        simulated=folder / row["simulated"],
        emg=folder / row["emg"],
        ground_reaction=path("ground_reaction"),
        markers=path("markers"),
        events=path("events"),
        plate=plate,
        threshold=number(row, "threshold", where, THRESHOLD),
        heel=heel,
        pelvis=pelvis,
        to_other_foot=until == "other",
        start=start,
        end=end,
        cycle=None if math.isnan(cycle) else int(cycle),
        map=path("map"),
        simulated_map=path("simulated_map"),
        recipe=row.get("recipe", ""),
        rate=rate,
        unit=unit,
        emg_offset=number(row, "emg_offset", where, 0.0),
        drop=tuple(_muscle(name) for name in row.get("drop", "").split()),
        mvc=tuple(folder / name for name in _names(row, "mvc")),
    )


def _side(row: dict[str, str], where: str, *, needed: bool) -> str:
    text = row.get("side", "")
    side = SIDES.get(text.lower(), "")
    if not side and (text or needed):
        raise InputError(f"{where}, column side: expected r or l, found {text!r}")
    return side


def _names(row: dict[str, str], column: str) -> tuple[str, ...]:
    """Names in a cell, with | between them."""
    return tuple(name.strip() for name in row.get(column, "").split("|") if name.strip())


def _muscle(name: str) -> str:
    try:
        return canonical(name)
    except InputError:
        return name  # an electrode's
