"""Cross-validation on a Dask cluster: a scheduler and workers on loopback."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from support.tiny_cohort import tiny_cohort

from nem2e_tf.cli.main import main
from nem2e_tf.cohorts.cohort import load_cohort
from nem2e_tf.errors import InputError
from nem2e_tf.training.backends import cluster
from nem2e_tf.training.cross_validation import cross_validate
from nem2e_tf.training.plan import Settings, make_plan
from nem2e_tf.training.recipe import recipe
from nem2e_tf.training.rows import RowFiles, Thinned, thin
from nem2e_tf.training.run_folder import create_run, open_run, versions

try:
    import distributed
except ImportError:
    distributed = None

needs_dask = pytest.mark.skipif(
    distributed is None, reason="distributed is not installed: pip install 'nem2e-tf[cluster]'"
)
PROGRAM = (sys.executable, "-c", "from nem2e_tf.cli.main import main; main()")
SMALL = ("--units", "4", "--epochs", "4", "--batch-size", "4")
WORK = ("--model", "linear", "--model", "rnn", "--pattern", "one-entire", "--seeds", "12", *SMALL)
SECONDS_TO_START = 60


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Cluster:
    """A scheduler and workers, each a process of this test's."""

    def __init__(self, folder):
        self.folder = folder
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self.processes = []
        port = self.address.rsplit(":", 1)[1]
        self.start("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")

    def start(self, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments],
            cwd=self.folder,
            env=os.environ | {"DASK_CONFIG": str(self.folder), "TMPDIR": str(self.folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.processes.append(process)
        return process

    def start_worker(self, *, threads=1):
        return self.start(
            *("worker", self.address, "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"),
            *("--nthreads", str(threads), "--local-directory", str(self.folder)),
        )

    def wait_for(self, n_workers):
        with distributed.Client(
            self.address, timeout=SECONDS_TO_START, set_as_default=False
        ) as client:
            client.wait_for_workers(n_workers, timeout=SECONDS_TO_START)

    def stop(self):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait(timeout=30)


@pytest.fixture
def started(tmp_path):
    cluster_ = Cluster(tmp_path)
    yield cluster_
    cluster_.stop()


def numbers(run):
    return pd.read_csv(Path(run) / "results.csv", dtype={"seed": str}).drop(columns="seconds")


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert caught.value.code == 2
    assert printed.out == ""
    return printed.err.splitlines()[-1]


OWN = '''
import keras
from nem2e_tf.zoo import framed_input, framed_model

def mine(*, n_samples, n_channels, n_targets, counterparts):
    """A dense layer."""
    return framed_model(*framed_input(n_samples, n_channels), n_targets)
'''


@needs_dask
@pytest.mark.slow
def test_workers_know_a_refiner_of_ones_own(started, tmp_path):
    """Its source is sent along: the workers do not see the file."""
    cohort = tiny_cohort().save(tmp_path / "cohort")
    file = tmp_path / "client" / "mine.py"
    file.parent.mkdir()
    file.write_text(OWN, encoding="utf-8")
    given = {"models": f"{file}:mine", "epochs": 2}
    local = cross_validate(cohort, out=tmp_path / "local", jobs=1, **given)
    started.start_worker()
    started.wait_for(1)
    spread = cross_validate(cohort, out=tmp_path / "spread", scheduler=started.address, **given)
    pd.testing.assert_frame_equal(numbers(spread.path), numbers(local.path))


@needs_dask
@pytest.mark.slow
def test_a_worker_killed_in_the_middle_costs_its_chunk_only(started, tmp_path):
    """Two workers, one killed after the second chunk: the numbers are those of a local run."""
    tiny_cohort(subjects=5).save(tmp_path / "cohort")
    local = subprocess.run(
        [*PROGRAM, "cv", "cohort", *WORK, "--jobs", "1", "-o", "local"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert local.returncode == 0, local.stderr

    workers = [started.start_worker(), started.start_worker()]
    started.wait_for(2)
    process = subprocess.Popen(
        [*PROGRAM, "cv", "cohort", *WORK, "--scheduler", started.address, "-o", "spread"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    said, finished = [], 0
    for line in process.stderr:
        said.append(line)
        finished += line.startswith("nem2e-tf: chunk")
        if finished == 2 and workers[0].poll() is None:
            left = open_run(tmp_path / "spread").unfinished()
            workers[0].send_signal(signal.SIGKILL)
            workers[0].wait(timeout=30)
    assert process.wait(timeout=120) == 0, "".join(said)
    assert len(left) > 4, "killed too late to matter"
    assert "Traceback" not in "".join(said)
    assert open_run(tmp_path / "spread").plan == open_run(tmp_path / "local").plan
    pd.testing.assert_frame_equal(
        numbers(tmp_path / "spread"), numbers(tmp_path / "local"), check_exact=True
    )
    local_run, spread_run = open_run(tmp_path / "local"), open_run(tmp_path / "spread")
    for chunk in range(len(local_run.plan.chunks)):
        ours, theirs = local_run.read_chunk(chunk), spread_run.read_chunk(chunk)
        assert {i: one["digest"] for i, one in ours.items()} == {
            i: one["digest"] for i, one in theirs.items()
        }


@needs_dask
@pytest.mark.slow
def test_refuses_workers_that_give_other_numbers_or_none(started, tmp_path, capsys, monkeypatch):
    tiny_cohort().save(tmp_path / "cohort")
    command = ("cv", tmp_path / "cohort", *WORK, "--scheduler", started.address)
    command = (*command, "-o", tmp_path / "run")
    monkeypatch.setattr(cluster, "SECONDS_FOR_WORKERS", 1)
    assert "expected workers, found none within 1 s" in refused(capsys, *command)
    assert not (tmp_path / "run").exists()

    worker = started.start_worker(threads=2)
    started.wait_for(1)
    said = refused(capsys, *command)
    assert "expected one thread, found 2" in said
    assert "--nthreads 1" in said
    worker.terminate()
    worker.wait(timeout=30)

    started.start_worker()
    started.wait_for(1)
    monkeypatch.setattr(cluster, "versions", lambda: versions() | {"keras": "9.9"})
    said = refused(capsys, *command)
    assert f"expected keras 9.9 as in this process, found {versions()['keras']}" in said
    assert not (tmp_path / "run").exists()


@needs_dask
def test_an_address_without_a_scheduler_is_one_line(tmp_path, capsys, monkeypatch):
    tiny_cohort().save(tmp_path / "cohort")
    monkeypatch.setattr(cluster, "SECONDS_TO_CONNECT", 1)
    for address in (f"tcp://127.0.0.1:{free_port()}", "nonsense", "", "ftp://127.0.0.1:1"):
        said = refused(
            capsys,
            *("cv", tmp_path / "cohort", *WORK, "--scheduler", address, "-o", tmp_path / "run"),
        )
        assert re.match("nem2e-tf: error: (--)?scheduler", said)
        assert not (tmp_path / "run").exists()


def test_without_distributed_it_states_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'nem2e-tf\[cluster\]'"):
        cluster.connect("tcp://127.0.0.1:1")


def test_jobs_and_scheduler_exclude_each_other(tmp_path, capsys):
    said = refused(
        capsys,
        *("cv", tmp_path, "--model", "rnn", "--jobs", "1", "--scheduler", "x", "-o", tmp_path),
    )
    assert "expected one of them" in said


class TestParcel:
    """What happens on a worker, in this process."""

    @pytest.fixture
    def path(self, tmp_path):
        return tiny_cohort().save(tmp_path / "cohort")

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path):
        """The worker's own folder, whose process ends with the test."""
        folder = tmp_path / "worker"
        folder.mkdir()
        yield folder
        if folder in cluster._PROCESSES:
            cluster._PROCESSES.pop(folder)[1].close()

    def parcel(self, path, **changes):
        cohort = load_cohort(path)
        settings = Settings(models=("opensim",), recipe=recipe("fast", epochs=1))
        run = path.parent / "client"
        if not run.exists():
            create_run(run, cohort, settings, make_plan(cohort, settings))
        given = {
            "header": (run / "run.json").read_bytes(),
            "digest": cohort.digest,
            "cohort_path": str(path),
            "rows_path": str(path / "no rows"),
            "versions": versions(),
            "files": {},
        }
        return cluster.Parcel(**given | changes)

    def fitted(self, parcel, folder):
        place, process = cluster.process_for(parcel, folder)
        process.fit(0, lambda *_: None)
        return open_run(place).read_chunk(0)[0]["refined"]

    def test_reads_the_same_path_and_keeps_its_process(self, path, folder):
        expected = thin(load_cohort(path).simulated)[:2, :, :1]
        np.testing.assert_allclose(self.fitted(self.parcel(path), folder), expected, atol=1e-6)
        assert not list(folder.glob("cohort-*"))
        kept = cluster.process_for(self.parcel(path), folder)
        assert cluster.process_for(self.parcel(path), folder) == kept
        kept[1].close()
        assert cluster.process_for(self.parcel(path), folder)[1].alive

    def test_rows_of_a_large_cohort_are_the_clients_or_its_own(self, path, folder, monkeypatch):
        given = []
        monkeypatch.setattr(
            cluster, "Worker", lambda *_, rows: given.append(rows) or SimpleNamespace(alive=False)
        )
        monkeypatch.setattr(cluster, "_PROCESSES", {})
        parcel = self.parcel(path)
        cluster.process_for(parcel, folder)
        assert not Path(parcel.rows_path).exists()
        rows = RowFiles(path.parent / "rows", parcel.digest)
        Thinned.of(load_cohort(path), store=rows)
        monkeypatch.setattr(cluster, "_PROCESSES", {})
        cluster.process_for(self.parcel(path, rows_path=str(rows.folder)), folder)
        assert given == [folder / f"rows-{parcel.digest[:16]}", rows.folder]

    def test_writes_what_was_sent_where_the_path_holds_another(self, path, folder, tmp_path):
        other = tiny_cohort(seed=5).save(tmp_path / "other")
        expected = thin(load_cohort(path).simulated)[:2, :, :1]
        for place in (str(tmp_path / "nowhere"), str(other)):
            parcel = self.parcel(path, cohort_path=place, files=cluster.cohort_files(path))
            np.testing.assert_allclose(self.fitted(parcel, folder), expected, atol=1e-6)
            cluster._PROCESSES.pop(folder)[1].close()

    def test_refuses_without_path_and_files(self, path, folder):
        with pytest.raises(InputError, match="on every worker"):
            cluster.process_for(self.parcel(path, cohort_path="nowhere"), folder)

    def test_a_change_on_the_way_is_seen(self, path, folder):
        files = cluster.cohort_files(path)
        files["measured.npy"] = files["measured.npy"][:-4] + b"\0\0\0\0"
        with pytest.raises(InputError, match="changed while it was sent"):
            cluster.process_for(self.parcel(path, cohort_path="", files=files), folder)

    def test_a_cohort_too_large_to_send_is_refused(self, path, monkeypatch):
        monkeypatch.setattr(cluster, "LARGEST_SENT", 1000)
        with pytest.raises(InputError, match="put the cohort where all of them read it"):
            cluster.cohort_files(path)


def test_memory_log(tmp_path, monkeypatch):
    """One line per chunk: number, process, resident memory now and at most, anonymous now."""
    cohort = tiny_cohort().save(tmp_path / "cohort")
    monkeypatch.setenv("NEM2E_MEMORY_LOG", str(tmp_path / "log"))
    cross_validate(cohort, ["opensim", "affine"], out=tmp_path / "run", jobs=1)
    lines = [line.split(",") for line in (tmp_path / "log").read_text().splitlines()]
    assert sorted(int(line[0]) for line in lines) == [0, 1]
    for _, process, now, most, anonymous in lines:
        assert int(process) != os.getpid()
        assert 10_000 < int(anonymous) < int(now) <= int(most)
