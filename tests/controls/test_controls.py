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
from nem2e_tf.controls import CONTROLS, control
from nem2e_tf.controls.results import (
    COLUMNS,
    check_same_cohort,
    partial_folder,
    read_control,
    results_of,
)
from nem2e_tf.controls.shuffle import shuffled
from nem2e_tf.controls.source import open_source
from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.metrics import rmse
from nem2e_tf.training.curves import held_out_curves, read_predictions
from nem2e_tf.training.plan import Settings
from nem2e_tf.training.recipe import recipe
from nem2e_tf.training.rows import thin
from nem2e_tf.training.run_folder import open_run

MODELS = ("opensim", "mean-pattern", "affine", "stdr-net-spatial")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A cohort with a cycle without EMG of glmed1, and a run of it."""
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
def without_glmed1(tmp_path_factory):
    """A cohort whose glmed1 has no EMG at all, and a run of quarters of the cycle."""
    folder = tmp_path_factory.mktemp("without")
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
    return {"run": folder / "run", "cohort": folder / "cohort"}


@pytest.fixture
def given(place):
    return {"run": place / "run", "cohort": place / "cohort"}


def of(table, model, muscle="overall"):
    rows = table[(table["model"] == model) & (table["muscle"] == muscle)]
    assert len(rows) == 1
    return rows.iloc[0]


def command(*arguments):
    return CliRunner().invoke(group, ["control", *map(str, arguments)])


def test_predictions_are_those_that_were_scored(place, given):
    source = open_source(**given)
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
    results = control(place / "run", "blind", out=tmp_path / "out")
    found = read_control(tmp_path / "out")
    assert found.name == "blind"
    assert found.notes == results.notes
    pd.testing.assert_frame_equal(found.summary, results.summary, check_dtype=False, rtol=1e-12)
    assert of(results.summary, "mean-pattern")["share"] == pytest.approx(1.0)


def test_oracle(given, tmp_path):
    summary = control(**given, kind="oracle", out=tmp_path / "out").summary
    affine, perfect = of(summary, "affine"), of(summary, "measured")
    assert affine["amplitude_share"] == pytest.approx(1.0, abs=0.02)
    assert perfect["gain"] == pytest.approx(perfect["rmse_simulated"])
    assert np.isnan(of(summary, "opensim")["amplitude_share"])
    shares = summary[["amplitude_share", "timing_share", "shape_share"]].sum(axis=1)
    assert shares[summary["gain"] > 1e-6].to_numpy() == pytest.approx(1.0)
    rows = read_control(tmp_path / "out").tables["groups"]
    assert set(rows["model"]) == {*MODELS, "measured"}
    gap = rows.query("model == 'affine' and group == 'subject-2' and muscle == 'glmed1'")
    assert gap["n_cycles"].tolist() == [1]


@pytest.mark.parametrize("name", ["shortcut", "wrong-subject"])
def test_changed_inputs(given, tmp_path, name):
    tables = control(**given, kind=name, out=tmp_path / "out", draws=3).tables
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


def test_own_errors_are_those_of_the_run(place, given):
    """The weights that are kept are the run's: applied again they give its errors."""
    groups = control(**given, kind="shortcut", draws=1).tables["groups"]
    results = pd.read_csv(place / "run" / "results.csv")
    keys = ["model", "muscle", "group"]
    both = groups.merge(results, on=keys, suffixes=("", "_run"))
    assert len(both) == len(results)
    np.testing.assert_allclose(both["rmse_own"], both["rmse_refined"], rtol=1e-4)
    np.testing.assert_allclose(both["rate_own"], both["rate"], atol=1e-4)
    np.testing.assert_allclose(both["skill_own"], both["skill"], atol=1e-4)


def test_attention(given, tmp_path):
    tables = control(**given, kind="attention", out=tmp_path / "out", sets=2).tables
    weights = tables["weights"]
    sums = weights.groupby(["model", "muscle", "sample"])["weight"].sum()
    assert len(sums) == 20
    assert sums.to_numpy() == pytest.approx(1.0, abs=1e-5)
    spatial = weights[weights["attention"] == "spatial"]
    assert set(spatial["token"]) == set(load_cohort(given["cohort"]).channel_names)
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


def test_attention_of_quarters_and_of_a_muscle_without_emg(without_glmed1):
    tables = control(**without_glmed1, kind="attention", sets=2).tables
    weights = tables["weights"].query("muscle == 'soleus'")
    arranged = weights.pivot(index="sample", columns="token", values="weight").to_numpy()
    assert arranged.shape == (20, 20)
    assert np.count_nonzero(arranged) == 4 * 25
    assert arranged.sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    summary = tables["summary"].set_index("muscle")
    assert summary.loc["soleus", ["n", "n_masked", "n_tokens"]].tolist() == [3, 5, 20]
    assert np.isfinite(summary.loc["soleus", "difference_p"])
    assert np.isnan(summary.loc["glmed1", "difference"])
    assert "no value" in summary.loc["glmed1", "notes"]


def test_a_muscle_without_emg_is_noted_by_every_control(without_glmed1):
    found = [
        (control(**without_glmed1, kind="shortcut", draws=1).summary, "difference"),
        (control(**without_glmed1, kind="oracle").summary, "gain"),
        (control(without_glmed1["run"], "blind").summary, "gain"),
    ]
    for summary, value in found:
        lost = summary[(summary["muscle"] == "glmed1") & (summary["model"] == "affine")]
        assert lost[value].isna().all()
        assert (lost["notes"].str.len() > 0).all()
        known = summary[(summary["muscle"] == "overall") & (summary["model"] == "affine")]
        assert known[value].notna().all()


def test_attention_of_nothing(given, tmp_path):
    with pytest.raises(InputError, match="expected an entry with attention, found affine"):
        control(**given, kind="attention", models=["affine"], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_attention_of_a_refiner(tmp_path):
    from support.small_refiners import joint

    refiner = joint("stdr-net-spatial", units=4)
    tables = control(refiner, "attention", out=tmp_path / "out", sets=2).tables
    sums = tables["weights"].groupby("sample")["weight"].sum()
    assert sums.to_numpy() == pytest.approx(1.0, abs=1e-5)
    assert tables["weights"]["weight_sd"].isna().all()
    assert tables["summary"]["difference_p"].isna().all()
    assert any("nothing was masked" in note for note in read_control(tmp_path / "out").notes)
    with pytest.raises(InputError, match="expected one with attention"):
        control(joint("affine"), "attention")
    with pytest.raises(InputError, match="cohort and models: expected with a run only"):
        control(refiner, "attention", models=["stdr-net-spatial"])


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
    kept = run.weights_file(affine)
    before = dict(np.load(kept))
    kept.unlink()
    asked = ("shortcut", place / "run", "--cohort", place / "cohort", "--model", "affine")
    done = command(*asked, "--draws", 1, "--jobs", 1, "--json", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "fits again, to keep their weights" in done.stderr
    printed = json.loads(done.stdout)
    assert [row["muscle"] for row in printed["summary"]] == ["soleus", "glmed1", "overall"]
    assert printed["summary"][2]["difference"] > 0
    after = dict(np.load(kept))
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, rtol=1e-5, atol=1e-7)
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
            "models afine: expected a model of .* did you mean affine",
        ),
        (("shortcut", run, "--cohort", cohort, "--draws", 0, "-o"), "draws 0: expected 1"),
        (("shortcut", run, "--cohort", cohort, "--jobs", 0, "-o"), "jobs 0: expected 1"),
        (("wrong-subject", run, "--cohort", cohort, "--seed", -1, "-o"), "seed -1: expected 0"),
        (("shuffle", run, "--cohort", cohort, "--shuffles", 0, "-o"), "shuffles 0: expected 1"),
        (("attention", run, "-o"), "cohort: expected the cohort that the run"),
        (("attention", run, "--cohort", cohort, "--sets", 0, "-o"), "sets 0: expected 1"),
    ]


@pytest.mark.parametrize("number", range(10))
def test_mistakes_are_reported_and_nothing_is_written(place, tmp_path, number):
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
    results_of("blind", about=about, settings={}, notes=["so"], tables=tables, out=out)
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


def test_parts_with_other_settings_are_not_continued(tmp_path):
    folder = partial_folder(tmp_path / "out", {"seed": 0})
    assert folder == Path(tmp_path / "out.partial")
    assert partial_folder(tmp_path / "out", {"seed": 0}) == folder
    with pytest.raises(InputError, match="computed with the same settings"):
        partial_folder(tmp_path / "out", {"seed": 1})


def test_controls_take_objects_and_need_no_folder(given, tmp_path, monkeypatch):
    """A run folder that is open, a cohort in memory, whose workers read a temporary copy."""
    shutil.copytree(given["run"], tmp_path / "run")
    run, cohort = open_run(tmp_path / "run"), load_cohort(given["cohort"])
    run.weights_file(2).unlink()
    before = sorted(tmp_path.rglob("*"))
    seen = []

    def fit(run_path, cohort_path, chunks, **_):
        seen.append(load_cohort(cohort_path).digest)
        for chunk in chunks:
            shutil.copy(open_run(given["run"]).weights_file(chunk), run.weights_file(chunk))

    monkeypatch.setattr("nem2e_tf.training.cross_validation.fit_chunks", fit)
    found = control(run, "wrong-subject", cohort=cohort, models=["affine"], draws=1)
    assert seen == [cohort.digest]
    assert set(tmp_path.rglob("*")) - set(before) == {run.weights_file(2)}
    again = control(**given, kind="wrong-subject", models=["affine"], draws=1)
    np.testing.assert_allclose(found.table()["difference"], again.table()["difference"], rtol=1e-6)
    assert found.table()["model"].tolist() == ["affine"]
    assert "difference" in found.table()


def test_every_control_has_its_columns():
    assert list(COLUMNS) == list(CONTROLS)


def test_a_control_that_does_not_exist(given):
    with pytest.raises(InputError, match=r"kind shufle: expected blind, .*; did you mean shuffle"):
        control(**given, kind="shufle")
    with pytest.raises(TypeError, match="draws"):
        control(**given, kind="oracle", draws=3)


def test_damaged_weights_are_reported(given, tmp_path):
    file = open_run(given["run"]).weights_file(0)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    try:
        with pytest.raises(InputError, match="expected the weights of a chunk"):
            control(**given, kind="shortcut", out=tmp_path / "out", draws=1)
        assert not (tmp_path / "out").exists()
    finally:
        file.write_bytes(whole)


def test_warping_by_nothing_gives_the_thinned_own_input(given):
    from nem2e_tf.controls.changed_input import warped

    whole = load_cohort(given["cohort"]).simulated
    n = len(whole)
    unchanged = warped(whole, frequency=np.ones(n), phase=np.zeros(n))
    np.testing.assert_allclose(unchanged, thin(whole), atol=1e-6)
