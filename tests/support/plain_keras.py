"""One fit at a time with plain Keras: the reference for fitting many at once.

``compile`` and ``train_on_batch`` on the same rows in the same order, gradients of automatic
differentiation alone, and early stopping as one would write it for a single network.
"""

import functools
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from nem2e_tf import zoo
from nem2e_tf.training.rows import Data, Rows, Task
from nem2e_tf.zoo.layers import Dropout, SelfAttention, supplied_noise
from nem2e_tf.zoo.models import calibrate

SAMPLES, CHANNELS, TARGETS = 4, 3, 2
SMALL = {"units": 8, "n_heads": 2, "n_layers": 1, "dilations": (1, 2)}
WITHOUT_GRADIENT = ("attention_1/bias of keys",)
"""Tensors whose gradient is 0 but for rounding, which Adam turns into steps of full length.

It moves the scores of one query all alike, and a softmax does not see that.
"""

TRAINED = [name for name in zoo.list_models() if zoo.entry(name).solve is None]


def make(name, **options):
    """A small network of the zoo."""
    known = zoo.entry(name).options
    small = {option: value for option, value in SMALL.items() if option in known}
    return zoo.create(
        name,
        n_samples=SAMPLES,
        n_channels=CHANNELS,
        n_targets=TARGETS,
        counterparts=[[0], [1, 2]],
        **small | options,
    )


def in_training(name, **options):
    """What makes the model that training calls, of a network made with these options."""
    return functools.partial(zoo.entry(name).in_training, **options)


def cycles():
    """Twenty-four rows of waves, and of noisy EMG that a small network can learn from them."""
    random = np.random.default_rng(2)
    phase = np.linspace(0, 2 * np.pi, SAMPLES)[None, :, None]
    x = 1 + np.sin(phase + random.uniform(0, 6, (24, 1, CHANNELS)))
    y = 0.5 * x[..., :TARGETS] ** 2 + 0.3 * x[..., 1:2]
    y += 0.1 * random.random((24, SAMPLES, TARGETS))
    return x.astype(np.float32), (y * [1, 3]).astype(np.float32)


def as_data(x, y):
    """What the engine is given of EMG with NaN: 0 there, and that it is not present."""
    present = ~np.isnan(y).any(axis=1)
    return Data(x, np.where(present[:, None, :], y, np.float32(0)), present)


def task(training, validation=(), application=(18, 19, 20, 21, 22, 23), *, seed=0, stream=1):
    """A fit on rows of these numbers."""
    rows = [Rows(np.array(n, int), np.array(n, int)) for n in (training, validation, application)]
    return Task(seed, stream, *rows)


def plain_form(model):
    """The same layers and weights as in training, but without gradients written by hand.

    Of our own layers only dropout runs in training mode: the others then take the form that they
    have at inference.
    """

    def call(layer, *inputs, **others):
        theirs = not type(layer).__module__.startswith("nem2e_tf.")
        return layer(*inputs, **others | {"training": theirs or isinstance(layer, Dropout)})

    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)


class Plain(keras.Model):
    """A network's plain form, which takes dropout's random numbers beside the rows."""

    def __init__(self, model):
        super().__init__()
        self.form = plain_form(model)

    def call(self, given):
        rows, noise = given
        drawn = iter(noise)
        with supplied_noise(lambda _: next(drawn)):
            # Not `self.form(rows)`: that would tell all its layers that they train.
            return self.form.call(rows)


def tensors(model, values):
    """Trained tensors by name, of values in the order of ``model.weights``.

    Queries, keys and values of attention, which lie side by side in one tensor, are three.
    """
    trained = {id(v) for v in model.trainable_variables}
    joined = {
        id(variable)
        for layer in model.layers
        if isinstance(layer, SelfAttention)
        for variable in (layer.kernel, layer.bias)
    }
    named = {}
    for variable, value in zip(model.weights, values, strict=True):
        if id(variable) in joined:
            parts = np.split(np.asarray(value), 3, axis=-1)
            for kind, part in zip(("queries", "keys", "values"), parts, strict=True):
                named[f"{variable.path} of {kind}"] = part
        elif id(variable) in trained:
            named[variable.path] = np.asarray(value)
    return named


@dataclass(frozen=True, eq=False)
class PlainFit:
    """Result of one fit: as `nem2e_tf.training.rows.Fitted`, and the weights it began with."""

    initial: list
    weights: list
    applied: np.ndarray
    epochs: int
    history: list
    steps: int


class PlainTrainer:
    """Trains networks of one architecture one after another; `compile` is called once."""

    def __init__(self, name, recipe, **options):
        self.name, self.recipe, self.options = name, recipe, options
        self.model = make(name, **options)
        training_model = in_training(name, **options)(self.model)
        self.takes_targets = training_model is not self.model
        self.trained = Plain(training_model)
        self.precision = tf.Variable(tf.zeros(TARGETS), trainable=False)
        self.adam = keras.optimizers.Adam(recipe.learning_rate)
        if recipe.weight_decay:
            self.adam = keras.optimizers.AdamW(
                recipe.learning_rate, weight_decay=recipe.weight_decay
            )
        self.trained.compile(self.adam, self.error, jit_compile=False)
        self.adam.build(self.trained.trainable_variables)
        self.fresh = [v.numpy() for v in self.adam.variables]

    def error(self, measured, refined):
        """Squared error over its variance, averaged over rows and muscles whose EMG is there."""
        absent = tf.math.is_nan(measured)
        squared = tf.where(absent, 0.0, (refined - tf.where(absent, 0.0, measured)) ** 2)
        there = tf.reduce_sum(tf.cast(~absent[:, 0], tf.float32))
        return tf.reduce_sum(tf.reduce_mean(squared, axis=1) * self.precision) / there

    def start(self, one, x, y):
        """Set the initial weights, the normalisation, the precision and Adam's moments."""
        keras.utils.set_random_seed(one.seed)
        self.model.set_weights(make(self.name, **self.options).get_weights())
        rows = one.training.inputs
        measured = ~np.isnan(y[rows]).any(axis=1)
        calibrate(self.model, x[rows], y[rows], measured)
        for target in range(TARGETS):
            seen = y[rows][measured[:, target], :, target]
            self.precision[target].assign(1 / seen.var() if len(seen) else 1.0)
        for variable, value in zip(self.adam.variables, self.fresh, strict=True):
            variable.assign(value)

    def fit(self, one, x, y, *, noise=None):
        """Fit; `noise` holds dropout's random numbers, one array [step, row, ...] a layer."""
        recipe, model = self.recipe, self.model
        rows, held_back = one.training.inputs, one.validation.inputs
        self.start(one, x, y)
        initial = model.get_weights()
        order = np.random.Generator(np.random.PCG64([one.stream, one.seed]))
        kept, kept_epoch, history, steps = initial, 0, [], 0
        for epoch in range(recipe.epochs if len(held_back) else recipe.epochs_without_validation):
            shuffled = rows[order.permutation(len(rows))]
            for start in range(0, len(rows), recipe.batch_size):
                batch = shuffled[start : start + recipe.batch_size]
                given = [x[batch], y[batch]] if self.takes_targets else x[batch]
                drawn = [layer[steps, : len(batch)] for layer in noise or []]
                self.trained.train_on_batch((given, drawn), y[batch])
                steps += 1
            if len(held_back):
                refined = model(x[held_back], training=False)
                history.append(float(self.error(y[held_back], refined)))
            if not len(held_back) or history[-1] == min(history):
                kept, kept_epoch = model.get_weights(), epoch + 1
            elif recipe.patience and epoch + 1 - kept_epoch == recipe.patience:
                break
        model.set_weights(kept)
        applied = np.asarray(model(x[one.application.inputs], training=False))
        return PlainFit(initial, kept, applied, kept_epoch, history, steps)
