"""Recurrences traced in another way: as LiteRT's LSTM operator, or for full quantisation.

UNIDIRECTIONAL_SEQUENCE_LSTM keeps its state from call to call, and callers may not reset it.
Therefore the graph does: it puts a few samples before the cycle that mark themselves in additional
inputs. The weights of these inputs close the input, forget and output gates, and the state of an
earlier call is multiplied by the closed gates until nothing is left of it. The marks lie within the
range of the quantised inputs and weights, so that integers keep their resolution.

NaN would survive this (0 times NaN is NaN): float graphs keep NaN and very large values out of the
operator, and return NaN for the whole cycle.
"""

import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.export.graph.pieces import Piece, layer_by_layer

RESETS = 4
"""Samples before the cycle. One would do with floats; integer gates saturate at -8."""

# Of a mark, of a closed gate (before the sigmoid), and of a mark's weight over the largest other.
_MARK = 2.0
_CLOSED = 12.0
_HEAVIER = 2
# In standard deviations; sums of products are far from infinite here.
_LARGEST = 1e6
# Initial state that calibration sees; far below a quantisation step of any state.
_SEEN = 1e-6


def fused_caller(piece: Piece, *, integers: bool, entry: str) -> Callable[[Any], Any]:
    """Make a function that calls a model with its LSTMs as LiteRT's operator.

    Parameters
    ----------
    piece : Piece
    integers : bool
        The graph will be quantised fully: it cannot hold NaN and needs no guard against it.
    entry : str
        Entry of the zoo, for messages.

    Raises
    ------
    InputError
        The model has another kind of recurrence, one that reads backwards, or none.
    """
    from nem2e_tf.zoo.layers import LSTM
    from nem2e_tf.zoo.models import all_layers

    found = [layer for layer in all_layers(piece.model) if hasattr(layer, "form")]
    other = [layer for layer in found if type(layer) is not LSTM or layer.backwards]
    if other or not found:
        reason = "no recurrence"
        if other:
            backwards = "backwards " * getattr(other[0], "backwards", False)
            reason = f"{backwards}{type(other[0]).__name__}"
        raise InputError(
            f"recurrence fused: expected LSTMs that read forwards (the entry lstm), found {entry}, "
            f"which has {reason}; choose auto"
        )

    def call(layer: Any, *inputs: Any, **options: Any) -> Any:
        if isinstance(layer, LSTM):
            # the operator does not return the final states, and nothing reads them
            return (_fused(layer, inputs[0], integers=integers), None, None)
        return layer(*inputs, **options)

    run = layer_by_layer(piece.model)
    return lambda simulated: run(simulated, call)


def quantisable_caller(piece: Piece) -> Callable[[Any], Any]:
    """Make a function that calls a model for full quantisation.

    An LSTM's cell state and a GRU's hidden state start slightly off zero. From zero, the first
    forget gate of the LSTM, or the first reset gate of a GRU without a recurrent bias, has no
    effect and is optimised away. The operator that computes it then has an output that calibration
    never sees, and the converter may leave that operator in float.
    """
    import tensorflow as tf

    from nem2e_tf.zoo.layers import GRU, LSTM

    def call(layer: Any, *inputs: Any, **options: Any) -> Any:
        if isinstance(layer, LSTM | GRU) and len(inputs) == 1:
            shape = (tf.shape(inputs[0])[0], layer.units)
            seen = tf.fill(shape, np.float32(_SEEN))
            states = (tf.zeros(shape), seen) if isinstance(layer, LSTM) else (seen,)
            return layer(inputs[0], *states, **options)
        return layer(*inputs, **options)

    run = layer_by_layer(piece.model)
    return lambda simulated: run(simulated, call)


def _fused(layer: Any, features: Any, *, integers: bool) -> Any:
    """Run an LSTM over [row, sample, feature] in the operator; the number of rows must be known."""
    import tensorflow as tf

    safe = tf.constant(True)
    if not integers:
        usable = tf.abs(features) <= _LARGEST
        safe = tf.reduce_all(usable)
        features = tf.where(usable, features, 0.0)
    with tf.init_scope():
        weights = (layer.kernel, layer.recurrent_kernel, layer.bias)
        marked = _closing(*(weight.numpy() for weight in weights))
    n_rows, n_samples, _ = features.shape
    marks = np.zeros((n_rows, RESETS + n_samples, len(marked)), np.float32)
    marks[:, :RESETS] = _MARK
    extended = tf.concat([tf.pad(features, ((0, 0), (RESETS, 0), (0, 0))), marks], axis=2)
    kernel = tf.concat([tf.convert_to_tensor(layer.kernel.value), marked], axis=0)
    others = (tf.convert_to_tensor(weight.value) for weight in weights[1:])
    zero = tf.zeros((n_rows, layer.units))
    outputs = _operator()(extended, zero, zero, kernel, *others)[1][:, RESETS:]
    return outputs if integers else tf.where(safe, outputs, np.float32(np.nan))


def _closing(
    kernel: NDArray[np.float32], recurrent: NDArray[np.float32], bias: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Compute weights [mark, 4 * units] that close all gates from any earlier state.

    Examples
    --------
    One unit: 12 to close, plus 1 for the state and 3 for the largest opening bias, takes 8 marks of
    2 with weights of twice 0.5.

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
    """Make the function that the converter recognises, by its attributes, as the operator."""
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
        # the converter expects five outputs in this order
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
