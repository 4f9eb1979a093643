"""Train one refiner on a whole cohort, to be used and exported."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.cohorts.cohort import Cohort, load_cohort
from nem2e_tf.evaluation.scoring import mean_pattern, score
from nem2e_tf.names import ALL_ENTIRE, DIRECT, EACH, JOINT
from nem2e_tf.refiners.info import Muscle, Reference, RefinerInfo
from nem2e_tf.refiners.refiner import Refiner, refuse_foreign_files, save_refiner
from nem2e_tf.training.chunk import Workshop, look_up, set_up_tensorflow
from nem2e_tf.training.plan import (
    Configuration,
    Fit,
    Fold,
    Plan,
    Settings,
    group_labels,
    make_plan,
    refuse_both,
    set_aside,
)
from nem2e_tf.training.recipe import Recipe
from nem2e_tf.training.recipe import recipe as recipe_of
from nem2e_tf.training.rows import (
    composition_of,
    conditions_and_durations,
    temporary_store,
    thin,
)
from nem2e_tf.zoo import AnyModel

REFERENCE_CYCLES = 64
CALIBRATION_CYCLES = 128
BLOCKS_OF_ONE_SUBJECT = 5
EVERYTHING = "everything"


def train(
    cohort: "Cohort | str | os.PathLike[str]",
    model: AnyModel,
    *,
    out: "str | os.PathLike[str] | None" = None,
    pattern: str = ALL_ENTIRE,
    targets: str | None = None,
    output: str = DIRECT,
    recipe: "str | Recipe" = "fast",
    by: str | None = None,
    blocks: int | None = None,
    options: Mapping[str, Any] | None = None,
    quarter_samples: int = 5,
    licence: str = "",
    on_epoch: Callable[[int], None] | None = None,
    on_note: Callable[[str], None] | None = None,
    **changes: Any,
) -> Refiner:
    """Train one refiner on all cycles of a cohort, to be exported and used.

    A fifth of the groups is a validation set: early stopping sees it, and exported files are
    checked on its cycles, which were not fitted. How well the refiner does on a new subject is what
    `nem2e_tf.training.cross_validation.cross_validate` estimates. TensorFlow is set up to be
    deterministic, with one thread, unless it has run already.

    Parameters
    ----------
    cohort : Cohort or path-like
        A cohort, or its folder.
    model : str or callable
        An entry of the zoo; or a refiner of one's own, as ``"FILE.py:function"`` or as a function,
        see `nem2e_tf.zoo.register`.
    out : path-like, optional
        The refiner folder to write; an earlier refiner there is replaced.
    pattern : {"one-quarter", "one-entire", "all-entire"}
        Input pattern.
    targets : {"joint", "each"}, optional
        One model for all muscles, or one per muscle; by default ``joint`` where the input pattern
        allows it, which is one file to ship.
    output, recipe, quarter_samples, **changes
        See `nem2e_tf.training.cross_validation.cross_validate`.
    by : str, optional
        Column of the cohort's cycles whose groups form the validation set; by default ``subject``,
        or blocks where there is only one.
    blocks : int, optional
        Blocks of consecutive cycles of a single subject.
    options : mapping, optional
        Options of the entry: ``{"causal": True}``.
    licence : str
        Licence of the weights, recorded with them.
    on_epoch : callable, optional
        Is called with the number of epochs done.
    on_note : callable, optional
        Is called with each note, such as a muscle without EMG.

    Returns
    -------
    Refiner

    Raises
    ------
    InputError
        The cohort cannot be read, an option is wrong, or `out` holds something else.

    Examples
    --------
    >>> from nem2e_tf.cohorts.synthetic.cohorts import make
    >>> refiner = train(make("walk").cohort, "linear", targets="joint")
    >>> refiner.info.n_parameters > 0
    True
    """
    refuse_both(by=by, blocks=blocks)
    loaded = cohort if isinstance(cohort, Cohort) else load_cohort(cohort)
    if by is None and blocks is None and loaded.cycles["subject"].nunique() == 1:
        blocks = min(BLOCKS_OF_ONE_SUBJECT, len(loaded.cycles))
    names, sources = look_up((model,))
    settings = Settings(
        models=names,
        sources=sources,
        patterns=(pattern,),
        targets=targets or (JOINT if pattern == ALL_ENTIRE else EACH),
        output=output,
        recipe=recipe_of(recipe, **changes),
        by=by or "subject",
        blocks=blocks,
        options={names[0]: options} if options else {},
        quarter_samples=quarter_samples,
    )
    plan = make_plan(loaded, settings)
    if on_note is not None:
        for note in plan.notes:
            on_note(note)
    if out is not None:
        refuse_foreign_files(out)
    set_up_tensorflow()
    with temporary_store(loaded, out) as store:
        workshop = Workshop(loaded, settings, plan, store)
        models, info, reference = _fitted(workshop, licence=licence, on_epoch=on_epoch)
    source = sources[0] if sources else None
    return save_refiner(out, models, info, reference, source=source)


def _fitted(
    workshop: Workshop, *, licence: str, on_epoch: Callable[[int], None] | None
) -> tuple[dict[str, Any], RefinerInfo, Reference]:
    """Fit all models of a refiner; return them with what is stored next to them."""
    cohort, settings, plan = workshop.cohort, workshop.settings, workshop.plan
    configuration = plan.configurations[0]
    _, labels = group_labels(cohort.cycles, by=settings.by, blocks=settings.blocks)
    names, codes = np.unique(labels, return_inverse=True)
    inner, outer = set_aside(codes, seed=0, name=EVERYTHING)
    # One fold that leaves nothing out; its test cycles are the validation set.
    workshop.folds = {EVERYTHING: Fold(EVERYTHING, outer, names, codes, trains_on_all=True)}
    muscles = workshop.composition(configuration).models
    workshop.plan = Plan(
        (configuration,),
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
    metrics = _metrics(workshop, inner, outer, refined)
    metrics["epochs"] = {result.fit.muscle: result.epochs for result in results}
    info = describe(cohort, settings, configuration, licence=licence, metrics=metrics)
    # Up to so many cycles, evenly over all groups.
    count = min(CALIBRATION_CYCLES, len(inner))
    calibration = inner[np.unique(np.linspace(0, len(inner) - 1, count).astype(int))]
    reference = Reference(
        simulated=thin(cohort.simulated[used]),
        measured=thin(cohort.measured[used]),
        held_out=np.isin(used, outer),
        calibration=thin(cohort.simulated[calibration]),
        mean_pattern=mean_pattern(workshop.thinned.measured, rows=inner).astype(np.float32),
    )
    return models, info, reference


def describe(
    cohort: Cohort,
    settings: Settings,
    configuration: Configuration,
    *,
    licence: str = "",
    metrics: dict[str, Any] | None = None,
) -> RefinerInfo:
    """Describe a refiner that is fitted on a cohort."""
    composition = composition_of(
        cohort,
        pattern=configuration.pattern,
        targets=configuration.targets,
        quarter_samples=settings.quarter_samples,
    )
    electrodes = cohort.muscles["electrode"].astype(str)
    return RefinerInfo(
        **configuration.words,
        channels=composition.channels,
        muscles=tuple(map(Muscle, composition.muscles, composition.counterparts, electrodes)),
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


def _metrics(
    workshop: Workshop,
    inner: NDArray[np.intp],
    outer: NDArray[np.intp],
    refined: NDArray[np.float32],
) -> dict[str, Any]:
    """Scores on the validation set, by muscle; none if it is empty."""
    if not len(outer):
        return {"cycles_set_aside": 0}
    cohort, thinned = workshop.cohort, workshop.thinned
    conditions, durations = conditions_and_durations(cohort)
    rows = score(
        thinned.measured[outer],
        simulated=thinned.estimates(cohort.counterparts, store=workshop.store)[outer],
        mean_pattern=mean_pattern(thinned.measured, rows=inner),
        refined=refined,
        conditions=conditions[outer],
        durations=durations[outer],
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
