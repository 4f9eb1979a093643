"""What most refiners share: normalised input at the front, scaled activity at the end."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def framed_input(n_samples: int, n_channels: int) -> tuple[Any, Any]:
    """Make the input and its normalised form.

    Returns
    -------
    tuple
        ``simulated`` [batch, sample, channel] and the same normalised by channel.
    """
    import keras

    from nem2e_tf.zoo.layers import ChannelNormalisation

    simulated = keras.Input((n_samples, n_channels), name="simulated")
    return simulated, ChannelNormalisation(name="channel_normalisation")(simulated)


def recurrent_model(
    read: Callable[[Any, int], Any],
    *,
    n_samples: int,
    n_channels: int,
    n_targets: int,
    n_layers: int,
    dropout: float,
    output: str,
) -> "keras.Model":
    """Make a model of recurrent layers on top of each other, with dropout after each.

    Parameters
    ----------
    read : callable (features [batch, sample, feature], number of the layer, from 1) -> features
        One layer.
    """
    from nem2e_tf.zoo.layers import Dropout

    simulated, features = framed_input(n_samples, n_channels)
    for number in range(1, n_layers + 1):
        features = Dropout(dropout, name=f"dropout_{number}")(read(features, number))
    return framed_model(simulated, features, n_targets, output)


def framed_model(simulated: Any, features: Any, n_targets: int, output: str) -> "keras.Model":
    """Read the targets off the features, sample by sample, and scale them to muscle activity.

    Parameters
    ----------
    simulated : KerasTensor
        The model's input.
    features : KerasTensor [batch, sample, feature]
        What the refiner made of it.
    n_targets : int
        Measured muscles.
    output : {"direct", "residual"}
        See `nem2e_tf.zoo.layers.TargetScaling`.
    """
    import keras

    from nem2e_tf.zoo.layers import Dense, TargetScaling

    normalised = Dense(n_targets, name="head")(features)
    refined = TargetScaling(output=output, name="target_scaling")(normalised)
    return keras.Model(simulated, refined)
