"""The rows of a manifest: subject, files and cycle bounds of each trial."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from nem2e_tf.errors import InputError, near
from nem2e_tf.io.tables import Row, read_table
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
# The columns of each way to bound cycles; the first one selects the way.
_WAY_COLUMNS = (
    ("ground_reaction", "plate"),
    ("markers", "heel", "pelvis"),
    ("events",),
    ("start", "end"),
)


@dataclass(frozen=True)
class Trial:
    """One row of a manifest, with complete paths.

    Attributes
    ----------
    where : str
        File and line of the row, for messages.
    subject, condition, trial : str
        Names of the subject, condition and recording.
    speed : float
        m/s; NaN if the cell is empty.
    side : {"r", "l", ""}
        The foot whose contacts bound the cycles, and the leg of the EMG; empty for a motion
        without a side.
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
        Markers whose mean is the back of the pelvis.
    to_other_foot : bool
        True if a cycle ends with the other foot's contact, not with the same foot's next one.
    start, end : float
        Bounds of one cycle, s; NaN if events, forces or markers bound the cycles.
    cycle : int or None
        Number of the cycle with these bounds.
    map : Path or None
        Channel map of this row.
    simulated_map : Path or None
        Map of simulated columns, required if their labels do not name the muscles.
    recipe : str
        Recipe that computes envelopes of raw EMG; empty if the file has envelopes.
    rate : float
        Stated sampling rate of the EMG, Hz; NaN if the cell is empty.
    unit : str
        Stated unit of the EMG, one of `UNITS`; may be empty.
    emg_offset : float
        s, added to the times of the EMG.
    drop : tuple of str
        Muscles or electrodes whose EMG is unusable in this row.
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
        """The side that channel names call ``ipsi``: the row's, or the right one if it has none."""
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
        The manifest or a column is missing, it has no rows, or a cell is wrong.
    """
    file = Path(path)
    rows, columns, notes = read_table(file, COLUMNS, OTHER_COLUMNS, what="a manifest")
    if not any(columns.issuperset(way) for way in _WAY_COLUMNS):
        begun = [set(way) - columns for way in _WAY_COLUMNS if way[0] in columns]
        missing = f"no {sorted(begun[0])[0]}" if begun else "none"
        raise InputError(f"{file}: expected columns {WAYS}, found {missing}")
    trials = [_read_trial(file, row) for row in rows]
    seen: dict[tuple[object, ...], str] = {}
    key: tuple[object, ...]
    for trial in trials:
        files = (trial.simulated, trial.emg, trial.ground_reaction, trial.markers, trial.events)
        feet = (trial.plate, trial.heel, trial.to_other_foot)
        key = (trial.subject, trial.condition, trial.trial, trial.side, *files, *feet)
        if not math.isnan(trial.start):
            key = (*key, trial.start, trial.end)
        if key in seen:
            raise InputError(
                f"{trial.where}: expected each trial once, found it in {seen[key]} as well"
            )
        seen[key] = trial.where
    return trials, notes


def _read_trial(file: Path, row: Row) -> Trial:
    for column in ("subject", "simulated", "emg"):
        row.require(column)
    begun = [
        way for way in _WAY_COLUMNS if row.get(way[0]) or (way[0] == "start" and row.get("end"))
    ]
    if len(begun) != 1:
        found = "more than one" if begun else "none"
        raise InputError(f"{row.where}: expected either {WAYS}, found {found}")
    (way,) = begun
    for column in way:
        row.require(column)
    start, end, cycle = (row.number(column) for column in ("start", "end", "cycle"))
    if end <= start:
        raise InputError(f"{row.where}: expected end after start, found {start:g} to {end:g} s")
    speed, rate = row.number("speed"), row.number("rate")
    if speed < 0:
        raise row.wrong("speed", "m/s of 0 or more")
    if rate <= 0:
        raise row.wrong("rate", "Hz above 0")
    unit = row.get("unit", "").lower()
    if unit and unit not in UNITS:
        raise row.wrong("unit", "V, mV, uV, % or 1", near(unit, list(UNITS)))
    if cycle == cycle and (cycle != int(cycle) or cycle < 1):
        raise row.wrong("cycle", "a whole number of 1 or more")
    until = row.get("until", "").lower() or "same"
    if until not in ("same", "other") or (until == "other" and way[0] == "start"):
        raise row.wrong("until", "same, or other if contacts bound the cycles")
    plate, heel, pelvis = (_names(row, column) for column in ("plate", "heel", "pelvis"))
    for column, names in (("plate", plate), ("heel", heel)):
        if until == "other" and column in way and len(names) != 2:
            raise row.wrong(
                column,
                "this foot's and the other foot's separated by |, since cycles end with the other "
                "foot's contact",
            )
    side = SIDES.get(row.get("side", "").lower(), "")
    needed = way[0] in ("ground_reaction", "markers") or until == "other"
    if not side and (row.get("side") or needed):
        raise row.wrong("side", "r or l")
    folder = file.parent

    def path(column: str) -> Path | None:
        return folder / row[column] if row.get(column) else None

    return Trial(
        where=row.where,
        subject=row["subject"],
        condition=row.get("condition") or row.get("speed") or "",
        speed=speed,
        side=side,
        trial=row.get("trial") or Path(row["simulated"]).stem,
        simulated=folder / row["simulated"],
        emg=folder / row["emg"],
        ground_reaction=path("ground_reaction"),
        markers=path("markers"),
        events=path("events"),
        plate=plate,
        threshold=row.number("threshold", THRESHOLD),
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
        emg_offset=row.number("emg_offset", 0.0),
        drop=tuple(_muscle(name) for name in row.get("drop", "").split()),
        mvc=tuple(folder / name for name in _names(row, "mvc")),
    )


def _names(row: Row, column: str) -> tuple[str, ...]:
    """Return the names in a cell, which are separated by |."""
    return tuple(name.strip() for name in row.get(column, "").split("|") if name.strip())


def _muscle(name: str) -> str:
    try:
        return canonical(name)
    except InputError:
        return name  # the name of an electrode
