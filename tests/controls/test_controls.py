"""Controls on a small run: what they find, what they write, what they refuse."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import stats
from support.made_runs import fit_chunks_here, fitted_run
from support.tiny_cohort import changed, tiny_cohort

from nem2e_tf.cli.main import group
from nem2e_tf.cohorts.cohort import load_cohort
from nem2e_tf.controls.attention import control_attention, control_attention_of_refiner
from nem2e_tf.controls.blind import control_blind
from nem2e_tf.controls.changed_input import control_changed_input
from nem2e_tf.controls.oracle import control_oracle
from nem2e_tf.controls.results import (
    check_same_cohort,
    open_source,
    partial_folder,
    read_control,
    write_control,
)
from nem2e_tf.controls.shuffle import shuffled
from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.metrics import rmse
from nem2e_tf.training.kept import held_out_curves, read_predictions
from nem2e_tf.training.plan import Settings
from nem2e_tf.training.recipe import recipe
from nem2e_tf.training.rows import thin
from nem2e_tf.training.run_folder import open_run, weights_file

MODELS = ("opensim", "mean-pattern", "affine", "stdr-net-spatial")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A cohort whose glmed1 lacks the EMG of a cycle, and a run of it."""
    folder = tmp_path_factory.mktemp("controls")
    cohort = tiny_cohort(subjects=4)
    measured = cohort.measured.copy()
    measured[3, 30:50, 1] = np.nan
    cohort = changed(cohort, measured=measured)
    cohort.save(folder / "cohort")
    small = recipe("fast", units=4, epochs=2)
    settings = Settings(models=MODELS, targets="joint", recipe=small)
    fitted_run(folder / "run", cohort, settings, keep_weights=True)
    return folder


@pytest.fixture(scope="module")
def lacking(tmp_path_factory):
    """A cohort whose glmed1 has no EMG at all, and a run of quarters of the cycle."""
    folder = tmp_path_factory.mktemp("lacking")
    cohort = tiny_cohort(subjects=3)
    measured = cohort.measured.copy()
    measured[:, :, 1] = np.nan
    cohort = changed(cohort, measured=measured)
    cohort.save(folder / "cohort")
    settings = Settings(
        models=("affine", "stdr-net-temporal"),
        patterns=("one-quarter",),
        recipe=recipe("fast", units=4, epochs=2),
    )
    fitted_run(folder / "run", cohort, settings, keep_weights=True)
    return open_source(folder / "run", folder / "cohort")


@pytest.fixture
def source(place):
    return open_source(place / "run", place / "cohort")


def of(table, model, muscle="overall"):
    rows = table[(table["model"] == model) & (table["muscle"] == muscle)]
    assert len(rows) == 1
    return rows.iloc[0]


def command(*arguments):
    return CliRunner().invoke(group, ["control", *map(str, arguments)])


def test_predictions_are_those_that_were_scored(place, source):
    curves = held_out_curves(source.run, source.cohort)
    results = pd.read_csv(place / "run" / "results.csv")
    predictions = read_predictions(source.run, source.cohort)
    assert [one.entry["model"] for one in predictions] == list(MODELS)
    errors = rmse(curves.measured, predictions[2].refined)
    own = (curves.groups == "subject-3") & np.isfinite(errors[:, 0])
    expected = results.query("model == 'affine' and group == 'subject-3' and muscle == 'soleus'")
    assert errors[own, 0].mean() == pytest.approx(expected["rmse_refined"].item(), rel=1e-5)
    blind = rmse(curves.measured, curves.mean_pattern)[own, 0].mean()
    assert blind == pytest.approx(expected["rmse_mean_pattern"].item(), rel=1e-5)


def test_predictions_of_a_chunk_that_is_missing_are_nan(place, tmp_path):
    shutil.copytree(place / "run", tmp_path / "run")
    run = open_run(tmp_path / "run")
    lost = run.plan.fits[run.plan.chunks[-1][0]].group
    run.predictions_file(len(run.plan.chunks) - 1).unlink()
    cohort = load_cohort(place / "cohort")
    refined = read_predictions(run, cohort)[-1].refined
    groups = held_out_curves(run, cohort).groups
    assert np.isnan(refined[groups == lost]).all()
    assert np.isfinite(refined).any()
    with pytest.raises(InputError, match="expected a finished run"):
        open_source(run.path, place / "cohort")


def test_blind(place, tmp_path):
    tables, notes = control_blind(place / "run", tmp_path / "out")
    found = read_control(tmp_path / "out")
    assert found.name == "blind"
    assert found.notes == notes
    pd.testing.assert_frame_equal(
        found.tables["summary"], tables["summary"], check_dtype=False, rtol=1e-12
    )
    assert of(tables["summary"], "mean-pattern")["share"] == pytest.approx(1.0)


def test_oracle(source, tmp_path):
    summary = control_oracle(source, tmp_path / "out")["summary"]
    affine, perfect = of(summary, "affine"), of(summary, "measured")
    assert affine["amplitude_share"] == pytest.approx(1.0, abs=0.02)
    assert perfect["gain"] == pytest.approx(perfect["rmse_simulated"])
    assert np.isnan(of(summary, "opensim")["amplitude_share"])
    shares = summary[["amplitude_share", "timing_share", "shape_share"]].sum(axis=1)
    assert shares[summary["gain"] > 1e-6].to_numpy() == pytest.approx(1.0)
    rows = read_control(tmp_path / "out").tables["groups"]
    assert set(rows["model"]) == {*MODELS, "measured"}
    lacking = rows.query("model == 'affine' and group == 'subject-2' and muscle == 'glmed1'")
    assert lacking["n_cycles"].tolist() == [1]


@pytest.mark.parametrize("name", ["shortcut", "wrong-subject"])
def test_changed_inputs(source, tmp_path, name):
    tables = control_changed_input(source, tmp_path / "out", name, draws=3)
    summary, groups = tables["summary"], tables["groups"]
    blind = of(summary, "mean-pattern")
    assert blind["difference"] == pytest.approx(0.0, abs=1e-7)
    assert blind["rate_changed"] == pytest.approx(blind["rate_own"])
    assert of(summary, "affine")["difference"] > 0.01
    assert of(summary, "affine")["difference_p"] < 0.05
    own = groups.query("model == 'affine' and muscle == 'soleus'")
    test = stats.ttest_1samp(own["rate_changed"], 0)
    found = of(summary, "affine", "soleus")
    assert (found["rate_changed"], found["rate_changed_p"]) == pytest.approx(
        (own["rate_changed"].mean(), test.pvalue)
    )
    inputs = tables["inputs"].query("model == 'affine' and muscle == 'soleus'")["rate_changed"]
    assert found["inputs"] == len(inputs) == 8
    assert found["inputs_p"] == pytest.approx(stats.ttest_1samp(inputs, 0).pvalue)
    assert read_control(tmp_path / "out").header["settings"]["draws"] == 3


def test_own_errors_are_those_of_the_run(place, source, tmp_path):
    """The weights that are kept are the run's: applied again they give its errors."""
    groups = control_changed_input(source, tmp_path / "out", "shortcut", draws=1)["groups"]
    results = pd.read_csv(place / "run" / "results.csv")
    keys = ["model", "muscle", "group"]
    both = groups.merge(results, on=keys, suffixes=("", "_run"))
    assert len(both) == len(results)
    np.testing.assert_allclose(both["rmse_own"], both["rmse_refined"], rtol=1e-4)
    np.testing.assert_allclose(both["rate_own"], both["rate"], atol=1e-4)
    np.testing.assert_allclose(both["skill_own"], both["skill"], atol=1e-4)


def test_attention(source, tmp_path):
    tables = control_attention(source, tmp_path / "out", sets=2)
    weights = tables["weights"]
    sums = weights.groupby(["model", "muscle", "sample"])["weight"].sum()
    assert len(sums) == 20
    assert sums.to_numpy() == pytest.approx(1.0, abs=1e-5)
    spatial = weights[weights["attention"] == "spatial"]
    assert set(spatial["token"]) == set(source.cohort.channel_names)
    assert (weights["n_groups"] == 4).all()
    top = tables["top"].query("model == 'stdr-net-spatial' and percent == 100")
    last = spatial[spatial["sample"] == 19].sort_values("weight", ascending=False)
    assert top["token"].tolist() == last["token"].tolist()
    assert top["rank"].tolist() == [1, 2, 3, 4]
    found = of(tables["summary"], "stdr-net-spatial")
    assert (found["n"], found["n_masked"], found["n_tokens"]) == (4, 1, 4)
    differences = tables["groups"]["rmse_most"] - tables["groups"]["rmse_random"]
    np.testing.assert_allclose(tables["groups"]["difference"], differences)
    assert read_control(tmp_path / "out").tables.keys() == tables.keys()


def test_attention_of_quarters_and_of_a_muscle_without_emg(lacking, tmp_path):
    tables = control_attention(lacking, tmp_path / "out", sets=2)
    weights = tables["weights"].query("muscle == 'soleus'")
    laid = weights.pivot(index="sample", columns="token", values="weight").to_numpy()
    assert laid.shape == (20, 20)
    assert np.count_nonzero(laid) == 4 * 25
    assert laid.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    summary = tables["summary"].set_index("muscle")
    assert summary.loc["soleus", ["n", "n_masked", "n_tokens"]].tolist() == [3, 5, 20]
    assert np.isfinite(summary.loc["soleus", "difference_p"])
    assert np.isnan(summary.loc["glmed1", "difference"])
    assert "no value" in summary.loc["glmed1", "notes"]


def test_a_muscle_without_emg_is_noted_by_every_control(lacking, tmp_path):
    changed_input = control_changed_input(lacking, tmp_path / "one", "shortcut", draws=1)
    found = [
        (changed_input["summary"], "difference"),
        (control_oracle(lacking, tmp_path / "two")["summary"], "gain"),
        (control_blind(lacking.run.path, tmp_path / "three")[0]["summary"], "gain"),
    ]
    for summary, value in found:
        lost = summary[(summary["muscle"] == "glmed1") & (summary["model"] == "affine")]
        assert lost[value].isna().all()
        assert (lost["notes"].str.len() > 0).all()
        known = summary[(summary["muscle"] == "overall") & (summary["model"] == "affine")]
        assert known[value].notna().all()


def test_attention_of_nothing(place, tmp_path):
    source = open_source(place / "run", place / "cohort", models=["affine"])
    with pytest.raises(InputError, match="expected an entry with attention, found affine"):
        control_attention(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_attention_of_a_refiner(tmp_path):
    from support.small_refiners import joint

    refiner = joint("stdr-net-spatial", units=4)
    tables = control_attention_of_refiner(refiner, tmp_path / "out", sets=2)
    sums = tables["weights"].groupby("sample")["weight"].sum()
    assert sums.to_numpy() == pytest.approx(1.0, abs=1e-5)
    assert tables["weights"]["weight_sd"].isna().all()
    assert tables["summary"]["difference_p"].isna().all()
    assert any("nothing was masked" in note for note in read_control(tmp_path / "out").notes)
    with pytest.raises(InputError, match="expected one with attention"):
        control_attention_of_refiner(joint("affine"), tmp_path / "other")


def test_shuffled_cohorts_hold_the_same_emg_in_another_order():
    cohort = tiny_cohort(subjects=4)
    one, other = (shuffled(cohort, seed=0, shuffle=number) for number in (0, 1))
    assert not np.array_equal(one.measured, cohort.measured)
    assert not np.array_equal(one.measured, other.measured)
    np.testing.assert_array_equal(one.simulated, cohort.simulated)
    for measured in (one.measured, other.measured):
        np.testing.assert_array_equal(
            np.sort(measured[:, 50, 0]), np.sort(cohort.measured[:, 50, 0])
        )
    again = shuffled(cohort, seed=0, shuffle=1)
    np.testing.assert_array_equal(again.measured, other.measured)


def test_commands_and_the_fitting_of_what_is_not_kept(place, tmp_path):
    """Weights that were deleted are fitted again, to the same numbers; --json tells them."""
    run = open_run(place / "run")
    affine = 2
    kept = weights_file(run, affine)
    before = dict(np.load(kept))
    kept.unlink()
    asked = ("shortcut", place / "run", "--cohort", place / "cohort", "--model", "affine")
    done = command(*asked, "--draws", 1, "--jobs", 1, "--json", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "fits again, to keep their weights" in done.stderr
    told = json.loads(done.stdout)
    assert [row["muscle"] for row in told["summary"]] == ["soleus", "glmed1", "overall"]
    assert told["summary"][2]["difference"] > 0
    after = dict(np.load(kept))
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value)
    again = command(*asked, "--draws", 1, "-o", tmp_path / "out")
    assert again.exit_code == 0, again.output
    assert "fits again" not in again.stderr
    assert "affine" in again.stdout


def test_shuffle_command_goes_on_and_leaves_nothing_behind(place, tmp_path, monkeypatch):
    monkeypatch.setattr("nem2e_tf.training.cross_validation.fit_chunks", fit_chunks_here)
    asked = ("shuffle", place / "run", "--cohort", place / "cohort", "--model", "affine")
    out = tmp_path / "out"
    partial = partial_folder_of(place, out)
    (partial / "run-000").mkdir()
    (partial / "run-000" / "notes.txt").write_text("not a run")
    refused = command(*asked, "--shuffles", 1, "--jobs", 1, "-o", out)
    assert isinstance(refused.exception, InputError)
    assert not out.exists()
    (partial / "run-000" / "notes.txt").unlink()
    done = command(*asked, "--shuffles", 1, "--jobs", 1, "-o", out)
    assert done.exit_code == 0, done.output
    found = read_control(out)
    summary = found.tables["summary"]
    assert summary["model"].tolist() == ["affine", "affine", "all", "all"]
    assert summary["tests"].tolist() == [1, 2, 1, 2]
    assert not partial.exists()


def partial_folder_of(place, out):
    """The folder of work that the shuffle command would make for affine."""
    from dataclasses import replace

    run = open_run(place / "run")
    settings = replace(run.settings, models=("affine",), options={})
    asked = {"control": "shuffle", "seed": 0, "cohort": run.digest, "settings": settings.as_dict()}
    return partial_folder(out, json.loads(json.dumps(asked)))


def mistakes(place):
    run, cohort = place / "run", place / "cohort"
    return [
        (("blind", place, "-o"), "expected a run folder with run.json"),
        (("oracle", run, "--cohort", place, "-o"), "expected a cohort folder"),
        (("oracle", cohort, "--cohort", cohort, "-o"), "expected a run folder"),
        (
            ("oracle", run, "--cohort", cohort, "--model", "afine", "-o"),
            "expected a run with afine, found .* did you mean affine",
        ),
        (("shortcut", run, "--cohort", cohort, "--draws", 0, "-o"), "--draws 0: expected 1"),
        (("shortcut", run, "--cohort", cohort, "--jobs", 0, "-o"), "--jobs 0: expected 1"),
        (("wrong-subject", run, "--cohort", cohort, "--seed", -1, "-o"), "--seed -1: expected 0"),
        (("shuffle", run, "--cohort", cohort, "--shuffles", 0, "-o"), "--shuffles 0: expected 1"),
        (("attention", run, "-o"), "expected --cohort"),
        (("attention", run, "--cohort", cohort, "--sets", 0, "-o"), "--sets 0: expected 1"),
    ]


@pytest.mark.parametrize("number", range(10))
def test_mistakes_are_told_and_nothing_is_written(place, tmp_path, number):
    arguments, message = mistakes(place)[number]
    out = tmp_path / "out"
    done = command(*arguments, out)
    assert isinstance(done.exception, InputError), done.output
    assert not out.exists()
    with pytest.raises(InputError, match=message):
        raise done.exception


def test_the_run_of_another_cohort_is_refused(place, tmp_path):
    tiny_cohort(subjects=4, seed=1).save(tmp_path / "other")
    with pytest.raises(InputError, match="expected the cohort of this run"):
        open_source(place / "run", tmp_path / "other")


@pytest.mark.parametrize("name", ["blind", "oracle"])
def test_a_folder_of_somebody_else_is_refused(place, tmp_path, name):
    (tmp_path / "thesis.txt").write_text("years of work")
    cohort = () if name == "blind" else ("--cohort", place / "cohort")
    done = command(name, place / "run", *cohort, "-o", tmp_path)
    assert isinstance(done.exception, InputError)
    assert [item.name for item in tmp_path.iterdir()] == ["thesis.txt"]
    out = tmp_path / "out"
    assert command(name, place / "run", *cohort, "-o", out).exit_code == 0
    (out / "thesis.txt").write_text("years of work")
    done = command(name, place / "run", *cohort, "-o", out)
    assert isinstance(done.exception, InputError)
    assert "thesis.txt" in str(done.exception)
    assert (out / "thesis.txt").exists()


def test_folders_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"with control.json, found none"):
        read_control(tmp_path)
    out = tmp_path / "out"
    about = {"run": {"name": "r"}, "cohort": {"name": "c", "digest": "ab"}}
    tables = {"summary": pd.DataFrame({"model": ["m"], "skill": [0.1]})}
    write_control(out, "blind", about=about, settings={}, notes=["so"], tables=tables)
    check_same_cohort(read_control(out), "ab")
    with pytest.raises(InputError, match="control blind: expected one of the cohort cd"):
        check_same_cohort(read_control(out), "cd")
    (out / "summary.csv").write_text("")
    with pytest.raises(InputError, match="expected a table"):
        read_control(out)
    (out / "summary.csv").unlink()
    with pytest.raises(InputError, match="expected a table"):
        read_control(out)
    header = json.loads((out / "control.json").read_text())
    (out / "control.json").write_text(json.dumps(header | {"control": "blin"}))
    with pytest.raises(InputError, match="did you mean blind"):
        read_control(out)
    (out / "control.json").write_text(json.dumps(header | {"kind": "nem2e-tf run"}))
    with pytest.raises(InputError, match="expected a control of this version"):
        read_control(out)


def test_work_that_was_asked_for_otherwise_is_not_gone_on_with(tmp_path):
    folder = partial_folder(tmp_path / "out", {"seed": 0})
    assert folder == Path(tmp_path / "out.partial")
    assert partial_folder(tmp_path / "out", {"seed": 0}) == folder
    with pytest.raises(InputError, match="asked for in the same way"):
        partial_folder(tmp_path / "out", {"seed": 1})


def test_damaged_weights_are_told(place, source, tmp_path):
    file = weights_file(source.run, 0)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    try:
        with pytest.raises(InputError, match="expected the weights of a chunk"):
            control_changed_input(source, tmp_path / "out", "shortcut", draws=1)
        assert not (tmp_path / "out").exists()
    finally:
        file.write_bytes(whole)


def test_thinned_own_input_is_what_warping_by_nothing_gives(source):
    from nem2e_tf.controls.changed_input import warped

    whole = source.cohort.simulated
    n = len(whole)
    unchanged = warped(whole, frequency=np.ones(n), phase=np.zeros(n))
    np.testing.assert_allclose(unchanged, thin(whole), atol=1e-6)
