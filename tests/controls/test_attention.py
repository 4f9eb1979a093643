"""Attention arranged by cycles, and masks: by hand."""

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
