"""The EMG of a trial: read, put on the simulation's clock and into volts, an envelope, scaled."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.emg.normalisation import by_reference, per_trial
from nem2e_tf.errors import InputError, near
from nem2e_tf.importers.activations import columns_left_out
from nem2e_tf.importers.channel_map import Channel
from nem2e_tf.importers.emg_facts import rate_of, unit_of
from nem2e_tf.importers.envelopes import columns_of, looks_raw, make_envelopes, recipe_of
from nem2e_tf.importers.signals import read_signals
from nem2e_tf.importers.simulated_map import apply_simulated_map
from nem2e_tf.importers.trials import Trial
from nem2e_tf.storage import Storage

Scale = Literal["", "trial", "mvc", "fixed"]


@dataclass(frozen=True, eq=False)
class Measured:
    """The EMG of a trial.

    Attributes
    ----------
    storage : Storage
        The file, its times shifted by the row's ``emg_offset``.
    signals : float64 array [row, muscle]
        Envelopes in the order of the channel map; NaN where an electrode is not usable.
    muscles : tuple of str
        Their names.
    facts : str
        Rate, unit and recipe, in words.
    unit : str
        ``V``, ``share`` or, where nobody said, empty.
    columns_left_out, notes : tuple of str
        What is not used; what was odd.
    """

    storage: Storage
    signals: NDArray[np.float64]
    muscles: tuple[str, ...]
    facts: str
    unit: str
    columns_left_out: tuple[str, ...]
    notes: tuple[str, ...]


class Files:
    """Reads the files of a manifest; the last few are kept, since rows name them repeatedly.

    Parameters
    ----------
    scale : {"", "trial", "mvc", "fixed"}
        What the envelopes of a recording are divided by: nothing, the trial's own range, the
        maximum of the row's MVC recordings, or the numbers of the channel map.
    """

    def __init__(self, *, scale: Scale = "") -> None:
        self.scale = scale
        self._signals = lru_cache(maxsize=6)(read_signals)
        self._envelopes = lru_cache(maxsize=2)(make_envelopes)

    def read(self, path: Path, *, rate: float = math.nan) -> Storage:
        """Read a file of signals, of at least one row; see `signals.read_signals`."""
        # nan is not equal to itself: it would never be found again
        storage = self._signals(path) if math.isnan(rate) else self._signals(path, rate=rate)
        if not storage.n_rows:
            raise InputError(f"{storage.path}: expected rows of numbers, found none")
        return storage

    def simulation(self, trial: Trial) -> Storage:
        """Read a trial's activations, under the names of its ``simulated_map`` if it has one.

        Raises
        ------
        InputError
            The file or the map cannot be read, or they do not fit.
        """
        storage = self.read(trial.simulated)
        if trial.simulated_map is None:
            return storage
        return apply_simulated_map(storage, trial.simulated_map)

    def measured(self, trial: Trial, channels: list[Channel]) -> Measured:
        """Read a trial's EMG.

        Raises
        ------
        InputError
            The file or a column is missing, the rate, the unit or the recipe cannot be right, the
            row drops what is not in the map, or there is nothing to divide by.
        """
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
            lacking = next((c for c in channels if math.isnan(c.reference)), None)
            if lacking:
                raise InputError(
                    f"{lacking.where}, column reference: expected a number to normalise by, found "
                    "an empty cell"
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
    """Places of the muscles that the row says not to use."""
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
