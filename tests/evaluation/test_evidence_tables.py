"""Spread, mixed model, further statistics, the input-blind control and false positives."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats
from support.made_results import MUSCLES, made, row, wide

from nem2e_tf.controls.blind import input_blind, sentences
from nem2e_tf.controls.shuffle import false_positives, positive_skill
from nem2e_tf.evaluation.effects import effect, effect_sizes, n_needed, power_of
from nem2e_tf.evaluation.mixed import components, mixed_model, seed_spread
from nem2e_tf.evaluation.statistics import holm, summarise, summarise_groups

EVERY = (
    input_blind,
    effect_sizes,
    seed_spread,
    mixed_model,
    positive_skill,
)


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def one_of(table, **wanted):
    rows = table[np.logical_and.reduce([table[k] == v for k, v in wanted.items()])]
    assert len(rows) == 1, rows
    return rows.iloc[0]


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


def test_effect_sizes_combine_the_pieces_together():
    results = made(("lstm",))
    table = effect_sizes(results)
    p = []
    for muscle in MUSCLES:
        skills = wide(results, "lstm", "skill")[muscle]
        found = one_of(table, muscle=muscle, measure="skill")
        alone = effect(skills)
        assert found[["sd", "dz", "gz", "wilcoxon_p"]].to_list() == pytest.approx(
            [alone.sd, alone.dz, alone.gz, alone.wilcoxon_p]
        )
        assert found["t_p"] == pytest.approx(stats.ttest_1samp(skills, 0).pvalue)
        assert found["power"] == pytest.approx(power_of(alone.gz, 8))
        assert found["n_needed"] == n_needed(alone.gz)
        assert found["n_needed_at_least"] <= found["n_needed"]
        p.append(alone.wilcoxon_p)
    own = table[(table["measure"] == "skill") & (table["muscle"] != "overall")]
    np.testing.assert_allclose(own["wilcoxon_p_holm"], holm(p))
    np.testing.assert_allclose(own["t_p_holm"], holm(own["t_p"]))
    overall = one_of(table, muscle="overall", measure="difference")
    gains = wide(results, "lstm", "rmse_refined") - wide(results, "lstm", "rmse_simulated")
    means = gains.mean(axis=1)
    assert overall["dz"] == pytest.approx(means.mean() / means.std())


def test_input_blind_by_hand():
    rows = [row("good", "soleus", g, 0.40 + 0.01 * g) for g in range(4)]
    rows += [row("bad", "soleus", g, 0.60 + 0.01 * g) for g in range(4)]
    rows += [row("even", "soleus", g, 0.5 + 0.05 * (-1) ** g) for g in range(4)]
    rows += [row("worse", "soleus", g, 1.2 + 0.01 * g) for g in range(4)]
    rows += [row("mean-pattern", "soleus", g, 0.5) for g in range(4)]
    table = input_blind(pd.DataFrame(rows)).query("muscle == 'overall'").set_index("model")
    assert table["mean_pattern_rate"].tolist() == pytest.approx([-0.5] * 5)
    assert table.loc["good", "share"] == pytest.approx(0.5 / (1 - 0.415))
    assert table.loc["bad", "share"] == pytest.approx(0.5 / (1 - 0.615))
    assert np.isnan(table.loc["worse", "share"])
    assert table["verdict"].to_dict() == {
        "good": "adds",
        "bad": "worse",
        "even": "unclear",
        "worse": "worse",
        "mean-pattern": "unknown",
    }
    told = "\n".join(sentences(input_blind(pd.DataFrame(rows)), by="subject"))
    assert "has a rate of -0.50" in told
    assert "Skill over the mean pattern with a 95 % interval above 0: good." in told
    assert "Worse than the mean pattern with a 95 % interval below 0: bad, worse." in told
    assert "good 85 %, even 100 %, bad 130 %" in told
    assert "mean-pattern" not in told


def test_rounding_is_no_gain_to_have_a_share_of():
    rows = [row("opensim", "soleus", f"s{g}", 1.0 - 1e-9, blind=0.5 + 0.1 * g) for g in range(4)]
    assert input_blind(pd.DataFrame(rows))["share"].isna().all()


def test_input_blind_tells_entries_of_one_model_apart():
    rows = pd.concat([made(("lstm",)), made(("lstm",), seed=1, pattern="all-entire")])
    told = "\n".join(sentences(input_blind(rows), by="subject"))
    assert "lstm (one-entire)" in told
    assert "lstm (all-entire)" in told


def test_an_entry_alone_under_its_verdict_is_still_told_from_its_namesake():
    rows = [row("lstm", "soleus", g, 0.40 + 0.01 * g) for g in range(4)]
    other = [row("lstm", "soleus", g, 0.60 + 0.01 * g) for g in range(4)]
    table = pd.DataFrame(rows + [one | {"pattern": "all-entire"} for one in other])
    told = "\n".join(sentences(input_blind(table), by="subject"))
    assert "above 0: lstm (one-entire)." in told
    assert "below 0: lstm (all-entire)." in told
    told = "\n".join(sentences(input_blind(table.assign(run="first")), by="subject"))
    assert "above 0: lstm (one-entire)." in told, "the run only where nothing else differs"
    runs = [pd.DataFrame(one).assign(run=run) for one, run in ((rows, "x"), (other, "y"))]
    told = "\n".join(sentences(input_blind(pd.concat(runs)), by="subject"))
    assert "above 0: lstm (x)." in told
    assert "below 0: lstm (y)." in told


def test_false_positives_are_counted_by_hand():
    def cohort(low):
        rows = [
            row("m", muscle, g, 0.5 * (1 - low - 0.02 * g)) for g in range(4) for muscle in "ab"
        ]
        return positive_skill(pd.DataFrame(rows))

    found = pd.concat([cohort(0.1), cohort(-0.2), cohort(-0.02), cohort(-0.3)])
    assert found["false_positive"].sum() == 3
    table = false_positives(found).set_index(["model", "level"])
    for model in ("m", "all"):
        assert table.loc[(model, "overall"), ["tests", "false_positives"]].tolist() == [4, 1]
        assert table.loc[(model, "muscle"), ["tests", "false_positives"]].tolist() == [8, 2]
    low, high = stats.binomtest(1, 4).proportion_ci(method="exact")
    own = table.loc[("all", "overall")]
    assert (own["share_low"], own["share_high"]) == pytest.approx((low, high))
    assert not own["compatible"] if low > 0.025 else own["compatible"]
    blocks = positive_skill(made(by="block"))
    assert not blocks["tested"].any()
    assert np.isnan(false_positives(blocks)["share"]).all()


def test_the_nominal_rate_is_met_where_skill_is_none_and_noticed_where_it_is_not():
    """Two hundred entries without skill, of eight people each; then with a little."""

    def found(skill):
        random = np.random.default_rng(11)
        rows = [
            row(f"m{entry}", "soleus", g, 0.5 * (1 - skill - random.normal(0, 0.05)))
            for entry in range(200)
            for g in range(8)
        ]
        table = false_positives(positive_skill(pd.DataFrame(rows)))
        return one_of(table, model="all", level="overall")

    none = found(0.0)
    assert none["tests"] == 200
    assert none["false_positives"] > 0
    assert none["compatible"]
    assert not found(0.03)["compatible"]


def test_summary_of_any_table_is_that_of_results():
    """Rates summarised the general way equal those of the report."""
    results = made(("lstm",), seeds=("0", "1"))
    general = summarise_groups(results, tested=("rate", "skill"), averaged=("r",))
    usual = summarise(results)
    names = [f"{n}{e}" for n in ("rate", "skill") for e in ("", "_low", "_high", "_t", "_p")]
    for name in names:
        np.testing.assert_allclose(general[name], usual[name], err_msg=name)
    muscles = general["muscle"] != "overall"
    np.testing.assert_allclose(general["rate_p_holm"][muscles], usual["rate_p_holm"][muscles])
    assert general["n_seeds"].tolist() == [2] * 4


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
    told = found["notes"].str.len() > 0
    unknown = found.select_dtypes("float").isna().any(axis=1)
    if results["group"].nunique() == 1 or results["rmse_refined"].isna().all():
        assert told.all()
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
