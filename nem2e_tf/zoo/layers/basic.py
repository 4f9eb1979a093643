"""Layers that most refiners share: dense, dropout and position encoding.

TensorFlow's stateless random operations have no vectorised form. Training maps a model over many
fits, so it draws the random numbers of all fits first and supplies each fit with its own
(`supplied_noise`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

_SUPPLY: list[Callable[[tuple[int | None, ...]], Any]] = []


class Layer(keras.layers.Layer):
    """A layer whose configuration is `arguments` of its constructor, kept as attributes."""

    arguments: ClassVar[tuple[str, ...]] = ()

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        own = {name: getattr(self, name) for name in self.arguments}
        return {**super().get_config(), **own}


@contextmanager
def supplied_noise(supply: Callable[[tuple[int | None, ...]], Any]) -> Iterator[None]:
    """Take uniform random numbers from `supply` within the block.

    Parameters
    ----------
    supply : callable
        Is called with the shape that a layer needs, in the order in which layers run, and returns
        numbers in [0, 1) of that shape.
    """
    _SUPPLY.append(supply)
    try:
        yield
    finally:
        _SUPPLY.pop()


def uniform_noise(like: Any, seed: keras.random.SeedGenerator) -> Any:
    """Return uniform numbers of the shape of `like`, from the active supply, or from `seed`."""
    if _SUPPLY:
        return _SUPPLY[-1](tuple(like.shape))
    return keras.random.uniform(ops.shape(like), seed=seed)


@keras.saving.register_keras_serializable(package="nem2e_tf")
class Dropout(Layer):
    """Set a share of the features to zero while training and scale up the rest.

    Parameters
    ----------
    rate : float
        Share of the features, 0 <= rate < 1.
    """

    arguments = ("rate",)

    def __init__(self, rate: float, **options: Any) -> None:
        super().__init__(**options)
        if not 0 <= rate < 1:
            raise ValueError(f"Expected a rate from 0 to below 1. Received: rate={rate}")
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator() if rate else None

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drop features of [batch, ...]."""
        if not training or self.seed_generator is None:
            return inputs
        noise = uniform_noise(inputs, self.seed_generator)
        kept = ops.cast(noise >= self.rate, inputs.dtype)
        return inputs * kept / (1 - self.rate)


def rows_times(sequence: Any, kernel: Any) -> Any:
    """Multiply each sample's features by a matrix.

    Batch and samples become the rows of one product. A broadcast product would be many small ones,
    one per row of the batch, and its gradient the sum of as many kernels.

    Parameters
    ----------
    sequence : tensor [batch, sample, feature] or [batch, feature]
    kernel : tensor [feature, output]
    """
    if len(sequence.shape) == 2:
        return ops.matmul(sequence, kernel)
    _, n_samples, width = sequence.shape
    flat = ops.matmul(ops.reshape(sequence, (-1, width)), kernel)
    return ops.reshape(flat, (-1, n_samples, kernel.shape[-1]))


@keras.saving.register_keras_serializable(package="nem2e_tf")
class Dense(keras.layers.Dense):
    """Keras' dense layer, computed with `rows_times`."""

    def call(self, inputs: Any, training: Any = None) -> Any:  # noqa: ARG002
        """Apply to [batch, sample, feature] or [batch, feature]."""
        outputs = rows_times(inputs, self.kernel)
        if self.bias is not None:
            outputs = outputs + self.bias
        return outputs if self.activation is None else self.activation(outputs)


@keras.saving.register_keras_serializable(package="nem2e_tf")
class PositionEncoding(keras.layers.Layer):
    """Add sines and cosines of the sample number (Vaswani et al. 2017, section 3.5)."""

    def call(self, features: Any) -> Any:
        """Add the encoding to [batch, sample, feature]."""
        _, n_samples, width = features.shape
        return features + ops.cast(position_encoding(n_samples, width), features.dtype)


def position_encoding(n_samples: int, width: int) -> "np.ndarray[Any, Any]":
    """Return the encoding, float32 [1, sample, feature].

    Examples
    --------
    >>> position_encoding(2, 4)[0, 0].tolist()
    [0.0, 1.0, 0.0, 1.0]
    """
    sample = np.arange(n_samples)[:, None]
    angle = sample * np.exp(np.arange(0, width, 2) * -(np.log(1e4) / width))
    encoding = np.zeros((1, n_samples, width))
    encoding[0, :, 0::2] = np.sin(angle)
    encoding[0, :, 1::2] = np.cos(angle)[:, : width // 2]
    return encoding.astype(np.float32)
