"""From a cohort to the rows that models are fitted on.

Cycles of 101 points are thinned to the 20 samples that models see, and arranged as the input
patterns of the paper want them (Teramae et al. 2025, section 2.3). All of it is done a block of
cycles at a time and put into a `Store`, so that a cohort may be larger than memory: its arrays are
then memory-mapped files in ``rows/`` of the run folder, which all processes of a run share, and
which are removed when the results are written.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.cohorts.cohort import POINTS, Cohort
from nem2e_tf.errors import InputError
from nem2e_tf.io.files import read_json, replacing, sha256, write_json
from nem2e_tf.names import ALL_ENTIRE, ONE_QUARTER, QUARTERS
from nem2e_tf.refiners.patterns import SAMPLES, Composition, joined, model_input, resample

BLOCK = 32 * 2**20
"""Bytes of float64 numbers that are thinned at a time."""

LARGEST_IN_MEMORY = 64 * 2**20
"""Bytes of thinned cycles up to which each process has its own in memory."""

Parts = Callable[[], Iterator[NDArray[np.float32]]]
"""Yields the rows of an array in order, some at a time."""

Store = Callable[[str, tuple[int, ...], Parts], NDArray[np.float32]]
"""Returns the array of a name and a shape; `in_memory`, or a `RowFiles`."""


def in_memory(name: str, shape: tuple[int, ...], parts: Parts) -> NDArray[np.float32]:  # noqa: ARG001
    """Join parts in memory; a `Store`."""
    values, start = np.empty(shape, np.float32), 0
    for part in parts():
        values[start : start + len(part)] = part
        start += len(part)
    return values


class RowFiles:
    """A `Store` of memory-mapped files in a folder.

    Next to each ``<name>.npy``, ``<name>.json`` states its cohort, its shape and its SHA-256. A
    file that is damaged, cut short or of another cohort is written again.

    Parameters
    ----------
    folder : Path
        Created when the first array is written.
    digest : str
        Of the cohort.
    """

    def __init__(self, folder: Path, digest: str) -> None:
        self.folder = folder
        self.digest = digest

    def __call__(self, name: str, shape: tuple[int, ...], parts: Parts) -> NDArray[np.float32]:
        """Return an array, memory-mapped; write it first if it is missing.

        Raises
        ------
        InputError
            The disk has too little space for it.
        """
        file, note = self.folder / f"{name}.npy", self.folder / f"{name}.json"
        about = {"cohort": self.digest, "shape": list(shape)}
        try:
            whole = bool(read_json(note) == {**about, "sha256": sha256(file)})
        except (InputError, OSError):
            whole = False
        if not whole:
            self.folder.mkdir(exist_ok=True)
            size, free = int(np.prod(shape)) * 4, shutil.disk_usage(self.folder).free
            if size > free:
                raise InputError(
                    f"{file}: expected {size / 1e9:.1f} GB of free disk for the thinned cohort, "
                    f"found {free / 1e9:.1f}; free some space, or choose a folder on another disk"
                )
            note.unlink(missing_ok=True)
            write_json(note, {**about, "sha256": _write(file, shape, parts)})
        array: NDArray[np.float32] = np.load(file, mmap_mode="r", allow_pickle=False)
        return array

    def is_begun(self) -> bool:
        """Whether the folder holds thinned cycles of the cohort already."""
        try:
            return bool(read_json(self.folder / "simulated.json")["cohort"] == self.digest)
        except (InputError, KeyError, TypeError):
            return False

    def tidy(self) -> None:
        """Remove what killed writers left; only while nobody writes."""
        for left in self.folder.glob(".*"):
            left.unlink()

    def remove(self) -> None:
        """Remove all files."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _write(file: Path, shape: tuple[int, ...], parts: Parts) -> str:
    """Write an array whole or not at all; return the file's SHA-256."""
    total = hashlib.sha256()
    with replacing(file) as temporary, temporary.open("w+b") as stream:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        stream.seek(0)
        total.update(stream.read())
        for part in parts():
            data = np.ascontiguousarray(part, dtype="<f4").data
            total.update(data)
            stream.write(data)
    return total.hexdigest()


def store_for(cohort: Cohort, folder: Path, *, digest: str) -> Store:
    """Choose where the thinned cycles of a cohort are stored: in memory, or in files if large."""
    columns = len(cohort.channels) + len(cohort.muscles)
    small = len(cohort.cycles) * SAMPLES * columns * 4 <= LARGEST_IN_MEMORY
    return in_memory if small else RowFiles(folder, digest)


@contextmanager
def temporary_store(cohort: Cohort, path: "str | os.PathLike[str] | None") -> Iterator[Store]:
    """Give a store for as long as a block runs; its files, if any, are on the disk of a path.

    Without a path they are in the system's temporary folder.
    """
    place = path and next(parent for parent in Path(path).resolve().parents if parent.is_dir())
    store = store_for(cohort, Path(), digest="")
    if not isinstance(store, RowFiles):
        yield store
        return
    with tempfile.TemporaryDirectory(prefix=".nem2e-tf-rows-", dir=place) as folder:
        store.folder = Path(folder)
        yield store


def blocks(n_cycles: int, numbers: int) -> Iterator[slice]:
    """Cut cycles of so many numbers each into blocks of `BLOCK` bytes."""
    size = max(1, BLOCK // (8 * max(numbers, 1)))
    for start in range(0, n_cycles, size):
        yield slice(start, min(start + size, n_cycles))


def thin(
    cycles: NDArray[np.float32], name: str = "", store: Store = in_memory
) -> NDArray[np.float32]:
    """Thin cycles of 101 points to the 20 samples that models see and scores are taken on.

    Linear interpolation at ``linspace(0, 100, 20)``, the paper's thinning, in float64.

    Parameters
    ----------
    cycles : float array [cycle, 101, column]
    name : str
        Name of the result in the store.
    store : Store

    Returns
    -------
    float32 array [cycle, 20, column]
        A point that is NaN makes its neighbouring samples NaN.

    Examples
    --------
    >>> thin(np.linspace(0, 1, 101)[None, :, None])[0, [0, 19], 0].tolist()
    [0.0, 1.0]
    """
    if cycles.shape[1] != POINTS:
        raise ValueError(f"Expected {POINTS} points per cycle. Received: {cycles.shape[1]}")

    def parts() -> Iterator[NDArray[np.float32]]:
        for rows in blocks(len(cycles), POINTS * cycles.shape[2]):
            values = np.asarray(cycles[rows], dtype=np.float64)
            yield resample(values, SAMPLES).astype(np.float32)

    return store(name, (len(cycles), SAMPLES, cycles.shape[2]), parts)


@dataclass(frozen=True, eq=False)
class Thinned:
    """The cycles of a cohort, thinned; the arrays may be memory-mapped.

    Attributes
    ----------
    simulated : float32 array [cycle, 20, channel]
    measured : float32 array [cycle, 20, muscle]
    """

    simulated: NDArray[np.float32]
    measured: NDArray[np.float32]

    @classmethod
    def of(cls, cohort: Cohort, *, store: Store = in_memory) -> "Thinned":
        """Thin a cohort."""
        return cls(
            thin(cohort.simulated, "simulated", store), thin(cohort.measured, "measured", store)
        )

    def estimates(
        self, counterparts: Sequence[Sequence[int]], *, store: Store = in_memory
    ) -> NDArray[np.float32]:
        """The simulation's estimate of each muscle: the mean of its counterparts.

        Parameters
        ----------
        counterparts : sequence of sequences of int
            Of each muscle: ``cohort.counterparts``.
        store : Store

        Returns
        -------
        float32 array [cycle, 20, muscle]
        """

        def parts() -> Iterator[NDArray[np.float32]]:
            for rows in blocks(len(self.simulated), SAMPLES * self.simulated.shape[2]):
                block = self.simulated[rows]
                yield np.stack([block[:, :, list(row)].mean(axis=2) for row in counterparts], 2)

        return store("estimates", (len(self.simulated), SAMPLES, len(counterparts)), parts)


def conditions_and_durations(cohort: Cohort) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
    """Condition of each cycle, and its duration in seconds."""
    cycles = cohort.cycles
    return (
        cycles["condition"].to_numpy(dtype=np.str_),
        (cycles["end"] - cycles["start"]).to_numpy(dtype=np.float64),
    )


@dataclass(frozen=True, eq=False)
class Data:
    """Rows of all fits together.

    Attributes
    ----------
    inputs : float32 array [row, sample, channel]
        May be memory-mapped.
    targets : float32 array [row, sample, target]
        Measured activity; 0 where not `present`.
    present : bool array [row, target]
        Whether a muscle was measured throughout the cycle of that row.
    """

    inputs: NDArray[np.float32]
    targets: NDArray[np.float32]
    present: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of inputs and the rows of targets that belong to them."""

    inputs: NDArray[np.intp]
    targets: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Task:
    """One fit: the rows it is trained, validated and applied on.

    Attributes
    ----------
    seed : int
        Of the initial weights.
    stream : int
        Seeds the order of the rows and the dropout; differs between fits. 0 to 2**32 - 1.
    training, validation, application : Rows
    """

    seed: int
    stream: int
    training: Rows
    validation: Rows
    application: Rows


@dataclass(frozen=True, eq=False)
class Problem(Data):
    """The rows of all models under one input pattern.

    Attributes
    ----------
    inputs : float32 array [row, sample, channel]
        Rows of all models one after the other, or one set of rows that all of them share.
    targets, present
        Rows of all models one after the other; see `Data`.
    composition : Composition
        How models, channels and muscles belong together.
    counterparts : tuple of tuple of tuple of int
        For each model, the indices of its input channels that each target is compared with.
    n_cycles : int
        Cycles of the cohort.
    """

    composition: Composition
    counterparts: tuple[tuple[tuple[int, ...], ...], ...]
    n_cycles: int

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models: ``joint``, or one per muscle."""
        return self.composition.models

    @property
    def rows_per_cycle(self) -> int:
        """Rows of one cycle: 4 under One-Quarter, otherwise 1."""
        return QUARTERS if self.composition.pattern == ONE_QUARTER else 1

    def rows(self, model: int, cycles: "Sequence[int] | NDArray[np.intp]") -> Rows:
        """Rows of a model's cycles."""
        places = np.asarray(cycles, np.intp)[:, None] * self.rows_per_cycle
        own = (places + np.arange(self.rows_per_cycle)).ravel()
        targets = own + model * self.n_cycles * self.rows_per_cycle
        shared = len(self.inputs) == self.n_cycles * self.rows_per_cycle
        return Rows(own if shared else targets, targets)

    def measured_rows(self, model: int, cycles: "Sequence[int] | NDArray[np.intp]") -> Rows:
        """Rows of a model's cycles in which any of its muscles was measured."""
        rows = self.rows(model, cycles)
        kept = self.present[rows.targets].any(axis=1)
        return Rows(rows.inputs[kept], rows.targets[kept])

    def joined(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Join a model's output rows into cycles [cycle, 20, target]."""
        return joined(rows, self.composition)


def composition_of(
    cohort: Cohort, *, pattern: str, targets: str, quarter_samples: int = SAMPLES // QUARTERS
) -> Composition:
    """Return how models, channels and muscles of a cohort belong together.

    Parameters
    ----------
    cohort : Cohort
    pattern : {"one-quarter", "one-entire", "all-entire"}
    targets : {"each", "joint"}
    quarter_samples : {5, 20}
        Samples of a quarter under One-Quarter: its own 5, or resampled to 20.
    """
    channels = cohort.channel_names
    return Composition(
        pattern=pattern,
        targets=targets,
        channels=tuple(channels),
        muscles=tuple(cohort.muscle_names),
        counterparts=tuple(tuple(channels[i] for i in row) for row in cohort.counterparts),
        model_samples=quarter_samples if pattern == ONE_QUARTER else SAMPLES,
    )


def build(thinned: Thinned, composition: Composition, *, store: Store = in_memory) -> Problem:
    """Arrange thinned cycles as the rows that models are fitted on.

    Parameters
    ----------
    thinned : Thinned
    composition : Composition
        From `composition_of`.
    store : Store
        For arrays that copy the thinned cycles.
    """
    whole, quarters = composition.pattern == ALL_ENTIRE, composition.pattern == ONE_QUARTER
    simulated, measured = thinned.simulated, thinned.measured
    row_samples = SAMPLES // QUARTERS if quarters else SAMPLES
    places = {name: i for i, name in enumerate(composition.channels)}
    muscles = [
        [composition.muscles.index(name) for name in composition.muscles_of(model)]
        for model in composition.models
    ]
    seen = np.zeros((len(measured), len(composition.muscles)), bool)
    for rows in blocks(len(measured), SAMPLES * len(composition.muscles)):
        seen[rows] = np.isfinite(measured[rows]).all(axis=1)
    present = np.concatenate([seen[:, columns] for columns in muscles])

    def inputs() -> Iterator[NDArray[np.float32]]:
        for muscle in composition.muscles:
            for rows in blocks(len(simulated), SAMPLES * simulated.shape[2]):
                yield model_input(simulated[rows], composition, muscle=muscle)

    def targets() -> Iterator[NDArray[np.float32]]:
        for columns in muscles:
            for rows in blocks(len(measured), SAMPLES * measured.shape[2]):
                wanted = measured[rows][:, :, columns]
                wanted = np.where(seen[rows][:, None, columns], wanted, np.float32(0))
                wanted = wanted.reshape(-1, row_samples, len(columns))
                if quarters:
                    wanted = resample(wanted, composition.model_samples)
                yield wanted.astype(np.float32)

    def stored(name: str, columns: int, parts: Parts) -> NDArray[np.float32]:
        count = len(muscles) * len(measured) * SAMPLES // row_samples
        return store(name, (count, composition.model_samples, columns), parts)

    return Problem(
        inputs=simulated if whole else stored(f"inputs-{composition.pattern}", 1, inputs),
        targets=stored(
            f"targets-{'quarters' if quarters else composition.targets}", len(muscles[0]), targets
        ),
        present=np.repeat(present, QUARTERS, axis=0) if quarters else present,
        composition=composition,
        counterparts=tuple(
            tuple(tuple(places[name] for name in composition.counterparts[i]) for i in columns)
            if whole
            else ((0,),)
            for columns in muscles
        ),
        n_cycles=len(measured),
    )
