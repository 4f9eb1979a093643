"""Two runs against each other."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import t, ttest_rel
from support.made_runs import ENTRIES, MUSCLES, made, without, write_run

from nem2e_tf.cli.report import compare_command
from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.statistics import holm
from nem2e_tf.report.comparing import compare, compare_results, differing_settings


def errors(results, model, muscle):
    own = (results["model"] == model) & (results["muscle"] == muscle)
    return results[own].sort_values("group")["rmse_refined"].to_numpy()


def invoke(*arguments):
    return (
        CliRunner()
        .invoke(compare_command, [str(a) for a in arguments], catch_exceptions=False)
        .stdout
    )


def test_difference_is_the_paired_t_of_each_muscle():
    first, second = made(seed=1), made(seed=2)
    table = compare_results(first, second).set_index(["model", "muscle"])
    a, b = (errors(results, "seq2seq", "gasmed") for results in (first, second))
    row = table.loc["seq2seq", "gasmed"]
    tested = ttest_rel(b, a)
    assert row["difference"] == pytest.approx((b - a).mean())
    assert row["difference_p"] == pytest.approx(tested.pvalue)
    half = t.ppf(0.975, 5) * (b - a).std(ddof=1) / np.sqrt(6)
    assert row["difference_high"] - row["difference"] == pytest.approx(half)
    assert (row["rmse_first"], row["rmse_second"]) == pytest.approx((a.mean(), b.mean()))
    assert row["n"] == 6
    per_subject = [
        np.mean([errors(r, "seq2seq", name) for name in MUSCLES], axis=0) for r in (second, first)
    ]
    overall = table.loc["seq2seq", "overall"]
    assert overall["difference"] == pytest.approx((per_subject[0] - per_subject[1]).mean())
    assert overall["difference_p"] == pytest.approx(ttest_rel(*per_subject).pvalue)


def test_p_is_adjusted_over_the_muscles_of_a_pattern():
    table = compare_results(made(seed=1), made(seed=2))
    family = table[(table["pattern"] == "one-quarter") & (table["muscle"] != "overall")]
    assert len(family) == 8
    np.testing.assert_allclose(family["difference_p_holm"], holm(family["difference_p"]))


def test_only_groups_that_both_have_count():
    second = made(seed=2)
    gone = (second["model"] == "seq2seq") & (second["muscle"] == "tibant")
    second = without(second, gone & second["group"].isin(["s0", "s3"]))
    table = compare_results(made(seed=1), second).set_index(["model", "muscle"])
    assert table.loc["seq2seq", "tibant"]["n"] == 4
    assert table.loc["seq2seq", "tibant"]["notes"] == "no results in both runs for 2 of 6 groups"
    assert table.loc["seq2seq", "soleus"]["n"] == 6


def test_single_entries_are_compared_whatever_they_are():
    one, other = (made(entries={name: ENTRIES[name]}) for name in ("seq2seq", "stdr-net-temporal"))
    table = compare_results(one, other)
    assert set(table["against"]) == {"stdr-net-temporal, one-quarter"}
    assert set(table["model"]) == {"seq2seq"}


def test_other_cycles_and_missing_entries_are_reported():
    second = made(entries={name: ENTRIES[name] for name in ("opensim", "seq2seq")})
    other = second["model"] == "seq2seq"
    second.loc[other, "rmse_simulated"] *= 1.1
    notes = compare_results(made(), second).attrs["notes"]
    assert "seq2seq, one-quarter: scored on different cycles in each run; not compared" in notes
    assert any(note.startswith("only in the first run: mean-pattern") for note in notes)


def test_blocks_have_a_range_and_no_test():
    table = compare_results(made(by="block", seed=1), made(by="block", seed=2))
    assert table["difference_p"].isna().all()
    row = table[(table["model"] == "seq2seq") & (table["muscle"] == "soleus")].iloc[0]
    assert row["difference_low"] <= row["difference"] <= row["difference_high"]


def test_settings_that_differ_are_listed():
    one = {"settings": {"seeds": 1, "recipe": {"units": 64}}, "plan": {"chunks": [1]}}
    other = {"settings": {"seeds": 1, "recipe": {"units": 8}}, "versions": {"keras": "3.15"}}
    assert differing_settings(one, other) == [
        ("settings.recipe.units", "64", "8"),
        ("versions.keras", "unknown", "3.15"),
    ]


def test_sources_of_own_refiners_are_named_by_their_digest():
    source = {"file": "mine.py", "function": "plain", "text": "def plain():\n    ...\n"}
    one, other = (
        {"settings": {"sources": [source | {"sha256": digit * 64}]}} for digit in ("a", "b")
    )
    assert differing_settings(one, other) == [
        (
            "settings.sources",
            "mine.py:plain (SHA-256 aaaaaaaaaaaa)",
            "mine.py:plain (SHA-256 bbbbbbbbbbbb)",
        )
    ]


def test_command_prints_differences_and_settings(tmp_path):
    one = write_run(tmp_path / "one", made(seed=1), settings={"seeds": 1})
    two = write_run(tmp_path / "two", made(seed=2), settings={"seeds": 3})
    text = invoke(one, two)
    assert "settings.seeds: 1 -> 3" in text
    assert "stdr-net-temporal" in text
    assert "tibant" not in text
    assert "tibant" in invoke(one, two, "--muscles")
    assert max(map(len, text.splitlines())) <= 100 + len(str(tmp_path))
    found = json.loads(invoke(one, two, "--json"))
    assert found["settings"] == [{"name": "settings.seeds", "first": "1", "second": "3"}]
    overall = [row for row in found["comparison"] if row["muscle"] == "overall"]
    assert {row["model"] for row in overall} == set(ENTRIES)
    # What is the reference itself is the same in both, so it has no interval.
    assert next(row for row in overall if row["model"] == "opensim")["difference_p"] is None


def test_runs_are_compared_from_python(tmp_path):
    one, two = (
        write_run(tmp_path / name, made(seed=seed), settings={"seeds": seed})
        for name, seed in (("one", 1), ("two", 2))
    )
    comparison = compare(str(one), SimpleNamespace(path=two))
    table = compare_results(made(seed=1), made(seed=2))
    assert comparison.results["difference"].tolist() == pytest.approx(table["difference"].tolist())
    assert comparison.settings == [("settings.seeds", "1", "2")]
    text = str(comparison.table())
    assert "settings.seeds: 1 -> 2" in text
    assert "tibant" not in text
    assert "tibant" in repr(comparison.table(muscles=True))
    assert "\x1b" not in text


def test_runs_without_anything_in_common_are_refused(tmp_path):
    names = list(ENTRIES)
    one = write_run(tmp_path / "one", made(entries={n: ENTRIES[n] for n in names[:2]}))
    two = write_run(tmp_path / "two", made(entries={n: ENTRIES[n] for n in names[2:]}))
    with pytest.raises(InputError, match="none in common"):
        invoke(one, two)
    with pytest.raises(InputError, match="each run once"):
        invoke(one, one)
    with pytest.raises(InputError, match="same cohort"):
        invoke(one, write_run(tmp_path / "three", made(), digest="xyz"))
