"""Recurrences with gradients written by hand, for training.

Automatic differentiation of an unrolled recurrence computes one weight gradient per sample and adds
them up. That gradient is a sum over samples and rows alike, so here all samples are concatenated
and multiplied once. Biases are a row of ones in that product, and kernels that the backward pass
multiplies every sample by are transposed once. Results equal those of the plain form
(tests/zoo/layers/test_fused.py).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

_sigmoid_gradient = tf.raw_ops.SigmoidGrad
_tanh_gradient = tf.raw_ops.TanhGrad


class _Step(NamedTuple):
    """Values of one LSTM step that its gradient needs."""

    inputs: Any
    entry: Any
    forget: Any
    candidate: Any
    exit_: Any
    tanh_cell: Any
    cell_before: Any


def _forward(inputs: Any, kernel: Any, cell: Any) -> tuple[Any, Any, _Step]:
    entry, forget, candidate, exit_ = tf.split(tf.matmul(inputs, kernel), 4, axis=-1)
    entry, forget, exit_ = tf.sigmoid(entry), tf.sigmoid(forget), tf.sigmoid(exit_)
    candidate = tf.tanh(candidate)
    after = forget * cell + entry * candidate
    tanh_cell = tf.tanh(after)
    kept = _Step(inputs, entry, forget, candidate, exit_, tanh_cell, cell)
    return exit_ * tanh_cell, after, kept


def _backward(step: _Step, d_hidden: Any, d_cell: Any) -> tuple[Any, Any]:
    """Return gradients of the gates, before activation, and of the cell before the step."""
    d_cell = d_cell + _tanh_gradient(y=step.tanh_cell, dy=d_hidden * step.exit_)
    d_gates = tf.concat(
        [
            _sigmoid_gradient(y=step.entry, dy=d_cell * step.candidate),
            _sigmoid_gradient(y=step.forget, dy=d_cell * step.cell_before),
            _tanh_gradient(y=step.candidate, dy=d_cell * step.entry),
            _sigmoid_gradient(y=step.exit_, dy=d_hidden * step.tanh_cell),
        ],
        axis=-1,
    )
    return d_gates, d_cell * step.forget


def _weight_gradient(inputs: list[Any], d_outputs: list[Any]) -> Any:
    """Return the gradient of a matrix that every sample was multiplied by, as one product."""
    return tf.matmul(tf.concat(inputs, 0), tf.concat(d_outputs, 0), transpose_a=True)


def _transposed(matrix: Any) -> Any:
    return tf.linalg.matrix_transpose(matrix)


def _back_through(kernel: Any, n_rows: int | None) -> Callable[[Any], Any]:
    """Return a function that multiplies by a transposed kernel, which is transposed once.

    With a single row per sample, transposing costs more than it saves.
    """
    if n_rows == 1:
        return lambda rows: tf.matmul(rows, kernel, transpose_b=True)
    back = _transposed(kernel)
    return lambda rows: tf.matmul(rows, back)


def _times(vector: Any, matrices: Any) -> Any:
    """Multiply each row's vector [batch, n] by the row's own matrix [batch, n, m]."""
    return tf.squeeze(tf.matmul(tf.expand_dims(vector, 1), matrices), 1)


@tf.custom_gradient
def lstm_sequence(
    sequence: Any, hidden: Any, cell: Any, kernel: Any, recurrent_kernel: Any, bias: Any
) -> Any:
    """Run an LSTM over [batch, sample, feature].

    Parameters
    ----------
    sequence : tensor [batch, sample, feature]
    hidden, cell : tensor [batch, units]
        Initial states.
    kernel, recurrent_kernel, bias : tensor
        [feature, 4 * units], [units, 4 * units] and [4 * units]; gates in the order input, forget,
        cell, output.

    Returns
    -------
    tuple
        Hidden states [batch, sample, units], final hidden and cell state.
    """
    n_samples, width = sequence.shape[1:]
    units = recurrent_kernel.shape[0]
    joined = tf.concat([recurrent_kernel, kernel, bias[None]], axis=0)
    with_ones = tf.concat([sequence, tf.ones_like(sequence[:, :, :1])], axis=-1)
    hiddens, steps = [], []
    for sample in tf.unstack(with_ones, num=n_samples, axis=1):
        hidden, cell, step = _forward(tf.concat([hidden, sample], axis=-1), joined, cell)
        hiddens.append(hidden)
        steps.append(step)

    def gradient(d_hiddens: Any, d_hidden: Any, d_cell: Any) -> Any:
        d_gates: list[Any] = [None] * n_samples
        d_each = tf.unstack(d_hiddens, num=n_samples, axis=1)
        back = _back_through(recurrent_kernel, hidden.shape[0])
        for sample in reversed(range(n_samples)):
            d_gates[sample], d_cell = _backward(steps[sample], d_hidden + d_each[sample], d_cell)
            d_hidden = back(d_gates[sample])
        d_sequence = tf.reshape(
            tf.matmul(tf.concat(d_gates, 0), kernel, transpose_b=True), (n_samples, -1, width)
        )
        d_joined = _weight_gradient([step.inputs for step in steps], d_gates)
        d_recurrent, d_kernel, d_bias = tf.split(d_joined, [units, width, 1], axis=0)
        return (
            tf.transpose(d_sequence, (1, 0, 2)),
            d_hidden,
            d_cell,
            d_kernel,
            d_recurrent,
            d_bias[0],
        )

    return (tf.stack(hiddens, axis=1), hidden, cell), gradient


class DecoderWeights(NamedTuple):
    """Weights of the decoder, as tensors.

    Attributes
    ----------
    kernel, recurrent_kernel, bias : tensor
        Of the LSTM that reads the targets, as in `lstm_sequence`.
    head, head_bias : tensor [units, target] and [target]
    combine : tensor [units, units], optional
        The hidden state's part of the attention's combination.
    """

    kernel: Any
    recurrent_kernel: Any
    bias: Any
    head: Any
    head_bias: Any
    combine: Any = None


def decode(
    weights: DecoderWeights,
    hidden: Any,
    cell: Any,
    *,
    n_samples: int,
    scored: Any = None,
    looked: Any = None,
    previous: Any = None,
    feed: Any = None,
) -> Any:
    """Decode sample by sample from the previous output, with Luong's attention or without.

    Parameters
    ----------
    weights : DecoderWeights
    hidden, cell : tensor [batch, units]
    n_samples : int
    scored : tensor [batch, token, units], optional
        The memory times the matrix of the score. Its product with the hidden state is the score of
        each token; without it there is no attention.
    looked : tensor [batch, token, units], optional
        The memory times the context's part of the combination, plus its bias. As attention weights
        add up to 1, the weighted mean of it is the context's part of the combination.
    previous, feed : tensor [batch, sample, target] and [batch, sample, 1], optional
        `previous` is read where `feed` is 1. They have no gradient.

    Returns
    -------
    tensor [batch, sample, target]
    """
    units, n_targets = weights.head.shape
    attentive = scored is not None
    forced, measured = _forced_and_measured(previous, feed, n_samples)

    @tf.custom_gradient
    def run(
        hidden: Any,
        cell: Any,
        kernel: Any,
        recurrent_kernel: Any,
        bias: Any,
        head: Any,
        head_bias: Any,
        *rest: Any,
    ) -> Any:
        combine, scored, looked = rest if attentive else (None,) * 3
        joined = tf.concat([recurrent_kernel, kernel, bias[None]], axis=0)
        # The output has a further column of ones, which the bias is multiplied by.
        out_kernel = tf.pad(head, ((0, 0), (0, 1)))
        out_bias = tf.concat([head_bias, tf.ones_like(head_bias[:1])], axis=0)
        output = tf.zeros_like(hidden[:, :1]) + tf.one_hot(n_targets, n_targets + 1)
        keys = _transposed(scored) if attentive else None
        steps, hiddens, attentions, emitted, outputs = [], [], [], [], []
        for sample in range(n_samples):
            if forced:
                output = forced[sample] * measured[sample] + (1 - forced[sample]) * output
            hidden, cell, step = _forward(tf.concat([hidden, output], axis=-1), joined, cell)
            steps.append(step)
            hiddens.append(hidden)
            seen = hidden
            if attentive:
                attentions.append(tf.nn.softmax(_times(hidden, keys)))
                seen = tf.tanh(tf.matmul(hidden, combine) + _times(attentions[-1], looked))
            emitted.append(seen)
            output = tf.matmul(seen, out_kernel) + out_bias
            outputs.append(output)

        def gradient(d_result: Any) -> Any:
            d_outputs = tf.unstack(d_result, num=n_samples, axis=1)
            d_gates: list[Any] = [None] * n_samples
            d_scores: list[Any] = [None] * n_samples
            d_seens: list[Any] = [None] * n_samples
            n_rows = hidden.shape[0]
            head_back, back = _back_through(head, n_rows), _back_through(recurrent_kernel, n_rows)
            output_back = _back_through(kernel, n_rows)
            if attentive:
                combine_back = _back_through(combine, n_rows)
                looked_back = _transposed(looked)
            d_hidden, d_cell, d_next = tf.zeros_like(hidden), tf.zeros_like(cell), None
            for sample in reversed(range(n_samples)):
                if d_next is not None:
                    d_outputs[sample] += d_next
                d_seen = head_back(d_outputs[sample])
                if attentive:
                    d_seens[sample] = _tanh_gradient(y=emitted[sample], dy=d_seen)
                    d_attention = _times(d_seens[sample], looked_back)
                    inner = tf.reduce_sum(attentions[sample] * d_attention, -1, keepdims=True)
                    d_scores[sample] = attentions[sample] * (d_attention - inner)
                    d_hidden += _times(d_scores[sample], scored)
                    d_seen = combine_back(d_seens[sample])
                d_gates[sample], d_cell = _backward(steps[sample], d_hidden + d_seen, d_cell)
                d_hidden = back(d_gates[sample])
                d_next = output_back(d_gates[sample])
                if forced:
                    d_next *= 1 - forced[sample]
            d_joined = _weight_gradient([step.inputs for step in steps], d_gates)
            d_recurrent, d_kernel, d_bias = tf.split(d_joined, [units, n_targets, 1], axis=0)
            gradients = [
                d_hidden,
                d_cell,
                d_kernel,
                d_recurrent,
                d_bias[0],
                _weight_gradient(emitted, d_outputs),
                tf.reduce_sum(tf.add_n(d_outputs), 0),
            ]
            if attentive:
                all_hidden, all_d_seen = tf.stack(hiddens, 1), tf.stack(d_seens, 1)
                rows = (-1, units)
                gradients += [
                    tf.matmul(
                        tf.reshape(all_hidden, rows), tf.reshape(all_d_seen, rows), transpose_a=True
                    ),
                    tf.matmul(tf.stack(d_scores, 1), all_hidden, transpose_a=True),
                    tf.matmul(tf.stack(attentions, 1), all_d_seen, transpose_a=True),
                ]
            return gradients

        return tf.stack(outputs, axis=1)[:, :, :n_targets], gradient

    rest = (weights.combine, scored, looked) if attentive else ()
    return run(hidden, cell, *weights[:5], *rest)


def _forced_and_measured(previous: Any, feed: Any, n_samples: int) -> tuple[list[Any], list[Any]]:
    """Split `feed` and `previous`, with a column of ones, into samples."""
    if previous is None:
        return [], []
    measured = tf.concat([previous, tf.ones_like(previous[:, :, :1])], axis=-1)
    return (
        tf.unstack(feed, num=n_samples, axis=1),
        tf.unstack(measured, num=n_samples, axis=1),
    )
