"""From a cohort to the rows that models are fitted on."""

import numpy as np
import pytest
from support.tiny_cohort import changed, tiny_cohort

from nem2e_tf.errors import InputError
from nem2e_tf.training.rows import SAMPLES, Thinned, build, composition_of, thin


@pytest.fixture(scope="module")
def cohort():
    return tiny_cohort(subjects=3)


def problem(cohort, pattern, targets="each", **options):
    composition = composition_of(cohort, pattern=pattern, targets=targets, **options)
    return build(Thinned.of(cohort), composition)


class TestThin:
    def test_interpolates_between_the_points(self):
        # Sample 1 stands at 100/19 = 5.263 %: between the points 5 and 6.
        curve = np.arange(101.0) ** 2
        thinned = thin(curve[None, :, None])[0, :, 0]
        assert thinned[0] == 0
        assert thinned[-1] == 10000
        assert thinned[1] == pytest.approx(25 + (100 / 19 - 5) * 11, rel=1e-6)

    def test_a_straight_line_stays_one(self):
        line = np.linspace(2, 5, 101)[None, :, None]
        np.testing.assert_allclose(thin(line)[0, :, 0], np.linspace(2, 5, SAMPLES), rtol=1e-6)

    def test_nan_stays_near_where_it_was(self):
        curve = np.ones((1, 101, 1))
        curve[0, 50] = np.nan
        missing = np.flatnonzero(np.isnan(thin(curve)[0, :, 0]))
        # The point 50 stands between the samples 9 (47.4 %) and 10 (52.6 %) and touches neither.
        assert missing.tolist() == []
        curve[0, 48] = np.nan
        assert np.flatnonzero(np.isnan(thin(curve)[0, :, 0])).tolist() == [9]

    def test_blocks_make_no_difference(self, cohort, monkeypatch):
        expected = thin(cohort.simulated)
        for size in (1, 3 * 101 * 4 * 8):
            monkeypatch.setattr("nem2e_tf.training.rows.BLOCK", size)
            np.testing.assert_allclose(thin(cohort.simulated), expected, rtol=1e-6)

    def test_refuses_other_lengths(self):
        with pytest.raises(ValueError, match="101 points"):
            thin(np.zeros((1, 100, 1)))


class TestRows:
    def test_one_entire_sees_the_mean_of_the_counterparts(self, cohort):
        found = problem(cohort, "one-entire")
        simulated, measured = thin(cohort.simulated), thin(cohort.measured)
        cycles = np.array([4, 1])
        for model, channels in enumerate(([0], [1, 2])):
            inputs = found.inputs[found.rows(model, cycles).inputs]
            assert inputs.shape == (2, SAMPLES, 1)
            np.testing.assert_allclose(
                inputs[..., 0], simulated[cycles][:, :, channels].mean(axis=2), atol=1e-6
            )
            targets = found.targets[found.rows(model, cycles).targets]
            np.testing.assert_array_equal(targets, measured[cycles][:, :, [model]])
        assert found.counterparts == (((0,),), ((0,),))

    def test_all_entire_shares_the_rows_among_the_models(self, cohort):
        found = problem(cohort, "all-entire")
        assert found.models == ("soleus", "glmed1")
        assert len(found.inputs) == len(cohort.cycles)
        for model in (0, 1):
            rows = found.rows(model, [3]).inputs
            np.testing.assert_array_equal(found.inputs[rows], thin(cohort.simulated)[[3]])
        assert found.counterparts == (((0,),), ((1, 2),))

    def test_joint_has_all_muscles_in_one_model(self, cohort):
        found = problem(cohort, "all-entire", "joint")
        assert found.models == ("joint",)
        np.testing.assert_array_equal(found.targets, thin(cohort.measured))
        assert found.counterparts == (((0,), (1, 2)),)

    @pytest.mark.parametrize("quarter_samples", [5, 20])
    def test_one_quarter_cuts_and_joins_again(self, cohort, quarter_samples):
        found = problem(cohort, "one-quarter", quarter_samples=quarter_samples)
        rows = found.rows(1, [2]).targets
        assert len(rows) == 4
        assert found.targets[rows].shape == (4, quarter_samples, 1)
        measured = thin(cohort.measured)[2, :, 1]
        np.testing.assert_allclose(found.targets[rows][0, [0, -1], 0], measured[[0, 4]], atol=1e-6)
        np.testing.assert_allclose(
            found.targets[rows][3, [0, -1], 0], measured[[15, 19]], atol=1e-6
        )
        simulated = thin(cohort.simulated)[2][:, [1, 2]].mean(axis=1)
        inputs = found.inputs[found.rows(1, [2]).inputs]
        for curve, parts in ((measured, found.targets[rows]), (simulated, inputs)):
            # The 20 samples of a stretched quarter miss its 5: the corner there is cut by 4 %.
            cut = 0.0 if quarter_samples == 5 else 0.04 * np.abs(np.diff(curve, 2)).max()
            np.testing.assert_allclose(found.joined(parts)[0, :, 0], curve, atol=1e-6 + cut)

    @pytest.mark.parametrize("pattern", ["one-quarter", "one-entire", "all-entire"])
    def test_a_nan_leaves_the_whole_cycle_out_for_that_muscle_alone(self, cohort, pattern):
        measured = cohort.measured.copy()
        measured[2, 40:45, 1] = np.nan
        found = problem(changed(cohort, measured=measured), pattern)
        assert np.isfinite(found.targets).all()
        for model in (0, 1):
            for cycle in range(len(cohort.cycles)):
                seen = found.present[found.rows(model, [cycle]).targets]
                assert seen.all() == ((model, cycle) != (1, 2))
                assert seen.any() == seen.all()
        np.testing.assert_array_equal(found.targets[found.rows(1, [2]).targets], 0)

    def test_refuses_joint_models_of_one_channel(self, cohort):
        for pattern in ("one-quarter", "one-entire"):
            with pytest.raises(InputError, match="all-entire"):
                problem(cohort, pattern, "joint")
