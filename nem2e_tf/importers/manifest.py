"""A manifest of trials made into a cohort: the way in for any laboratory's recordings.

**The manifest** is a CSV table (comma, semicolon or tab), one row a trial. File names are relative
to the manifest.

===================  ============================================================================
``subject``          who; any text
``condition``        under which condition; empty takes the text of ``speed``
``speed``            m/s; may be empty
``side``             ``r`` or ``l``: the foot whose contacts bound the cycles, the leg of the EMG
``simulated``        storage file of activations: static optimization, CMC or Moco
``emg``              storage file of EMG envelopes
``ground_reaction``  storage file of ground reaction forces, and
``plate``            prefix of that foot's columns: ``1_ground_force`` for ``1_ground_force_vy``
``threshold``        optional, N; 30 where empty
``start, end``       instead of ``ground_reaction`` and ``plate``: bounds of one cycle, s
``trial``            optional name of the recording; empty takes the name of the simulated file
``map``              optional channel map of this row
===================  ============================================================================

**The channel map** says what the EMG columns are. It is a second CSV table: the row's ``map``, else
the one given to `build`, else ``channels.csv`` beside the manifest. Columns it does not list are
left out and reported.

===================  ============================================================================
``column``           label in the EMG file; ``{side}`` in it stands for the row's ``r`` or ``l``
``muscle``           name of the muscle, in any style `nem2e_tf.muscles.canonical` knows
``electrode``        optional; muscles with the same electrode carry one signal. Empty: the muscle
``counterparts``     optional; simulated muscles it is compared with, separated by spaces, of the
                     same leg unless they end in ``_contra``. Empty: the muscle itself
===================  ============================================================================

All muscle activations in the simulated file become channels, ``<muscle>_ipsi`` and
``<muscle>_contra`` relative to the row's side, in model order, the cycle's side first. A cycle is
resampled by `nem2e_tf.gait.resample_cycle`. A muscle that a row's map does not list is NaN for the
row.
"""

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from nem2e_tf.cohort import POINTS, Cohort
from nem2e_tf.emg import by_subject_maximum
from nem2e_tf.errors import InputError
from nem2e_tf.gait import LONGEST, SHORTEST
from nem2e_tf.importers.recording import Recording, cut
from nem2e_tf.importers.tables import Channel, read_map, read_trials
from nem2e_tf.muscles import in_order
from nem2e_tf.storage import read_storage

Normalise = Literal["none", "subject-maximum"]
NORMALISE: tuple[Normalise, ...] = ("none", "subject-maximum")
NORMALISATIONS = {
    "none": "EMG as in the files",
    "subject-maximum": "share of each subject's maximum over all conditions",
}


@dataclass(frozen=True)
class Report:
    """What became of a manifest's recordings.

    Attributes
    ----------
    cycles_used : int
        Cycles in the cohort.
    cycles_left_out : tuple of str
        Each cycle left out, and why.
    columns_left_out : tuple of str
        Columns left out, one text a file and reason.
    notes : tuple of str
        What was odd in the files, and what was done to the values.
    """

    cycles_used: int
    cycles_left_out: tuple[str, ...]
    columns_left_out: tuple[str, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values for JSON."""
        return asdict(self)


def build(
    manifest_path: "str | os.PathLike[str]",
    *,
    map_path: "str | os.PathLike[str] | None" = None,
    name: str | None = None,
    normalise: Normalise = "none",
    shortest: float = SHORTEST,
    longest: float = LONGEST,
) -> tuple[Cohort, Report]:
    """Build a cohort from a manifest.

    Parameters
    ----------
    manifest_path : path-like
        The manifest.
    map_path : path-like, optional
        Channel map of the rows that name none; ``channels.csv`` beside the manifest if not given.
    name : str, optional
        Name of the cohort; the manifest's file name if not given.
    normalise : {"none", "subject-maximum"}
        ``none`` keeps the EMG as in the files, which the importer expects to hold normalised
        envelopes. ``subject-maximum`` divides each muscle by its largest value over all cycles of
        the subject, all conditions together.
    shortest, longest : float
        Durations a cycle between two contacts may have, s.

    Returns
    -------
    cohort : Cohort
    report : Report
        What was left out and what was odd; nothing is left out without a line here.

    Raises
    ------
    InputError
        A file is missing or cut, a column or a cell is wrong, a muscle is unknown, simulation and
        EMG do not overlap in time, or no cycle remains.
    """
    if normalise not in NORMALISE:
        raise InputError(f"normalise: expected {' or '.join(NORMALISE)}, found {normalise!r}")
    manifest = Path(manifest_path)
    trials, notes = read_trials(manifest)
    fallback = Path(map_path) if map_path else manifest.parent / "channels.csv"
    maps: dict[Path, list[Channel]] = {}
    # Rows of explicit cycles name the same recordings again and again.
    read = lru_cache(maxsize=6)(read_storage)
    recordings = []
    for trial in trials:
        chosen = trial.map or fallback
        if chosen not in maps:
            maps[chosen], more = read_map(chosen)
            notes += more
        recordings.append(cut(trial, maps[chosen], read=read, shortest=shortest, longest=longest))
    left_out = _unique(line for recording in recordings for line in recording.left_out)
    total = sum(len(recording.bounds) for recording in recordings)
    if not total:
        raise InputError(
            f"{manifest}: expected at least one whole cycle, found none; {left_out[0]}"
        )
    if all(np.isnan(recording.measured).all() for recording in recordings):
        raise InputError(f"{manifest}: expected EMG, found nan in every cycle of every muscle")
    channels, columns_left_out = _common_channels(recordings)
    muscles = _merge_maps(maps.values(), channels)
    simulated = np.empty((total, POINTS, len(channels)), dtype=np.float32)
    measured = np.full((total, POINTS, len(muscles)), np.nan)
    row = 0
    for recording in recordings:
        rows = slice(row, row + len(recording.bounds))
        names = list(recording.channels)
        simulated[rows] = recording.simulated[:, :, [names.index(c) for c in channels]]
        measured[rows][:, :, [list(muscles).index(m) for m in recording.muscles]] = (
            recording.measured
        )
        row = rows.stop
        notes += recording.notes
    cycles = _cycles_table(recordings)
    notes += _nan_notes(measured, list(muscles))
    if normalise == "subject-maximum":
        measured, maxima = by_subject_maximum(measured, list(cycles["subject"]))
        for subject, values in maxima.items():
            factors = ", ".join(f"{m} {v:.4g}" for m, v in zip(muscles, values, strict=True))
            notes.append(f"EMG of subject {subject} divided by its maximum: {factors}")
    else:
        notes.append(
            f"EMG kept as in the files ({np.nanmin(measured):.4g} to {np.nanmax(measured):.4g}); "
            "normalise by subject-maximum if it is not normalised"
        )
    cohort = Cohort(
        name=name or manifest.stem,
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
    return cohort, Report(total, tuple(left_out), tuple(columns_left_out), tuple(_unique(notes)))


def _common_channels(recordings: list[Recording]) -> tuple[dict[str, list[str]], list[str]]:
    """Channels that every recording has, with their sources; columns left out."""
    common = set(recordings[0].channels).intersection(*(r.channels for r in recordings))
    left_out = _unique(line for recording in recordings for line in recording.columns_left_out)
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
    return channels, _unique(left_out)


def _merge_maps(
    maps: Iterable[list[Channel]], channels: dict[str, list[str]]
) -> dict[str, Channel]:
    """Muscles of all maps, which must agree on electrodes and counterparts."""
    merged: dict[str, Channel] = {}
    for channel in (channel for rows in maps for channel in rows):
        missing = [name for name in channel.counterparts if name not in channels]
        if missing:
            raise InputError(
                f"{channel.where}: expected counterparts that are simulated, found {missing[0]} of "
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


def _cycles_table(recordings: list[Recording]) -> pd.DataFrame:
    rows = []
    counts: dict[tuple[str, ...], int] = {}
    for recording in recordings:
        trial = recording.trial
        for number, start, end in recording.bounds:
            if trial.ground_reaction is None:
                key = (trial.subject, trial.condition, trial.trial, trial.side)
                number = counts[key] = counts.get(key, 0) + 1
            rows.append(
                {
                    "subject": trial.subject,
                    "condition": trial.condition,
                    "speed": trial.speed,
                    "side": trial.side,
                    "trial": trial.trial,
                    "cycle": number,
                    "start": start,
                    "end": end,
                }
            )
    return pd.DataFrame(rows)


def _nan_notes(measured: np.ndarray, muscles: list[str]) -> list[str]:
    lacking = np.isnan(measured).any(axis=1).sum(axis=0)
    return [
        f"EMG of {muscle} is nan or not recorded in {count} of {len(measured)} cycles, which are "
        "left out for this muscle"
        for muscle, count in zip(muscles, lacking, strict=True)
        if count
    ]


def _unique(lines: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(lines))
