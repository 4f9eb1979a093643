"""Normalisation inside the model, as non-trainable weights set from the training fold."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

SMALLEST = 1e-6


@keras.saving.register_keras_serializable(package="nem2e_tf")
class ChannelNormalisation(keras.layers.Layer):
    """Subtract each channel's mean and divide by its standard deviation.

    Unlike in ``keras.layers.Normalization`` the statistics are ordinary non-trainable weights that
    `call` reads: they can be set later, and can differ between fits that are mapped over.
    """

    def build(self, input_shape: Any) -> None:
        """Make one mean and one deviation per channel, 0 and 1 until they are set."""
        shape = (input_shape[-1],)
        self.mean = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="mean")
        self.deviation = self.add_weight(
            shape=shape, initializer="ones", trainable=False, name="deviation"
        )

    def call(self, simulated: Any) -> Any:
        """Normalise [batch, sample, channel]."""
        return (simulated - self.mean) / self.deviation

    def statistics(
        self,
        simulated: NDArray[np.float32],
        measured: NDArray[np.float32],  # noqa: ARG002
        present: NDArray[np.bool_],  # noqa: ARG002
    ) -> list[NDArray[np.float32]]:
        """Compute this layer's weights from training rows.

        A channel that never changes keeps a deviation of 1.
        """
        values = simulated.astype(np.float64)
        if not len(values):
            values = np.zeros((1, *values.shape[1:]))
        deviation = values.std(axis=(0, 1))
        deviation[deviation < SMALLEST] = 1.0
        return [values.mean(axis=(0, 1)).astype(np.float32), deviation.astype(np.float32)]


@keras.saving.register_keras_serializable(package="nem2e_tf")
class TargetScaling(keras.layers.Layer):
    """Scale the network's normalised output to muscle activity: offset + scale * output.

    Parameters
    ----------
    output : {"direct", "residual"}
        ``direct``: the offset is each muscle's mean over training cycles and samples.
        ``residual``: the offset is the training cycles' mean pattern, sample by sample, so that the
        network learns what differs from it.
    """

    def __init__(self, *, output: str = "direct", **options: Any) -> None:
        super().__init__(**options)
        if output not in ("direct", "residual"):
            raise ValueError(f"Expected output 'direct' or 'residual'. Received: output={output!r}")
        self.output_kind = output

    def build(self, input_shape: Any) -> None:
        """Make an offset [sample, target] and a scale [target], 0 and 1 until they are set."""
        self.offset = self.add_weight(
            shape=tuple(input_shape[-2:]), initializer="zeros", trainable=False, name="offset"
        )
        self.scale = self.add_weight(
            shape=(input_shape[-1],), initializer="ones", trainable=False, name="scale"
        )

    def call(self, normalised: Any) -> Any:
        """Scale [batch, sample, target] to muscle activity."""
        return self.offset + self.scale * normalised

    def normalise(self, measured: Any) -> Any:
        """Return the network output that corresponds to a measured activity."""
        return (measured - self.offset) / self.scale

    def statistics(
        self,
        simulated: NDArray[np.float32],  # noqa: ARG002
        measured: NDArray[np.float32],
        present: NDArray[np.bool_],
    ) -> list[NDArray[np.float32]]:
        """Compute this layer's weights from training rows.

        Rows in which a muscle is not `present` do not count for that muscle; a muscle without rows
        has offset 0 and scale 1.
        """
        n_samples, n_targets = measured.shape[1:]
        offset = np.zeros((n_samples, n_targets))
        scale = np.ones(n_targets)
        for target in range(n_targets):
            values = measured[present[:, target], :, target].astype(np.float64)
            if not len(values):
                continue
            centre = values.mean(axis=0) if self.output_kind == "residual" else values.mean()
            offset[:, target] = centre
            spread = float(np.sqrt(np.mean((values - centre) ** 2)))
            scale[target] = spread if spread > SMALLEST else 1.0
        return [offset.astype(np.float32), scale.astype(np.float32)]

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "output": self.output_kind}


@keras.saving.register_keras_serializable(package="nem2e_tf")
class PreviousTarget(keras.layers.Layer):
    """Normalised measured activity, one sample late: the decoder's input in teacher forcing.

    Shares the weights of a `TargetScaling`, which must be built. Used in training models only.

    Parameters
    ----------
    scaling : TargetScaling
        The layer whose offset and scale are used.
    """

    def __init__(self, scaling: TargetScaling, **options: Any) -> None:
        super().__init__(**options)
        self.scaling = scaling

    def call(self, measured: Any) -> Any:
        """Shift [batch, sample, target] by one sample; the first is 0, the start token."""
        normalised = self.scaling.normalise(measured)
        return ops.concatenate([ops.zeros_like(normalised[:, :1]), normalised[:, :-1]], axis=1)
