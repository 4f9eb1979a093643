"""From SavedModels to checked ONNX files that say what they are (extra ``onnx``)."""

import importlib.util
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.export import parity
from nem2e_tf.export.checked import Checked, checked
from nem2e_tf.export.file import onnx_file
from nem2e_tf.export.file.metadata import describe
from nem2e_tf.export.file.onnx_audit import audit, check
from nem2e_tf.export.formats import tflite
from nem2e_tf.export.formats.saved_model import write_saved_model
from nem2e_tf.export.graph.pieces import Piece, pieces_of
from nem2e_tf.refiners.refiner import Refiner

NEEDED = ("tf2onnx", "onnx", "onnxruntime")


def require() -> None:
    """Refuse to go on without the extra.

    Raises
    ------
    InputError
        A package of it is missing.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"ONNX export needs {missing[0]}, which is not installed; install it with: "
            "pip install 'nem2e-tf[onnx]'"
        )


def onnx_files(
    refiner: Refiner, *, refined: NDArray[np.float32], recurrence: str
) -> Iterator[tuple[str, Checked]]:
    """Convert every model of a refiner, in a child process, and check each on real cycles.

    Parameters
    ----------
    refiner : Refiner
    refined : float32 array [cycle, 20, muscle]
        What the refiner gives for its reference cycles.
    recurrence : {"loop", "unrolled"}
        See `nem2e_tf.export.formats.saved_model.write_saved_model`.

    Yields
    ------
    name of the model, Checked

    Raises
    ------
    ExportError
        A conversion or a check failed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        jobs = []
        for piece in pieces_of(refiner):
            folder = Path(scratch) / piece.name
            write_saved_model(piece.model, folder, recurrence=recurrence, batch=1)
            jobs.append((piece, tflite.Job(folder, Path(scratch) / f"{piece.name}.onnx")))
        tflite.convert([job for _, job in jobs])
        for piece, job in jobs:
            content = job.target.read_bytes()
            made = finish(content, refiner, piece, refined=refined, recurrence=recurrence)
            yield piece.name, made


def finish(
    content: bytes, refiner: Refiner, piece: Piece, *, refined: NDArray[np.float32], recurrence: str
) -> Checked:
    """Audit a converted file, compare it with the refiner on real cycles, embed what it is.

    Parameters
    ----------
    content : bytes
        From the converter.
    refiner, piece, refined, recurrence
        See `nem2e_tf.export.formats.tflite.finish`.

    Raises
    ------
    ExportError
        A check failed.
    """
    name = f"{piece.name}.onnx"
    found = audit(content)
    check(found, name=name)
    what = describe(refiner.info, piece.composition, recurrence=recurrence, precision="float32")
    what["versions"] = {**what["versions"], **{package: version(package) for package in NEEDED}}
    return checked(
        content,
        refiner,
        piece,
        name=name,
        found=found,
        what=what,
        embed=onnx_file.embed,
        refined=refined,
        limits=parity.LIMITS["float32"],
    )
