"""The shortcut and wrong-subject controls: inputs that should make a refiner worse.

A refiner that has learned only the mean pattern does equally well with any input. The paper's
shortcut control changes frequency and phase of the input at random (Teramae et al. 2025). A
stronger one gives another subject's cycle of the same condition, which is a perfectly usual input.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.controls.results import ControlResults, check_output, results_of
from nem2e_tf.controls.source import (
    AnyCohort,
    AnyRun,
    FoldModel,
    Source,
    at_least,
    fold_models,
    open_source,
)
from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.metrics import rmse
from nem2e_tf.evaluation.results import BLOCK, by_columns
from nem2e_tf.evaluation.scoring import group_error, ratio
from nem2e_tf.evaluation.statistics import ENTRY, estimate, summarise_groups
from nem2e_tf.training.backends.processes import Progress
from nem2e_tf.training.curves import Curves, held_out_curves
from nem2e_tf.training.rows import thin

SLOWEST, FASTEST = 0.5, 2.0
TESTED = ("rate_changed", "skill_changed", "difference")
AVERAGED = ("rate_own", "skill_own", "rmse_simulated", "rmse_mean_pattern", "rmse_own")
SHORTCUT, WRONG_SUBJECT = "shortcut", "wrong-subject"
NOTES = {
    SHORTCUT: "Changed: frequency (half to twice) and phase of the input, at random per cycle and "
    "equal for all channels. inputs_t and inputs_p treat every cycle as one observation, as the "
    "paper does; cycles of one person are not independent, and the other tests are over people.",
    WRONG_SUBJECT: "Changed: the input is a cycle of another group, of the same condition where "
    "there is one, drawn at random. The fit was trained on that group.",
}

# From draw and cycles to their changed inputs [cycle, sample, channel].
Change = Callable[[int, NDArray[np.intp]], NDArray[np.float32]]


def changed_input(
    run: AnyRun,
    *,
    kind: str,
    cohort: AnyCohort | None = None,
    models: Iterable[str] = (),
    draws: int = 8,
    seed: int = 0,
    jobs: int | None = None,
    out: "str | os.PathLike[str] | None" = None,
    progress: Progress | None = None,
    on_plan: "Any | None" = None,
) -> ControlResults:
    """Refine the left-out cycles of a run with a changed input.

    Weights that the run folder does not contain are fitted again and kept there.

    Parameters
    ----------
    run : path-like
        A finished run.
    kind : {"shortcut", "wrong-subject"}
    cohort : path-like or Cohort
        The cohort that the run was computed from.
    models : iterable of str
        Models of the run to examine; all by default.
    draws : int
        Changed inputs per cycle; errors are averaged over them.
    seed : int
        Seed of the draws, which are the same for every entry.
    jobs : int, optional
        Processes; by default one per core.
    out : path-like, optional
        Folder to write.
    progress, on_plan : callable, optional
        See `nem2e_tf.training.cross_validation.keep_weights`.

    Returns
    -------
    ControlResults
        ``groups``: one row per entry, seed, muscle and group with errors, rates and skills with the
        own and with the changed input, and ``difference``, the changed minus the own RMSE.
        ``inputs``: rate of each changed cycle. ``summary``:
        `nem2e_tf.evaluation.statistics.summarise_groups`, and the test over inputs.

    Raises
    ------
    InputError
        The run is not finished or of another cohort, a parameter is out of range, or the output
        folder holds something else.
    """
    check_output(out)
    at_least(1, draws=draws)
    at_least(0, seed=seed)
    source = open_source(run, cohort, models=models)
    curves = held_out_curves(source.run, source.cohort)
    change = _change(kind, source, curves, seed=seed, draws=draws)
    fits = source.fits()
    notes = source.keep_weights(fits, jobs=jobs, progress=progress, on_plan=on_plan)
    simulated = thin(source.cohort.simulated)
    groups: list[dict[str, Any]] = []
    inputs: list[pd.DataFrame] = []
    for found in fold_models(source, fits):
        test = found.fold.test
        own = found.refine(simulated[test])
        changed = (found.refine(change(draw, test)) for draw in range(draws))
        entry = found.entry(source, by=curves.by)
        for muscle, scores, rates in _scores(found, curves, own, changed):
            row = {**entry, "muscle": muscle}
            scores["n_inputs"] *= draws
            groups.append({**row, **scores})
            inputs.append(pd.DataFrame({**row, "cycle": test, "rate_changed": rates}))
    by_group, by_cycle = pd.DataFrame(groups), pd.concat(inputs, ignore_index=True)
    summary = summarise_groups(by_group, tested=TESTED, averaged=AVERAGED)
    settings = {"draws": draws, "seed": seed, "models": list(source.models)}
    return results_of(
        kind,
        about=source.about,
        settings=settings,
        notes=[NOTES[kind], *notes],
        tables={"summary": _with_inputs(summary, by_cycle), "groups": by_group, "inputs": by_cycle},
        out=out,
    )


shortcut = partial(changed_input, kind=SHORTCUT)
wrong_subject = partial(changed_input, kind=WRONG_SUBJECT)


def _change(kind: str, source: Source, curves: Curves, *, seed: int, draws: int) -> Change:
    whole = source.cohort.simulated
    if kind == SHORTCUT:
        warps = [random_warp(len(whole), seed=seed, draw=draw) for draw in range(draws)]
        return lambda draw, cycles: warped(
            whole[cycles], frequency=warps[draw][0][cycles], phase=warps[draw][1][cycles]
        )
    groups, conditions = curves.groups.tolist(), curves.conditions.tolist()
    others = [of_others(groups, conditions, seed=seed, draw=draw) for draw in range(draws)]
    return lambda draw, cycles: thin(whole[others[draw][cycles]])


def _scores(
    found: FoldModel,
    curves: Curves,
    own: NDArray[np.float32],
    changed: Iterable[NDArray[np.float32]],
) -> list[tuple[str, dict[str, Any], NDArray[np.float64]]]:
    """Name, scores and rates per cycle of each muscle, with the own and the changed inputs."""
    test, columns = found.fold.test, found.columns(curves)
    measured, simulated, pattern = (
        values[test][:, :, columns]
        for values in (curves.measured, curves.simulated, curves.mean_pattern)
    )
    # The output for a muscle without EMG in any training cycle has no meaning.
    untrained = np.isnan(pattern).any(axis=1)
    errors = [rmse(measured, curve) for curve in changed]
    by_cycle = {
        "rmse_simulated": rmse(measured, simulated),
        "rmse_mean_pattern": rmse(measured, pattern),
        "rmse_own": np.where(untrained, np.nan, rmse(measured, own)),
        "rmse_changed": np.where(untrained, np.nan, sum(errors) / len(errors)),
    }
    keep = np.asarray(~np.isnan(measured).any(axis=1))
    conditions = curves.conditions[test]
    values = {name: group_error(one, conditions, keep=keep) for name, one in by_cycle.items()}
    before, blind = values["rmse_simulated"], values["rmse_mean_pattern"]
    refined = {which: values[f"rmse_{which}"] for which in ("own", "changed")}
    values |= {f"rate_{which}": ratio(e - before, before) for which, e in refined.items()}
    values |= {f"skill_{which}": 1.0 - ratio(e, blind) for which, e in refined.items()}
    values["difference"] = values["rmse_changed"] - values["rmse_own"]
    rates = ratio(by_cycle["rmse_changed"], by_cycle["rmse_simulated"]) - 1.0
    n_cycles = keep.sum(axis=0)
    return [
        (
            muscle,
            {
                "n_cycles": int(n_cycles[number]),
                "n_inputs": int(n_cycles[number]),
                **{name: float(one[number]) for name, one in values.items()},
            },
            rates[:, number],
        )
        for number, muscle in enumerate(found.muscles)
    ]


def _with_inputs(summary: pd.DataFrame, inputs: pd.DataFrame) -> pd.DataFrame:
    """Add the test over inputs, the paper's unit, to the rows of muscles."""
    keys = [*ENTRY[:-1], "muscle"]
    means = inputs.groupby([*keys, "cycle"], sort=False)["rate_changed"].mean().reset_index()
    found = {
        tuple(names.values()): estimate(part["rate_changed"], blocks=names["by"] == BLOCK)
        for names, part in by_columns(means, keys)
    }
    rows = [found.get(key, estimate([])) for key in summary[keys].itertuples(index=False)]
    notes = summary.pop("notes")
    summary["inputs"] = [row.n for row in rows]
    summary["inputs_rate"] = [row.mean for row in rows]
    summary["inputs_t"] = [row.t for row in rows]
    summary["inputs_p"] = [row.p for row in rows]
    return summary.assign(notes=notes)


def warped(
    curves: ArrayLike, *, frequency: ArrayLike, phase: ArrayLike, n_samples: int = 20
) -> NDArray[np.float32]:
    """Warp each cycle to another frequency and phase, equal for all channels.

    Parameters
    ----------
    curves : array [cycle, point, channel]
        From 0 to 100 % of the cycle, continued periodically.
    frequency : array [cycle]
        Cycles of the input within one cycle: 1 changes nothing.
    phase : array [cycle]
        Start as a share of the cycle: 0 changes nothing.
    n_samples : int
        Samples of the result, by linear interpolation.

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
    # 100 % is kept as the end of the cycle; only later positions are wrapped.
    at = np.where(at <= 1.0, at, at % 1.0) * (n_points - 1)
    before = np.minimum(at.astype(int), n_points - 2)
    share = (at - before)[:, :, None]
    rows = np.arange(len(values))[:, None]
    found = values[rows, before] * (1.0 - share) + values[rows, before + 1] * share
    return np.asarray(found, dtype=np.float32)


def random_warp(
    n_cycles: int, *, seed: int, draw: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw a frequency and a phase for every cycle; each `draw` is different.

    Returns
    -------
    frequency : float64 array [cycle]
        From 0.5 to 2, log-uniform.
    phase : float64 array [cycle]
        From 0 to 1, uniform.
    """
    random = np.random.default_rng([seed, draw])
    octaves = random.uniform(np.log2(SLOWEST), np.log2(FASTEST), n_cycles)
    return 2.0**octaves, random.uniform(0.0, 1.0, n_cycles)


def of_others(
    groups: Sequence[str], conditions: Sequence[str], *, seed: int, draw: int
) -> NDArray[np.intp]:
    """Draw for every cycle one of another group, of the same condition where there is one.

    Parameters
    ----------
    groups, conditions : sequence [cycle]
    seed, draw : int
        Each draw is different.

    Returns
    -------
    int array [cycle]
        Indices of the other cycles.

    Raises
    ------
    InputError
        There is only one group.
    """
    who, what = np.asarray(groups), np.asarray(conditions)
    random = np.random.default_rng([seed, draw])
    if len(set(groups)) < 2:
        raise InputError("groups: expected two or more, found one: there is no other input")
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
