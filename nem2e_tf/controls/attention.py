"""Attention of trained models: where it lies, and whether the models need what they attend to.

Looking at the attention of one model after another, and masking what it is on.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nem2e_tf import zoo
from nem2e_tf.controls.attention_weights import (
    SPATIAL,
    masked,
    most_attended,
    n_masked,
    over_cycle,
    random_sets,
    top_tokens,
    weight_table,
)
from nem2e_tf.controls.fold_models import entry_of, fold_models, refine
from nem2e_tf.controls.results import Source, refuse_foreign_files, write_control
from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.metrics import rmse
from nem2e_tf.evaluation.results import SETTINGS
from nem2e_tf.evaluation.scoring import group_error
from nem2e_tf.evaluation.statistics import summarise_groups
from nem2e_tf.refiners.patterns import Composition, model_input
from nem2e_tf.refiners.refiner import Refiner
from nem2e_tf.training.backends.processes import Progress
from nem2e_tf.training.kept import held_out_curves, keep_weights
from nem2e_tf.training.rows import thin

QUARTER = 5
ERRORS = ("rmse_own", "rmse_most", "rmse_random")
NOTES = (
    "Attention is averaged over the cycles of a group that was left out, then over seeds and "
    "groups. What an encoder's token holds is not only its own channel or sample: attention shows "
    "where the decoder looks, not what the output depends on.",
    "difference: RMSE with the most attended tokens masked minus RMSE with as many drawn at "
    "random; above 0 the model needs what it attends to more than the rest.",
)


@dataclass(frozen=True, eq=False)
class Cycles:
    """What one model is looked at with.

    Attributes
    ----------
    simulated : float32 array [cycle, 20, channel]
    measured : float32 array [cycle, 20, target]
    conditions : str array [cycle]
    usual : float array [20, channel], optional
        Mean over training cycles; without it nothing is masked.
    """

    simulated: NDArray[np.float32]
    measured: NDArray[np.float32]
    conditions: NDArray[np.str_]
    usual: NDArray[Any] | None


MOST_CYCLES = 512
"""In one call of a model: what it keeps in memory grows with them."""


class Attending:
    """Attention and errors of one model after another.

    Parameters
    ----------
    sets : int
        Random sets of tokens to mask.
    seed : int
        Of the sets.
    """

    def __init__(self, sets: int, seed: int) -> None:
        self.sets, self.seed = sets, seed
        self.weights: dict[tuple[str, ...], dict[str, list[NDArray[np.float64]]]] = {}
        self.tokens: dict[tuple[str, ...], tuple[str, list[str]]] = {}
        self.rows: list[dict[str, Any]] = []
        self.notes: list[str] = []

    def look(
        self,
        entry: dict[str, str],
        model: Any,
        composition: Composition,
        name: str,
        cycles: Cycles,
    ) -> None:
        """Take a model's attention, then mask what it attends to most, and as much at random."""
        muscle = composition.muscles_of(name)[0]
        if composition.pattern == "one-quarter" and composition.model_samples != QUARTER:
            self.notes.append(
                f"{entry['model']} under one-quarter: quarters of {composition.model_samples} "
                "samples cannot be laid over the cycle; left out"
            )
            return
        kind = zoo.entry(entry["model"]).attention
        rows = model_input(cycles.simulated, composition, muscle=muscle)
        weights = np.asarray(zoo.with_attention(model)(rows, training=False)[1])
        mean = over_cycle(weights, rows_a_cycle=len(rows) // len(cycles.simulated)).mean(axis=0)
        key = (*(entry[column] for column in SETTINGS), name)
        self.weights.setdefault(key, {}).setdefault(entry["group"], []).append(mean)
        self.tokens[key] = kind, _tokens(kind, mean.shape[1], composition)

        def errors(inputs: list[NDArray[np.float32]]) -> list[NDArray[np.float64]]:
            refined = refine(model, np.concatenate(inputs), composition, muscle=muscle)
            return [_group_error(part, cycles) for part in np.split(refined, len(inputs))]

        self._mask(entry, composition.muscles_of(name), mean, kind, cycles, errors)

    def _mask(
        self,
        entry: dict[str, str],
        muscles: Sequence[str],
        mean: NDArray[np.float64],
        kind: str,
        cycles: Cycles,
        errors: Callable[[list[NDArray[np.float32]]], list[NDArray[np.float64]]],
    ) -> None:
        count = n_masked(mean.shape[1])
        inputs = [np.asarray(cycles.simulated, np.float32)]
        if cycles.usual is not None:
            sets = random_sets(mean.shape[1], count, sets=self.sets, seed=self.seed)
            inputs += [
                masked(cycles.simulated, cycles.usual, tokens, kind=kind)
                for tokens in (most_attended(mean, count), *sets)
            ]
        # A call costs much the same for a few cycles as for hundreds: several sets in one.
        step = max(1, MOST_CYCLES // len(cycles.simulated))
        found = [
            error for at in range(0, len(inputs), step) for error in errors(inputs[at : at + step])
        ]
        own = found[0]
        most = drawn = np.full(len(own), np.nan)
        if len(found) > 1:
            most, drawn = found[1], np.mean(found[2:], axis=0)
        n_cycles = (~np.isnan(cycles.measured).any(axis=1)).sum(axis=0)
        for number, muscle in enumerate(muscles):
            self.rows.append(
                {
                    **entry,
                    "muscle": muscle,
                    "n_cycles": int(n_cycles[number]),
                    "n_tokens": mean.shape[1],
                    "n_masked": count,
                    "n_random": self.sets,
                    "rmse_own": float(own[number]),
                    "rmse_most": float(most[number]),
                    "rmse_random": float(drawn[number]),
                    "difference": float(most[number] - drawn[number]),
                }
            )

    def write(
        self,
        path: "str | os.PathLike[str]",
        *,
        about: dict[str, Any],
        settings: dict[str, Any],
        notes: Sequence[str],
    ) -> dict[str, pd.DataFrame]:
        """Put everything together and write the folder."""
        if not self.rows:
            raise InputError(f"attention: nothing to show ({'; '.join(dict.fromkeys(self.notes))})")
        weights, top = [], []
        for key, by_group in self.weights.items():
            kind, tokens = self.tokens[key]
            means = np.stack([np.mean(seeds, axis=0) for seeds in by_group.values()])
            table = weight_table(means, tokens=tokens)
            about_rows = dict(zip((*SETTINGS, "muscle"), key, strict=True)) | {"attention": kind}
            weights.append(_named(table, about_rows))
            top.append(_named(top_tokens(table), about_rows))
        groups = pd.DataFrame(self.rows)
        counts = ["n_tokens", "n_masked"]
        summary = summarise_groups(groups, tested=("difference",), averaged=(*ERRORS, *counts))
        # A muscle without any result has the tokens of its entry all the same.
        summary[counts] = summary[counts].ffill().astype(int)
        tables = {
            "summary": summary,
            "weights": pd.concat(weights, ignore_index=True),
            "top": pd.concat(top, ignore_index=True),
            "groups": groups,
        }
        told = [*NOTES, *notes, *dict.fromkeys(self.notes)]
        write_control(path, "attention", about=about, settings=settings, notes=told, tables=tables)
        return tables


def _group_error(refined: NDArray[np.float32], cycles: Cycles) -> NDArray[np.float64]:
    keep = np.asarray(~np.isnan(cycles.measured).any(axis=1))
    return group_error(rmse(cycles.measured, refined), cycles.conditions, keep=keep)


def _tokens(kind: str, count: int, composition: Composition) -> list[str]:
    if kind == SPATIAL:
        return list(composition.channels)
    return [f"{percent:.1f}" for percent in np.linspace(0.0, 100.0, count)]


def _named(table: pd.DataFrame, about: dict[str, str]) -> pd.DataFrame:
    for place, (name, value) in enumerate(about.items()):
        table.insert(place, name, value)
    return table


HELD_OUT = "held out"


def control_attention(
    source: Source,
    path: "str | os.PathLike[str]",
    *,
    sets: int = 20,
    seed: int = 0,
    jobs: int = 1,
    progress: Progress | None = None,
    on_plan: "Any | None" = None,
) -> dict[str, pd.DataFrame]:
    """Look at the attention of a run's models on the cycles they never saw.

    Parameters
    ----------
    source : Source
        Its entries without attention are passed over.
    path : path-like
        Where to write.
    sets : int
        Random sets of tokens to mask.
    seed : int
        Of the sets.
    jobs, progress, on_plan
        See `nem2e_tf.training.kept.keep_weights`.

    Returns
    -------
    dict of str to DataFrame
        ``weights``, ``top`` (`nem2e_tf.controls.attention_weights`), ``groups`` and ``summary``
        (errors
        with masked tokens, by muscle).

    Raises
    ------
    InputError
        No entry has attention.
    """
    refuse_foreign_files(path)
    _check_sets(sets)
    plan = source.run.plan
    fits = [
        index
        for index in source.fits()
        if _attends(plan.configurations[plan.fits[index].configuration].model)
    ]
    if not fits:
        raise InputError(
            f"{source.run.path}: expected an entry with attention, found {', '.join(source.models)}"
        )
    curves = held_out_curves(source.run, source.cohort)
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
    found = Attending(sets, seed)
    for one in fold_models(source, fits):
        columns = [curves.muscles.index(muscle) for muscle in one.muscles]
        test = one.fold.test
        found.look(
            entry_of(source, one, by=curves.by),
            one.model,
            one.composition,
            one.fit.muscle,
            Cycles(
                simulated[test],
                curves.measured[test][:, :, columns],
                curves.conditions[test],
                simulated[one.fold.train].mean(axis=0, dtype=np.float64),
            ),
        )
    settings = {"sets": sets, "seed": seed, "models": list(source.models)}
    return found.write(path, about=source.about, settings=settings, notes=notes)


def control_attention_of_refiner(
    refiner: Refiner, path: "str | os.PathLike[str]", *, sets: int = 20, seed: int = 0
) -> dict[str, pd.DataFrame]:
    """Look at the attention of a trained refiner on the cycles that it was not trained on.

    As `control_attention`, with one group: there are no intervals. What is masked is replaced by
    the mean over the refiner's calibration cycles, where it has any.

    Raises
    ------
    InputError
        The refiner has no attention, or no cycle was held out.
    """
    refuse_foreign_files(path)
    _check_sets(sets)
    info, reference = refiner.info, refiner.reference
    if not _attends(info.model):
        raise InputError(f"refiner {info.model}: expected one with attention, found none")
    own = reference.held_out
    if not own.any():
        raise InputError("refiner: expected reference cycles that were held out, found none")
    notes = ["One refiner and the cycles it was not trained on: no intervals, no tests."]
    usual = None
    if reference.calibration is not None and len(reference.calibration):
        usual = reference.calibration.mean(axis=0, dtype=np.float64)
    else:
        notes.append("The refiner keeps no cycles that it was trained on: nothing was masked.")
    found = Attending(sets, seed)
    entry = {name: str(getattr(info, name)) for name in SETTINGS if name != "recipe"}
    entry |= {"recipe": str(info.recipe.get("name", "")), "seed": "0"}
    for name, model in refiner.models.items():
        columns = [info.composition.muscles.index(m) for m in info.composition.muscles_of(name)]
        cycles = Cycles(
            reference.simulated[own],
            reference.measured[own][:, :, columns],
            np.full(int(own.sum()), HELD_OUT),
            usual,
        )
        found.look(
            {"by": "subject", **entry, "group": HELD_OUT}, model, info.composition, name, cycles
        )
    about = {
        "refiner": {"model": info.model, "pattern": info.pattern},
        "cohort": {"name": info.cohort, "digest": info.cohort_digest},
    }
    return found.write(path, about=about, settings={"sets": sets, "seed": seed}, notes=notes)


def _attends(model: str) -> bool:
    return bool(zoo.entry(model).attention)


def _check_sets(sets: int) -> None:
    if sets < 1:
        raise InputError(f"--sets {sets}: expected 1 or more")
