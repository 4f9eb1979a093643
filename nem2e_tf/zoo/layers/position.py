"""Where in the sequence a sample stands."""

from typing import Any

import keras
import numpy as np
from keras import ops


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
