"""Recipes by their measured responses, bursts of known timing, gaps, and normalisation by hand."""

import numpy as np
import pytest

from nem2e_tf.errors import InputError
from nem2e_tf.signals.emg.normalisation import POLICIES, by_reference, per_subject, per_trial
from nem2e_tf.signals.emg.recipes import (
    RECIPES,
    BandPass,
    HighPass,
    LowPass,
    Notch,
    Recipe,
    Rectify,
    Resample,
    SubtractMean,
    TeagerKaiser,
    apply,
    recipe,
    resampled,
    with_teager_kaiser,
)

RATE = 1000.0


def response(step, *, rate=RATE, seconds=40):
    """Measured gain over frequency: the spectrum of what becomes of a single impulse."""
    impulse = np.zeros((int(seconds * rate), 1))
    impulse[len(impulse) // 2] = 1.0
    out, _ = step.apply(impulse, rate)
    return np.fft.rfftfreq(len(impulse), 1 / rate), np.abs(np.fft.rfft(out[:, 0]))


def crossings(step, **options):
    """Frequencies at which the measured gain is -3 dB."""
    frequency, gain = response(step, **options)
    level = gain - np.sqrt(0.5)
    at = np.flatnonzero(level[1:] * level[:-1] < 0)
    share = level[at] / (level[at] - level[at + 1])
    return frequency[at] + share * (frequency[at + 1] - frequency[at])


FILTERS = [
    (name, step)
    for name, one in RECIPES.items()
    for step in one.steps
    if isinstance(step, (BandPass, HighPass, LowPass))
]


@pytest.mark.parametrize(("name", "step"), FILTERS)
@pytest.mark.parametrize("rate", [1000.0, 2000.0])
def test_recipes_have_3_db_where_they_say(name, step, rate):
    stated = np.atleast_1d(step.three_db(rate))
    np.testing.assert_allclose(crossings(step, rate=rate), stated, rtol=0.02)


def test_published_corners_are_those_of_each_pass():
    # Each pass is -3 dB at 10 Hz, so both are -6 dB there: half the amplitude.
    for name, order, three_db in (("hamner2013", 2, 6.436), ("liu2008", 8, 8.957)):
        step = RECIPES[name].steps[-1]
        assert (step.order, step.of_each_pass) == (order, True)
        frequency, gain = response(step)
        assert np.interp(10.0, frequency, gain) == pytest.approx(0.5, rel=1e-3)
        assert step.three_db(RATE) == pytest.approx(three_db, rel=1e-3)
    assert RECIPES["standard"].steps[-1].three_db(RATE) == 10.0


@pytest.mark.parametrize("order", [2, 4, 8])
def test_effective_order_is_the_slope(order):
    # Twenty times the corner is far down the slope, and far below half the rate.
    frequency, gain = response(LowPass(2.0, order), rate=4000.0, seconds=10)
    octave = np.interp(40.0, frequency, gain) / np.interp(80.0, frequency, gain)
    assert np.log2(octave) == pytest.approx(order, rel=0.03)


def test_notch_has_the_stated_width():
    np.testing.assert_allclose(crossings(Notch(50.0, 2.0)), [49.0, 51.0], rtol=2e-3)
    frequency, gain = response(Notch(50.0, 2.0))
    assert np.interp(50.0, frequency, gain) < 0.01


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("middle", [2.0, 3.137])
def test_a_burst_keeps_its_timing(name, middle):
    time = np.arange(0, 6, 1 / RATE)
    # A carrier above the corner of every band, phase shifted between columns.
    carrier = np.sin(2 * np.pi * 130.0 * time[:, None] + np.linspace(0, 3, 8))
    burst = np.exp(-0.5 * ((time - middle) / 0.08) ** 2)
    found = apply(recipe(name), burst[:, None] * carrier, rate=RATE)
    envelope = found.values.mean(axis=1)
    centre = (time * envelope).sum() / envelope.sum()
    assert centre == pytest.approx(middle, abs=0.002)
    half = envelope > envelope.max() / 2
    assert time[half].mean() == pytest.approx(middle, abs=0.003)


def test_gaps_stay_gaps_and_do_not_spread():
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(6000, 3))
    whole = apply(recipe("standard"), raw, rate=RATE)
    assert whole.notes == ()
    gapped = raw.copy()
    gapped[3000:3100, 1] = np.nan
    gapped[3150, 1] = np.nan
    found = apply(recipe("standard"), gapped, rate=RATE)
    np.testing.assert_array_equal(found.values[:, [0, 2]], whole.values[:, [0, 2]])
    # The stretch of 50 samples between the gaps is too short to filter.
    assert np.isnan(found.values[3000:3151, 1]).all()
    assert not np.isnan(found.values[:3000, 1]).any()
    assert not np.isnan(found.values[3151:, 1]).any()
    np.testing.assert_allclose(found.values[500:2500, 1], whole.values[500:2500, 1], atol=1e-3)
    assert found.notes == (
        "column 2: 0.101 s of gaps kept as nan in 2 places, 0.05 s between them too short to "
        "filter",
    )
    with pytest.raises(InputError, match="without a gap for recipe standard, found none"):
        apply(recipe("standard"), np.full((6000, 1), np.nan), rate=RATE)


def test_steps_compose_and_are_checked():
    named = resampled(with_teager_kaiser(recipe("standard")), rate=100.0)
    assert [type(step) for step in named.steps] == [
        *(BandPass, TeagerKaiser, Rectify, LowPass, Resample)
    ]
    raw = np.random.default_rng(1).normal(size=(4000, 2))
    found = apply(named, raw, rate=RATE)
    assert (found.rate, found.values.shape) == (100.0, (400, 2))
    plain = apply(resampled(recipe("standard"), rate=100.0), raw, rate=RATE)
    np.testing.assert_allclose(plain.values, apply(recipe("standard"), raw, rate=RATE).values[::10])
    assert not any(isinstance(step, TeagerKaiser) for one in RECIPES.values() for step in one.steps)
    with pytest.raises(InputError, match="last and after a low-pass"):
        Recipe("x", (Resample(100.0), LowPass(10.0)), "subject", "")
    with pytest.raises(InputError, match="at least 4 times the envelope's 10 Hz"):
        Recipe("x", (LowPass(10.0), Resample(30.0)), "subject", "")
    with pytest.raises(InputError, match="expected one that rectifies"):
        with_teager_kaiser(Recipe("x", (SubtractMean(),), "subject", ""))


def test_teager_kaiser_of_a_tone_is_its_energy():
    # A^2 sin^2(w) for a tone of amplitude A and w radians a sample.
    n = np.arange(200)
    energy, _ = TeagerKaiser().apply(3.0 * np.cos(0.4 * n)[:, None], RATE)
    np.testing.assert_allclose(energy[1:-1, 0], 9.0 * np.sin(0.4) ** 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: recipe("standart"), "did you mean standard"),
        (lambda: LowPass(10.0, order=3), "effective order"),
        (lambda: BandPass(400.0, 20.0), "two increasing frequencies"),
        (lambda: apply(recipe("standard"), np.zeros((4000, 1)), rate=700.0), "low-pass: expected"),
        (lambda: apply(recipe("standard"), np.zeros(4000), rate=RATE), "found shape"),
        (lambda: apply(recipe("standard"), np.zeros((10, 1)), rate=RATE), "at least 300 samples"),
        (lambda: Notch(50, 2).apply(np.zeros((99, 1)), 80.0), "notch: expected"),
    ],
)
def test_wrong_settings(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_every_recipe_has_a_source_and_a_policy():
    for one in RECIPES.values():
        assert "doi 10." in one.source
        assert one.normalisation in POLICIES
    assert all(policy.leakage for policy in POLICIES.values())


def test_per_trial_is_from_the_lowest_hundredth_to_the_maximum():
    signal = np.concatenate([np.full(198, 5.0), [1.0, 3.0], [12.0]])[:, None]
    found = per_trial(np.concatenate([signal, np.full_like(signal, np.nan)], axis=1))
    # 1 % of 201 samples are 3: 1, 3 and 5.
    assert found.offset[0] == 3.0
    assert found.factor[0] == 9.0
    assert found.values[-1, 0] == 1.0
    assert np.isnan(found.values[:, 1]).all()
    with pytest.raises(InputError, match="muscle 1: expected an envelope with a range above 0"):
        per_trial(np.ones((5, 1)))


def test_per_subject_is_one_factor_over_all_speeds():
    trials = [[[1.0, np.nan], [2.0, 3.0]], [[4.0, 1.0]], [[10.0, 5.0]]]
    slow, fast, other = per_subject(trials, ["a", "a", "b"])
    np.testing.assert_array_equal(slow.values, [[0.25, np.nan], [0.5, 1.0]])
    np.testing.assert_array_equal(fast.values, [[1.0, 1 / 3]])
    np.testing.assert_array_equal(other.factor, [10.0, 5.0])
    with pytest.raises(InputError, match="expected 3, one per trial, found 1"):
        per_subject(trials, ["a"])


def test_references_are_kept_as_given():
    assert by_reference([[3.0]], [2.0]).values[0, 0] == 1.5
    with pytest.raises(InputError, match="expected 1 numbers, one per muscle"):
        by_reference([[3.0]], [2.0, 1.0])
    with pytest.raises(InputError, match="leave the electrode out"):
        by_reference([[3.0]], [0.0])
