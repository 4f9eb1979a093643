"""The attention control: where attention lies, and how much a refiner depends on it.

The attention of trained models is averaged over cycles that they were not trained on. Then the
tokens (samples or channels) with the most attention are masked, and as many drawn at random. Where
attention is unrelated to the inputs that the output depends on, the former are a random draw like
the others, and the difference of the errors is 0 on average (Jain & Wallace 2019; Wiegreffe &
Pinter 2019 discuss the limits of attention as an explanation).
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nem2e_tf import zoo
from nem2e_tf.controls.results import ControlResults, check_output, results_of
from nem2e_tf.controls.source import (
    AnyCohort,
    AnyRun,
    Source,
    at_least,
    fold_models,
    open_source,
    refine,
)
from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.metrics import rmse
from nem2e_tf.evaluation.results import SETTINGS
from nem2e_tf.evaluation.scoring import group_error
from nem2e_tf.evaluation.statistics import summarise_groups
from nem2e_tf.names import ONE_QUARTER, QUARTERS
from nem2e_tf.refiners.info import MARKER as REFINER
from nem2e_tf.refiners.patterns import Composition, model_input
from nem2e_tf.refiners.refiner import Refiner, load_refiner
from nem2e_tf.training.backends.processes import Progress
from nem2e_tf.training.curves import held_out_curves
from nem2e_tf.training.rows import thin

TEMPORAL, SPATIAL = "temporal", "spatial"
MOMENTS = (0, 50, 100)
TOP = 10
MOST_MASKED = 10
SHARE_MASKED = 4
QUARTER = 5
HELD_OUT = "held out"
ERRORS = ("rmse_own", "rmse_most", "rmse_random")
NOTES = (
    "Attention is averaged over the cycles of a left-out group, then over seeds and groups. An "
    "encoder's token contains more than its own channel or sample: attention shows which tokens "
    "the decoder reads, not which inputs the output depends on.",
    "difference: RMSE with the most attended tokens masked minus RMSE with as many drawn at "
    "random; above 0 the model needs the tokens it attends to more than the others.",
)
MAX_CYCLES = 512
"""Cycles per call of a model: its memory grows with them."""


@dataclass(frozen=True, eq=False)
class Case:
    """A model and the cycles it is examined with, which it was not trained on.

    Attributes
    ----------
    entry : dict of str
        Columns that name the entry, seed and group.
    model : keras.Model
    composition : Composition
    name : str
        Of the model within the composition.
    simulated : float32 array [cycle, sample, channel]
    measured : float32 array [cycle, sample, target]
    conditions : str array [cycle]
    usual : float array [sample, channel], optional
        Mean over training cycles; without it nothing is masked.
    """

    entry: dict[str, str]
    model: Any
    composition: Composition
    name: str
    simulated: NDArray[np.float32]
    measured: NDArray[np.float32]
    conditions: NDArray[np.str_]
    usual: NDArray[Any] | None

    @property
    def kind(self) -> str:
        """``temporal`` or ``spatial``."""
        return zoo.entry(self.entry["model"]).attention

    @property
    def muscles(self) -> tuple[str, ...]:
        """Muscles that the model estimates."""
        return self.composition.muscles_of(self.name)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Cycles and muscles with EMG."""
        return np.asarray(~np.isnan(self.measured).any(axis=1))

    def attention(self) -> NDArray[np.float64]:
        """Mean over cycles of the attention weights [sample out, token]."""
        rows = model_input(self.simulated, self.composition, muscle=self.muscles[0])
        weights = np.asarray(zoo.with_attention(self.model)(rows, training=False)[1])
        per_cycle = len(rows) // len(self.simulated)
        return over_cycle(weights, rows_per_cycle=per_cycle).mean(axis=0)

    def errors(self, inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float64]]:
        """Error per muscle with each of several inputs [cycle, sample, channel]."""
        # A call takes about as long for a few cycles as for hundreds: several inputs in one.
        step = max(1, MAX_CYCLES // len(self.simulated))
        found: list[NDArray[np.float64]] = []
        for at in range(0, len(inputs), step):
            some = np.concatenate(inputs[at : at + step])
            refined = refine(self.model, some, self.composition, muscle=self.muscles[0])
            for part in np.split(refined, len(some) // len(self.simulated)):
                error = rmse(self.measured, part)
                found.append(group_error(error, self.conditions, keep=self.known))
        return found


def attention(
    run: "AnyRun | Refiner",
    *,
    cohort: AnyCohort | None = None,
    models: Iterable[str] = (),
    sets: int = 20,
    seed: int = 0,
    jobs: int | None = None,
    out: "str | os.PathLike[str] | None" = None,
    progress: Progress | None = None,
    on_plan: "Any | None" = None,
) -> ControlResults:
    """Examine the attention of a run's models, or of a refiner, on cycles not trained on.

    Of a run, weights that its folder does not contain are fitted again and kept there. Of a refiner
    there is one group, hence no intervals; masked tokens are replaced by the mean over its
    calibration cycles, where it has any.

    Parameters
    ----------
    run : path-like or Refiner
        A finished run, whose entries without attention are ignored; or a refiner.
    cohort : path-like or Cohort
        The cohort that the run was computed from; none for a refiner.
    models : iterable of str
        Models of the run to examine; all by default.
    sets : int
        Random sets of tokens to mask.
    seed : int
        Seed of the sets.
    jobs : int, optional
        Processes; by default one per core.
    out : path-like, optional
        Folder to write.
    progress, on_plan : callable, optional
        See `nem2e_tf.training.cross_validation.keep_weights`.

    Returns
    -------
    ControlResults
        ``weights`` (`weight_table`), ``top`` (`top_tokens`), ``groups`` and ``summary`` (errors
        with masked tokens, per muscle).

    Raises
    ------
    InputError
        There is no attention, no left-out cycle, a parameter is out of range, or the output folder
        holds something else.
    """
    cases: Iterable[Case]
    check_output(out)
    at_least(1, sets=sets)
    at_least(0, seed=seed)
    settings: dict[str, Any] = {"sets": sets, "seed": seed}
    if isinstance(run, Refiner) or (
        isinstance(run, str | os.PathLike) and (Path(run) / REFINER).is_file()
    ):
        if cohort is not None or models:
            raise InputError("cohort and models: expected with a run only, found with a refiner")
        refiner = run if isinstance(run, Refiner) else load_refiner(run)
        about = {
            "refiner": {"model": refiner.info.model, "pattern": refiner.info.pattern},
            "cohort": {"name": refiner.info.cohort, "digest": refiner.info.cohort_digest},
        }
        cases, notes = _of_refiner(refiner)
    else:
        source = open_source(run, cohort, models=models)
        about, settings = source.about, settings | {"models": list(source.models)}
        fits = source.fits(lambda model: bool(zoo.entry(model).attention))
        if not fits:
            models = ", ".join(source.models)
            raise InputError(f"{source.run.path}: expected an entry with attention, found {models}")
        notes = source.keep_weights(fits, jobs=jobs, progress=progress, on_plan=on_plan)
        cases = _of_run(source, fits)
    tables, more = _examine(cases, sets=sets, seed=seed)
    notes = [*NOTES, *notes, *more]
    return results_of(
        "attention", about=about, settings=settings, notes=notes, tables=tables, out=out
    )


def _of_run(source: Source, fits: Sequence[int]) -> Iterator[Case]:
    curves = held_out_curves(source.run, source.cohort)
    simulated = thin(source.cohort.simulated)
    for found in fold_models(source, fits):
        test = found.fold.test
        measured = curves.measured[test][:, :, found.columns(curves)]
        usual = simulated[found.fold.train].mean(axis=0, dtype=np.float64)
        entry, name = found.entry(source, by=curves.by), found.fit.muscle
        some = (simulated[test], measured, curves.conditions[test], usual)
        yield Case(entry, found.model, found.composition, name, *some)


def _of_refiner(refiner: Refiner) -> tuple[list[Case], list[str]]:
    info, reference = refiner.info, refiner.reference
    if not zoo.entry(info.model).attention:
        raise InputError(f"refiner {info.model}: expected one with attention, found none")
    own = reference.held_out
    if not own.any():
        raise InputError(
            "refiner: expected reference cycles that it was not trained on, found none"
        )
    notes = ["One refiner and the cycles it was not trained on: no intervals, no tests."]
    usual = None
    if reference.calibration is not None and len(reference.calibration):
        usual = reference.calibration.mean(axis=0, dtype=np.float64)
    else:
        notes.append("The refiner contains no calibration cycles: nothing was masked.")
    entry = {name: str(getattr(info, name)) for name in SETTINGS if name != "recipe"}
    entry |= {"recipe": str(info.recipe.get("name", "")), "seed": "0"}
    entry = {"by": "subject", **entry, "group": HELD_OUT}
    simulated, conditions = reference.simulated[own], np.full(int(own.sum()), HELD_OUT)
    cases = []
    for name, model in refiner.models.items():
        columns = [info.composition.muscles.index(m) for m in info.composition.muscles_of(name)]
        measured = reference.measured[own][:, :, columns]
        cases.append(
            Case(entry, model, info.composition, name, simulated, measured, conditions, usual)
        )
    return cases, notes


def _examine(
    cases: Iterable[Case], *, sets: int, seed: int
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Tables of attention and of masking; and notes."""
    by_group: dict[tuple[str, ...], dict[str, list[NDArray[np.float64]]]] = {}
    kinds: dict[tuple[str, ...], tuple[str, Sequence[str]]] = {}
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    for case in cases:
        samples = case.composition.model_samples
        if case.composition.pattern == ONE_QUARTER and samples != QUARTER:
            notes.append(
                f"{case.entry['model']} under one-quarter: left out, because quarters of {samples} "
                "samples do not match the samples of the cycle"
            )
            continue
        weights = case.attention()
        key = (*(case.entry[column] for column in SETTINGS), case.name)
        by_group.setdefault(key, {}).setdefault(case.entry["group"], []).append(weights)
        percents = np.linspace(0.0, 100.0, weights.shape[1])
        spatial = case.kind == SPATIAL
        tokens = case.composition.channels if spatial else [f"{at:.1f}" for at in percents]
        kinds[key] = case.kind, tokens
        rows += _mask(case, weights, sets=sets, seed=seed)
    if not rows:
        raise InputError(f"attention: nothing to examine ({'; '.join(dict.fromkeys(notes))})")
    tables: list[pd.DataFrame] = []
    top: list[pd.DataFrame] = []
    for key, groups in by_group.items():
        means = np.stack([np.mean(seeds, axis=0) for seeds in groups.values()])
        table = weight_table(means, tokens=kinds[key][1])
        names = dict(zip((*SETTINGS, "muscle"), key, strict=True)) | {"attention": kinds[key][0]}
        for one, found in ((table, tables), (top_tokens(table), top)):
            found.append(pd.DataFrame(names, index=one.index).join(one))
    counts = ["n_tokens", "n_masked"]
    masks = pd.DataFrame(rows)
    summary = summarise_groups(masks, tested=("difference",), averaged=(*ERRORS, *counts))
    # A muscle without any result has the same tokens as its entry.
    summary[counts] = summary[counts].ffill().astype(int)
    joined = {
        name: pd.concat(parts, ignore_index=True)
        for name, parts in {"weights": tables, "top": top}.items()
    }
    return {"summary": summary, **joined, "groups": masks}, list(dict.fromkeys(notes))


def _mask(
    case: Case, weights: NDArray[np.float64], *, sets: int, seed: int
) -> list[dict[str, Any]]:
    """Errors of a model with its own input, the most attended tokens masked, and random ones."""
    n_tokens = weights.shape[1]
    count = n_masked(n_tokens)
    inputs = [np.asarray(case.simulated, np.float32)]
    if case.usual is not None:
        drawn = random_sets(n_tokens, count, sets=sets, seed=seed)
        inputs += [
            masked(case.simulated, case.usual, tokens, kind=case.kind)
            for tokens in (most_attended(weights, count), *drawn)
        ]
    own, *changed = case.errors(inputs)
    unknown = np.full(len(own), np.nan)
    most, random = (changed[0], np.mean(changed[1:], axis=0)) if changed else (unknown, unknown)
    return [
        {
            **case.entry,
            "muscle": muscle,
            "n_cycles": int(case.known[:, number].sum()),
            "n_tokens": n_tokens,
            "n_masked": count,
            "n_random": sets,
            "rmse_own": float(own[number]),
            "rmse_most": float(most[number]),
            "rmse_random": float(random[number]),
            "difference": float(most[number] - random[number]),
        }
        for number, muscle in enumerate(case.muscles)
    ]


def mean_offset(weights: ArrayLike) -> float:
    """Mean offset of temporal attention from the output sample.

    A refiner that corrects a simulation with some lag has to attend to later samples by that lag.
    The encoder's state at a sample contains earlier ones too, so the offset may be smaller than the
    lag that is corrected.

    Parameters
    ----------
    weights : array [cycle, sample out, sample in] or [sample out, sample in]
        Attention weights; those of each output sample sum to 1.

    Returns
    -------
    float
        In % of the cycle; positive where attention is on later samples. NaN without any cycle.

    Examples
    --------
    >>> round(mean_offset([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]), 6)
    33.333333
    """
    values = np.asarray(weights, dtype=np.float64)
    if not values.size:
        return float("nan")
    phase = np.linspace(0.0, 100.0, values.shape[-1])
    looked_at = values @ phase
    return float(np.mean(looked_at - np.linspace(0.0, 100.0, values.shape[-2])))


def lag_removed(before: ArrayLike, after: ArrayLike) -> float:
    """Share of a lag that a refiner removed: 1 all of it, 0 none, negative where it grew.

    Parameters
    ----------
    before, after : array
        Lags of the simulated and of the refined curves, from
        `nem2e_tf.evaluation.metrics.lag_percent`. Those that are NaN in either are left out.

    Returns
    -------
    float
        1 - mean |after| / mean |before|; NaN where there was no lag.

    Examples
    --------
    >>> lag_removed([8.0, 8.0], [0.8, -0.8])
    0.9
    """
    first, second = np.abs(np.asarray(before, float)), np.abs(np.asarray(after, float))
    known = np.isfinite(first) & np.isfinite(second)
    total = float(first[known].sum())
    return 1.0 - float(second[known].sum()) / total if total else float("nan")


def over_cycle(weights: ArrayLike, *, rows_per_cycle: int) -> NDArray[np.float64]:
    """Arrange the attention of a model's rows by the cycles that they belong to.

    Parameters
    ----------
    weights : array [row, sample out, token]
        Tokens are samples where a cycle has four rows (One-Quarter).
    rows_per_cycle : {1, 4}

    Returns
    -------
    float64 array [cycle, sample out, token]
        Of quarters: 20 by 20, and 0 outside a sample's own quarter, which is not in the input.

    Examples
    --------
    >>> over_cycle(np.ones((4, 1, 1)), rows_per_cycle=4)[0].tolist()[1]
    [0.0, 1.0, 0.0, 0.0]
    """
    values = np.asarray(weights, dtype=np.float64)
    if rows_per_cycle == 1:
        return values
    n_cycles, size = len(values) // QUARTERS, values.shape[1]
    arranged = np.zeros((n_cycles, QUARTERS, size, QUARTERS, size))
    for quarter in range(QUARTERS):
        arranged[:, quarter, :, quarter] = values[quarter::QUARTERS]
    return arranged.reshape(n_cycles, QUARTERS * size, QUARTERS * size)


def weight_table(by_group: ArrayLike, *, tokens: Sequence[str]) -> pd.DataFrame:
    """Average attention over groups, one row per output sample and token.

    Parameters
    ----------
    by_group : array [group, sample out, token]
        Each group's weights, averaged over its cycles.
    tokens : sequence of str
        Names of channels, or positions of samples.

    Returns
    -------
    DataFrame
        ``sample``, ``percent`` (of the cycle), ``token``, ``weight`` (mean over groups),
        ``weight_sd`` (over groups; NaN with one), ``n_groups``.
    """
    values = np.asarray(by_group, dtype=np.float64)
    n_groups, n_samples, n_tokens = values.shape
    several = n_groups > 1
    spread = values.std(axis=0, ddof=1) if several else np.full(values.shape[1:], np.nan)
    return pd.DataFrame(
        {
            "sample": np.repeat(np.arange(n_samples), n_tokens),
            "percent": np.repeat(np.linspace(0.0, 100.0, n_samples), n_tokens).round(4),
            "token": np.tile(np.asarray(tokens, dtype=object), n_samples),
            "weight": values.mean(axis=0).ravel(),
            "weight_sd": spread.ravel(),
            "n_groups": n_groups,
        }
    )


def top_tokens(table: pd.DataFrame, *, count: int = TOP) -> pd.DataFrame:
    """Tokens with the most attention at the start, in the middle and at the end of the cycle.

    As in the paper's Figure 7. The middle of the cycle is between two of 20 samples; the later one
    is used.

    Parameters
    ----------
    table : DataFrame
        See `weight_table`.
    count : int
        Tokens per moment.

    Returns
    -------
    DataFrame
        ``percent`` (0, 50 or 100), ``rank`` from 1, ``token``, ``weight``.
    """
    percents = np.unique(table["percent"])
    rows = []
    for moment in MOMENTS:
        nearest = percents[::-1][np.argmin(np.round(np.abs(percents[::-1] - moment), 3))]
        own = table[table["percent"] == nearest]
        own = own.sort_values("weight", ascending=False, kind="stable").head(count)
        rows.append(
            pd.DataFrame(
                {
                    "percent": moment,
                    "rank": np.arange(1, len(own) + 1),
                    "token": own["token"].to_numpy(),
                    "weight": own["weight"].to_numpy(),
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


def n_masked(n_tokens: int) -> int:
    """Number of tokens to mask: 10, as many as the paper names, or a quarter of fewer than 40.

    Examples
    --------
    >>> n_masked(92), n_masked(20), n_masked(3)
    (10, 5, 1)
    """
    return max(1, min(MOST_MASKED, n_tokens // SHARE_MASKED))


def most_attended(weights: ArrayLike, count: int) -> NDArray[np.intp]:
    """Tokens with the most attention over all output samples, in descending order.

    Parameters
    ----------
    weights : array [sample out, token]
    count : int

    Examples
    --------
    >>> most_attended([[0.1, 0.6, 0.3], [0.5, 0.3, 0.2]], 2).tolist()
    [1, 0]
    """
    total = np.asarray(weights, dtype=np.float64).sum(axis=0)
    return np.argsort(-total, kind="stable")[:count]


def random_sets(n_tokens: int, count: int, *, sets: int, seed: int) -> list[NDArray[np.intp]]:
    """Draw sets of different tokens from all tokens, including the most attended ones.

    Parameters
    ----------
    n_tokens, count : int
        Number of all tokens, and of the tokens in a set.
    sets : int
        Number of sets.
    seed : int
    """
    random = np.random.default_rng(seed)
    return [random.choice(n_tokens, size=count, replace=False) for _ in range(sets)]


def masked(
    simulated: ArrayLike, mean: ArrayLike, tokens: Sequence[int] | NDArray[np.intp], *, kind: str
) -> NDArray[np.float32]:
    """Replace the channels or samples of some tokens by their mean over the training cycles.

    Parameters
    ----------
    simulated : array [cycle, sample, channel]
    mean : array [sample, channel]
        Mean over the training cycles, so that the masked input remains plausible.
    tokens : sequence of int
        Channels (``spatial``) or samples (``temporal``).
    kind : {"temporal", "spatial"}

    Returns
    -------
    float32 array [cycle, sample, channel]

    Examples
    --------
    >>> masked(np.ones((1, 2, 2)), np.zeros((2, 2)), [1], kind="spatial")[0].tolist()
    [[1.0, 0.0], [1.0, 0.0]]
    """
    changed = np.array(simulated, dtype=np.float32)
    places = np.asarray(tokens, np.intp)
    if kind == SPATIAL:
        changed[:, :, places] = np.asarray(mean)[:, places]
    else:
        changed[:, places] = np.asarray(mean)[places]
    return changed
