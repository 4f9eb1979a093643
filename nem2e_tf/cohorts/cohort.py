"""Cohort: aligned gait cycles of simulated and measured muscle activity, in memory and on disk."""

import hashlib
import io
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.io.files import output_folder, read_json, replacing, write_json, write_text

FORMAT = 1
POINTS = 101
CYCLE_COLUMNS = ("subject", "condition", "speed", "side", "trial", "cycle", "start", "end")
_COLUMNS = {
    "cycles": CYCLE_COLUMNS,
    "channels": ("name", "source"),
    "muscles": ("name", "electrode", "counterparts"),
}
TEXT_COLUMNS = ("subject", "condition", "side", "trial", "odd")


@dataclass(frozen=True)
class Report:
    """What was used of the recordings that a cohort was built from.

    Attributes
    ----------
    cycles_used : int
        Cycles in the cohort.
    cycles_left_out : tuple of str
        Each cycle that was left out, and the reason.
    columns_left_out : tuple of str
        Columns that were left out, one text per file and reason.
    odd_cycles : tuple of str
        Cycles in the cohort that differ from the others, and how.
    notes : tuple of str
        Irregularities of the files, and how the values were changed.
    """

    cycles_used: int = 0
    cycles_left_out: tuple[str, ...] = ()
    columns_left_out: tuple[str, ...] = ()
    odd_cycles: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True, eq=False, repr=False)
class Cohort:
    """Aligned cycles of a number of subjects.

    Attributes
    ----------
    name : str
        Name of the cohort in reports.
    simulated : float32 array [cycle, 101, channel]
        Activation from the simulator, 0 to 1, at 0 to 100 % of the cycle. Never NaN.
    measured : float32 array [cycle, 101, muscle]
        Normalised EMG. NaN for a bad electrode: such a cycle is left out for that muscle.
    cycles : DataFrame
        One row per cycle: subject, condition, speed (m/s), side, trial, cycle (number within the
        trial), start and end (s). Further columns are kept. A cohort of recordings has the column
        ``odd``, which describes how a cycle differs from the others.
    channels : DataFrame
        One row per simulated channel: ``name`` (such as ``soleus_ipsi``) and ``source`` (its label
        in the recordings).
    muscles : DataFrame
        One row per measured muscle: ``name``, ``electrode`` (muscles of one electrode have the
        same signal) and ``counterparts`` (names of the channels it is compared with, separated by
        spaces; their mean is the simulation's estimate).
    normalisation : str
        How the EMG was normalised, in words; empty if unknown.
    report : Report
        What was used and left out of the recordings; empty for a cohort read from a folder.

    Examples
    --------
    >>> import nem2e_tf as nem2e
    >>> cohort = nem2e.synthesise("walk")
    >>> cohort.simulated.shape, cohort.measured.shape  # cycle, point, channel or muscle
    ((32, 101, 92), (32, 101, 5))
    >>> cohort.select(cohort.cycles["speed"] > 1.5)
    <Cohort walk: 8 cycles of 8 subjects, 92 channels, 5 muscles>
    """

    name: str
    simulated: NDArray[np.float32]
    measured: NDArray[np.float32]
    cycles: pd.DataFrame
    channels: pd.DataFrame
    muscles: pd.DataFrame
    normalisation: str = ""
    report: Report = field(default_factory=Report)

    def __repr__(self) -> str:
        return (
            f"<Cohort {self.name}: {len(self.cycles)} cycles of "
            f"{self.cycles['subject'].nunique()} subjects, {len(self.channels)} channels, "
            f"{len(self.muscles)} muscles>"
        )

    def __post_init__(self) -> None:
        n_cycles = len(self.cycles)
        expected = (n_cycles, POINTS, len(self.channels))
        if self.simulated.shape != expected:
            raise InputError(f"simulated: expected shape {expected}, found {self.simulated.shape}")
        expected = (n_cycles, POINTS, len(self.muscles))
        if self.measured.shape != expected:
            raise InputError(f"measured: expected shape {expected}, found {self.measured.shape}")
        for what, columns in _COLUMNS.items():
            missing = [column for column in columns if column not in getattr(self, what).columns]
            if missing:
                raise InputError(f"{what}: expected a column {missing[0]}, found none")
        for table, what in ((self.channels, "channel"), (self.muscles, "muscle")):
            twice = table["name"][table["name"].duplicated()]
            if len(twice):
                raise InputError(f"{what} {twice.iloc[0]}: expected once, found twice")
        unknown = sorted(
            {name for row in self.muscles["counterparts"] for name in str(row).split()}
            - set(self.channels["name"])
        )
        if unknown:
            raise InputError(f"counterpart {unknown[0]}: expected one of the channels")

    @property
    def channel_names(self) -> list[str]:
        """Names of the simulated channels, in order."""
        return [str(name) for name in self.channels["name"]]

    @property
    def muscle_names(self) -> list[str]:
        """Names of the measured muscles, in order."""
        return [str(name) for name in self.muscles["name"]]

    @cached_property
    def counterparts(self) -> tuple[tuple[int, ...], ...]:
        """Indices of each muscle's counterparts among the channels."""
        index = {name: i for i, name in enumerate(self.channel_names)}
        return tuple(
            tuple(index[name] for name in str(row).split()) for row in self.muscles["counterparts"]
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the tables and arrays."""
        total = hashlib.sha256()
        for what, columns in _COLUMNS.items():
            total.update(_csv(getattr(self, what)[list(columns)]).encode())
        for array in (self.simulated, self.measured):
            total.update(repr(array.shape).encode())
            for row in array:
                total.update(np.ascontiguousarray(row, dtype="<f4").tobytes())
        return total.hexdigest()

    def select(self, rows: "Sequence[int] | NDArray[np.intp] | NDArray[np.bool_]") -> "Cohort":
        """Return a cohort of some of the cycles, in the given order.

        Parameters
        ----------
        rows : sequence of int, or boolean array over the cycles
            Cycles to keep.

        Examples
        --------
        >>> from nem2e_tf.cohorts.synthetic.cohorts import synthesise
        >>> cohort = synthesise("walk", n_subjects=2)
        >>> cohort.select(cohort.cycles["condition"] == "free")
        <Cohort walk: 2 cycles of 2 subjects, 92 channels, 5 muscles>
        """
        index = np.asarray(rows)
        if index.dtype == bool:
            index = np.flatnonzero(index)
        return replace(
            self,
            simulated=self.simulated[index],
            measured=self.measured[index],
            cycles=self.cycles.iloc[index].reset_index(drop=True),
        )

    def save(self, path: "str | os.PathLike[str]") -> Path:
        """Write the cohort as a folder: ``cohort.json``, three CSV tables, two ``.npy`` arrays.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        InputError
            The folder has other files.
        """
        folder = output_folder(path, marker="cohort.json")
        for array, name in ((self.simulated, "simulated"), (self.measured, "measured")):
            with replacing(folder / f"{name}.npy") as temporary, temporary.open("wb") as stream:
                np.lib.format.write_array(
                    stream, np.ascontiguousarray(array, dtype="<f4"), allow_pickle=False
                )
        self.save_tables(folder)
        return folder

    def save_tables(self, folder: Path) -> None:
        """Write the tables to a folder that has the arrays already."""
        for what in _COLUMNS:
            write_text(folder / f"{what}.csv", _csv(getattr(self, what)))
        write_json(
            folder / "cohort.json",
            {
                "format": FORMAT,
                "name": self.name,
                "cycles": len(self.cycles),
                "points": POINTS,
                "channels": len(self.channels),
                "muscles": len(self.muscles),
                "normalisation": self.normalisation,
                "digest": self.digest,
            },
        )


def load_cohort(path: "str | os.PathLike[str]") -> Cohort:
    """Read a cohort folder; the arrays are memory-mapped.

    Parameters
    ----------
    path : path-like
        A folder written by `Cohort.save` or the command line.

    Raises
    ------
    InputError
        The folder or one of its files is missing, truncated, or does not fit the others.

    Examples
    --------
    >>> import tempfile
    >>> import nem2e_tf as nem2e
    >>> with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    ...     saved = nem2e.synthesise("walk", n_subjects=2).save(f"{folder}/walk")
    ...     load_cohort(saved)
    <Cohort walk: 8 cycles of 2 subjects, 92 channels, 5 muscles>
    """
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a cohort folder, found no such folder")
    if not (folder / "cohort.json").exists():
        raise InputError(
            f"{folder}: expected a cohort folder with cohort.json, found none; "
            "create one with 'nem2e-tf data synth' or 'nem2e-tf data build'"
        )
    header = read_json(folder / "cohort.json")
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise InputError(
            f"{folder / 'cohort.json'}: expected cohort format {FORMAT}, found another"
        )
    tables = {}
    for name in _COLUMNS:
        file = folder / f"{name}.csv"
        try:
            tables[name] = pd.read_csv(
                file,
                dtype=dict.fromkeys(TEXT_COLUMNS, str) if name == "cycles" else str,
                keep_default_na=name == "cycles",
                na_values=[""] if name == "cycles" else None,
            )
        except (OSError, ValueError) as error:
            raise InputError(f"{file}: expected a table, found {error}") from None
        if name == "cycles":
            present = [column for column in TEXT_COLUMNS if column in tables[name]]
            tables[name][present] = tables[name][present].fillna("")
    arrays = {}
    for name in ("simulated", "measured"):
        file = folder / f"{name}.npy"
        try:
            arrays[name] = np.load(file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(
                f"{file}: expected a complete .npy array, found {error}; build the cohort again"
            ) from None
    try:
        return Cohort(
            name=str(header["name"]),
            simulated=arrays["simulated"],
            measured=arrays["measured"],
            cycles=tables["cycles"],
            channels=tables["channels"],
            muscles=tables["muscles"],
            normalisation=str(header.get("normalisation", "")),
        )
    except (InputError, KeyError) as error:
        raise InputError(f"{folder}: {error}") from None


def _csv(table: pd.DataFrame) -> str:
    buffer = io.StringIO()
    table.to_csv(buffer, index=False, lineterminator="\n")
    return buffer.getvalue()
