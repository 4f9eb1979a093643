"""Seeds against people, and the mixed model: by hand and by statsmodels."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats
from support.made_results import MUSCLES, made, one_of, row, wide

from nem2e_tf.evaluation.mixed import components, mixed_model, seed_spread


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_seeds_and_groups_are_kept_apart():
    """Four groups of three seeds, by hand; and what was put in comes out of many."""
    values = np.array([[1.0, 2.0, 3.0], [4.0, 4.0, 4.0], [2.0, 3.0, 7.0], [0.0, 1.0, 2.0]])
    found = components(values)
    within = (2 + 0 + 14 + 2) / 8
    between = np.var([2, 4, 4, 1], ddof=1) - within / 3
    assert found["seed_sd"] ** 2 == pytest.approx(within)
    assert found["group_sd"] ** 2 == pytest.approx(between)
    assert found["seed_share"] == pytest.approx(within / (within + between))
    random = np.random.default_rng(0)
    many = random.normal(0, 0.3, (4000, 1)) + random.normal(0, 0.1, (4000, 3))
    assert components(many)["group_sd"] == pytest.approx(0.3, rel=0.05)
    assert components(many)["seed_sd"] == pytest.approx(0.1, rel=0.05)


def test_seed_spread_of_results():
    results = made(("lstm",), seeds=("0", "1", "2"))
    ensemble = made(("lstm",), seeds=("ensemble",), seed=9)
    table = seed_spread(pd.concat([results, ensemble], ignore_index=True))
    own = results[results["muscle"] == "gasmed"]
    expected = own.groupby("group")["skill"].var().mean() ** 0.5
    found = one_of(table, muscle="gasmed", measure="skill")
    assert found["seed_sd"] == pytest.approx(expected)
    assert (found["n_groups"], found["n_seeds"]) == (8, 3)
    means = results.groupby(["group", "seed"])["rate"].mean().unstack()
    overall = one_of(table, muscle="overall", measure="rate")
    assert overall["seed_sd"] == pytest.approx(means.var(axis=1).mean() ** 0.5)
    single = one_of(seed_spread(made(("lstm",))), muscle="soleus", measure="skill")
    assert np.isnan(single["seed_sd"])
    assert "one seed" in single["notes"]
    assert single["group_sd"] > 0


def with_people(*, groups=10, people=0.1, rest=0.04, seed=3):
    """Skills whose part that belongs to the person is known."""
    random = np.random.default_rng(seed)
    own = random.normal(0.1, people, groups)
    rows = [
        row("lstm", muscle, f"s{g}", 0.5 * (1 - own[g] - random.normal(0, rest)))
        for g in range(groups)
        for muscle in MUSCLES
    ]
    return pd.DataFrame(rows)


def test_mixed_model_of_balanced_data_is_the_t_test_of_means():
    results = with_people()
    found = one_of(mixed_model(results), measure="skill")
    means = wide(results, "lstm", "skill").mean(axis=1)
    t = stats.ttest_1samp(means, 0)
    assert found["mean"] == pytest.approx(means.mean())
    assert found["t"] == pytest.approx(t.statistic, rel=1e-3)
    assert found["p"] == pytest.approx(t.pvalue, rel=1e-2)
    assert (found["mean_low"], found["mean_high"]) == pytest.approx(
        t.confidence_interval(0.95), rel=1e-3
    )
    # Of balanced data, restricted maximum likelihood is the analysis of variance.
    skills = wide(results, "lstm", "skill").to_numpy()
    rest = skills - skills.mean(axis=1, keepdims=True) - skills.mean(axis=0) + skills.mean()
    within = np.sum(rest**2) / (9 * 2)
    between = means.var(ddof=1) - within / 3
    assert found["residual_sd"] ** 2 == pytest.approx(within, rel=1e-3)
    assert found["group_sd"] ** 2 == pytest.approx(between, rel=1e-3)


def test_mixed_model_of_data_with_gaps_is_that_of_statsmodels():
    results = with_people(seed=4)
    gap = (results["group"] == "s2") & (results["muscle"] == "tibant")
    results.loc[gap, ["rmse_refined", "rate", "skill"]] = np.nan
    known = results.dropna(subset=["skill"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = smf.mixedlm("skill ~ C(muscle, Sum)", known, groups=known["group"]).fit()
    found = one_of(mixed_model(results), measure="skill")
    assert found["n"] == 29
    assert found["mean"] == pytest.approx(expected.fe_params["Intercept"], rel=1e-4)
    assert found["t"] == pytest.approx(expected.tvalues["Intercept"], rel=1e-2)
    assert found["group_sd"] ** 2 == pytest.approx(expected.cov_re.iloc[0, 0], rel=2e-2)


def test_mixed_model_where_people_differ_by_nothing():
    """The likelihood is highest at, or near, a variance of 0, where statsmodels' first optimiser
    ends in a singular matrix."""
    results = made(("lstm",))
    found = one_of(mixed_model(results), measure="skill")
    skills = wide(results, "lstm", "skill")
    assert found["mean"] == pytest.approx(skills.to_numpy().mean())
    assert found["group_sd"] < 0.2 * found["residual_sd"]
    error = found["mean"] / found["t"]
    assert error == pytest.approx(found["residual_sd"] / np.sqrt(skills.size), rel=0.1)
    assert found["notes"] == ""


def test_mixed_model_where_n_does_not_allow():
    few = mixed_model(made(groups=3))
    assert few["p"].isna().all()
    assert few["notes"].str.contains("requires 4 groups and 2 muscles, found 3 and 3").all()
    single = mixed_model(made().query("muscle == 'soleus'"))
    assert single["notes"].str.contains("found 8 and 1").all()
    flat = mixed_model(pd.DataFrame([row("m", n, g, 0.4) for g in range(5) for n in MUSCLES]))
    assert flat["notes"].str.contains("no spread").all()
    assert mixed_model(made(by="block"))["notes"].str.contains("blocks").all()
