"""Dilated convolution over samples, as one matrix product."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from nem2e_tf.zoo.layers.basic import Layer, rows_times


@keras.saving.register_keras_serializable(package="nem2e_tf")
class DilatedConvolution(Layer):
    """Convolution over samples; weights as ``keras.layers.Conv1D``.

    Shifted copies of the sequence are concatenated and multiplied by the kernel once. Unlike Keras'
    own convolution it has a vectorised gradient, which is written by hand as another such product.

    Parameters
    ----------
    filters : int
        Output features.
    kernel_size : int
        Samples that one output sees.
    dilation : int
        Distance between these samples.
    causal : bool
        Each output depends on its own and earlier samples only; otherwise on as many earlier as
        later ones.
    """

    arguments = ("filters", "kernel_size", "dilation", "causal")

    def __init__(
        self,
        filters: int,
        *,
        kernel_size: int = 3,
        dilation: int = 1,
        causal: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.filters = filters
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.causal = causal

    def build(self, input_shape: Any) -> None:
        """Make the kernel [kernel_size, feature, filter] and the bias."""
        self.kernel = self.add_weight(
            shape=(self.kernel_size, input_shape[-1], self.filters),
            initializer="glorot_uniform",
            name="kernel",
        )
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, sequence: Any, training: bool = False) -> Any:
        """Convolve [batch, sample, feature]; beyond its ends the sequence is 0."""
        n_samples, width = sequence.shape[1:]
        reach = (self.kernel_size - 1) * self.dilation
        before = reach if self.causal else reach // 2
        if training:
            kernel = tf.convert_to_tensor(self.kernel.value)
            shifts = [tap * self.dilation - before for tap in range(self.kernel_size)]
            return _convolved(sequence, kernel, shifts) + self.bias
        padded = ops.pad(sequence, ((0, 0), (before, reach - before), (0, 0)))
        # The gradient of ops.slice is many times faster than that of an index.
        shifted = [
            ops.slice(padded, (0, tap * self.dilation, 0), (-1, n_samples, width))
            for tap in range(self.kernel_size)
        ]
        kernel = ops.reshape(self.kernel, (self.kernel_size * width, self.filters))
        return rows_times(ops.concatenate(shifted, axis=-1), kernel) + self.bias


def _side_by_side(sequence: Any, shifts: list[int]) -> Any:
    """Concatenate the samples at these shifts, [batch * sample, tap * feature]."""
    n_samples, width = sequence.shape[1:]
    before = -min(shifts)
    padded = tf.pad(sequence, ((0, 0), (before, max(shifts)), (0, 0)))
    seen = [sample + before + shift for sample in range(n_samples) for shift in shifts]
    return tf.reshape(tf.gather(padded, seen, axis=1), (-1, len(shifts) * width))


def _convolved(sequence: Any, kernel: Any, shifts: list[int]) -> Any:
    """Convolve, with a gradient that is itself a convolution."""
    taps, width, filters = kernel.shape
    n_samples = sequence.shape[1]

    @tf.custom_gradient
    def run(sequence: Any, kernel: Any) -> Any:
        seen = _side_by_side(sequence, shifts)
        outputs = tf.matmul(seen, tf.reshape(kernel, (taps * width, filters)))

        def gradient(d_outputs: Any) -> tuple[Any, Any]:
            flat = tf.reshape(d_outputs, (-1, filters))
            d_kernel = tf.reshape(tf.matmul(seen, flat, transpose_a=True), kernel.shape)
            back = tf.reshape(tf.transpose(kernel, (0, 2, 1)), (taps * filters, width))
            d_sequence = tf.matmul(_side_by_side(d_outputs, [-shift for shift in shifts]), back)
            return tf.reshape(d_sequence, (-1, n_samples, width)), d_kernel

        return tf.reshape(outputs, (-1, n_samples, filters)), gradient

    return run(sequence, kernel)
