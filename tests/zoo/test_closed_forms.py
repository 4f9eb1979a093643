"""Entries with a closed form against scikit-learn, numpy and hand computation."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneGroupOut

from nem2e_tf import zoo
from nem2e_tf.errors import InputError
from nem2e_tf.zoo.linear import PENALTIES, ridge
from nem2e_tf.zoo.references import best_lag, gain_and_offset, shift_matrix

SAMPLES = 20


def solved(name, x, y, present=None, groups=None, counterparts=((0,), (1, 2)), **options):
    model = zoo.create(
        name,
        n_samples=x.shape[1],
        n_channels=x.shape[2],
        n_targets=y.shape[2],
        counterparts=counterparts,
        **options,
    )
    present = np.ones((len(x), y.shape[2]), bool) if present is None else present
    groups = np.arange(len(x)) // 2 if groups is None else groups
    zoo.entry(name).solve(model, x, y, present, groups)
    return model


def outputs(model, x):
    return np.asarray(model(x, training=False))


@pytest.fixture
def random():
    return np.random.default_rng(3)


@pytest.fixture
def rows(random):
    """Ten rows of 20 samples, three channels, two targets."""
    x = random.random((10, SAMPLES, 3)).astype(np.float32)
    y = random.random((10, SAMPLES, 2)).astype(np.float32)
    return x, y


class TestRidge:
    @pytest.mark.parametrize("shape", [(8, 30), (30, 8)], ids=["wide", "tall"])
    @pytest.mark.parametrize("penalty", [1e-4, 0.1, 10.0])
    def test_equals_scikit_learn(self, shape, penalty, random):
        x = random.standard_normal(shape) + 3
        y = random.standard_normal((len(x), 2)) - 1
        coefficients, intercept, used = ridge(x, y, np.arange(len(x)), penalty=penalty)
        centred = x - x.mean(axis=0)
        alpha = penalty * np.mean((centred**2).sum(axis=1))
        expected = Ridge(alpha=alpha).fit(x, y)
        np.testing.assert_allclose(coefficients, expected.coef_.T, atol=1e-8)
        np.testing.assert_allclose(intercept, expected.intercept_, atol=1e-8)
        assert used == penalty

    @pytest.mark.parametrize("shape", [(8, 30), (30, 8)], ids=["wide", "tall"])
    def test_penalty_0_is_minimum_norm_least_squares(self, shape, random):
        x, y = random.standard_normal(shape), random.standard_normal((shape[0], 2))
        coefficients, intercept, _ = ridge(x, y, np.arange(len(x)), penalty=0.0)
        expected = np.linalg.lstsq(x - x.mean(axis=0), y - y.mean(axis=0), rcond=None)[0]
        np.testing.assert_allclose(coefficients, expected, atol=1e-8)
        np.testing.assert_allclose(intercept, y.mean(axis=0) - x.mean(axis=0) @ expected, atol=1e-8)

    def test_repeated_rows_and_channels_do_no_harm_at_0(self, random):
        x = np.repeat(random.standard_normal((6, 4)), 2, axis=0)
        x = np.concatenate([x, x], axis=1)
        y = random.standard_normal((12, 1))
        coefficients, _, _ = ridge(x, y, np.arange(12), penalty=0.0)
        expected = np.linalg.lstsq(x - x.mean(axis=0), y - y.mean(axis=0), rcond=1e-10)[0]
        np.testing.assert_allclose(coefficients, expected, atol=1e-7)

    @pytest.mark.parametrize("noise", [0.01, 3.0])
    def test_penalty_is_chosen_by_leaving_groups_out(self, noise, random):
        """With scikit-learn's own splitter and estimator the same candidate wins."""
        groups = np.repeat(["a", "b", "c", "d"], [3, 5, 2, 4])
        x = random.standard_normal((14, 6))
        y = x @ random.standard_normal((6, 2)) + noise * random.standard_normal((14, 2))
        errors = []
        for penalty in PENALTIES:
            squared = 0.0
            for inside, out in LeaveOneGroupOut().split(x, groups=groups):
                centred = x[inside] - x[inside].mean(axis=0)
                alpha = penalty * np.mean((centred**2).sum(axis=1))
                fitted = Ridge(alpha=alpha).fit(x[inside], y[inside])
                squared += ((fitted.predict(x[out]) - y[out]) ** 2).sum()
            errors.append(squared)
        best = PENALTIES[np.argmin(errors)]
        assert ridge(x, y, groups)[2] == best

    def test_noise_asks_for_a_larger_penalty(self, random):
        x, groups = random.standard_normal((24, 6)), np.arange(24) // 4
        clean = x @ random.standard_normal((6, 1))
        noisy = random.standard_normal((24, 1))
        assert ridge(x, clean, groups)[2] < 1e-3 < 1 <= ridge(x, noisy, groups)[2]

    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_a_single_group_and_few_rows_still_give_finite_weights(self, count, random):
        x, y = random.standard_normal((count, 5)), random.standard_normal((count, 1))
        coefficients, intercept, _ = ridge(x, y, np.zeros(count))
        assert np.isfinite(coefficients).all()
        assert np.isfinite(intercept).all()


class TestLinear:
    def test_model_gives_what_scikit_learn_predicts(self, rows):
        x, y = rows
        model = solved("linear", x[:8], y[:8], penalty=0.5)
        normalised = (x - x[:8].mean(axis=(0, 1))) / x[:8].std(axis=(0, 1))
        flat = normalised.reshape(10, -1).astype(float)
        centred = flat[:8] - flat[:8].mean(axis=0)
        alpha = 0.5 * np.mean((centred**2).sum(axis=1))
        for target in range(2):
            expected = Ridge(alpha=alpha).fit(flat[:8], y[:8, :, target]).predict(flat)
            np.testing.assert_allclose(outputs(model, x)[:, :, target], expected, atol=1e-5)

    def test_plain_least_squares_goes_through_few_rows(self, rows):
        x, y = rows
        np.testing.assert_allclose(outputs(solved("linear", x, y, penalty=0), x), y, atol=1e-4)

    def test_each_target_has_its_own_rows_and_penalty(self, rows):
        x, y = rows
        present = np.ones((10, 2), bool)
        present[6:, 0] = False
        both = solved("linear", x, y, present)
        wild = y.copy()
        wild[6:, :, 0] = 1e3
        np.testing.assert_array_equal(
            outputs(both, x), outputs(solved("linear", x, wild, present), x)
        )
        wild[:, :, 1] = 0.0
        other = outputs(solved("linear", x, wild, present), x)
        np.testing.assert_array_equal(outputs(both, x)[:, :, 0], other[:, :, 0])

    def test_refuses_a_negative_penalty(self, rows):
        with pytest.raises(InputError, match="0 or more"):
            solved("linear", *rows, penalty=-1)


class TestShift:
    @pytest.mark.parametrize("lag", [-13.7, 0.0, 5.0, 30.0, 100.0])
    def test_periodic_delay_of_band_limited_curves(self, lag):
        phase = np.linspace(0, 100, SAMPLES)
        for harmonic in (1, 2):
            curve = np.sin(2 * np.pi * harmonic * phase / 100 + 0.3)
            late = np.sin(2 * np.pi * harmonic * (phase - lag) / 100 + 0.3)
            found = shift_matrix(lag, SAMPLES) @ curve
            np.testing.assert_allclose(found, late, atol=0.003 * harmonic**4)

    def test_periodic_averages_the_two_ends_which_are_one_instant(self):
        curve = np.zeros(SAMPLES)
        curve[-1] = 1.0
        np.testing.assert_allclose((shift_matrix(0.0, SAMPLES) @ curve)[[0, -1]], 0.5)

    def test_periodic_delays_add_up(self):
        """Whole samples are moved exactly, so two of them may be moved one after the other."""
        step = 100 / (SAMPLES - 1)
        twice = shift_matrix(step, SAMPLES) @ shift_matrix(step, SAMPLES)
        np.testing.assert_allclose(twice, shift_matrix(2 * step, SAMPLES), atol=1e-9)

    def test_hold_keeps_the_ends(self):
        curve = np.linspace(1, 2, SAMPLES)
        late = shift_matrix(20.0, SAMPLES, boundary="hold") @ curve
        phase = np.linspace(0, 100, SAMPLES)
        np.testing.assert_allclose(late, 1 + np.clip(phase - 20, 0, 100) / 100, atol=1e-9)

    @pytest.mark.parametrize("lag", [-18.3, -0.4, 7.6, 24.0])
    def test_finds_planted_lag_gain_and_offset(self, lag, random):
        phase = np.linspace(0, 2 * np.pi, SAMPLES)
        start = random.uniform(0, 2 * np.pi, (6, 1))
        x = 0.5 + 0.3 * np.cos(phase - start)
        y = 0.1 + 0.6 * (0.5 + 0.3 * np.cos(phase - 2 * np.pi * lag / 100 - start))
        found, gain, offset = best_lag(x, y, boundary="periodic")
        assert found == pytest.approx(lag, abs=0.05)
        assert gain == pytest.approx(0.6, rel=2e-3)
        assert offset == pytest.approx(0.1, abs=2e-3)

    def test_model_undoes_a_lag_for_each_target(self, random):
        phase = np.linspace(0, 2 * np.pi, SAMPLES)[None, :, None]
        start = random.uniform(0, 2 * np.pi, (8, 1, 3))
        x = (0.5 + 0.3 * np.cos(phase - start)).astype(np.float32)
        estimate = np.stack([x[..., 0], x[..., 1:].mean(axis=2)], axis=2)
        late = np.stack(
            [
                0.5 + 0.3 * np.cos(phase[..., 0] - 0.5 - start[..., 0]),
                (0.5 + 0.3 * np.cos(phase + 0.3 - start[..., 1:])).mean(axis=2),
            ],
            axis=2,
        )
        y = (2 * late - 0.2).astype(np.float32)
        model = solved("shift", x, y)
        assert np.abs(estimate - y).max() > 0.3
        np.testing.assert_allclose(outputs(model, x), y, atol=5e-3)
        lags = model.get_layer("shift").get_weights()[1]
        np.testing.assert_allclose(lags, [50 / np.pi * 0.5, -50 / np.pi * 0.3], atol=0.05)

    def test_lag_stays_within_what_is_documented(self, random):
        phase = np.linspace(0, 2 * np.pi, SAMPLES)
        x = np.cos(phase - random.uniform(0, 6, (5, 1))) + np.cos(2 * phase) / 2
        y = x @ shift_matrix(27.0, SAMPLES).T
        assert abs(best_lag(x, y, boundary="periodic")[0]) <= 25.0

    def test_refuses_an_unknown_boundary(self, rows):
        with pytest.raises(InputError, match="periodic or hold"):
            solved("shift", *rows, boundary="wrap")


class TestAffine:
    def test_by_hand(self):
        # x 0, 1, 2 and y 1, 2, 6: slope 5/2, mean 3.
        found = gain_and_offset(np.array([0.0, 1.0, 2.0]), np.array([1.0, 2.0, 6.0]))
        assert found == pytest.approx((2.5, 0.5))

    def test_equals_polyfit_for_each_target(self, rows):
        x, y = rows
        model = solved("affine", x, y)
        estimate = np.stack([x[..., 0], x[..., 1:].mean(axis=2)], axis=2).astype(float)
        for target in range(2):
            line = np.polyfit(estimate[..., target].ravel(), y[..., target].ravel(), 1)
            expected = np.polyval(line, estimate[..., target])
            np.testing.assert_allclose(outputs(model, x)[..., target], expected, atol=1e-5)

    def test_dead_channel_gives_the_mean_and_no_rows_the_simulation(self, rows):
        x, y = rows
        x = x.copy()
        x[..., 0] = 0.25
        present = np.ones((10, 2), bool)
        present[:, 1] = False
        found = outputs(solved("affine", x, y, present), x)
        np.testing.assert_allclose(found[..., 0], y[..., 0].mean(), atol=1e-6)
        np.testing.assert_allclose(found[..., 1], x[..., 1:].mean(axis=2), atol=1e-6)


class TestReferences:
    def test_opensim_is_the_mean_of_the_counterparts(self, rows):
        x, y = rows
        found = outputs(solved("opensim", x, y), x)
        np.testing.assert_allclose(found[..., 0], x[..., 0], atol=1e-7)
        np.testing.assert_allclose(found[..., 1], (x[..., 1] + x[..., 2]) / 2, atol=1e-7)

    def test_mean_pattern_is_the_mean_of_the_rows_that_are_present(self, rows):
        x, y = rows
        present = np.ones((10, 2), bool)
        present[:7, 1] = False
        y = y.copy()
        y[:7, :, 1] = np.nan
        found = outputs(solved("mean-pattern", x, y, present), x)
        for row in found:
            np.testing.assert_allclose(row[:, 0], y[:, :, 0].mean(axis=0), atol=1e-6)
            np.testing.assert_allclose(row[:, 1], y[7:, :, 1].mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("name", [n for n in zoo.list_models() if zoo.entry(n).solve])
def test_absent_muscles_are_left_out_whatever_stands_there(name, rows):
    """Rows in which a muscle was not measured count for nothing, NaN included."""
    x, y = rows
    present = np.ones((10, 2), bool)
    present[[1, 4], 0] = False
    zeros, nothing = y.copy(), y.copy()
    zeros[[1, 4], :, 0] = 0
    nothing[[1, 4], :, 0] = np.nan
    first = outputs(solved(name, x, zeros, present), x)
    second = outputs(solved(name, x, nothing, present), x)
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", [n for n in zoo.list_models() if zoo.entry(n).solve])
def test_solving_again_forgets_the_first_time(name, rows):
    x, y = rows
    once = solved(name, x[5:], y[5:])
    twice = solved(name, x[:5], y[:5])
    zoo.entry(name).solve(twice, x[5:], y[5:], np.ones((5, 2), bool), np.arange(5))
    zoo.entry(name).solve(once, x[5:], y[5:], np.ones((5, 2), bool), np.arange(5))
    for first, second in zip(once.get_weights(), twice.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
