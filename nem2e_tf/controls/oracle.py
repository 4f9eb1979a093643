"""The oracle control: how much of a gain over the simulation is amplitude, timing and shape.

Two oracles know a group's refined curves and transfer one property of them to the simulation: the
amplitude (one gain and one offset per muscle), or the timing (one shift per muscle). Their gain
over the simulation is what the refiner could have gained by scaling alone, or by shifting alone.
Shape is the rest: the form of the curve, and whatever the refiner changes in one cycle and not in
another.
"""

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.controls.results import ControlResults, check_output, results_of
from nem2e_tf.controls.source import AnyCohort, AnyRun, open_source
from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.metrics import CONSTANT, rmse, to_percents
from nem2e_tf.evaluation.results import SETTINGS
from nem2e_tf.evaluation.scoring import group_error
from nem2e_tf.evaluation.statistics import RESOLUTION, summarise_groups
from nem2e_tf.training.curves import Curves, Prediction, held_out_curves, read_predictions

PARTS = ("amplitude", "timing", "shape")
ALONE = ("amplitude_only", "time_only", "both")
MEAN_PATTERN, MEASURED = "mean-pattern", "measured"
SEARCH = 25.0
STEP = 0.5
NOTES = (
    "Amplitude is the gain of one scale and one offset per muscle and left-out group, taken from "
    "the refined curves; timing is the gain of one shift. Shape is the rest: the form of the "
    "curve, and what changes from cycle to cycle.",
    "The entry 'measured' is a refiner without error: its parts are those of the simulation's "
    "whole error.",
)


def oracle(
    run: AnyRun,
    *,
    cohort: AnyCohort | None = None,
    models: Iterable[str] = (),
    out: "str | os.PathLike[str] | None" = None,
) -> ControlResults:
    """Split every entry's gain over the simulation into amplitude, timing and shape.

    Nothing is trained: the predictions of the run are read.

    Parameters
    ----------
    run : path-like
        A finished run.
    cohort : path-like or Cohort
        The cohort that the run was computed from.
    models : iterable of str
        Models of the run to examine; all by default.
    out : path-like, optional
        Folder to write.

    Returns
    -------
    ControlResults
        ``groups``: one row per entry, seed, muscle and group (`split_gain`); ``summary``:
        `summarise_split`. Besides the entries of the run there are the mean pattern (where the run
        has none) and ``measured``, a refiner without error.

    Raises
    ------
    InputError
        The run is not finished or of another cohort, or the output folder holds something else.
    """
    check_output(out)
    source = open_source(run, cohort, models=models)
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
    return results_of(
        "oracle", about=source.about, settings={}, notes=NOTES, tables=tables, out=out
    )


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


def with_amplitude_of(curves: ArrayLike, model: ArrayLike, /) -> NDArray[np.float64]:
    """Scale a group's curves to the amplitude of others, by one gain and offset per muscle.

    Mean and standard deviation over all cycles and samples are matched, not fitted: a least-squares
    gain would shrink curves with a lag, and so count part of the lag as an error of amplitude.

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
    """Shift a group's curves around the cycle to their best match with others.

    Parameters
    ----------
    curves : array [cycle, 101 or sample, muscle]
        From 0 to 100 % of the cycle; fewer than 101 samples are interpolated to steps of 1 % by a
        cubic spline.
    model : array [cycle, sample, muscle]
    search : float
        Largest shift tried, in % of the cycle, in steps of 0.5 %.

    Returns
    -------
    shifted : float64 array [cycle, sample, muscle]
        At the samples of `model`.
    shift : float64 array [muscle]
        The shift with the highest mean of Pearson's r over cycles, in % of the cycle, positive is
        later; 0 where the curves are constant.
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
    measured: ArrayLike, *, simulated: ArrayLike, refined: ArrayLike, conditions: Sequence[str]
) -> list[dict[str, Any]]:
    """Split one group's gain over the simulation into amplitude, timing and shape.

    ``amplitude_only`` is the gain of the simulation with the refined curve's amplitude,
    ``time_only`` that of the simulation with its timing, ``both`` that with both. Their interaction
    is divided equally between the two (Shapley 1953), so that ``amplitude`` + ``timing`` +
    ``shape`` = ``gain``.

    Parameters
    ----------
    measured, refined : array [cycle, sample, muscle]
        A cycle whose measured curve contains NaN is left out for that muscle.
    simulated : array [cycle, 101 or sample, muscle]
        The mean of each muscle's counterparts. Shifts are more exact with 101 points; errors are
        computed at the samples of `measured`.
    conditions : sequence [cycle]
        As in `nem2e_tf.evaluation.scoring.group_error`.

    Returns
    -------
    list of dict
        One per muscle: ``n_cycles``, ``rmse_simulated`` and, in units of RMSE and positive where
        the error decreases, ``gain``, `ALONE` and `PARTS`. NaN without any cycle, or where the
        refined curves are NaN.

    Raises
    ------
    InputError
        The shapes do not fit.

    Examples
    --------
    A simulation that is right but for its amplitude:

    >>> wave = 1 + np.cos(2 * np.pi * np.linspace(0, 1, 20))[None, :, None]
    >>> part = split_gain(wave, simulated=0.5 * wave, refined=wave, conditions=["walk"])[0]
    >>> round(part["amplitude"] / part["gain"], 2)
    1.0
    """
    target, after, fine = (np.asarray(a, float) for a in (measured, refined, simulated))
    if target.ndim != 3 or after.shape != target.shape:
        raise InputError(f"refined: expected shape {target.shape}, found {after.shape}")
    if fine.ndim != 3 or (len(fine), fine.shape[2]) != (len(target), target.shape[2]):
        raise InputError(
            f"simulated: expected [cycle, point, muscle] of {len(target)} cycles and "
            f"{target.shape[2]} muscles, found {fine.shape}"
        )
    labels = np.asarray(conditions)
    known = ~np.isnan(target).any(axis=1)
    usable = known.any(axis=0) & ~(np.isnan(after).any(axis=1) & known).any(axis=0)
    lost = dict.fromkeys(("rmse_simulated", "gain", *ALONE, *PARTS), np.nan)
    rows = [{"n_cycles": int(known[:, muscle].sum()), **lost} for muscle in range(known.shape[1])]
    # Muscles with EMG in the same cycles are split together.
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
    sampling = _interpolation(simulated.shape[1], measured.shape[1], 0.0)
    before = np.asarray(np.einsum("sp,cpm->csm", sampling, simulated))
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
        One row per entry, seed, muscle and group, with the keys of `split_gain`; see
        `nem2e_tf.evaluation.statistics.summarise_groups`.

    Returns
    -------
    DataFrame
        From `summarise_groups`: ``gain`` and `PARTS` with intervals and tests, the means of
        `ALONE`; and all but the gain as shares of the mean gain (``amplitude_share``, ...: NaN
        where nothing is gained).
    """
    averaged = (*ALONE, "rmse_simulated")
    table = summarise_groups(groups, tested=("gain", *PARTS), averaged=averaged)
    gain = table["gain"].where(table["gain"] > RESOLUTION * table["rmse_simulated"])
    for name in (*PARTS, *ALONE):
        table[f"{name}_share"] = table[name] / gain
    lost = table["gain"].notna() & gain.isna()
    reason = "nothing is gained over the simulation: no shares"
    notes = table.pop("notes")
    table["notes"] = notes.where(~lost, [f"{n}; {reason}" if n else reason for n in notes])
    return table


def _standardised(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Deviations from each cycle's mean over their root of squares; 0 for a constant curve."""
    centred = curves - curves.mean(axis=1, keepdims=True)
    size = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    floor = CONSTANT * np.max(np.abs(curves), axis=1, keepdims=True)
    return np.asarray(centred / np.where(size > floor, size, np.inf))


@lru_cache(maxsize=4)
def _shifting(n_samples: int, search: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Matrices [shift, sample, 101] that sample a curve delayed by each shift, and the shifts."""
    count = round(search / STEP)
    shifts = np.asarray(STEP * np.arange(-count, count + 1), dtype=np.float64)
    return np.stack([_interpolation(101, n_samples, shift) for shift in shifts]), shifts


@lru_cache(maxsize=128)
def _interpolation(n_points: int, n_samples: int, shift: float) -> NDArray[np.float64]:
    """Matrix [sample, point] of linear interpolation of a curve delayed by a shift, in %.

    The curve is continued periodically before 0 % and after 100 %.
    """
    from scipy.interpolate import make_interp_spline

    at = np.linspace(0.0, 100.0, n_samples) - shift
    at = np.where(at < 0.0, at + 100.0, np.where(at > 100.0, at - 100.0, at))
    points = np.linspace(0.0, 100.0, n_points)
    return np.asarray(make_interp_spline(points, np.eye(n_points), k=1)(at))
