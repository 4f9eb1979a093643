"""A run on disk: its settings and plan, finished fits, and results.

``run.json`` (settings, plan, versions, digest of the cohort), ``predictions/<chunk>.npz`` (refined
cycles, one file per finished chunk), ``histories/<chunk>.csv`` (losses), and, once all chunks are
finished, ``results.csv``, ``references.csv`` and ``mean_patterns.npz``. Until then also ``rows/``
for a large cohort (see `nem2e_tf.training.rows`) and ``cohort/`` for one in memory.

A chunk is finished when its predictions exist; it is never computed again. Weights would take more
room than all else, so a run does not keep them: a control that needs them has chunks fitted again,
which gives the same weights, and keeps them as ``weights/<chunk>.npz``. These may be deleted at any
time.
"""

import csv
import hashlib
import io
import os
import platform
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nem2e_tf import __version__
from nem2e_tf.cohorts.cohort import Cohort
from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.results import read_results
from nem2e_tf.io.files import output_folder, read_json, replacing, write_json
from nem2e_tf.training.plan import Fit, Plan, Settings
from nem2e_tf.zoo import Source


@dataclass(frozen=True, eq=False)
class FitResult:
    """The result of one fit.

    Attributes
    ----------
    fit : Fit
    refined : float32 array [left-out cycle, 20, target]
    history : float32 array [epoch, 3]
        Loss on training, validation and left-out cycles. The last is only recorded.
    epochs : int
        The epoch whose weights are kept; 0 for a closed form.
    seconds : float
        Its share of the time of the chunk.
    weights : list of array
        In the order of ``model.weights``.
    """

    fit: Fit
    refined: NDArray[np.float32]
    history: NDArray[np.float32]
    epochs: int
    seconds: float
    weights: list[NDArray[Any]] = field(repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 of the weights, normalisation included, without random seeds among them."""
        total = hashlib.sha256()
        for value in self.weights:
            if np.issubdtype(value.dtype, np.floating):
                total.update(np.ascontiguousarray(value).tobytes())
        return total.hexdigest()


FORMAT = 1
MARKER = "run.json"
PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn", "pandas")


@dataclass(frozen=True, eq=False)
class RunFolder:
    """A run on disk.

    Attributes
    ----------
    path : Path
    settings : Settings
    plan : Plan
    digest : str
        Of the cohort.
    """

    path: Path
    settings: Settings
    plan: Plan
    digest: str

    @cached_property
    def results(self) -> pd.DataFrame:
        """The rows of ``results.csv``: one per fit and muscle."""
        return read_results(self.path / "results.csv")

    def predictions_file(self, chunk: int) -> Path:
        """File of the refined cycles of a chunk."""
        return self.path / "predictions" / f"{chunk:05d}.npz"

    def history_file(self, chunk: int) -> Path:
        """File of the losses of a chunk."""
        return self.path / "histories" / f"{chunk:05d}.csv"

    def weights_file(self, chunk: int) -> Path:
        """File of the weights of a chunk."""
        return self.path / "weights" / f"{chunk:05d}.npz"

    @property
    def errors_file(self) -> Path:
        """File of the tracebacks of chunks that failed."""
        return self.path / "errors.txt"

    @property
    def rows_folder(self) -> Path:
        """Folder of the thinned cycles of a large cohort while fits run."""
        return self.path / "rows"

    def unfinished(self) -> list[int]:
        """Chunks that are still to be fitted."""
        return [
            chunk
            for chunk in range(len(self.plan.chunks))
            if not self.predictions_file(chunk).exists()
        ]

    def discard(self) -> None:
        """Remove the folder if no chunk is finished and no error is recorded in it."""
        if len(self.unfinished()) == len(self.plan.chunks) and not self.errors_file.exists():
            shutil.rmtree(self.path)

    def write_chunk(self, chunk: int, results: Sequence[FitResult]) -> None:
        """Write the results of a chunk; the predictions come last, as they mark it finished."""
        fits = self.plan.chunks[chunk]
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(["fit", "epoch", "training", "validation", "left_out"])
        for index, result in zip(fits, results, strict=True):
            for epoch, losses in enumerate(result.history, start=1):
                writer.writerow(
                    [index, epoch, *("" if np.isnan(v) else f"{v:.9g}" for v in losses)]
                )
        predictions = io.BytesIO()
        np.savez_compressed(
            predictions,
            allow_pickle=False,
            fits=np.array(fits),
            epochs=np.array([result.epochs for result in results]),
            seconds=np.array([result.seconds for result in results]),
            digests=np.array([result.digest for result in results]),
            **{f"refined_{i}": result.refined for i, result in zip(fits, results, strict=True)},
        )
        self.write_files(
            {
                self.history_file(chunk): buffer.getvalue().encode(),
                self.predictions_file(chunk): predictions.getvalue(),
            }
        )

    def write_files(self, files: Mapping[Path, bytes]) -> None:
        """Write files of the run, in order."""
        for file, content in files.items():
            file.parent.mkdir(exist_ok=True)
            with replacing(file) as temporary:
                temporary.write_bytes(content)

    def read_chunk(
        self, chunk: int, fits: Sequence[int] | None = None
    ) -> dict[int, dict[str, Any]]:
        """Read the results of a chunk, or of some fits of it, by fit.

        Raises
        ------
        InputError
            The file is damaged; without it, the run fits the chunk again.
        """
        with _open(self.predictions_file(chunk), "predictions") as arrays:
            names = ("fits", "epochs", "seconds", "digests")
            columns = (arrays[name].tolist() for name in names)
            return {
                index: {
                    "refined": arrays[f"refined_{index}"],
                    "epochs": epochs,
                    "seconds": seconds,
                    "digest": digest,
                }
                for index, epochs, seconds, digest in zip(*columns, strict=True)
                if fits is None or index in fits
            }

    def read_fit(self, index: int) -> dict[str, Any]:
        """Read the result of a fit; see `read_chunk`."""
        return self.read_chunk(self.chunks_of([index])[0], [index])[index]

    def chunks_of(self, fits: Iterable[int]) -> list[int]:
        """Chunks that contain any of the fits."""
        wanted = set(fits)
        return [chunk for chunk, own in enumerate(self.plan.chunks) if wanted & set(own)]

    def write_weights(self, chunk: int, results: Sequence[FitResult]) -> None:
        """Write the weights of a chunk, and how much its predictions differ from the run's."""
        before, fits = self.read_chunk(chunk), self.plan.chunks[chunk]
        arrays = {
            f"{index}_{number:03d}": value
            for index, result in zip(fits, results, strict=True)
            for number, value in enumerate(result.weights)
        }
        changes = [
            np.nan_to_num(result.refined - before[index]["refined"])
            for index, result in zip(fits, results, strict=True)
        ]
        arrays["difference"] = np.array(
            [float(np.max(np.abs(change), initial=0)) for change in changes]
        )
        file = self.weights_file(chunk)
        file.parent.mkdir(exist_ok=True)
        with replacing(file) as temporary:
            np.savez(temporary, allow_pickle=False, **arrays)

    def read_weights(self, fits: Sequence[int]) -> Iterator[tuple[int, list[NDArray[Any]]]]:
        """Yield fits with their weights, in the order of ``model.weights``, chunk after chunk.

        Raises
        ------
        InputError
            A file is damaged; without it, its chunk is fitted again.
        """
        for chunk in self.chunks_of(fits):
            with _open(self.weights_file(chunk), "weights") as arrays:
                found = {
                    index: [arrays[name] for name in sorted(arrays) if name.startswith(f"{index}_")]
                    for index in self.plan.chunks[chunk]
                    if index in fits
                }
            yield from found.items()

    def differences(self, chunk: int) -> NDArray[np.float64]:
        """How much predictions differed when the chunk was fitted again, by fit, in EMG units."""
        with _open(self.weights_file(chunk), "weights") as arrays:
            differences: NDArray[np.float64] = arrays["difference"]
            return differences


@contextmanager
def _open(file: Path, content: str) -> Iterator[Any]:
    """Open the arrays of a chunk; whatever is wrong with them is an `InputError`."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            yield arrays
    except Exception as error:
        raise InputError(
            f"{file}: expected the {content} of a chunk, found {type(error).__name__}; "
            "delete this file and run the same command again"
        ) from None


def create_run(
    path: "str | os.PathLike[str]", cohort: Cohort, settings: Settings, plan: Plan
) -> RunFolder:
    """Create a run folder, or open an existing one of the same cohort and settings.

    Raises
    ------
    InputError
        The folder holds something else, or a run with other settings or another cohort.
    """
    folder = Path(path)
    if (folder / MARKER).exists():
        found = open_run(folder)
        check_cohort(found, cohort)
        before, now = found.settings.as_dict(), settings.as_dict()
        check_sources(found, settings.sources)
        for name, value in now.items():
            if before[name] != value and name != "sources":
                raise InputError(
                    f"{folder / MARKER}: expected a run with {name} {value}, found {before[name]}; "
                    "choose another folder, or repeat the settings of this run to continue it"
                )
        return found
    output_folder(folder, marker=MARKER)
    # The marker comes first: a folder without it would be taken for somebody else's.
    write_json(
        folder / MARKER,
        {
            "format": FORMAT,
            "kind": "nem2e-tf run",
            "cohort": {
                "name": cohort.name,
                "digest": cohort.digest,
                "cycles": len(cohort.cycles),
                "channels": len(cohort.channels),
                "muscles": cohort.muscle_names,
            },
            "settings": settings.as_dict(),
            "versions": versions(),
            "plan": plan.as_dict(),
        },
    )
    return RunFolder(folder, settings, plan, cohort.digest)


def check_sources(run: RunFolder, sources: Sequence[Source | None]) -> None:
    """Refuse sources of a run's models that are not those it was started with.

    Raises
    ------
    InputError
        One was changed since.
    """
    before = {source.entry: source for source in run.settings.sources}
    for source in sources:
        known = source and before.get(source.entry)
        if source and known and known.sha256 != source.sha256:
            raise InputError(
                f"{source.file}: changed since {run.path} was started with its function "
                f"{source.function} (SHA-256 {known.sha256[:12]}, now {source.sha256[:12]}); "
                "choose another folder, or undo the change to continue this run"
            )


def open_run(path: "str | os.PathLike[str]") -> RunFolder:
    """Open a run folder.

    Raises
    ------
    InputError
        There is no run folder of this version.
    """
    folder = Path(path)
    if not (folder / MARKER).exists():
        raise InputError(f"{folder}: expected a run folder with {MARKER}, found none")
    value = read_json(folder / MARKER)
    try:
        if value["format"] != FORMAT:
            raise InputError(f"{folder / MARKER}: expected format {FORMAT}, found another")
        return RunFolder(
            folder,
            Settings.from_dict(value["settings"]),
            Plan.from_dict(value["plan"]),
            str(value["cohort"]["digest"]),
        )
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{folder / MARKER}: expected a run of this version, found one without {error}"
        ) from None


def check_cohort(run: RunFolder, cohort: Cohort) -> None:
    """Refuse a cohort that is not the run's.

    Raises
    ------
    InputError
        The digests differ.
    """
    if cohort.digest != run.digest:
        raise InputError(
            f"{run.path}: expected the cohort of this run (digest {run.digest[:12]}), found "
            f"{cohort.name or 'another'} (digest {cohort.digest[:12]}); give that cohort, or "
            "another run folder"
        )


def versions() -> dict[str, str]:
    """Versions of everything that numbers depend on."""
    found = {"nem2e-tf": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        for distribution in (name, f"{name}-cpu"):
            try:
                found[name] = version(distribution)
                break
            except PackageNotFoundError:
                continue
    return {**found, "platform": sys.platform, "machine": platform.machine()}
