"""The tables of tools/reproduce-paper on made-up results."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import studentized_range, t, ttest_1samp, ttest_rel

from nem2e_tf.evaluation.paper import between_patterns, by_electrode, counts, improvement
from nem2e_tf.evaluation.results import RESULT_COLUMNS
from nem2e_tf.evaluation.statistics import holm
from nem2e_tf.names import PATTERNS

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
from memory_log import memory

GROUPS = [f"S{i}" for i in range(1, 7)]
MUSCLES = {"soleus": "soleus", "semimem": "medial_hamstrings", "semiten": "medial_hamstrings"}


def made_up(*, seed=0):
    """Rates of six subjects: much better under all-entire, worse under one-quarter."""
    random = np.random.default_rng(seed)
    usual = {"one-quarter": 0.1, "one-entire": -0.2, "all-entire": -0.4}
    rows = []
    for pattern, model in zip(PATTERNS, ("temporal", "temporal", "spatial"), strict=True):
        for muscle in MUSCLES:
            for group in GROUPS:
                rate = usual[pattern] + 0.05 * random.standard_normal()
                rows.append(
                    dict.fromkeys(RESULT_COLUMNS, 0.0)
                    | {
                        "model": model,
                        "pattern": pattern,
                        "targets": "each",
                        "output": "direct",
                        "recipe": "fast",
                        "seed": "0",
                        "muscle": muscle,
                        "by": "subject",
                        "group": group,
                        "n_cycles": 4,
                        "rmse_simulated": 0.2,
                        "rmse_mean_pattern": 0.15,
                        "rmse_refined": 0.2 * (1 + rate),
                        "rate": rate,
                        "skill": 1 - 0.2 * (1 + rate) / 0.15,
                        "epochs": 3,
                        "seconds": 0.1,
                    }
                )
    return pd.DataFrame(rows)


def rates(results, muscle, pattern):
    own = (results["muscle"] == muscle) & (results["pattern"] == pattern)
    return results[own].sort_values("group")["rate"].to_numpy()


def test_improvement_by_hand():
    results = made_up()
    table = improvement(results)
    assert list(table["pattern"]) == list(PATTERNS) * 3
    assert list(table["muscle"]) == [name for name in MUSCLES for _ in PATTERNS]
    indexed = table.set_index(["muscle", "pattern"])
    p = [ttest_1samp(rates(results, name, "one-entire"), 0).pvalue for name in MUSCLES]
    for name, single, adjusted in zip(MUSCLES, p, holm(p), strict=True):
        values, row = rates(results, name, "one-entire"), indexed.loc[name, "one-entire"]
        half = t.ppf(0.975, 5) * values.std(ddof=1) / np.sqrt(6)
        assert row["rate"] == pytest.approx(values.mean())
        assert (row["rate_low"], row["rate_high"]) == pytest.approx(
            (values.mean() - half, values.mean() + half)
        )
        assert row["rate_p"] == pytest.approx(single)
        assert row["rate_p_holm"] == pytest.approx(adjusted)
        assert row["skill"] == pytest.approx(1 - 0.2 * (1 + values.mean()) / 0.15)


def test_patterns_by_hand():
    results = made_up()
    table = between_patterns(results).set_index(["muscle", "first", "second"])
    assert len(table) == 9
    a, b = rates(results, "soleus", "one-entire"), rates(results, "soleus", "all-entire")
    row = table.loc["soleus", "one-entire", "all-entire"]
    assert row["difference"] == pytest.approx((a - b).mean())
    assert row["paired_p"] == pytest.approx(ttest_rel(a, b).pvalue)
    assert row["tukey_low"] < row["difference"] < row["tukey_high"]
    own = table.loc["soleus"]
    np.testing.assert_allclose(own["paired_p_holm"], holm(own["paired_p"]))
    groups = [rates(results, "soleus", pattern) for pattern in PATTERNS]
    error = np.mean([values.var(ddof=1) for values in groups])
    q = abs((a - b).mean()) / np.sqrt(error / 6)
    assert row["tukey_p"] == pytest.approx(studentized_range.sf(q, 3, 15), rel=1e-3)


def test_patterns_leave_out_who_lacks_one():
    results = made_up()
    lacking = (results["group"] == "S2") & (results["pattern"] == "one-quarter")
    results.loc[lacking & (results["muscle"] == "soleus"), "rate"] = np.nan
    n = between_patterns(results).groupby("muscle")["n"].unique().map(list).to_dict()
    assert n == {"soleus": [5], "semimem": [6], "semiten": [6]}


def test_counts_columns_and_electrodes():
    results = made_up()
    columns = counts(improvement(results)).set_index("pattern")
    assert columns.loc["one-quarter", ["muscles", "p", "holm", "skill"]].tolist() == [3, 0, 0, 0]
    assert columns.loc["all-entire", ["muscles", "p", "holm", "skill"]].tolist() == [3, 3, 3, 3]
    together = by_electrode(results, MUSCLES)
    assert list(together.columns) == list(results.columns)
    assert counts(improvement(together))["muscles"].tolist() == [2, 2, 2]
    pair = [rates(results, name, "one-entire") for name in ("semimem", "semiten")]
    np.testing.assert_allclose(
        rates(together, "medial_hamstrings", "one-entire"), np.mean(pair, axis=0)
    )


def test_memory_log():
    log = "0,11,1024,2048\n1,12,1000,3072\n2,11,1500,2048\n3,11,2000,2048\n5,11,2200,4096\n"
    peak, growth = memory(log)
    assert peak == pytest.approx(4 + 3)
    assert growth == pytest.approx(1.1)
    assert np.isnan(memory("")).all()
    assert np.isnan(memory("0,1,2,3\n")[1])
