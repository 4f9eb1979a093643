"""The gradients written by hand against those of automatic differentiation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nem2e_tf.zoo.layers import LSTM, LuongDecoder

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
@pytest.mark.parametrize("n_targets", [1, 3])
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
