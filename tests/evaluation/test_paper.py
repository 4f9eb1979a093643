"""Tukey, paired tests and repeated measures: each computed in another way."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.made_results import made, row

from nem2e_tf.evaluation.paper import between_patterns, greenhouse_geisser, repeated_anova, tukey
from nem2e_tf.names import PATTERNS


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


def test_tukey_leaves_out_nan_and_notes_its_limits():
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
