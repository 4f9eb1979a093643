"""The EMG of a trial: rate and unit, envelopes by recipe, dead electrodes, clock and scale."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.cohorts.manifest.columns import Channel, apply_simulated_map, columns_left_out
from nem2e_tf.cohorts.manifest.trials import UNITS, Trial
from nem2e_tf.errors import InputError, near
from nem2e_tf.io.storage import Storage
from nem2e_tf.io.time_series import read_signals
from nem2e_tf.signals.emg.normalisation import by_reference, per_trial
from nem2e_tf.signals.emg.recipes import RECIPES, Recipe, apply, recipe, with_teager_kaiser

_UNIT_NAMES = {"volt": "v", "volts": "v", "millivolt": "mv", "microvolt": "uv"}
_SAME_RATE = 0.01


def rate_of(trial: Trial, emg: Storage) -> tuple[float, str]:
    """Return the sampling rate and its source; refuse uneven steps and a wrong stated rate."""
    steps = np.diff(emg.time)
    usual = float(np.median(steps)) if len(steps) else 0.0
    if usual <= 0:
        raise InputError(f"{emg.path}: expected EMG at several times, found one")
    if trial.recipe and (steps.min() < usual / 2 or steps.max() > 1.5 * usual):
        worst = int(np.argmax(np.abs(steps - usual)))
        raise InputError(
            f"{emg.path}: expected raw EMG in even steps of {usual:.6g} s, found one of "
            f"{steps[worst]:.6g} s at {emg.time[worst]:.6g} s; a filter requires even steps"
        )
    found = len(steps) / float(emg.time[-1] - emg.time[0]) if trial.recipe else 1 / usual
    if not math.isnan(trial.rate) and abs(found / trial.rate - 1) > _SAME_RATE:
        raise InputError(
            f"{trial.where}, column rate: expected the rate of {emg.path}, which is {found:.5g} Hz "
            f"according to its times, found {trial.rate:g}"
        )
    stated = "by its times" if math.isnan(trial.rate) else "as stated"
    return found, f"{found:.5g} Hz ({stated})"


def unit_of(
    trial: Trial, emg: Storage, labels: list[str]
) -> tuple[NDArray[np.float64], str, str, list[str]]:
    """Return the factors that convert columns to volts or shares.

    Returns
    -------
    factors : float64 array [column]
    unit : str
        Resulting unit: ``V``, ``share``, or empty if unknown.
    fact : str
        Source of the unit.
    notes : list of str
    """
    in_file = [emg.header.get(f"unit {label}", "") for label in labels]
    known = [_UNIT_NAMES.get(unit.lower(), unit.lower()) for unit in in_file]
    if trial.unit:
        for label, unit in zip(labels, known, strict=True):
            if unit in UNITS and UNITS[unit] != UNITS[trial.unit]:
                raise InputError(
                    f"{trial.where}, column unit: expected {unit}, as {emg.path} states for "
                    f"{label!r}, found {trial.unit}"
                )
        known, how = [trial.unit] * len(labels), "as stated"
    else:
        how = "as the file states"
    odd = sorted({unit for unit in known if unit and unit not in UNITS})
    notes = [f"{emg.path}: unknown unit {unit!r}; values not converted" for unit in odd]
    if not any(unit in UNITS for unit in known):
        return np.ones(len(labels)), "", "unit not stated", notes
    kinds = {"share" if unit in ("%", "1") else "V" if unit in UNITS else "" for unit in known}
    if len(kinds) > 1:
        raise InputError(
            f"{emg.path}: expected EMG columns of one unit, found {', '.join(sorted(set(known)))}"
        )
    factors = np.array([UNITS[unit] for unit in known])
    return factors, kinds.pop(), f"unit {'/'.join(dict.fromkeys(known))} ({how})", notes


TEAGER_KAISER = "+teager-kaiser"
_RAW_BELOW_ZERO = 0.3
_RAW_MEAN = 0.2


def recipe_of(name: str, where: str) -> Recipe:
    """Return a recipe of a manifest; the suffix ``+teager-kaiser`` adds that step."""
    base = name.removesuffix(TEAGER_KAISER)
    if base not in RECIPES:
        raise InputError(
            f"{where}, column recipe: expected {', '.join(RECIPES)} (each also with "
            f"{TEAGER_KAISER}) or an empty cell for envelopes, found {name!r}"
            f"{near(base, list(RECIPES))}"
        )
    return with_teager_kaiser(recipe(base)) if base != name else recipe(base)


def columns_of(emg: Storage, labels: Sequence[str]) -> NDArray[np.float64]:
    """Return columns of a file, float64 [row, column]."""
    return np.stack([emg.column(label) for label in labels], axis=-1)


def make_envelopes(
    emg: Storage, labels: tuple[str, ...], chosen: Recipe, rate: float
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Compute envelopes of columns of a file, float64 [row, column], and notes.

    NaN for dead electrodes (a constant value), and in gaps.
    """
    raw = columns_of(emg, labels)
    result = np.full(raw.shape, np.nan)
    notes = []
    alive = []
    for index, label in enumerate(labels):
        values = raw[:, index]
        if np.ptp(values) == 0:
            notes.append(
                f"{emg.path}: EMG {label!r} is always {values[0]:g}: the electrode is dead"
            )
            continue
        alive.append(index)
        if (values >= 0).all():
            notes.append(
                f"{emg.path}: EMG {label!r} is never below zero; recipe {chosen.name} expects "
                "raw EMG"
            )
    if alive:
        try:
            made = apply(chosen, raw[:, alive], rate=rate)
        except InputError as error:
            raise InputError(f"{emg.path}: {error}") from None
        result[:, alive] = made.values
        notes += [f"{emg.path}: EMG {_named(note, labels, alive)}" for note in made.notes]
    return result, tuple(notes)


def looks_raw(emg: Storage, labels: list[str], signals: NDArray[np.float64]) -> list[str]:
    """Report columns that should be envelopes but oscillate around zero like raw EMG."""
    found = []
    for label, column in zip(labels, signals.T, strict=True):
        values: NDArray[Any] = column[np.isfinite(column)]
        below = (values < 0).mean() if values.size else 0.0
        if below > _RAW_BELOW_ZERO and abs(values.mean()) < _RAW_MEAN * values.std():
            found.append(label)
    if not found:
        return []
    return [
        f"{emg.path}: {len(found)} EMG columns, such as {found[0]}, look raw: more than "
        f"{_RAW_BELOW_ZERO:.0%} of the samples are below zero; state a recipe in the manifest"
    ]


def _named(note: str, labels: Sequence[str], alive: list[int]) -> str:
    """Replace ``column 3`` of the usable columns in a note by the column's label."""
    return re.sub(r"^column (\d+)", lambda m: repr(labels[alive[int(m[1]) - 1]]), note)


Scale = Literal["", "trial", "mvc", "fixed"]


@dataclass(frozen=True, eq=False)
class Measured:
    """The EMG of a trial.

    Attributes
    ----------
    storage : Storage
        The file with times shifted by the row's ``emg_offset``.
    signals : float64 array [row, muscle]
        Envelopes in the order of the channel map; NaN for unusable electrodes.
    muscles : tuple of str
        Names of the muscles.
    facts : str
        Rate, unit and recipe, in words.
    unit : str
        ``V``, ``share`` or, if unknown, empty.
    columns_left_out, notes : tuple of str
        Columns that are not used; irregularities.
    """

    storage: Storage
    signals: NDArray[np.float64]
    muscles: tuple[str, ...]
    facts: str
    unit: str
    columns_left_out: tuple[str, ...]
    notes: tuple[str, ...]


class Files:
    """Reads the files of a manifest and caches the last few, since rows share files.

    Parameters
    ----------
    scale : {"", "trial", "mvc", "fixed"}
        Divisor of the envelopes: none, the trial's own range, the maximum of the row's MVC
        recordings, or the numbers of the channel map.
    """

    def __init__(self, *, scale: Scale = "") -> None:
        self.scale = scale
        self._signals = lru_cache(maxsize=6)(read_signals)
        self._envelopes = lru_cache(maxsize=2)(make_envelopes)

    def read(self, path: Path, *, rate: float = math.nan) -> Storage:
        """Read a file of signals with at least one row; see `read_signals`."""
        # nan is not equal to itself and would never be found in the cache
        storage = self._signals(path) if math.isnan(rate) else self._signals(path, rate=rate)
        if not storage.n_rows:
            raise InputError(f"{storage.path}: expected rows of numbers, found none")
        return storage

    def simulation(self, trial: Trial) -> Storage:
        """Read a trial's activations, named by its ``simulated_map`` if it has one."""
        storage = self.read(trial.simulated)
        if trial.simulated_map is None:
            return storage
        return apply_simulated_map(storage, trial.simulated_map)

    def measured(self, trial: Trial, channels: list[Channel]) -> Measured:
        """Read a trial's EMG as scaled envelopes."""
        found = self._unscaled(trial, channels)
        if not self.scale:
            return found
        try:
            if self.scale == "trial":
                scaled = per_trial(found.signals)
            else:
                scaled = by_reference(found.signals, self._reference(trial, channels))
        except InputError as error:
            raise InputError(f"{trial.where}: {trial.emg}: {error}") from None
        factors = ", ".join(
            f"{muscle} {factor:.4g}"
            for muscle, factor in zip(found.muscles, scaled.factor, strict=True)
        )
        note = f"{trial.emg}: EMG divided by {factors}"
        return replace(found, signals=scaled.values, notes=(*found.notes, note))

    def _reference(self, trial: Trial, channels: list[Channel]) -> NDArray[np.float64]:
        if self.scale == "fixed":
            incomplete = next((c for c in channels if math.isnan(c.reference)), None)
            if incomplete:
                raise InputError(
                    f"{incomplete.where}, column reference: expected a number to normalise by, "
                    "found an empty cell"
                )
            return np.array([channel.reference for channel in channels])
        if not trial.mvc:
            raise InputError("column mvc: expected recordings to normalise by, found an empty cell")
        peaks = [
            np.fmax.reduce(self._unscaled(replace(trial, emg=path), channels).signals, axis=0)
            for path in trial.mvc
        ]
        return np.fmax.reduce(peaks)

    def _unscaled(self, trial: Trial, channels: list[Channel]) -> Measured:
        emg = self.read(trial.emg, rate=trial.rate)
        labels = [_label(trial, channel) for channel in channels]
        missing = next((i for i, label in enumerate(labels) if label not in emg.labels), None)
        if missing is not None:
            raise InputError(
                f"{channels[missing].where}: expected EMG column {labels[missing]!r} in "
                f"{emg.path}, found none{near(labels[missing], emg.labels)}"
            )
        chosen = recipe_of(trial.recipe, trial.where) if trial.recipe else None
        rate, rate_fact = rate_of(trial, emg)
        factor, unit, unit_fact, notes = unit_of(trial, emg, labels)
        if chosen:
            envelopes, more = self._envelopes(emg, tuple(labels), chosen, rate)
            steps = ", ".join(map(str, chosen.steps))
            signals, made = envelopes * factor, f"envelopes by recipe {chosen.name} ({steps})"
            notes += more
        else:
            signals, made = columns_of(emg, labels) * factor, "envelopes as in the file"
            notes += looks_raw(emg, labels, signals)
        signals[:, _dropped(trial, channels)] = np.nan
        unused = [label for label in emg.labels if label not in labels]
        return Measured(
            storage=replace(emg, time=emg.time + trial.emg_offset),
            signals=signals,
            muscles=tuple(channel.muscle for channel in channels),
            facts=f"{rate_fact}, {unit_fact}, {made}",
            unit=unit,
            columns_left_out=tuple(columns_left_out(emg, {"not in the channel map": unused})),
            notes=tuple(notes),
        )


def _label(trial: Trial, channel: Channel) -> str:
    if "{side}" in channel.column and not trial.side:
        raise InputError(
            f"{trial.where}, column side: expected r or l, since {channel.where} names the column "
            f"{channel.column!r}, found an empty cell"
        )
    return channel.column.replace("{side}", trial.side)


def _dropped(trial: Trial, channels: list[Channel]) -> list[int]:
    """Return the indices of the muscles that the row excludes."""
    places = []
    for drop in trial.drop:
        found = [i for i, c in enumerate(channels) if drop in (c.muscle, c.electrode)]
        if not found:
            names = [name for c in channels for name in (c.muscle, c.electrode)]
            raise InputError(
                f"{trial.where}, column drop: expected a muscle or electrode of the channel map, "
                f"found {drop!r}{near(drop, names)}"
            )
        places += found
    return places
