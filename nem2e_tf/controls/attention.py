"""Attention of trained models: where it lies, and whether the models need what they attend to."""

import os
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf import zoo
from nem2e_tf.controls.attending import Attending, Cycles
from nem2e_tf.controls.fold_models import entry_of, fold_models
from nem2e_tf.controls.folder import refuse_foreign_files
from nem2e_tf.controls.source import Source
from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.results import SETTINGS
from nem2e_tf.refiner import Refiner
from nem2e_tf.thinning import thin
from nem2e_tf.training.executors import Progress
from nem2e_tf.training.kept_weights import keep_weights
from nem2e_tf.training.predictions import held_out_curves

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
        See `nem2e_tf.training.kept_weights.keep_weights`.

    Returns
    -------
    dict of str to DataFrame
        ``weights``, ``top`` (`nem2e_tf.evaluation.attention`), ``groups`` and ``summary`` (errors
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
