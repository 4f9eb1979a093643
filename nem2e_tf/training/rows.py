"""Thinned cycles and rows of a cohort larger than memory, kept in files that are memory-mapped.

``rows/`` of a run folder: ``<name>.npy``, and beside each ``<name>.json`` that says which cohort it
was made of, the array's shape and the file's SHA-256. A file that is damaged, cut short or of
another cohort is made again. All processes of a run read the same files, and so does a run that
goes on; they are removed when the results are written.

From cycles of 101 points to the 20 samples that models see, a block of cycles at a time.

Neither the cycles nor what is made of them need fit the memory: a `Store` keeps the results.

What a fit is asked for and what it comes to, in arrays.

Input patterns: from a cohort to the rows that models are fitted on.

One-Quarter, One-Entire and All-Entire are those of the paper (Teramae et al. 2025, section 2.3).
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.cohorts.cohort import POINTS, Cohort
from nem2e_tf.errors import InputError
from nem2e_tf.io.files import read_json, replacing, sha256, write_json
from nem2e_tf.names import QUARTERS
from nem2e_tf.refiners.patterns import SAMPLES, Composition, joined, model_input, resample

BLOCK = 32 * 2**20
"""Bytes of float64 numbers that are thinned at a time."""

Parts = Callable[[], Iterator[NDArray[Any]]]


class Store(Protocol):
    """Keeps arrays that are made part after part: `in_memory`, or in files."""

    def __call__(
        self, name: str, shape: tuple[int, ...], dtype: type[Any], parts: Parts
    ) -> NDArray[Any]:
        """Return the array of that name and shape whose rows `parts` gives in order."""


def in_memory(
    name: str,  # noqa: ARG001
    shape: tuple[int, ...],
    dtype: type[Any],
    parts: Parts,
) -> NDArray[Any]:
    """Put parts together in memory; a `Store`."""
    values, start = np.empty(shape, dtype), 0
    for part in parts():
        values[start : start + len(part)] = part
        start += len(part)
    return values


def thin(cycles: NDArray[np.float32]) -> NDArray[np.float32]:
    """Thin cycles of 101 points to the 20 samples that models see and scores are taken on.

    Linear interpolation at ``linspace(0, 100, 20)``, the paper's thinning, in float64 for a block
    of cycles at a time: cycles that are memory-mapped need not fit the memory.

    Parameters
    ----------
    cycles : float array [cycle, 101, column]

    Returns
    -------
    float32 array [cycle, 20, column]
        A point that is NaN makes its neighbouring samples NaN.

    Examples
    --------
    >>> thin(np.linspace(0, 1, 101)[None, :, None])[0, [0, 19], 0].tolist()
    [0.0, 1.0]
    """
    return _thin(cycles, "", in_memory)


def _thin(cycles: NDArray[np.float32], name: str, store: Store) -> NDArray[np.float32]:
    if cycles.shape[1] != POINTS:
        raise ValueError(f"Expected {POINTS} points a cycle. Received: {cycles.shape[1]}")

    def parts() -> Iterator[NDArray[np.float32]]:
        for rows in blocks(len(cycles), POINTS * cycles.shape[2]):
            values = np.asarray(cycles[rows], dtype=np.float64)
            yield resample(values, SAMPLES).astype(np.float32)

    return store(name, (len(cycles), SAMPLES, cycles.shape[2]), np.float32, parts)


def blocks(n_cycles: int, numbers: int) -> Iterator[slice]:
    """Cut cycles of so many numbers each into blocks of `BLOCK` bytes."""
    size = max(1, BLOCK // (8 * max(numbers, 1)))
    for start in range(0, n_cycles, size):
        yield slice(start, min(start + size, n_cycles))


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
            _thin(cohort.simulated, "simulated", store), _thin(cohort.measured, "measured", store)
        )

    def estimates(
        self, counterparts: Sequence[Sequence[int]], *, store: Store = in_memory
    ) -> NDArray[np.float32]:
        """The simulation's estimate of each muscle: the mean of its counterpart channels.

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

        shape = (len(self.simulated), SAMPLES, len(counterparts))
        return store("estimates", shape, np.float32, parts)


@dataclass(frozen=True, eq=False)
class Data:
    """Rows of all fits together.

    Attributes
    ----------
    inputs : float32 array [row, sample, channel]
        May be memory-mapped.
    targets : float32 array [row, sample, target]
    present : bool array [row, target]
        Whether a muscle was measured in that row.
    """

    inputs: NDArray[np.float32]
    targets: NDArray[np.float32]
    present: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of inputs and of targets that belong together."""

    inputs: NDArray[np.intp]
    targets: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Task:
    """One fit: which rows it is trained, validated and applied on.

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
class Fitted:
    """What a fit came to.

    Attributes
    ----------
    weights : list of array
        In the order of ``model.weights``.
    epochs : int
        The epoch whose weights are kept, counted from 1; 0 where the fit diverged, that is, never
        had a finite error.
    history : float32 array [epoch, 3]
        Loss on training, validation and application rows; NaN where there are none.
    applied : float32 array [row, sample, target]
        Output for the application rows; NaN where the fit diverged.
    """

    weights: list[NDArray[Any]]
    epochs: int
    history: NDArray[np.float32]
    applied: NDArray[np.float32]


@dataclass(frozen=True)
class Sizes:
    """Fits and rows that a trainer is traced for; smaller work is padded."""

    fits: int
    training: int
    validation: int
    application: int


def padded_rows(rows: Sequence[Rows], size: int) -> NDArray[np.int32]:
    """Lay the rows of several fits side by side.

    Returns
    -------
    int32 array [3, fit, size]
        Rows of inputs, rows of targets, and 1 where a row is there and 0 where it is padding.
    """
    chosen = np.zeros((3, len(rows), size), np.int32)
    for fit, row in enumerate(rows):
        n = len(row.inputs)
        chosen[:, fit, :n] = row.inputs, row.targets, np.ones(n)
    return chosen


def shuffled_rows(
    rows: Sequence[Rows], orders: Sequence[np.random.Generator], *, steps: int, batch: int
) -> NDArray[np.int32]:
    """Deal each fit's rows out to steps, in a new order.

    Returns
    -------
    int32 array [3, step, fit, batch]
        As `padded_rows`.
    """
    mixed = []
    for row, order in zip(rows, orders, strict=True):
        places = order.permutation(len(row.inputs))
        mixed.append(Rows(row.inputs[places], row.targets[places]))
    padded = padded_rows(mixed, steps * batch)
    return padded.reshape(3, len(rows), steps, batch).transpose(0, 2, 1, 3)


@dataclass(frozen=True, eq=False)
class Problem:
    """What models of one input pattern are fitted on.

    Attributes
    ----------
    composition : Composition
        How models, channels and muscles belong together.
    inputs : float32 array [row, sample, channel]
        Rows of all models one after the other, or one set of rows that all of them share.
    targets : float32 array [row, sample, target]
        Measured activity; NaN is replaced by 0 where not `present`.
    present : bool array [row, target]
        Whether the muscle was measured throughout the cycle of that row.
    counterparts : tuple of tuple of tuple of int
        For each model, the indices of its input channels that each target is compared with.
    n_cycles : int
        Cycles of the cohort.
    """

    composition: Composition
    inputs: NDArray[np.float32]
    targets: NDArray[np.float32]
    present: NDArray[np.bool_]
    counterparts: tuple[tuple[tuple[int, ...], ...], ...]
    n_cycles: int

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models: ``joint``, or one a muscle."""
        return self.composition.models

    @property
    def rows_a_cycle(self) -> int:
        """Rows that a cycle becomes: 4 under One-Quarter, otherwise 1."""
        return QUARTERS if self.composition.pattern == "one-quarter" else 1

    def input_rows(
        self, model: int, cycles: "Sequence[int] | NDArray[np.intp]"
    ) -> NDArray[np.intp]:
        """Rows of `inputs` that a model's cycles became."""
        shared = len(self.inputs) == self.n_cycles * self.rows_a_cycle
        return self._rows(0 if shared else model, cycles)

    def target_rows(
        self, model: int, cycles: "Sequence[int] | NDArray[np.intp]"
    ) -> NDArray[np.intp]:
        """Rows of `targets` and `present` that a model's cycles became."""
        return self._rows(model, cycles)

    def _rows(self, model: int, cycles: "Sequence[int] | NDArray[np.intp]") -> NDArray[np.intp]:
        first = (model * self.n_cycles + np.asarray(cycles, np.intp)) * self.rows_a_cycle
        return (first[:, None] + np.arange(self.rows_a_cycle)).ravel()

    def joined(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Join a model's output rows into cycles [cycle, 20, target]."""
        return joined(rows, self.composition)


def composition_of(
    cohort: Cohort, *, pattern: str, targets: str, quarter_samples: int = SAMPLES // QUARTERS
) -> Composition:
    """Say how models, channels and muscles of a cohort belong together under an input pattern.

    Parameters
    ----------
    cohort : Cohort
    pattern : {"one-quarter", "one-entire", "all-entire"}
    targets : {"each", "joint"}
        One model a muscle, or one for all.
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
        model_samples=quarter_samples if pattern == "one-quarter" else SAMPLES,
    )


def build(thinned: Thinned, composition: Composition, *, store: Store = in_memory) -> Problem:
    """Make the rows that models are fitted on.

    Parameters
    ----------
    thinned : Thinned
        The cohort's cycles.
    composition : Composition
        From `composition_of`.
    store : Store
        Keeps what is a copy of the thinned cycles.

    Returns
    -------
    Problem
    """
    whole = composition.pattern == "all-entire"
    places = {name: i for i, name in enumerate(composition.channels)}
    muscles = [
        [composition.muscles.index(name) for name in composition.muscles_of(model)]
        for model in composition.models
    ]
    seen = np.concatenate(
        [
            np.isfinite(thinned.measured[rows]).all(axis=1)
            for rows in blocks(len(thinned.measured), SAMPLES * len(composition.muscles))
        ]
        or [np.zeros((0, len(composition.muscles)), bool)]
    )
    present = np.concatenate([seen[:, columns] for columns in muscles])
    if composition.pattern == "one-quarter":
        present = np.repeat(present, QUARTERS, axis=0)
    return Problem(
        composition=composition,
        inputs=thinned.simulated if whole else _single_inputs(thinned, composition, store),
        targets=_targets(thinned, composition, muscles, seen, store),
        present=present,
        counterparts=tuple(
            tuple(tuple(places[name] for name in composition.counterparts[i]) for i in columns)
            if whole
            else ((0,),)
            for columns in muscles
        ),
        n_cycles=len(thinned.measured),
    )


def _single_inputs(thinned: Thinned, composition: Composition, store: Store) -> NDArray[np.float32]:
    """Inputs of the One-* patterns: one channel, the rows of one model after the other."""
    simulated = thinned.simulated

    def parts() -> Iterator[NDArray[np.float32]]:
        for muscle in composition.muscles:
            for rows in blocks(len(simulated), SAMPLES * simulated.shape[2]):
                yield model_input(simulated[rows], composition, muscle=muscle)

    count = len(composition.muscles) * len(simulated) * SAMPLES // _row_samples(composition)
    shape = (count, composition.model_samples, 1)
    return store(f"inputs-{composition.pattern}", shape, np.float32, parts)


def _targets(
    thinned: Thinned,
    composition: Composition,
    muscles: Sequence[Sequence[int]],
    seen: NDArray[np.bool_],
    store: Store,
) -> NDArray[np.float32]:
    """Measured activity, the rows of one model after the other; 0 where it was not measured."""
    measured, row_samples = thinned.measured, _row_samples(composition)

    def parts() -> Iterator[NDArray[np.float32]]:
        for columns in muscles:
            for rows in blocks(len(measured), SAMPLES * measured.shape[2]):
                wanted = measured[rows][:, :, columns]
                wanted = np.where(seen[rows][:, None, columns], wanted, np.float32(0))
                wanted = wanted.reshape(-1, row_samples, len(columns))
                if composition.pattern == "one-quarter":
                    wanted = resample(wanted, composition.model_samples)
                yield wanted.astype(np.float32)

    count = len(muscles) * len(measured) * SAMPLES // row_samples
    shape = (count, composition.model_samples, len(muscles[0]))
    name = "quarters" if composition.pattern == "one-quarter" else composition.targets
    return store(f"targets-{name}", shape, np.float32, parts)


def _row_samples(composition: Composition) -> int:
    """Samples of a cycle that one row stands for."""
    return SAMPLES // QUARTERS if composition.pattern == "one-quarter" else SAMPLES


LARGEST_IN_MEMORY = 64 * 2**20
"""Bytes of thinned cycles up to which each process keeps its own in memory."""


class RowFiles:
    """Keeps arrays in files of a folder; a `nem2e_tf.training.rows.Store`.

    Parameters
    ----------
    folder : Path
        Made when the first array is written.
    digest : str
        Of the cohort.
    """

    def __init__(self, folder: Path, digest: str) -> None:
        self.folder = folder
        self.digest = digest

    def __call__(
        self, name: str, shape: tuple[int, ...], dtype: type[Any], parts: Parts
    ) -> NDArray[Any]:
        """Return an array, memory-mapped; write it first if it is not there.

        Raises
        ------
        InputError
            The disk is too small for it.
        """
        file, note = self.folder / f"{name}.npy", self.folder / f"{name}.json"
        told = {"cohort": self.digest, "shape": list(shape)}
        if not _is_whole(file, note, told):
            self.folder.mkdir(exist_ok=True)
            self._check_space(file, int(np.prod(shape)) * np.dtype(dtype).itemsize)
            note.unlink(missing_ok=True)
            written = _write(file, shape, np.dtype(dtype), parts)
            write_json(note, {**told, "sha256": written})
        return np.load(file, mmap_mode="r", allow_pickle=False)

    def is_begun(self) -> bool:
        """Whether the folder holds the thinned cycles of the cohort already."""
        try:
            return bool(read_json(self.folder / "simulated.json")["cohort"] == self.digest)
        except (InputError, KeyError, TypeError):
            return False

    def _check_space(self, file: Path, size: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if size > free:
            raise InputError(
                f"{file}: expected {size / 1e9:.1f} GB of free disk for the thinned cohort, found "
                f"{free / 1e9:.1f}; make room, or choose a folder on another disk"
            )

    def tidy(self) -> None:
        """Remove what a writer that was killed left; for when nobody is writing."""
        for left in self.folder.glob(".*"):
            left.unlink()

    def remove(self) -> None:
        """Remove all files."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _is_whole(file: Path, note: Path, told: dict[str, Any]) -> bool:
    try:
        return bool(read_json(note) == {**told, "sha256": sha256(file)})
    except (InputError, OSError):
        return False


def _write(file: Path, shape: tuple[int, ...], dtype: np.dtype[Any], parts: Parts) -> str:
    """Write an array whole or not at all; return the file's SHA-256."""
    total = hashlib.sha256()
    with replacing(file) as temporary, temporary.open("w+b") as stream:
        header = {"descr": dtype.newbyteorder("<").str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        stream.seek(0)
        total.update(stream.read())
        for part in parts():
            data = np.ascontiguousarray(part, dtype=dtype.newbyteorder("<")).data
            total.update(data)
            stream.write(data)
    return total.hexdigest()


def thinned_bytes(cohort: Cohort) -> int:
    """Bytes that the thinned cycles of a cohort take."""
    return len(cohort.cycles) * SAMPLES * (len(cohort.channels) + len(cohort.muscles)) * 4


def store_for(cohort: Cohort, folder: Path, *, digest: str) -> Store:
    """Choose where thinned cycles and rows are kept: in memory, or in files if they are large."""
    if thinned_bytes(cohort) <= LARGEST_IN_MEMORY:
        return in_memory
    return RowFiles(folder, digest)


@contextmanager
def store_beside(cohort: Cohort, path: "str | os.PathLike[str] | None") -> Iterator[Store]:
    """Give a store for as long as a block runs; its files, if any, are on the disk of a path.

    Without a path they are in the system's temporary folder.
    """
    if thinned_bytes(cohort) <= LARGEST_IN_MEMORY:
        yield in_memory
        return
    place = path and next(parent for parent in Path(path).resolve().parents if parent.is_dir())
    with tempfile.TemporaryDirectory(prefix=".nem2e-tf-rows-", dir=place) as folder:
        yield RowFiles(Path(folder), "")
