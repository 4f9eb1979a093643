"""Train many small networks of one architecture together.

A cross-validation consists of many similar fits. ``tf.vectorized_map`` maps the gradient of one
fit, through ``Model.stateless_call``, over all of them: a few large operations instead of many
small ones. Weights, other state and Adam's moments get a first axis over fits.
"""

import random
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.training.recipe import Recipe
from nem2e_tf.training.rows import Data, Rows, Task
from nem2e_tf.zoo.blocks import chosen
from nem2e_tf.zoo.layers import supplied_noise
from nem2e_tf.zoo.models import all_layers, calibrated, for_training, set_recurrence_form

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7


@dataclass(frozen=True, eq=False)
class Fitted:
    """The result of a fit.

    Attributes
    ----------
    weights : list of array
        In the order of ``model.weights``.
    epochs : int
        The epoch whose weights are kept, counted from 1; 0 if the fit diverged: it never had a
        finite error.
    history : float32 array [epoch, 3]
        Loss on training, validation and application rows; NaN where there are none.
    applied : float32 array [row, sample, target]
        Output for the application rows; NaN if the fit diverged.
    """

    weights: list[NDArray[Any]]
    epochs: int
    history: NDArray[np.float32]
    applied: NDArray[np.float32]


@dataclass(frozen=True)
class Sizes:
    """Numbers of fits and rows that a trainer is traced for; smaller tasks are padded."""

    fits: int
    training: int
    validation: int
    application: int


def padded_rows(rows: Sequence[Rows], size: int) -> NDArray[np.int32]:
    """Put the rows of several fits into one array.

    Returns
    -------
    int32 array [3, fit, size]
        Rows of inputs, rows of targets, and 1 for a row and 0 for padding.
    """
    chosen = np.zeros((3, len(rows), size), np.int32)
    for fit, row in enumerate(rows):
        n = len(row.inputs)
        chosen[:, fit, :n] = row.inputs, row.targets, np.ones(n)
    return chosen


def shuffled_rows(
    rows: Sequence[Rows], orders: Sequence[np.random.Generator], *, steps: int, batch: int
) -> NDArray[np.int32]:
    """Distribute the rows of each fit over steps, in a new order.

    Returns
    -------
    int32 array [3, step, fit, batch]
        As `padded_rows`.
    """
    mixed = []
    for row, order in zip(rows, orders, strict=True):
        places = order.permutation(len(row.inputs))
        mixed.append(Rows(row.inputs[places], row.targets[places]))
    padded = padded_rows(mixed, steps * batch)
    return padded.reshape(3, len(rows), steps, batch).transpose(0, 2, 1, 3)


class MappedModel:
    """A model that takes its weights as arguments, one set per fit.

    Parameters
    ----------
    model : keras.Model
    training_model : keras.Model
        Called in training: the model itself, or one that shares its weights and takes the targets
        as well; see `nem2e_tf.zoo.Entry.in_training`.
    batch : int
        Rows per step.
    weight_decay : float
        Decoupled, as Keras' ``weight_decay``.

    Attributes
    ----------
    state : list of keras.Variable
        Non-trainable variables: those of the model, then those of its training model alone.
    progress : list of int
        Indices in `state` of variables that hold the fraction of the training that is done.
    """

    def __init__(
        self,
        model: keras.Model,
        training_model: keras.Model,
        *,
        batch: int,
        weight_decay: float,
    ) -> None:
        self.model = model
        self.batch = batch
        self.weight_decay = weight_decay
        self.training_model = training_model
        self.takes_targets = len(training_model.inputs) > 1
        order = {id(v): i for i, v in enumerate(model.trainable_variables)}
        self.order = [order[id(v)] for v in self.training_model.trainable_variables]
        self.state = state_of(model, training_model)
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
        """Return the shapes of the random numbers that a step draws, in order.

        A layer that changes its state in training is refused: incomplete batches are padded with
        other rows, which would change that state too.
        """
        shapes: list[tuple[int, ...]] = []

        def note(shape: tuple[int | None, ...]) -> Any:
            shapes.append(tuple(int(size or self.batch) for size in shape))
            return tf.zeros(shapes[-1])

        zeros = [tf.zeros((self.batch, *t.shape[1:])) for t in self.training_model.inputs]
        before = [self.state[i].value for i in self.fixed]
        with supplied_noise(note):
            _, after = self.training_model.stateless_call(
                [self.model.trainable_variables[i].value for i in self.order],
                before,
                zeros if self.takes_targets else zeros[0],
                training=True,
            )
        for index, old, new in zip(self.fixed, before, after, strict=True):
            if new is not old:
                raise InputError(self._changing(self.state[index]))
        return shapes

    def _changing(self, variable: Any) -> str:
        owners = [
            f"layer {layer.name}, a {type(layer).__name__}"
            for layer in all_layers(self.training_model)
            if any(variable is own for own in layer.non_trainable_variables)
        ]
        instead = "normalise by row (LayerNormalisation) instead of by batch"
        if "seed_generator" in variable.path:
            instead = "draw random numbers in a layer Dropout of its own only"
        return (
            f"{owners[-1] if owners else 'the model'}, {variable.path}: expected state that stays "
            f"constant in training, found one that changes; {instead}"
        )

    def cut(self, flat: Any) -> list[Any]:
        """Split flat weights [fit, weight] into the model's tensors [fit, ...]."""
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
        # Once for all steps, because it copies.
        parameters, first, second = (self.cut(part) for part in weights[:3])
        counts = weights[3]
        total, shares = tf.zeros_like(active), tf.zeros_like(active)
        for step in tf.range(steps):
            x, y, seen = fetch(step)
            noise = self.noise(keys, epoch, first_step + tf.cast(step, tf.int64), x.shape[0])
            losses, gradients = _mapped(
                self._one, (parameters, state, x, y, seen, precision, noise)
            )
            # A step without rows must not change the weights or moments of a fit.
            share = tf.reduce_max(seen, axis=(1, 2)) * active
            counts += share
            parameters, first, second = self._adam(
                parameters, first, second, gradients, counts, share, rate
            )
            rows = tf.reduce_sum(seen, axis=(1, 2))
            total += losses * rows
            shares += rows
        joined = (
            tf.concat([tf.reshape(p, (p.shape[0], -1)) for p in part], 1)
            for part in (parameters, first, second)
        )
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
        """Uniform random numbers [fit, ...] for each draw of a step; fits are independent."""
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
        """Take a step of Keras' Adam for the fits whose `share` is not 0."""
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
    """Map over the first axis; a single fit, which may be large, is not copied."""
    if tf.nest.flatten(arguments)[0].shape[0] != 1:
        return tf.vectorized_map(function, arguments)
    found = function(tf.nest.map_structure(lambda tensor: tf.squeeze(tensor, 0), arguments))
    return tf.nest.map_structure(lambda tensor: tf.expand_dims(tensor, 0), found)


def state_of(model: keras.Model, training_model: keras.Model) -> list[Any]:
    """Return non-trainable variables: the model's, then those of its training model alone."""
    state = list(model.non_trainable_variables)
    known = {id(v) for v in state}
    return state + [v for v in training_model.non_trainable_variables if id(v) not in known]


def loss_of(refined: Any, measured: Any, seen: Any, precision: Any) -> Any:
    """Mean squared error over the present targets, each relative to its variance.

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
    """One over the variance of each target, so that all muscles count the same."""
    precision = np.ones(measured.shape[-1], np.float32)
    for target in range(measured.shape[-1]):
        values = measured[seen[:, target], :, target].astype(np.float64)
        if values.size and values.var() > 1e-12:
            precision[target] = 1 / values.var()
    return precision


LARGEST_IN_GRAPH = 256 * 2**20
"""Bytes of inputs up to which they become one tensor; larger ones are read block by block."""

BLOCK = 64 * 2**20
"""Bytes of inputs that are read at a time."""


class Trainer:
    """Trains up to ``sizes.fits`` networks of one architecture together.

    Parameters
    ----------
    make : callable
        Creates the model; called again for each seed, for Keras' own initial weights.
    recipe : Recipe
    sizes : Sizes
    in_training : callable, optional
        Returns the model that is called in training; see `nem2e_tf.zoo.Entry.in_training`.
    """

    def __init__(
        self,
        make: Callable[[], keras.Model],
        recipe: Recipe,
        sizes: Sizes,
        *,
        in_training: Callable[[keras.Model], keras.Model] = lambda model: model,
    ) -> None:
        self.make = make
        self.in_training = in_training
        self.recipe = recipe
        self.sizes = sizes
        self.batch = min(recipe.batch_size, sizes.training)
        self.steps = -(-sizes.training // self.batch)
        self.model = make()
        set_recurrence_form(self.model, "unrolled")
        self.mapped = MappedModel(
            self.model,
            for_training(in_training(self.model)),
            batch=self.batch,
            weight_decay=recipe.weight_decay,
        )
        self.initial: dict[int, tuple[NDArray[np.float32], list[NDArray[Any]]]] = {}
        self._train_gathered = tf.function(self._train_from_rows, reduce_retracing=True)
        self._train_given = tf.function(self._train_from_block, reduce_retracing=True)
        self._apply_gathered = tf.function(self._apply_to_rows, reduce_retracing=True)
        self._apply_given = tf.function(self._apply_to_block, reduce_retracing=True)

    def fit(
        self,
        data: Data,
        tasks: Sequence[Task],
        *,
        on_epoch: Callable[[int], None] | None = None,
    ) -> list[Fitted]:
        """Fit the tasks together; each stops early by itself.

        Parameters
        ----------
        data : Data
        tasks : sequence of Task
            At most ``sizes.fits``; fewer are padded with copies of the first.
        on_epoch : callable, optional
            Is called with the number of epochs done.

        Returns
        -------
        list of Fitted
            One per task.
        """
        recipe, n_fits = self.recipe, self.sizes.fits
        padded = list(tasks) + [tasks[0]] * (n_fits - len(tasks))
        parameters, state, precision = self._start(data, padded)
        access = self._access(data)
        zeros = tf.zeros_like(parameters)
        weights = (parameters, zeros, zeros, tf.zeros((n_fits,)))
        has = np.array([[len(t.validation.inputs), len(t.application.inputs)] for t in padded]) > 0
        validating = has[:, 0]
        limits = np.where(validating, recipe.epochs, recipe.epochs_without_validation)
        aside = [
            padded_rows([t.validation for t in padded], self.sizes.validation),
            padded_rows([t.application for t in padded], self.sizes.application),
        ]
        orders = [np.random.Generator(np.random.PCG64([t.stream, t.seed])) for t in padded]
        keys = tf.constant([[t.stream, t.seed] for t in padded], tf.int64)

        active = np.ones(n_fits, bool)
        best_error = np.full(n_fits, np.inf)
        best_epoch = np.zeros(n_fits, int)
        best = parameters
        history = np.full((n_fits, int(limits.max()), 3), np.nan, np.float32)
        for epoch in range(int(limits.max())):
            for index in self.mapped.progress:
                state[index] = tf.constant(epoch / limits, tf.float32)
            rates = [recipe.learning_rate_at(epoch, int(limit)) for limit in limits]
            rows = shuffled_rows(
                [t.training for t in padded], orders, steps=self.steps, batch=self.batch
            )
            weights, losses = self._train_epoch(
                access,
                rows,
                weights=weights,
                state=state,
                precision=precision,
                active=tf.constant(active, tf.float32),
                rate=tf.constant(rates, tf.float32),
                keys=keys,
                epoch=tf.constant(epoch, tf.int64),
            )
            history[active, epoch, 0] = losses[active]
            if (active[:, None] & has).any():
                errors = self._apply(access, aside, weights[0], state, precision, keep=False)[1]
                for column, known in enumerate(has.T & active):
                    history[known, epoch, 1 + column] = errors[column, known]
            # Without a validation set, the last epoch with a finite loss is the best.
            error = np.where(validating, history[:, epoch, 1], history[:, epoch, 0])
            better = active & np.isfinite(error) & ((error < best_error) | ~validating)
            best = tf.where(better[:, None], weights[0], best)
            best_error = np.where(better, error, best_error)
            best_epoch = np.where(better, epoch + 1, best_epoch)
            active &= epoch + 1 < limits
            if recipe.patience:
                active &= ~validating | (epoch + 1 - best_epoch < recipe.patience)
            if on_epoch is not None:
                on_epoch(epoch + 1)
            if not active[: len(tasks)].any():
                break
        applied = self._apply(access, aside, best, state, precision, keep=True)[0]
        applied = applied[:, self.sizes.validation :]
        applied[best_epoch == 0] = np.nan
        values = [value.numpy() for value in state]
        return [
            Fitted(
                weights=self._weights(best.numpy()[i], [value[i] for value in values]),
                epochs=int(best_epoch[i]),
                history=history[i][
                    : int(np.flatnonzero(~np.isnan(history[i, :, 0])).max(initial=-1)) + 1
                ],
                applied=applied[i, : len(task.application.inputs)],
            )
            for i, task in enumerate(tasks)
        ]

    def _start(
        self, data: Data, tasks: Sequence[Task]
    ) -> tuple[tf.Tensor, list[tf.Tensor], tf.Tensor]:
        """Initial weights [fit, weight], other state and the targets' precision [fit, target]."""
        flat, states, precisions = [], [], []
        for task in tasks:
            if task.seed not in self.initial:
                self.initial[task.seed] = self._initial(task.seed)
            weights, values = self.initial[task.seed]
            rows = task.training
            x = chosen(data.inputs, rows.inputs)
            y, seen = data.targets[rows.targets], data.present[rows.targets]
            values = list(values)
            for index, value in calibrated(self.model, x, y, seen).items():
                values[index] = value
            flat.append(weights)
            states.append(values)
            precisions.append(precision_of(y, seen))
        state = [tf.constant(np.stack(values)) for values in zip(*states, strict=True)]
        return tf.constant(np.stack(flat)), state, tf.constant(np.stack(precisions))

    def _initial(self, seed: int) -> tuple[NDArray[np.float32], list[NDArray[Any]]]:
        """Flat trainable weights and other state of a fresh model whose initialisers have a seed.

        The caller's random numbers continue as if none had been drawn.
        """
        before, before_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 (Keras seeds it)
        keras.utils.set_random_seed(seed)
        model = self.make()
        training_model = for_training(self.in_training(model))
        random.setstate(before)
        np.random.set_state(before_numpy)  # noqa: NPY002
        weights = [np.asarray(v.value).ravel() for v in model.trainable_variables]
        state = [np.asarray(v.value) for v in state_of(model, training_model)]
        return np.concatenate(weights), state

    def _access(self, data: Data) -> Any:
        """Return tensors if the inputs are small, otherwise the arrays."""
        if data.inputs.nbytes > LARGEST_IN_GRAPH:
            return data
        present = tf.constant(data.present, tf.float32)
        return tf.constant(data.inputs), tf.constant(data.targets), present

    def _train_epoch(self, access: Any, rows: NDArray[np.int32], **others: Any) -> Any:
        """Run all steps of one epoch; returns weights and each fit's mean loss."""
        if not isinstance(access, Data):
            weights, total, shares = self._train_gathered(
                access, tf.constant(rows), first_step=tf.constant(0, tf.int64), **others
            )
            return weights, (total / tf.maximum(shares, 1.0)).numpy()
        size = int(np.prod(access.inputs.shape[1:])) * 4 * rows.shape[2] * rows.shape[3]
        block = max(1, min(self.steps, BLOCK // size))
        losses, counted = np.zeros(rows.shape[2]), np.zeros(rows.shape[2])
        weights = others.pop("weights")
        for start in range(0, self.steps, block):
            part = rows[:, start : start + block]
            missing = block - part.shape[1]
            part = np.pad(part, ((0, 0), (0, missing), (0, 0), (0, 0)))
            weights, total, shares = self._train_given(
                _read(access, part),
                weights=weights,
                first_step=tf.constant(start, tf.int64),
                **others,
            )
            losses += total.numpy()
            counted += shares.numpy()
        return weights, losses / np.maximum(counted, 1)

    def _train_from_rows(self, tensors: Any, rows: Any, **others: Any) -> Any:
        inputs, targets, present = tensors

        def fetch(step: Any) -> Any:
            used = tf.cast(rows[2, step], tf.float32)[:, :, None]
            x, y = tf.gather(inputs, rows[0, step]), tf.gather(targets, rows[1, step])
            return x, y, tf.gather(present, rows[1, step]) * used

        return self.mapped.train_steps(fetch, self.steps, **others)

    def _train_from_block(self, block: Any, **others: Any) -> Any:
        x, y, seen = block
        return self.mapped.train_steps(
            lambda step: (x[step], y[step], seen[step]), x.shape[0], **others
        )

    def _apply(
        self, access: Any, parts: list[NDArray[np.int32]], *model: Any, keep: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Output [fit, row, sample, target], if kept, on padded rows; loss of parts [part, fit]."""
        rows = np.concatenate(parts, axis=2)
        ends = np.cumsum([part.shape[2] for part in parts])
        which = np.searchsorted(ends, np.arange(rows.shape[2]), side="right")
        # 1 where a row belongs to a part, else 0: each part has a loss of its own.
        shares = (which[None] == np.arange(len(parts))[:, None]).astype(np.float32)
        n_rows, n_fits = rows.shape[2], rows.shape[1]
        nothing = np.zeros((n_fits, 0, *self.model.output_shape[1:]), np.float32)
        if not n_rows:
            return nothing, np.full((len(parts), n_fits), np.nan, np.float32)
        if not isinstance(access, Data):
            refined, loss = self._apply_gathered(
                access, tf.constant(rows), tf.constant(shares), *model
            )
            return refined.numpy() if keep else nothing, loss.numpy()
        size = int(np.prod(access.inputs.shape[1:])) * 4 * n_fits
        block = max(1, min(n_rows, BLOCK // size))
        outputs, total, counted = (
            [nothing],
            np.zeros((len(parts), n_fits)),
            np.zeros((len(parts), n_fits)),
        )
        for start in range(0, n_rows, block):
            cut = slice(start, start + block)
            missing = block - rows[:, :, cut].shape[2]
            x, y, seen = _read(access, np.pad(rows[:, :, cut], ((0, 0), (0, 0), (0, missing))))
            share = np.pad(shares[:, cut], ((0, 0), (0, missing)))
            refined, loss = self._apply_given(x, y, seen, share, *model)
            if keep:
                outputs.append(refined.numpy()[:, : block - missing])
            count = np.einsum("pr,frt->pf", share, seen)
            total += loss.numpy() * count
            counted += count
        return np.concatenate(outputs, axis=1), (total / np.maximum(counted, 1)).astype(np.float32)

    def _apply_to_rows(self, tensors: Any, rows: Any, *others: Any) -> Any:
        inputs, targets, present = tensors
        x, y = tf.gather(inputs, rows[0]), tf.gather(targets, rows[1])
        seen = tf.gather(present, rows[1]) * tf.cast(rows[2], tf.float32)[:, :, None]
        return self._apply_to_block(x, y, seen, *others)

    def _apply_to_block(
        self, x: Any, y: Any, seen: Any, shares: Any, parameters: Any, state: Any, precision: Any
    ) -> Any:
        refined = self.mapped.apply(parameters, state, x)
        of_part = seen * shares[:, None, :, None]
        return refined, loss_of(refined, y, of_part, precision)

    def _weights(self, flat: NDArray[Any], state: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Weights of one fit in the order of ``model.weights``."""
        mapped = self.mapped
        parts = np.split(flat, np.cumsum(mapped.lengths)[:-1])
        values: dict[int, NDArray[Any]] = {
            id(v): part.reshape(shape)
            for v, part, shape in zip(
                self.model.trainable_variables, parts, mapped.shapes, strict=True
            )
        }
        values |= {id(v): value for v, value in zip(mapped.state, state, strict=True)}
        return [values[id(v)] for v in self.model.weights]


def _read(data: Data, rows: NDArray[np.int32]) -> tuple[Any, Any, Any]:
    """Read inputs, targets and presence of rows [3, ...] from arrays that may be on disk."""
    present = data.present[rows[1]] * rows[2][..., None]
    return data.inputs[rows[0]], data.targets[rows[1]], present.astype(np.float32)
