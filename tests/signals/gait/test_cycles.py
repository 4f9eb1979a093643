"""Gait cycles: pairs of contacts, tables of events, resampling and outliers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nem2e_tf.errors import InputError
from nem2e_tf.signals.gait import (
    cycles_between,
    cycles_from_contacts,
    outlier_cycles,
    read_events,
    resample_cycle,
)


def test_right_to_left_is_a_step():
    right, left = [0.0, 1.0, 2.0, 3.0], [0.52, 1.48, 3.55]
    assert cycles_between(right, left) == [(0.0, 0.52), (1.0, 1.48), (3.0, 3.55)]
    assert cycles_between(left, right) == [(0.52, 1.0), (1.48, 2.0)]
    assert cycles_between(right, []) == []


def test_odd_cycles_are_flagged_for_what_is_odd():
    rng = np.random.default_rng(0)
    shape = np.sin(np.linspace(0, np.pi, 101))
    curves = np.stack([shape, 2 * shape], axis=1) * rng.normal(1, 0.05, (20, 1, 1))
    durations = rng.normal(1.1, 0.02, 20)
    assert outlier_cycles(durations, curves) == []
    durations[3] = 1.5
    curves[7, :, 1] = curves[7, ::-1, 1] * 3
    curves[9, 5, 0] = np.nan
    found = outlier_cycles(durations, curves)
    assert [(o.cycle, o.what, o.column) for o in found] == [(3, "duration", -1), (7, "curve", 1)]
    assert all(o.deviations > 5 for o in found)
    assert outlier_cycles(durations[:4], curves[:4]) == []
    with pytest.raises(InputError, match="a duration for each cycle"):
        outlier_cycles(durations[:3], curves)


def test_cycles_of_unlikely_duration_are_left_out():
    times = [0.0, 1.0, 1.2, 2.3, 9.0, 10.0]
    assert cycles_from_contacts(times) == [(0.0, 1.0), (1.2, 2.3), (9.0, 10.0)]
    assert cycles_from_contacts(times, shortest=0.0, longest=2.0)[1] == (1.0, 1.2)
    assert cycles_from_contacts([]) == cycles_from_contacts([1.0]) == []


def test_resampling_keeps_a_straight_line_and_its_ends():
    time = np.linspace(0, 10, 37)
    data = np.stack([time, 5 - 2 * time], axis=1)
    found = resample_cycle(time, data, start=2.0, end=7.0)
    expected = np.linspace(2, 7, 101)
    np.testing.assert_allclose(found[:, 0], expected, atol=1e-9)
    np.testing.assert_allclose(found[:, 1], 5 - 2 * expected, atol=1e-9)


def test_resampling_a_sine_recorded_at_high_rate():
    time = np.linspace(0, 2, 4001)
    found = resample_cycle(time, np.sin(2 * np.pi * time)[:, None], start=0.5, end=1.5)
    expected = np.sin(2 * np.pi * np.linspace(0.5, 1.5, 101))
    # A chord of 1 % of a sine is off by at most (2 pi 0.01)^2 / 8 = 5e-4.
    np.testing.assert_allclose(found[:, 0], expected, atol=5e-4)


def test_resampling_is_the_nearest_broken_line():
    time = np.array([0.0, 0.55, 1.0])
    found = resample_cycle(time, [[0.0], [1.0], [0.0]], start=0.0, end=1.0, points=3)[:, 0]
    u = np.linspace(0, 1, 21)
    curve = np.interp(u, time, [0.0, 1.0, 0.0])

    def error(values):
        return ((np.interp(u, [0, 0.5, 1], values) - curve) ** 2).sum()

    plain = np.interp([0, 0.5, 1], time, [0.0, 1.0, 0.0])
    assert error(found) < error(plain)
    assert 0 <= found.min() <= found.max() <= 1


@given(st.lists(st.floats(-1, 1), min_size=8, max_size=30), st.floats(0, 0.4), st.floats(0.6, 1))
def test_resampling_never_leaves_the_recorded_range(values, start, end):
    time = np.linspace(0, 1, len(values))
    found = resample_cycle(time, np.array(values)[:, None], start=start, end=end)
    inside = np.interp(np.linspace(start, end, 1001), time, values)
    assert inside.min() <= found.min()
    assert found.max() <= inside.max()
    assert found.shape == (101, 1)


def test_nan_spoils_its_column_and_only_cycles_that_hold_it():
    time = np.linspace(0, 10, 101)
    data = np.zeros((101, 2))
    data[30, 1] = np.nan
    spoilt = resample_cycle(time, data, start=2.0, end=4.0)
    assert np.isnan(spoilt[:, 1]).all()
    assert (spoilt[:, 0] == 0).all()
    assert not np.isnan(resample_cycle(time, data, start=4.0, end=6.0)).any()


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_events_are_read_with_any_delimiter(mark, tmp_path):
    file = tmp_path / "events.csv"
    file.write_text(
        "\ufeffStart,end,remark\n1,2,\n\n2,3.5,x\n".replace(",", mark), encoding="utf-8"
    )
    cycles, notes = read_events(file)
    assert cycles == [(1.0, 2.0), (2.0, 3.5)]
    assert len(notes) == 1
    assert "column 'remark' is not used" in notes[0]


@pytest.mark.parametrize("points", [2, 3, 21, 101])
def test_resampling_is_the_least_squares_fit(points):
    """Against the same fit by numpy: hat functions, samples between the points, lstsq."""
    generator = np.random.default_rng(points)
    time = np.linspace(0, 1, 37)
    data = generator.normal(size=(37, 3))
    fine = np.linspace(0, 1, (points - 1) * 10 + 1)
    hats = np.maximum(0, 1 - np.abs(fine[:, None] * (points - 1) - np.arange(points)))
    samples = np.stack([np.interp(fine, time, column) for column in data.T], axis=-1)
    expected = np.linalg.lstsq(hats, samples, rcond=None)[0]
    expected = np.clip(expected, samples.min(axis=0), samples.max(axis=0))
    found = resample_cycle(time, data, start=0.0, end=1.0, points=points)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
