"""Other views of a built model: another form of its recurrences, its attention weights, its fit."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras


def set_recurrence_form(model: "keras.Model", form: str) -> None:
    """Choose how a model's recurrences are computed when it is traced next.

    Parameters
    ----------
    model : keras.Model
        Changed in place; its weights stay.
    form : {"unrolled", "loop"}
        ``unrolled`` to train, ``loop`` to export small.
    """
    from nem2e_tf.zoo.layers.recurrence import FORMS

    if form not in FORMS:
        raise ValueError(f"Expected form to be one of {FORMS}. Received: form={form!r}")
    for layer in all_layers(model):
        if hasattr(layer, "form"):
            layer.form = form


def with_attention(model: "keras.Model") -> "keras.Model":
    """Return a model that gives the attention weights as well.

    Parameters
    ----------
    model : keras.Model
        One of the zoo's attention entries, fresh or loaded.

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
    simulated : float32 array [row, sample, channel]
    measured : float32 array [row, sample, target]
        NaN allowed where not `present`.
    present : bool array [row, target]
        Whether a muscle was measured in that row.

    Returns
    -------
    dict
        Index in ``model.non_trainable_variables`` -> value.
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
    """Yield every layer once, those within layers too."""
    seen: set[int] = set()
    waiting: list[Any] = list(model.layers)
    while waiting:
        layer = waiting.pop(0)
        if id(layer) not in seen:
            seen.add(id(layer))
            yield layer
            waiting.extend(getattr(layer, "_layers", []))
