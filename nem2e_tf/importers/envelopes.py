"""Raw EMG of a file made envelopes by a named recipe, dead electrodes left out."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.emg.recipes import RECIPES, Recipe, apply, recipe, with_teager_kaiser
from nem2e_tf.errors import InputError, near
from nem2e_tf.storage import Storage

TEAGER_KAISER = "+teager-kaiser"
_RAW_BELOW_ZERO = 0.3
_RAW_MEAN = 0.2


def recipe_of(name: str, where: str) -> Recipe:
    """Return the recipe that a manifest names; ``+teager-kaiser`` after its name adds that step.

    Raises
    ------
    InputError
        There is none of this name.
    """
    base = name.removesuffix(TEAGER_KAISER)
    if base not in RECIPES:
        raise InputError(
            f"{where}, column recipe: expected {', '.join(RECIPES)} (each also with "
            f"{TEAGER_KAISER}) or nothing for envelopes, found {name!r}{near(base, list(RECIPES))}"
        )
    return with_teager_kaiser(recipe(base)) if base != name else recipe(base)


def columns_of(emg: Storage, labels: Sequence[str]) -> NDArray[np.float64]:
    """Return columns of a file, float64 [row, column]."""
    return np.stack([emg.column(label) for label in labels], axis=-1)


def make_envelopes(
    emg: Storage, labels: tuple[str, ...], chosen: Recipe, rate: float
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Make envelopes of columns of a file.

    Returns
    -------
    float64 array [row, column]
        On the rows of the file. NaN where an electrode is dead (one value throughout), and in gaps.
    notes : tuple of str

    Raises
    ------
    InputError
        The recording is too short or too slow for the recipe, or has no stretch without a gap.
    """
    raw = columns_of(emg, labels)
    result = np.full(raw.shape, np.nan)
    notes = []
    alive = []
    for index, label in enumerate(labels):
        values = raw[:, index]
        if np.ptp(values) == 0:
            notes.append(f"{emg.path}: EMG {label!r} is {values[0]:g} throughout: a dead electrode")
            continue
        alive.append(index)
        if (values >= 0).all():
            notes.append(
                f"{emg.path}: EMG {label!r} is never below zero; raw, as recipe {chosen.name} "
                "expects?"
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
    """Say which columns of a file of envelopes swing around zero as raw EMG does."""
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
        f"{_RAW_BELOW_ZERO:.0%} of the samples are below zero; name a recipe in the manifest"
    ]


def _named(note: str, labels: Sequence[str], alive: list[int]) -> str:
    """A note on ``column 3`` of the usable columns, with the column's label."""
    return re.sub(r"^column (\d+)", lambda m: repr(labels[alive[int(m[1]) - 1]]), note)
