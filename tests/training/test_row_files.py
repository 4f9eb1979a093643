"""Cohorts larger than memory: thinned cycles and rows in files, and the same numbers from them."""

import json
import shutil
import tracemalloc
from collections import namedtuple

import numpy as np
import pandas as pd
import pytest
from support.tiny_cohort import changed, tiny_cohort

from nem2e_tf.cohorts.cohort import POINTS, load_cohort
from nem2e_tf.cohorts.synthetic.cohorts import write_repeated
from nem2e_tf.errors import InputError
from nem2e_tf.names import PATTERNS
from nem2e_tf.training import rows as row_files
from nem2e_tf.training.chunk import Workshop
from nem2e_tf.training.cross_validation import fit_run
from nem2e_tf.training.plan import Settings
from nem2e_tf.training.recipe import recipe
from nem2e_tf.training.rows import RowFiles, Thinned, store_for, thin
from nem2e_tf.training.run_folder import open_run
from nem2e_tf.training.train import train

MB = 2**20
RECIPE = recipe("fast", epochs=2, units=3, batch_size=4)
NETWORKS = Settings(
    models=("linear", "rnn"), patterns=("one-quarter", "all-entire"), recipe=RECIPE, seeds=2
)
SOLVED = Settings(models=("mean-pattern", "linear"), patterns=PATTERNS)


@pytest.fixture
def forced(monkeypatch):
    """Every cohort counts as large, and is read two cycles at a time."""
    monkeypatch.setattr(row_files, "LARGEST_IN_MEMORY", 0)
    monkeypatch.setattr("nem2e_tf.training.rows.BLOCK", 2 * POINTS * 4 * 8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A cohort with a bad electrode in one cycle."""
    cohort = tiny_cohort()
    measured = cohort.measured.copy()
    measured[0, 30:40, 1] = np.nan
    return changed(cohort, measured=measured).save(tmp_path_factory.mktemp("rows") / "cohort")


def fit_here(run_path, cohort_path, chunks, **_):
    """Do what a worker process does, in this process, where the threshold is forced down."""
    run, cohort = open_run(run_path), load_cohort(cohort_path)
    store = store_for(cohort, run.rows_folder, digest=run.digest)
    workshop = Workshop(cohort, run.settings, run.plan, store)
    for chunk in chunks:
        run.write_chunk(chunk, workshop.run(chunk))


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr("nem2e_tf.training.cross_validation.fit_chunks", fit_here)


def assert_same_run(one, other):
    """Same rows of results, references and mean patterns, and same curves, but for rounding.

    Files are read some cycles at a time: shapes differ, so bits may.
    """
    first, second = (
        pd.read_csv(run / "results.csv", dtype={"seed": str}).drop(columns="seconds")
        for run in (one, other)
    )
    pd.testing.assert_frame_equal(first, second, rtol=1e-5, atol=1e-5)
    references = (pd.read_csv(run / "references.csv") for run in (one, other))
    pd.testing.assert_frame_equal(*references, rtol=1e-6)
    patterns = [np.load(run / "mean_patterns.npz")["patterns"] for run in (one, other)]
    np.testing.assert_allclose(*patterns, rtol=1e-6)
    ours, theirs = open_run(one), open_run(other)
    for index in range(len(ours.plan.fits)):
        left, right = ours.read_fit(index), theirs.read_fit(index)
        assert left["epochs"] == right["epochs"]
        np.testing.assert_allclose(left["refined"], right["refined"], atol=1e-5)


class TestRun:
    def test_gives_the_numbers_of_one_in_memory(self, folder, here, tmp_path, request):
        in_memory, seen = tmp_path / "in-memory", []
        fit_run(folder, NETWORKS, in_memory)
        request.getfixturevalue("forced")
        before = Workshop.run

        def run(self, *arguments, **options):
            problem = self._problem(self.plan.configurations[-1])
            seen.append(isinstance(problem.inputs, np.memmap))
            return before(self, *arguments, **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Workshop, "run", run)
            fit_run(folder, NETWORKS, tmp_path / "run")
        assert seen
        assert all(seen)
        assert_same_run(tmp_path / "run", in_memory)
        assert sorted(p.name for p in (tmp_path / "run").iterdir()) == sorted(
            p.name for p in in_memory.iterdir()
        )

    def test_goes_on_with_the_files_that_are_there(
        self, folder, here, tmp_path, monkeypatch, request
    ):
        fit_run(folder, SOLVED, tmp_path / "in-memory")
        request.getfixturevalue("forced")
        run, seen = tmp_path / "run", []

        def interrupted(run_path, cohort_path, chunks, **_):
            seen.append({p.name: p.stat().st_ino for p in (run / "rows").iterdir()})
            fit_here(run_path, cohort_path, chunks[:2])
            raise KeyboardInterrupt

        monkeypatch.setattr("nem2e_tf.training.cross_validation.fit_chunks", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fit_run(folder, SOLVED, run)
        assert {"simulated.npy", "measured.npy", "targets-each.npy"} < set(seen[0])
        (run / "rows" / ".left-by-a-killed-writer.npy").write_bytes(b"half")
        (run / "rows" / "measured.npy").write_bytes(b"damaged")
        with pytest.raises(KeyboardInterrupt):
            fit_run(folder, SOLVED, run)
        anew = {name for name, inode in seen[1].items() if seen[0].get(name) != inode}
        assert anew == {"measured.npy", "measured.json"}
        monkeypatch.setattr("nem2e_tf.training.cross_validation.fit_chunks", fit_here)
        fit_run(folder, SOLVED, run)
        assert_same_run(run, tmp_path / "in-memory")
        assert not (run / "rows").exists()

    def test_small_cohorts_need_no_files(self, folder, here, tmp_path, monkeypatch):
        def no_file(*_):
            raise AssertionError("written")

        monkeypatch.setattr(row_files, "_write", no_file)
        fit_run(folder, Settings(models=("opensim",)), tmp_path / "run")


def test_a_refiner_is_the_same_and_leaves_no_files(folder, tmp_path, monkeypatch):
    refiners = [train(folder, "rnn", out=tmp_path / "out" / "in-memory", recipe=RECIPE)]
    monkeypatch.setattr(row_files, "LARGEST_IN_MEMORY", 0)
    refiners.append(train(folder, "rnn", out=tmp_path / "out" / "files", recipe=RECIPE))
    metrics = [refiner.info.metrics["muscles"] for refiner in refiners]
    pd.testing.assert_frame_equal(*map(pd.DataFrame, metrics), rtol=1e-4, atol=1e-5)
    for name, model in refiners[0].models.items():
        for ours, theirs in zip(
            model.get_weights(), refiners[1].models[name].get_weights(), strict=True
        ):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"in-memory", "files"}


def test_rows_of_a_refiner_go_when_it_fails(folder, tmp_path, forced, monkeypatch):
    def fails(*_, **__):
        assert len(list(tmp_path.iterdir())) == 1
        raise RuntimeError

    monkeypatch.setattr("nem2e_tf.training.train._fitted", fails)
    with pytest.raises(RuntimeError):
        train(folder, "rnn", out=tmp_path / "a" / "b", recipe=RECIPE)
    assert list(tmp_path.iterdir()) == []


class TestRowFiles:
    VALUES = np.arange(24, dtype=np.float32).reshape(6, 4)

    def made(self, folder, *, digest="one", shape=(6, 4), values=None):
        """The array, and whether it had to be made."""
        calls = []

        def parts():
            calls.append(1)
            yield from np.split(self.VALUES.reshape(shape) if values is None else values, 2)

        found = RowFiles(folder, digest)("name", shape, parts)
        assert isinstance(found, np.memmap)
        return np.array(found), bool(calls)

    def test_are_made_once(self, tmp_path):
        for expected in (True, False, False):
            found, made = self.made(tmp_path / "rows")
            np.testing.assert_array_equal(found, self.VALUES)
            assert made is expected
        np.testing.assert_array_equal(np.load(tmp_path / "rows" / "name.npy"), self.VALUES)
        assert {path.name for path in (tmp_path / "rows").iterdir()} == {"name.npy", "name.json"}

    def test_of_another_cohort_or_shape_are_made_again(self, tmp_path):
        self.made(tmp_path)
        found, made = self.made(tmp_path, digest="other", values=self.VALUES + 1)
        assert made
        np.testing.assert_array_equal(found, self.VALUES + 1)
        assert self.made(tmp_path, digest="other", shape=(4, 6))[1]
        assert not self.made(tmp_path, digest="other", shape=(4, 6))[1]

    @pytest.mark.parametrize("name", ["name.npy", "name.json"])
    @pytest.mark.parametrize("how", ["cut", "empty", "missing", "changed", "other"])
    def test_damaged_are_made_again(self, tmp_path, name, how):
        self.made(tmp_path)
        file = tmp_path / name
        content = bytearray(file.read_bytes())
        if how == "missing":
            file.unlink()
        elif how == "other":
            file.write_bytes(b"[]")
        else:
            content[-5] ^= 1
            file.write_bytes({"cut": content[:-4], "empty": b"", "changed": content}[how])
        found, made = self.made(tmp_path)
        assert made
        np.testing.assert_array_equal(found, self.VALUES)
        assert not self.made(tmp_path)[1]

    def test_killed_while_writing_nothing_counts(self, tmp_path):
        def parts():
            yield self.VALUES[:3]
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            RowFiles(tmp_path, "one")("name", (6, 4), parts)
        assert list(tmp_path.iterdir()) == []

    def test_a_disk_that_is_too_small_is_reported(self, tmp_path, monkeypatch):
        usage = namedtuple("usage", "total used free")(100, 5, 95)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
        with pytest.raises(InputError, match=r"name.npy: expected 0.0 GB of free disk"):
            self.made(tmp_path)


def test_thinning_takes_blocks_of_memory(tmp_path, monkeypatch):
    """A cohort of 300 MB; thinned it is 60 MB, and as float64 it would be 600 MB."""
    small = tiny_cohort(subjects=5, conditions=("slow", "fast"), cycles=62)
    path = write_repeated(tmp_path / "cohort", small, times=200)
    cohort = load_cohort(path)
    size = cohort.simulated.nbytes + cohort.measured.nbytes
    assert size > 280 * MB
    monkeypatch.setattr("nem2e_tf.training.rows.BLOCK", 4 * MB)
    tracemalloc.start()
    try:
        thinned = Thinned.of(cohort, store=RowFiles(tmp_path / "rows", "one"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * MB
    note = json.loads((tmp_path / "rows" / "simulated.json").read_text())
    assert note["shape"] == [len(cohort.cycles), 20, 4]
    np.testing.assert_allclose(thinned.simulated[-620:], thin(small.simulated), rtol=1e-6)
