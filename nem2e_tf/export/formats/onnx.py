"""ONNX files (extra ``onnx``): the steps of TFLite, at float32, with ``refine`` only."""

import importlib.util

from nem2e_tf.errors import InputError
from nem2e_tf.export.context import Export, ExportedFile, Job
from nem2e_tf.export.file.audit import audit_onnx, check_onnx
from nem2e_tf.export.file.metadata import embed_onnx
from nem2e_tf.export.formats.tflite import convert, write_file
from nem2e_tf.export.graph.pieces import Piece, pieces_of, write_saved_model
from nem2e_tf.export.parity import Checked, check_and_seal

NEEDED = ("tf2onnx", "onnx", "onnxruntime")


def require() -> None:
    """Check that the extra is installed.

    Raises
    ------
    InputError
        One of its packages is missing.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"ONNX export requires {missing[0]}, which is not installed; install it with: "
            "pip install 'nem2e-tf[onnx]'"
        )


def write_onnx(run: Export) -> list[ExportedFile]:
    """Write one ``.onnx`` per model of a refiner.

    Raises
    ------
    ExportError
        A conversion or a check failed.
    """
    form, jobs = run.choices.recurrence_for("float32"), []
    for piece in pieces_of(run.refiner):
        folder = run.scratch / "onnx" / piece.name
        write_saved_model(piece.model, folder, recurrence=form, batch=1)
        jobs.append((piece, Job(folder, run.scratch / f"{piece.name}.onnx", recurrence=form)))
    convert([job for _, job in jobs])
    return [write_file(run, finish(run, piece, job), job.target.name) for piece, job in jobs]


def finish(run: Export, piece: Piece, job: Job) -> Checked:
    """Audit a converted file, compare it with the refiner, and seal it with its metadata.

    Raises
    ------
    ExportError
        A check failed.
    """
    audit = audit_onnx(job.target.read_bytes())
    check_onnx(audit, name=job.target.name)
    return check_and_seal(run, piece, job, audit=audit, embed=embed_onnx, packages=NEEDED)
