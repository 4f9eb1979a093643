import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.metrics import correlation, lag_percent, milliseconds, rmse

PHASE = np.linspace(0.0, 1.0, 20)


def curves(phase, *, amplitude, offset):
    """Band-limited curves: one row a set of amplitudes, as many periods as amplitudes."""
    order = np.arange(1, amplitude.shape[1] + 1)
    angle = 2 * np.pi * order[:, None] * phase[:, None, :] + offset[:, :, None]
    return (amplitude[:, :, None] * np.cos(angle)).sum(axis=1)


def test_rmse_by_hand_over_samples_of_each_cycle_and_muscle():
    measured = np.zeros((2, 2, 2))
    estimate = np.array([[[3.0, 1.0], [4.0, 1.0]], [[0.0, -2.0], [0.0, 2.0]]])
    np.testing.assert_allclose(rmse(measured, estimate), [[np.sqrt(12.5), 1.0], [0.0, 2.0]])


def test_correlation_equals_numpy():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 3, 20, 2))
    expected = [[np.corrcoef(a[i, :, m], b[i, :, m])[0, 1] for m in range(2)] for i in range(3)]
    np.testing.assert_allclose(correlation(a, b), expected)


@pytest.mark.parametrize("metric", [correlation, lag_percent])
@pytest.mark.parametrize("level", [0.0, 0.1, 1e6])
def test_a_constant_curve_has_no_correlation_and_no_lag(metric, level, recwarn):
    constant = np.full((1, 20), level)
    assert np.isnan(metric(np.sin(6 * PHASE)[None], constant)).all()
    assert np.isnan(metric(constant, np.sin(6 * PHASE)[None])).all()
    assert not recwarn


@pytest.mark.parametrize("metric", [rmse, correlation, lag_percent])
def test_nan_stays_in_its_own_cycle_and_muscle(metric, recwarn):
    a = np.random.default_rng(2).normal(size=(2, 20, 2)).cumsum(axis=1)
    b = a + 0.01 * np.cos(7 * PHASE)[:, None]
    clean = metric(a, b)
    a[1, 3, 0] = np.nan
    found = metric(a, b)
    assert np.isnan(found[1, 0])
    keep = np.array([[True, True], [False, True]])
    # Both are of other shapes: equal to rounding, not bit for bit.
    np.testing.assert_allclose(found[keep], clean[keep], rtol=1e-9, atol=1e-12)
    assert not recwarn


def test_lag_of_shifted_band_limited_curves():
    rng = np.random.default_rng(3)
    n = 300
    shift = rng.uniform(-15, 15, n)
    for periods in (1, 2, 3, 4):
        amplitude = rng.normal(size=(n, periods))
        # Pure overtones repeat within the search range: which peak is highest is then a toss.
        amplitude[:, 0] += np.sign(amplitude[:, 0])
        offset = rng.uniform(0, 2 * np.pi, (n, periods))
        measured = curves(PHASE[None], amplitude=amplitude, offset=offset)
        late = curves(PHASE[None] - shift[:, None] / 100, amplitude=amplitude, offset=offset)
        # The docstring promises 0.1 % of the cycle; gain and level must not matter.
        np.testing.assert_allclose(lag_percent(measured, 0.3 * late + 2.0), shift, atol=0.1)


@settings(max_examples=50, deadline=None)
@given(shift=st.floats(-20, 20), centre=st.floats(0.35, 0.65), width=st.floats(0.07, 0.14))
def test_lag_of_a_shifted_burst(shift, centre, width):
    measured = np.exp(-0.5 * ((PHASE - centre) / width) ** 2)
    estimate = np.exp(-0.5 * ((PHASE - centre - shift / 100) / width) ** 2)
    found = lag_percent(measured[None], estimate[None])[0]
    assert abs(found - shift) < 0.5


def test_lag_is_positive_where_the_estimate_is_late():
    measured = np.exp(-((PHASE - 0.4) ** 2) / 0.02)
    late = np.exp(-((PHASE - 0.5) ** 2) / 0.02)
    assert lag_percent(measured[None], late[None])[0] == pytest.approx(10, abs=0.2)
    assert lag_percent(late[None], measured[None])[0] == pytest.approx(-10, abs=0.2)


def test_lag_with_its_peak_at_the_edge_of_the_search_is_unknown():
    measured = np.exp(-((PHASE - 0.3) ** 2) / 0.02)
    estimate = np.exp(-((PHASE - 0.5) ** 2) / 0.02)
    assert np.isnan(lag_percent(measured[None], estimate[None], search=15))[0]
    assert lag_percent(measured[None], estimate[None], search=25)[0] == pytest.approx(20, abs=0.2)


def test_lag_without_any_positive_correlation_is_unknown():
    measured = np.linspace(0.0, 1.0, 20)[None]
    assert np.isnan(lag_percent(measured, -measured))[0]


def test_lag_is_vectorised_over_cycles_and_muscles():
    rng = np.random.default_rng(4)
    a = rng.normal(size=(3, 20, 4)).cumsum(axis=1)
    b = rng.normal(size=(3, 20, 4)).cumsum(axis=1)
    expected = [
        [lag_percent(a[i : i + 1, :, m], b[i : i + 1, :, m])[0] for m in range(4)] for i in range(3)
    ]
    np.testing.assert_allclose(lag_percent(a, b), expected, atol=1e-9)


def test_milliseconds_use_the_duration_of_each_cycle():
    np.testing.assert_allclose(milliseconds([10.0, -5.0], [1.1, 0.8]), [110.0, -40.0])


def test_wrong_shapes_are_refused():
    with pytest.raises(InputError, match="of one shape"):
        rmse(np.zeros((2, 20)), np.zeros((2, 19)))
    with pytest.raises(InputError, match="at least 4 samples"):
        lag_percent(np.zeros((2, 3)), np.zeros((2, 3)))
    with pytest.raises(InputError, match=r"1\.\.50"):
        lag_percent(np.zeros((2, 20)), np.zeros((2, 20)), search=60)
