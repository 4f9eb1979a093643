"""Envelopes of analytic signals, and normalisation by hand-computed maxima."""

import numpy as np
import pytest

from nem2e_tf.errors import InputError
from nem2e_tf.signals.emg.normalisation import by_subject_maximum
from nem2e_tf.signals.emg.recipes import envelope

# No tone below fits a whole number of times into the rate, so that |sin| is sampled evenly.
RATE = 2142.6
TIME = np.arange(0, 4, 1 / RATE)
MIDDLE = slice(2000, -2000)


def test_constant_tone_gives_its_mean_absolute_value():
    # The mean of |sin| is 2 / pi; the tone lies deep inside the band.
    found = envelope(3.0 * np.sin(2 * np.pi * 100 * TIME) + 5.0, rate=RATE)
    np.testing.assert_allclose(found[MIDDLE], 3.0 * 2 / np.pi, rtol=5e-3)


@pytest.mark.parametrize("order", [2, 4, 6, 8])
@pytest.mark.parametrize("corner", [20.0, 400.0])
def test_band_has_3_db_at_its_corners(order, corner):
    found = envelope(np.sin(2 * np.pi * corner * TIME), rate=RATE, order=order)
    # -3 dB is 1/sqrt(2); the other edge takes a little more at low orders.
    other = {20.0: 400.0, 400.0: 20.0}[corner]
    a, b = np.tan(np.pi * corner / RATE), np.tan(np.pi * other / RATE)
    ratio = (min(a, b) / max(a, b)) ** order
    passed = 1 / (1 + (np.sqrt(2) - 1) * ratio) * np.sqrt(0.5)
    np.testing.assert_allclose(found[MIDDLE].mean(), passed * 2 / np.pi, rtol=1e-3)


@pytest.mark.parametrize("order", [2, 4, 8])
def test_envelope_low_pass_has_3_db_at_its_corner_and_no_delay(order):
    modulation = 1 + 0.5 * np.sin(2 * np.pi * 10 * TIME)
    carrier = np.sign(np.sin(2 * np.pi * 200 * TIME + 0.1))
    found = envelope(modulation * carrier, rate=RATE, band=None, low_pass=10.0, order=order)
    wave = np.stack([np.sin(2 * np.pi * 10 * TIME), np.cos(2 * np.pi * 10 * TIME)], axis=1)[MIDDLE]
    in_phase, delayed = np.linalg.lstsq(wave, found[MIDDLE] - found[MIDDLE].mean(), rcond=None)[0]
    assert in_phase == pytest.approx(0.5 / np.sqrt(2), rel=0.01)
    assert abs(delayed) < 0.01


def test_offset_and_movement_artefact_are_removed():
    drift = 5 + np.sin(2 * np.pi * 1 * TIME)
    assert np.abs(envelope(drift, rate=RATE)[MIDDLE]).max() < 1e-3


def test_columns_are_independent_and_nan_columns_stay_nan():
    rng = np.random.default_rng(1)
    raw = rng.normal(size=(4000, 3))
    raw[100, 1] = np.nan
    found = envelope(raw, rate=1000.0)
    assert np.isnan(found[:, 1]).all()
    np.testing.assert_allclose(found[:, 2], envelope(raw[:, 2], rate=1000.0), rtol=1e-10)
    assert found.shape == raw.shape


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 700.0}, "band: expected a frequency between 0 and half the rate"),
        ({"rate": 1000.0, "band": (400.0, 20.0)}, "two increasing frequencies"),
        ({"rate": 1000.0, "order": 3}, "order: expected an effective order of 2, 4, 6 or 8"),
        ({"rate": 1000.0, "low_pass": 0.0}, "low_pass"),
    ],
)
def test_wrong_settings(options, message):
    with pytest.raises(InputError, match=message):
        envelope(np.zeros(4000), **options)


def test_too_short_and_wrong_shape():
    with pytest.raises(InputError, match="at least 300 samples for recipe envelope"):
        envelope(np.zeros(50), rate=1000.0)
    with pytest.raises(InputError, match="found shape"):
        envelope(np.zeros((2, 2, 2)), rate=1000.0)


def test_subject_maximum_is_one_factor_over_all_cycles():
    measured = np.array([[[1.0, 8.0], [2.0, np.nan]], [[4.0, 2.0], [1.0, 1.0]], [[5.0, 10.0]] * 2])
    found, maxima = by_subject_maximum(measured, ["a", "a", "b"])
    np.testing.assert_array_equal(found[0], [[0.25, 1.0], [0.5, np.nan]])
    np.testing.assert_array_equal(found[1], [[1.0, 0.25], [0.25, 0.125]])
    np.testing.assert_array_equal(found[2], np.ones((2, 2)))
    np.testing.assert_array_equal(maxima["a"], [4, 8])
    np.testing.assert_array_equal(maxima["b"], [5, 10])


def test_subject_without_a_muscle_stays_nan_and_zero_is_refused():
    found, maxima = by_subject_maximum([[[1.0, np.nan]]], ["a"])
    assert found[0, 0, 0] == 1
    assert np.isnan(found[0, 0, 1])
    assert np.isnan(maxima["a"][1])
    with pytest.raises(InputError, match="subject a, muscle 1"):
        by_subject_maximum([[[0.0]]], ["a"])
    with pytest.raises(InputError, match="found shape"):
        by_subject_maximum([[0.0]], ["a"])
