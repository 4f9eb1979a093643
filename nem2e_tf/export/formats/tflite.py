"""From SavedModels to checked TFLite files that say what they are."""

import importlib.metadata
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import nem2e_tf
from nem2e_tf.errors import ExportError
from nem2e_tf.export import parity
from nem2e_tf.export.checked import Checked, checked
from nem2e_tf.export.file import audit as auditing
from nem2e_tf.export.file import metadata as embedded
from nem2e_tf.export.graph.pieces import Piece
from nem2e_tf.refiners.refiner import Refiner

SECONDS_TO_START = 120
SECONDS_A_MODEL = 600


@dataclass(frozen=True)
class Job:
    """A conversion to do.

    Parameters
    ----------
    saved_model : Path
        Folder to read.
    target : Path
        File to write.
    signatures : tuple of str
        Which of its signatures go into the file.
    precision : str
        One of `nem2e_tf.export.formats.tflite_files.PRECISIONS`.
    io : {"float32", "int8"}
        What goes in and out of a fully quantised file: numbers, or the integers that its input and
        output tensors hold.
    representative : Path, optional
        Rows to calibrate full quantisation on: an ``.npz`` with an array [row, ...] for each of
        the signatures' inputs.
    """

    saved_model: Path
    target: Path
    signatures: tuple[str, ...] = (auditing.SIGNATURE,)
    precision: str = "float32"
    io: str = "float32"
    representative: Path | None = None


def convert(jobs: Sequence[Job]) -> None:
    """Convert SavedModels in a child process.

    Parameters
    ----------
    jobs : sequence of Job

    Raises
    ------
    ExportError
        A conversion failed, or the converter crashed or hung; the file is named.
    """
    # the child must find the same package as we did, installed or not
    places = [str(Path(nem2e_tf.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}
    try:
        child = subprocess.run(
            [sys.executable, "-m", "nem2e_tf.export.formats.converter"],
            input=json.dumps([asdict(job) for job in jobs], default=str),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS_TO_START + SECONDS_A_MODEL * len(jobs),
            env=environment,
            check=False,
        )
        ending = _ending(child.returncode, child.stderr)
    except subprocess.TimeoutExpired as expired:
        ending = f"the converter did not finish within {expired.timeout:.0f} s"
    for job in jobs:
        if not job.target.is_file():
            reason = Path(f"{job.target}.error")
            told = reason.read_text(errors="replace")[:300] if reason.is_file() else ending
            kind = "ONNX" if job.target.suffix == ".onnx" else "TFLite"
            raise ExportError(f"{job.target.name}: conversion to {kind} failed: {told}")


def _ending(code: int, output: str) -> str:
    if code < 0:
        return f"the converter crashed ({signal.Signals(-code).name})"
    last = [line.strip() for line in output.splitlines() if line.strip()][-1:]
    return f"the converter stopped with code {code} ({''.join(last)[:200]})"


def finish(
    content: bytes,
    refiner: Refiner,
    piece: Piece,
    *,
    name: str,
    refined: NDArray[np.float32],
    recurrence: str,
    precision: str = "float32",
    io: str = "float32",
    limits: parity.Limits,
    signatures: Sequence[str] = (),
) -> Checked:
    """Audit a converted file, compare it with the refiner on real cycles, embed what it is.

    Parameters
    ----------
    content : bytes
        From the converter.
    refiner : Refiner
        Where it came from.
    piece : Piece
        What of it was converted.
    name : str
        Of the file, for messages.
    refined : float32 array [cycle, 20, muscle]
        What the refiner gives for its reference cycles, all muscles.
    recurrence, precision, io : str
        Form of the graph; see `Job`.
    limits : Limits
        How far it may differ.
    signatures : sequence of str
        What it has beside ``refine``.

    Raises
    ------
    ExportError
        A check failed.
    """
    found = auditing.audit(content)
    auditing.check(found, name=name)
    what = embedded.describe(
        refiner.info, piece.composition, recurrence=recurrence, precision=precision
    )
    what["io"] = io
    if precision == "int8" and refiner.reference.calibration is not None:
        what["calibration_cycles"] = len(refiner.reference.calibration)
    what["versions"] = {
        **what["versions"],
        "ai-edge-litert": importlib.metadata.version("ai-edge-litert"),
    }
    return checked(
        content,
        refiner,
        piece,
        name=name,
        found=found,
        what=what,
        embed=embedded.embed,
        refined=refined,
        limits=limits,
        signatures=signatures,
    )
