"""Importer of the running data of Hamner & Delp (2013), simtk.org/projects/nmbl_running.

doi 10.1016/j.jbiomech.2012.11.024. Ten runners at 2, 3, 4 and 5 m/s; CMC with a 92-actuator model;
raw EMG of the right leg, 11 electrodes copied to 16 columns. Trials are located by the pattern of
their file names in any subfolder: tags (``02``) and numbers of cycles differ between subjects and
speeds. A cycle runs from right contact to right contact. Its bounds are those of the setup file of
RRA (or CMC), else the right contacts in the ground reaction.
"""

import os
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from nem2e_tf.cohorts.cohort import Cohort
from nem2e_tf.cohorts.datasets.release import (
    Finding,
    Found,
    MapRows,
    files_below,
    import_found,
    map_rows,
    times_of_setup,
)
from nem2e_tf.cohorts.manifest.columns import read_map
from nem2e_tf.errors import InputError
from nem2e_tf.io.storage import Storage
from nem2e_tf.io.time_series import read_signals
from nem2e_tf.muscles import ELECTRODES_RUN, try_parse_label
from nem2e_tf.signals.gait import contacts_in

# Simulations run from contact to contact; their ends are written with few digits.
CLOSE = 0.02
_RIGHT = re.compile(r"(^|[_ .-])r(ight)?([_ .-]|$)", re.IGNORECASE)


def bounds_of_contacts(
    simulation: Storage, forces: Path, known: list[float]
) -> tuple[float, float, str]:
    """Locate the cycle of a simulation between two right contacts.

    Parameters
    ----------
    simulation : Storage
        One simulated cycle.
    forces : Path
        Ground reaction file of the trial.
    known : list of float
        Right contacts of the trial's other cycles, s; they identify the right foot's column if its
        label does not.

    Returns
    -------
    start, end : float
        s; a contact up to 20 ms outside the simulation counts as its end.
    source : str
        File and column.

    Raises
    ------
    InputError
        The right foot's column cannot be identified, more than one foot touched its plate, or no
        two contacts fit the simulation.
    """
    storage = read_signals(forces)
    label = _right_column(storage, known)
    times = contacts_in(storage, label)
    first, last = simulation.time[0], simulation.time[-1]
    for start, end in pairwise(times.tolist()):
        if start >= first - CLOSE and end <= last + CLOSE:
            return max(start, float(first)), min(end, float(last)), f"{forces.name}, {label}"
    raise InputError(
        f"{forces}: expected two consecutive contacts in {label} between {first:.6g} and "
        f"{last:.6g} s, found none"
    )


def _right_column(storage: Storage, known: list[float]) -> str:
    vertical = [label for label in storage.labels if label.lower().endswith("vy")]
    named = [label for label in vertical if _RIGHT.search(label)]
    if len(named) == 1:
        return named[0]
    fitting = []
    for label in vertical if known else []:
        times = contacts_in(storage, label)
        if len(times) and all(np.abs(times - time).min() <= CLOSE for time in known):
            fitting.append(label)
    if len(fitting) != 1:
        raise InputError(
            f"{storage.path}: expected a vertical force that is clearly of the right foot, found "
            f"{', '.join(vertical) or 'none'}; write start and end into the manifest"
        )
    return fitting[0]


SUBJECTS = ("01", "02", "03", "04", "08", "10", "11", "17", "19", "20")
SPEEDS = (2.0, 3.0, 4.0, 5.0)
_PUBLISHED_CMC = "cmc_multiplesteps_v24_tendon_040_vmax_15_passive_10_2x"
_SUBJECT = re.compile(r"subject[ _-]?(\d{1,2})(?!\d)", re.IGNORECASE)
_TRIAL = re.compile(r"run[ _-]?(\d)(\d\d)[ _-]?(\d\d)(?!\d)", re.IGNORECASE)
_CYCLE = re.compile(r"cycle[ _-]?(\d+)", re.IGNORECASE)

Key = tuple[str, float, str, int]
Recorded = tuple[str, float, str]


def import_hamner2013(
    folder: "str | os.PathLike[str]",
    *,
    muscles: str = "columns",
    channel_map: "str | os.PathLike[str] | None" = None,
    out: "str | os.PathLike[str] | None" = None,
) -> Cohort:
    """Build a cohort from the running data of Hamner & Delp (2013).

    Parameters
    ----------
    folder : path-like
        Folder with the unpacked archives of simtk.org/projects/nmbl_running.
    muscles : {"columns", "electrodes"}
        One muscle for each of the 16 published EMG columns, or for each of the 11 electrodes.
    channel_map : path-like, optional
        Channel map for EMG files whose columns are not named after muscles (``Pin 7``).
    out : path-like, optional
        Folder for the manifest, the report (``found.csv``, ``found.json``) and the cohort
        (subfolder ``cohort``).

    Returns
    -------
    Cohort
        Cycles from right contact to right contact. EMG envelopes, divided by the subject's maximum
        over all speeds.

    Raises
    ------
    InputError
        The folder contains no usable cycle of the data set, or the channel map is wrong.

    Examples
    --------
    >>> import_hamner2013("nmbl_running", out="running")  # doctest: +SKIP
    <Cohort hamner2013: 120 cycles of 10 subjects, 92 channels, 16 muscles>
    """
    return import_found(find(folder, muscles=muscles, channel_map=channel_map), out).cohort


def find(
    folder: "str | os.PathLike[str]",
    *,
    muscles: str = "columns",
    channel_map: "str | os.PathLike[str] | None" = None,
) -> Found:
    """Locate the cycles of the data set; see `import_hamner2013` for the parameters."""
    tree = _Tree(Path(folder))
    rows = read_map(channel_map)[0] if channel_map else []
    given = tuple((c.column, c.muscle, c.electrode, " ".join(c.counterparts)) for c in rows)
    findings: list[Finding] = []
    maps: dict[Path, MapRows | str] = {}
    for key in sorted(tree.states):
        finding = tree.finding(key)
        emg = tree.emg.get(key[:3])
        if finding.status == "found" and emg:
            if emg not in maps:
                maps[emg] = _map_of(emg, muscles, given, tree.notes)
            chosen = maps[emg]
            finding = (
                finding.left_out(chosen)
                if isinstance(chosen, str)
                else replace(finding, channels=chosen)
            )
        findings.append(finding)
    findings += tree.missing()
    return Found("hamner2013", tree.folder, tuple(findings), tuple(tree.notes), "subject-maximum")


class _Tree:
    """The files of the data set by trial and cycle."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.states: dict[Key, list[Path]] = {}
        self.setups: dict[Key, list[Path]] = {}
        self.emg: dict[Recorded, Path] = {}
        self.forces: dict[Recorded, Path] = {}
        self.notes: list[str] = []
        for path in files_below(folder, (".sto", ".mot", ".xml")):
            self._place(path)
        if not self.states and not self.emg:
            raise InputError(
                f"{folder}: expected files such as subject01/.../Run_200 02_EMG_RAW.sto and "
                "subject01/.../CMC_Results_v240_Run_20002_cycle1/..._states.sto, found none"
            )

    def _place(self, path: Path) -> None:
        inside = path.relative_to(self.folder)
        text, name = str(inside).lower(), path.name.lower()
        named = _SUBJECT.findall(text) or _SUBJECT.findall(self.folder.absolute().name)
        subjects = {number.zfill(2) for number in named}
        trial = _last(_TRIAL, path.name, str(inside))
        if trial is None or not subjects:
            return
        if len(subjects) > 1:
            self.notes.append(
                f"{path}: not used, it names subjects {' and '.join(sorted(subjects))}"
            )
            return
        recorded = (subjects.pop(), float(f"{trial[1]}.{trial[2]}"), trial[3])
        cycle = _last(_CYCLE, path.name, str(inside))
        if name.endswith("_states.sto") and "cmc" in text and cycle:
            self.states.setdefault((*recorded, int(cycle[1])), []).append(path)
        elif (
            name.endswith(".xml") and "setup" in name and cycle and ("rra" in name or "cmc" in name)
        ):
            self.setups.setdefault((*recorded, int(cycle[1])), []).append(path)
        elif re.search(r"emg_?raw\.(sto|mot)$", name):
            self._only(self.emg, recorded, path)
        elif name.endswith(".mot") and "newcop" in name:
            self._only(self.forces, recorded, path)

    def _only(self, files: dict[Recorded, Path], recorded: Recorded, path: Path) -> None:
        if recorded in files:
            self.notes.append(f"{path}: not used, {files[recorded]} is there too")
        files.setdefault(recorded, path)

    def finding(self, key: Key) -> Finding:
        """Return the files of a cycle, or the missing one."""
        subject, speed, tag, cycle = key
        base = Finding(
            subject=f"subject{subject}",
            condition=_condition(speed),
            trial=_trial(speed, tag),
            speed=speed,
            cycle=cycle,
            side="r",
            recipe="hamner2013",
        )
        states = self.states[key]
        published = [path for path in states if _PUBLISHED_CMC in str(path).lower()]
        if len(states) > 1 and len(published) != 1:
            return base.left_out(
                f"{len(states)} states files, such as {states[0]} and {states[1]}; keep one"
            )
        chosen = published[0] if published else states[0]
        base = replace(base, simulated=str(chosen.absolute()))
        self.notes += [f"{p}: not used, {chosen} is there too" for p in states if p != chosen]
        emg = self.emg.get(key[:3])
        if emg is None:
            others = [p.name for k, p in self.emg.items() if k[:2] == key[:2]]
            return base.left_out(
                f"no raw EMG '{_trial(speed, tag)}_EMG_RAW.sto' of subject{subject}"
                + (f"; there is {', '.join(others)}" if others else "")
            )
        base = replace(base, emg=str(emg.absolute()))
        return self._bounded(base, key, chosen)

    def _bounded(self, finding: Finding, key: Key, states: Path) -> Finding:
        why = f"no setup file of cycle {key[3]}"
        try:
            setup = self._setup_times(key)
            if setup:
                return replace(finding, start=setup[0], end=setup[1], bounds_from=setup[2])
        except InputError as error:
            why = str(error)
        forces = self.forces.get(key[:3])
        if forces is None:
            return finding.left_out(
                f"{why}, and no ground reaction '{finding.trial}_newCOP3_v24.mot'"
            )
        known = []
        for other in self.setups:
            if other[:3] == key[:3] and other != key:
                try:
                    times = self._setup_times(other)
                except InputError:
                    continue
                known += list(times[:2]) if times else []
        try:
            start, end, source = bounds_of_contacts(read_signals(states), forces, known)
        except InputError as error:
            return finding.left_out(f"{why}; {error}")
        self.notes.append(f"{states}: {why}; bounds from {source}")
        return replace(finding, start=start, end=end, bounds_from=source)

    def _setup_times(self, key: Key) -> tuple[float, float, str] | None:
        """Return bounds of a cycle's setup files, RRA's before CMC's; equal within a kind."""
        for kind in ("rra", "cmc"):
            paths = [path for path in self.setups.get(key, []) if kind in path.name.lower()]
            times = {times_of_setup(path) for path in paths}
            if len(times) > 1:
                raise InputError(
                    f"{len(times)} setup files with different times, such as {paths[0]}; keep one"
                )
            if times:
                return (*times.pop(), paths[0].name)
        return None

    def missing(self) -> list[Finding]:
        """Return missing parts: subjects, speeds, simulations, states of a setup file."""
        there = {*(key[0] for key in self.states), *(key[0] for key in self.emg)}
        found = [
            Finding(f"subject{number}", status="missing", reason=f"nothing of subject{number}")
            for number in SUBJECTS
            if number not in there
        ]
        speeds = sorted({*SPEEDS, *(key[1] for key in self.states)})
        for subject in sorted(there):
            for speed in speeds:
                if not any(key[:2] == (subject, speed) for key in self.states):
                    has = any(key[:2] == (subject, speed) for key in self.emg)
                    reason = f"no states file of CMC at {speed:g} m/s"
                    reason += "" if has else ", and no raw EMG"
                    found.append(_missing(subject, speed, reason))
        for key in sorted(set(self.setups) - set(self.states)):
            reason = f"no states file of CMC for cycle {key[3]}, which has a setup file"
            missing = _missing(key[0], key[1], reason)
            found.append(replace(missing, cycle=key[3], trial=_trial(key[1], key[2])))
        return found


def _missing(subject: str, speed: float, reason: str) -> Finding:
    return Finding(
        f"subject{subject}", _condition(speed), speed=speed, status="missing", reason=reason
    )


def _map_of(path: Path, muscles: str, given: MapRows, notes: list[str]) -> MapRows | str:
    """Return the channel map of an EMG file, or the reason why there is none."""
    try:
        emg = read_signals(path)
    except InputError as error:
        return str(error)
    parsed = {label: try_parse_label(label) for label in emg.labels}
    labels = {found.muscle: label for label, found in parsed.items() if found and found.side != "l"}
    for electrode, carriers in ELECTRODES_RUN.items():
        copies = [labels[muscle] for muscle in carriers if muscle in labels]
        for copy in copies[1:]:
            if not np.array_equal(emg.column(copy), emg.column(copies[0]), equal_nan=True):
                notes.append(
                    f"{path}: {copy} differs from {copies[0]}, expected copies of one electrode "
                    f"({electrode}); electrodes take the first"
                )
    rows = map_rows(labels, ELECTRODES_RUN, muscles)
    if rows:
        return rows
    if given and all(row[0] in emg.labels for row in given):
        return given
    return (
        f"{path}: the EMG columns are not named after muscles ({', '.join(emg.labels[:3])}, ...); "
        "assign muscles to them in a channel map (column, muscle)"
    )


def _last(pattern: re.Pattern[str], *texts: str) -> "re.Match[str] | None":
    """Return the last match in the first text with a match: the innermost name counts."""
    for text in texts:
        matches = list(pattern.finditer(text))
        if matches:
            return matches[-1]
    return None


def _condition(speed: float) -> str:
    return f"run{round(100 * speed)}"


def _trial(speed: float, tag: str) -> str:
    return f"Run_{round(100 * speed)} {tag}"
