"""Rows that are read block by block, in the place of an array of them."""

import numpy as np
import pytest

from nem2e_tf import zoo
from nem2e_tf.errors import InputError
from nem2e_tf.zoo import blocks
from nem2e_tf.zoo import linear as large_ridge
from nem2e_tf.zoo.linear import PENALTIES, ridge, ridge_of_parts
from nem2e_tf.zoo.models import calibrated

CHOSEN = np.array([5, 3, 17, 8, 30, 31, 2, 2, 11, 40, 41, 12, 28, 22, 20, 19])


@pytest.fixture
def values():
    random = np.random.default_rng(0)
    scale = np.array([1.0, 50.0, 0.0])
    return (random.standard_normal((50, 20, 3)) * scale + 1000 * scale).astype(np.float32)


@pytest.fixture(params=[1, 3 * 20 * 3 * 4, 2**20], ids=["one row", "three rows", "all"])
def forced(request, monkeypatch):
    """Read block by block, however little it is."""
    monkeypatch.setattr(blocks, "LARGEST_AT_ONCE", 0)
    monkeypatch.setattr(blocks, "BLOCK", request.param)


def test_few_rows_are_gathered(values):
    found = blocks.chosen(values, CHOSEN)
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, values[CHOSEN])


def test_moments(values, forced):
    found = blocks.chosen(values, CHOSEN)
    gathered = values[CHOSEN].astype(np.float64)
    assert found.shape == gathered.shape
    assert len(found) == len(gathered)
    np.testing.assert_allclose(found.mean(axis=(0, 1)), gathered.mean(axis=(0, 1)), rtol=1e-13)
    deviation = gathered.std(axis=(0, 1))
    np.testing.assert_allclose(found.std(axis=(0, 1)), deviation, rtol=1e-11)
    np.testing.assert_array_equal(np.asarray(found), values[CHOSEN])
    with pytest.raises(ValueError, match="axis"):
        found.mean(axis=0)


def test_normalisation_is_that_of_the_gathered_rows(values, forced):
    model = zoo.create("lstm", n_samples=20, n_channels=3, n_targets=1, counterparts=[[0]])
    y, seen = values[CHOSEN][:, :, :1] / 1000, np.ones((len(CHOSEN), 1), bool)
    expected = calibrated(model, values[CHOSEN], y, seen)
    found = calibrated(model, blocks.chosen(values, CHOSEN), y, seen)
    assert found.keys() == expected.keys()
    for index, value in found.items():
        np.testing.assert_allclose(value, expected[index], rtol=1e-6)


@pytest.mark.parametrize("name", ["opensim", "mean-pattern", "affine", "shift", "linear"])
def test_closed_forms_are_solved_from_blocks(name, forced):
    """Five groups are five bundles, so that even the penalty is chosen alike."""
    random = np.random.default_rng(1)
    x = random.uniform(0, 1, (60, 20, 3)).astype(np.float32)
    y = (0.5 * np.roll(x[:, :, :2], 1, axis=1) + 0.1).astype(np.float32)
    y += 0.05 * random.standard_normal(y.shape).astype(np.float32)
    rows = random.permutation(60)[:45]
    present = np.ones((45, 2), bool)
    present[7, 1] = False
    groups = np.array(list("abcde"))[rows % 5]
    weights = []
    for given in (x[rows], blocks.chosen(x, rows)):
        model = zoo.create(name, n_samples=20, n_channels=3, n_targets=2, counterparts=[[0], [1]])
        zoo.entry(name).solve(model, given, y[rows], present, groups)
        weights.append(model.get_weights())
    assert isinstance(given, blocks.RowsOnDisk)
    for expected, found in zip(*weights, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


class TestRidgeOfParts:
    @pytest.mark.parametrize("penalties", [PENALTIES, np.array([0.0]), np.array([0.3])], ids=len)
    @pytest.mark.parametrize("n_rows", [12, 200], ids=["fewer than features", "more"])
    def test_is_that_of_all_rows(self, n_rows, penalties):
        random = np.random.default_rng(2)
        x = random.standard_normal((n_rows, 30)) + 2
        y = x[:, :2] - 0.5 * x[:, 2:4] + 3 + random.standard_normal((n_rows, 2))
        bundles = np.arange(n_rows) % 3
        parts = [(x[i : i + 7], y[i : i + 7], bundles[i : i + 7]) for i in range(0, n_rows, 7)]
        found = ridge_of_parts(parts, n_features=30, penalties=penalties)
        one = None if len(penalties) > 1 else float(penalties[0])
        expected = ridge(x, y, bundles, penalty=one)
        assert found[2] == expected[2]
        for ours, theirs in zip(found[:2], expected[:2], strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-8)

    def test_groups_are_kept_together(self):
        groups = np.array([f"S{i % 23:02d}" for i in range(230)])
        bundles = large_ridge.bundles_of(groups)
        assert set(bundles) == set(range(large_ridge.BUNDLES))
        for name in np.unique(groups):
            assert len(set(bundles[groups == name])) == 1
        assert large_ridge.bundles_of(np.array(["a"] * 4)).tolist() == [0, 0, 1, 1]

    def test_too_many_features_are_refused(self):
        with pytest.raises(InputError, match="at most 4096 numbers per row"):
            ridge_of_parts([], n_features=5000, penalties=PENALTIES)
