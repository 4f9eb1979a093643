"""The number formats of a TFLite file, and the form of recurrence that goes with each."""

from pathlib import Path
from typing import Any

import numpy as np

from nem2e_tf.composition import model_input
from nem2e_tf.errors import InputError
from nem2e_tf.export import ExportError
from nem2e_tf.export.audit import INPUT
from nem2e_tf.export.pieces import Piece
from nem2e_tf.refiner_info import Reference

PRECISIONS = ("float32", "float16", "dynamic", "int8")
"""Weights and activations in float32; weights in float16; weights in 8 bits, activations in float32
but for the matrix products; all in 8 bits, which microcontrollers and accelerators want."""

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
        For `nem2e_tf.export.tflite.Job`.

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
