"""Conformance of a refiner in training: many fits at once give what Keras gives one by one."""

from typing import Any

import numpy as np

from nem2e_tf.training.engine import Sizes, Trainer
from nem2e_tf.training.recipe import Recipe
from nem2e_tf.training.rows import Data, Rows, Task
from nem2e_tf.zoo.conformance import DoesNotApply, Trial, data, expect, refine
from nem2e_tf.zoo.models import all_layers, calibrate

EPOCHS, FITS = 3, 2
TOLERANCE = 1e-3
"""In standard deviations of the measured activity."""


def trains_many_fits_at_once(trial: Trial) -> None:
    """Fits that are trained together equal fits that Keras trains one by one."""
    if trial.entry.solve is not None:
        raise DoesNotApply("closed forms are not trained")
    import keras

    if len(trial.entry.in_training(_without_dropout(trial), **trial.options).inputs) > 1:
        raise DoesNotApply("trained with the measured activity as a second input")
    x, y, _ = data()
    present = np.ones((len(y), y.shape[2]), bool)
    every, none = Rows(np.arange(len(x)), np.arange(len(x))), Rows(np.arange(0), np.arange(0))
    recipe = Recipe(batch_size=len(x), epochs=EPOCHS, epochs_without_validation=EPOCHS)
    trainer = Trainer(lambda: _without_dropout(trial), recipe, Sizes(FITS, len(x), 0, len(x)))
    tasks = [Task(5, number, every, none, every) for number in range(FITS)]
    fitted = trainer.fit(Data(x, y, present), tasks)
    model = _without_dropout(trial)
    calibrate(model, x, y, present)
    optimizer = keras.optimizers.Adam()
    precision = (1 / y.astype(np.float64).var(axis=(0, 1))).astype(np.float32)
    model.compile(
        optimizer,
        lambda measured, refined: keras.ops.mean((refined - measured) ** 2 * precision),
        jit_compile=False,
    )
    for epoch in range(EPOCHS):
        optimizer.learning_rate = recipe.learning_rate_at(epoch, EPOCHS)
        model.train_on_batch(x, y)
    for fit in fitted:
        difference = float(np.abs(fit.applied - refine(model, x)).max() / y.std())
        expect(
            difference <= TOLERANCE,
            f"difference from Keras' own training: expected at most {TOLERANCE} standard "
            f"deviations, found {difference:.2g}",
        )


def _without_dropout(trial: Trial) -> Any:
    """Make a model whose dropout keeps everything: its random numbers would differ."""
    model = trial.make()
    for layer in all_layers(model):
        if hasattr(layer, "rate"):
            layer.rate = 0.0
    return model
