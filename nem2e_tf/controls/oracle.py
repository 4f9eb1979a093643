"""The oracles: how much of each entry's gain over the simulation is merely scaling.

How much of a refiner's gain over the simulation is amplitude, timing and shape.

Two oracles know a group's refined curves and may give the simulation one thing of them: their
amplitude (one gain and one offset for each muscle), or their timing (one shift for each muscle).
What they gain over the simulation is what the refiner could have gained by scaling alone, or by
shifting alone. Shape is what remains: the form of the curve, and whatever the refiner changes in
one cycle and not in another.
"""

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.controls.results import Source, refuse_foreign_files, write_control
from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.metrics import CONSTANT, rmse, to_percents
from nem2e_tf.evaluation.results import SETTINGS
from nem2e_tf.evaluation.scoring import group_error
from nem2e_tf.evaluation.statistics import RESOLUTION, summarise_groups
from nem2e_tf.training.kept import Curves, Prediction, held_out_curves, read_predictions

PARTS = ("amplitude", "timing", "shape")
ALONE = ("amplitude_only", "time_only", "both")
SEARCH = 25.0
STEP = 0.5


def with_amplitude_of(curves: ArrayLike, model: ArrayLike, /) -> NDArray[np.float64]:
    """Give a group's curves the amplitude of others, by one gain and one offset for each muscle.

    Mean and standard deviation over all cycles and samples are matched, not fitted: a least-squares
    gain would shrink curves that come at the wrong time, and so take part of a lag for an error of
    amplitude.

    Parameters
    ----------
    curves, model : array [cycle, sample, muscle]

    Returns
    -------
    float64 array [cycle, sample, muscle]
        Constant curves stay constant, at the model's mean.

    Examples
    --------
    >>> with_amplitude_of([[[0.0], [1.0], [0.0]]], [[[4.0], [4.0], [7.0]]])[0, :, 0]
    array([4., 7., 4.])
    """
    values, wanted = np.asarray(curves, float), np.asarray(model, float)
    deviation = values - values.mean(axis=(0, 1))
    spread = deviation.std(axis=(0, 1))
    floor = CONSTANT * np.max(np.abs(values), axis=(0, 1), initial=0.0)
    gain = wanted.std(axis=(0, 1)) / np.where(spread > floor, spread, np.inf)
    return np.asarray(wanted.mean(axis=(0, 1)) + gain * deviation)


def with_timing_of(
    curves: ArrayLike, model: ArrayLike, /, *, search: float = SEARCH
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shift a group's curves around the cycle to where they match others best.

    Parameters
    ----------
    curves : array [cycle, 101 or sample, muscle]
        Points from 0 to 100 % of the cycle; samples fewer than 101 are brought to steps of 1 % by a
        cubic spline.
    model : array [cycle, sample, muscle]
    search : float
        Largest shift tried, in % of the cycle, in steps of 0.5 %.

    Returns
    -------
    shifted : float64 array [cycle, sample, muscle]
        At the samples of `model`.
    shift : float64 array [muscle]
        The one with the highest mean of Pearson's r over cycles, in % of the cycle, positive later;
        0 where the curves are constant.
    """
    values, wanted = np.asarray(curves, float), np.asarray(model, float)
    fine = values
    if values.shape[1] != 101:
        fine = np.einsum("ps,csm->cpm", to_percents(values.shape[1]), values)
    matrices, shifts = _shifting(wanted.shape[1], float(search))
    other = _standardised(wanted)
    total = np.stack(
        [
            (_standardised(np.einsum("sp,cpm->csm", matrix, fine)) * other).sum(axis=(0, 1))
            for matrix in matrices
        ]
    )
    # Ties, as all shifts of a constant curve are, go to the smallest shift.
    order = np.argsort(np.abs(shifts), kind="stable")
    likeness = np.round(np.nan_to_num(total[order]) / max(len(wanted), 1), 9)
    best = order[np.argmax(likeness, axis=0)]
    return np.asarray(np.einsum("msp,cpm->csm", matrices[best], fine)), shifts[best]


def split_gain(
    measured: ArrayLike,
    *,
    simulated: ArrayLike,
    refined: ArrayLike,
    conditions: Sequence[str],
) -> list[dict[str, Any]]:
    """Split one group's gain over the simulation into amplitude, timing and shape.

    ``amplitude_only`` is the gain of the simulation given the refined curve's amplitude,
    ``time_only`` that of the simulation given its timing, ``both`` that of both. What the two gain
    together is neither's own; half of it is given to each (Shapley 1953), so that ``amplitude`` +
    ``timing`` + ``shape`` = ``gain``.

    Parameters
    ----------
    measured, refined : array [cycle, sample, muscle]
        A cycle whose measured curve holds NaN is left out for that muscle.
    simulated : array [cycle, 101 or sample, muscle]
        The mean of each muscle's counterparts. With 101 points shifts are more exact; errors are
        taken on the samples of `measured`.
    conditions : sequence [cycle]
        As in `nem2e_tf.evaluation.scoring.group_error`.

    Returns
    -------
    list of dict
        One a muscle: ``n_cycles``, ``rmse_simulated`` and, in RMSE units and positive where the
        error falls, ``gain``, `ALONE` and `PARTS`. NaN without any cycle, or where the refined
        curves are NaN.

    Raises
    ------
    InputError
        The shapes do not fit.
    """
    target, after, fine = (np.asarray(a, float) for a in (measured, refined, simulated))
    if target.ndim != 3 or after.shape != target.shape:
        raise InputError(f"oracles: expected refined curves {target.shape}, found {after.shape}")
    if fine.ndim != 3 or (len(fine), fine.shape[2]) != (len(target), target.shape[2]):
        raise InputError(
            f"oracles: expected simulated [cycle, point, muscle] of {len(target)} cycles and "
            f"{target.shape[2]} muscles, found {fine.shape}"
        )
    labels = np.asarray(conditions)
    known = ~np.isnan(target).any(axis=1)
    usable = known.any(axis=0) & ~(np.isnan(after).any(axis=1) & known).any(axis=0)
    lost = dict.fromkeys(("rmse_simulated", "gain", *ALONE, *PARTS), np.nan)
    rows = [{"n_cycles": int(known[:, muscle].sum()), **lost} for muscle in range(known.shape[1])]
    # Muscles whose EMG is known in the same cycles are split at once.
    for keep in np.unique(known[:, usable], axis=1).T:
        alike = np.flatnonzero(usable & (known == keep[:, None]).all(axis=0))
        own = np.ix_(keep, np.ones(target.shape[1], bool), alike)
        points = np.ix_(keep, np.ones(fine.shape[1], bool), alike)
        parts = _parts(target[own], fine[points], after[own], labels[keep])
        for place, muscle in enumerate(alike):
            rows[muscle] |= {name: float(values[place]) for name, values in parts.items()}
    return rows


def _parts(
    measured: NDArray[np.float64],
    simulated: NDArray[np.float64],
    refined: NDArray[np.float64],
    conditions: NDArray[Any],
) -> dict[str, NDArray[np.float64]]:
    """The gain of each muscle and its parts, arrays [muscle]."""
    before = _sampled(simulated, measured.shape[1])
    timed, _ = with_timing_of(simulated, refined)
    kinds = {
        "gain": refined,
        "amplitude_only": with_amplitude_of(before, refined),
        "time_only": timed,
        "both": with_amplitude_of(timed, refined),
    }
    error = group_error(rmse(measured, before), conditions)
    found = {
        name: error - group_error(rmse(measured, curves), conditions)
        for name, curves in kinds.items()
    }
    alone, late, both = (found[name] for name in ALONE)
    return {
        "rmse_simulated": error,
        **found,
        "amplitude": (alone + both - late) / 2.0,
        "timing": (late + both - alone) / 2.0,
        "shape": found["gain"] - both,
    }


def summarise_split(groups: pd.DataFrame) -> pd.DataFrame:
    """Summarise the parts of every entry's gain over groups.

    Parameters
    ----------
    groups : DataFrame
        One row an entry, seed, muscle and group, with the keys of `split_gain`; see
        `nem2e_tf.evaluation.statistics.summarise_groups`.

    Returns
    -------
    DataFrame
        As `summarise_groups` gives it: ``gain`` and `PARTS` with intervals and tests, the means of
        `ALONE`; and each but the gain as a share of the mean gain (``amplitude_share``, ...: NaN
        where nothing is gained).
    """
    averaged = (*ALONE, "rmse_simulated")
    table = summarise_groups(groups, tested=("gain", *PARTS), averaged=averaged)
    gain = table["gain"].where(table["gain"] > RESOLUTION * table["rmse_simulated"])
    for name in (*PARTS, *ALONE):
        table[f"{name}_share"] = table[name] / gain
    lost = table["gain"].notna() & gain.isna()
    told = "nothing is gained over the simulation: no shares"
    notes = table.pop("notes")
    table["notes"] = notes.where(~lost, [f"{n}; {told}" if n else told for n in notes])
    return table


def _standardised(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Deviations from each cycle's mean over their root of squares; 0 for a constant curve."""
    centred = curves - curves.mean(axis=1, keepdims=True)
    size = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    floor = CONSTANT * np.max(np.abs(curves), axis=1, keepdims=True)
    return np.asarray(centred / np.where(size > floor, size, np.inf))


def _sampled(fine: NDArray[np.float64], n_samples: int) -> NDArray[np.float64]:
    """The curves at the samples, by linear interpolation."""
    return np.asarray(np.einsum("sp,cpm->csm", _interpolation(fine.shape[1], n_samples, 0.0), fine))


@lru_cache(maxsize=4)
def _shifting(n_samples: int, search: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Matrices [shift, sample, 101] that sample a curve later by each shift, and the shifts."""
    count = round(search / STEP)
    shifts = np.asarray(STEP * np.arange(-count, count + 1), dtype=np.float64)
    return np.stack([_interpolation(101, n_samples, shift) for shift in shifts]), shifts


@lru_cache(maxsize=128)
def _interpolation(n_points: int, n_samples: int, shift: float) -> NDArray[np.float64]:
    """Matrix [sample, point] that samples a curve that comes later by a shift, in %.

    Before 0 % the curve is taken to be what it is before 100 %, and after 100 % what it is after 0.
    """
    at = np.linspace(0.0, 100.0, n_samples) - shift
    at = np.where(at < 0.0, at + 100.0, np.where(at > 100.0, at - 100.0, at))
    place = at / 100.0 * (n_points - 1)
    before = np.minimum(place.astype(int), n_points - 2)
    matrix = np.zeros((n_samples, n_points))
    rows = np.arange(n_samples)
    matrix[rows, before] = 1.0 - (place - before)
    matrix[rows, before + 1] += place - before
    return matrix


MEAN_PATTERN, MEASURED = "mean-pattern", "measured"
NOTES = (
    "Amplitude is what one gain and one offset for each muscle and group left out would gain if "
    "the refined curves were known, timing what one shift would; shape is the rest: the form of "
    "the curve, and what changes from cycle to cycle.",
    "The entry 'measured' is a refiner without error: its parts are those of the simulation's "
    "whole error.",
)


def control_oracle(source: Source, path: "str | os.PathLike[str]") -> dict[str, pd.DataFrame]:
    """Split every entry's gain over the simulation, and write the folder of the control.

    Nothing is trained: the predictions of the run are read.

    Parameters
    ----------
    source : Source
    path : path-like
        Where to write.

    Returns
    -------
    dict of str to DataFrame
        ``groups``: one row an entry, seed, muscle and group (`split_gain`); ``summary``:
        `summarise_split`. Besides the entries of the run there are the mean EMG pattern (where the
        run has none) and ``measured``, a refiner without error.
    """
    refuse_foreign_files(path)
    curves = held_out_curves(source.run, source.cohort)
    predictions = [
        one
        for one in read_predictions(source.run, source.cohort)
        if one.entry["model"] in source.models
    ]
    others = {MEAN_PATTERN: curves.mean_pattern, MEASURED: curves.measured}
    names = {one.entry["model"] for one in predictions}
    for name, refined in others.items():
        if name not in names:
            entry = dict.fromkeys(SETTINGS, "") | {"model": name, "seed": "0"}
            predictions.append(Prediction(entry, np.asarray(refined, np.float32)))
    groups = pd.DataFrame([row for one in predictions for row in _split(one, curves)])
    tables = {"summary": summarise_split(groups), "groups": groups}
    write_control(path, "oracle", about=source.about, settings={}, notes=NOTES, tables=tables)
    return tables


def _split(one: Prediction, curves: Curves) -> list[dict[str, Any]]:
    rows = []
    for group in dict.fromkeys(curves.groups.tolist()):
        own = curves.groups == group
        parts = split_gain(
            curves.measured[own],
            simulated=curves.simulated_fine[own],
            refined=one.refined[own],
            conditions=curves.conditions[own].tolist(),
        )
        for muscle, part in zip(curves.muscles, parts, strict=True):
            rows.append({"by": curves.by, **one.entry, "muscle": muscle, "group": group, **part})
    return rows
