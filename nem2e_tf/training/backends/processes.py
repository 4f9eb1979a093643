"""Who fits the chunks: processes on this machine, or the workers of a cluster."""

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from nem2e_tf.errors import InputError

Progress = Callable[[int, int, bool], None]
"""Told (chunk, epochs done, finished)."""

_WORKER: dict[str, Any] = {}
HEARTBEAT = 1.0
MEMORY_LOG = "NEM2E_MEMORY_LOG"


def fit_chunks(
    run_path: str,
    cohort_path: str,
    chunks: Sequence[int],
    *,
    jobs: int,
    progress: Progress,
    scheduler: str | None = None,
    weights: bool = False,
) -> None:
    """Fit chunks of a run and write each into the run folder as it is finished.

    Parameters
    ----------
    run_path, cohort_path : str
        The run folder and the cohort folder.
    chunks : sequence of int
        Which ones.
    jobs : int
        Processes; each uses one thread. The numbers do not depend on how many.
    progress : callable
    scheduler : str, optional
        Address of a Dask scheduler whose workers fit instead; see
        `nem2e_tf.training.backends.cluster`.
    weights : bool
        Keep the weights of finished chunks (`nem2e_tf.training.kept`) and leave their
        predictions as they are; on this machine only.

    Raises
    ------
    InputError
        A process was killed, for instance for lack of memory.

    Notes
    -----
    Where the environment variable NEM2E_MEMORY_LOG names a file, each process on this machine
    appends a line a chunk: chunk, process, resident memory now and at most, and how much of it is
    anonymous now, that is, no file's, in KiB.
    """
    if scheduler is not None:
        from nem2e_tf.training.backends.cluster import fit_chunks_on_cluster

        fit_chunks_on_cluster(run_path, cohort_path, chunks, scheduler=scheduler, progress=progress)
        return
    # A spawned process starts clean: TensorFlow must not be forked.
    context = multiprocessing.get_context("spawn")
    news = context.SimpleQueue()
    with ProcessPoolExecutor(
        max_workers=min(jobs, len(chunks)),
        mp_context=context,
        initializer=_start_worker,
        initargs=(run_path, cohort_path, news, os.getpid()),
    ) as pool:
        try:
            futures = {pool.submit(_fit_chunk, chunk, weights): chunk for chunk in chunks}
            waiting = set(futures)
            while waiting:
                done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                while not news.empty():
                    chunk, epochs = news.get()
                    progress(chunk, epochs, False)
                for future in done:
                    _raise_in_one_line(future, futures[future])
                    progress(futures[future], 0, True)
        except BrokenProcessPool:
            raise InputError(
                "a worker process was killed, perhaps for lack of memory; what is finished is "
                "kept: run the same command again, with fewer --jobs"
            ) from None
        except BaseException:
            # Whoever interrupts does not want to wait for the chunks under way.
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _raise_in_one_line(future: "Future[None]", chunk: int) -> None:
    """Raise a worker's error; one that is no fault of the user's is told in one line as well."""
    try:
        future.result()
    except (InputError, BrokenProcessPool):
        raise
    except Exception as error:
        raise InputError(
            f"chunk {chunk} failed: {type(error).__name__}: {error}; what is finished is kept, and "
            "the whole error is in the file errors.txt of the run folder"
        ) from error


def _start_worker(run_path: str, cohort_path: str, news: Any, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    from nem2e_tf.cohorts.cohort import load_cohort
    from nem2e_tf.training.chunk import Workshop
    from nem2e_tf.training.rows import store_for
    from nem2e_tf.training.run_folder import open_run
    from nem2e_tf.training.runtime import set_up_tensorflow

    set_up_tensorflow()
    run = open_run(run_path)
    _WORKER["run"] = run
    cohort = load_cohort(cohort_path)
    store = store_for(cohort, run.rows_folder, digest=run.digest)
    _WORKER["workshop"] = Workshop(cohort, run.settings, run.plan, store)
    _WORKER["news"] = news


def _end_with_parent(parent: int) -> None:
    """A worker must not outlive the process that gave it work, however that one died."""
    while os.getppid() == parent:
        time.sleep(HEARTBEAT)
    os._exit(1)


def _fit_chunk(chunk: int, weights: bool) -> None:
    def tell(epochs: int) -> None:
        _WORKER["news"].put((chunk, epochs))

    try:
        results = _WORKER["workshop"].run(chunk, on_epoch=tell)
    except InputError:
        raise
    except Exception:
        with (_WORKER["run"].path / "errors.txt").open("a", encoding="utf-8") as stream:
            stream.write(f"chunk {chunk}\n{traceback.format_exc()}\n")
        raise
    if weights:
        from nem2e_tf.training.run_folder import write_weights

        write_weights(_WORKER["run"], chunk, results)
    else:
        _WORKER["run"].write_chunk(chunk, results)
    _log_memory(chunk)


def _log_memory(chunk: int) -> None:
    log, status = os.environ.get(MEMORY_LOG), Path("/proc/self/status")
    if not log or not status.exists():
        return
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    found = [lines[name].split()[0] for name in ("VmRSS", "VmHWM", "RssAnon")]
    with Path(log).open("a", encoding="utf-8") as stream:
        stream.write(",".join([str(chunk), str(os.getpid()), *found]) + "\n")
