"""What was planted in the simulation must be found and undone on subjects never seen.

A small share of the embedded cohort; ``tools/planted-truth`` asks the same of all of it.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_rel

from nem2e_tf.cohorts.synthetic.cohorts import make
from nem2e_tf.cohorts.synthetic.distortion import Distortion
from nem2e_tf.controls.attention import lag_removed, mean_offset
from nem2e_tf.evaluation.metrics import lag_percent, rmse
from nem2e_tf.training.chunk import Workshop
from nem2e_tf.training.plan import Settings, make_plan
from nem2e_tf.training.recipe import recipe
from nem2e_tf.training.rows import thin

MUSCLE = "gasmed"
LAG = 8.0


def one_muscle(distortion, *, near=()):
    """The walking cohort with one muscle, its counterparts and the channels named."""
    cohort = make("walk", distortion=distortion).cohort
    column = cohort.muscle_names.index(MUSCLE)
    kept = [
        index
        for index, name in enumerate(cohort.channel_names)
        if index in cohort.counterparts[column] or name in near
    ]
    return replace(
        cohort,
        simulated=cohort.simulated[:, :, kept],
        measured=cohort.measured[:, :, [column]],
        channels=cohort.channels.iloc[kept].reset_index(drop=True),
        muscles=cohort.muscles.iloc[[column]].reset_index(drop=True),
    )


def refine(cohort, *models, pattern, **changes):
    """Refined cycles [cycle, 20] of each model, every subject left out once."""
    settings = Settings(models=models, patterns=(pattern,), recipe=recipe("fast", **changes))
    plan = make_plan(cohort, settings)
    shop = Workshop(cohort, settings, plan)
    refined = {model: np.full((len(cohort.cycles), 20), np.nan) for model in models}
    for chunk in range(len(plan.chunks)):
        for one in shop.run(chunk):
            model = plan.configurations[one.fit.configuration].model
            refined[model][shop.folds[one.fit.group].test] = one.refined[:, :, 0]
    return refined


@pytest.mark.slow
def test_a_planted_lag_is_removed():
    cohort = one_muscle(Distortion.pure_lag(percent=LAG))
    measured = thin(cohort.measured)[:, :, 0]
    before = lag_percent(measured, thin(cohort.simulated).mean(axis=2))
    assert np.nanmean(before) == pytest.approx(LAG, abs=1.5)
    for model, curves in refine(
        cohort, "shift", "stdr-net-temporal", pattern="one-entire", units=32
    ).items():
        assert lag_removed(before, lag_percent(measured, curves)) > 0.8, model


@pytest.mark.slow
def test_a_planted_leak_needs_the_other_channels():
    calf = ("soleus_ipsi", "gaslat_ipsi", "tibpost_ipsi", "perlong_ipsi", "fhl_ipsi", "fdl_ipsi")
    cohort = one_muscle(Distortion.pure_leak(), near=calf)
    assert len(cohort.channels) >= 6
    measured = thin(cohort.measured)[:, :, 0]

    def subject_errors(curves):
        errors = rmse(measured, curves)
        return [errors[rows].mean() for rows in cohort.cycles.groupby("subject").indices.values()]

    own = refine(cohort, "linear", "lstm", pattern="one-entire", units=32)
    several = refine(cohort, "stdr-net-spatial", pattern="all-entire", units=32)
    spatial = subject_errors(several["stdr-net-spatial"])
    for model, curves in own.items():
        test = ttest_rel(spatial, subject_errors(curves), alternative="less")
        assert test.pvalue < 0.05, model


def test_mean_offset_by_hand():
    later = np.eye(5, k=1)
    later[-1, -1] = 1
    assert mean_offset(later) == pytest.approx(20.0)
    assert mean_offset(np.eye(5)) == pytest.approx(0.0)
    assert mean_offset(np.full((2, 5, 5), 0.2)) == pytest.approx(0.0)
    assert np.isnan(mean_offset(np.zeros((0, 5, 5))))


def test_lag_removed_by_hand():
    assert lag_removed([4.0, -4.0], [1.0, 1.0]) == pytest.approx(0.75)
    assert lag_removed([4.0, np.nan], [-5.0, 0.0]) == pytest.approx(-0.25)
    assert np.isnan(lag_removed([0.0], [1.0]))
