"""Dilated convolution over samples, as one matrix product."""

from typing import Any

import keras
from keras import ops

from nem2e_tf.zoo.layers.dense import rows_times


@keras.saving.register_keras_serializable(package="nem2e_tf")
class DilatedConvolution(keras.layers.Layer):
    """Convolution over samples; weights as ``keras.layers.Conv1D``.

    The shifted copies of the sequence are laid side by side and multiplied once. Keras' own
    convolution has no vectorised gradient, this has.

    Parameters
    ----------
    filters : int
        Output features.
    kernel_size : int
        Samples that one output sees.
    dilation : int
        Distance between them.
    causal : bool
        See only this sample and earlier ones; otherwise as many earlier as later ones.
    """

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

    def call(self, sequence: Any) -> Any:
        """Convolve [batch, sample, feature]; beyond its ends the sequence is 0."""
        n_samples, width = sequence.shape[1:]
        reach = (self.kernel_size - 1) * self.dilation
        before = reach if self.causal else reach // 2
        padded = ops.pad(sequence, ((0, 0), (before, reach - before), (0, 0)))
        # ops.slice and not an index: the gradient of the latter is many times slower.
        shifted = [
            ops.slice(padded, (0, tap * self.dilation, 0), (-1, n_samples, width))
            for tap in range(self.kernel_size)
        ]
        kernel = ops.reshape(self.kernel, (self.kernel_size * width, self.filters))
        return rows_times(ops.concatenate(shifted, axis=-1), kernel) + self.bias

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "dilation": self.dilation,
            "causal": self.causal,
        }
