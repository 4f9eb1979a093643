"""Contacts, cycles and resampling on signals whose answers are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nem2e_tf.errors import InputError
from nem2e_tf.signals.gait import contacts, cycles_from_contacts, resample_cycle


def steps(time, *, stance=0.6, cycle=1.0, newtons=700.0):
    return np.where(np.mod(time, cycle) < stance, newtons, 0.0)


def test_contacts_are_first_samples_above_the_threshold():
    time = np.arange(0, 5, 0.01)
    # Starts in stance at 0: no contact there.
    np.testing.assert_allclose(contacts(time, steps(time)), [1, 2, 3, 4])
    # Starts in swing at 0.7: the contact at 1.0 counts.
    np.testing.assert_allclose(contacts(time[70:], steps(time)[70:]), [1, 2, 3, 4])


def test_threshold_is_exceeded_not_reached():
    time = [0.0, 0.1, 0.2, 0.3]
    np.testing.assert_array_equal(contacts(time, [0, 30, 31, 500]), [0.2])
    np.testing.assert_array_equal(contacts(time, [0, 30, 31, 500], threshold=29.9), [0.1])
    assert contacts(time, [0, 30, 31, 500], threshold=1000.0).size == 0


def test_chatter_within_a_short_swing_makes_no_contact():
    time = np.arange(0, 3, 0.01)
    force = steps(time)
    force[130] = 0.0
    np.testing.assert_allclose(contacts(time, force), [1, 2])
    np.testing.assert_allclose(contacts(time, force, shortest_swing=0.0), [1, 1.31, 2])


def test_bad_force_is_refused():
    with pytest.raises(InputError, match=r"found nan at 0\.1 s"):
        contacts([0.0, 0.1], [1.0, np.nan])
    with pytest.raises(InputError, match="one value a time stamp"):
        contacts([0.0, 0.1], [1.0])


def test_cycles_of_unlikely_duration_are_left_out():
    times = [0.0, 1.0, 1.2, 2.3, 9.0, 10.0]
    assert cycles_from_contacts(times) == [(0.0, 1.0), (1.2, 2.3), (9.0, 10.0)]
    assert cycles_from_contacts(times, shortest=0.0, longest=2.0)[1] == (1.0, 1.2)
    assert cycles_from_contacts([]) == cycles_from_contacts([1.0]) == []


@pytest.mark.shared_data
def test_contacts_of_the_shared_recording(shared_data):
    from nem2e_tf.io.storage import read_storage

    storage = read_storage(shared_data / "treadmill_walk" / "grf.mot")
    times = contacts(storage.time, storage.column("1_ground_force_vy"))
    cycles = cycles_from_contacts(times)
    assert (len(times), len(cycles)) == (54, 53)
    assert cycles[0] == (0.96, 2.08)


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
