"""How a model is called while its graph is made: as it is, or with its recurrences another way.

A plain LSTM as LiteRT's one operator for it, UNIDIRECTIONAL_SEQUENCE_LSTM.

The operator keeps its state from call to call, and a consumer cannot be relied on to reset it. So
the graph does: before the cycle come a few samples that mark themselves in inputs of their own,
whose weights close the input, forget and output gates, and what an earlier call left behind is
multiplied by the closed gates until nothing of it remains. The marks are no larger than what
quantised inputs and weights hold anyway, so that integers keep their resolution.

A NaN would outlive that (0 times NaN is NaN): float graphs keep it, and what is as good as
infinite, out of the operator, and give NaN for the whole cycle.
"""

import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.export.graph.pieces import Piece

FUSED = "fused"

RESETS = 4
"""Samples before the cycle. Integer gates saturate at -8, so that one would not be enough."""

_MARK = 2.0
_CLOSED = 12.0
_HEAVIER = 2
# in standard deviations, and far from where sums of products become infinite
_LARGEST = 1e6


def require(piece: Piece, *, entry: str) -> None:
    """Make sure that all recurrences of a model are of this kind.

    Parameters
    ----------
    piece : Piece
    entry : str
        Of the zoo, for the message.

    Raises
    ------
    InputError
        One is of another kind, reads backwards, or there is none.
    """
    from nem2e_tf.zoo.layers import LSTM
    from nem2e_tf.zoo.models import all_layers

    found = [layer for layer in all_layers(piece.model) if hasattr(layer, "form")]
    other = [layer for layer in found if type(layer) is not LSTM or layer.backwards]
    if found and not other:
        return
    reason = "no recurrence"
    if other:
        reason = f"{'backwards ' * getattr(other[0], 'backwards', False)}{type(other[0]).__name__}"
    raise InputError(
        f"recurrence fused: expected LSTMs that read forwards (the entry lstm), found {entry}, "
        f"which has {reason}; choose auto"
    )


def sequence(layer: Any, features: Any, *, integers: bool) -> Any:
    """Run a layer over a sequence in the operator.

    Parameters
    ----------
    layer : nem2e_tf.zoo.layers.LSTM
        Forwards.
    features : tensor [row, sample, feature]
        The number of rows must be known.
    integers : bool
        The graph will be quantised fully: it cannot hold NaN and needs no guard against it.

    Returns
    -------
    tensor [row, sample, units]
    """
    import tensorflow as tf

    safe = tf.constant(True)
    if not integers:
        usable = tf.abs(features) <= _LARGEST
        safe = tf.reduce_all(usable)
        features = tf.where(usable, features, 0.0)
    with tf.init_scope():
        marked = _closing(*(weight.numpy() for weight in (layer.kernel, *_own(layer))))
    n_rows, n_samples, _ = features.shape
    marks = np.zeros((n_rows, RESETS + n_samples, len(marked)), np.float32)
    marks[:, :RESETS] = _MARK
    extended = tf.concat([tf.pad(features, ((0, 0), (RESETS, 0), (0, 0))), marks], axis=2)
    kernel = tf.concat([tf.convert_to_tensor(layer.kernel.value), marked], axis=0)
    weights = (tf.convert_to_tensor(weight.value) for weight in _own(layer))
    zero = tf.zeros((n_rows, layer.units))
    outputs = _operator()(extended, zero, zero, kernel, *weights)[1][:, RESETS:]
    return outputs if integers else tf.where(safe, outputs, np.float32(np.nan))


def _own(layer: Any) -> tuple[Any, Any]:
    return layer.recurrent_kernel, layer.bias


def _closing(
    kernel: NDArray[np.float32], recurrent: NDArray[np.float32], bias: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Weights [mark, 4 * units] that close all gates, whatever state comes before.

    Examples
    --------
    One unit: 12 to close, 1 for the state, 3 for the largest bias that opens; marks of 2 with
    weights of twice 0.5 are 8.

    >>> weights = _closing(np.full((1, 4), 0.5), np.ones((1, 4)), np.array([0.0, 3, 0, 0]))
    >>> weights.shape, weights[0].tolist()
    ((8, 4), [-1.0, -1.0, 0.0, -1.0])
    """
    units = len(recurrent)
    row, n_marks = np.zeros(4 * units, np.float32), 1
    for gate in (0, 1, 3):
        own = slice(gate * units, (gate + 1) * units)
        weight = _HEAVIER * max(float(np.abs(kernel[:, own]).max()), 1e-3)
        opened = np.maximum(bias[own] + np.abs(recurrent[:, own]).sum(axis=0), 0).max()
        n_marks = max(n_marks, int(np.ceil((_CLOSED + opened) / (_MARK * weight))))
        row[own] = -weight
    return np.tile(row, (n_marks, 1))


def _operator() -> Any:
    """The computation as a function that the converter knows by its attributes."""
    import tensorflow as tf

    def standard_lstm(
        inputs: Any, hidden: Any, cell: Any, kernel: Any, recurrent: Any, bias: Any
    ) -> tuple[Any, ...]:
        outputs = []
        for sample in tf.unstack(inputs, axis=1):
            gates = tf.matmul(sample, kernel) + tf.matmul(hidden, recurrent) + bias
            entry, forget, candidate, exit_ = tf.split(gates, 4, axis=-1)
            cell = tf.sigmoid(forget) * cell + tf.sigmoid(entry) * tf.tanh(candidate)
            hidden = tf.sigmoid(exit_) * tf.tanh(cell)
            outputs.append(hidden)
        # five outputs, in the order that the converter expects
        return hidden, tf.stack(outputs, axis=1), hidden, cell, tf.constant(0.0)

    return tf.function(
        standard_lstm,
        autograph=False,
        experimental_attributes={
            "api_implements": f"lstm_{uuid.uuid4()}",
            "api_preferred_device": "CPU",
            "go_backwards": False,
            "time_major": False,
        },
    )


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
    if recurrence == FUSED:
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
            outputs = sequence(layer, inputs[0], integers=integers)
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
