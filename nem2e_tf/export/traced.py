"""How a model is called while its graph is made: as it is, or with its recurrences another way."""

from collections.abc import Callable
from typing import Any

import numpy as np

from nem2e_tf.export import lstm_operator

# Far below a step of any state's integers.
SEEN = 1e-6

Replace = Callable[..., Any]


def caller(model: Any, *, recurrence: str, integers: bool) -> Callable[[Any], Any]:
    """Choose how a model is called.

    Parameters
    ----------
    model : keras.Model
    recurrence : {"loop", "unrolled", "fused"}
        The layers themselves are in one of the first two forms.
    integers : bool
        The graph will be quantised fully.

    Returns
    -------
    callable
        The model's input to its output.
    """
    if recurrence == lstm_operator.FUSED:
        return lambda simulated: _through(model, simulated, _in_operator(integers=integers))
    if integers:
        return lambda simulated: _through(model, simulated, _from_seen_state)
    return lambda simulated: model(simulated, training=False)


def _through(model: Any, inputs: Any, replace: Replace) -> Any:
    """Call a functional model's layers one by one, those of models within it too."""
    import keras

    def call(layer: Any, *inputs: Any, **options: Any) -> Any:
        if isinstance(layer, keras.Model):
            return _through(layer, inputs[0], replace)
        return replace(layer, *inputs, **options)

    # Keras offers no public way to
    return model._run_through_graph(inputs, operation_fn=lambda layer: layer, call_fn=call)


def _in_operator(*, integers: bool) -> Replace:
    from nem2e_tf.zoo.layers import LSTM

    def call(layer: Any, *inputs: Any, **options: Any) -> Any:
        if isinstance(layer, LSTM):
            # the operator does not give the final states, and nothing may ask for them
            outputs = lstm_operator.sequence(layer, inputs[0], integers=integers)
            return (outputs, None, None)
        return layer(*inputs, **options)

    return call


def _from_seen_state(layer: Any, *inputs: Any, **options: Any) -> Any:
    """Start an LSTM's cell, and a GRU's hidden state, a little off zero.

    From zero, the LSTM's first forget gate has no effect, nor has the first reset gate of a GRU
    without a recurrent bias, and it is left out of the graph. The operator that it comes from then
    has an output that calibration never sees; where its memory happens to hold nothing, the
    converter leaves that operator in float.
    """
    import tensorflow as tf

    from nem2e_tf.zoo.layers import GRU, LSTM

    if isinstance(layer, LSTM | GRU) and len(inputs) == 1:
        shape = (tf.shape(inputs[0])[0], layer.units)
        seen = tf.fill(shape, np.float32(SEEN))
        states = (tf.zeros(shape), seen) if isinstance(layer, LSTM) else (seen,)
        return layer(inputs[0], *states, **options)
    return layer(*inputs, **options)
