"""What a worker of a Dask cluster does: it gets the cohort and fits chunks of a run."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nem2e_tf.cohort import Cohort, load_cohort
from nem2e_tf.errors import InputError
from nem2e_tf.files import read_json
from nem2e_tf.thinning import Store
from nem2e_tf.training.chunk import Workshop
from nem2e_tf.training.fit_result import FitResult
from nem2e_tf.training.own_random import own_random
from nem2e_tf.training.plan import Plan, Settings
from nem2e_tf.training.row_files import RowFiles, store_for
from nem2e_tf.training.run_folder import versions

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
