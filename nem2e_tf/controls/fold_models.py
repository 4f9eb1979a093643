"""The models of a run, each with the weights that a fold gave it."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.controls.results import Source
from nem2e_tf.refiners.patterns import Composition, joined, model_input
from nem2e_tf.training.kept import read_weights
from nem2e_tf.training.plan import Configuration, Fit, Fold


@dataclass(frozen=True, eq=False)
class FoldModel:
    """One fit with its weights.

    Attributes
    ----------
    index : int
        Of the fit in the plan.
    fit : Fit
    configuration : Configuration
    composition : Composition
    fold : Fold
    model : keras.Model
        Valid until the next one: fits of one network share it.
    """

    index: int
    fit: Fit
    configuration: Configuration
    composition: Composition
    fold: Fold
    model: Any

    @property
    def muscles(self) -> tuple[str, ...]:
        """The muscles that it gives."""
        return self.composition.muscles_of(self.fit.muscle)

    def refine(self, simulated: NDArray[np.float32]) -> NDArray[np.float32]:
        """Refine cycles [cycle, 20, channel] into [cycle, 20, muscle]."""
        return refine(self.model, simulated, self.composition, muscle=self.muscles[0])


def refine(
    model: Any, simulated: NDArray[np.float32], composition: Composition, *, muscle: str
) -> NDArray[np.float32]:
    """Run one model of a composition on cycles [cycle, 20, channel]."""
    from nem2e_tf.zoo.blocks import in_blocks

    rows = model_input(simulated, composition, muscle=muscle)
    return joined(in_blocks(functools.partial(model, training=False), rows), composition)


def fold_models(source: Source, fits: list[int]) -> Iterator[FoldModel]:
    """Yield the models of fits whose weights are kept.

    Parameters
    ----------
    source : Source
    fits : list of int
        In the plan of the run; see `nem2e_tf.training.kept.keep_weights`.
    """
    from nem2e_tf.training.chunk import Workshop
    from nem2e_tf.training.runtime import set_up_tensorflow

    set_up_tensorflow()
    run = source.run
    workshop = Workshop(source.cohort, run.settings, run.plan)
    made: dict[tuple[int, str], Any] = {}
    for index, weights in read_weights(run, fits):
        fit = run.plan.fits[index]
        configuration = run.plan.configurations[fit.configuration]
        composition = workshop.composition(configuration)
        key = (fit.configuration, fit.muscle)
        if key not in made:
            made[key] = workshop.model(configuration, composition.models.index(fit.muscle))
        made[key].set_weights(weights)
        yield FoldModel(
            index, fit, configuration, composition, workshop.folds[fit.group], made[key]
        )


def entry_of(source: Source, found: FoldModel, *, by: str) -> dict[str, str]:
    """Columns that name the entry, seed and group of a fit."""
    configuration = found.configuration
    return {
        "by": by,
        "model": configuration.model,
        "pattern": configuration.pattern,
        "targets": configuration.targets,
        "output": configuration.output,
        "recipe": source.run.settings.recipe.name,
        "seed": str(found.fit.seed),
        "group": found.fit.group,
    }
