"""Cohorts from a manifest, a table of trials: the way for recordings of any laboratory.

**The manifest** is a CSV table (comma, semicolon or tab) with one row per trial. File names are
relative to the manifest. Signals may be OpenSim storage files, CSV files with a column ``time`` in
seconds or, for EMG, C3D files; see `nem2e_tf.io.time_series`.

===================  ============================================================================
``subject``          name of the subject
``condition``        name of the condition; if empty, the text of ``speed``
``speed``            m/s; may be empty
``side``             ``r`` or ``l``: foot whose contacts bound the cycles, and leg of the EMG. May
                     be empty only with ``start`` and ``end`` or such events; see below
``simulated``        file of activations from static optimization, CMC or Moco
``emg``              file of EMG: envelopes, or raw with a ``recipe``
``recipe``           optional recipe that computes envelopes of raw EMG; empty for envelopes
``rate``             optional sampling rate, Hz; compared with the file's times, and required for a
                     CSV file without times
``unit``             optional unit of the EMG: V, mV, uV, % or 1; by default the unit stated in the
                     file. Values are converted to volts or shares; all rows have to agree
``emg_offset``       optional, s; added to the times of EMG with another clock
``drop``             optional muscles or electrodes, separated by spaces, whose EMG is unusable in
                     this row: it becomes NaN and does not count for a subject's maximum
``mvc``              for normalisation by MVC: recordings of maximal voluntary contractions with
                     the same columns, separated by ``|``; the maximum of each muscle counts
``trial``            optional name of the recording; by default that of the simulated file
``map``              optional channel map of this row
``simulated_map``    optional map of simulated columns to muscles, required if labels do not name
                     them; see `nem2e_tf.cohorts.manifest.columns`
===================  ============================================================================

**Cycle bounds** are given in one of four ways:

===================  ============================================================================
``ground_reaction``  file of ground reaction forces, and
``plate``            prefix of that foot's columns: ``1_ground_force`` for ``1_ground_force_vy``
``threshold``        optional, N; by default 30
``markers``          marker file (``.trc``, second axis up) if there is no force, and
``heel``             that foot's heel marker, and
``pelvis``           sacrum, or both posterior iliac spines separated by ``|``; see
                     `nem2e_tf.signals.gait.contacts_from_markers`
``events``           table of events; see `nem2e_tf.cohorts.manifest.bounds`
``start, end``       bounds of one cycle, s
``cycle``            optional number of the cycle with these bounds; by default counted
``until``            optional; ``same``: a cycle ends with the same foot's next contact; ``other``:
                     with the other foot's contact, as in the NEM2E paper. Then ``plate`` and
                     ``heel`` name this foot's and the other foot's, separated by ``|``
===================  ============================================================================

**The channel map** assigns muscles to the EMG columns. It is a second CSV table: the row's ``map``,
else the argument of `build_cohort`, else ``channels.csv`` in the manifest's folder. Columns that it
does not list are left out and reported.

===================  ============================================================================
``column``           label in the EMG file; ``{side}`` is replaced by the row's ``r`` or ``l``
``muscle``           name of the muscle, in any style that `nem2e_tf.muscles.canonical` knows
``electrode``        optional; muscles of the same electrode share one signal. Default: the muscle
``counterparts``     optional simulated muscles for the comparison, separated by spaces, of the same
                     leg unless they end in ``_contra``. Default: the muscle itself
``reference``        divisor of the envelope for normalisation by fixed numbers
===================  ============================================================================

All muscle activations in the simulated file become channels, ``<muscle>_ipsi`` and
``<muscle>_contra`` relative to the row's side, in model order, ipsilateral ones first. Cycles are
resampled by `nem2e_tf.signals.gait.resample_cycle`. A muscle that is not in a row's map is NaN for
the row.

**Motions without a side**, such as a swing or a throw, are single cycles from ``start`` to ``end``.
If the side is empty, the right one is used: ``_ipsi`` is the right side of the body and ``_contra``
the left one, and ``nem2e-tf refine`` is called with ``--side right``. To train one model for left-
and right-handed people, state the leading side instead. EMG of both sides of the body requires two
rows, one per side.
"""

import math
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nem2e_tf.cohorts.checks.cohorts import odd_cycles
from nem2e_tf.cohorts.cohort import CYCLE_COLUMNS, POINTS, Cohort, Report
from nem2e_tf.cohorts.manifest.columns import Channel, read_map
from nem2e_tf.cohorts.manifest.measured import Files, Scale
from nem2e_tf.cohorts.manifest.recording import Recording, cut
from nem2e_tf.cohorts.manifest.trials import read_trials
from nem2e_tf.errors import InputError
from nem2e_tf.muscles import in_order
from nem2e_tf.signals.emg.normalisation import POLICIES, by_subject_maximum
from nem2e_tf.signals.gait import LONGEST, SHORTEST

Normalise = Literal["none", "subject-maximum", "trial", "mvc", "fixed"]
NORMALISATIONS = {
    "none": "EMG as in the files",
    "subject-maximum": "share of each subject's maximum over all conditions",
    "trial": "share of each trial's own range",
    "mvc": "share of the maximum of maximal voluntary contractions",
    "fixed": "share of given numbers",
}
_OTHER_SCALE = 50.0
_SCALES: dict[Normalise, Scale] = {"trial": "trial", "mvc": "mvc", "fixed": "fixed"}


def build_cohort(
    manifest: "str | os.PathLike[str]",
    *,
    channel_map: "str | os.PathLike[str] | None" = None,
    name: str | None = None,
    normalise: Normalise = "none",
    shortest: float = SHORTEST,
    longest: float = LONGEST,
    out: "str | os.PathLike[str] | None" = None,
) -> Cohort:
    """Build a cohort from a manifest, a table with one row per trial.

    Parameters
    ----------
    manifest : path-like
        CSV table with one row per trial.
    channel_map : path-like, optional
        Channel map of the rows that name none; by default ``channels.csv`` in the manifest's
        folder.
    name : str, optional
        Name of the cohort; by default the manifest's file name.
    normalise : {"none", "subject-maximum", "trial", "mvc", "fixed"}
        ``none`` keeps the EMG as in the files, which should be normalised envelopes.
        ``subject-maximum`` divides each muscle by its maximum over all cycles and conditions of
        the subject; ``trial`` scales by the range of the recording; ``mvc`` divides by the maximum
        of the row's recordings ``mvc``; ``fixed`` by the channel map's ``reference``. The leakage
        of each is documented in `nem2e_tf.signals.emg.POLICIES` and in the notes.
    shortest, longest : float
        Shortest and longest accepted cycle between two contacts, s.
    out : path-like, optional
        Folder to save the cohort to.

    Returns
    -------
    Cohort
        Its table of cycles has the additional column ``odd``: how a cycle differs from the others
        of its subject, condition and side, or an empty text. `Cohort.report` lists everything that
        was left out, with the reason.

    Raises
    ------
    InputError
        A file is missing or truncated, a column or a cell is wrong, a muscle is unknown, simulation
        and EMG do not overlap in time, or no cycle remains.

    Examples
    --------
    Two cycles of one subject, with their bounds in the manifest:

    >>> import tempfile
    >>> import pandas as pd
    >>> time = np.arange(0, 3, 0.01)
    >>> activity = 0.5 + 0.4 * np.sin(2 * np.pi * time)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tables = {
    ...         "activation.csv": {"time": time, "soleus_r": activity},
    ...         "emg.csv": {"time": time, "SOL": activity / 2},
    ...         "channels.csv": {"column": ["SOL"], "muscle": ["soleus"]},
    ...         "manifest.csv": {
    ...             "subject": ["S1", "S1"],
    ...             "condition": ["free", "free"],
    ...             "speed": [1.2, 1.2],
    ...             "side": ["r", "r"],
    ...             "simulated": ["activation.csv", "activation.csv"],
    ...             "emg": ["emg.csv", "emg.csv"],
    ...             "start": [0.2, 1.2],
    ...             "end": [1.2, 2.2],
    ...         },
    ...     }
    ...     for name, table in tables.items():
    ...         pd.DataFrame(table).to_csv(f"{folder}/{name}", index=False)
    ...     build_cohort(f"{folder}/manifest.csv")
    <Cohort manifest: 2 cycles of 1 subjects, 1 channels, 1 muscles>
    """
    if normalise not in NORMALISATIONS:
        raise InputError(f"normalise: expected {' or '.join(NORMALISATIONS)}, found {normalise!r}")
    file = Path(manifest)
    trials, notes = read_trials(file)
    fallback = Path(channel_map) if channel_map else file.parent / "channels.csv"
    maps: dict[Path, list[Channel]] = {}
    files = Files(scale=_SCALES.get(normalise, ""))
    recordings = []
    for trial in trials:
        chosen = trial.map or fallback
        if chosen not in maps:
            maps[chosen], more = read_map(chosen)
            notes += more
        recordings.append(cut(trial, maps[chosen], files=files, shortest=shortest, longest=longest))
    left_out = _unique(line for recording in recordings for line in recording.left_out)
    if not any(recording.bounds for recording in recordings):
        raise InputError(f"{file}: expected at least one complete cycle, found none; {left_out[0]}")
    if all(np.isnan(recording.measured).all() for recording in recordings):
        raise InputError(f"{file}: expected EMG, found nan in every cycle of every muscle")
    _check_units(recordings)
    channels, columns_left_out = _common_channels(recordings)
    muscles = _merge_maps(maps.values(), channels)
    simulated, measured = _stack(recordings, list(channels), list(muscles))
    cycles = _cycles_table(recordings)
    notes += [f"{r.trial.emg}: EMG at {r.emg_facts}" for r in recordings]
    notes += [note for recording in recordings for note in recording.notes]
    notes = [*_together(notes), *_scale_notes(recordings, list(muscles))]
    notes += _nan_notes(measured, list(muscles))
    if any(not trial.side for trial in trials):
        notes.append("rows without a side: the right side's muscles are _ipsi, the left's _contra")
    if normalise == "subject-maximum":
        measured, maxima = by_subject_maximum(measured, list(cycles["subject"]))
        for subject, values in maxima.items():
            factors = ", ".join(f"{m} {v:.4g}" for m, v in zip(muscles, values, strict=True))
            notes.append(f"EMG of subject {subject} divided by its maximum: {factors}")
    if normalise == "none":
        notes.append(
            f"EMG as in the files ({np.nanmin(measured):.4g} to {np.nanmax(measured):.4g}); "
            "normalise by subject-maximum if it is not normalised"
        )
    else:
        policy = POLICIES[normalise.removesuffix("-maximum")]
        notes.append(f"EMG normalised; remaining differences of amplitude: {policy.keeps}")
        notes.append(f"EMG normalised; leakage: {policy.leakage}")
    cohort = Cohort(
        name=name or file.stem,
        simulated=simulated,
        measured=measured.astype(np.float32),
        cycles=cycles,
        channels=pd.DataFrame(
            {"name": list(channels), "source": [" ".join(s) for s in channels.values()]}
        ),
        muscles=pd.DataFrame(
            [
                {"name": m, "electrode": c.electrode, "counterparts": " ".join(c.counterparts)}
                for m, c in muscles.items()
            ]
        ),
        normalisation=NORMALISATIONS[normalise],
    )
    odd = odd_cycles(cohort)
    cycles["odd"] = ""
    for finding in odd:
        cycles.loc[list(finding.rows), "odd"] = finding.message
    report = Report(
        cycles_used=len(cycles),
        cycles_left_out=tuple(left_out),
        columns_left_out=tuple(columns_left_out),
        odd_cycles=tuple(f"{finding.where}: {finding.message}" for finding in odd),
        notes=tuple(_unique(notes)),
    )
    cohort = replace(cohort, report=report)
    if out is not None:
        cohort.save(out)
    return cohort


def _common_channels(recordings: list[Recording]) -> tuple[dict[str, list[str]], list[str]]:
    """Return the channels that every recording has, with their labels, and columns left out.

    Channels are in model order, ipsilateral ones first.
    """
    common = set(recordings[0].channels).intersection(*(r.channels for r in recordings))
    left_out = [line for recording in recordings for line in recording.columns_left_out]
    for recording in recordings:
        others = [source for name, source in recording.channels.items() if name not in common]
        if others:
            left_out.append(
                f"{recording.trial.simulated}: columns left out ({len(others)}), not in every "
                f"simulation: {', '.join(others)}"
            )
    order = in_order({channel.rpartition("_")[0] for channel in common})
    names = [f"{muscle}_{side}" for side in ("ipsi", "contra") for muscle in order]
    channels = {
        name: _unique(recording.channels[name] for recording in recordings)
        for name in names
        if name in common
    }
    if not channels:
        raise InputError(
            f"{recordings[0].trial.simulated}: expected muscles that all simulations have, "
            "found none"
        )
    return channels, _together(left_out)


def _merge_maps(
    maps: Iterable[list[Channel]], channels: dict[str, list[str]]
) -> dict[str, Channel]:
    """Merge the muscles of all channel maps, which have to agree."""
    merged: dict[str, Channel] = {}
    for channel in (channel for rows in maps for channel in rows):
        missing = [name for name in channel.counterparts if name not in channels]
        if missing:
            raise InputError(
                f"{channel.where}: expected simulated counterparts, found {missing[0]} of "
                f"{channel.muscle}, which is not in every simulated file; name others in the "
                "column counterparts"
            )
        first = merged.setdefault(channel.muscle, channel)
        if (first.electrode, first.counterparts) != (channel.electrode, channel.counterparts):
            raise InputError(
                f"{channel.where}: expected electrode and counterparts of {channel.muscle} as in "
                f"{first.where}, found others"
            )
    return merged


def _stack(
    recordings: list[Recording], channels: list[str], muscles: list[str]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return the cycles of all recordings as [cycle, 101, channel] and [cycle, 101, muscle].

    Muscles that a recording does not have are NaN.
    """
    total = sum(len(recording.bounds) for recording in recordings)
    simulated = np.empty((total, POINTS, len(channels)), dtype=np.float32)
    measured = np.full((total, POINTS, len(muscles)), np.nan)
    row = 0
    for recording in recordings:
        rows = slice(row, row + len(recording.bounds))
        names = list(recording.channels)
        simulated[rows] = recording.simulated[:, :, [names.index(c) for c in channels]]
        measured[rows][:, :, [muscles.index(m) for m in recording.muscles]] = recording.measured
        row = rows.stop
    return simulated, measured


def _cycles_table(recordings: list[Recording]) -> pd.DataFrame:
    """Return the cohort's table of cycles; cycles without a number are counted per recording."""
    rows = []
    counts: dict[tuple[str, ...], int] = {}
    for recording in recordings:
        trial = recording.trial
        for number, start, end in recording.bounds:
            if not (math.isnan(trial.start) or trial.cycle):
                key = (trial.subject, trial.condition, trial.trial, trial.side)
                number = counts[key] = counts.get(key, 0) + 1
            who = (trial.subject, trial.condition, trial.speed, trial.side, trial.trial)
            rows.append((*who, number, start, end))
    return pd.DataFrame(rows, columns=list(CYCLE_COLUMNS))


def _nan_notes(measured: NDArray[np.float64], muscles: list[str]) -> list[str]:
    """Count the cycles without EMG for each muscle."""
    missing = np.isnan(measured).any(axis=1).sum(axis=0)
    return [
        f"EMG of {muscle} is nan or not recorded in {count} of {len(measured)} cycles, which are "
        "left out for this muscle"
        for muscle, count in zip(muscles, missing, strict=True)
        if count
    ]


def _check_units(recordings: list[Recording]) -> None:
    """Refuse recordings whose EMG units differ, such as volts and shares."""
    first = recordings[0]
    for other in recordings:
        if other.emg_unit != first.emg_unit:
            raise InputError(
                f"{other.trial.where}, column unit: expected EMG in one unit, found "
                f"{other.emg_unit or 'none stated'} and in {first.trial.where} "
                f"{first.emg_unit or 'none stated'}"
            )


def _scale_notes(recordings: list[Recording], muscles: list[str]) -> list[str]:
    """Report EMG of a different order of magnitude than the median of all recordings."""
    peaks = np.full((len(recordings), len(muscles)), np.nan)
    for row, recording in zip(peaks, recordings, strict=True):
        if recording.bounds:
            highest = np.where(np.isnan(recording.measured), -np.inf, recording.measured)
            row[[muscles.index(m) for m in recording.muscles]] = highest.max(axis=(0, 1))
    peaks[~np.isfinite(peaks) | (peaks <= 0)] = np.nan
    notes = []
    for muscle, column in zip(muscles, peaks.T, strict=True):
        usual = np.median(column[~np.isnan(column)]) if (~np.isnan(column)).any() else np.nan
        for recording, peak in zip(recordings, column, strict=True):
            ratio = peak / usual
            if ratio > _OTHER_SCALE or ratio < 1 / _OTHER_SCALE:
                notes.append(
                    f"{recording.trial.where}: EMG of {muscle} peaks at {peak:.3g}, "
                    f"{ratio:.2g} times the median of all recordings; another unit, or a bad "
                    "electrode?"
                )
    return notes


def _together(lines: Iterable[str]) -> list[str]:
    """Combine lines with the same message for several files.

    Examples
    --------
    >>> _together(["a.sto: odd", "b.sto: odd", "c.sto: even", "c.sto: odd", "c.sto: odd"])
    ['a.sto and 2 more files: odd', 'c.sto: even']
    """
    files: dict[str, list[str]] = {}
    for line in dict.fromkeys(lines):
        file, mark, text = line.partition(": ")
        files.setdefault(text if mark else "", []).append(file)
    alone = files.pop("", [])
    return [
        f"{of[0]}{f' and {len(of) - 1} more files' if len(of) > 1 else ''}: {text}"
        for text, of in files.items()
    ] + alone


def _unique(lines: Iterable[str]) -> list[str]:
    """Return each line once, in order."""
    return list(dict.fromkeys(lines))
