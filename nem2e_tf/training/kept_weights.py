"""The weights of a run's fits, fitted again where something wants to look into them.

A run keeps what its fits came to, not the fits: their weights would take more room than all else.
A control that needs them has the chunks fitted again, with the same rows, seeds and chunks, and so
to the same weights; they are kept in the run folder as ``weights/<chunk>.npz``, which other
controls find and which may be deleted at any time.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.cohort import Cohort
from nem2e_tf.errors import InputError
from nem2e_tf.files import replacing
from nem2e_tf.training.cross_validation import prepare_rows
from nem2e_tf.training.executors import Progress, fit_chunks
from nem2e_tf.training.fit_result import FitResult
from nem2e_tf.training.row_files import RowFiles, store_for
from nem2e_tf.training.run_folder import RunFolder

SAME = 1e-4
"""EMG units: predictions that differ by less are the same but for rounding."""


def weights_file(run: RunFolder, chunk: int) -> Path:
    """Where the weights of a chunk's fits are."""
    return run.path / "weights" / f"{chunk:05d}.npz"


def chunks_of(run: RunFolder, fits: Iterable[int]) -> list[int]:
    """Chunks that hold any of the fits."""
    wanted = set(fits)
    return [number for number, chunk in enumerate(run.plan.chunks) if wanted & set(chunk)]


def keep_weights(
    run: RunFolder,
    cohort: Cohort,
    cohort_path: Path,
    fits: Sequence[int],
    *,
    jobs: int = 1,
    progress: Progress | None = None,
    on_plan: "Any | None" = None,
) -> list[str]:
    """Fit again what has no weights kept; interrupted, it goes on where it was.

    Parameters
    ----------
    run : RunFolder
        A finished run.
    cohort, cohort_path
        The run's.
    fits : sequence of int
        Whose weights are wanted.
    jobs : int
        Processes.
    progress : callable, optional
        Told (chunk, epochs done, finished).
    on_plan : callable, optional
        Told the run and the chunks that are to be fitted.

    Returns
    -------
    list of str
        Notes: where fits came out otherwise than the run's, as they do on another kind of CPU.
    """
    chunks = chunks_of(run, fits)
    missing = [chunk for chunk in chunks if not weights_file(run, chunk).exists()]
    if on_plan is not None and missing:
        on_plan(run, missing)
    if missing:
        prepare_rows(run, cohort)
        fit_chunks(
            str(run.path),
            str(cohort_path),
            missing,
            jobs=jobs,
            progress=progress or (lambda *_: None),
            weights=True,
        )
        store = store_for(cohort, run.rows_folder, digest=run.digest)
        if isinstance(store, RowFiles):
            store.remove()
    largest = np.concatenate([_read(run, chunk)["difference"] for chunk in chunks] or [np.zeros(0)])
    other = int((largest > SAME).sum())
    if not other:
        return []
    return [
        f"{other} of {len(largest)} fits came out otherwise than the run's when fitted again, by "
        f"up to {float(largest.max()):.2g} of EMG: another kind of processor or other versions"
    ]


def write_weights(run: RunFolder, chunk: int, results: Sequence[FitResult]) -> None:
    """Write the weights of a chunk's fits, and how far their predictions are from the run's."""
    before = run.read_chunk(chunk)
    indices = run.plan.chunks[chunk]
    arrays = {
        f"{index}_{number:03d}": value
        for index, result in zip(indices, results, strict=True)
        for number, value in enumerate(result.weights)
    }
    arrays["difference"] = np.array(
        [
            float(
                np.max(np.abs(np.nan_to_num(result.refined - before[index]["refined"])), initial=0)
            )
            for index, result in zip(indices, results, strict=True)
        ]
    )
    file = weights_file(run, chunk)
    file.parent.mkdir(exist_ok=True)
    with replacing(file) as temporary:
        np.savez(temporary, allow_pickle=False, **arrays)


def read_weights(run: RunFolder, fits: Sequence[int]) -> Iterator[tuple[int, list[NDArray[Any]]]]:
    """Yield fits with their weights, in the order of ``model.weights``, chunk after chunk.

    Raises
    ------
    InputError
        A file is damaged; deleting it lets the same command fit the chunk again.
    """
    wanted = set(fits)
    for chunk in chunks_of(run, fits):
        arrays = _read(run, chunk)
        for index in run.plan.chunks[chunk]:
            if index in wanted:
                names = sorted(name for name in arrays if name.startswith(f"{index}_"))
                yield index, [arrays[name] for name in names]


def _read(run: RunFolder, chunk: int) -> dict[str, NDArray[Any]]:
    file = weights_file(run, chunk)
    try:
        with np.load(file, allow_pickle=False) as found:
            return dict(found)
    except Exception as error:
        raise InputError(
            f"{file}: expected the weights of a chunk, found {type(error).__name__}; delete this "
            "file and run the same command again"
        ) from None
