import gc
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.made_results import MUSCLES, made, wide

from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.results import (
    average_seeds,
    check_results,
    read_references,
    read_results,
    references_of,
)
from nem2e_tf.evaluation.statistics import (
    against_baseline,
    estimate,
    holm,
    summarise,
    summarise_groups,
    summarise_references,
)


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def table(rows):
    return pd.DataFrame(rows)


def pick(summary, model, muscle, **settings):
    wanted = {"model": model, "muscle": muscle} | settings
    rows = summary[np.logical_and.reduce([summary[k] == v for k, v in wanted.items()])]
    assert len(rows) == 1
    return rows.iloc[0]


def test_estimate_by_hand():
    # mean 2, standard deviation 1, error 1/sqrt(3); t(2) quantile 4.302653
    found = estimate([1.0, 2.0, 3.0, np.nan])
    assert found.n == 3
    assert found.mean == 2.0
    assert found.t == pytest.approx(2 * np.sqrt(3))
    assert found.low == pytest.approx(2 - 4.302653 / np.sqrt(3), abs=1e-6)
    assert found.high == pytest.approx(2 + 4.302653 / np.sqrt(3), abs=1e-6)
    # with 2 degrees of freedom p = 1 - t / sqrt(t^2 + 2) = 1 - sqrt(12 / 14)
    assert found.p == pytest.approx(1 - np.sqrt(12 / 14))


def test_estimate_equals_scipy():
    values = np.random.default_rng(5).normal(0.3, 1.0, 11)
    found = estimate(values)
    expected = stats.ttest_1samp(values, 0.0)
    assert found.t == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue)
    np.testing.assert_allclose((found.low, found.high), expected.confidence_interval(0.95))


@pytest.mark.parametrize("n", [2, 3, 8, 30])
def test_the_interval_is_the_mean_and_a_quantile_of_t_times_its_error(n):
    values = np.random.default_rng(n).normal(0.3, 1.0, n)
    error = values.std(ddof=1) / np.sqrt(n)
    half, t = stats.t.ppf(0.975, n - 1) * error, values.mean() / error
    found = estimate(values)
    expected = [values.mean() - half, values.mean() + half, t, 2 * stats.t.sf(abs(t), n - 1)]
    np.testing.assert_allclose(
        [found.low, found.high, found.t, found.p], expected, rtol=1e-10, atol=1e-10
    )


def test_estimate_of_blocks_is_a_range_without_a_test():
    found = estimate([1.0, 2.0, 6.0], blocks=True)
    assert (found.mean, found.low, found.high) == (3.0, 1.0, 6.0)
    assert np.isnan([found.t, found.p]).all()


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ([], "no value"),
        ([np.nan, np.nan], "no value"),
        ([0.3], "one group"),
        ([0.3, 0.3, 0.3], "no spread"),
        ([1e-8, 3e-8, 2e-8], "no spread"),
    ],
)
@pytest.mark.parametrize("blocks", [False, True])
def test_estimate_of_too_little_is_nan_and_states_the_reason(values, note, blocks):
    found = estimate(values, blocks=blocks)
    assert note in found.note
    assert np.isnan([found.low, found.high, found.t, found.p]).all()


def test_spread_is_measured_against_the_scale():
    tiny = [1e-8, 3e-8, 2e-8]
    assert estimate(tiny, scale=1e-7).p < 0.1
    assert np.isnan(estimate(tiny, scale=1.0).p)


def test_holm_by_hand():
    # sorted: .01 x 4, .02 x 3, .03 x 2, .04 x 1, then the running maximum
    np.testing.assert_allclose(holm([0.03, 0.01, 0.04, 0.02]), [0.06, 0.04, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.9, 0.8]), [1.0, 1.0])
    np.testing.assert_array_equal(holm([np.nan, 0.04]), [np.nan, 0.04])
    np.testing.assert_array_equal(holm([np.nan]), [np.nan])


@pytest.mark.parametrize("n", [1, 2, 16, 60])
def test_holm_equals_the_running_maximum_of_ordered_steps(n):
    p = np.random.default_rng(n).uniform(0, 0.2, n)
    np.testing.assert_allclose(holm(p), holm_by_hand(p), rtol=1e-10)


def test_holm_leaves_the_garbage_collector_as_it_was():
    assert gc.get_freeze_count() == 0
    holm([0.01, 0.02])
    assert gc.get_freeze_count() == 0
    gc.freeze()
    try:
        before = gc.get_freeze_count()
        holm([0.01, 0.02])
        assert gc.get_freeze_count() >= before - 100 > 0
    finally:
        gc.unfreeze()


def test_summary_of_each_muscle_equals_scipy():
    results = made()
    summary = summarise(results)
    for model in ("lstm", "seq2seq"):
        raw = {"rate": [], "skill": [], "difference": []}
        for muscle in MUSCLES:
            found = pick(summary, model, muscle)
            rate = wide(results, model, "rate")[muscle]
            skill = wide(results, model, "skill")[muscle]
            refined = wide(results, model, "rmse_refined")[muscle]
            simulated = wide(results, model, "rmse_simulated")[muscle]
            expected = {
                "rate": stats.ttest_1samp(rate, 0),
                "skill": stats.ttest_1samp(skill, 0),
                "difference": stats.ttest_rel(refined, simulated),
            }
            assert found["n"] == 8
            assert found["rate"] == pytest.approx(rate.mean())
            assert found["rmse_refined"] == pytest.approx(refined.mean())
            for name, test in expected.items():
                interval = test.confidence_interval(0.95)
                assert found[f"{name}_t"] == pytest.approx(test.statistic)
                assert found[f"{name}_p"] == pytest.approx(test.pvalue)
                assert found[f"{name}_low"] == pytest.approx(interval.low)
                assert found[f"{name}_high"] == pytest.approx(interval.high)
                raw[name].append(test.pvalue)
        for name, values in raw.items():
            adjusted = [pick(summary, model, muscle)[f"{name}_p_holm"] for muscle in MUSCLES]
            np.testing.assert_allclose(adjusted, holm_by_hand(values))


def holm_by_hand(p):
    order = np.argsort(p)
    steps = np.array(p)[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def test_overall_is_the_mean_over_muscles_of_each_person():
    results = made()
    summary = summarise(results)
    raw = []
    for model in ("lstm", "seq2seq"):
        found = pick(summary, model, "overall")
        per_person = wide(results, model, "skill").mean(axis=1)
        expected = stats.ttest_1samp(per_person, 0)
        assert found["n"] == 8
        assert found["skill"] == pytest.approx(per_person.mean())
        assert found["skill_p"] == pytest.approx(expected.pvalue)
        raw.append(expected.pvalue)
    found = [pick(summary, model, "overall")["skill_p_holm"] for model in ("lstm", "seq2seq")]
    np.testing.assert_allclose(found, holm_by_hand(raw))


def test_seeds_are_averaged_first_and_never_count_as_people():
    results = made(["lstm"], seeds=("0", "1", "2"))
    found = pick(summarise(results), "lstm", "soleus")
    rate = results[results["muscle"] == "soleus"].groupby("group")["rate"].mean()
    assert found["n"] == 8
    assert found["n_seeds"] == 3
    assert found["rate_p"] == pytest.approx(stats.ttest_1samp(rate, 0).pvalue)


def test_an_ensemble_is_a_variant_of_its_own():
    results = made(["lstm"], seeds=("0", "1", "ensemble"))
    summary = summarise(results)
    assert list(summary["variant"].unique()) == ["seeds-mean", "ensemble"]
    ensemble = pick(summary, "lstm", "soleus", variant="ensemble")
    rows = results[(results["muscle"] == "soleus") & (results["seed"] == "ensemble")]
    assert ensemble["rate"] == pytest.approx(rows["rate"].mean())
    assert pick(summary, "lstm", "soleus", variant="seeds-mean")["n_seeds"] == 2


def test_blocks_of_one_person_get_ranges_and_no_p():
    results = made(by="block")
    summary, comparison = summarise(results), against_baseline(results)
    for frame in (summary, comparison):
        assert (frame["interval"] == "range").all()
        assert (
            frame[[c for c in frame if c.endswith(("_t", "_p", "_p_holm"))]].isna().all(axis=None)
        )
    skill = wide(results, "lstm", "skill")["soleus"]
    found = pick(summary, "lstm", "soleus")
    assert (found["skill_low"], found["skill_high"]) == (skill.min(), skill.max())


def test_entries_that_change_nothing_have_a_note_instead_of_p():
    results = made(["opensim"])
    results["rmse_refined"] = results["rmse_simulated"] * (1 + 1e-8 * np.arange(len(results)))
    results["rate"] = results["rmse_refined"] / results["rmse_simulated"] - 1
    found = pick(summarise(results), "opensim", "overall")
    assert np.isnan(found["rate_p"])
    assert np.isnan(found["difference_p"])
    assert "rate: no spread" in found["notes"]


def test_one_group_and_a_muscle_without_emg():
    results = made(["lstm"], groups=1)
    absent = results["muscle"] == "tibant"
    scores = ["rmse_simulated", "rmse_mean_pattern", "rmse_refined", "rate", "skill", "r", "lag_ms"]
    results.loc[absent, scores] = np.nan
    results.loc[absent, "n_cycles"] = 0
    summary = summarise(results)
    one = pick(summary, "lstm", "soleus")
    assert (one["n"], one["notes"]) == (1, "one group: no interval, no test")
    assert np.isnan([one["rate_low"], one["rate_p"], one["rate_p_holm"]]).all()
    none = pick(summary, "lstm", "tibant")
    assert none["n"] == 0
    assert np.isnan(none["rate"])
    assert "no result for 1 of 1 groups (s0)" in none["notes"]
    overall = pick(summary, "lstm", "overall")
    known = results[~absent]["rate"].mean()
    assert overall["rate"] == pytest.approx(known)
    assert "1 of 3 muscle and group pairs" in overall["notes"]


def test_a_failed_seed_is_noted():
    results = made(["lstm"], seeds=("0", "1"))
    failed = (results["seed"] == "1") & (results["group"] == "s3")
    results.loc[failed, ["rmse_refined", "rate", "skill"]] = np.nan
    found = pick(summarise(results), "lstm", "soleus")
    assert found["n"] == 8
    assert "fewer seeds than 2 in 1 groups" in found["notes"]


def test_against_the_baseline_equals_scipy():
    results = made(["lstm", "seq2seq", "tcn"])
    comparison = against_baseline(results)
    assert set(comparison["model"]) == {"lstm", "tcn"}
    assert set(comparison["baseline"]) == {"same settings"}
    base = wide(results, "seq2seq", "rmse_refined")
    raw = {}
    for model in ("lstm", "tcn"):
        mine = wide(results, model, "rmse_refined")
        for muscle, a, b in [
            *((muscle, mine[muscle], base[muscle]) for muscle in MUSCLES),
            ("overall", mine.mean(axis=1), base.mean(axis=1)),
        ]:
            found, expected = pick(comparison, model, muscle), stats.ttest_rel(a, b)
            interval = expected.confidence_interval(0.95)
            assert found["difference"] == pytest.approx((a - b).mean())
            assert found["difference_t"] == pytest.approx(expected.statistic)
            assert found["difference_p"] == pytest.approx(expected.pvalue)
            assert found["difference_low"] == pytest.approx(interval.low)
            assert found["difference_high"] == pytest.approx(interval.high)
            raw[model, muscle] = expected.pvalue
    for family in (
        [key for key in raw if key[1] != "overall"],
        [key for key in raw if key[1] == "overall"],
    ):
        adjusted = [pick(comparison, *key)["difference_p_holm"] for key in family]
        np.testing.assert_allclose(adjusted, holm_by_hand([raw[key] for key in family]))


def test_families_are_kept_apart_by_input_pattern():
    one = made(["lstm", "seq2seq"])
    other = made(["lstm", "seq2seq"], pattern="all-entire")
    alone = against_baseline(one)
    together = against_baseline(pd.concat([one, other]))
    for muscle in (*MUSCLES, "overall"):
        found = pick(together, "lstm", muscle, pattern="one-entire")["difference_p_holm"]
        assert found == pytest.approx(pick(alone, "lstm", muscle)["difference_p_holm"])


def test_a_baseline_under_other_settings_is_chosen_by_rule_and_named():
    entry = made(["lstm"])
    quarter = made(["seq2seq"], pattern="one-quarter")
    entire = made(["seq2seq"], pattern="all-entire", targets="joint")
    residual = made(["seq2seq"], output="residual")
    for bases, expected in [
        ([quarter], "pattern one-quarter"),
        ([quarter, entire], "pattern all-entire, targets joint"),
        ([quarter, entire, residual], "output residual"),
        ([quarter, entire, residual, made(["seq2seq"])], "same settings"),
    ]:
        comparison = against_baseline(pd.concat([*bases, entry]))
        assert pick(comparison, "lstm", "overall")["baseline"] == expected


def test_a_baseline_on_other_cycles_is_no_baseline():
    other = made(["seq2seq"], seed=1)
    comparison = against_baseline(pd.concat([made(["lstm"]), other]))
    assert comparison.empty
    assert comparison.attrs["notes"] == ["lstm, one-entire: no seq2seq on the same cycles"]


def test_without_a_baseline_the_comparison_is_empty_with_a_note():
    comparison = against_baseline(made(["lstm"]))
    assert comparison.empty
    assert "no seq2seq" in comparison.attrs["notes"][0]


def test_groups_that_only_one_has_are_not_compared():
    results = made()
    gone = (results["model"] == "seq2seq") & (results["group"] == "s2")
    found = pick(against_baseline(results[~gone]), "lstm", "soleus")
    assert found["n"] == 7
    pair = [wide(results, m, "rmse_refined")["soleus"].drop("s2") for m in ("lstm", "seq2seq")]
    assert found["difference_p"] == pytest.approx(stats.ttest_rel(*pair).pvalue)
    assert found["rmse"] == pytest.approx(pair[0].mean())


def test_references_by_hand():
    references = table(
        [
            {"muscle": m, "by": "subject", "group": g, "n_cycles": 4, "rmse_simulated": s}
            | {"rmse_mean_pattern": b, "rmse_mean_pattern_per_condition": c}
            for m, g, s, b, c in [
                ("soleus", "a", 1.0, 0.5, 0.4),
                ("soleus", "b", 2.0, 0.5, 0.5),
                ("gasmed", "a", 1.0, 0.2, 0.1),
                ("gasmed", "b", 1.0, 0.4, 0.4),
            ]
        ]
    )
    summary = summarise_references(references).set_index("muscle")
    assert summary.loc["soleus", "mean_pattern_rate"] == pytest.approx(-0.625)
    assert summary.loc["soleus", "per_condition_skill"] == pytest.approx(0.1)
    assert summary.loc["overall", "n"] == 2
    assert summary.loc["overall", "mean_pattern_rate"] == pytest.approx((-0.65 - 0.675) / 2)
    assert summary.loc["overall", "per_condition_rate"] == pytest.approx((-0.75 - 0.675) / 2)


def test_references_can_be_derived_from_the_results():
    results = made()
    summary = summarise_references(references_of(results)).set_index("muscle")
    assert summary.loc["overall", "n"] == 8
    rate = results["rmse_mean_pattern"] / results["rmse_simulated"] - 1
    assert summary.loc["overall", "mean_pattern_rate"] == pytest.approx(rate.mean())
    assert np.isnan(summary.loc["overall", "per_condition_rate"])


def test_the_same_row_twice_is_refused():
    results = made()
    with pytest.raises(InputError, match="expected one row for lstm, soleus, seed 0, subject s0"):
        average_seeds(pd.concat([results, results]))
    with pytest.raises(InputError, match="expected a column skill"):
        check_results(results.drop(columns="skill"))


def test_reading_keeps_words_words_and_empty_numbers_nan(tmp_path):
    results = made(seeds=("0", "ensemble"))
    results["group"] = results["group"].replace({"s0": "NA", "s1": "01"})
    results.loc[3, "lag_ms"] = np.nan
    file = tmp_path / "results.csv"
    results.to_csv(file, index=False)
    back = read_results(file)
    pd.testing.assert_frame_equal(back[results.columns], results, check_dtype=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 2], "line .*: expected"),
        (lambda text: text[:-1], "cut off"),
        (lambda text: "", "empty file"),
        (lambda text: text.replace("rmse_refined", "error"), "expected a column rmse_refined"),
        (lambda text: text + text.splitlines()[1] + "\n", "several"),
        (lambda text: text.replace(",4,", ",four,", 1), "line 2, column n_cycles.*'four'"),
    ],
)
def test_a_broken_table_is_refused_in_one_line(tmp_path, change, message):
    file = tmp_path / "results.csv"
    made(["lstm"]).to_csv(file, index=False)
    file.write_text(change(file.read_text()))
    with pytest.raises(InputError, match=message) as error:
        read_results(file)
    assert "\n" not in str(error.value)


def test_missing_tables_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_references(tmp_path / "references.csv")


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
