"""Train one refiner on a whole cohort, to be used and exported."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.cohorts.cohort import Cohort
from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.scoring import mean_pattern, score
from nem2e_tf.refiners.info import Muscle, Reference, RefinerInfo
from nem2e_tf.training.chunk import Workshop
from nem2e_tf.training.plan import (
    Configuration,
    Fit,
    Fold,
    Plan,
    Settings,
    group_labels,
    make_plan,
    set_aside,
)
from nem2e_tf.training.rows import Store, Thinned, composition_of, store_beside, thin

if TYPE_CHECKING:
    from nem2e_tf.refiners.refiner import Refiner


REFERENCE_CYCLES = 64
CALIBRATION_CYCLES = 128
BLOCKS_OF_ONE_SUBJECT = 5
EVERYTHING = "everything"


def train(
    cohort: Cohort,
    folder: "str | os.PathLike[str]",
    settings: Settings,
    *,
    licence: str = "",
    on_epoch: Callable[[int], None] | None = None,
) -> "Refiner":
    """Train a refiner on all cycles of a cohort and write its folder.

    A fifth of the groups is set aside: networks stop by it, and exports are checked on its cycles,
    which were not fitted on. How good a refiner is on a new subject is what cross-validation tells.

    Parameters
    ----------
    cohort : Cohort
    folder : path-like
        Where the refiner goes; an earlier refiner there is replaced.
    settings : Settings
        One model and one input pattern; seed 0 is used. Groups are those of `by`, or blocks.
    licence : str
        Licence of the weights, recorded with them.
    on_epoch : callable, optional
        Told the number of epochs done.

    Raises
    ------
    InputError
        Settings that make no sense, or a folder that holds something else.
    """
    with store_beside(cohort, folder) as store:
        return _train(cohort, folder, settings, store, licence, on_epoch)


def _train(
    cohort: Cohort,
    folder: "str | os.PathLike[str]",
    settings: Settings,
    store: Store,
    licence: str,
    on_epoch: Callable[[int], None] | None,
) -> "Refiner":
    from nem2e_tf.refiners.refiner import save_refiner

    _, labels = group_labels(cohort.cycles, by=settings.by, blocks=settings.blocks)
    plan = make_plan(cohort, settings)
    if len(plan.configurations) != 1:
        raise InputError("train: expected one model under one input pattern")
    configuration = plan.configurations[0]
    names, codes = np.unique(labels, return_inverse=True)
    inner, outer = set_aside(codes, seed=0, name=EVERYTHING)
    workshop = Workshop(cohort, settings, plan, store)
    # One fold that leaves nothing out: what was set aside is what the refiner is applied on.
    workshop.folds = {EVERYTHING: Fold(EVERYTHING, outer, names, codes, trains_on_all=True)}
    muscles = workshop.composition(configuration).models
    workshop.plan = Plan(
        plan.configurations,
        tuple(Fit(0, muscle, EVERYTHING, 0) for muscle in muscles),
        (tuple(range(len(muscles))),),
    )
    results = workshop.run(0, on_epoch=on_epoch, keep_out=True)
    models = {}
    for index, result in enumerate(results):
        models[result.fit.muscle] = workshop.model(configuration, index)
        models[result.fit.muscle].set_weights(result.weights)
    refined = np.concatenate([result.refined for result in results], axis=2)
    used = np.concatenate([outer, inner])[:REFERENCE_CYCLES]
    metrics = _metrics(cohort, workshop.thinned, inner, outer, refined, store=store)
    metrics["epochs"] = {result.fit.muscle: result.epochs for result in results}
    info = describe(cohort, settings, configuration, licence=licence, metrics=metrics)
    reference = Reference(
        simulated=thin(cohort.simulated[used]),
        measured=thin(cohort.measured[used]),
        held_out=np.isin(used, outer),
        calibration=thin(cohort.simulated[_spread(inner, CALIBRATION_CYCLES)]),
        mean_pattern=mean_pattern(workshop.thinned.measured, rows=inner).astype(np.float32),
    )
    return save_refiner(folder, models, info, reference)


def _spread(rows: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Choose up to so many rows, evenly over all groups."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int))]


def describe(
    cohort: Cohort,
    settings: Settings,
    configuration: Configuration,
    *,
    licence: str = "",
    metrics: dict[str, Any] | None = None,
) -> RefinerInfo:
    """Say what a refiner of a cohort is, apart from its weights."""
    composition = composition_of(
        cohort,
        pattern=configuration.pattern,
        targets=configuration.targets,
        quarter_samples=settings.quarter_samples,
    )
    return RefinerInfo(
        model=configuration.model,
        pattern=configuration.pattern,
        targets=configuration.targets,
        output=configuration.output,
        channels=composition.channels,
        muscles=_muscles(cohort),
        options=configuration.options,
        model_samples=composition.model_samples,
        recipe=settings.recipe.as_dict(),
        seed=0,
        cohort=cohort.name,
        cohort_digest=cohort.digest,
        normalisation=cohort.normalisation,
        licence=licence,
        metrics=metrics or {},
    )


def _muscles(cohort: Cohort) -> tuple[Muscle, ...]:
    channels = cohort.channel_names
    return tuple(
        Muscle(name, tuple(channels[i] for i in row), str(electrode))
        for name, row, electrode in zip(
            cohort.muscle_names, cohort.counterparts, cohort.muscles["electrode"], strict=True
        )
    )


def _metrics(
    cohort: Cohort,
    thinned: Thinned,
    inner: NDArray[np.intp],
    outer: NDArray[np.intp],
    refined: NDArray[np.float32],
    *,
    store: Store,
) -> dict[str, Any]:
    """Scores on the cycles that were set aside, by muscle; none where none could be."""
    if not len(outer):
        return {"cycles_set_aside": 0}
    rows = score(
        thinned.measured[outer],
        simulated=thinned.estimates(cohort.counterparts, store=store)[outer],
        mean_pattern=mean_pattern(thinned.measured, rows=inner),
        refined=refined,
        conditions=cohort.cycles["condition"].to_numpy(dtype=np.str_)[outer],
        durations=(cohort.cycles["end"] - cohort.cycles["start"]).to_numpy(dtype=float)[outer],
    )
    return {
        "cycles_set_aside": len(outer),
        "muscles": {
            name: {key: _rounded(value) for key, value in row.items()}
            for name, row in zip(cohort.muscle_names, rows, strict=True)
        },
    }


def _rounded(value: float) -> float | int | None:
    if isinstance(value, int):
        return value
    return float(f"{value:.6g}") if np.isfinite(value) else None


def default_grouping(cohort: Cohort) -> dict[str, Any]:
    """Group by subject, or by blocks where there is only one."""
    if cohort.cycles["subject"].nunique() > 1:
        return {"by": "subject"}
    return {"blocks": min(BLOCKS_OF_ONE_SUBJECT, len(cohort.cycles))}
