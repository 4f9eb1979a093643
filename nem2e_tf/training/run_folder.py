"""A run on disk: what was asked for, what is done, what came of it.

``run.json`` (settings, plan, versions, digest), ``predictions/<chunk>.npz`` (refined cycles, one
file a finished chunk), ``histories/<chunk>.csv`` (losses), and, once all chunks are finished,
``results.csv``, ``references.csv`` and ``mean_patterns.npz``. Until then, of a cohort larger than
memory, also ``rows/`` (see `nem2e_tf.training.rows`).
A chunk is finished when its predictions are there; it is never computed again.

What one fit came to.
"""

import csv
import hashlib
import io
import os
import platform
import shutil
import sys
from collections.abc import Mapping, Sequence
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
from nem2e_tf.io.files import output_folder, read_json, replacing, write_json, write_text
from nem2e_tf.training.plan import Fit, Plan, Settings
from nem2e_tf.zoo import Source


@dataclass(frozen=True, eq=False)
class FitResult:
    """What one fit came to.

    Attributes
    ----------
    fit : Fit
    refined : float32 array [left-out cycle, 20, target]
    history : float32 array [epoch, 3]
        Loss on training, validation and left-out cycles. The last is never used.
    epochs : int
        The epoch whose weights are kept; 0 for a closed form.
    seconds : float
        Its share of the chunk's time.
    digest : str
        SHA-256 of the weights, normalisation included.
    weights : list of array
        In the order of ``model.weights``.
    """

    fit: Fit
    refined: NDArray[np.float32]
    history: NDArray[np.float32]
    epochs: int
    seconds: float
    digest: str
    weights: list[NDArray[Any]] = field(repr=False)


def weights_digest(weights: Sequence[NDArray[Any]]) -> str:
    """SHA-256 of weights, bit for bit; random seeds kept among them are left out."""
    total = hashlib.sha256()
    for value in weights:
        if np.issubdtype(value.dtype, np.floating):
            total.update(np.ascontiguousarray(value).tobytes())
    return total.hexdigest()


FORMAT = 1
MARKER = "run.json"
PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn", "pandas")


@dataclass(frozen=True, eq=False)
class RunFolder:
    """A run folder that is open.

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
        """Where the refined cycles of a chunk are."""
        return self.path / "predictions" / f"{chunk:05d}.npz"

    def history_file(self, chunk: int) -> Path:
        """Where the losses of a chunk are."""
        return self.path / "histories" / f"{chunk:05d}.csv"

    @property
    def rows_folder(self) -> Path:
        """Where thinned cycles and rows are while the run lasts, if the cohort is large."""
        return self.path / "rows"

    def unfinished(self) -> list[int]:
        """Chunks that are still to be fitted."""
        return [
            chunk
            for chunk in range(len(self.plan.chunks))
            if not self.predictions_file(chunk).exists()
        ]

    def write_chunk(self, chunk: int, results: Sequence[FitResult]) -> None:
        """Write what a chunk came to; its predictions last, for they say that it is finished."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(["fit", "epoch", "training", "validation", "left_out"])
        for index, result in zip(self.plan.chunks[chunk], results, strict=True):
            for epoch, losses in enumerate(result.history, start=1):
                writer.writerow(
                    [index, epoch, *("" if np.isnan(v) else f"{v:.9g}" for v in losses)]
                )
        for file in (self.history_file(chunk), self.predictions_file(chunk)):
            file.parent.mkdir(exist_ok=True)
        write_text(self.history_file(chunk), buffer.getvalue())
        arrays = {
            "fits": np.array(self.plan.chunks[chunk]),
            "epochs": np.array([result.epochs for result in results]),
            "seconds": np.array([result.seconds for result in results]),
            "digests": np.array([result.digest for result in results]),
        }
        for index, result in zip(self.plan.chunks[chunk], results, strict=True):
            arrays[f"refined_{index}"] = result.refined
        with replacing(self.predictions_file(chunk)) as temporary:
            np.savez_compressed(temporary, allow_pickle=False, **arrays)

    def write_files(self, files: Mapping[str, bytes]) -> None:
        """Write files of a chunk, by their paths within the run, the last one last."""
        for name, content in files.items():
            file = self.path / name
            file.parent.mkdir(exist_ok=True)
            with replacing(file) as temporary:
                temporary.write_bytes(content)

    def discard(self) -> None:
        """Remove the folder if nothing in it was computed."""
        if len(self.unfinished()) == len(self.plan.chunks):
            shutil.rmtree(self.path)

    def read_chunk(self, chunk: int) -> dict[int, dict[str, Any]]:
        """Read what a chunk came to, by fit.

        Raises
        ------
        InputError
            The file is damaged; deleting it lets the run compute it again.
        """
        return self._read(chunk, self.plan.chunks[chunk])

    def read_fit(self, index: int) -> dict[str, Any]:
        """Read what a fit came to; see `read_chunk`."""
        chunk = next(i for i, fits in enumerate(self.plan.chunks) if fits[0] <= index <= fits[-1])
        return self._read(chunk, (index,))[index]

    def _read(self, chunk: int, wanted: Sequence[int]) -> dict[int, dict[str, Any]]:
        file = self.predictions_file(chunk)
        try:
            with np.load(file, allow_pickle=False) as arrays:
                return {
                    int(index): {
                        "refined": arrays[f"refined_{index}"],
                        "epochs": int(epochs),
                        "seconds": float(seconds),
                        "digest": str(digest),
                    }
                    for index, epochs, seconds, digest in zip(
                        arrays["fits"],
                        arrays["epochs"],
                        arrays["seconds"],
                        arrays["digests"],
                        strict=True,
                    )
                    if int(index) in wanted
                }
        except Exception as error:
            raise InputError(
                f"{file}: expected the predictions of a chunk, found {type(error).__name__}; "
                "delete this file and run the same command again"
            ) from None


def create_run(
    path: "str | os.PathLike[str]",
    cohort: Cohort,
    settings: Settings,
    plan: Plan,
) -> RunFolder:
    """Start a run, or open the one that is there if it was asked for the same.

    Raises
    ------
    InputError
        The folder holds something else, or a run with other settings or another cohort.
    """
    folder = Path(path)
    if (folder / MARKER).exists():
        found = open_run(folder)
        if found.digest != cohort.digest:
            raise InputError(
                f"{folder / MARKER}: expected a run of this cohort, found one of another "
                f"(digest {found.digest[:12]}, not {cohort.digest[:12]}); choose another folder"
            )
        before, now = found.settings.as_dict(), settings.as_dict()
        check_sources(found, settings.sources)
        for name, value in now.items():
            if before[name] != value and name != "sources":
                raise InputError(
                    f"{folder / MARKER}: expected a run with {name} {value}, found {before[name]}; "
                    "choose another folder, or repeat the settings of this one to go on with it"
                )
        return found
    output_folder(folder, marker=MARKER)
    # Nothing else may come before the marker: killed in between, the folder would not be ours.
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


def check_sources(run: RunFolder, sources: Sequence[Source]) -> None:
    """Refuse sources of a run's models that are not those it was started with.

    Raises
    ------
    InputError
        One was changed since.
    """
    before = {source.entry: source for source in run.settings.sources}
    for source in sources:
        known = before.get(source.entry)
        if known and known.sha256 != source.sha256:
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
        It is missing or no run folder of this version.
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


def mean_patterns_file(run: RunFolder) -> Path:
    """Where the mean pattern of each fold's training cycles is."""
    return run.path / "mean_patterns.npz"


def write_mean_patterns(run: RunFolder, patterns: dict[str, NDArray[np.float64]]) -> None:
    """Write the mean EMG pattern [20, muscle] of each fold's training cycles."""
    with replacing(mean_patterns_file(run)) as temporary:
        np.savez(
            temporary,
            allow_pickle=False,
            groups=np.array(list(patterns)),
            patterns=np.stack(list(patterns.values())),
        )


def weights_file(run: RunFolder, chunk: int) -> Path:
    """Where the weights of a chunk's fits are."""
    return run.path / "weights" / f"{chunk:05d}.npz"


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
