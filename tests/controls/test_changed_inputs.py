"""Warped and exchanged inputs, attention arranged over cycles, and masks: by hand."""

import numpy as np
import pytest

from nem2e_tf.controls.attention import (
    masked,
    most_attended,
    n_masked,
    over_cycle,
    random_sets,
    top_tokens,
    weight_table,
)
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


def test_quarters_stand_on_the_diagonal_of_their_cycle():
    quarters = np.random.default_rng(1).dirichlet(np.ones(5), (8, 5))
    arranged = over_cycle(quarters, rows_per_cycle=4)
    assert arranged.shape == (2, 20, 20)
    np.testing.assert_allclose(arranged.sum(axis=2), 1.0)
    np.testing.assert_array_equal(arranged[1, 5:10, 5:10], quarters[5])
    assert arranged[0, :5, 5:].sum() == 0
    whole = np.ones((3, 20, 7))
    np.testing.assert_array_equal(over_cycle(whole, rows_per_cycle=1), whole)


def test_mean_attention_and_its_spread_over_groups():
    by_group = np.zeros((2, 20, 3))
    by_group[0, :, 0] = by_group[1, :, 1] = 1.0
    table = weight_table(by_group, tokens=["a", "b", "c"])
    first = table[table["sample"] == 0].set_index("token")
    assert first["weight"].to_dict() == {"a": 0.5, "b": 0.5, "c": 0.0}
    assert first.loc["a", "weight_sd"] == pytest.approx(np.sqrt(0.5))
    assert weight_table(by_group[:1], tokens=["a", "b", "c"])["weight_sd"].isna().all()


def test_top_tokens_at_the_beginning_the_middle_and_the_end():
    weights = np.full((1, 20, 12), 0.01)
    weights[0, 0, 3], weights[0, 10, 5], weights[0, 19, 7] = 0.9, 0.9, 0.9
    top = top_tokens(weight_table(weights, tokens=[f"m{i}" for i in range(12)]))
    assert top.groupby("percent").size().to_dict() == {0: 10, 50: 10, 100: 10}
    best = top[top["rank"] == 1].set_index("percent")["token"]
    assert best.to_dict() == {0: "m3", 50: "m5", 100: "m7"}


def test_masks():
    simulated = np.arange(24.0).reshape(1, 4, 6)
    mean = -np.ones((4, 6))
    channels = masked(simulated, mean, [1, 4], kind="spatial")
    assert (channels[0, :, [1, 4]] == -1).all()
    np.testing.assert_array_equal(channels[0][:, [0, 2, 3, 5]], simulated[0][:, [0, 2, 3, 5]])
    samples = masked(simulated, mean, [2], kind="temporal")
    assert (samples[0, 2] == -1).all()
    np.testing.assert_array_equal(samples[0][[0, 1, 3]], simulated[0][[0, 1, 3]])
    assert simulated[0, 2, 0] == 12.0


def test_most_attended_and_random_sets():
    weights = np.zeros((20, 30))
    weights[:, 7], weights[:, 2] = 0.6, 0.4
    assert most_attended(weights, 2).tolist() == [7, 2]
    assert [n_masked(n) for n in (92, 40, 39, 20, 4, 1)] == [10, 10, 9, 5, 1, 1]
    sets = random_sets(30, 5, sets=400, seed=0)
    assert all(len(set(one.tolist())) == 5 for one in sets)
    counts = np.bincount(np.concatenate(sets), minlength=30)
    assert counts.min() > 30
    assert counts.max() < 110
