"""Fit the chunks of a run in processes of this machine.

Each worker is a Python process of its own, started with this file as its program: it reads the
numbers of chunks from standard input and reports on standard output, one JSON object per line. It
shares nothing with the process that started it, so it works the same from a script, a notebook and
a program read from standard input, on every system, and its random numbers are its own. It ends
when its standard input is closed, which happens however the process that started it ends.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from nem2e_tf import zoo
from nem2e_tf.cohorts.cohort import load_cohort
from nem2e_tf.errors import InputError
from nem2e_tf.training.chunk import Workshop, set_up_tensorflow
from nem2e_tf.training.rows import store_for
from nem2e_tf.training.run_folder import RunFolder, open_run

Progress = Callable[[int, int, bool], None]
"""Is called with (chunk, epochs, finished)."""

MEMORY_LOG = "NEM2E_MEMORY_LOG"
"""Environment variable: a file to which each worker appends one line per chunk, on Linux.

Chunk, process, resident memory now, its maximum, and the part of it that belongs to no file, in
KiB.
"""

SECONDS_BETWEEN_INTERRUPTS = 0.5


def fit_chunks(
    run_path: "str | os.PathLike[str]",
    cohort_path: "str | os.PathLike[str]",
    chunks: Sequence[int],
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    weights: bool = False,
) -> None:
    """Fit chunks of a run and write each into the run folder when it is finished.

    Parameters
    ----------
    run_path, cohort_path : path-like
        The run folder and the cohort folder.
    chunks : sequence of int
        Numbers of the chunks in the plan.
    jobs : int, optional
        Processes, one thread each; by default one per core. Results do not depend on it.
    progress : callable, optional
        Is called with (chunk, epochs, finished).
    weights : bool
        Write the weights of the fits and leave the predictions of the run unchanged.

    Raises
    ------
    InputError
        A model refuses its options, or a worker was killed, for instance because memory ran out.
    """
    import joblib

    report = progress or (lambda *_: None)
    waiting = iter(chunks)  # each thread takes its next chunk from it
    news: queue.SimpleQueue[tuple[int, int, bool] | Exception] = queue.SimpleQueue()
    workers = [
        Worker(run_path, cohort_path, weights=weights)
        for _ in range(min(jobs or joblib.cpu_count(), len(chunks)))
    ]

    def work(worker: Worker) -> None:
        try:
            for chunk in waiting:
                worker.fit(chunk, lambda *item: news.put(item))
        except Exception as error:
            news.put(error)

    try:
        for worker in workers:
            threading.Thread(target=work, args=(worker,), daemon=True).start()
        left = len(chunks)
        while left:
            try:
                # On Windows a wait without a limit cannot be interrupted.
                item = news.get(timeout=SECONDS_BETWEEN_INTERRUPTS)
            except queue.Empty:
                continue
            if isinstance(item, ChunkError):
                raise item.recorded_in(open_run(run_path))
            if isinstance(item, ChildProcessError):
                raise InputError(str(item))
            if isinstance(item, Exception):
                raise item
            report(*item)
            left -= item[2]
    finally:
        for worker in workers:
            worker.close()


def check_jobs(jobs: int | None) -> None:
    """Refuse a number of processes below 1."""
    if jobs is not None and jobs < 1:
        raise InputError(f"jobs {jobs}: expected 1 or more")


class ChunkError(Exception):
    """An error that is not the user's; its arguments are the chunk, the error and the traceback."""

    def recorded_in(self, run: RunFolder) -> InputError:
        """Append the traceback to ``errors.txt`` of a run folder; return one line about it."""
        chunk, error, trace = self.args
        with run.errors_file.open("a", encoding="utf-8") as stream:
            stream.write(f"chunk {chunk}\n{trace}\n")
        return InputError(
            f"chunk {chunk} failed: {error}; finished chunks are kept, and the traceback is in "
            f"{run.errors_file}"
        )


class Worker:
    """A Python process that fits chunks of a run, one after the other.

    Parameters
    ----------
    run, cohort : path-like
        The run folder and the cohort folder.
    rows : path-like, optional
        Where the thinned cycles of a large cohort are kept; by default in the run folder.
    weights : bool
        Write weights instead of predictions.
    """

    def __init__(
        self,
        run: "str | os.PathLike[str]",
        cohort: "str | os.PathLike[str]",
        *,
        rows: "str | os.PathLike[str] | None" = None,
        weights: bool = False,
    ) -> None:
        paths = {"run": os.fspath(run), "cohort": os.fspath(cohort), "rows": rows and str(rows)}
        # -P: no module of the current folder replaces one that this process would import.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, json.dumps({**paths, "weights": weights})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            # Ctrl-C in a terminal reaches only the process that decides what is interrupted.
            start_new_session=True,
        )

    def fit(self, chunk: int, progress: Progress) -> None:
        """Fit a chunk and wait until it is written.

        Raises
        ------
        InputError
            A model refuses its options.
        ChunkError
            Any other error.
        ChildProcessError
            The process was killed.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(f"{chunk}\n")
            self.process.stdin.flush()
            for line in self.process.stdout:
                found = json.loads(line)
                if "refused" in found:
                    raise InputError(found["refused"])
                if "failed" in found:
                    raise ChunkError(chunk, found["failed"], found["trace"])
                finished = "epochs" not in found
                progress(chunk, found.get("epochs", 0), finished)
                if finished:
                    return
        except OSError:
            pass
        raise ChildProcessError(
            f"chunk {chunk}: the worker process ended with code {self.process.wait()} before the "
            "chunk was finished, perhaps because memory ran out; finished chunks are kept: run the "
            "same command again, with fewer jobs"
        )

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def main(arguments: str) -> NoReturn:
    """Be a worker: fit the chunks whose numbers come on standard input."""
    # Only reports go to standard output; what models print goes to standard error.
    reports = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    chunks: queue.SimpleQueue[int] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            chunks.put(int(line))
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()

    def report(**what: Any) -> None:
        reports.write(json.dumps(what) + "\n")
        reports.flush()

    given = json.loads(arguments)
    workshop = None
    while True:
        chunk = chunks.get()
        try:
            if workshop is None:
                set_up_tensorflow()
                run, cohort = open_run(given["run"]), load_cohort(given["cohort"])
                rows = Path(given["rows"] or run.rows_folder)
                store = store_for(cohort, rows, digest=run.digest)
                for source in run.settings.sources:
                    zoo.add_source(source)
                workshop = Workshop(cohort, run.settings, run.plan, store)
            results = workshop.run(chunk, on_epoch=lambda epochs: report(epochs=epochs))
            if given["weights"]:
                run.write_weights(chunk, results)
            else:
                run.write_chunk(chunk, results)
            _log_memory(chunk)
            report(finished=chunk)
        except InputError as error:
            report(refused=str(error))
        except Exception as error:
            report(failed=f"{type(error).__name__}: {error}", trace=traceback.format_exc())


def _log_memory(chunk: int) -> None:
    log, status = os.environ.get(MEMORY_LOG), Path("/proc/self/status")
    if not log or not status.exists():
        return
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    found = [lines[name].split()[0] for name in ("VmRSS", "VmHWM", "RssAnon")]
    with Path(log).open("a", encoding="utf-8") as stream:
        stream.write(",".join([str(chunk), str(os.getpid()), *found]) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
