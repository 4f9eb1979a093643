"""The zoo's layers against Keras' own, numpy and hand computation."""

import keras
import numpy as np
import pytest

from nem2e_tf.zoo.layers import (
    GRU,
    LSTM,
    ChannelNormalisation,
    CounterpartMean,
    Dense,
    DilatedConvolution,
    Dropout,
    GainAndOffset,
    LuongDecoder,
    PositionEncoding,
    SampleMixing,
    SimpleRNN,
    TargetScaling,
    supplied_noise,
)
from nem2e_tf.zoo.layers.decoder import TeacherSchedule
from nem2e_tf.zoo.layers.normalisation import PreviousTarget

BATCH, SAMPLES, FEATURES, UNITS = 3, 6, 5, 4


@pytest.fixture
def random():
    return np.random.default_rng(7)


def sequence(random, *shape):
    return random.standard_normal(shape or (BATCH, SAMPLES, FEATURES)).astype(np.float32)


def randomised(layer, random):
    """Give a built layer weights that are nowhere zero, so that no term can hide."""
    layer.set_weights([0.5 * random.standard_normal(w.shape) for w in layer.get_weights()])
    return layer


class TestRecurrences:
    @pytest.mark.parametrize("form", ["unrolled", "loop"])
    @pytest.mark.parametrize("backwards", [False, True])
    @pytest.mark.parametrize(
        ("ours", "theirs"),
        [
            (SimpleRNN, keras.layers.SimpleRNN),
            (LSTM, keras.layers.LSTM),
            (GRU, keras.layers.GRU),
        ],
    )
    def test_equals_keras_with_the_same_weights(self, ours, theirs, backwards, form, random):
        x = sequence(random)
        layer = ours(UNITS, backwards=backwards, form=form)
        layer(x)
        randomised(layer, random)
        other = theirs(
            UNITS, return_sequences=True, return_state=True, go_backwards=backwards, unroll=True
        )
        other(x)
        weights = layer.get_weights()
        if ours is GRU:
            kernel, recurrent_kernel, bias, recurrent_bias = weights
            weights = [kernel, recurrent_kernel, np.stack([bias, recurrent_bias])]
        other.set_weights(weights)
        outputs, *states = (np.asarray(value) for value in layer(x))
        expected, *expected_states = (np.asarray(value) for value in other(x))
        if backwards:
            expected = expected[:, ::-1]
        np.testing.assert_allclose(outputs, expected, atol=1e-6)
        for state, wanted in zip(states, expected_states, strict=True):
            np.testing.assert_allclose(state, wanted, atol=1e-6)

    @pytest.mark.parametrize("form", ["unrolled", "loop"])
    def test_starts_from_given_states(self, form, random):
        """Reading a sequence in two halves, states handed on, is reading it at once."""
        x = sequence(random)
        layer = LSTM(UNITS, form=form)
        layer(x)
        randomised(layer, random)
        whole, *final = layer(x)
        first, *states = layer(x[:, :2])
        second, *last = layer(x[:, 2:], *states)
        np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, atol=1e-6)
        for state, wanted in zip(last, final, strict=True):
            np.testing.assert_allclose(state, wanted, atol=1e-6)

    def test_lstm_starts_with_an_open_forget_gate_like_keras(self, random):
        layer = LSTM(UNITS)
        layer(sequence(random))
        other = keras.layers.LSTM(UNITS)
        other(sequence(random))
        np.testing.assert_array_equal(layer.get_weights()[2], other.get_weights()[2])

    @pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU])
    def test_refuses_no_units_and_unknown_forms(self, kind):
        with pytest.raises(ValueError, match="at least 1"):
            kind(0)
        with pytest.raises(ValueError, match="unrolled"):
            kind(3, form="rolled")


@pytest.mark.parametrize("shape", [(BATCH, SAMPLES, FEATURES), (BATCH, FEATURES)])
@pytest.mark.parametrize("options", [{}, {"use_bias": False}, {"activation": "tanh"}])
def test_dense_equals_keras(shape, options, random):
    x = sequence(random, *shape)
    layer, other = Dense(UNITS, **options), keras.layers.Dense(UNITS, **options)
    layer(x)
    other(x)
    other.set_weights(randomised(layer, random).get_weights())
    np.testing.assert_allclose(layer(x), other(x), atol=1e-6)


class TestConvolution:
    @pytest.mark.parametrize("causal", [False, True])
    @pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 1), (2, 1), (3, 1), (3, 4), (2, 3)])
    def test_equals_keras_with_the_same_weights(self, kernel_size, dilation, causal, random):
        x = sequence(random)
        layer = DilatedConvolution(7, kernel_size=kernel_size, dilation=dilation, causal=causal)
        layer(x)
        randomised(layer, random)
        other = keras.layers.Conv1D(
            7, kernel_size, dilation_rate=dilation, padding="causal" if causal else "same"
        )
        other(x)
        other.set_weights(layer.get_weights())
        np.testing.assert_allclose(layer(x), other(x), atol=1e-5)

    def test_causal_sees_nothing_later(self, random):
        x = sequence(random)
        layer = DilatedConvolution(2, causal=True, dilation=2)
        before = np.asarray(layer(x))
        x[:, 4:] += 1
        after = np.asarray(layer(x))
        np.testing.assert_array_equal(before[:, :4], after[:, :4])
        assert (before[:, 4:] != after[:, 4:]).all()


def softmax(scores):
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def decode_by_hand(decoder, memory, hidden, cell, *, fed=None):
    """Luong et al. 2015, equations 5 to 8, one cycle and one sample at a time."""
    kernel, recurrent, bias = (w.astype(float) for w in decoder.recurrence.get_weights())
    head, head_bias = (w.astype(float) for w in decoder.head.get_weights())
    outputs = np.zeros((len(memory), decoder.n_samples, decoder.n_targets))
    weights = np.zeros((len(memory), decoder.n_samples, memory.shape[1]))
    for cycle in range(len(memory)):
        h, c = hidden[cycle].astype(float), cell[cycle].astype(float)
        read = np.zeros(decoder.n_targets)
        for sample in range(decoder.n_samples):
            if fed is not None:
                read = fed[cycle, sample]
            entry, forget, candidate, leave = np.split(read @ kernel + h @ recurrent + bias, 4)
            c = sigmoid(forget) * c + sigmoid(entry) * np.tanh(candidate)
            h = sigmoid(leave) * np.tanh(c)
            features = h
            if decoder.attention:
                score = decoder.score.get_weights()[0].astype(float)
                # softmax(h W m): the score's kernel maps memory to keys, so W is its transpose.
                weight = softmax(np.array([h @ score.T @ m for m in memory[cycle].astype(float)]))
                context = weight @ memory[cycle]
                combine, combine_bias = decoder.combine.get_weights()
                features = np.tanh(np.concatenate([context, h]) @ combine + combine_bias)
                weights[cycle, sample] = weight
            read = outputs[cycle, sample] = features @ head + head_bias
    return outputs, weights


@pytest.fixture(params=[True, False], ids=["attention", "plain"])
def decoding(request, random):
    """A decoder with random weights, and what an encoder of seven tokens would hand it."""
    memory = sequence(random, BATCH, 7, UNITS)
    hidden, cell = sequence(random, BATCH, UNITS), sequence(random, BATCH, UNITS)
    decoder = LuongDecoder(UNITS, n_targets=2, n_samples=SAMPLES, attention=request.param)
    decoder(memory, hidden, cell)
    return randomised(decoder, random), (memory, hidden, cell)


class TestDecoder:
    @pytest.mark.parametrize("form", ["unrolled", "loop"])
    def test_free_running_equals_hand_computation(self, decoding, form):
        decoder, encoded = decoding
        decoder.form = form
        outputs, weights = decoder(*encoded)
        expected, expected_weights = decode_by_hand(decoder, *encoded)
        np.testing.assert_allclose(outputs, expected, atol=1e-5)
        np.testing.assert_allclose(weights, expected_weights, atol=1e-5)

    def test_teacher_path_equals_hand_computation(self, decoding, random):
        decoder, encoded = decoding
        fed = sequence(random, BATCH, SAMPLES, 2)
        outputs, weights = decoder(*encoded, fed)
        expected, expected_weights = decode_by_hand(decoder, *encoded, fed=fed)
        np.testing.assert_allclose(outputs, expected, atol=1e-5)
        np.testing.assert_allclose(weights, expected_weights, atol=1e-5)

    def test_fed_its_own_outputs_it_repeats_itself(self, decoding):
        decoder, encoded = decoding
        free = np.asarray(decoder(*encoded)[0])
        own = np.concatenate([np.zeros_like(free[:, :1]), free[:, :-1]], axis=1)
        np.testing.assert_allclose(decoder(*encoded, own)[0], free, atol=1e-5)

    def test_scheduled_between_free_and_teacher(self, decoding, random):
        decoder, encoded = decoding
        fed = sequence(random, BATCH, SAMPLES, 2)
        never, always = np.zeros((BATCH, SAMPLES, 1), "f4"), np.ones((BATCH, SAMPLES, 1), "f4")
        free, reported = np.asarray(decoder(*encoded)[0]), np.asarray(decoder(*encoded, fed)[0])
        np.testing.assert_allclose(decoder(*encoded, fed, never)[0], free, atol=1e-6)
        np.testing.assert_allclose(decoder(*encoded, fed, always)[0], reported, atol=1e-5)
        late = never.copy()
        late[:, 3:] = 1
        mixed = np.asarray(decoder(*encoded, fed, late)[0])
        np.testing.assert_allclose(mixed[:, :3], free[:, :3], atol=1e-6)
        assert np.abs(mixed[:, 3:] - free[:, 3:]).max() > 1e-3

    def test_does_not_depend_on_the_other_cycles_of_the_batch(self, decoding):
        decoder, encoded = decoding
        together = np.asarray(decoder(*encoded)[0])
        alone = np.asarray(decoder(*(value[1:2] for value in encoded))[0])
        np.testing.assert_allclose(together[1:2], alone, atol=1e-6)

    def test_described_shapes_are_the_real_ones(self, decoding):
        decoder, encoded = decoding
        described = decoder.compute_output_spec(*map(keras.ops.convert_to_tensor, encoded))
        for reported, real in zip(described, decoder(*encoded), strict=True):
            assert tuple(reported.shape) == tuple(real.shape)


class TestFeeding:
    def test_previous_target_is_normalised_and_one_sample_late(self, random):
        scaling = TargetScaling()
        scaling(np.zeros((1, 3, 2), "f4"))
        scaling.set_weights([np.full((3, 2), 0.5), np.array([2.0, 4.0])])
        measured = np.arange(6, dtype="f4").reshape(1, 3, 2)
        reported = PreviousTarget(scaling)(measured)
        expected = [[[0, 0], [-0.25, 0.125], [0.75, 0.625]]]
        np.testing.assert_allclose(reported, expected, atol=1e-6)

    @pytest.mark.parametrize(("progress", "share"), [(0.0, 1.0), (0.25, 0.5), (0.5, 0.0), (1, 0)])
    def test_schedule_falls_from_1_to_0_at_half_of_training(self, progress, share):
        layer = TeacherSchedule()
        previous = np.zeros((50, 40, 2), "f4")
        layer(previous)
        layer.progress.assign(progress)
        fed = np.asarray(layer(previous))
        assert fed.shape == (50, 40, 1)
        assert set(np.unique(fed)) <= {0.0, 1.0}
        # 2000 draws: five standard deviations are .056.
        assert abs(fed.mean() - share) <= (0.056 if 0 < share < 1 else 0)


class TestDropout:
    def test_drops_the_share_and_keeps_the_mean(self):
        dropped = np.asarray(Dropout(0.3)(np.ones((200, 50), "f4"), training=True))
        assert abs((dropped == 0).mean() - 0.3) < 0.03
        np.testing.assert_allclose(dropped[dropped != 0], 1 / 0.7, rtol=1e-6)

    def test_does_nothing_outside_training_and_at_rate_0(self, random):
        x = sequence(random)
        np.testing.assert_array_equal(Dropout(0.5)(x), x)
        np.testing.assert_array_equal(Dropout(0.0)(x, training=True), x)

    def test_takes_supplied_noise(self):
        asked = []

        def supply(shape):
            asked.append(shape)
            return np.array([[0.0, 0.49, 0.5, 0.99]], "f4")

        layer = Dropout(0.5)
        for _ in range(2):
            with supplied_noise(supply):
                dropped = layer(np.ones((1, 4), "f4"), training=True)
            np.testing.assert_allclose(dropped, [[0, 0, 2, 2]])
        assert asked == [(1, 4), (1, 4)]
        drawn = {np.asarray(layer(np.ones((1, 64), "f4"), training=True)).tobytes() for _ in "ab"}
        assert len(drawn) == 2, "outside the block every call draws its own numbers"

    @pytest.mark.parametrize("rate", [-0.1, 1.0])
    def test_refuses_rates_out_of_range(self, rate):
        with pytest.raises(ValueError, match="from 0 to below 1"):
            Dropout(rate)


class TestNormalisation:
    def test_channels_by_hand(self):
        simulated = np.zeros((2, 2, 3), "f4")
        simulated[:, :, 0] = [[1, 3], [1, 3]]
        simulated[:, :, 1] = 0.5
        simulated[:, :, 2] = [[0, 0], [0, 4]]
        layer = ChannelNormalisation()
        layer(simulated)
        mean, deviation = layer.statistics(simulated, None, None)
        np.testing.assert_allclose(mean, [2, 0.5, 1])
        np.testing.assert_allclose(deviation, [1, 1, np.sqrt(3)], rtol=1e-6)
        layer.set_weights([mean, deviation])
        normalised = np.asarray(layer(simulated))
        np.testing.assert_allclose(normalised[:, :, 1], 0, atol=1e-6)
        np.testing.assert_allclose(normalised[0, :, 0], [-1, 1], atol=1e-6)

    @pytest.mark.parametrize(
        ("output", "offset", "scale"),
        [("direct", [[2.5], [2.5]], np.sqrt(1.25)), ("residual", [[2], [3]], 1.0)],
    )
    def test_targets_by_hand(self, output, offset, scale):
        measured = np.array([[[1], [2]], [[3], [4]], [[100], [100]]], "f4")
        present = np.array([[True], [True], [False]])
        layer = TargetScaling(output=output)
        layer(measured)
        found = layer.statistics(None, measured, present)
        np.testing.assert_allclose(found[0], offset)
        np.testing.assert_allclose(found[1], [scale], rtol=1e-6)
        layer.set_weights(found)
        np.testing.assert_allclose(layer.normalise(layer(measured)), measured, rtol=1e-5)

    @pytest.mark.parametrize("output", ["direct", "residual"])
    def test_absent_and_constant_muscles(self, output):
        measured = np.full((2, 3, 2), np.nan, "f4")
        measured[:, :, 1] = 0.25
        present = np.array([[False, True], [False, True]])
        layer = TargetScaling(output=output)
        layer(np.zeros((2, 3, 2), "f4"))
        offset, scale = layer.statistics(None, measured, present)
        np.testing.assert_array_equal(offset[:, 0], 0)
        np.testing.assert_array_equal(offset[:, 1], 0.25)
        np.testing.assert_array_equal(scale, [1, 1])


def test_position_encoding_is_that_of_the_paper():
    features = np.asarray(PositionEncoding()(np.zeros((1, 5, 7), "f4")))[0]
    for sample in range(5):
        for i in range(7):
            angle = sample / 10000 ** (2 * (i // 2) / 7)
            expected = np.cos(angle) if i % 2 else np.sin(angle)
            assert features[sample, i] == pytest.approx(expected, abs=1e-6)


class TestClosedFormLayers:
    def test_counterpart_mean(self, random):
        x = sequence(random)
        found = np.asarray(CounterpartMean([[4], [0, 2, 3]])(x))
        np.testing.assert_allclose(found[..., 0], x[..., 4], atol=1e-6)
        np.testing.assert_allclose(found[..., 1], x[..., [0, 2, 3]].mean(axis=-1), atol=1e-6)
        with pytest.raises(ValueError, match="at least one counterpart"):
            CounterpartMean([[0], []])

    def test_gain_and_offset(self):
        layer = GainAndOffset(gain=3.0)
        np.testing.assert_allclose(layer(np.ones((1, 2, 2), "f4")), 3)
        layer.set_weights([np.array([2.0, -1.0]), np.array([0.5, 0.0])])
        np.testing.assert_allclose(layer(np.ones((1, 1, 2), "f4")), [[[2.5, -1.0]]])

    def test_sample_mixing_keeps_targets_apart(self, random):
        x = sequence(random, BATCH, 4, 2)
        layer = SampleMixing()
        layer(x)
        matrices = random.standard_normal((2, 4, 4))
        layer.set_weights([matrices, np.zeros(2)])
        expected = np.stack([x[:, :, m] @ matrices[m].T for m in range(2)], axis=2)
        np.testing.assert_allclose(layer(x), expected, atol=1e-5)
