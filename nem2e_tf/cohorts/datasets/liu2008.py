"""Importer of the walking data of Liu et al. (2008), simtk.org/projects/mspeedwalksims.

doi 10.1016/j.jbiomech.2008.07.031. Eight subjects (``GIL01``) overground at four speeds, trials
named by a word and a number (``Slow3``, ``Free4``); CMC with a 92-actuator model; five EMG
envelopes per leg. Files are located by the pattern of their names in any subfolder.

A simulated interval runs from the opposite foot's first toe-off to its last contact, **shorter than
a stride**: it takes the place of the cycle, the same part of the stride in every trial. Its side is
that of the stance leg at its start, identified by the knees: the leg that has just left the ground
is flexed more.

Envelopes of this data set were scaled trial by trial, so they contain no differences of amplitude
between speeds and subjects.
"""

import os
import re
from dataclasses import replace
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
from nem2e_tf.errors import InputError
from nem2e_tf.io.storage import Storage
from nem2e_tf.io.time_series import read_signals
from nem2e_tf.muscles import ELECTRODES_WALK

CONDITIONS = ("very-slow", "slow", "free", "fast")
LEAST_OVERLAP = 0.9
LEAST_KNEE_DIFFERENCE = 5.0
_SUBJECT = re.compile(r"gil[ _-]?(\d{2})(?!\d)", re.IGNORECASE)
_TRIAL = re.compile(
    r"(?<![a-z])((?:very|v|x)?[ _-]?slow|free|fast)(?:[ _-]?(\d+))?(?![a-z\d])", re.IGNORECASE
)
_KNEE = re.compile(r"(?:^|/)knee_angle_([rl])(?:/value)?$")
_EMG_NAMES = {
    "recfem": ("rf", "rectfem", "recfem", "rectusfemoris", "rectus"),
    "medial_hamstrings": ("mh", "medham", "medhams", "medialhamstrings", "mhams", "mham"),
    "lateral_hamstrings": ("lh", "latham", "lathams", "lateralhamstrings", "lhams", "lham"),
    "tibant": ("ta", "tibant", "tibialisanterior", "tib", "anttib"),
    "gastroc_soleus": ("gas", "gs", "gastrocsoleus", "gassol", "gastroc", "calf", "tricepssurae"),
}
_WORDS = {word: electrode for electrode, words in _EMG_NAMES.items() for word in words}
_OTHER_QUANTITIES = ("emgrec", "emgave", "emgsdp", "emgsdm")
_SIDES = {"r": "r", "right": "r", "l": "l", "left": "l"}
_LEGS = {"r": "right", "l": "left"}

Key = tuple[str, str, str]


def import_liu2008(
    folder: "str | os.PathLike[str]",
    *,
    muscles: str = "electrodes",
    side: str | None = None,
    out: "str | os.PathLike[str] | None" = None,
) -> Cohort:
    """Build a cohort from the walking data of Liu et al. (2008).

    Parameters
    ----------
    folder : path-like
        Folder with the unpacked archives of simtk.org/projects/mspeedwalksims.
    muscles : {"electrodes", "columns"}
        One muscle for each of the five electrodes, or for each muscle an electrode records.
    side : {"left", "right"}, optional
        Stance leg at the start of every simulated stretch; required only where the simulations
        contain no knee angles.
    out : path-like, optional
        Folder for the manifest, the report (``found.csv``, ``found.json``) and the cohort
        (subfolder ``cohort``).

    Returns
    -------
    Cohort
        The simulated stretch, shorter than a stride, takes the place of the gait cycle. EMG
        envelopes are scaled trial by trial, as published.

    Raises
    ------
    InputError
        The folder contains no usable trial of the data set.

    Examples
    --------
    >>> import_liu2008("mspeedwalksims", out="walking")  # doctest: +SKIP
    <Cohort liu2008: 32 cycles of 8 subjects, 92 channels, 5 muscles>
    """
    return import_found(find(folder, muscles=muscles, side=side), out).cohort


def find(
    folder: "str | os.PathLike[str]", *, muscles: str = "electrodes", side: str | None = None
) -> Found:
    """Locate the trials of the data set; see `import_liu2008` for the parameters."""
    root = Path(folder)
    states: dict[Key, list[Path]] = {}
    emg: dict[Key, list[Path]] = {}
    setups: dict[Key, list[Path]] = {}
    notes = []
    for path in files_below(root, (".sto", ".mot", ".xml")):
        inside = path.relative_to(root)
        key = _key(inside, root)
        name = path.name.lower()
        if key is None:
            continue
        if name.endswith("_states.sto"):
            if "rra" in str(inside).lower():
                notes.append(f"{path}: not used, the states of RRA have no activations")
            else:
                states.setdefault(key, []).append(path)
        elif re.search(r"emg_?env\.(mot|sto)$", name):
            emg.setdefault(key, []).append(path)
        elif name.endswith(".xml") and "setup" in name and "cmc" in name:
            setups.setdefault(key, []).append(path)
    if not states and not emg:
        raise InputError(
            f"{root}: expected files such as GIL01/Free4/..._states.sto and "
            "GIL01_free4EmgEnv.mot, found none"
        )
    findings = [
        _finding(key, states[key], emg.get(key, []), setups.get(key, []), muscles, side)
        for key in sorted(states)
    ]
    findings += _missing(states, emg)
    return Found("liu2008", root, tuple(findings), tuple(notes), "none")


def _key(inside: Path, folder: Path) -> Key | None:
    """Return subject, condition and number of the trial; the innermost names count."""
    parts = [inside.name, *reversed(inside.parts[:-1])]
    subject = next(filter(None, (_SUBJECT.search(p) for p in [*parts, folder.name])), None)
    # "EmgEnv" follows the trial number without a separator
    names = [re.sub("(?i)emg_?env", "_", part) for part in parts]
    trials = [match for match in map(_TRIAL.search, names) if match]
    if subject is None or not trials:
        return None
    word = re.sub(r"[ _-]", "", trials[0][1].lower())
    condition = "very-slow" if word in ("veryslow", "vslow", "xslow") else word
    number = next((match[2] for match in trials if match[2]), "")
    return f"GIL{subject[1]}", condition, number


def _finding(
    key: Key,
    states: list[Path],
    emg: list[Path],
    setups: list[Path],
    muscles: str,
    side: str | None,
) -> Finding:
    subject, condition, number = key
    base = Finding(subject, condition, f"{condition}{number}", cycle=1)
    for what, paths in (("states files", states), ("files of EMG envelopes", emg)):
        if len(paths) > 1:
            return base.left_out(
                f"{len(paths)} {what}, {paths[0]} and {paths[1]}; expected one, keep the right one"
            )
    base = replace(base, simulated=str(states[0].absolute()))
    if not emg:
        return base.left_out(f"no EMG envelopes '{subject}_{condition}{number}EmgEnv.mot'")
    base = replace(base, emg=str(emg[0].absolute()))
    try:
        simulation, envelopes = read_signals(states[0]), read_signals(emg[0])
        start, end, source = _interval(simulation, envelopes, setups)
        base = replace(base, start=start, end=end, bounds_from=source)
        leg = side[0] if side else _stance_leg(simulation)
        channels = _channels(envelopes, leg, muscles)
    except InputError as error:
        return base.left_out(str(error))
    return replace(base, side=leg, channels=channels)


def _interval(
    simulation: Storage, envelopes: Storage, setups: list[Path]
) -> tuple[float, float, str]:
    """Return start and end of the simulated and measured interval, s, and their source."""
    for storage in (simulation, envelopes):
        if storage.n_rows < 2:
            raise InputError(f"{storage.path}: expected rows of numbers, found {storage.n_rows}")
    start, end = float(simulation.time[0]), float(simulation.time[-1])
    source = "the simulation's first and last row"
    times = {times_of_setup(path) for path in setups}
    if len(times) > 1:
        raise InputError(f"{setups[0]}: {len(times)} setup files with different times; keep one")
    if times:
        (start, end), source = times.pop(), setups[0].name
    shared = max(start, float(envelopes.time[0])), min(end, float(envelopes.time[-1]))
    if shared[1] - shared[0] < LEAST_OVERLAP * (end - start):
        raise InputError(
            f"{envelopes.path}: expected EMG from {start:.6g} to {end:.6g} s, found it from "
            f"{envelopes.time[0]:.6g} to {envelopes.time[-1]:.6g} s"
        )
    cut = "" if shared == (start, end) else ", limited to the EMG"
    return *shared, source + cut


def _stance_leg(simulation: Storage) -> str:
    """Return the stance leg at the start, identified by the knee angles."""
    bent = {}
    for label in simulation.labels:
        matched = _KNEE.search(label)
        if matched:
            angle = abs(simulation.column(label)[0])
            bent[matched[1]] = angle if simulation.in_degrees else np.degrees(angle)
    if set(bent) != {"r", "l"} or abs(bent["r"] - bent["l"]) < LEAST_KNEE_DIFFERENCE:
        found = ", ".join(f"{leg} {angle:.0f} degrees" for leg, angle in sorted(bent.items()))
        raise InputError(
            f"{simulation.path}: expected knee_angle_r and knee_angle_l that identify the stance "
            f"leg, found {found or 'none'}; state the side or write a manifest"
        )
    return min(bent, key=lambda leg: float(bent[leg]))


def _channels(envelopes: Storage, leg: str, muscles: str) -> MapRows:
    """Return the channel map of the leg's envelopes."""
    labels: dict[str, str] = {}
    for label in envelopes.labels:
        side, electrode = _emg_label(label)
        if side == leg and electrode:
            for muscle in ELECTRODES_WALK[electrode]:
                if muscle in labels:
                    raise InputError(
                        f"{envelopes.path}: expected one column of {electrode} of the "
                        f"{_LEGS[leg]} leg, found {labels[muscle]} and {label}"
                    )
                labels[muscle] = label
    rows = map_rows(labels, ELECTRODES_WALK, muscles)
    if not rows:
        raise InputError(
            f"{envelopes.path}: expected EMG envelopes of the {_LEGS[leg]} leg such as "
            f"R_RF_emgEnv, found {', '.join(envelopes.labels[:5])}"
        )
    return rows


def _emg_label(label: str) -> tuple[str, str]:
    """Return side and electrode of a label; empty if it has none."""
    words = [word for word in re.split(r"[^a-z\d]+", label.lower()) if word]
    if any(word in _OTHER_QUANTITIES for word in words):
        return "", ""
    words = [word for word in words if word not in ("emgenv", "emg", "env")]
    side = next((_SIDES[word] for word in words if word in _SIDES), "")
    rest = "".join(word for word in words if word not in _SIDES)
    return side, _WORDS.get(rest, "")


def _missing(states: dict[Key, list[Path]], emg: dict[Key, list[Path]]) -> list[Finding]:
    found = []
    for key in sorted(set(emg) - set(states)):
        subject, condition, number = key
        reason = f"no states file of CMC for {condition}{number}, which has EMG"
        found.append(
            Finding(subject, condition, f"{condition}{number}", status="missing", reason=reason)
        )
    there = {key[:2] for key in (*states, *emg)}
    for subject in sorted({key[0] for key in there}):
        for condition in CONDITIONS:
            if (subject, condition) not in there:
                reason = f"no trial {condition}"
                found.append(Finding(subject, condition, status="missing", reason=reason))
    return found
