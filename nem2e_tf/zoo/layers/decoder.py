"""The decoder of the Seq2Seq family, with and without Luong's attention."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from nem2e_tf.zoo.layers.basic import Dense, Layer, rows_times, uniform_noise
from nem2e_tf.zoo.layers.fused import DecoderWeights, decode
from nem2e_tf.zoo.layers.recurrence import FORMS, LSTM, one_hot


@keras.saving.register_keras_serializable(package="nem2e_tf")
class LuongDecoder(Layer):
    """Emit the targets sample by sample, each from the previous one.

    An LSTM starts from the encoder's final state and reads its own previous output (0 at first).
    With attention, the context is the encoder's memory weighted by Luong's *general* score,
    ``softmax(h W m)``, and the output comes from ``tanh(W [context; h])`` (Luong et al. 2015,
    equations 5 to 8).

    Parameters
    ----------
    units : int
        Size of the state, the same as the encoder's.
    n_targets : int
        Outputs per sample.
    n_samples : int
        Samples to emit.
    attention : bool
        Attend to the encoder's memory.
    form : {"unrolled", "loop"}
        See `nem2e_tf.zoo.layers.recurrence`.
    """

    arguments = ("units", "n_targets", "n_samples", "attention", "form")

    def __init__(
        self,
        units: int,
        *,
        n_targets: int,
        n_samples: int,
        attention: bool = True,
        form: str = "unrolled",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if form not in FORMS:
            raise ValueError(f"Expected form to be one of {FORMS}. Received: form={form!r}")
        self.units = units
        self.n_targets = n_targets
        self.n_samples = n_samples
        self.attention = attention
        self.form = form
        self.recurrence = LSTM(units, name="recurrence")
        self.head = Dense(n_targets, name="head")
        if attention:
            self.score = Dense(units, use_bias=False, name="score")
            self.combine = Dense(units, activation="tanh", name="combine")

    def build(self, memory_shape: Any, *_: Any) -> None:
        """Make the weights of the recurrence, the score, the combination and the head."""
        self.recurrence.build((None, self.n_samples, self.n_targets))
        self.head.build((None, self.units))
        if self.attention:
            self.score.build((None, memory_shape[1], memory_shape[-1]))
            self.combine.build((None, self.units + memory_shape[-1]))

    def call(
        self,
        memory: Any,
        hidden: Any,
        cell: Any,
        previous: Any = None,
        feed: Any = None,
        training: bool = False,
    ) -> tuple[Any, Any]:
        """Decode.

        Parameters
        ----------
        memory : tensor [batch, token, feature]
            The encoder's outputs.
        hidden, cell : tensor [batch, units]
            The encoder's final states.
        previous : tensor [batch, sample, target], optional
            Read instead of the decoder's own previous output: the measured activity, one sample
            late (teacher forcing).
        feed : tensor [batch, sample, 1], optional
            1 where `previous` is read and 0 where the decoder's own output is (scheduled sampling,
            Bengio et al. 2015). Without it, `previous` is read everywhere.
        training : bool
            True where a gradient will be computed; then the attention weights are zeros.

        Returns
        -------
        tuple
            Outputs [batch, sample, target] and attention weights [batch, sample, token] (zeros
            without attention).
        """
        if training and feed is not None and self.form == "unrolled":
            return self._trained(memory, hidden, cell, previous, feed)
        if training and previous is None and self.form == "unrolled":
            return self._trained(memory, hidden, cell)
        keys = ops.transpose(self.score(memory), (0, 2, 1)) if self.attention else memory
        if previous is not None and feed is None:
            hiddens, _, _ = self.recurrence(previous, hidden, cell, training=training)
            return self._emit(hiddens, memory, keys)
        if self.form == "loop" and previous is None:
            return self._loop(memory, keys, hidden, cell)
        return self._unrolled(memory, keys, hidden, cell, previous, feed)

    def _emit(self, hiddens: Any, memory: Any, keys: Any) -> tuple[Any, Any]:
        """Compute outputs and attention weights from hidden states [batch, sample, units]."""
        if not self.attention:
            return self.head(hiddens), ops.zeros(
                (ops.shape(hiddens)[0], hiddens.shape[1], memory.shape[1]), hiddens.dtype
            )
        weights = ops.softmax(ops.matmul(hiddens, keys), axis=-1)
        context = ops.matmul(weights, memory)
        return self.head(self.combine(ops.concatenate([context, hiddens], axis=-1))), weights

    def _advance(
        self, output: Any, hidden: Any, cell: Any, memory: Any, keys: Any
    ) -> tuple[Any, Any, Any, Any]:
        """Emit one sample [batch, 1, target] from the previous one."""
        projected = self.recurrence.project(ops.squeeze(output, 1))
        hidden, cell = self.recurrence.step(projected, (hidden, cell))
        output, weights = self._emit(ops.expand_dims(hidden, 1), memory, keys)
        return output, hidden, cell, weights

    def _start(self, hidden: Any) -> Any:
        return ops.zeros((ops.shape(hidden)[0], 1, self.n_targets), hidden.dtype)

    def _unrolled(
        self, memory: Any, keys: Any, hidden: Any, cell: Any, previous: Any, feed: Any
    ) -> tuple[Any, Any]:
        output = self._start(hidden)
        outputs, weights = [], []
        if feed is not None:
            forced = ops.split(feed, self.n_samples, axis=1)
            measured = ops.split(previous, self.n_samples, axis=1)
        for sample in range(self.n_samples):
            if feed is not None:
                output = forced[sample] * measured[sample] + (1 - forced[sample]) * output
            output, hidden, cell, weight = self._advance(output, hidden, cell, memory, keys)
            outputs.append(output)
            weights.append(weight)
        return ops.concatenate(outputs, axis=1), ops.concatenate(weights, axis=1)

    def _trained(
        self, memory: Any, hidden: Any, cell: Any, previous: Any = None, feed: Any = None
    ) -> tuple[Any, Any]:
        """Decode in the form with the fastest gradient."""
        recurrence, head = self.recurrence, self.head
        combine = scored = looked = None
        if self.attention:
            by_context, combine = tf.split(
                tf.convert_to_tensor(self.combine.kernel.value), [memory.shape[-1], self.units]
            )
            scored = self.score(memory)
            looked = rows_times(memory, by_context) + self.combine.bias
        weights = DecoderWeights(
            kernel=tf.convert_to_tensor(recurrence.kernel.value),
            recurrent_kernel=tf.convert_to_tensor(recurrence.recurrent_kernel.value),
            bias=tf.convert_to_tensor(recurrence.bias.value),
            head=tf.convert_to_tensor(head.kernel.value),
            head_bias=tf.convert_to_tensor(head.bias.value),
            combine=combine,
        )
        outputs = decode(
            weights,
            hidden,
            cell,
            n_samples=self.n_samples,
            scored=scored,
            looked=looked,
            previous=previous,
            feed=feed,
        )
        shape = (ops.shape(memory)[0], self.n_samples, memory.shape[1])
        return outputs, ops.zeros(shape, memory.dtype)

    def _loop(self, memory: Any, keys: Any, hidden: Any, cell: Any) -> tuple[Any, Any]:
        def advance(
            sample: Any, output: Any, hidden: Any, cell: Any, outputs: Any, weights: Any
        ) -> tuple[Any, ...]:
            output, hidden, cell, weight = self._advance(output, hidden, cell, memory, keys)
            here = one_hot(sample, self.n_samples, memory.dtype)
            return (
                sample + 1,
                output,
                hidden,
                cell,
                outputs + here * output,
                weights + here * weight,
            )

        empty = ops.zeros((1, self.n_samples, 1), memory.dtype)
        start = self._start(hidden)
        carried = ops.while_loop(
            lambda sample, *_: sample < self.n_samples,
            advance,
            (
                ops.convert_to_tensor(0, "int32"),
                start,
                hidden,
                cell,
                empty * start,
                empty * ops.zeros((ops.shape(memory)[0], 1, memory.shape[1]), memory.dtype),
            ),
        )
        return carried[4], carried[5]

    def compute_output_spec(self, memory: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        """Describe the outputs without tracing every sample."""
        batch, n_tokens = memory.shape[:2]
        return (
            keras.KerasTensor((batch, self.n_samples, self.n_targets), dtype=self.compute_dtype),
            keras.KerasTensor((batch, self.n_samples, n_tokens), dtype=self.compute_dtype),
        )


@keras.saving.register_keras_serializable(package="nem2e_tf")
class TeacherSchedule(keras.layers.Layer):
    """Choose, for each sample, if the decoder reads the measured activity or its own output.

    The probability of the measured activity falls linearly from 1 at the start of training to 0 at
    half of it (linear decay, Bengio et al. 2015, section 2.4). Training sets the weight
    ``progress``, from 0 to 1.
    """

    def build(self, *_: Any) -> None:
        """Make the weight for the completed share of the training."""
        self.progress = self.add_weight(
            shape=(), initializer="zeros", trainable=False, name="training_progress"
        )
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, previous: Any) -> Any:
        """Return 1 (measured) or 0 (own output) for each sample, [batch, sample, 1]."""
        noise = uniform_noise(previous[:, :, :1], self.seed_generator)
        return ops.cast(noise < 1 - 2 * self.progress, previous.dtype)
