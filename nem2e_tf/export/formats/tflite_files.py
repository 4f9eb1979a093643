"""All TFLite files of an export: every piece of a refiner in every precision asked for.

The number formats of a TFLite file, and the form of recurrence that goes with each.
"""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import ExportError, InputError
from nem2e_tf.export import parity
from nem2e_tf.export.checked import Checked
from nem2e_tf.export.file.audit import INPUT, SIGNATURE
from nem2e_tf.export.formats import tflite
from nem2e_tf.export.formats.saved_model import write_saved_model
from nem2e_tf.export.graph import further
from nem2e_tf.export.graph import tracing as lstm_operator
from nem2e_tf.export.graph.pieces import Piece, pieces_of
from nem2e_tf.export.graph.tracing import FUSED
from nem2e_tf.names import PRECISIONS
from nem2e_tf.refiners.info import Reference
from nem2e_tf.refiners.patterns import model_input
from nem2e_tf.refiners.refiner import Refiner

IO = ("float32", "int8")
RECURRENCES = ("auto", "loop", "unrolled", "fused")


def file_name(model: str, precision: str) -> str:
    """Name the file of a model in a precision.

    Examples
    --------
    >>> file_name("joint", "float32"), file_name("joint", "int8")
    ('joint.tflite', 'joint.int8.tflite')
    """
    return f"{model}.tflite" if precision == "float32" else f"{model}.{precision}.tflite"


def recurrence_for(precision: str, *, asked: str, has_recurrence: bool) -> str:
    """Choose the form of a model's recurrences.

    Parameters
    ----------
    precision : str
        One of `PRECISIONS`.
    asked : {"auto", "loop", "unrolled", "fused"}
        ``auto``: the small form wherever it can be had.
    has_recurrence : bool
        Whether the model has any.

    Returns
    -------
    {"loop", "unrolled", "fused"}

    Raises
    ------
    InputError
        Full quantisation of a loop: the converter crashes on it.

    Examples
    --------
    >>> recurrence_for("dynamic", asked="auto", has_recurrence=True)
    'loop'
    >>> recurrence_for("int8", asked="auto", has_recurrence=True)
    'unrolled'
    """
    if precision == "int8" and asked == "loop" and has_recurrence:
        raise InputError(
            "precision int8: expected recurrence auto, unrolled or fused, found loop; full "
            "quantisation crashes on loops"
        )
    if asked == "auto":
        return "unrolled" if precision == "int8" else "loop"
    return asked


def check_choices(precisions: "tuple[str, ...]", *, io: str, recurrence: str) -> None:
    """Refuse choices that make no sense, before anything is loaded.

    Raises
    ------
    InputError
        An unknown one, one that stands twice, or integers in and out without full quantisation.
    """
    for value in precisions:
        if value not in PRECISIONS:
            raise InputError(f"precision: expected {' or '.join(PRECISIONS)}, found {value}")
        if precisions.count(value) > 1:
            raise InputError(f"precision {value}: expected once, found twice")
    if recurrence not in RECURRENCES:
        raise InputError(f"recurrence: expected {' or '.join(RECURRENCES)}, found {recurrence}")
    if io not in IO:
        raise InputError(f"io: expected {' or '.join(IO)}, found {io}")
    if io == "int8" and "int8" not in precisions:
        raise InputError("io int8: expected precision int8 with it, found none")


def write_calibration(piece: Piece, reference: Reference, folder: Path) -> Path:
    """Write the rows that full quantisation finds its ranges on: only cycles fitted on.

    Parameters
    ----------
    piece : Piece
        What is quantised.
    reference : Reference
        Of the refiner. What is held out in it is never looked at: finding ranges is fitting.
    folder : Path
        Where.

    Returns
    -------
    Path
        For `nem2e_tf.export.formats.tflite.Job`.

    Raises
    ------
    ExportError
        The refiner has none: an earlier version trained it.
    """
    if reference.calibration is None or not len(reference.calibration):
        raise ExportError(
            "precision int8: expected training cycles to calibrate on in the refiner's "
            "reference.npz, found none (made by an earlier version); train it again"
        )
    arrays: dict[str, Any] = {INPUT: calibration_rows(piece, reference.calibration)}
    file = folder / f"{piece.name}.calibration.npz"
    np.savez(file, **arrays)
    return file


def calibration_rows(piece: Piece, cycles: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Lay cycles [cycle, 20, channel of the refiner] out as what the piece takes in."""
    part = piece.composition
    return model_input(cycles[:, :, piece.columns], part, muscle=part.muscles[0])


@dataclass(frozen=True)
class Choices:
    """How TFLite files are to be made.

    Parameters
    ----------
    limits : mapping of str to Limits
        How far a file may differ, by precision.
    precisions : tuple of str
        Of `nem2e_tf.export.formats.tflite_files.PRECISIONS`; each gives a file of its own.
    io : {"float32", "int8"}
        What goes in and out at precision int8.
    recurrence : {"auto", "loop", "unrolled", "fused"}
        See `nem2e_tf.export.formats.tflite_files.recurrence_for`.
    combine : bool
        One file for all muscles of a refiner that has a model a muscle.
    signatures : tuple of str
        What files get beside ``refine``; see `nem2e_tf.export.graph.further`.

    Raises
    ------
    InputError
        Choices that make no sense, or not together.
    """

    limits: Mapping[str, parity.Limits]
    precisions: tuple[str, ...] = ("float32",)
    io: str = "float32"
    recurrence: str = "auto"
    combine: bool = False
    signatures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_choices(self.precisions, io=self.io, recurrence=self.recurrence)
        if self.recurrence == FUSED and (self.combine or self.signatures):
            found = "combine" if self.combine else self.signatures[0]
            raise InputError(
                f"recurrence fused: expected one file a model with the signature {SIGNATURE} "
                f"alone, found {found}; choose another recurrence"
            )
        if self.combine and self.signatures:
            raise InputError(
                f"combine: expected the signature {SIGNATURE} alone, found {self.signatures[0]} "
                "as well; export it one file a muscle"
            )


def tflite_files(
    refiner: Refiner, choices: Choices, *, refined: NDArray[np.float32]
) -> Iterator[tuple[str, Checked]]:
    """Convert, in one child process, and check each file on real cycles.

    Parameters
    ----------
    refiner : Refiner
    choices : Choices
    refined : float32 array [cycle, 20, muscle]
        What the refiner gives for its reference cycles.

    Yields
    ------
    name of the file, Checked

    Raises
    ------
    ExportError
        A conversion or a check failed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        made = [
            (piece, job)
            for piece in pieces_of(refiner, combine=choices.combine)
            for job in jobs_of(refiner, piece, choices, Path(scratch))
        ]
        tflite.convert([job for _, job in made])
        for piece, job in made:
            name = job.target.name
            yield (
                name,
                tflite.finish(
                    job.target.read_bytes(),
                    refiner,
                    piece,
                    name=name,
                    refined=refined,
                    recurrence=job.saved_model.name,
                    precision=job.precision,
                    io=job.io,
                    limits=choices.limits[job.precision],
                    signatures=choices.signatures,
                ),
            )


def jobs_of(refiner: Refiner, piece: Piece, choices: Choices, scratch: Path) -> list[tflite.Job]:
    """Write a piece's SavedModels and say what is to be converted, a job a precision.

    Parameters
    ----------
    refiner : Refiner
    piece : Piece
        One of its pieces.
    choices : Choices
    scratch : Path
        Folder for SavedModels, calibration rows and the files to come; a SavedModel's own folder is
        named after the form of its recurrences.

    Raises
    ------
    InputError
        The piece cannot be had this way.
    """
    jobs = []
    for precision in choices.precisions:
        form = recurrence_for(
            precision, asked=choices.recurrence, has_recurrence=piece.has_recurrence
        )
        if form == FUSED:
            lstm_operator.require(piece, entry=refiner.info.model)
        # asked for before anything is made: it refuses what does not go with the precision
        endpoints = (
            further.endpoints(refiner, piece.name, choices.signatures, precision=precision)
            if choices.signatures
            else []
        )
        full = precision == "int8"
        folder = scratch / piece.name / ("integers" if full else "numbers") / form
        if not folder.is_dir():
            write_saved_model(
                piece.model,
                folder,
                recurrence=form,
                batch=1,
                integers=full,
                endpoints=endpoints,
            )
        jobs.append(
            tflite.Job(
                folder,
                scratch / file_name(piece.name, precision),
                signatures=(SIGNATURE, *choices.signatures),
                precision=precision,
                io=choices.io if full else "float32",
                representative=(
                    write_calibration(piece, refiner.reference, scratch) if full else None
                ),
            )
        )
    return jobs
