"""Groups that are left out and groups in the validation set."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tiny_cohort import tiny_cohort

from nem2e_tf.errors import InputError
from nem2e_tf.training.plan import group_labels, leave_one_group_out, set_aside


@pytest.fixture(scope="module")
def cycles():
    return tiny_cohort(subjects=3, cycles=2).cycles


class TestLabels:
    @pytest.mark.parametrize(("column", "groups"), [("subject", 3), ("condition", 2), ("speed", 2)])
    def test_any_column(self, cycles, column, groups):
        by, labels = group_labels(cycles, by=column)
        assert by == column
        assert len(np.unique(labels)) == groups
        assert [str(value) for value in cycles[column]] == labels.tolist()

    def test_blocks_are_consecutive_and_equal(self, cycles):
        one = cycles[cycles["subject"] == "subject-1"]
        by, labels = group_labels(pd.concat([one, one, one.iloc[:3]]), blocks=3)
        assert by == "block"
        # Eleven cycles in three blocks: 4, 4, 3.
        assert labels.tolist() == ["block-1"] * 4 + ["block-2"] * 4 + ["block-3"] * 3

    def test_block_names_sort_as_their_numbers(self, cycles):
        one = cycles.iloc[[0] * 12]
        _, labels = group_labels(one, blocks=11)
        assert sorted(labels) == labels.tolist()
        assert labels[-1] == "block-11"

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"by": "subjct"}, "did you mean subject"),
            ({"by": "side"}, "found one"),
            ({"blocks": 3}, "one subject, found 3"),
        ],
    )
    def test_refuses(self, cycles, options, said):
        with pytest.raises(InputError, match=said):
            group_labels(cycles, **options)

    @pytest.mark.parametrize("blocks", [-1, 0, 1, 5])
    def test_refuses_too_few_and_too_many_blocks(self, cycles, blocks):
        with pytest.raises(InputError, match="from 2 to 4"):
            group_labels(cycles[cycles["subject"] == "subject-1"], blocks=blocks)


class TestFolds:
    @given(
        st.lists(st.sampled_from("abcd"), min_size=2, max_size=30).filter(lambda x: len(set(x)) > 1)
    )
    @settings(max_examples=40, deadline=None)
    def test_every_group_is_left_out_once_and_whole(self, letters):
        labels = np.array(letters)
        folds = leave_one_group_out(labels)
        assert [fold.group for fold in folds] == sorted(set(letters))
        for fold in folds:
            assert set(labels[fold.test]) == {fold.group}
            assert fold.group not in fold.groups
            np.testing.assert_array_equal(labels[fold.train], fold.groups)
            assert sorted([*fold.train, *fold.test]) == list(range(len(labels)))


class TestSetAside:
    @pytest.mark.parametrize(
        ("groups", "aside"), [(1, 0), (2, 0), (3, 1), (7, 1), (8, 2), (10, 2), (20, 4)]
    )
    def test_a_fifth_of_the_groups_whole(self, groups, aside):
        labels = np.array([f"s{i:02d}" for i in range(groups) for _ in range(i % 3 + 1)])
        inner, outer = set_aside(labels, seed=0, name="x")
        assert len(set(labels[outer])) == aside
        assert not set(labels[inner]) & set(labels[outer])
        assert sorted([*inner, *outer]) == list(range(len(labels)))

    def test_seed_and_left_out_group_decide_who(self):
        labels = np.array([f"s{i}" for i in range(12)])

        def drawn(seed, name):
            return tuple(set_aside(labels, seed=seed, name=name)[1])

        assert drawn(0, "a") == drawn(0, "a")
        assert len({drawn(seed, "a") for seed in range(8)}) > 3
        assert len({drawn(0, name) for name in "abcdefgh"}) > 3

    def test_does_not_depend_on_how_many_cycles_a_group_has(self):
        """Otherwise the left-out group's neighbours could change the validation set."""
        few = np.array([f"s{i}" for i in range(6)])
        many = np.repeat(few, [1, 5, 2, 1, 3, 4])
        for seed in range(5):
            first = set(few[set_aside(few, seed=seed, name="x")[1]])
            second = set(many[set_aside(many, seed=seed, name="x")[1]])
            assert first == second
