"""The signatures that a ``.tflite`` can have beside ``refine``: made on request, and checked."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import ExportError, InputError
from nem2e_tf.export import parity
from nem2e_tf.export.file.endpoints import ATTENTION, RECORDING, STEP, Endpoint, attention_endpoint
from nem2e_tf.export.graph.raw import recording_endpoint
from nem2e_tf.export.graph.streaming import step_endpoint
from nem2e_tf.export.runtime.refiner_file import RefinerFile
from nem2e_tf.export.runtime.stream import Stream
from nem2e_tf.refiners.patterns import SAMPLES, resample
from nem2e_tf.refiners.refiner import Refiner

FURTHER = (ATTENTION, RECORDING, STEP)

# a recording whose rows are the package's own points is resampled to itself
_POINTS = 101


def endpoints(
    refiner: Refiner, model: str, signatures: Sequence[str], *, precision: str = "float32"
) -> list[Endpoint]:
    """Make the further entrances of one of a refiner's models.

    Parameters
    ----------
    refiner : Refiner
    model : str
        A muscle, or ``joint``.
    signatures : sequence of str
        Of `FURTHER`.
    precision : str
        Of the file.

    Raises
    ------
    InputError
        A signature is unknown, or goes with no full quantisation.
    ExportError
        The model cannot have one: it has no attention, or looks ahead.
    """
    unknown = [name for name in signatures if name not in FURTHER]
    if unknown:
        raise InputError(f"signatures: expected {', '.join(FURTHER)}, found {unknown[0]}")
    if signatures and precision == "int8":
        raise InputError(
            f"signatures: expected none beside refine at int8, found {signatures[0]}: full "
            "quantisation is calibrated on what refine takes; choose another precision"
        )
    found = []
    for signature in signatures:
        if signature == ATTENTION:
            found.append(_attention(refiner, model))
        elif signature == RECORDING:
            part = refiner.info.composition.part(model)
            found.append(recording_endpoint(refiner.models[model], part))
        else:
            found.append(_step(refiner, model))
    return found


def _attention(refiner: Refiner, model: str) -> Endpoint:
    try:
        return attention_endpoint(refiner.models[model])
    except ValueError:
        raise ExportError(
            f"{model}: expected a refiner with attention for {ATTENTION}, found "
            f"{refiner.info.model}, which has none"
        ) from None


def _step(refiner: Refiner, model: str) -> Endpoint:
    plan = refiner.info.composition
    if plan.pattern == "one-quarter" and plan.model_samples == SAMPLES:
        raise ExportError(
            f"{model}: expected samples as they come for {STEP}, found quarters resampled to "
            f"{SAMPLES}, which needs the whole quarter"
        )
    return step_endpoint(refiner.models[model], name=model)


def check(
    file: RefinerFile, refiner: Refiner, signatures: Sequence[str], *, limits: parity.Limits
) -> dict[str, float]:
    """Hold a file's further signatures to what the refiner gives for its reference cycles.

    Parameters
    ----------
    file : RefinerFile
    refiner : Refiner
        Where it came from.
    signatures : sequence of str
        Of `FURTHER`, those the file was exported with.
    limits : Limits
        For the file's precision.

    Returns
    -------
    dict of str to float
        For each, the largest difference of any muscle as a share of its range.

    Raises
    ------
    ExportError
        One differs by more.
    """
    whole, part = refiner.info.composition, file.composition
    channels = [whole.channels.index(name) for name in part.channels]
    muscles = [whole.muscles.index(name) for name in part.muscles]
    found = {}
    for signature in signatures:
        simulated, measured = refiner.reference.simulated, refiner.reference.measured
        if signature == RECORDING:
            recorded = resample(simulated, _POINTS)
            expected = resample(refiner.predict(resample(recorded, SAMPLES)), _POINTS)
            measured = resample(measured, _POINTS)
            given = np.stack([file.refine_recording(cycle[:, channels]) for cycle in recorded])
        else:
            expected = refiner.predict(simulated)
            run = _attended if signature == ATTENTION else _streamed
            given = run(file, simulated[:, :, channels])
        compared = parity.compare(
            expected[:, :, muscles],
            given,
            measured[:, :, muscles],
            muscles=part.muscles,
            scored=refiner.reference.scored,
        )
        parity.check(compared, limits, name=f"{file.source}, signature {signature}")
        found[signature] = max(item.difference for item in compared)
    return found


def _attended(file: RefinerFile, simulated: NDArray[Any]) -> NDArray[np.float32]:
    return file.attend(simulated)[0]


def _streamed(file: RefinerFile, simulated: NDArray[Any]) -> NDArray[np.float32]:
    stream = Stream([(file.composition, file.interpreter)], channels=file.composition.channels)
    refined = []
    for cycle in simulated:
        stream.reset()
        refined.append([stream.step(sample) for sample in cycle])
    return np.asarray(refined, dtype=np.float32)
