"""Tukey, repeated measures, effect sizes, power, binomial intervals: each worked out otherwise."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower
from support.made_results import made, row

from nem2e_tf.controls.shuffle import clopper_pearson
from nem2e_tf.evaluation.effects import effect, hedges_correction, n_needed, power_of
from nem2e_tf.evaluation.paper import between_patterns, greenhouse_geisser, repeated_anova, tukey
from nem2e_tf.names import PATTERNS

FIXED = np.array([0.31, -0.12, 0.45, 0.22, 0.08, 0.57, -0.03, 0.29])


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_tukey_of_the_worked_example_in_the_handbook():
    """NIST/SEMATECH e-Handbook of Statistical Methods, 7.4.7.1 Tukey's method: its five limits."""
    found = tukey(
        {
            "1": [6.9, 5.4, 5.8, 4.6, 4.0],
            "2": [8.3, 6.8, 7.8, 9.2, 6.5],
            "3": [8.0, 10.5, 8.1, 6.9, 9.3],
            "4": [5.8, 3.8, 6.1, 5.6, 6.2],
        }
    ).set_index(["first", "second"])
    published = {
        ("1", "2"): (-4.47, -0.29),
        ("1", "3"): (-5.31, -1.13),
        ("1", "4"): (-2.25, 1.93),
        ("2", "3"): (-2.93, 1.25),
        ("3", "4"): (0.97, 5.15),
    }
    for pair, limits in published.items():
        assert found.loc[pair, ["low", "high"]].to_list() == pytest.approx(limits, abs=0.01)
    significant = found.index[found["p"] < 0.05].to_list()
    assert significant == [("1", "2"), ("1", "3"), ("2", "4"), ("3", "4")]


def test_tukey_leaves_out_nan_and_says_what_it_cannot_do():
    found = tukey({"a": [1.0, 2.0, np.nan, 4.0], "b": [2.0, 3.0, 7.0], "c": [1.0]})
    alone = stats.tukey_hsd([1.0, 2.0, 4.0], [2.0, 3.0, 7.0])
    assert found["p"].to_list()[0] == pytest.approx(alone.pvalue[0, 1])
    assert found["p"].isna().to_list() == [False, True, True]
    assert "fewer than two values under c" in found["notes"][1]
    flat = tukey({"a": [0.3, 0.3], "b": [0.3, 0.3]})
    assert np.isnan(flat["p"][0])
    assert "no spread" in flat["notes"][0]


def of_patterns(values, **others):
    """Results with the rates [subject, pattern] of one muscle."""
    rows = [
        row("m", "soleus", f"s{s}", 1.0 + rate, pattern=PATTERNS[p], **others)
        for s, rates in enumerate(values)
        for p, rate in enumerate(rates)
    ]
    return pd.DataFrame(rows)


RATES = np.array(
    [[0.10, -0.05, -0.30], [0.02, -0.11, -0.25], [0.15, 0.04, -0.41], [-0.04, -0.20, -0.22]]
)


def test_repeated_measures_by_sums_of_squares():
    """F = MS(pattern) / MS(pattern by subject), worked out by hand."""
    found = repeated_anova(of_patterns(RATES)).iloc[0]
    n, k = RATES.shape
    grand = RATES.mean()
    patterns = n * np.sum((RATES.mean(axis=0) - grand) ** 2)
    subjects = k * np.sum((RATES.mean(axis=1) - grand) ** 2)
    rest = np.sum((RATES - grand) ** 2) - patterns - subjects
    f = (patterns / (k - 1)) / (rest / ((k - 1) * (n - 1)))
    assert found["f"] == pytest.approx(f)
    assert (found["df"], found["df_error"]) == (2, 6)
    assert found["p"] == pytest.approx(stats.f.sf(f, 2, 6))
    contrasts = np.array([[1, -1, 0], [1, 1, -2]]) / np.sqrt([[2], [6]])
    inner = contrasts @ np.cov(RATES, rowvar=False) @ contrasts.T
    epsilon = np.trace(inner) ** 2 / (2 * np.trace(inner @ inner))
    assert found["epsilon"] == pytest.approx(epsilon)
    assert greenhouse_geisser(RATES) == pytest.approx(epsilon)
    assert found["p_corrected"] == pytest.approx(stats.f.sf(f, 2 * epsilon, 6 * epsilon))


def test_paired_comparisons_see_what_tukey_does_not():
    """The same shift in everybody: certain for the same people, lost among different ones."""
    random = np.random.default_rng(5)
    people = random.normal(0, 0.5, 8)
    values = people[:, None] + [0.0, -0.1, -0.2] + random.normal(0, 0.01, (8, 3))
    found = between_patterns(of_patterns(values))
    assert (found["tukey_p"] > 0.5).all()
    assert (found["paired_p_holm"] < 0.001).all()
    expected = [stats.ttest_rel(values[:, i], values[:, j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert found["paired_t"].to_list() == pytest.approx([one.statistic for one in expected])
    assert found["paired_p"].to_list() == pytest.approx([one.pvalue for one in expected])


def test_patterns_that_cannot_be_compared():
    single = of_patterns(RATES[:1])
    assert between_patterns(single)["paired_p"].isna().all()
    assert repeated_anova(single)["p"].isna().all()
    assert "fewer than two" in repeated_anova(single)["notes"][0]
    flat = of_patterns(np.tile([0.1, 0.2, 0.3], (4, 1)))
    assert repeated_anova(flat)["notes"].tolist() == ["no spread between subjects: no test"]
    blocks = of_patterns(RATES, by="block")
    assert between_patterns(blocks)[["tukey_p", "paired_p"]].isna().all(axis=None)
    assert set(between_patterns(blocks)["notes"]) == {"blocks of one person: no test"}
    assert between_patterns(made()).empty
    assert repeated_anova(made()).empty


def test_families_are_an_entry_under_several_patterns_where_there_are_several():
    both = pd.concat(
        [of_patterns(RATES), of_patterns(RATES + 0.1).assign(model="n")], ignore_index=True
    )
    found = between_patterns(both)
    assert found["family"].nunique() == 2
    m, n = (part["difference"].to_numpy() for _, part in found.groupby("family"))
    np.testing.assert_allclose(m, n)
    assert between_patterns(of_patterns(RATES))["family"].unique().tolist() == [
        "one entry per pattern"
    ]


def test_effect_sizes():
    found = effect([*FIXED, np.nan])
    mean, sd, n = FIXED.mean(), FIXED.std(ddof=1), len(FIXED)
    assert (found.n, found.sd) == (n, pytest.approx(sd))
    assert found.dz == pytest.approx(mean / sd)
    assert found.gz == pytest.approx(mean / sd * (1 - 3 / (4 * (n - 1) - 1)), rel=2e-3)
    t = np.sqrt(n) * found.dz
    for bound, tail in ((found.gz_low, stats.nct.sf), (found.gz_high, stats.nct.cdf)):
        centre = bound / hedges_correction(n - 1) * np.sqrt(n)
        assert tail(t, n - 1, centre) == pytest.approx(0.025, abs=1e-6)
    assert found.gz_low < found.gz < found.gz_high


@pytest.mark.parametrize("mean", [-30.0, -3.0, -0.3, 0.0, 3.0, 30.0])
def test_the_interval_of_an_effect_of_any_size(mean):
    """Far from t the noncentral t distribution is NaN in SciPy: no end may be lost to that."""
    values = mean + np.linspace(-1.5, 1.5, 8)
    found = effect(values)
    t = np.sqrt(8) * found.dz
    ends = np.array([found.gz_low, found.gz_high]) / hedges_correction(7) * np.sqrt(8)
    assert stats.nct.cdf(t, 7, ends) == pytest.approx([0.975, 0.025], abs=1e-6)
    mirrored = effect(-values)
    assert [-mirrored.gz_high, -mirrored.gz_low] == pytest.approx([found.gz_low, found.gz_high])


def test_hedges_correction_makes_the_mean_of_dz_right():
    random = np.random.default_rng(0)
    draws = random.normal(0.8, 1.0, (200_000, 6))
    dz = draws.mean(axis=1) / draws.std(axis=1, ddof=1)
    assert (hedges_correction(5) * dz).mean() == pytest.approx(0.8, abs=0.01)
    assert dz.mean() > 0.9


def test_wilcoxon_by_counting_signs():
    """Exact p by hand: of 2**8 signs, those whose rank sum is as extreme, on both sides."""
    ranks = stats.rankdata(np.abs(FIXED))
    seen = ranks[FIXED < 0].sum()
    signs = (np.arange(256)[:, None] >> np.arange(8)) & 1
    p = 2 * np.mean(signs @ ranks <= seen)
    assert effect(FIXED).wilcoxon_p == pytest.approx(p)


@pytest.mark.parametrize(
    ("values", "why"), [([], "no value"), ([0.2], "one group"), ([0.2, 0.2, 0.2], "no spread")]
)
def test_effects_of_too_little(values, why):
    found = effect(values)
    assert why in found.note
    assert np.isnan([found.dz, found.gz, found.wilcoxon_p]).all()


@pytest.mark.parametrize("dz", [0.2, -0.5, 0.8, 1.5])
@pytest.mark.parametrize("n", [2, 8, 30])
def test_power_is_that_of_statsmodels(dz, n):
    expected = TTestPower().power(abs(dz), n, 0.05, alternative="two-sided")
    assert power_of(dz, n) == pytest.approx(expected, abs=1e-6)


def test_people_needed():
    for dz in (0.3, 0.5, 1.0):
        exact = TTestPower().solve_power(dz, power=0.8, alpha=0.05)
        assert n_needed(dz) == np.ceil(exact)
        assert power_of(dz, int(n_needed(dz))) >= 0.8 > power_of(dz, int(n_needed(dz)) - 1)
    assert n_needed(1e-4) == np.inf
    assert np.isnan(n_needed(np.nan))
    assert np.isnan(power_of(0.5, 1))
    assert power_of(4.0, 8) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("k", "n", "published"),
    [(0, 10, (0.0, 0.3085)), (10, 100, (0.0490, 0.1762)), (5, 5, (0.4782, 1.0))],
)
def test_binomial_interval_of_tabulated_counts(k, n, published):
    assert clopper_pearson(k, n) == pytest.approx(published, abs=1e-4)
    assert np.isnan(clopper_pearson(0, 0)).all()


@pytest.mark.parametrize("n", [1, 5, 40, 200])
def test_binomial_interval_by_quantiles_of_the_beta_distribution(n):
    for k in range(n + 1):
        low = stats.beta.ppf(0.025, k, n - k + 1) if k else 0.0
        high = stats.beta.ppf(0.975, k + 1, n - k) if k < n else 1.0
        assert clopper_pearson(k, n) == pytest.approx((low, high), abs=1e-10)


def test_power_of_a_published_example():
    """G*Power 3.1, paired t test, two-sided: dz 0.5, power 0.8 gives n = 34, power 0.8077775."""
    assert power_of(0.5, 34) == pytest.approx(0.8077775, abs=1e-6)
    assert n_needed(0.5) == 34


@pytest.mark.parametrize("dz", [0.0, 1e-4, 0.01, 0.1, 0.43, 0.8, 1.5, 3.0, 6.0, 10.0, 100.0])
def test_power_is_the_sum_of_both_tails_of_the_noncentral_t(dz):
    for n in (2, 3, 5, 8, 20, 100, 1000, 100_000):
        critical = stats.t.ppf(0.975, n - 1)
        above = stats.nct.sf(critical, n - 1, dz * np.sqrt(n))
        below = np.nan_to_num(stats.nct.cdf(-critical, n - 1, dz * np.sqrt(n)))
        assert power_of(dz, n) == pytest.approx(above + below, abs=1e-10)
        assert power_of(-dz, n) == power_of(dz, n)


@pytest.mark.parametrize("dz", [0.05, 0.2, 0.43, 0.97, 1.5, 2.3, 4.0, 9.0, 100.0])
def test_people_needed_by_trying_one_number_after_another(dz):
    n = 2
    while power_of(dz, n) < 0.8:
        n += 1 if n < 300 or dz > 0.1 else 100
    if n <= 300:
        assert n_needed(dz) == n
    else:
        assert n - 100 < n_needed(dz) <= n
