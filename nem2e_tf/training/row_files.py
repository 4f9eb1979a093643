"""Thinned cycles and rows of a cohort larger than memory, kept in files that are memory-mapped.

``rows/`` of a run folder: ``<name>.npy``, and beside each ``<name>.json`` that says which cohort it
was made of, the array's shape and the file's SHA-256. A file that is damaged, cut short or of
another cohort is made again. All processes of a run read the same files, and so does a run that
goes on; they are removed when the results are written.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.cohort import Cohort
from nem2e_tf.composition import SAMPLES
from nem2e_tf.errors import InputError
from nem2e_tf.files import read_json, replacing, sha256, write_json
from nem2e_tf.thinning import Parts, Store, in_memory

LARGEST_IN_MEMORY = 64 * 2**20
"""Bytes of thinned cycles up to which each process keeps its own in memory."""


class RowFiles:
    """Keeps arrays in files of a folder; a `nem2e_tf.thinning.Store`.

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
def store_beside(cohort: Cohort, path: "str | os.PathLike[str]") -> Iterator[Store]:
    """Give a store whose files, if it needs any, are on the disk of a path and go in the end."""
    if thinned_bytes(cohort) <= LARGEST_IN_MEMORY:
        yield in_memory
        return
    place = next(parent for parent in Path(path).resolve().parents if parent.is_dir())
    with tempfile.TemporaryDirectory(prefix=".nem2e-tf-rows-", dir=place) as folder:
        yield RowFiles(Path(folder), "")
