"""From SavedModels to checked TFLite files that say what they are."""

import importlib.metadata
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import nem2e_tf
from nem2e_tf.export import ExportError, parity
from nem2e_tf.export import audit as auditing
from nem2e_tf.export import metadata as embedded
from nem2e_tf.export.runtime import RefinerFile
from nem2e_tf.refiner import Refiner

SECONDS_TO_START = 120
SECONDS_A_MODEL = 600


@dataclass(frozen=True)
class Checked:
    """A converted file that passed every check.

    Attributes
    ----------
    content : bytes
        The sealed file.
    metadata : dict
        What is embedded in it.
    audit : Audit
        Its operators and signatures.
    parity : tuple of MuscleParity
        How it compares with the refiner.
    """

    content: bytes
    metadata: dict[str, Any]
    audit: auditing.Audit
    parity: tuple[parity.MuscleParity, ...]


def convert(pairs: Sequence[tuple[Path, Path]]) -> None:
    """Convert SavedModels in a child process.

    Parameters
    ----------
    pairs : sequence of (SavedModel folder, file to write)

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
            [sys.executable, "-m", "nem2e_tf.export._convert"],
            input=json.dumps([[str(folder), str(target)] for folder, target in pairs]),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS_TO_START + SECONDS_A_MODEL * len(pairs),
            env=environment,
            check=False,
        )
        ending = _ending(child.returncode, child.stderr)
    except subprocess.TimeoutExpired as expired:
        ending = f"the converter did not finish within {expired.timeout:.0f} s"
    for _, target in pairs:
        if not target.is_file():
            reason = Path(f"{target}.error")
            told = reason.read_text(errors="replace")[:300] if reason.is_file() else ending
            raise ExportError(f"{target.name}: conversion to TFLite failed: {told}")


def _ending(code: int, output: str) -> str:
    if code < 0:
        return f"the converter crashed ({signal.Signals(-code).name})"
    last = [line.strip() for line in output.splitlines() if line.strip()][-1:]
    return f"the converter stopped with code {code} ({''.join(last)[:200]})"


def finish(
    content: bytes,
    refiner: Refiner,
    model: str,
    *,
    refined: NDArray[np.float32],
    recurrence: str,
    precision: str = "float32",
) -> Checked:
    """Audit a converted file, compare it with the refiner on real cycles, embed what it is.

    Parameters
    ----------
    content : bytes
        From the converter.
    refiner : Refiner
        Where it came from.
    model : str
        Which of its models: a muscle, or ``joint``.
    refined : float32 array [cycle, 20, muscle]
        What the refiner gives for its reference cycles, all muscles.
    recurrence, precision : str
        Form of the graph.

    Raises
    ------
    ExportError
        A check failed.
    """
    name = f"{model}.tflite"
    found = auditing.audit(content)
    auditing.check(found, name=name)
    whole, part = refiner.info.composition, refiner.info.composition.part(model)
    simulated = refiner.reference.simulated[
        :, :, [whole.channels.index(channel) for channel in part.channels]
    ]
    columns = [whole.muscles.index(muscle) for muscle in part.muscles]
    what = embedded.describe(refiner.info, model, recurrence=recurrence, precision=precision)
    what["n_parameters"] = int(refiner.models[model].count_params())
    what["versions"] = {
        **what["versions"],
        "ai-edge-litert": importlib.metadata.version("ai-edge-litert"),
    }
    what["operators"] = found.operators
    first = RefinerFile(embedded.embed(content, what), source=name).predict(simulated)
    compared = parity.compare(
        refined[:, :, columns],
        first,
        refiner.reference.measured[:, :, columns],
        muscles=part.muscles,
        scored=refiner.reference.scored,
    )
    parity.check(compared, parity.LIMITS[precision], name=name)
    what["parity"] = {
        "cycles": len(simulated),
        "held_out": bool(refiner.reference.held_out.any()),
        "muscles": [item.to_json() for item in compared],
    }
    sealed = embedded.embed(content, what)
    last = RefinerFile(sealed, source=name)
    if not np.array_equal(last.predict(simulated), first):
        raise ExportError(f"{name}: expected the same output after embedding, found another")
    return Checked(sealed, last.metadata, found, compared)
