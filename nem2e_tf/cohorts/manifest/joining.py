"""Recordings of one manifest brought together: the channels, muscles and cycles they make up."""

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nem2e_tf.cohorts.cohort import POINTS
from nem2e_tf.cohorts.manifest.columns import Channel
from nem2e_tf.cohorts.manifest.recording import Recording
from nem2e_tf.errors import InputError
from nem2e_tf.muscles import in_order

_OTHER_SCALE = 50.0


def common_channels(recordings: list[Recording]) -> tuple[dict[str, list[str]], list[str]]:
    """Find the channels that every recording has.

    Returns
    -------
    channels : dict of str to list of str
        Channel name to the labels it was read from; in model order, the cycle's side first.
    left_out : list of str
        Columns left out.

    Raises
    ------
    InputError
        There is none.
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
        name: unique(recording.channels[name] for recording in recordings)
        for name in names
        if name in common
    }
    if not channels:
        raise InputError(
            f"{recordings[0].trial.simulated}: expected muscles that all simulations have, "
            "found none"
        )
    return channels, together(left_out)


def merge_maps(maps: Iterable[list[Channel]], channels: dict[str, list[str]]) -> dict[str, Channel]:
    """Bring the muscles of all maps together.

    Raises
    ------
    InputError
        Maps differ in a muscle's electrode or counterparts, or a counterpart is not simulated.
    """
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


def stack(
    recordings: list[Recording], channels: list[str], muscles: list[str]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Put the cycles of all recordings into two arrays.

    Returns
    -------
    simulated : float32 array [cycle, 101, channel]
    measured : float64 array [cycle, 101, muscle]
        NaN where a recording lacks the muscle.
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


def cycles_table(recordings: list[Recording]) -> pd.DataFrame:
    """Make the cohort's table of cycles.

    Cycles of explicit bounds without a number are counted within their recording.
    """
    rows = []
    counts: dict[tuple[str, ...], int] = {}
    for recording in recordings:
        trial = recording.trial
        for number, start, end in recording.bounds:
            if not (math.isnan(trial.start) or trial.cycle):
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


def nan_notes(measured: NDArray[np.float64], muscles: list[str]) -> list[str]:
    """Say how many cycles have no EMG of a muscle."""
    lacking = np.isnan(measured).any(axis=1).sum(axis=0)
    return [
        f"EMG of {muscle} is nan or not recorded in {count} of {len(measured)} cycles, which are "
        "left out for this muscle"
        for muscle, count in zip(muscles, lacking, strict=True)
        if count
    ]


def check_units(recordings: list[Recording]) -> None:
    """Refuse recordings whose EMG is in volts in one and in something else in another.

    Raises
    ------
    InputError
        The rows are named.
    """
    first = recordings[0]
    for other in recordings:
        if other.emg_unit != first.emg_unit:
            raise InputError(
                f"{other.trial.where}, column unit: expected EMG in one unit, found "
                f"{other.emg_unit or 'none stated'} and in {first.trial.where} "
                f"{first.emg_unit or 'none stated'}"
            )


def scale_notes(recordings: list[Recording], muscles: list[str]) -> list[str]:
    """Say where a recording's EMG is of another order of magnitude than the others' median."""
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


def together(lines: Iterable[str]) -> list[str]:
    """Put lines that say the same of several files into one.

    Examples
    --------
    >>> together(["a.sto: odd", "b.sto: odd", "c.sto: even", "c.sto: odd", "c.sto: odd"])
    ['a.sto and 2 files more: odd', 'c.sto: even']
    """
    files: dict[str, list[str]] = {}
    for line in dict.fromkeys(lines):
        file, mark, text = line.partition(": ")
        files.setdefault(text if mark else "", []).append(file)
    alone = files.pop("", [])
    return [
        f"{of[0]}{f' and {len(of) - 1} files more' if len(of) > 1 else ''}: {text}"
        for text, of in files.items()
    ] + alone


def unique(lines: Iterable[str]) -> list[str]:
    """Return each line once, in order."""
    return list(dict.fromkeys(lines))
