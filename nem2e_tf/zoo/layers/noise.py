"""Dropout whose random numbers can be handed in.

The stateless random operations have no vectorised form. Whoever maps a model over many fits draws
the numbers for all of them first and hands each fit its own through `supplied_noise`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

_SUPPLY: list[Callable[[tuple[int | None, ...]], Any]] = []


@contextmanager
def supplied_noise(supply: Callable[[tuple[int | None, ...]], Any]) -> Iterator[None]:
    """Take uniform random numbers from `supply` within the block.

    Parameters
    ----------
    supply : callable
        Gets the shape that a layer asks for and returns numbers in [0, 1) of that shape. It is
        asked in the order in which the model's layers run.
    """
    _SUPPLY.append(supply)
    try:
        yield
    finally:
        _SUPPLY.pop()


def uniform_noise(like: Any, seed: keras.random.SeedGenerator) -> Any:
    """Return uniform numbers of the shape of `like`, from the active supply or else from `seed`."""
    if _SUPPLY:
        return _SUPPLY[-1](tuple(like.shape))
    return keras.random.uniform(ops.shape(like), seed=seed)


@keras.saving.register_keras_serializable(package="nem2e_tf")
class Dropout(keras.layers.Layer):
    """Set a share of the features to zero while training and scale up the rest.

    Parameters
    ----------
    rate : float
        Share that is dropped, 0 <= rate < 1.
    """

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

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "rate": self.rate}
