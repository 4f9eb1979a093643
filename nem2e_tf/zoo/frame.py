"""What most refiners share: normalised input at the front, scaled activity at the end."""

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
