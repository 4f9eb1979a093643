"""Controls that give refiners an input they should do worse with.

A refiner that has learned the mean pattern and no more does as well with any input. The paper's
shortcut control changes frequency and phase of the input at random (Teramae et al. 2025); a
stronger one gives another person's cycle of the same condition, which is a perfectly usual input.

Inputs that a refiner should do worse with: warped in time, or another person's.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.controls.fold_models import FoldModel, entry_of, fold_models
from nem2e_tf.controls.results import Source, refuse_foreign_files, write_control
from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.metrics import rmse
from nem2e_tf.evaluation.results import BLOCK
from nem2e_tf.evaluation.scoring import group_error
from nem2e_tf.evaluation.statistics import OVERALL, estimate, summarise_groups
from nem2e_tf.training.backends.processes import Progress
from nem2e_tf.training.kept import Curves, held_out_curves, keep_weights
from nem2e_tf.training.rows import thin

SLOWEST, FASTEST = 0.5, 2.0


def warped(
    curves: ArrayLike, *, frequency: ArrayLike, phase: ArrayLike, n_samples: int = 20
) -> NDArray[np.float32]:
    """Run through each cycle faster or slower, from another phase on; all channels alike.

    Parameters
    ----------
    curves : array [cycle, point, channel]
        From 0 to 100 % of the cycle, after which they begin again.
    frequency : array [cycle]
        Cycles of the input within one cycle: 1 changes nothing.
    phase : array [cycle]
        Where to begin, as a share of the cycle: 0 changes nothing.
    n_samples : int
        Samples wanted, by linear interpolation.

    Returns
    -------
    float32 array [cycle, sample, channel]

    Examples
    --------
    >>> warped(np.arange(5.0).reshape(1, 5, 1), frequency=[1], phase=[0.5], n_samples=5)[0, :, 0]
    array([2., 3., 4., 1., 2.], dtype=float32)
    """
    values = np.asarray(curves)
    n_points = values.shape[1]
    at = np.asarray(phase, float)[:, None] + np.asarray(frequency, float)[:, None] * np.linspace(
        0.0, 1.0, n_samples
    )
    # The end of the cycle stays the end: only what goes beyond begins again.
    at = np.where(at <= 1.0, at, at % 1.0) * (n_points - 1)
    before = np.minimum(at.astype(int), n_points - 2)
    share = (at - before)[:, :, None]
    rows = np.arange(len(values))[:, None]
    found = values[rows, before] * (1.0 - share) + values[rows, before + 1] * share
    return np.asarray(found, dtype=np.float32)


def random_warp(
    n_cycles: int, *, seed: int, draw: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw a frequency and a phase for every cycle.

    Returns
    -------
    frequency : float64 array [cycle]
        From 0.5 to 2, as likely faster as slower.
    phase : float64 array [cycle]
        From 0 to 1.
    """
    random = np.random.default_rng([seed, draw])
    octaves = random.uniform(np.log2(SLOWEST), np.log2(FASTEST), n_cycles)
    return 2.0**octaves, random.uniform(0.0, 1.0, n_cycles)


def of_others(
    groups: Sequence[str], conditions: Sequence[str], *, seed: int, draw: int
) -> NDArray[np.intp]:
    """Draw for every cycle one of another group, of the same condition where there is any.

    Parameters
    ----------
    groups, conditions : sequence [cycle]
    seed, draw : int
        Each draw is another one.

    Returns
    -------
    int array [cycle]
        Places of the other cycles.

    Raises
    ------
    InputError
        There is one group only.
    """
    who, what = np.asarray(groups), np.asarray(conditions)
    random = np.random.default_rng([seed, draw])
    if len(set(groups)) < 2:
        raise InputError("another's input: expected two or more groups, found one")
    found = np.empty(len(who), np.intp)
    places: dict[tuple[str, str], NDArray[np.intp]] = {}
    for cycle in range(len(who)):
        key = (who[cycle], what[cycle])
        if key not in places:
            others = who != who[cycle]
            alike = others & (what == what[cycle])
            places[key] = np.flatnonzero(alike if alike.any() else others)
        found[cycle] = random.choice(places[key])
    return found


SHORTCUT, WRONG_SUBJECT = "shortcut", "wrong-subject"
TESTED = ("rate_changed", "skill_changed", "difference")
AVERAGED = ("rate_own", "skill_own", "rmse_simulated", "rmse_mean_pattern", "rmse_own")
NOTES = {
    SHORTCUT: "Changed: frequency (half to twice) and phase of the input, at random for each cycle "
    "and all channels alike. inputs_t and inputs_p take every cycle for one observation, as the "
    "paper does; cycles of one person are not independent, and the other tests take people.",
    WRONG_SUBJECT: "Changed: the input is a cycle of another group, of the same condition where "
    "there is one, drawn at random. The fit has been trained on that group.",
}


def control_changed_input(
    source: Source,
    path: "str | os.PathLike[str]",
    name: str,
    *,
    draws: int = 8,
    seed: int = 0,
    jobs: int = 1,
    progress: Progress | None = None,
    on_plan: "Any | None" = None,
) -> dict[str, pd.DataFrame]:
    """Refine the held-out cycles with a changed input, and write the folder of the control.

    Parameters
    ----------
    source : Source
    path : path-like
        Where to write.
    name : {"shortcut", "wrong-subject"}
    draws : int
        Changed inputs of each cycle; errors are averaged over them.
    seed : int
        Of the draws, which are the same for every entry.
    jobs, progress, on_plan
        See `nem2e_tf.training.kept.keep_weights`.

    Returns
    -------
    dict of str to DataFrame
        ``groups``: one row an entry, seed, muscle and group with errors, rates and skills with the
        own and with the changed input, and ``difference``, the changed minus the own RMSE.
        ``inputs``: rate of each changed cycle. ``summary``: `summarise_groups`, and the test over
        inputs.
    """
    refuse_foreign_files(path)
    if draws < 1:
        raise InputError(f"--draws {draws}: expected 1 or more")
    curves = held_out_curves(source.run, source.cohort)
    changed = _changed_inputs(name, source, curves, seed=seed, draws=draws)
    fits = source.fits()
    notes = keep_weights(
        source.run,
        source.cohort,
        source.cohort_path,
        fits,
        jobs=jobs,
        progress=progress,
        on_plan=on_plan,
    )
    simulated = thin(source.cohort.simulated)
    groups: list[dict[str, Any]] = []
    inputs: list[dict[str, Any]] = []
    for found in fold_models(source, fits):
        own, several = _errors(found, curves, simulated, changed, draws)
        by_muscle = _scores(found, curves, own, several, draws)
        entry = entry_of(source, found, by=curves.by)
        for muscle, scores, rates in by_muscle:
            groups.append({**entry, "muscle": muscle, **scores})
            inputs += [
                {**entry, "muscle": muscle, "cycle": int(cycle), "rate_changed": float(rate)}
                for cycle, rate in zip(found.fold.test, rates, strict=True)
            ]
    tables = {
        "summary": _with_inputs(
            summarise_groups(pd.DataFrame(groups), tested=TESTED, averaged=AVERAGED),
            pd.DataFrame(inputs),
        ),
        "groups": pd.DataFrame(groups),
        "inputs": pd.DataFrame(inputs),
    }
    write_control(
        path,
        name,
        about=source.about,
        settings={"draws": draws, "seed": seed, "models": list(source.models)},
        notes=[NOTES[name], *notes],
        tables=tables,
    )
    return tables


def _changed_inputs(
    name: str, source: Source, curves: Curves, *, seed: int, draws: int
) -> Callable[[int, NDArray[np.intp]], NDArray[np.float32]]:
    """Return the function of draw and cycles that gives their changed inputs."""
    whole = source.cohort.simulated
    if name == SHORTCUT:
        warps = [random_warp(len(whole), seed=seed, draw=draw) for draw in range(draws)]

        def changed(draw: int, cycles: NDArray[np.intp]) -> NDArray[np.float32]:
            frequency, phase = warps[draw]
            return warped(whole[cycles], frequency=frequency[cycles], phase=phase[cycles])

        return changed
    others = [
        of_others(curves.groups.tolist(), curves.conditions.tolist(), seed=seed, draw=draw)
        for draw in range(draws)
    ]
    return lambda draw, cycles: thin(whole[others[draw][cycles]])


def _errors(
    found: FoldModel,
    curves: Curves,
    simulated: NDArray[np.float32],
    changed: Callable[[int, NDArray[np.intp]], NDArray[np.float32]],
    draws: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Errors of each left-out cycle and muscle with its own input, and with changed ones."""
    test = found.fold.test
    columns = [curves.muscles.index(muscle) for muscle in found.muscles]
    measured = curves.measured[test][:, :, columns]
    own = rmse(measured, found.refine(simulated[test]))
    total = np.zeros_like(own)
    for draw in range(draws):
        total += rmse(measured, found.refine(changed(draw, test)))
    # Nobody has taught the fit a muscle that no training cycle has: its output means nothing.
    untaught = np.isnan(curves.mean_pattern[test][:, :, columns]).any(axis=1)
    return np.where(untaught, np.nan, own), np.where(untaught, np.nan, total / draws)


def _scores(
    found: FoldModel,
    curves: Curves,
    own: NDArray[np.float64],
    several: NDArray[np.float64],
    draws: int,
) -> list[tuple[str, dict[str, Any], NDArray[np.float64]]]:
    test = found.fold.test
    columns = [curves.muscles.index(muscle) for muscle in found.muscles]
    measured = curves.measured[test][:, :, columns]
    keep = np.asarray(~np.isnan(measured).any(axis=1))
    by_cycle = {
        "rmse_simulated": rmse(measured, curves.simulated[test][:, :, columns]),
        "rmse_mean_pattern": rmse(measured, curves.mean_pattern[test][:, :, columns]),
        "rmse_own": own,
        "rmse_changed": several,
    }
    conditions = curves.conditions[test]
    errors = {name: group_error(one, conditions, keep=keep) for name, one in by_cycle.items()}
    before = np.where(errors["rmse_simulated"] == 0, np.nan, errors["rmse_simulated"])
    blind = np.where(errors["rmse_mean_pattern"] == 0, np.nan, errors["rmse_mean_pattern"])
    values = {
        **errors,
        "rate_own": (errors["rmse_own"] - before) / before,
        "rate_changed": (errors["rmse_changed"] - before) / before,
        "skill_own": 1.0 - errors["rmse_own"] / blind,
        "skill_changed": 1.0 - errors["rmse_changed"] / blind,
        "difference": errors["rmse_changed"] - errors["rmse_own"],
    }
    single = by_cycle["rmse_simulated"]
    rates = several / np.where(single == 0, np.nan, single) - 1.0
    return [
        (
            muscle,
            {
                "n_cycles": int(keep[:, number].sum()),
                "n_inputs": int(keep[:, number].sum()) * draws,
                **{name: float(one[number]) for name, one in values.items()},
            },
            rates[:, number],
        )
        for number, muscle in enumerate(found.muscles)
    ]


def _with_inputs(summary: pd.DataFrame, inputs: pd.DataFrame) -> pd.DataFrame:
    """Add the test over inputs, the paper's unit, to the rows of muscles."""
    keys = ["by", "model", "pattern", "targets", "output", "recipe", "muscle"]
    means = inputs.groupby([*keys, "cycle"], sort=False)["rate_changed"].mean()
    found = {
        key: estimate(values, blocks=key[0] == BLOCK)
        for key, values in means.groupby(keys, sort=False)
    }
    nothing = estimate([])
    rows = [
        nothing if row["muscle"] == OVERALL else found[tuple(row[name] for name in keys)]
        for row in summary.to_dict("records")
    ]
    notes = summary.pop("notes")
    summary["inputs"] = [row.n for row in rows]
    summary["inputs_rate"] = [row.mean for row in rows]
    summary["inputs_t"] = [row.t for row in rows]
    summary["inputs_p"] = [row.p for row in rows]
    summary["notes"] = notes
    return summary
