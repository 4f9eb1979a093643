"""All tables of evidence: little data and missing data give NaN and notes."""

import warnings

import numpy as np
import pandas as pd
import pytest
from support.made_results import made

from nem2e_tf.controls.blind import input_blind
from nem2e_tf.controls.shuffle import positive_skill
from nem2e_tf.evaluation.effects import effect_sizes
from nem2e_tf.evaluation.mixed import mixed_model, seed_spread


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


EVERY = (
    input_blind,
    effect_sizes,
    seed_spread,
    mixed_model,
    positive_skill,
)


@pytest.mark.parametrize("table", EVERY)
@pytest.mark.parametrize(
    "results",
    [
        made(groups=1),
        made(groups=2),
        made(by="block"),
        made().assign(rmse_refined=np.nan, rate=np.nan, skill=np.nan),
        pd.concat([made(("a",)), made(("b",)).head(3)], ignore_index=True),
    ],
    ids=["one subject", "two subjects", "blocks", "no fit", "fits missing"],
)
def test_degenerate_results_give_nan_and_notes(table, results):
    found = table(results)
    assert len(found)
    noted = found["notes"].str.len() > 0
    unknown = found.select_dtypes("float").isna().any(axis=1)
    if results["group"].nunique() == 1 or results["rmse_refined"].isna().all():
        assert noted.all()
        assert unknown.all()


@pytest.mark.parametrize("table", EVERY)
def test_a_muscle_without_emg_is_noted_and_the_others_are_not_touched(table):
    clean, results = made(("lstm",)), made(("lstm",))
    lost = results["muscle"] == "gasmed"
    numbers = ["rmse_simulated", "rmse_mean_pattern", "rmse_refined", "rate", "skill", "r"]
    results.loc[lost, numbers] = np.nan
    before, after = table(clean), table(results)
    if "muscle" in after:
        own = after[after["muscle"] == "gasmed"]
        assert (own["notes"].str.len() > 0).all()
        numbers = [name for name in after.select_dtypes("number") if "holm" not in name]
        before, after = (found[found["muscle"] == "soleus"][numbers] for found in (before, after))
        np.testing.assert_allclose(before.astype(float), after.astype(float))
    else:
        assert (after["n_muscles"] == 2).all()
