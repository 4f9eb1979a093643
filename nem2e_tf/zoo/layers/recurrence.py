"""Recurrent layers with the weights of Keras' own, in two forms of the same computation.

``unrolled`` trains fast and can be mapped over many fits; ``loop`` has one copy of the weights and
no tensor lists, so it exports to builtin operators at any size. The form does not affect the
weights: change it on a built model with `nem2e_tf.zoo.set_recurrence_form`, before the model is
traced again.
"""

from typing import Any, ClassVar

import keras
import tensorflow as tf
from keras import ops

from nem2e_tf.zoo.layers.basic import Layer, rows_times
from nem2e_tf.zoo.layers.fused import lstm_sequence

FORMS = ("unrolled", "loop")


class Recurrence(Layer):
    """Base class of the recurrent layers.

    Parameters
    ----------
    units : int
        Size of the hidden state.
    backwards : bool
        Read the sequence from its end; outputs are in the order of the input.
    form : {"unrolled", "loop"}
        How the recurrence is computed.
    """

    arguments = ("units", "backwards", "form")
    gates: ClassVar[int] = 1
    n_states: ClassVar[int] = 1

    def __init__(
        self, units: int, *, backwards: bool = False, form: str = "unrolled", **options: Any
    ) -> None:
        super().__init__(**options)
        if units < 1:
            raise ValueError(f"Expected units of at least 1. Received: units={units}")
        if form not in FORMS:
            raise ValueError(f"Expected form to be one of {FORMS}. Received: form={form!r}")
        self.units = units
        self.backwards = backwards
        self.form = form

    def build(self, input_shape: Any, *_: Any) -> None:
        """Make the input kernel, the recurrent kernel and the bias."""
        width = self.gates * self.units
        self.kernel = self.add_weight(
            shape=(input_shape[-1], width), initializer="glorot_uniform", name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, width), initializer="orthogonal", name="recurrent_kernel"
        )
        self.bias = self.add_weight(shape=(width,), initializer=self.initial_bias(), name="bias")

    def initial_bias(self) -> Any:
        """Return the initializer of the bias."""
        return "zeros"

    def project(self, inputs: Any) -> Any:
        """Multiply a sequence, or one sample, by the input kernel and add the bias."""
        return rows_times(inputs, self.kernel) + self.bias

    def step(self, projected: Any, states: tuple[Any, ...]) -> tuple[Any, ...]:
        """Advance the states by one sample; the first of them is the output."""
        raise NotImplementedError

    def call(self, sequence: Any, *states: Any, training: bool = False) -> tuple[Any, ...]:
        """Run over [batch, sample, feature].

        Parameters
        ----------
        sequence : tensor [batch, sample, feature]
        *states : tensor [batch, units]
            Initial states; zeros if none are given.
        training : bool
            True where a gradient will be computed.

        Returns
        -------
        tuple
            Outputs [batch, sample, units] and the final states.
        """
        if not states:
            zero = ops.zeros((ops.shape(sequence)[0], self.units), sequence.dtype)
            states = (zero,) * self.n_states
        if training and self.form == "unrolled":
            outputs, states = self._trained(sequence, tuple(states))
        else:
            run = self._unrolled if self.form == "unrolled" else self._loop
            outputs, states = run(self.project(sequence), tuple(states))
        return (outputs, *states)

    def _unrolled(self, projected: Any, states: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        n_samples = projected.shape[1]
        samples = ops.unstack(projected, num=n_samples, axis=1)
        outputs: list[Any] = [None] * n_samples
        order = reversed(range(n_samples)) if self.backwards else range(n_samples)
        for sample in order:
            states = self.step(samples[sample], states)
            outputs[sample] = states[0]
        return ops.stack(outputs, axis=1), states

    def _trained(self, sequence: Any, states: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        """Run in the form with the fastest gradient."""
        return self._unrolled(self.project(sequence), states)

    def _loop(self, projected: Any, states: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        n_samples = projected.shape[1]

        def advance(sample: Any, *carried: Any) -> tuple[Any, ...]:
            outputs = carried[0]
            place = n_samples - 1 - sample if self.backwards else sample
            here = one_hot(place, n_samples, projected.dtype)
            states = self.step(ops.sum(here * projected, axis=1), carried[1:])
            return (sample + 1, outputs + here * ops.expand_dims(states[0], 1), *states)

        empty = ops.zeros((1, n_samples, 1), projected.dtype) * ops.expand_dims(states[0], 1)
        _, outputs, *final = ops.while_loop(
            lambda sample, *_: sample < n_samples,
            advance,
            (ops.convert_to_tensor(0, "int32"), empty, *states),
        )
        return outputs, tuple(final)

    def compute_output_shape(self, sequence_shape: Any, *_: Any) -> tuple[Any, ...]:
        """Shapes of the outputs and of the final states."""
        state = (sequence_shape[0], self.units)
        return ((sequence_shape[0], sequence_shape[1], self.units), *(state,) * self.n_states)

    def compute_output_spec(self, sequence: Any, *_: Any, **__: Any) -> tuple[Any, ...]:
        """Describe the outputs without tracing every sample."""
        return tuple(
            keras.KerasTensor(shape, dtype=self.compute_dtype)
            for shape in self.compute_output_shape(sequence.shape)
        )


def one_hot(place: Any, n_samples: int, dtype: Any) -> Any:
    """Mark one sample in [1, sample, 1], to read and write a sample without tensor lists."""
    marks = ops.cast(ops.equal(ops.arange(n_samples, dtype="int32"), place), dtype)
    return ops.reshape(marks, (1, n_samples, 1))


@keras.saving.register_keras_serializable(package="nem2e_tf")
class SimpleRNN(Recurrence):
    """Elman's recurrence, ``h = tanh(x W + h U + b)``; weights as ``keras.layers.SimpleRNN``."""

    def step(self, projected: Any, states: tuple[Any, ...]) -> tuple[Any, ...]:
        """Advance the hidden state."""
        return (ops.tanh(projected + ops.matmul(states[0], self.recurrent_kernel)),)


@keras.saving.register_keras_serializable(package="nem2e_tf")
class LSTM(Recurrence):
    """Long short-term memory (Hochreiter & Schmidhuber 1997); weights as ``keras.layers.LSTM``."""

    gates: ClassVar[int] = 4
    n_states: ClassVar[int] = 2

    def initial_bias(self) -> Any:
        """Zeros, and ones for the forget gate (Jozefowicz et al. 2015)."""

        def unit_forget_bias(shape: Any, dtype: Any = None) -> Any:
            bias = ops.zeros(shape, dtype)
            forget = ops.ones((self.units,), dtype)
            return ops.slice_update(bias, (self.units,), forget)

        return unit_forget_bias

    def step(self, projected: Any, states: tuple[Any, ...]) -> tuple[Any, ...]:
        """Advance the hidden and the cell state; gates in the order input, forget, cell, output."""
        hidden, cell = states
        gates = projected + ops.matmul(hidden, self.recurrent_kernel)
        entry, forget, candidate, exit_ = ops.split(gates, 4, axis=-1)
        cell = ops.sigmoid(forget) * cell + ops.sigmoid(entry) * ops.tanh(candidate)
        return ops.sigmoid(exit_) * ops.tanh(cell), cell

    def _trained(self, sequence: Any, states: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        if self.backwards:
            sequence = ops.flip(sequence, axis=1)
        weights = (self.kernel, self.recurrent_kernel, self.bias)
        tensors = (tf.convert_to_tensor(one.value) for one in weights)
        outputs, *final = lstm_sequence(sequence, *states, *tensors)
        return (ops.flip(outputs, axis=1) if self.backwards else outputs), tuple(final)


@keras.saving.register_keras_serializable(package="nem2e_tf")
class GRU(Recurrence):
    """Gated recurrent unit (Cho et al. 2014); weights as ``keras.layers.GRU``, reset after."""

    gates: ClassVar[int] = 3

    def build(self, input_shape: Any, *states: Any) -> None:
        """Make the weights; the recurrent half has a bias of its own."""
        super().build(input_shape, *states)
        self.recurrent_bias = self.add_weight(
            shape=(3 * self.units,), initializer="zeros", name="recurrent_bias"
        )

    def step(self, projected: Any, states: tuple[Any, ...]) -> tuple[Any, ...]:
        """Advance the hidden state; gates in the order update, reset, candidate."""
        (hidden,) = states
        recurrent = ops.matmul(hidden, self.recurrent_kernel) + self.recurrent_bias
        update_in, reset_in, candidate_in = ops.split(projected, 3, axis=-1)
        update_back, reset_back, candidate_back = ops.split(recurrent, 3, axis=-1)
        update = ops.sigmoid(update_in + update_back)
        reset = ops.sigmoid(reset_in + reset_back)
        candidate = ops.tanh(candidate_in + reset * candidate_back)
        return (update * hidden + (1 - update) * candidate,)
