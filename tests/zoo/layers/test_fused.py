"""The gradients written by hand against those of automatic differentiation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nem2e_tf.zoo.layers import (
    LSTM,
    DilatedConvolution,
    LayerNormalisation,
    LuongDecoder,
    SelfAttention,
)

RNG = np.random.default_rng(5)


def gradients(layer, inputs, *, training, weigh):
    tensors = [tf.constant(value) for value in inputs]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        outputs = layer(*tensors, training=training)
        total = sum(
            tf.reduce_sum(out * factor) for out, factor in zip(outputs, weigh, strict=False)
        )
    wanted = [*(v.value for v in layer.trainable_variables), *tensors]
    found = tape.gradient(total, wanted, unconnected_gradients="zero")
    return [np.asarray(out) for out in outputs], [np.asarray(g) for g in found]


def compare(layer, inputs, weigh, *, outputs):
    plain, slow = gradients(layer, inputs, training=False, weigh=weigh)
    fused, fast = gradients(layer, inputs, training=True, weigh=weigh)
    for one, other in zip(plain[:outputs], fused[:outputs], strict=True):
        np.testing.assert_allclose(other, one, atol=1e-6)
    for one, other in zip(slow, fast, strict=True):
        assert np.abs(one).max() > 0
        np.testing.assert_allclose(other, one, atol=2e-6 * max(1.0, np.abs(one).max()))


@pytest.mark.parametrize("backwards", [False, True])
def test_lstm_gradient_equals_the_plain_one(backwards):
    keras.utils.set_random_seed(1)
    layer = LSTM(5, backwards=backwards)
    inputs = [RNG.normal(size=shape).astype("f4") for shape in ((3, 7, 4), (3, 5), (3, 5))]
    layer(*inputs)
    weigh = [RNG.normal(size=shape).astype("f4") for shape in ((3, 7, 5), (3, 5), (3, 5))]
    compare(layer, inputs, weigh, outputs=3)


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("n_targets", [1, 3, 6])
def test_decoder_gradient_equals_the_plain_one(attention, n_targets):
    keras.utils.set_random_seed(2)
    layer = LuongDecoder(5, n_targets=n_targets, n_samples=6, attention=attention)
    inputs = [RNG.normal(size=shape).astype("f4") for shape in ((3, 4, 5), (3, 5), (3, 5))]
    layer(*inputs)
    for weight in layer.trainable_variables:
        weight.assign(RNG.normal(size=weight.shape).astype("f4") * 0.5)
    weigh = [RNG.normal(size=(3, 6, n_targets)).astype("f4")]
    if attention:
        compare(layer, inputs, weigh, outputs=1)
        return
    # Without attention the memory is not looked at: its gradient is zero in both forms.
    memory = inputs[0]

    class Rest(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.decoder = layer

        def call(self, hidden, cell, training=False):
            return self.decoder(memory, hidden, cell, training=training)

    rest = Rest()
    rest(*inputs[1:])
    compare(rest, inputs[1:], weigh, outputs=1)


def test_scheduled_decoder_gradient_equals_the_plain_one():
    keras.utils.set_random_seed(3)
    layer = LuongDecoder(5, n_targets=2, n_samples=6)
    inputs = [RNG.normal(size=shape).astype("f4") for shape in ((3, 4, 5), (3, 5), (3, 5))]
    previous = RNG.normal(size=(3, 6, 2)).astype("f4")
    feed = (RNG.random(size=(3, 6, 1)) < 0.5).astype("f4")
    layer(*inputs)

    class Scheduled(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.decoder = layer

        def call(self, memory, hidden, cell, training=False):
            return self.decoder(memory, hidden, cell, previous, feed, training=training)

    scheduled = Scheduled()
    scheduled(*inputs)
    assert 0 < feed.mean() < 1
    compare(scheduled, inputs, [RNG.normal(size=(3, 6, 2)).astype("f4")], outputs=1)


def test_layer_normalisation_equals_keras_and_so_does_its_gradient():
    ours, theirs = LayerNormalisation(), keras.layers.LayerNormalization(epsilon=1e-6)
    inputs = [RNG.normal(size=(3, 4, 6)).astype("f4")]
    for layer in (ours, theirs):
        layer(*inputs)
        layer.set_weights([np.linspace(0.5, 2, 6), np.linspace(-1, 1, 6)])
    weigh = [RNG.normal(size=(4, 6)).astype("f4")] * 3
    expected, slow = gradients(theirs, inputs, training=False, weigh=weigh)
    for training in (False, True):
        found, fast = gradients(ours, inputs, training=training, weigh=weigh)
        np.testing.assert_allclose(found, expected, atol=1e-6)
        for one, other in zip(slow, fast, strict=True):
            np.testing.assert_allclose(other, one, atol=5e-6)


def test_self_attention_equals_keras():
    keras.utils.set_random_seed(4)
    ours, theirs = SelfAttention(2), keras.layers.MultiHeadAttention(2, 3)
    x = RNG.normal(size=(3, 5, 6)).astype("f4")
    ours(x)
    theirs(x, x)
    query, query_bias, key, key_bias, value, value_bias, out, out_bias = theirs.get_weights()
    biases = [RNG.normal(size=b.shape).astype("f4") for b in (query_bias, key_bias, value_bias)]
    theirs.set_weights([query, biases[0], key, biases[1], value, biases[2], out, out_bias])
    kernels = [kernel.reshape(6, 6) for kernel in (query, key, value)]
    ours.set_weights(
        [
            np.concatenate(kernels, axis=1),
            np.concatenate([bias.ravel() for bias in biases]),
            out.reshape(6, 6),
            out_bias,
        ]
    )
    np.testing.assert_allclose(np.asarray(ours(x)), np.asarray(theirs(x, x)), atol=1e-6)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("kernel_size", "dilation"), [(3, 1), (3, 4), (2, 3), (1, 1)])
def test_convolution_gradient_equals_the_plain_one(causal, kernel_size, dilation):
    keras.utils.set_random_seed(6)
    layer = DilatedConvolution(4, kernel_size=kernel_size, dilation=dilation, causal=causal)

    class Rest(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.convolution = layer

        def call(self, sequence, training=False):
            return (self.convolution(sequence, training=training),)

    rest = Rest()
    inputs = [RNG.normal(size=(3, 9, 2)).astype("f4")]
    rest(*inputs)
    weigh = [RNG.normal(size=(3, 9, 4)).astype("f4")]
    compare(rest, inputs, weigh, outputs=1)
