"""Fitting many small networks at once.

A cross-validation is many identical fits. They are mapped over with ``tf.vectorized_map``: the
gradient of one fit, through ``Model.stateless_call``, becomes that of all of them, in operations
that are large enough to be worth starting.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nem2e_tf.training.recipe import Recipe
from nem2e_tf.zoo.forms import calibrated
from nem2e_tf.zoo.layers import supplied_noise

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of inputs and of targets that belong together."""

    inputs: NDArray[np.intp]
    targets: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Task:
    """One fit: which rows it is trained, validated and applied on.

    Attributes
    ----------
    seed : int
        Of the initial weights.
    stream : tuple of int
        Seeds the order of the rows and the dropout; differs between fits.
    training, validation, application : Rows
    """

    seed: int
    stream: tuple[int, ...]
    training: Rows
    validation: Rows
    application: Rows


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a fit came to.

    Attributes
    ----------
    weights : list of array
        In the order of ``model.weights``.
    epochs : int
        The epoch whose weights are kept, counted from 1.
    history : float32 array [epoch, 3]
        Loss on training, validation and application rows; NaN where there are none.
    applied : float32 array [row, sample, target]
        Output for the application rows.
    """

    weights: list[NDArray[Any]]
    epochs: int
    history: NDArray[np.float32]
    applied: NDArray[np.float32]


@dataclass(frozen=True)
class Sizes:
    """Fits and rows that a trainer is traced for; smaller work is padded."""

    fits: int
    training: int
    validation: int
    application: int


class Trainer:
    """Trains up to ``sizes.fits`` networks of one architecture together.

    Parameters
    ----------
    make : callable
        Makes the model; called anew for each seed, so that initial weights are Keras' own.
    recipe : Recipe
    sizes : Sizes
    """

    def __init__(self, make: Callable[[], keras.Model], recipe: Recipe, sizes: Sizes) -> None:
        self.make = make
        self.recipe = recipe
        self.sizes = sizes
        self.model = make()
        self.training_model = self.model.__dict__.get("training_model") or self.model
        self.initial: dict[int, list[NDArray[Any]]] = {}
        order = {id(v): i for i, v in enumerate(self.model.trainable_variables)}
        self.order = [order[id(v)] for v in self.training_model.trainable_variables]
        fixed = {id(v): i for i, v in enumerate(self.model.non_trainable_variables)}
        self.state = list(self.model.non_trainable_variables)
        for variable in self.training_model.non_trainable_variables:
            if id(variable) not in fixed:
                fixed[id(variable)] = len(self.state)
                self.state.append(variable)
        self.fixed = [fixed[id(v)] for v in self.training_model.non_trainable_variables]
        self.progress = [
            i for i, v in enumerate(self.state) if v.path.endswith("training_progress")
        ]
        self.shapes = [tuple(v.shape) for v in self.model.trainable_variables]
        self.lengths = [int(np.prod(shape)) for shape in self.shapes]
        self.batch = min(recipe.batch_size, sizes.training)
        self.steps = -(-sizes.training // self.batch)
        self.noise_shapes = self._asked_noise()
        self._train_epoch = tf.function(self._epoch, reduce_retracing=True)
        self._apply_all = tf.function(self._apply, reduce_retracing=True)
        self._adam = tf.function(_adam, jit_compile=True)

    def fit(
        self,
        inputs: NDArray[np.float32],
        targets: NDArray[np.float32],
        present: NDArray[np.bool_],
        tasks: Sequence[Task],
        *,
        on_epoch: Callable[[int], None] | None = None,
    ) -> list[Fitted]:
        """Fit.

        Parameters
        ----------
        inputs : float32 array [row, sample, channel]
        targets : float32 array [row, sample, target]
        present : bool array [row, target]
        tasks : sequence of Task
            At most ``sizes.fits``; the rest is padded with copies of the first.
        on_epoch : callable, optional
            Told the number of epochs done.

        Returns
        -------
        list of Fitted
            One a task.
        """
        recipe = self.recipe
        padded = list(tasks) + [tasks[0]] * (self.sizes.fits - len(tasks))
        parameters, state, precision = self._start(inputs, targets, present, padded)
        data = (tf.constant(inputs), tf.constant(targets), tf.constant(present, tf.float32))
        moments = [tf.zeros_like(parameters), tf.zeros_like(parameters)]
        counts = tf.zeros((self.sizes.fits,))
        validating = np.array([len(task.validation.inputs) > 0 for task in padded])
        limits = np.where(validating, recipe.epochs, recipe.epochs_without_validation)
        validation = self._padded([t.validation for t in padded], self.sizes.validation)
        application = self._padded([t.application for t in padded], self.sizes.application)
        orders = [np.random.Generator(np.random.PCG64([*t.stream, t.seed])) for t in padded]
        keys = tf.constant([[t.stream[0] % 2**31, t.seed] for t in padded], tf.int32)

        active = np.ones(len(padded), bool)
        best_error = np.full(len(padded), np.inf)
        best_epoch = np.zeros(len(padded), int)
        best = parameters
        history = np.full((len(padded), int(limits.max()), 3), np.nan, np.float32)
        for epoch in range(int(limits.max())):
            rows = self._shuffled([t.training for t in padded], orders)
            for index in self.progress:
                state[index] = tf.fill((self.sizes.fits,), np.float32(epoch / recipe.epochs))
            parameters, moments[0], moments[1], counts, state, losses = self._train_epoch(
                *data,
                *rows,
                parameters,
                *moments,
                counts,
                state,
                precision,
                tf.constant(active, tf.float32),
                tf.constant(recipe.learning_rate_at(epoch), tf.float32),
                keys,
                tf.constant(epoch),
            )
            history[active, epoch, 0] = losses.numpy()[active]
            for column, chosen in ((1, validation), (2, application)):
                if chosen is not None:
                    errors = self._apply_all(*data, *chosen, parameters, state, precision)[
                        1
                    ].numpy()
                    history[active, epoch, column] = errors[active]
            error = np.where(validating, history[:, epoch, 1], -np.inf)
            # Without validation rows the last epoch counts as the best.
            better = active & ((error < best_error) | ~validating)
            best = tf.where(better[:, None], parameters, best)
            best_error = np.where(better, error, best_error)
            best_epoch = np.where(better, epoch + 1, best_epoch)
            active &= epoch + 1 < limits
            if recipe.patience:
                active &= ~validating | (epoch + 1 - best_epoch < recipe.patience)
            if on_epoch is not None:
                on_epoch(epoch + 1)
            if not active[: len(tasks)].any():
                break
        applied = (
            np.zeros((len(padded), 0, *targets.shape[1:]), np.float32)
            if application is None
            else self._apply_all(*data, *application, best, state, precision)[0].numpy()
        )
        return [
            Fitted(
                weights=self._weights(best.numpy()[i], [value.numpy()[i] for value in state]),
                epochs=int(best_epoch[i]),
                history=history[i][: _length(history[i])],
                applied=applied[i, : len(task.application.inputs)],
            )
            for i, task in enumerate(tasks)
        ]

    def _start(
        self, inputs: Any, targets: Any, present: Any, tasks: Sequence[Task]
    ) -> tuple[tf.Tensor, list[tf.Tensor], tf.Tensor]:
        """Initial weights [fit, weight], other state and the targets' precision [fit, target]."""
        count = len(self.model.trainable_variables)
        flat, states, precisions = [], [], []
        for task in tasks:
            if task.seed not in self.initial:
                self.initial[task.seed] = _initial_weights(self.make, task.seed)
            flat.append(
                np.concatenate([w.ravel() for w in self.initial[task.seed][:count]])
                if count
                else np.zeros(0, np.float32)
            )
            rows = task.training
            x, y, seen = inputs[rows.inputs], targets[rows.targets], present[rows.targets]
            values = [np.asarray(v) for v in self.state]
            for index, value in calibrated(self.model, x, y, seen).items():
                values[index] = value
            states.append(values)
            precisions.append(_precision(y, seen))
        state = [tf.constant(np.stack(values)) for values in zip(*states, strict=True)]
        return tf.constant(np.stack(flat)), state, tf.constant(np.stack(precisions))

    def _padded(self, rows: Sequence[Rows], size: int) -> tuple[Any, ...] | None:
        if not size:
            return None
        chosen = np.zeros((2, len(rows), size), np.int32)
        used = np.zeros((len(rows), size), np.float32)
        for i, row in enumerate(rows):
            chosen[0, i, : len(row.inputs)] = row.inputs
            chosen[1, i, : len(row.inputs)] = row.targets
            used[i, : len(row.inputs)] = 1
        return tf.constant(chosen[0]), tf.constant(chosen[1]), tf.constant(used)

    def _shuffled(self, rows: Sequence[Rows], orders: Sequence[np.random.Generator]) -> Any:
        """Rows of every step, [step, fit, batch], in a new order for each fit."""
        size = self.steps * self.batch
        chosen = np.zeros((3, len(rows), size), np.int32)
        for i, (row, order) in enumerate(zip(rows, orders, strict=True)):
            shuffled = order.permutation(len(row.inputs))
            chosen[0, i, : len(shuffled)] = row.inputs[shuffled]
            chosen[1, i, : len(shuffled)] = row.targets[shuffled]
            chosen[2, i, : len(shuffled)] = 1
        steps = chosen.reshape(3, len(rows), self.steps, self.batch).transpose(0, 2, 1, 3)
        return tf.constant(steps[0]), tf.constant(steps[1]), tf.constant(steps[2], tf.float32)

    def _unpacked(self, flat: Any) -> list[Any]:
        parts = tf.split(flat, self.lengths)
        return [tf.reshape(p, shape) for p, shape in zip(parts, self.shapes, strict=True)]

    def _epoch(
        self,
        inputs: Any,
        targets: Any,
        present: Any,
        input_rows: Any,
        target_rows: Any,
        used: Any,
        parameters: Any,
        first: Any,
        second: Any,
        counts: Any,
        state: Any,
        precision: Any,
        active: Any,
        rate: Any,
        keys: Any,
        epoch: Any,
    ) -> Any:
        """Run all steps of one epoch; returns the new state and each fit's mean loss."""
        total = tf.zeros((self.sizes.fits,))
        shares = tf.zeros((self.sizes.fits,))
        for step in tf.range(self.steps):
            x = tf.gather(inputs, input_rows[step])
            y = tf.gather(targets, target_rows[step])
            seen = tf.gather(present, target_rows[step]) * used[step][:, :, None]
            noise = self._noise(keys, epoch, step)
            losses, gradients, state = tf.vectorized_map(
                self._one, (parameters, state, x, y, seen, precision, noise)
            )
            # A step without rows of its own must not move a fit, nor its moments.
            share = tf.reduce_max(seen, axis=(1, 2)) * active
            counts += share
            parameters, first, second = self._adam(
                parameters, first, second, gradients, counts, share, rate, self.recipe.weight_decay
            )
            rows = tf.reduce_sum(seen, axis=(1, 2))
            total += losses * rows
            shares += rows
        return parameters, first, second, counts, state, total / tf.maximum(shares, 1.0)

    def _one(self, arguments: Any) -> Any:
        """Loss and gradient of one fit on one batch."""
        flat, state, x, y, seen, precision, noise = arguments
        weights = self._unpacked(flat)
        takes_measured = self.training_model is not self.model
        supply = iter(noise)
        with tf.GradientTape() as tape:
            tape.watch(weights)
            with supplied_noise(lambda _: next(supply)) if noise else nullcontext():
                refined, others, added = self.training_model.stateless_call(
                    [weights[i] for i in self.order],
                    [state[i] for i in self.fixed],
                    [x, y] if takes_measured else x,
                    training=True,
                    return_losses=True,
                )
            loss = _loss(refined, y, seen, precision)
            objective = loss + tf.add_n(added) if added else loss
        gradients = tape.gradient(objective, weights, unconnected_gradients="zero")
        state = list(state)
        for index, value in zip(self.fixed, others, strict=True):
            state[index] = value
        return loss, tf.concat([tf.reshape(g, (-1,)) for g in gradients], axis=0), state

    def _apply(
        self,
        inputs: Any,
        targets: Any,
        present: Any,
        input_rows: Any,
        target_rows: Any,
        used: Any,
        parameters: Any,
        state: Any,
        precision: Any,
    ) -> Any:
        """Output and loss of every fit on its rows [fit, row]."""
        count = len(self.model.non_trainable_variables)

        def one(arguments: Any) -> Any:
            flat, state, x, y, seen, precision = arguments
            refined, _ = self.model.stateless_call(
                self._unpacked(flat), list(state[:count]), x, training=False
            )
            return refined, _loss(refined, y, seen, precision)

        seen = tf.gather(present, target_rows) * used[:, :, None]
        x, y = tf.gather(inputs, input_rows), tf.gather(targets, target_rows)
        return tf.vectorized_map(one, (parameters, state, x, y, seen, precision))

    def _asked_noise(self) -> list[tuple[int, ...]]:
        """Find out which random numbers the model asks for in one step, and in which order."""
        shapes: list[tuple[int, ...]] = []

        def note(shape: tuple[int | None, ...]) -> Any:
            shapes.append(tuple(int(size or self.batch) for size in shape))
            return tf.zeros(shapes[-1])

        zeros = [tf.zeros((self.batch, *t.shape[1:])) for t in self.training_model.inputs]
        with supplied_noise(note):
            self.training_model.stateless_call(
                [self.model.trainable_variables[i] for i in self.order],
                [self.state[i] for i in self.fixed],
                zeros if self.training_model is not self.model else zeros[0],
                training=True,
            )
        return shapes

    def _noise(self, keys: Any, epoch: Any, step: Any) -> list[Any]:
        """Uniform numbers [fit, ...] for each place that asks; each fit draws its own."""
        drawn = []
        for place, shape in enumerate(self.noise_shapes):
            each = [
                tf.random.stateless_uniform(
                    shape,
                    tf.stack([keys[i, 0] + place, (keys[i, 1] * 65_537 + epoch) * 4_096 + step]),
                    alg="philox",
                )
                for i in range(self.sizes.fits)
            ]
            drawn.append(tf.stack(each))
        return drawn

    def _weights(self, flat: NDArray[Any], state: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Weights of one fit in the order of ``model.weights``."""
        ends = np.cumsum(self.lengths)
        values: dict[int, NDArray[Any]] = {
            id(v): flat[end - length : end].reshape(shape)
            for v, end, length, shape in zip(
                self.model.trainable_variables, ends, self.lengths, self.shapes, strict=True
            )
        }
        values |= {id(v): value for v, value in zip(self.state, state, strict=True)}
        return [values[id(v)] for v in self.model.weights]


def _loss(refined: Any, measured: Any, seen: Any, precision: Any) -> Any:
    """Mean squared error in units of each target's spread, over the targets that are present."""
    squared = tf.reduce_mean((refined - measured) ** 2, axis=1) * precision
    return tf.reduce_sum(squared * seen) / tf.maximum(tf.reduce_sum(seen), 1.0)


def _precision(measured: NDArray[np.float32], seen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """One over the variance of each target, so that no muscle counts more for being louder."""
    precision = np.ones(measured.shape[-1], np.float32)
    for target in range(measured.shape[-1]):
        values = measured[seen[:, target], :, target].astype(np.float64)
        if values.size and values.var() > 1e-12:
            precision[target] = 1 / values.var()
    return precision


def _adam(
    parameters: Any,
    first: Any,
    second: Any,
    gradients: Any,
    counts: Any,
    share: Any,
    rate: Any,
    weight_decay: float,
) -> Any:
    """Take a step of Adam as Keras does it, for the fits whose `share` is not 0."""
    moving = (share > 0)[:, None]
    new_first = first + (gradients - first) * (1 - BETA_1)
    new_second = second + (gradients * gradients - second) * (1 - BETA_2)
    done = tf.maximum(counts, 1.0)
    step = rate * tf.sqrt(1 - BETA_2**done) / (1 - BETA_1**done)
    kept = parameters * (1 - rate * weight_decay)
    moved = kept - step[:, None] * new_first / (tf.sqrt(new_second) + EPSILON)
    return (
        tf.where(moving, moved, parameters),
        tf.where(moving, new_first, first),
        tf.where(moving, new_second, second),
    )


def _initial_weights(make: Callable[[], keras.Model], seed: int) -> list[NDArray[Any]]:
    """Trainable weights of a fresh model made under a seed."""
    keras.utils.set_random_seed(seed)
    return [np.asarray(v) for v in make().trainable_variables]


def _length(history: NDArray[np.float32]) -> int:
    return int(np.isfinite(history[:, 0]).sum())
