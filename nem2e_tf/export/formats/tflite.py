"""TFLite files, from the models of a refiner to sealed files: every step in order.

Conversion runs in a child process (`nem2e_tf.export.formats.converter`), because the converter
crashes on some graphs.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import ExportError
from nem2e_tf.export.context import FUSED, Export, ExportedFile, Job
from nem2e_tf.export.file.audit import INPUT, SIGNATURE, audit_tflite, check_tflite
from nem2e_tf.export.file.metadata import embed_tflite
from nem2e_tf.export.formats.converter import child_environment
from nem2e_tf.export.graph.pieces import Piece, pieces_of, write_saved_model
from nem2e_tf.export.latency import measure
from nem2e_tf.export.parity import Checked, check_and_seal
from nem2e_tf.io.files import write_json
from nem2e_tf.refiners.info import Reference
from nem2e_tf.refiners.patterns import model_input

SECONDS_TO_START = 120
SECONDS_PER_MODEL = 600


def write_tflite(run: Export) -> list[ExportedFile]:
    """Write the ``.tflite`` files of an export.

    Raises
    ------
    ExportError
        A conversion or a check failed.
    """
    return [write_file(run, checked, job.target.name) for _, job, checked in tflite_files(run)]


def tflite_files(run: Export) -> list[tuple[Piece, Job, Checked]]:
    """Make the files: pieces, graphs with signatures, conversion, audit, parity, metadata, seal."""
    jobs = [
        (piece, job)
        for piece in pieces_of(run.refiner, combine=run.choices.combine)
        for job in write_graphs(run, piece)
    ]
    convert([job for _, job in jobs])
    return [(piece, job, finish(run, piece, job)) for piece, job in jobs]


def write_graphs(run: Export, piece: Piece) -> list[Job]:
    """Write the SavedModels of a piece with their signatures, and list one job per precision.

    Raises
    ------
    InputError
        The model cannot be exported in this form.
    ExportError
        It cannot have one of the signatures, or the refiner has no calibration cycles for int8.
    """
    choices, jobs = run.choices, []
    for precision in choices.precisions:
        form = choices.recurrence_for(precision, has_recurrence=piece.has_recurrence)
        full, further, call = precision == "int8", [], None
        if form == FUSED or full:
            from nem2e_tf.export.graph import recurrences

            call = (
                recurrences.fused_caller(piece, integers=full, entry=run.refiner.info.model)
                if form == FUSED
                else recurrences.quantisable_caller(piece)
            )
        if choices.signatures:
            from nem2e_tf.export.graph.signatures import further_signatures

            further = further_signatures(run.refiner, piece.name, choices.signatures)
        folder = run.scratch / piece.name / ("integers" if full else "floats") / form
        if not folder.is_dir():
            write_saved_model(
                piece.model,
                folder,
                recurrence="unrolled" if form == FUSED else form,
                batch=1,
                call=call,
                signatures=further,
            )
        rows = write_calibration(piece, run.refiner.reference, run.scratch) if full else None
        jobs.append(
            Job(
                folder,
                run.scratch / file_name(piece.name, precision),
                signatures=(SIGNATURE, *choices.signatures),
                recurrence=form,
                precision=precision,
                io=choices.io if full else "float32",
                representative=rows,
            )
        )
    return jobs


def file_name(model: str, precision: str) -> str:
    """Name the file of a model in a precision.

    Examples
    --------
    >>> file_name("joint", "float32"), file_name("joint", "int8")
    ('joint.tflite', 'joint.int8.tflite')
    """
    return f"{model}.tflite" if precision == "float32" else f"{model}.{precision}.tflite"


def write_calibration(piece: Piece, reference: Reference, folder: Path) -> Path:
    """Write the representative data set for full quantisation, for `Job`.

    It holds training cycles only, because ranges are fitted to it.

    Raises
    ------
    ExportError
        The refiner has no calibration cycles: an earlier version trained it.
    """
    if reference.calibration is None or not len(reference.calibration):
        raise ExportError(
            "precisions int8: expected calibration cycles in the refiner's reference.npz, found "
            "none (an earlier version trained it); train it again"
        )
    file = folder / f"{piece.name}.calibration.npz"
    arrays: dict[str, Any] = {INPUT: calibration_rows(piece, reference.calibration)}
    np.savez(file, **arrays)
    return file


def calibration_rows(piece: Piece, cycles: NDArray[np.float32]) -> NDArray[np.float32]:
    """Arrange cycles [cycle, 20, channel of the refiner] as rows of the piece's input."""
    part = piece.composition
    return model_input(cycles[:, :, piece.columns], part, muscle=part.muscles[0])


def convert(jobs: Sequence[Job]) -> None:
    """Convert SavedModels to TFLite or ONNX in a child process.

    Raises
    ------
    ExportError
        A conversion failed, or the converter crashed or did not end; the message names the file.
    """
    try:
        child = subprocess.run(
            [sys.executable, "-m", "nem2e_tf.export.formats.converter"],
            input=json.dumps([asdict(job) for job in jobs], default=str),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS_TO_START + SECONDS_PER_MODEL * len(jobs),
            env=child_environment(),
            check=False,
        )
        ending = _ending(child.returncode, child.stderr)
    except subprocess.TimeoutExpired as expired:
        ending = f"the converter did not finish within {expired.timeout:.0f} s"
    for job in jobs:
        if not job.target.is_file():
            error = Path(f"{job.target}.error")
            reason = error.read_text(errors="replace")[:300] if error.is_file() else ending
            kind = "ONNX" if job.target.suffix == ".onnx" else "TFLite"
            raise ExportError(f"{job.target.name}: conversion to {kind} failed: {reason}")


def _ending(code: int, output: str) -> str:
    if code < 0:
        return f"the converter crashed ({signal.Signals(-code).name})"
    last = [line.strip() for line in output.splitlines() if line.strip()][-1:]
    return f"the converter stopped with code {code} ({''.join(last)[:200]})"


def finish(run: Export, piece: Piece, job: Job) -> Checked:
    """Audit a converted file, compare it with the refiner, and seal it with its metadata.

    Raises
    ------
    ExportError
        A check failed.
    """
    audit = audit_tflite(job.target.read_bytes())
    check_tflite(audit, name=job.target.name)
    more: dict[str, Any] = {"io": job.io}
    calibration = run.refiner.reference.calibration
    if job.precision == "int8" and calibration is not None:
        more["calibration_cycles"] = len(calibration)
    return check_and_seal(
        run, piece, job, audit=audit, embed=embed_tflite, packages=("ai-edge-litert",), **more
    )


def write_file(run: Export, checked: Checked, name: str) -> ExportedFile:
    """Write a checked file and its metadata as JSON into the export folder; measure its latency."""
    target, metadata = run.folder / name, checked.metadata
    target.write_bytes(checked.content)
    write_json(target.with_name(f"{name}.json"), metadata)
    latency = asdict(measure(checked.content)) if run.choices.timed else None
    return ExportedFile.listed(run.folder, name, metadata, checked.parity, latency=latency)
