"""The objects that an export passes from step to step: choices, context and results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.export.file.audit import FURTHER, SIGNATURE
from nem2e_tf.io.files import sha256
from nem2e_tf.names import FORMATS, PRECISIONS
from nem2e_tf.refiners.refiner import Refiner

FUSED = "fused"
IO = ("float32", "int8")
RECURRENCES = ("auto", "loop", "unrolled", FUSED)
ARENA_LIMIT = 256 * 1024
"""Default limit of the working memory on a microcontroller, bytes."""


@dataclass(frozen=True)
class Limits:
    """Largest differences from the refiner that an exported file may have.

    Parameters
    ----------
    difference : float
        Of a sample, as a fraction of the muscle's range.
    rmse : float
        Relative change of the error against measured EMG.
    negligible : float
        Changes of the error below this fraction of the muscle's range pass: the error of a perfect
        refiner is rounding, and so is its change.
    """

    difference: float
    rmse: float
    negligible: float = 1e-5


LIMITS = {
    "float32": Limits(difference=1e-5, rmse=1e-4, negligible=1e-5),
    "float16": Limits(difference=5e-3, rmse=5e-3, negligible=1e-4),
    "dynamic": Limits(difference=0.05, rmse=0.01, negligible=5e-4),
    "int8": Limits(difference=0.15, rmse=0.03, negligible=1e-3),
}
"""Default limits, by precision: slightly above the differences measured for the zoo's entries.

For int8, ``rmse`` is the largest loss at which the evidence still applies to the file.
"""


@dataclass(frozen=True)
class Choices:
    """The formats and forms of the exported files; see `nem2e_tf.export.exporter.export`.

    Raises
    ------
    InputError
        A value is unknown, or two of them exclude each other.
    """

    formats: tuple[str, ...] = ("tflite",)
    precisions: tuple[str, ...] = ("float32",)
    io: str = "float32"
    recurrence: str = "auto"
    combine: bool = False
    signatures: tuple[str, ...] = ()
    limits: Mapping[str, Limits] = field(default_factory=lambda: LIMITS)
    arena_limit: int = ARENA_LIMIT
    timed: bool = True

    def __post_init__(self) -> None:
        for values, known, name in (
            (self.formats or ("none",), FORMATS, "formats"),
            (self.precisions, PRECISIONS, "precisions"),
            ((self.recurrence,), RECURRENCES, "recurrence"),
            ((self.io,), IO, "io"),
            (self.signatures, FURTHER, "signatures"),
        ):
            for value in values:
                if value not in known:
                    raise InputError(f"{name}: expected {' or '.join(known)}, found {value}")
                if values.count(value) > 1:
                    raise InputError(f"{name} {value}: expected once, found twice")
        if self.io == "int8" and "int8" not in self.precisions:
            raise InputError("io int8: expected int8 among the precisions, found none")
        if self.signatures and "tflite" not in self.formats:
            raise InputError(f"signatures: expected the format tflite for {self.signatures[0]}")
        if self.signatures and "int8" in self.precisions:
            raise InputError(
                f"signatures: expected none besides {SIGNATURE} with precision int8, found "
                f"{self.signatures[0]}: full quantisation is calibrated on the input of "
                f"{SIGNATURE}; choose another precision"
            )
        others = [name for name in self.formats if name != "tflite"]
        others += ["combine"] * self.combine + list(self.signatures)
        if self.recurrence == FUSED and others:
            raise InputError(
                "recurrence fused: expected the format tflite alone, one file per model with the "
                f"signature {SIGNATURE}, found {others[0]}; choose another recurrence"
            )
        if self.combine and self.signatures:
            raise InputError(
                f"combine: expected the signature {SIGNATURE} alone, found {self.signatures[0]} "
                "as well; export one file per muscle"
            )

    def recurrence_for(self, precision: str, *, has_recurrence: bool = True) -> str:
        """Choose the form of a model's recurrences: with ``auto``, the small one where possible.

        Returns
        -------
        {"loop", "unrolled", "fused"}

        Raises
        ------
        InputError
            Full quantisation of a loop, on which the converter crashes.

        Examples
        --------
        >>> Choices().recurrence_for("dynamic"), Choices().recurrence_for("int8")
        ('loop', 'unrolled')
        """
        if precision == "int8" and self.recurrence == "loop" and has_recurrence:
            raise InputError(
                "recurrence loop: expected auto, unrolled or fused with precision int8; full "
                "quantisation crashes on loops"
            )
        if self.recurrence == "auto":
            return "unrolled" if precision == "int8" else "loop"
        return self.recurrence


@dataclass(frozen=True, eq=False)
class Export:
    """An export in progress: what every step reads.

    Parameters
    ----------
    refiner : Refiner
        Its ``reference`` holds the reference cycles, on which files are compared, and the
        calibration cycles.
    choices : Choices
    folder : Path
        Temporary folder that becomes the export folder.
    scratch : Path
        Folder for intermediate files; deleted.
    refined : float32 array [cycle, 20, muscle]
        Output of the refiner for its reference cycles.
    """

    refiner: Refiner
    choices: Choices
    folder: Path
    scratch: Path
    refined: NDArray[np.float32]


@dataclass(frozen=True)
class Job:
    """The conversion of a SavedModel to a ``.tflite`` or ``.onnx``.

    Parameters
    ----------
    saved_model : Path
        Folder to read.
    target : Path
        File to write; its suffix decides the format.
    signatures : tuple of str
        Signatures of the SavedModel that go into the file.
    recurrence : {"loop", "unrolled", "fused"}
        Form of the recurrences in the SavedModel.
    precision : str
        One of `nem2e_tf.names.PRECISIONS`.
    io : {"float32", "int8"}
        Type of the inputs and outputs of a fully quantised file.
    representative : Path, optional
        Representative data set for full quantisation: an ``.npz`` with an array [row, ...] for
        each input of the signatures.
    """

    saved_model: Path
    target: Path
    signatures: tuple[str, ...] = (SIGNATURE,)
    recurrence: str = "loop"
    precision: str = "float32"
    io: str = "float32"
    representative: Path | None = None


@dataclass(frozen=True)
class ExportedFile:
    """One exported file (of a SavedModel: folder), as ``index.json`` lists it.

    Attributes
    ----------
    file : str
        Path within the export folder.
    format : {"saved-model", "tflite", "onnx", "micro"}
    muscles : tuple of str
        Muscles that it refines.
    n_bytes : int
        Size; for a folder, of all its files.
    sha256 : str
        Checksum of the file; empty for a folder.
    recurrence, precision, io : str
        Form of the graph; see `Job`.
    operators : dict of str to int
        Operators, with how often each occurs; empty for a SavedModel.
    parity : tuple of dict
        For each muscle, how the file compares with the refiner.
    latency : dict or None
        ``median_ms``, ``p99_ms`` and ``peak_mb`` of one row on one thread of the machine that
        exported it; None if it was not measured.
    arena_bytes : int or None
        Working memory on a microcontroller; see `nem2e_tf.export.formats.micro`.
    notes : tuple of str
        Forms that were tried before and failed, with the reason.
    """

    file: str
    format: str
    muscles: tuple[str, ...]
    n_bytes: int
    sha256: str
    recurrence: str
    precision: str
    operators: dict[str, int]
    parity: tuple[dict[str, Any], ...]
    io: str = "float32"
    latency: dict[str, float | None] | None = None
    arena_bytes: int | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def listed(
        cls, folder: Path, file: str, metadata: dict[str, Any], parity: Sequence[Any], **more: Any
    ) -> "ExportedFile":
        """Describe a written file, or SavedModel, by its metadata and parity."""
        path = folder / file
        found: dict[str, Any] = {
            "format": path.suffix[1:] or "saved-model",
            "muscles": tuple(muscle["name"] for muscle in metadata["muscles"]),
            "n_bytes": sum(i.stat().st_size for i in (path, *path.rglob("*")) if i.is_file()),
            "sha256": sha256(path) if path.is_file() else "",
            "operators": metadata.get("operators", {}),
            "parity": tuple(item.to_json() for item in parity),
            "recurrence": metadata["recurrence"],
            "precision": metadata["precision"],
            "io": metadata.get("io", "float32"),
        }
        return cls(file, **(found | more))
