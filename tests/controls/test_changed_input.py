"""Warped and exchanged inputs: by hand."""

import numpy as np
import pytest

from nem2e_tf.controls.changed_input import of_others, random_warp, warped
from nem2e_tf.errors import InputError


def test_twice_as_fast_from_a_quarter_on():
    phase = np.linspace(0, 1, 101)
    curve = np.sin(2 * np.pi * phase)[None, :, None]
    found = warped(curve, frequency=[2.0], phase=[0.25])[0, :, 0]
    expected = np.sin(2 * np.pi * (0.25 + 2 * np.linspace(0, 1, 20)))
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_all_channels_of_a_cycle_are_warped_alike_and_cycles_apart():
    values = np.random.default_rng(0).random((2, 101, 3))
    frequency, phase = random_warp(2, seed=0, draw=0)
    found = warped(values, frequency=frequency, phase=phase)
    for cycle in range(2):
        for channel in range(3):
            alone = warped(
                values[cycle : cycle + 1, :, channel : channel + 1],
                frequency=frequency[cycle : cycle + 1],
                phase=phase[cycle : cycle + 1],
            )
            np.testing.assert_allclose(found[cycle, :, channel], alone[0, :, 0], rtol=1e-6)


def test_draws_differ_repeat_and_keep_their_range():
    frequency, phase = random_warp(4000, seed=0, draw=0)
    assert (frequency.min(), frequency.max()) == pytest.approx((0.5, 2.0), rel=0.01)
    assert np.mean(frequency > 1) == pytest.approx(0.5, abs=0.05)
    assert (phase.min(), phase.max()) == pytest.approx((0.0, 1.0), abs=0.01)
    np.testing.assert_array_equal(random_warp(4000, seed=0, draw=0)[0], frequency)
    assert not np.array_equal(random_warp(4000, seed=0, draw=1)[0], frequency)
    assert not np.array_equal(random_warp(4000, seed=1, draw=0)[0], frequency)


def test_others_are_others_of_the_same_condition_where_there_are_any():
    groups = np.array(list("aaabbbcc"))
    conditions = np.array(["slow", "fast", "odd", "slow", "fast", "fast", "slow", "fast"])
    seen = [set() for _ in groups]
    for draw in range(60):
        found = of_others(groups.tolist(), conditions.tolist(), seed=3, draw=draw)
        assert (groups[found] != groups).all()
        usual = conditions != "odd"
        assert (conditions[found] == conditions)[usual].all()
        for place, other in zip(seen, found, strict=True):
            place.add(int(other))
    assert seen[0] == {3, 6}
    assert seen[2] == {3, 4, 5, 6, 7}
    with pytest.raises(InputError, match="groups: expected two or more"):
        of_others(["a", "a"], ["x", "x"], seed=0, draw=0)
