"""One network's loss and gradient, mapped over many fits in one graph."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.zoo.layers import supplied_noise

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7


class MappedModel:
    """A model whose weights are arguments, one set a fit.

    Parameters
    ----------
    model : keras.Model
        May carry a ``training_model`` that shares its weights and takes the targets as well.
    batch : int
        Rows a step.
    weight_decay : float
        Decoupled, as Keras' ``weight_decay``.

    Attributes
    ----------
    state : list of keras.Variable
        What is not trained: the model's own first, then what only its training model has.
    progress : list of int
        Those of `state` that hold the share of the training that is done.
    """

    def __init__(self, model: keras.Model, *, batch: int, weight_decay: float) -> None:
        self.model = model
        self.batch = batch
        self.weight_decay = weight_decay
        self.training_model = model.__dict__.get("training_model") or model
        self.takes_targets = self.training_model is not model
        order = {id(v): i for i, v in enumerate(model.trainable_variables)}
        self.order = [order[id(v)] for v in self.training_model.trainable_variables]
        self.state = state_of(model)
        places = {id(v): i for i, v in enumerate(self.state)}
        self.fixed = [places[id(v)] for v in self.training_model.non_trainable_variables]
        self.progress = [
            i for i, v in enumerate(self.state) if v.path.endswith("training_progress")
        ]
        self.shapes = [tuple(v.shape) for v in model.trainable_variables]
        self.lengths = [int(np.prod(shape)) for shape in self.shapes]
        self.noise_shapes = self._probe()
        self._adam = tf.function(self._take_step, jit_compile=True)

    def _probe(self) -> list[tuple[int, ...]]:
        """Find out which random numbers a step asks for, in order.

        A layer that changes its state while it is trained is refused: an incomplete batch is filled
        up with other rows, which would then count.
        """
        shapes: list[tuple[int, ...]] = []

        def note(shape: tuple[int | None, ...]) -> Any:
            shapes.append(tuple(int(size or self.batch) for size in shape))
            return tf.zeros(shapes[-1])

        zeros = [tf.zeros((self.batch, *t.shape[1:])) for t in self.training_model.inputs]
        before = [self.state[i].value for i in self.fixed]
        with supplied_noise(note):
            _, after = self.training_model.stateless_call(
                [v.value for v in self._in_training_order()],
                before,
                zeros if self.takes_targets else zeros[0],
                training=True,
            )
        for index, old, new in zip(self.fixed, before, after, strict=True):
            if new is not old:
                raise InputError(
                    f"{self.state[index].path}: expected state that stays as it is in training, "
                    "found one that changes; normalise by row (LayerNormalisation) instead of by "
                    "batch"
                )
        return shapes

    def _in_training_order(self) -> list[Any]:
        return [self.model.trainable_variables[i] for i in self.order]

    def cut(self, flat: Any) -> list[Any]:
        """Cut flat weights [fit, weight] into the model's tensors [fit, ...]."""
        parts = tf.split(flat, self.lengths, axis=1)
        return [tf.reshape(p, (-1, *shape)) for p, shape in zip(parts, self.shapes, strict=True)]

    def train_steps(
        self,
        fetch: Callable[[Any], tuple[Any, Any, Any]],
        steps: int,
        *,
        weights: tuple[Any, Any, Any, Any],
        state: list[Any],
        precision: Any,
        active: Any,
        rate: Any,
        keys: Any,
        epoch: Any,
        first_step: Any,
    ) -> Any:
        """Take some steps of an epoch for every fit.

        Parameters
        ----------
        fetch : callable (step) -> inputs, targets, present [fit, batch, ...]
        steps : int
        weights : tuple
            Flat weights and Adam's two moments [fit, weight], and steps taken [fit].
        state : list of tensor [fit, ...]
        precision : tensor [fit, target]
            Weight of each target's squared error.
        active : tensor [fit]
            0 for fits that have stopped.
        rate : tensor [fit]
            Learning rate.
        keys : int64 tensor [fit, 2]
            Seeds of the dropout.
        epoch, first_step : int64 tensor
            Which step of the training the first of these is.

        Returns
        -------
        tuple
            Weights, and the sum of the losses and the number of rows and targets [fit].
        """
        # Cut once for all steps: a cut copies.
        parameters, first, second = (self.cut(part) for part in weights[:3])
        counts = weights[3]
        total, shares = tf.zeros_like(active), tf.zeros_like(active)
        for step in tf.range(steps):
            x, y, seen = fetch(step)
            noise = self.noise(keys, epoch, first_step + tf.cast(step, tf.int64), x.shape[0])
            losses, gradients = _mapped(
                self._one, (parameters, state, x, y, seen, precision, noise)
            )
            # A step without rows of its own must not move a fit or its moments.
            share = tf.reduce_max(seen, axis=(1, 2)) * active
            counts += share
            parameters, first, second = self._adam(
                parameters, first, second, gradients, counts, share, rate
            )
            rows = tf.reduce_sum(seen, axis=(1, 2))
            total += losses * rows
            shares += rows
        joined = (tf.concat([_rows(p) for p in part], 1) for part in (parameters, first, second))
        return (*joined, counts), total, shares

    def apply(self, parameters: Any, state: list[Any], x: Any) -> Any:
        """Output [fit, row, sample, target] of every fit on rows of its own."""
        count = len(self.model.non_trainable_variables)

        def one(arguments: Any) -> Any:
            weights, state, x = arguments
            others = list(state[:count])
            return self.model.stateless_call(list(weights), others, x, training=False)[0]

        return _mapped(one, (self.cut(parameters), state, x))

    def _one(self, arguments: Any) -> Any:
        """Loss and gradient of one fit on one batch."""
        weights, state, x, y, seen, precision, noise = arguments
        weights = list(weights)
        supply = iter(noise)
        with tf.GradientTape() as tape:
            tape.watch(weights)
            with supplied_noise(lambda _: next(supply)) if noise else nullcontext():
                refined, _, added = self.training_model.stateless_call(
                    [weights[i] for i in self.order],
                    [state[i] for i in self.fixed],
                    [x, y] if self.takes_targets else x,
                    training=True,
                    return_losses=True,
                )
            loss = loss_of(refined, y, seen, precision)
            objective = loss + tf.add_n(added) if added else loss
        gradients = tape.gradient(objective, weights, unconnected_gradients="zero")
        return loss, gradients

    def noise(self, keys: Any, epoch: Any, step: Any, fits: int) -> list[Any]:
        """Uniform numbers [fit, ...] for each place that asks; each fit draws its own."""
        when = epoch * 2**20 + step
        drawn = []
        for place, shape in enumerate(self.noise_shapes):
            each = [
                tf.random.stateless_uniform(
                    shape,
                    tf.stack([keys[fit, 0] + place * 2**32, keys[fit, 1] * 2**40 + when]),
                    alg="philox",
                )
                for fit in range(fits)
            ]
            drawn.append(tf.stack(each))
        return drawn

    def _take_step(
        self,
        parameters: list[Any],
        first: list[Any],
        second: list[Any],
        gradients: list[Any],
        counts: Any,
        share: Any,
        rate: Any,
    ) -> Any:
        """Take a step of Adam as Keras does it, for the fits whose `share` is not 0."""
        done = tf.maximum(counts, 1.0)
        step = rate * tf.sqrt(1 - BETA_2**done) / (1 - BETA_1**done)
        kept = 1 - rate * self.weight_decay
        moved: tuple[list[Any], ...] = ([], [], [])
        for weight, mean, square, gradient in zip(
            parameters, first, second, gradients, strict=True
        ):
            by_fit = (-1, *(1,) * (len(weight.shape) - 1))
            new_mean = mean + (gradient - mean) * (1 - BETA_1)
            new_square = square + (gradient * gradient - square) * (1 - BETA_2)
            new = weight * tf.reshape(kept, by_fit)
            new -= tf.reshape(step, by_fit) * new_mean / (tf.sqrt(new_square) + EPSILON)
            moving = tf.reshape(share > 0, by_fit)
            for part, after, before in zip(
                moved, (new, new_mean, new_square), (weight, mean, square), strict=True
            ):
                part.append(tf.where(moving, after, before))
        return moved


def _mapped(function: Callable[[Any], Any], arguments: Any) -> Any:
    """Map over the first axis; a single fit, large as it may be, is not copied for that."""
    if tf.nest.flatten(arguments)[0].shape[0] != 1:
        return tf.vectorized_map(function, arguments)
    found = function(tf.nest.map_structure(lambda tensor: tf.squeeze(tensor, 0), arguments))
    return tf.nest.map_structure(lambda tensor: tf.expand_dims(tensor, 0), found)


def _rows(tensor: Any) -> Any:
    """Lay each fit's tensor out as a row."""
    return tf.reshape(tensor, (tensor.shape[0], -1))


def state_of(model: keras.Model) -> list[Any]:
    """Return what is not trained: the model's own, then what only its training model has."""
    state = list(model.non_trainable_variables)
    known = {id(v) for v in state}
    training_model = model.__dict__.get("training_model")
    if training_model is not None:
        state += [v for v in training_model.non_trainable_variables if id(v) not in known]
    return state


def loss_of(refined: Any, measured: Any, seen: Any, precision: Any) -> Any:
    """Mean squared error in units of each target's spread, over the targets that are present.

    Parameters
    ----------
    refined, measured : tensor [..., row, sample, target]
    seen : tensor [..., row, target]
    precision : tensor [..., target]

    Returns
    -------
    tensor [...]
    """
    squared = tf.reduce_mean((refined - measured) ** 2, axis=-2) * precision[..., None, :]
    total = tf.reduce_sum(squared * seen, axis=(-2, -1))
    return total / tf.maximum(tf.reduce_sum(seen, axis=(-2, -1)), 1.0)


def precision_of(measured: NDArray[np.float32], seen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """One over the variance of each target, so that no muscle counts more for being louder."""
    precision = np.ones(measured.shape[-1], np.float32)
    for target in range(measured.shape[-1]):
        values = measured[seen[:, target], :, target].astype(np.float64)
        if values.size and values.var() > 1e-12:
            precision[target] = 1 / values.var()
    return precision
