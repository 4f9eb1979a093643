"""All TFLite files of an export: every piece of a refiner in every precision asked for."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.export import further, lstm_operator, parity, tflite
from nem2e_tf.export.audit import SIGNATURE
from nem2e_tf.export.checked import Checked
from nem2e_tf.export.lstm_operator import FUSED
from nem2e_tf.export.pieces import Piece, pieces_of
from nem2e_tf.export.precision import (
    check_choices,
    file_name,
    recurrence_for,
    write_calibration,
)
from nem2e_tf.export.saved_model import write_saved_model
from nem2e_tf.refiner import Refiner


@dataclass(frozen=True)
class Choices:
    """How TFLite files are to be made.

    Parameters
    ----------
    limits : mapping of str to Limits
        How far a file may differ, by precision.
    precisions : tuple of str
        Of `nem2e_tf.export.precision.PRECISIONS`; each gives a file of its own.
    io : {"float32", "int8"}
        What goes in and out at precision int8.
    recurrence : {"auto", "loop", "unrolled", "fused"}
        See `nem2e_tf.export.precision.recurrence_for`.
    combine : bool
        One file for all muscles of a refiner that has a model a muscle.
    signatures : tuple of str
        What files get beside ``refine``; see `nem2e_tf.export.further`.

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
