"""Cross-validation from the command line: run folders, their numbers, and being interrupted."""

import gc
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.tiny_cohort import changed, tiny_cohort

from nem2e_tf import names
from nem2e_tf.cli.main import main
from nem2e_tf.errors import InputError
from nem2e_tf.training.chunk import Workshop
from nem2e_tf.training.cross_validation import cross_validate
from nem2e_tf.training.plan import Plan, Settings, make_plan
from nem2e_tf.training.recipe import recipe
from nem2e_tf.training.rows import thin
from nem2e_tf.training.run_folder import open_run
from nem2e_tf.training.train import train

COLUMNS = (
    "model,pattern,targets,output,recipe,seed,muscle,by,group,n_cycles,rmse_simulated,"
    "rmse_mean_pattern,rmse_refined,rate,skill,r,lag_ms,epochs,seconds"
)
PROGRAM = (sys.executable, "-c", "from nem2e_tf.cli.main import main; main()")
MODELS = ("--model", "opensim", "--model", "mean-pattern", "--model", "rnn")
PATTERNS = tuple(word for name in names.PATTERNS for word in ("--pattern", name))
SMALL = ("--units", "4", "--epochs", "40", "--batch-size", "4")


def command(cohort, run, *more):
    return ("cv", str(cohort), *MODELS, *PATTERNS, *SMALL, "--seeds", "2", *more, "-o", str(run))


def called(*arguments):
    done = subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def refused(capsys, *arguments):
    """Call in this process; the one line on stderr."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert caught.value.code == 2
    assert printed.out == ""
    *notes, said = printed.err.splitlines()
    assert all(line.startswith("nem2e-tf: ") and "error" not in line for line in notes)
    assert said.startswith("nem2e-tf: error: ")
    return said


def numbers(run):
    return pd.read_csv(Path(run) / "results.csv", dtype={"seed": str}).drop(columns="seconds")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A cohort of four subjects; the second muscle's electrode was bad in the first cycle."""
    folder = tmp_path_factory.mktemp("cv")
    cohort = tiny_cohort()
    measured = cohort.measured.copy()
    measured[0, 30:40, 1] = np.nan
    changed(cohort, measured=measured).save(folder / "cohort")
    return folder


@pytest.fixture(scope="module")
def finished(folder):
    """An uninterrupted run of one process, and what it printed."""
    return folder / "run", called(*command(folder / "cohort", folder / "run", "--jobs", "1"))


class TestRun:
    def test_states_what_it_did(self, finished):
        run, done = finished
        assert done.returncode == 0
        assert f"Run: {run}" in done.stdout
        assert "mean-pattern does not run under one-quarter: the model does not know" in done.stderr
        assert "left out" not in done.stdout

    def test_folder(self, finished):
        run = open_run(finished[0])
        assert {path.name for path in run.path.iterdir()} == {
            "run.json",
            "results.csv",
            "references.csv",
            "mean_patterns.npz",
            "predictions",
            "histories",
        }
        assert run.unfinished() == []
        for chunk in range(len(run.plan.chunks)):
            assert run.history_file(chunk).exists()
        header = json.loads((run.path / "run.json").read_text())
        assert header["cohort"]["cycles"] == 8
        assert header["versions"]["tensorflow"]
        assert header["settings"]["recipe"]["units"] == 4

    def test_columns_are_exactly_those_of_the_design(self, finished):
        lines = (finished[0] / "results.csv").read_text().splitlines()
        assert lines[0] == COLUMNS

    def test_one_row_a_fit_and_muscle(self, finished):
        rows = numbers(finished[0])
        keys = ["model", "pattern", "seed", "muscle", "group"]
        assert not rows.duplicated(keys).any()
        # Muscles times groups, under each pattern; two seeds and their ensemble of the network.
        counts = rows.groupby(["model", "seed"]).size().to_dict()
        assert counts == {
            ("opensim", "0"): 24,
            ("mean-pattern", "0"): 16,
            ("rnn", "0"): 24,
            ("rnn", "1"): 24,
            ("rnn", "ensemble"): 24,
        }
        assert set(rows["by"]) == {"subject"}
        assert set(rows["recipe"]) == {"fast+"}
        bad = (rows["muscle"] == "glmed1") & (rows["group"] == "subject-1")
        assert set(rows["n_cycles"][bad]) == {1}
        assert set(rows["n_cycles"][~bad]) == {2}

    def test_references_are_0_by_definition(self, finished):
        rows = numbers(finished[0])
        assert rows["rate"][rows["model"] == "opensim"].abs().max() < 1e-6
        assert rows["skill"][rows["model"] == "mean-pattern"].abs().max() < 1e-6

    def test_scores_by_hand(self, finished, folder):
        """Of each seed and of the average of both, from the predictions in the run folder."""
        run = open_run(finished[0])
        cohort = tiny_cohort()
        measured, simulated = thin(cohort.measured)[..., 0], thin(cohort.simulated)[..., 0]
        found = {}
        for chunk in range(len(run.plan.chunks)):
            for index, one in run.read_chunk(chunk).items():
                fit = run.plan.fits[index]
                name = run.plan.configurations[fit.configuration]
                if (name.model, name.pattern, fit.muscle) == ("rnn", "one-quarter", "soleus"):
                    found[fit.group, str(fit.seed)] = one["refined"][..., 0]
        rows = numbers(run.path).set_index(["model", "pattern", "muscle", "group", "seed"])
        for group in ("subject-1", "subject-3"):
            found[group, "ensemble"] = (found[group, "0"] + found[group, "1"]) / 2
            own = (cohort.cycles["subject"] == group).to_numpy()
            pattern = measured[~own].mean(axis=0)
            errors = {
                key: np.sqrt(np.mean((value - measured[own]) ** 2, axis=1)).mean()
                for key, value in (("mean_pattern", pattern), ("simulated", simulated[own]))
            }
            for seed in ("0", "1", "ensemble"):
                row = rows.loc["rnn", "one-quarter", "soleus", group, seed]
                error = np.sqrt(np.mean((found[group, seed] - measured[own]) ** 2, axis=1)).mean()
                assert row["rmse_refined"] == pytest.approx(error, rel=1e-5)
                assert row["rmse_simulated"] == pytest.approx(errors["simulated"], rel=1e-5)
                assert row["rmse_mean_pattern"] == pytest.approx(errors["mean_pattern"], rel=1e-5)
                assert row["rate"] == pytest.approx(error / errors["simulated"] - 1, rel=1e-4)
                assert row["skill"] == pytest.approx(1 - error / errors["mean_pattern"], rel=1e-4)

    def test_run_again_it_computes_nothing(self, finished, folder, capsys, monkeypatch):
        before = (finished[0] / "results.csv").read_bytes()

        def no_fitting(*_, **__):
            raise AssertionError("fitted again")

        monkeypatch.setattr("nem2e_tf.training.cross_validation.fit_chunks", no_fitting)
        with pytest.raises(SystemExit) as caught:
            main(list(command(folder / "cohort", finished[0])))
        assert caught.value.code == 0
        n_fits = len(open_run(finished[0]).plan.fits)
        assert f"{n_fits} of {n_fits} fits are finished" in capsys.readouterr().err
        assert (finished[0] / "results.csv").read_bytes() == before

    def test_other_settings_or_cohorts_are_refused(self, finished, folder, capsys):
        run, before = finished[0], sorted(finished[0].rglob("*"))
        said = refused(capsys, *command(folder / "cohort", run, "--output", "residual"))
        assert "output residual, found direct" in said
        said = refused(capsys, *command(folder / "cohort", run, "--dropout", ".5"))
        assert "recipe" in said
        tiny_cohort(seed=9).save(folder / "other")
        said = refused(capsys, *command(folder / "other", run))
        assert "expected the cohort of this run" in said
        assert sorted(run.rglob("*")) == before

    @pytest.mark.parametrize("content", [b"", b"half"])
    def test_a_damaged_chunk_is_named(self, finished, folder, tmp_path, capsys, content):
        shutil.copytree(finished[0], tmp_path / "run")
        damaged = open_run(tmp_path / "run").predictions_file(3)
        damaged.write_bytes(damaged.read_bytes()[:300] if content else b"")
        said = refused(capsys, *command(folder / "cohort", tmp_path / "run"))
        assert str(damaged) in said
        assert "delete this file" in said

    def test_a_damaged_marker_is_named(self, finished, folder, tmp_path, capsys):
        shutil.copytree(finished[0], tmp_path / "run")
        marker = tmp_path / "run" / "run.json"
        for text in (marker.read_text()[:1000], "{}", "[]", '{"format": 99}'):
            marker.write_text(text)
            assert str(marker) in refused(capsys, *command(folder / "cohort", tmp_path / "run"))


def descendants(parent):
    """Processes below one, from /proc, zombies left out."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, ppid = stat.read_text().rsplit(")", 1)[1].split()[:2]
        except (OSError, IndexError):
            continue
        if state != "Z":
            parents[int(stat.parent.name)] = int(ppid)
    found, waiting = [], [parent]
    while waiting:
        above = waiting.pop()
        below = [pid for pid, ppid in parents.items() if ppid == above]
        found += below
        waiting += below
    return found


def alive(pids):
    found = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if state != "Z":
            found.append(pid)
    return found


def gone(pids, *, seconds=15):
    """Whether processes end within a while."""
    deadline = time.monotonic() + seconds
    while alive(pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not alive(pids)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_interrupted_twice_it_goes_on_and_gives_the_same_numbers(finished, folder):
    """Ctrl-C, then kill -9, then to the end; two processes, where the uninterrupted run had one."""
    run = folder / "interrupted"
    arguments = [*PROGRAM, *command(folder / "cohort", run, "--jobs", "2")]

    def heed_interrupts():
        # A shell starts what it puts into the background, perhaps these tests, deaf to them.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    def begun():
        process = subprocess.Popen(
            arguments,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
            preexec_fn=heed_interrupts,
        )
        for line in process.stderr:
            if line.startswith("nem2e-tf: chunk"):
                return process
        raise AssertionError("ended before it could be interrupted")

    process = begun()
    workers = descendants(process.pid)
    assert workers
    os.killpg(process.pid, signal.SIGINT)
    said = process.stderr.read()
    assert process.wait(timeout=30) == 130
    assert "Traceback" not in said
    assert said.count("interrupted; run the same command again") == 1
    left = open_run(run).unfinished()
    assert left
    assert not (run / "results.csv").exists()
    assert gone(workers)

    process = begun()
    workers = descendants(process.pid)
    assert workers
    process.kill()
    process.wait(timeout=30)
    process.stderr.close()
    assert gone(workers)
    assert len(open_run(run).unfinished()) < len(left)
    assert open_run(run).unfinished()

    done = called(*command(folder / "cohort", run, "--jobs", "2"))
    assert done.returncode == 0
    assert "fits are finished" in done.stderr
    pd.testing.assert_frame_equal(numbers(run), numbers(finished[0]), check_exact=True)
    for name in ("references.csv", "mean_patterns.npz"):
        assert (run / name).exists()
    ours, theirs = open_run(run), open_run(finished[0])
    assert ours.plan == theirs.plan
    for chunk in range(len(ours.plan.chunks)):
        first, second = ours.read_chunk(chunk), theirs.read_chunk(chunk)
        assert [one["digest"] for one in first.values()] == [
            one["digest"] for one in second.values()
        ]


def test_blocks_of_one_subject_joint_and_residual(tmp_path):
    """Three blocks leave two to train on: too few to set one aside, so epochs are fixed."""
    tiny_cohort(subjects=1, cycles=3).save(tmp_path / "cohort")
    done = called(
        *("cv", str(tmp_path / "cohort"), "--model", "affine", "--model", "rnn", "--blocks", "3"),
        *("--targets", "joint", "--output", "residual", *SMALL, "-o", str(tmp_path / "run")),
        *("--option", "rnn.n_layers=1", "--jobs", "1"),
    )
    assert done.returncode == 0
    assert "affine: fitted with output direct" in done.stderr
    rows = numbers(tmp_path / "run")
    assert set(rows["by"]) == {"block"}
    assert set(rows["targets"]) == {"joint"}
    assert set(rows["group"]) == {"block-1", "block-2", "block-3"}
    assert len(rows) == 2 * 2 * 3
    by_model = rows.groupby("model")
    assert by_model["output"].unique().map(list).to_dict() == {
        "affine": ["direct"],
        "rnn": ["residual"],
    }
    assert by_model["epochs"].unique().map(list).to_dict() == {"affine": [0], "rnn": [40]}


def test_what_a_model_refuses_when_it_is_made_leaves_nothing_behind(folder):
    """Some options are only judged where TensorFlow is; the folder is free for another try."""
    run = folder / "refused"
    done = called(
        *("cv", str(folder / "cohort"), "--model", "seq2seq", "--option", "feeding=teaher"),
        *("-o", str(run), "--jobs", "1"),
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "did you mean teacher" in done.stderr.splitlines()[-1]
    assert not run.exists()


class TestPython:
    """The function, called with a cohort in memory, in every way Python is run."""

    CODE = (
        "from support.tiny_cohort import tiny_cohort\n"
        "from nem2e_tf.training.cross_validation import cross_validate\n"
        "run = cross_validate(\n"
        "    tiny_cohort(), ['opensim', 'affine'], out='run', patterns='one-entire', jobs=2\n"
        ")\n"
        "print(len(run.results), sorted(path.name for path in run.path.iterdir()))\n"
    )
    FILES = ("histories", "mean_patterns.npz", "predictions", "references.csv", "results.csv")

    @pytest.mark.parametrize("how", ["standard input", "a script without a guard"])
    def test_works_from(self, how, tmp_path):
        script = tmp_path / "script.py"
        script.write_text(self.CODE)
        done = subprocess.run(
            [sys.executable, "-" if how == "standard input" else str(script)],
            input=self.CODE,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"16 {[*self.FILES, 'run.json']}\n"

    def test_without_a_folder_the_run_is_temporary(self):
        run = cross_validate(tiny_cohort(), "opensim", jobs=1)
        assert len(run.results) == 8
        path = run.path
        del run
        gc.collect()
        assert not path.exists()

    def test_the_callers_random_numbers_are_not_seeded(self):
        """Initial weights are drawn from the same generators, under a seed of their own."""
        drawn = set()
        for seed in (3, 4):
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            train(tiny_cohort(), "rnn", epochs=1, units=2)
            drawn |= {random.random(), np.random.random()}  # noqa: NPY002
        assert len(drawn) == 4

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"jobs": 0}, "jobs 0: expected 1 or more"),
            ({"jobs": 2, "scheduler": "tcp://127.0.0.1:1"}, "jobs and scheduler: expected one"),
            ({"by": "side", "blocks": 2}, "by and blocks: expected one of them"),
            ({"recipe": "slow"}, "recipe slow: expected one of fast, paper"),
            ({"epoch": 3}, "epoch: expected a setting of a recipe.*did you mean epochs"),
            ({"by": "subjct"}, "by subjct: expected a column.*did you mean subject"),
        ],
        ids=str,
    )
    def test_errors_name_parameters(self, given, said, tmp_path):
        with pytest.raises(InputError, match=said):
            cross_validate(tiny_cohort(), "opensim", out=tmp_path / "run", **given)
        assert not (tmp_path / "run").exists()


class TestPlan:
    SETTINGS = Settings(models=("lstm", "affine"), seeds=2)

    def test_survives_json(self):
        options = {"lstm": {"n_layers": 2}, "tcn": {"dilations": (1, 2)}}
        settings = Settings(models=("lstm", "tcn"), options=options, recipe=recipe("paper"))
        text = json.dumps(settings.as_dict())
        assert Settings.from_dict(json.loads(text)).as_dict() == settings.as_dict()
        assert json.loads(text) == settings.as_dict(), "else a run could not be gone on with"
        plan = make_plan(tiny_cohort(), self.SETTINGS)
        assert Plan.from_dict(json.loads(json.dumps(plan.as_dict()))) == plan

    def test_every_fit_is_in_one_chunk_of_its_own_kind(self):
        plan = make_plan(tiny_cohort(subjects=7), self.SETTINGS)
        assert sorted(i for chunk in plan.chunks for i in chunk) == list(range(len(plan.fits)))
        # Seven folds, two muscles; two seeds of the network.
        assert len(plan.fits) == 7 * 2 * 2 + 7 * 2
        assert len(set(plan.fits)) == len(plan.fits)
        for chunk in plan.chunks:
            assert len({plan.fits[index].configuration for index in chunk}) == 1
            assert len(chunk) <= 16

    def test_larger_networks_go_in_smaller_chunks(self):
        def largest(units):
            settings = Settings(models=("lstm",), recipe=recipe("fast", units=units))
            return max(map(len, make_plan(tiny_cohort(subjects=12), settings).chunks))

        assert largest(700) < largest(128) <= largest(64) <= 16

    @pytest.mark.parametrize("targets", ["each", "joint"])
    def test_a_muscle_without_training_cycles_is_reported_and_has_no_result(self, targets):
        cohort = tiny_cohort()
        measured = cohort.measured.copy()
        measured[2:, :, 1] = np.nan
        cohort = changed(cohort, measured=measured)
        settings = Settings(
            models=("affine", "rnn"), targets=targets, recipe=recipe("fast", epochs=1, units=2)
        )
        plan = make_plan(cohort, settings)
        assert any(note.startswith("glmed1: no EMG outside") for note in plan.notes)
        shop = Workshop(cohort, settings, plan)
        results = [one for chunk in range(len(plan.chunks)) for one in shop.run(chunk)]
        empty = [
            one.refined[..., 1 if targets == "joint" else 0]
            for one in results
            if one.fit.group == "subject-1" and one.fit.muscle in ("joint", "glmed1")
        ]
        assert len(empty) == 2
        assert all(np.isnan(curves).all() for curves in empty)
        total = sum(int(np.isnan(one.refined).sum()) for one in results)
        assert total == sum(curves.size for curves in empty)

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"models": ("lsmt",)}, "did you mean"),
            ({"models": ("lstm",), "patterns": ("all-entire", "al-entire")}, "did you mean"),
            ({"models": ("mean-pattern",), "patterns": ("one-quarter",)}, "which quarter"),
            ({"models": ("lstm",), "patterns": ("one-quarter",), "output": "residual"}, "reveal"),
            ({"models": ("lstm",), "output": "residul"}, "residual"),
            ({"models": ("lstm",), "options": {"lstm": {"units": "many"}}}, "whole number"),
            ({"models": ("lstm",), "options": {"lstm": {"output": "residual"}}}, "for all models"),
        ],
        ids=str,
    )
    def test_refuses(self, settings, said):
        with pytest.raises(InputError, match=said):
            make_plan(tiny_cohort(), Settings(**settings))
