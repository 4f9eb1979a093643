"""Layers of the entries that have a closed form; their weights are solved for, not trained."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="nem2e_tf")
class CounterpartMean(keras.layers.Layer):
    """The simulation's estimate of each target: the mean of its counterpart channels.

    Parameters
    ----------
    counterparts : sequence of sequences of int
        Channel indices of each target.
    """

    def __init__(self, counterparts: Sequence[Sequence[int]], **options: Any) -> None:
        super().__init__(**options)
        self.counterparts = [list(map(int, channels)) for channels in counterparts]
        if not all(self.counterparts):
            raise ValueError("Expected at least one counterpart for each target. Received: none")

    def call(self, simulated: Any) -> Any:
        """Average channels of [batch, sample, channel] to [batch, sample, target]."""
        weights = np.zeros((simulated.shape[-1], len(self.counterparts)), np.float32)
        for target, channels in enumerate(self.counterparts):
            for channel in channels:
                weights[channel, target] += 1 / len(channels)
        return ops.matmul(simulated, ops.convert_to_tensor(weights))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "counterparts": self.counterparts}


@keras.saving.register_keras_serializable(package="nem2e_tf")
class GainAndOffset(keras.layers.Layer):
    """One gain and one offset a target (offset 0 until set).

    Parameters
    ----------
    gain : float
        Gain until set.
    """

    def __init__(self, *, gain: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.initial_gain = gain

    def build(self, input_shape: Any) -> None:
        """Make gain and offset [target]."""
        shape = (input_shape[-1],)
        self.gain = self.add_weight(
            shape=shape,
            initializer=keras.initializers.Constant(self.initial_gain),
            trainable=False,
            name="gain",
        )
        self.offset = self.add_weight(
            shape=shape, initializer="zeros", trainable=False, name="offset"
        )

    def call(self, activity: Any) -> Any:
        """Scale and offset [batch, sample, target]."""
        return self.gain * activity + self.offset

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "gain": self.initial_gain}


@keras.saving.register_keras_serializable(package="nem2e_tf")
class SampleMixing(keras.layers.Layer):
    """One [sample, sample] matrix a target: any linear change in time, such as a shift.

    Parameters
    ----------
    kind : str
        What the matrices are made for; kept with the model for whoever sets them.
    """

    def __init__(self, *, kind: str = "", **options: Any) -> None:
        super().__init__(**options)
        self.kind = kind

    def build(self, input_shape: Any) -> None:
        """Make the matrices [target, sample out, sample in] and the lags they stand for."""
        _, n_samples, n_targets = input_shape
        self.mixing = self.add_weight(
            shape=(n_targets, n_samples, n_samples),
            initializer="zeros",
            trainable=False,
            name="mixing",
        )
        self.lag = self.add_weight(
            shape=(n_targets,), initializer="zeros", trainable=False, name="lag"
        )

    def call(self, activity: Any) -> Any:
        """Mix the samples of [batch, sample, target], each target by itself."""
        by_target = ops.expand_dims(ops.transpose(activity, (0, 2, 1)), -1)
        mixed = ops.matmul(ops.expand_dims(self.mixing, 0), by_target)
        return ops.transpose(ops.squeeze(mixed, -1), (0, 2, 1))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "kind": self.kind}


@keras.saving.register_keras_serializable(package="nem2e_tf")
class Regression(keras.layers.Dense):
    """A dense layer whose weights are solved for; it remembers the penalty asked for.

    Parameters
    ----------
    units : int
        Outputs.
    penalty : float, optional
        Ridge penalty; None lets the solver choose.
    """

    def __init__(self, units: int, *, penalty: float | None = None, **options: Any) -> None:
        super().__init__(units, **{**options, "trainable": False})
        self.penalty = penalty

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "penalty": self.penalty}
