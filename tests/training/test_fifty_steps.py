"""Fifty steps of many fits at once against fifty steps of each with plain Keras.

Differences of predictions are over the range of the output; those of a weight tensor are the norm
of the difference over the tensor's norm after training, for those that start at zero as well: by
then they have moved. Each tensor must have moved by a percent of its norm at least.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import tensorflow as tf
from support.plain_keras import (
    TRAINED,
    WITHOUT_GRADIENT,
    PlainTrainer,
    as_data,
    cycles,
    in_training,
    make,
    task,
    tensors,
)

from nem2e_tf.training.engine import Sizes, Trainer
from nem2e_tf.training.recipe import Recipe

# Ten rows, two a step: ten epochs are fifty steps.
RECIPE = Recipe(
    epochs=30, patience=3, epochs_without_validation=10, batch_size=2, learning_rate=1e-2
)
SIZES = Sizes(fits=2, training=10, validation=3, application=6)
TOLERANCE = 1e-4


@cache
def trainers(name, recipe=RECIPE, **options):
    """One that trains many fits at once, and one that trains them one by one."""
    many = Trainer(
        lambda: make(name, **options), recipe, SIZES, in_training=in_training(name, **options)
    )
    return many, PlainTrainer(name, recipe, **options)


def differences(found, model, plain, plain_model):
    """Largest difference of the predictions, and each trained tensor's."""
    trained, wanted = tensors(model, found.weights), tensors(plain_model, plain.weights)
    before = tensors(plain_model, plain.initial)
    assert trained.keys() == wanted.keys()
    each = {}
    for path in wanted.keys() - set(WITHOUT_GRADIENT):
        norm = np.linalg.norm(wanted[path])
        assert np.linalg.norm(wanted[path] - before[path]) > 0.01 * norm, path
        each[path] = np.linalg.norm(trained[path] - wanted[path]) / norm
    return np.abs(found.applied - plain.applied).max() / np.ptp(plain.applied), each


def assert_equal_fits(name, tasks, x, y, recipe=RECIPE, **options):
    """Train both ways; returns the result of plain Keras."""
    many, one_by_one = trainers(name, recipe, **options)
    results = many.fit(as_data(x, y), tasks)
    singles = [one_by_one.fit(one, x, y) for one in tasks]
    for found, plain in zip(results, singles, strict=True):
        assert_equal_fit(found, many.model, plain, one_by_one.model)
    return singles


def assert_equal_fit(found, model, plain, plain_model):
    prediction, each = differences(found, model, plain, plain_model)
    worst = max(each, key=each.get)
    reported = f"prediction {prediction:.1e}, {worst} {each[worst]:.1e}"
    assert max(prediction, each[worst]) < TOLERANCE, reported
    assert found.epochs == plain.epochs


@pytest.mark.parametrize("name", TRAINED)
def test_folds_of_equal_size(name):
    tasks = [task(range(10), seed=0, stream=3), task(range(5, 15), seed=1, stream=4)]
    first, second = assert_equal_fits(name, tasks, *cycles())
    assert first.steps == second.steps == 50
    assert np.abs(first.applied - second.applied).max() > 0.01


@pytest.mark.parametrize("name", TRAINED)
def test_folds_of_unequal_size_and_an_electrode_that_failed(name):
    """Nine rows end with half a batch; six leave two steps of five empty, which move nothing.

    The second muscle's EMG is NaN in some rows of the first fold and in all of the second.
    """
    x, y = cycles()
    y[[1, 4, *range(9, 15)], :, 1] = np.nan
    tasks = [task(range(9), seed=0, stream=5), task(range(9, 15), seed=1, stream=6)]
    first, second = assert_equal_fits(name, tasks, x, y)
    assert (first.steps, second.steps) == (50, 30)


@pytest.mark.parametrize("name", TRAINED)
def test_early_stopping_at_different_epochs(name):
    """The validation EMG is upside down for one and half as large for the other."""
    x, y = cycles()
    for rows, factor in (([10, 11, 12], -0.5), ([13, 14, 15], 0.75)):
        middle = y[rows].mean(axis=(0, 1))
        y[rows] = middle + factor * (y[rows] - middle)
    tasks = [
        task(range(10), (10, 11, 12), seed=0, stream=7),
        task(range(10), (13, 14, 15), seed=1, stream=8),
    ]
    soon, late = assert_equal_fits(name, tasks, x, y)
    assert soon.epochs < late.epochs
    assert len(soon.history) < len(late.history) < RECIPE.epochs


@pytest.mark.parametrize("name", ["gru", "tcn", "transformer", "stdr-net-temporal"])
def test_dropout(name):
    """Plain Keras is handed the random numbers that were drawn for each fit."""
    many, one_by_one = trainers(name, dropout=0.4)
    x, y = cycles()
    tasks = [task(range(10), seed=0, stream=9), task(range(9, 15), seed=1, stream=10)]
    for one, found in zip(tasks, many.fit(as_data(x, y), tasks), strict=True):
        noise = drawn(many, one)
        plain = one_by_one.fit(one, x, y, noise=noise)
        assert_equal_fit(found, many.model, plain, one_by_one.model)
        for numbers in noise:
            assert len(np.unique(numbers)) > 0.99 * numbers.size
            assert 0.35 < np.mean(numbers < 0.4) < 0.45


def drawn(many, one):
    """Dropout's random numbers of a fit, an array [step, row, ...] a layer."""
    key = tf.constant([[one.stream, one.seed]], tf.int64)
    batches = -(-len(one.training.inputs) // RECIPE.batch_size)
    steps = [
        many.mapped.noise(key, tf.constant(epoch, tf.int64), tf.constant(step, tf.int64), 1)
        for epoch in range(RECIPE.epochs_without_validation)
        for step in range(batches)
    ]
    return [np.concatenate(layer) for layer in zip(*steps, strict=True)]


@pytest.mark.parametrize(
    ("name", "changes", "options"),
    [
        ("rnn", {"weight_decay": 0.1}, {}),
        ("rnn", {"batch_size": 100, "epochs_without_validation": 50}, {}),
        ("rnn", {"batch_size": 1, "epochs_without_validation": 5}, {}),
        ("rnn", {}, {"output": "residual"}),
        ("stdr-net-temporal", {}, {"feeding": "teacher"}),
    ],
    ids=["weight-decay", "one-batch", "batch-1", "residual", "teacher"],
)
def test_other_settings(name, changes, options):
    """Weight decay is that of ``keras.optimizers.AdamW``."""
    tasks = [task(range(10), seed=0, stream=11), task(range(5, 15), seed=1, stream=12)]
    recipe = replace(RECIPE, **changes)
    singles = assert_equal_fits(name, tasks, *cycles(), recipe, **options)
    assert [plain.steps for plain in singles] == [50, 50]
