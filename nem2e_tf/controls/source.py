"""The run that a control examines, its cohort, and the models of its fits with their weights."""

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf import zoo
from nem2e_tf.cohorts.cohort import Cohort, load_cohort
from nem2e_tf.errors import InputError, near
from nem2e_tf.evaluation.results import SETTINGS
from nem2e_tf.refiners.patterns import Composition, joined, model_input
from nem2e_tf.training.cross_validation import keep_weights
from nem2e_tf.training.curves import Curves
from nem2e_tf.training.plan import Configuration, Fit, Fold
from nem2e_tf.training.run_folder import RunFolder, check_cohort, check_sources, open_run
from nem2e_tf.zoo.source import is_file_and_function

AnyRun = str | os.PathLike[str] | RunFolder
AnyCohort = str | os.PathLike[str] | Cohort


@dataclass(frozen=True, eq=False)
class Source:
    """A finished run, its cohort, and the models that a control examines.

    Attributes
    ----------
    run : RunFolder
    cohort : Cohort
    path : Path or None
        The folder of the cohort, where it was loaded from one.
    models : tuple of str
        Some or all models of the run.
    """

    run: RunFolder
    cohort: Cohort
    path: Path | None
    models: tuple[str, ...]

    @property
    def about(self) -> dict[str, Any]:
        """Run and cohort, for ``control.json``."""
        return {
            "run": {"name": self.run.path.resolve().name, "settings": self.run.settings.as_dict()},
            "cohort": {"name": self.cohort.name, "digest": self.cohort.digest},
        }

    @property
    def own(self) -> set[str]:
        """Models of the run that are not of the zoo: their source must be given."""
        return {source.entry for source in self.run.settings.sources}

    def fits(self, chosen: Callable[[str], bool] = lambda _: True) -> list[int]:
        """Fits of the models, or of those chosen by name, in the order of the plan."""
        plan = self.run.plan
        models = [plan.configurations[fit.configuration].model for fit in plan.fits]
        return [
            index for index, model in enumerate(models) if model in self.models and chosen(model)
        ]

    def keep_weights(self, fits: Sequence[int], **options: Any) -> list[str]:
        """Fit again what has no weights in the run folder; see `keep_weights`."""
        check_sources(self.run, [zoo.entry(m).source for m in self.models if m in self.own])
        return keep_weights(self.run, self.path or self.cohort, fits, **options)


def open_source(
    run: AnyRun, cohort: "AnyCohort | None" = None, *, models: "Iterable[zoo.AnyModel]" = ()
) -> Source:
    """Open a run and the cohort that it was computed from.

    Parameters
    ----------
    run : path-like or RunFolder
    cohort : path-like or Cohort
    models : iterable of str or callable
        Models of the run to examine; all by default. Refiners of one's own as for the
        cross-validation: ``FILE.py:function`` or functions.

    Raises
    ------
    InputError
        One is missing, they do not belong together, the run is not finished, or a model is not in
        it.
    """
    if cohort is None:
        raise InputError("cohort: expected the cohort that the run was computed from, found none")
    folder = run if isinstance(run, RunFolder) else open_run(run)
    path = None if isinstance(cohort, Cohort) else Path(cohort)
    loaded = cohort if isinstance(cohort, Cohort) else load_cohort(cohort)
    check_cohort(folder, loaded)
    missing = len(folder.unfinished())
    if missing:
        raise InputError(
            f"{folder.path}: expected a finished run, found {missing} of {len(folder.plan.chunks)} "
            "chunks without predictions; repeat the cross-validation to finish it"
        )
    present = list(dict.fromkeys(c.model for c in folder.plan.configurations))
    chosen = tuple(dict.fromkeys(_name_in(folder, model) for model in models)) or tuple(present)
    for model in chosen:
        if model not in present:
            raise InputError(
                f"models {model}: expected a model of {folder.path}, found {', '.join(present)}"
                f"{near(model, present)}"
            )
    return Source(folder, loaded, path, chosen)


def _name_in(run: RunFolder, model: zoo.AnyModel) -> str:
    """Return the name of a model; the source of one's own must be that of the run."""
    if isinstance(model, str) and not is_file_and_function(model):
        return model
    from nem2e_tf.training.chunk import look_up

    names, sources = look_up([model])
    check_sources(run, sources)
    return names[0]


def at_least(least: int, **given: int) -> None:
    """Refuse parameters below a limit.

    Raises
    ------
    InputError
        One is too small.
    """
    for name, value in given.items():
        if value < least:
            raise InputError(f"{name} {value}: expected {least} or more")


@dataclass(frozen=True, eq=False)
class FoldModel:
    """One fit with its weights.

    Attributes
    ----------
    fit : Fit
    configuration : Configuration
    composition : Composition
    fold : Fold
    model : keras.Model
        Valid until the next one: fits of one network share it.
    """

    fit: Fit
    configuration: Configuration
    composition: Composition
    fold: Fold
    model: Any

    @property
    def muscles(self) -> tuple[str, ...]:
        """Muscles that the model estimates."""
        return self.composition.muscles_of(self.fit.muscle)

    def columns(self, curves: Curves) -> list[int]:
        """Places of these muscles in the curves of the run."""
        return [curves.muscles.index(muscle) for muscle in self.muscles]

    def refine(self, simulated: NDArray[np.float32]) -> NDArray[np.float32]:
        """Refine cycles [cycle, sample, channel] into [cycle, sample, muscle]."""
        return refine(self.model, simulated, self.composition, muscle=self.muscles[0])

    def entry(self, source: Source, *, by: str) -> dict[str, str]:
        """Columns that name the entry, seed and group."""
        settings = {name: str(getattr(self.configuration, name)) for name in SETTINGS[:-1]}
        settings |= {"recipe": source.run.settings.recipe.name, "seed": str(self.fit.seed)}
        return {"by": by, **settings, "group": self.fit.group}


def refine(
    model: Any, simulated: NDArray[np.float32], composition: Composition, *, muscle: str
) -> NDArray[np.float32]:
    """Apply one model of a composition to cycles [cycle, sample, channel]."""
    from nem2e_tf.zoo.blocks import in_blocks

    rows = model_input(simulated, composition, muscle=muscle)
    return joined(in_blocks(functools.partial(model, training=False), rows), composition)


def fold_models(source: Source, fits: Sequence[int]) -> Iterator[FoldModel]:
    """Yield the models of fits whose weights are in the run folder.

    Parameters
    ----------
    source : Source
    fits : sequence of int
        Numbers in the plan of the run; see `Source.keep_weights`.
    """
    from nem2e_tf.training.chunk import Workshop, set_up_tensorflow

    set_up_tensorflow()
    run = source.run
    workshop = Workshop(source.cohort, run.settings, run.plan)
    built: dict[tuple[int, str], Any] = {}
    for index, weights in run.read_weights(fits):
        fit = run.plan.fits[index]
        configuration = run.plan.configurations[fit.configuration]
        composition = workshop.composition(configuration)
        key = (fit.configuration, fit.muscle)
        if key not in built:
            built[key] = workshop.model(configuration, composition.models.index(fit.muscle))
        built[key].set_weights(weights)
        fold = workshop.folds[fit.group]
        yield FoldModel(fit, configuration, composition, fold, built[key])
