"""Layers of entries with a closed form: their weights are solved for, not trained."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from nem2e_tf.zoo.layers.basic import Layer


@keras.saving.register_keras_serializable(package="nem2e_tf")
class CounterpartMean(Layer):
    """The simulation's estimate of each target: the mean of its counterpart channels.

    Parameters
    ----------
    counterparts : sequence of sequences of int
        Channel indices of each target.
    """

    arguments = ("counterparts",)

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


@keras.saving.register_keras_serializable(package="nem2e_tf")
class GainAndOffset(keras.layers.Layer):
    """One gain and one offset per target; the offset is 0 until it is set.

    Parameters
    ----------
    gain : float
        Gain until it is set.
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
class SampleMixing(Layer):
    """One [sample, sample] matrix per target: any linear change in time, such as a shift.

    Parameters
    ----------
    kind : str
        Meaning of the matrices, for the function that sets them; saved with the model.
    """

    arguments = ("kind",)

    def __init__(self, *, kind: str = "", **options: Any) -> None:
        super().__init__(**options)
        self.kind = kind

    def build(self, input_shape: Any) -> None:
        """Make the matrices [target, sample out, sample in], and lags that describe them."""
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
        """Mix the samples of [batch, sample, target], separately for each target."""
        by_target = ops.expand_dims(ops.transpose(activity, (0, 2, 1)), -1)
        mixed = ops.matmul(ops.expand_dims(self.mixing, 0), by_target)
        return ops.transpose(ops.squeeze(mixed, -1), (0, 2, 1))


@keras.saving.register_keras_serializable(package="nem2e_tf")
class Regression(keras.layers.Dense):
    """A dense layer whose weights are solved for, with the penalty to use.

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
