"""Chunks fitted by the workers of a Dask cluster: same plan, same numbers, more machines.

The client knows the run folder and the cohort; a worker needs neither. It reads the cohort from the
same path if it is there, and otherwise from files that are sent to it once. It gives back what a
chunk came to, and the client writes it, so that a lost worker costs only its chunk and an
interrupted client keeps what was finished.

Dask carries functions and results between client, scheduler and workers as pickles: whoever reaches
a scheduler can run code on all of them. Use schedulers that you trust, in networks that you trust.
The cohort itself is data wherever it goes: tables and arrays, never pickles.

What a worker of a Dask cluster does: it gets the cohort and fits chunks of a run.
"""

import logging
import traceback
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nem2e_tf.cohorts.cohort import Cohort, load_cohort
from nem2e_tf.errors import InputError
from nem2e_tf.io.files import read_json
from nem2e_tf.training.chunk import Workshop
from nem2e_tf.training.own_random import own_random
from nem2e_tf.training.plan import Plan, Settings
from nem2e_tf.training.rows import RowFiles, Store, store_for
from nem2e_tf.training.run_folder import FitResult, RunFolder, open_run, versions

if TYPE_CHECKING:
    from nem2e_tf.training.backends.processes import Progress


SAME_VERSIONS = ("nem2e-tf", "tensorflow", "keras", "numpy")
COHORT_FILES = (
    "cohort.json",
    "cycles.csv",
    "channels.csv",
    "muscles.csv",
    "simulated.npy",
    "measured.npy",
)

_LAST_WORKSHOP: dict[tuple[Any, ...], Workshop] = {}


@dataclass(frozen=True, eq=False)
class Parcel:
    """What a worker needs besides the number of a chunk.

    Attributes
    ----------
    cohort_path : str
        Where the client has the cohort; used where it is the same on the worker.
    digest : str
        Of the cohort.
    settings : Settings
    plan : Plan
    rows_path : str
        Where the client has thinned cycles and rows of a large cohort; used like `cohort_path`.
    versions : dict
        The client's.
    files : dict of bytes
        The cohort folder's files by name; empty where all workers read `cohort_path`.
    """

    cohort_path: str
    digest: str
    settings: Settings
    plan: Plan
    rows_path: str
    versions: dict[str, str]
    files: dict[str, bytes] = field(repr=False)


def refusal(expected: dict[str, str], *, n_threads: int, worker: str) -> str | None:
    """Say why a worker, on which this is called, would not give the client's numbers.

    Parameters
    ----------
    expected : dict
        The client's versions.
    n_threads : int
        The worker's.
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


def fit_on_worker(parcel: Parcel, chunk: int) -> list[FitResult] | InputError:
    """Fit a chunk; called on a worker.

    An InputError is given back, not raised: to try again would not help.
    """
    from distributed import get_worker

    worker = get_worker()
    try:
        reason = refusal(
            parcel.versions, n_threads=worker.state.nthreads, worker=str(worker.address)
        )
        if reason:
            raise InputError(reason)
        workshop = workshop_for(parcel, Path(worker.local_directory))
        with own_random():
            results = workshop.run(chunk)
    except InputError as error:
        return error
    # Nobody asked for the weights, and those of large networks are heavy.
    return [replace(result, weights=[]) for result in results]


def workshop_for(parcel: Parcel, folder: Path) -> Workshop:
    """Return the workshop of a run; a process keeps the last one.

    Parameters
    ----------
    parcel : Parcel
    folder : Path
        Where files that were sent are put down, and those that the client's are not there for.
    """
    from nem2e_tf.training.runtime import set_up_tensorflow

    set_up_tensorflow()
    key = (parcel.digest, repr(parcel.settings), repr(parcel.plan))
    if key not in _LAST_WORKSHOP:
        _LAST_WORKSHOP.clear()
        cohort = _cohort_of(parcel, folder)
        _LAST_WORKSHOP[key] = Workshop(
            cohort, parcel.settings, parcel.plan, _store_of(parcel, cohort, folder)
        )
    return _LAST_WORKSHOP[key]


def _cohort_of(parcel: Parcel, folder: Path) -> Cohort:
    if _recorded_digest(parcel.cohort_path) == parcel.digest:
        cohort = load_cohort(parcel.cohort_path)
        if cohort.digest == parcel.digest:
            return cohort
    if not parcel.files:
        raise InputError(
            f"{parcel.cohort_path}: expected the cohort of this run on every worker, as on the "
            "first ones, found none or another; run the same command again"
        )
    sent = folder / f"cohort-{parcel.digest[:16]}"
    sent.mkdir(exist_ok=True)
    for name in COHORT_FILES:
        (sent / name).write_bytes(parcel.files[name])
    cohort = load_cohort(sent)
    if cohort.digest != parcel.digest:
        raise InputError("the cohort was changed while it was sent; run the same command again")
    return cohort


def _store_of(parcel: Parcel, cohort: Cohort, folder: Path) -> Store:
    shared = RowFiles(Path(parcel.rows_path), parcel.digest)
    own = folder / f"rows-{parcel.digest[:16]}"
    place = shared.folder if shared.is_begun() else own
    return store_for(cohort, place, digest=parcel.digest)


def _recorded_digest(path: str) -> str | None:
    try:
        return str(read_json(Path(path) / "cohort.json")["digest"])
    except (InputError, KeyError, TypeError):
        return None


def answer(
    expected: dict[str, str], path: str, digest: str, dask_worker: Any = None
) -> tuple[str | None, bool]:
    """Say why this worker cannot help, None if it can, and whether it has the cohort already."""
    reason = refusal(
        expected, n_threads=dask_worker.state.nthreads, worker=str(dask_worker.address)
    )
    return reason, _recorded_digest(path) == digest


LARGEST_SENT = 2**31
SECONDS_TO_CONNECT = 10
SECONDS_FOR_WORKERS = 30
RETRIES = 3
ROUNDS = 5


def fit_chunks_on_cluster(
    run_path: str,
    cohort_path: str,
    chunks: Sequence[int],
    *,
    scheduler: str,
    progress: "Progress",
) -> None:
    """Fit chunks of a run on a cluster and write each into the run folder as it is finished.

    Parameters
    ----------
    run_path, cohort_path : str
        The run folder and the cohort folder, on this machine.
    chunks : sequence of int
        Which ones.
    scheduler : str
        Address of a Dask scheduler, such as ``tcp://192.0.2.1:8786``. Its workers have one thread
        each and the same versions as this process.
    progress : callable
        Told of every chunk that is finished.

    Raises
    ------
    InputError
        Without `distributed`; no scheduler at the address, or no workers; a worker of more than one
        thread or of other versions; a chunk that kills one worker after the other.
    """
    run = open_run(run_path)
    path = Path(cohort_path).resolve()
    with closing(connect(scheduler)) as client, _quiet_log():
        _wait_for_workers(client, scheduler)
        shared = _ask_workers(client, str(path), run.digest)
        parcel = Parcel(
            cohort_path=str(path),
            digest=run.digest,
            settings=run.settings,
            plan=run.plan,
            rows_path=str(run.rows_folder.resolve()),
            versions=versions(),
            files={} if shared else cohort_files(path),
        )
        left = list(chunks)
        for _ in range(ROUNDS):
            left = _fit(client, run, parcel, left, progress)
            if not left:
                return
            # Every worker that held the cohort was lost: send it to those there are now.
            _wait_for_workers(client, scheduler)
        raise InputError(
            f"--scheduler {scheduler}: expected workers that stay, lost all of them {ROUNDS} times;"
            " what is finished is kept: run the same command again"
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
            "--scheduler: expected the package distributed, found none; "
            "install it: pip install 'nem2e-tf[cluster]'"
        ) from None
    if not scheduler.strip():
        raise InputError("--scheduler: expected an address such as tcp://192.0.2.1:8786")
    try:
        return Client(scheduler, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"--scheduler {scheduler}: expected a Dask scheduler, found none "
            f"({type(error).__name__}); start one with 'dask scheduler' and give the address "
            "that it prints"
        ) from None


def cohort_files(path: Path) -> dict[str, bytes]:
    """Read the files of a cohort folder, to be sent.

    Raises
    ------
    InputError
        They are too large for that.
    """
    size = sum((path / name).stat().st_size for name in COHORT_FILES)
    if size > LARGEST_SENT:
        raise InputError(
            f"{path}: {size / 2**30:.1f} GB are too much to send to workers (at most "
            f"{LARGEST_SENT / 2**30:.0f}); put the cohort where all of them read it at this path"
        )
    return {name: (path / name).read_bytes() for name in COHORT_FILES}


def _ask_workers(client: Any, path: str, digest: str) -> bool:
    """Refuse workers that cannot help; return whether all of them have the cohort."""
    found = client.run(answer, versions(), path, digest, on_error="return")
    for worker, said in found.items():
        if isinstance(said, ModuleNotFoundError):
            raise InputError(
                f"worker {worker}: expected the package {said.name}, found none; "
                "install the same versions everywhere"
            )
        if isinstance(said, BaseException):
            raise InputError(f"worker {worker}: expected an answer, found {said!r}")
        if said[0]:
            raise InputError(said[0])
    return all(has_cohort for _, has_cohort in found.values())


def _wait_for_workers(client: Any, scheduler: str) -> None:
    try:
        client.wait_for_workers(1, timeout=SECONDS_FOR_WORKERS)
    except TimeoutError:
        raise InputError(
            f"--scheduler {scheduler}: expected workers, found none within "
            f"{SECONDS_FOR_WORKERS} s; start some with 'dask worker {scheduler} --nthreads 1 "
            "--nworkers N'"
        ) from None
    except (OSError, RuntimeError, ValueError):
        raise _scheduler_lost(scheduler) from None


def _scheduler_lost(scheduler: str) -> InputError:
    return InputError(
        f"--scheduler {scheduler}: the connection was lost; what is finished is kept: run the "
        "same command again"
    )


def _fit(
    client: Any, run: RunFolder, parcel: Parcel, chunks: Sequence[int], progress: "Progress"
) -> list[int]:
    """Fit chunks and write them; return those that were lost with the cohort."""
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
                    f"chunk {chunk}: one worker after the other was killed while fitting it, "
                    "perhaps for lack of memory; what is finished is kept"
                ) from None
            except Exception as error:
                raise _failed(run, chunk, error) from error
            if isinstance(found, InputError):
                raise found
            run.write_chunk(chunk, found)
            progress(chunk, 0, True)
            finished.add(chunk)
            future.release()
    finally:
        if len(finished) < len(chunks):
            client.cancel(futures, force=True)
    return [chunk for chunk in chunks if chunk not in finished]


@contextmanager
def _quiet_log() -> Iterator[None]:
    """Keep Dask from telling in its way, with tracebacks, what we tell in one line."""
    loggers = [logging.getLogger(f"distributed{name}") for name in ("", ".client", ".utils")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _failed(run: RunFolder, chunk: int, error: Exception) -> InputError:
    """Keep the whole of an error that is no fault of the user's; return one line about it."""
    with (run.path / "errors.txt").open("a", encoding="utf-8") as stream:
        stream.write(f"chunk {chunk}\n{''.join(traceback.format_exception(error))}\n")
    return InputError(
        f"chunk {chunk} failed: {type(error).__name__}: {error}; what is finished is kept, and "
        "the whole error is in the file errors.txt of the run folder"
    )
