"""Recurrences whose gradients are written by hand, for training.

Automatic differentiation of an unrolled recurrence adds up one weight gradient a sample. Here the
samples' shares are laid side by side and multiplied once, as the weights' gradient is a sum over
samples and rows alike. The result is that of the plain form, which `tests/test_fused.py` holds.
"""

from typing import Any, NamedTuple

import tensorflow as tf

_sigmoid_gradient = tf.raw_ops.SigmoidGrad
_tanh_gradient = tf.raw_ops.TanhGrad


class _Step(NamedTuple):
    """What the way back needs of one LSTM step."""

    entry: Any
    forget: Any
    candidate: Any
    exit_: Any
    tanh_cell: Any
    cell_before: Any
    hidden_before: Any


def _forward(gates: Any, hidden: Any, cell: Any) -> tuple[Any, Any, _Step]:
    entry, forget, candidate, exit_ = tf.split(gates, 4, axis=-1)
    entry, forget, exit_ = tf.sigmoid(entry), tf.sigmoid(forget), tf.sigmoid(exit_)
    candidate = tf.tanh(candidate)
    after = forget * cell + entry * candidate
    tanh_cell = tf.tanh(after)
    kept = _Step(entry, forget, candidate, exit_, tanh_cell, cell, hidden)
    return exit_ * tanh_cell, after, kept


def _backward(step: _Step, d_hidden: Any, d_cell: Any) -> tuple[Any, Any]:
    """Gradients of the gates before their activation and of the cell before the step."""
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
    """Gradient of a matrix that every sample was multiplied with: one product."""
    return tf.matmul(tf.concat(inputs, 0), tf.concat(d_outputs, 0), transpose_a=True)


@tf.custom_gradient
def lstm_sequence(projected: Any, hidden: Any, cell: Any, recurrent_kernel: Any) -> Any:
    """Run an LSTM over [batch, sample, 4 * units] of projected inputs.

    Parameters
    ----------
    projected : tensor [batch, sample, 4 * units]
        Inputs times kernel plus bias; gates in the order input, forget, cell, output.
    hidden, cell : tensor [batch, units]
        Initial states.
    recurrent_kernel : tensor [units, 4 * units]

    Returns
    -------
    tuple
        Hidden states [batch, sample, units], final hidden and cell state.
    """
    n_samples = projected.shape[1]
    hiddens, steps = [], []
    for sample in tf.unstack(projected, num=n_samples, axis=1):
        gates = sample + tf.matmul(hidden, recurrent_kernel)
        hidden, cell, step = _forward(gates, hidden, cell)
        hiddens.append(hidden)
        steps.append(step)

    def gradient(d_hiddens: Any, d_hidden: Any, d_cell: Any) -> Any:
        d_gates: list[Any] = [None] * n_samples
        d_each = tf.unstack(d_hiddens, num=n_samples, axis=1)
        for sample in reversed(range(n_samples)):
            d_gates[sample], d_cell = _backward(steps[sample], d_hidden + d_each[sample], d_cell)
            d_hidden = tf.matmul(d_gates[sample], recurrent_kernel, transpose_b=True)
        before = [step.hidden_before for step in steps]
        return tf.stack(d_gates, axis=1), d_hidden, d_cell, _weight_gradient(before, d_gates)

    return (tf.stack(hiddens, axis=1), hidden, cell), gradient


class DecoderWeights(NamedTuple):
    """Weights of the decoder, as tensors.

    Attributes
    ----------
    kernel : tensor [target + units, 4 * units]
        Input kernel above recurrent kernel.
    bias : tensor [4 * units]
    combine, combine_bias : tensor [2 * units, units] and [units], or None without attention
        Context above hidden state.
    head, head_bias : tensor [units, target] and [target]
    """

    kernel: Any
    bias: Any
    head: Any
    head_bias: Any
    combine: Any = None
    combine_bias: Any = None


def decode(
    weights: DecoderWeights,
    hidden: Any,
    cell: Any,
    *,
    n_samples: int,
    memory: Any = None,
    keys: Any = None,
    previous: Any = None,
    feed: Any = None,
) -> Any:
    """Decode sample by sample from the own previous output, with Luong's attention or without.

    Parameters
    ----------
    weights : DecoderWeights
    hidden, cell : tensor [batch, units]
    n_samples : int
    memory : tensor [batch, token, units], optional
        Attend over it.
    keys : tensor [batch, units, token], optional
        The memory's scores: what the hidden state is multiplied with.
    previous, feed : tensor [batch, sample, target] and [batch, sample, 1], optional
        Read `previous` where `feed` is 1. No gradient flows to them.

    Returns
    -------
    tensor [batch, sample, target]
    """
    n_targets = weights.head.shape[-1]
    told = None if feed is None else tf.split(feed, n_samples, axis=1)
    given = None if previous is None else tf.split(previous, n_samples, axis=1)
    told = None if told is None else [tf.squeeze(part, 1) for part in told]
    given = None if given is None else [tf.squeeze(part, 1) for part in given]
    attentive = memory is not None
    d_own_share = None if told is None else [1 - part for part in told]

    @tf.custom_gradient
    def run(hidden: Any, cell: Any, kernel: Any, bias: Any, head: Any, head_bias: Any, *rest: Any):  # type: ignore[no-untyped-def]  # noqa: ANN202
        memory, keys, combine, combine_bias = rest if attentive else (None,) * 4
        output = tf.zeros((tf.shape(hidden)[0], n_targets), hidden.dtype)
        inputs, steps, hiddens, outputs = [], [], [], []
        attentions, joined, combined = [], [], []
        for sample in range(n_samples):
            if told is not None and given is not None and d_own_share is not None:
                output = told[sample] * given[sample] + d_own_share[sample] * output
            inputs.append(tf.concat([output, hidden], axis=-1))
            gates = tf.matmul(inputs[-1], kernel) + bias
            hidden, cell, step = _forward(gates, hidden, cell)
            steps.append(step)
            hiddens.append(hidden)
            seen = hidden
            if attentive:
                scores = tf.squeeze(tf.matmul(tf.expand_dims(hidden, 1), keys), 1)
                attentions.append(tf.nn.softmax(scores))
                context = tf.squeeze(tf.matmul(tf.expand_dims(attentions[-1], 1), memory), 1)
                joined.append(tf.concat([context, hidden], axis=-1))
                seen = tf.tanh(tf.matmul(joined[-1], combine) + combine_bias)
                combined.append(seen)
            output = tf.matmul(seen, head) + head_bias
            outputs.append(output)

        def gradient(d_result: Any) -> Any:
            d_outputs = tf.unstack(d_result, num=n_samples, axis=1)
            d_gates: list[Any] = [None] * n_samples
            d_scores: list[Any] = [None] * n_samples
            d_contexts: list[Any] = [None] * n_samples
            d_combined: list[Any] = [None] * n_samples
            d_hidden, d_cell = tf.zeros_like(hidden), tf.zeros_like(cell)
            d_next = None
            for sample in reversed(range(n_samples)):
                if d_next is not None:
                    d_outputs[sample] += d_next
                d_seen = tf.matmul(d_outputs[sample], head, transpose_b=True)
                if attentive:
                    d_combined[sample] = _tanh_gradient(y=combined[sample], dy=d_seen)
                    d_joined = tf.matmul(d_combined[sample], combine, transpose_b=True)
                    d_context, d_seen = tf.split(d_joined, 2, axis=-1)
                    d_contexts[sample] = d_context
                    d_attention = tf.squeeze(
                        tf.matmul(tf.expand_dims(d_context, 1), memory, transpose_b=True), 1
                    )
                    attention = attentions[sample]
                    inner = tf.reduce_sum(attention * d_attention, axis=-1, keepdims=True)
                    d_scores[sample] = attention * (d_attention - inner)
                    d_seen += tf.squeeze(
                        tf.matmul(tf.expand_dims(d_scores[sample], 1), keys, transpose_b=True), 1
                    )
                d_gates[sample], d_cell = _backward(steps[sample], d_hidden + d_seen, d_cell)
                d_input = tf.matmul(d_gates[sample], kernel, transpose_b=True)
                d_next, d_hidden = tf.split(d_input, [n_targets, kernel.shape[0] - n_targets], -1)
                if d_own_share is not None:
                    d_next *= d_own_share[sample]
            seen = combined if attentive else hiddens
            gradients = [
                d_hidden,
                d_cell,
                _weight_gradient(inputs, d_gates),
                tf.add_n([tf.reduce_sum(part, 0) for part in d_gates]),
                _weight_gradient(seen, d_outputs),
                tf.add_n([tf.reduce_sum(part, 0) for part in d_outputs]),
            ]
            if attentive:
                gradients += [
                    tf.matmul(tf.stack(attentions, 1), tf.stack(d_contexts, 1), transpose_a=True),
                    tf.matmul(tf.stack(hiddens, 1), tf.stack(d_scores, 1), transpose_a=True),
                    _weight_gradient(joined, d_combined),
                    tf.add_n([tf.reduce_sum(part, 0) for part in d_combined]),
                ]
            return gradients

        return tf.stack(outputs, axis=1), gradient

    rest = (memory, keys, weights.combine, weights.combine_bias) if attentive else ()
    return run(hidden, cell, weights.kernel, weights.bias, weights.head, weights.head_bias, *rest)
