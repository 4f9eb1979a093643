"""Layers of a Transformer, in forms that train fast when mapped over many fits."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from nem2e_tf.zoo.layers.basic import Layer, rows_times


@keras.saving.register_keras_serializable(package="nem2e_tf")
class SelfAttention(Layer):
    """Multi-head self-attention (Vaswani et al. 2017, section 3.2.2).

    Equal to ``keras.layers.MultiHeadAttention`` of a sequence with itself; queries, keys and values
    of all heads are computed by one matrix product.

    Parameters
    ----------
    n_heads : int
        Heads; the number of features must be a multiple of it.
    """

    arguments = ("n_heads",)

    def __init__(self, n_heads: int, **options: Any) -> None:
        super().__init__(**options)
        self.n_heads = n_heads

    def build(self, input_shape: Any) -> None:
        """Make the joint kernel of queries, keys and values, and that of the output."""
        width = input_shape[-1]
        if width % self.n_heads:
            raise ValueError(
                f"Expected features in a multiple of n_heads. Received: {width} features, "
                f"n_heads={self.n_heads}"
            )
        self.kernel = self.add_weight(
            shape=(width, 3 * width), initializer="glorot_uniform", name="kernel"
        )
        self.bias = self.add_weight(shape=(3 * width,), initializer="zeros", name="bias")
        self.output_kernel = self.add_weight(
            shape=(width, width), initializer="glorot_uniform", name="output_kernel"
        )
        self.output_bias = self.add_weight(shape=(width,), initializer="zeros", name="output_bias")

    def call(self, sequence: Any) -> Any:
        """Attend within [batch, sample, feature]."""
        _, n_samples, width = sequence.shape
        depth = width // self.n_heads
        together = rows_times(sequence, self.kernel) + self.bias
        queries, keys, values = (
            ops.transpose(ops.reshape(part, (-1, n_samples, self.n_heads, depth)), (0, 2, 1, 3))
            for part in ops.split(together, 3, axis=-1)
        )
        scores = ops.matmul(queries * depth**-0.5, ops.transpose(keys, (0, 1, 3, 2)))
        heads = ops.matmul(ops.softmax(scores, axis=-1), values)
        joined = ops.reshape(ops.transpose(heads, (0, 2, 1, 3)), (-1, n_samples, width))
        return rows_times(joined, self.output_kernel) + self.output_bias


@keras.saving.register_keras_serializable(package="nem2e_tf")
class LayerNormalisation(Layer):
    """Normalise each sample over its features (Ba et al. 2016).

    Equal to ``keras.layers.LayerNormalization``, with a gradient of fewer operations.

    Parameters
    ----------
    epsilon : float
        Added to the variance.
    """

    arguments = ("epsilon",)

    def __init__(self, epsilon: float = 1e-6, **options: Any) -> None:
        super().__init__(**options)
        self.epsilon = epsilon

    def build(self, input_shape: Any) -> None:
        """Make gain and offset [feature]."""
        shape = (input_shape[-1],)
        self.gain = self.add_weight(shape=shape, initializer="ones", name="gain")
        self.offset = self.add_weight(shape=shape, initializer="zeros", name="offset")

    def call(self, features: Any, training: bool = False) -> Any:
        """Normalise [..., feature]."""
        if training:
            normal = _normalised(features, tf.constant(self.epsilon, features.dtype))
        else:
            centred = features - ops.mean(features, axis=-1, keepdims=True)
            variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
            normal = centred * ops.rsqrt(variance + self.epsilon)
        return normal * self.gain + self.offset


@tf.custom_gradient
def _normalised(features: Any, epsilon: Any) -> Any:
    """Subtract the mean over features and divide by the standard deviation."""
    centred = features - tf.reduce_mean(features, axis=-1, keepdims=True)
    scale = tf.math.rsqrt(tf.reduce_mean(centred * centred, axis=-1, keepdims=True) + epsilon)
    normal = centred * scale

    def gradient(upstream: Any) -> Any:
        along = tf.reduce_mean(upstream * normal, axis=-1, keepdims=True)
        level = tf.reduce_mean(upstream, axis=-1, keepdims=True)
        return scale * (upstream - level - normal * along), None

    return normal, gradient
