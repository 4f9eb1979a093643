"""Fit the chunks of a run on the workers of a Dask cluster: same plan, same numbers, more machines.

The client knows the run folder and the cohort; a worker needs neither. It reads the cohort at the
same path if it is there, and otherwise from files that are sent to it once. It fits a chunk in a
process of its own (`nem2e_tf.training.backends.processes.Worker`), because other threads of a Dask
worker draw random numbers too, and returns the files of the chunk. The client writes them, so a
lost worker costs only its chunk, and an interrupted client keeps what was finished.

Dask sends functions and results between client, scheduler and workers as pickles: whoever reaches
a scheduler can run code on all of them. Use schedulers that you trust, in networks that you trust.
The cohort and the results are sent as the bytes of their files.
"""

import hashlib
import logging
import os
import traceback
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nem2e_tf.cohorts.cohort import load_cohort
from nem2e_tf.errors import InputError
from nem2e_tf.io.files import read_json
from nem2e_tf.training.backends.processes import ChunkError, Progress, Worker
from nem2e_tf.training.rows import RowFiles
from nem2e_tf.training.run_folder import MARKER, RunFolder, open_run, versions

SAME_VERSIONS = ("nem2e-tf", "tensorflow", "keras", "numpy")
COHORT_FILES = (
    "cohort.json",
    "cycles.csv",
    "channels.csv",
    "muscles.csv",
    "simulated.npy",
    "measured.npy",
)
LARGEST_SENT = 2**31
SECONDS_TO_CONNECT = 10
SECONDS_FOR_WORKERS = 30
RETRIES = 3
ROUNDS = 5

_PROCESSES: dict[Path, tuple[Path, Worker]] = {}
"""For each folder of a Dask worker, the folder of its last run and the process that fits it."""


@dataclass(frozen=True, eq=False)
class Parcel:
    """What a Dask worker needs besides the number of a chunk.

    Attributes
    ----------
    header : bytes
        The file ``run.json``: settings, plan and the cohort's digest.
    digest : str
        Of the cohort.
    cohort_path, rows_path : str
        Where the client has the cohort and the thinned cycles of a large one; used where the worker
        finds the same there.
    versions : dict
        The client's.
    files : dict of bytes
        The files of the cohort folder by name; empty where all workers read `cohort_path`.
    """

    header: bytes
    digest: str
    cohort_path: str
    rows_path: str
    versions: dict[str, str]
    files: dict[str, bytes] = field(repr=False)


def refusal(expected: dict[str, str], *, n_threads: int, worker: str) -> str | None:
    """Return why the Dask worker that calls this would not give the client's numbers.

    Parameters
    ----------
    expected : dict
        The client's versions.
    n_threads : int
        Threads of the worker.
    worker : str
        Its address, for the message.
    """
    if n_threads != 1:
        return (
            f"worker {worker}: expected one thread, found {n_threads}; start workers with "
            "--nthreads 1 --nworkers N"
        )
    found = versions()
    for name in SAME_VERSIONS:
        if found.get(name) != expected.get(name):
            return (
                f"worker {worker}: expected {name} {expected.get(name, 'none')} as in this "
                f"process, found {found.get(name, 'none')}; install the same versions everywhere"
            )
    return None


def fit_on_worker(parcel: Parcel, chunk: int) -> dict[str, bytes] | InputError | ChunkError:
    """Fit a chunk on a Dask worker; return the files of the chunk by their path in the run.

    Errors that another attempt would repeat are returned instead of raised.
    """
    from distributed import get_worker

    worker = get_worker()
    try:
        reason = refusal(
            parcel.versions, n_threads=worker.state.nthreads, worker=str(worker.address)
        )
        if reason:
            raise InputError(reason)
        place, process = process_for(parcel, Path(worker.local_directory))
        process.fit(chunk, lambda *_: None)
    except (InputError, ChunkError) as error:
        return error
    run, files = open_run(place), {}
    for file in (run.history_file(chunk), run.predictions_file(chunk)):
        files[file.relative_to(place).as_posix()] = file.read_bytes()
        file.unlink()
    return files


def process_for(parcel: Parcel, folder: Path) -> tuple[Path, Worker]:
    """Return a run folder on this worker and the process that fits its chunks; the last is kept.

    Parameters
    ----------
    parcel : Parcel
    folder : Path
        The worker's own folder.
    """
    place = folder / f"run-{hashlib.sha256(parcel.header).hexdigest()[:16]}"
    if folder in _PROCESSES:
        before, process = _PROCESSES[folder]
        if before == place and process.alive:
            return _PROCESSES[folder]
        process.close()
    cohort = _cohort_folder(parcel, folder)
    place.mkdir(exist_ok=True)
    (place / MARKER).write_bytes(parcel.header)
    shared = RowFiles(Path(parcel.rows_path), parcel.digest)
    own = folder / f"rows-{parcel.digest[:16]}"
    rows = shared.folder if shared.is_begun() else own
    _PROCESSES[folder] = place, Worker(place, cohort, rows=rows)
    return _PROCESSES[folder]


def _cohort_folder(parcel: Parcel, folder: Path) -> Path:
    """Return the client's cohort folder if this worker reads it, or else one of the files sent."""
    path = Path(parcel.cohort_path)
    if recorded_digest(path) == parcel.digest and load_cohort(path).digest == parcel.digest:
        return path
    if not parcel.files:
        raise InputError(
            f"{path}: expected the cohort of this run on every worker, as on the first ones, found "
            "none or another; run the same command again"
        )
    sent = folder / f"cohort-{parcel.digest[:16]}"
    sent.mkdir(exist_ok=True)
    for name in COHORT_FILES:
        (sent / name).write_bytes(parcel.files[name])
    if load_cohort(sent).digest != parcel.digest:
        raise InputError("the cohort changed while it was sent; run the same command again")
    return sent


def recorded_digest(path: "str | Path") -> str | None:
    """Read the digest that a cohort folder states; None where there is no cohort."""
    try:
        return str(read_json(Path(path) / "cohort.json")["digest"])
    except (InputError, KeyError, TypeError):
        return None


def answer(
    expected: dict[str, str], path: str, digest: str, dask_worker: Any = None
) -> tuple[str | None, bool]:
    """Return why this worker cannot help, or None, and whether it reads the cohort at the path."""
    reason = refusal(
        expected, n_threads=dask_worker.state.nthreads, worker=str(dask_worker.address)
    )
    return reason, recorded_digest(path) == digest


def fit_chunks_on_cluster(
    run_path: "str | os.PathLike[str]",
    cohort_path: "str | os.PathLike[str]",
    chunks: Sequence[int],
    *,
    scheduler: str,
    progress: Progress | None = None,
) -> None:
    """Fit chunks of a run on a cluster and write each into the run folder when it is finished.

    Parameters
    ----------
    run_path, cohort_path : path-like
        The run folder and the cohort folder, on this machine.
    chunks : sequence of int
        Numbers of the chunks in the plan.
    scheduler : str
        Address of a Dask scheduler, such as ``tcp://192.0.2.1:8786``. Its workers have one thread
        each and the same versions as this process.
    progress : callable, optional
        Is called with (chunk, 0, True) when a chunk is finished.

    Raises
    ------
    InputError
        Without `distributed`; no scheduler at the address, or no workers; a worker with more than
        one thread or other versions; a chunk whose workers are killed again and again.
    """
    run = open_run(run_path)
    path = Path(cohort_path).resolve()
    with closing(connect(scheduler)) as client, _quiet_log():
        _wait_for_workers(client, scheduler)
        shared = _ask_workers(client, str(path), run.digest)
        parcel = Parcel(
            header=(run.path / MARKER).read_bytes(),
            digest=run.digest,
            cohort_path=str(path),
            rows_path=str(run.rows_folder.resolve()),
            versions=versions(),
            files={} if shared else cohort_files(path),
        )
        left = list(chunks)
        for _ in range(ROUNDS):
            left = _fit(client, run, parcel, left, progress or (lambda *_: None))
            if not left:
                return
            # Every worker that had the cohort was lost: send it to the present ones.
            _wait_for_workers(client, scheduler)
        raise InputError(
            f"scheduler {scheduler}: expected workers that stay, lost all of them {ROUNDS} times; "
            "finished chunks are kept: run the same command again"
        )


def connect(scheduler: str) -> Any:
    """Connect to a scheduler.

    Raises
    ------
    InputError
        `distributed` is not installed, or there is no scheduler at the address.
    """
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            "scheduler: expected the package distributed, found none; "
            "install it: pip install 'nem2e-tf[cluster]'"
        ) from None
    if not scheduler.strip():
        raise InputError("scheduler: expected an address such as tcp://192.0.2.1:8786, found none")
    try:
        return Client(scheduler, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"scheduler {scheduler}: expected a Dask scheduler, found none "
            f"({type(error).__name__}); start one with 'dask scheduler' and give the address "
            "that it prints"
        ) from None


def cohort_files(path: Path) -> dict[str, bytes]:
    """Read the files of a cohort folder to send them.

    Raises
    ------
    InputError
        They are too large for that.
    """
    size = sum((path / name).stat().st_size for name in COHORT_FILES)
    if size > LARGEST_SENT:
        raise InputError(
            f"{path}: expected at most {LARGEST_SENT / 2**30:.0f} GB to send to workers, found "
            f"{size / 2**30:.1f}; put the cohort where all of them read it at this path"
        )
    return {name: (path / name).read_bytes() for name in COHORT_FILES}


def _ask_workers(client: Any, path: str, digest: str) -> bool:
    """Refuse workers that cannot help; return whether all of them read the cohort."""
    found = client.run(answer, versions(), path, digest, on_error="return")
    for worker, reply in found.items():
        if isinstance(reply, ModuleNotFoundError):
            raise InputError(
                f"worker {worker}: expected the package {reply.name}, found none; "
                "install the same versions everywhere"
            )
        if isinstance(reply, BaseException):
            raise InputError(f"worker {worker}: expected an answer, found {reply!r}")
        if reply[0]:
            raise InputError(reply[0])
    return all(has_cohort for _, has_cohort in found.values())


def _wait_for_workers(client: Any, scheduler: str) -> None:
    try:
        client.wait_for_workers(1, timeout=SECONDS_FOR_WORKERS)
    except TimeoutError:
        raise InputError(
            f"scheduler {scheduler}: expected workers, found none within "
            f"{SECONDS_FOR_WORKERS} s; start some with 'dask worker {scheduler} --nthreads 1 "
            "--nworkers N'"
        ) from None
    except (OSError, RuntimeError, ValueError):
        raise InputError(
            f"scheduler {scheduler}: the connection was lost; finished chunks are kept: run the "
            "same command again"
        ) from None


def _fit(
    client: Any, run: RunFolder, parcel: Parcel, chunks: Sequence[int], progress: Progress
) -> list[int]:
    """Fit chunks and write them; return those whose workers were lost with the cohort."""
    from distributed import KilledWorker, as_completed
    from distributed.client import FutureCancelledError

    sent = client.scatter(parcel, broadcast=True, hash=False)
    name = f"nem2e-tf-{uuid.uuid4().hex[:8]}-chunk"
    futures = [
        client.submit(
            fit_on_worker, sent, chunk, key=f"{name}-{chunk}", pure=False, retries=RETRIES
        )
        for chunk in chunks
    ]
    numbers = {future.key: chunk for future, chunk in zip(futures, chunks, strict=True)}
    finished: set[int] = set()
    try:
        for future in as_completed(futures, loop=client.loop):
            chunk = numbers[future.key]
            try:
                found = future.result()
            except FutureCancelledError:
                continue
            except KilledWorker:
                raise InputError(
                    f"chunk {chunk}: one worker after another was killed while fitting it, "
                    "perhaps because memory ran out; finished chunks are kept"
                ) from None
            except Exception as error:
                trace = "".join(traceback.format_exception(error))
                found = ChunkError(chunk, f"{type(error).__name__}: {error}", trace)
            if isinstance(found, ChunkError):
                raise found.recorded_in(run)
            if isinstance(found, InputError):
                raise found
            run.write_files({run.path / name: content for name, content in found.items()})
            progress(chunk, 0, True)
            finished.add(chunk)
            future.release()
    finally:
        if len(finished) < len(chunks):
            client.cancel(futures, force=True)
    return [chunk for chunk in chunks if chunk not in finished]


@contextmanager
def _quiet_log() -> Iterator[None]:
    """Silence Dask's tracebacks about errors that are reported in one line here."""
    loggers = [logging.getLogger(f"distributed{name}") for name in ("", ".client", ".utils")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
