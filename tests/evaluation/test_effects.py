"""Effect sizes, rank test and power: each computed in another way."""

import warnings

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower
from support.made_results import MUSCLES, made, one_of, wide

from nem2e_tf.evaluation.effects import effect, effect_sizes, hedges_correction, n_needed, power_of
from nem2e_tf.evaluation.statistics import holm


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


FIXED = np.array([0.31, -0.12, 0.45, 0.22, 0.08, 0.57, -0.03, 0.29])


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
