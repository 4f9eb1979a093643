"""Parts that refiners share, and functions that change or examine a model once it is built.

`framed_input` and `framed_model` put normalisation into a model: of the input at its start, of the
measured activity at its end. The statistics are weights, which `calibrate` sets from training rows.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.names import DIRECT

if TYPE_CHECKING:
    import keras


def framed_input(n_samples: int, n_channels: int) -> tuple[Any, Any]:
    """Make a refiner's input and its normalised form.

    Returns
    -------
    tuple
        ``simulated`` [batch, sample, channel] and the same, normalised per channel.
    """
    import keras

    from nem2e_tf.zoo.layers import ChannelNormalisation

    simulated = keras.Input((n_samples, n_channels), name="simulated")
    return simulated, ChannelNormalisation(name="channel_normalisation")(simulated)


def framed_model(
    simulated: Any, features: Any, n_targets: int, output: str = DIRECT
) -> "keras.Model":
    """Make a refiner of features: a dense layer per sample, then scaling to muscle activity.

    Parameters
    ----------
    simulated : KerasTensor
        The model's input.
    features : KerasTensor [batch, sample, feature]
        Computed from it by the refiner.
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


def set_recurrence_form(model: "keras.Model", form: str) -> None:
    """Choose how a model's recurrences are computed when it is traced next.

    Parameters
    ----------
    model : keras.Model
        Changed in place; its weights stay.
    form : {"unrolled", "loop"}
        ``unrolled`` to train, ``loop`` to export small. Recurrent layers of Keras are always
        unrolled here: their loop is slow to train and does not export to builtin operators.
    """
    from nem2e_tf.zoo.layers.recurrence import FORMS

    if form not in FORMS:
        raise ValueError(f"Expected form to be one of {FORMS}. Received: form={form!r}")
    for layer in all_layers(model):
        if hasattr(layer, "form"):
            layer.form = form
        elif hasattr(layer, "unroll"):
            layer.unroll = True


def for_training(model: "keras.Model") -> "keras.Model":
    """Return a model that shares all weights and can be mapped over many fits.

    Keras' dropout is replaced by the zoo's, whose random numbers can be supplied, and Keras'
    recurrent layers are unrolled, in place.
    """
    import keras

    from nem2e_tf.zoo.layers import Dropout

    set_recurrence_form(model, "unrolled")
    if not any(type(layer) is keras.layers.Dropout for layer in model.layers):
        return model
    return keras.models.clone_model(
        model,
        clone_function=lambda layer: (
            Dropout(layer.rate, name=layer.name)
            if type(layer) is keras.layers.Dropout and layer.noise_shape is None
            else layer
        ),
    )


SLOW = {
    "Conv": "DilatedConvolution",
    "SeparableConv": "DilatedConvolution",
    "GRU": "GRU",
    "LSTM": "LSTM",
    "SimpleRNN": "SimpleRNN",
}
"""Layers of Keras that train slowly when mapped over many fits, and those of the zoo instead."""


def slow_layers(model: "keras.Model") -> list[str]:
    """List Keras' layers that train slowly, each with the layer of the zoo that is faster."""
    found = {}
    for layer in all_layers(model):
        kind = type(layer).__name__
        if type(layer).__module__.startswith("keras."):
            for start, better in SLOW.items():
                if kind.rstrip("123D") == start:
                    found[kind] = f"nem2e_tf.zoo.layers.{better} trains faster than Keras' {kind}"
    return list(found.values())


def with_attention(model: "keras.Model") -> "keras.Model":
    """Return a model that also outputs its attention weights.

    Parameters
    ----------
    model : keras.Model
        One of an entry with attention, just made or loaded.

    Returns
    -------
    keras.Model
        Shares the layers; outputs (refined [batch, sample, target], weights
        [batch, sample, token]), tokens being samples (temporal) or channels (spatial).

    Raises
    ------
    ValueError
        The model has no attention.
    """
    import keras

    for layer in model.layers:
        if getattr(layer, "attention", False):
            return keras.Model(model.input, [model.output, layer.output[1]])
    raise ValueError(f"Expected a model with attention. Received: {model.name}, which has none")


def calibrated(
    model: "keras.Model",
    simulated: NDArray[np.float32],
    measured: NDArray[np.float32],
    present: NDArray[np.bool_],
) -> dict[int, NDArray[np.float32]]:
    """Compute a model's normalisation weights from training rows, without setting them.

    Parameters
    ----------
    model : keras.Model
        Untrained or trained.
    simulated : float32 array [row, sample, channel]
    measured : float32 array [row, sample, target]
        May be NaN where not `present`.
    present : bool array [row, target]
        True where a muscle was measured in a row.

    Returns
    -------
    dict
        From the index in ``model.non_trainable_variables`` to the value.
    """
    index = {id(weight): i for i, weight in enumerate(model.non_trainable_variables)}
    values = {}
    for layer in all_layers(model):
        if hasattr(layer, "statistics"):
            computed = layer.statistics(simulated, measured, present)
            for weight, value in zip(layer.non_trainable_variables, computed, strict=True):
                values[index[id(weight)]] = value
    return values


def calibrate(
    model: "keras.Model",
    simulated: NDArray[np.float32],
    measured: NDArray[np.float32],
    present: NDArray[np.bool_],
) -> None:
    """Set a model's normalisation weights from training rows; see `calibrated`."""
    for index, value in calibrated(model, simulated, measured, present).items():
        model.non_trainable_variables[index].assign(value)


def all_layers(model: "keras.Model") -> Iterator[Any]:
    """Yield every layer once, including those within layers."""
    import keras

    seen: set[int] = set()
    waiting: list[Any] = list(model.layers)
    while waiting:
        layer = waiting.pop(0)
        if id(layer) not in seen:
            seen.add(id(layer))
            yield layer
            for value in vars(layer).values():
                parts = value if isinstance(value, (list, tuple)) else [value]
                waiting.extend(part for part in parts if isinstance(part, keras.Layer))
