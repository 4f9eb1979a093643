"""What an exported file says of itself, and its place in a ``.tflite``.

It is an ordinary named metadata entry of the flatbuffer (``NEM2E_METADATA``), so any TFLite tool
lists it. `nem2e_tf.export.seal` has its first keys and the seal over the whole file.
"""

import os
from typing import Any

import numpy as np

from nem2e_tf.composition import Composition
from nem2e_tf.errors import InputError
from nem2e_tf.export.seal import opened, payload, sealed
from nem2e_tf.refiner_info import RefinerInfo

NAME = "NEM2E_METADATA"
IDENTIFIER = b"TFL3"
ALIGNMENT = 16


def describe(
    info: RefinerInfo, part: Composition, *, recurrence: str, precision: str
) -> dict[str, Any]:
    """Say all that somebody needs to run one of a refiner's models from its file alone.

    Parameters
    ----------
    info : RefinerInfo
        The refiner.
    part : Composition
        What the file takes and gives.
    recurrence, precision : str
        Form of the exported graph.

    Returns
    -------
    dict
        JSON throughout. ``channels``: names, in order, of what the caller has to bring, only those
        that this model looks at. ``input`` says in words how they become the tensor.
    """
    own = {muscle.name: muscle for muscle in info.muscles}
    return {
        "model": info.model,
        "options": info.options,
        "pattern": part.pattern,
        "targets": part.targets,
        "output": info.output,
        "samples": info.samples,
        "model_samples": part.model_samples,
        "channels": list(part.channels),
        "muscles": [
            {
                "name": name,
                "counterparts": list(own[name].counterparts),
                "electrode": own[name].electrode,
            }
            for name in part.muscles
        ],
        "input": _input_in_words(part.pattern, part.model_samples),
        "units": {"simulated": "activation, 0 to 1", "refined": info.normalisation},
        "trained": {"pattern": info.pattern, "targets": info.targets},
        "recurrence": recurrence,
        "precision": precision,
        "recipe": info.recipe,
        "seed": info.seed,
        "cohort": info.cohort,
        "cohort_digest": info.cohort_digest,
        "licence": info.licence,
        "metrics": info.metrics,
        "versions": info.versions,
    }


def _input_in_words(pattern: str, model_samples: int) -> str:
    first = "activation at 20 equally spaced samples of a cycle, both ends included"
    if pattern == "all-entire":
        return f"{first}; one row a cycle, one column a channel, in order"
    if pattern == "one-entire":
        return f"{first}; one row a cycle, one column: the mean of the counterparts"
    more = f", each resampled linearly to {model_samples}" if model_samples != 5 else ""
    return (
        f"{first}; the mean of the counterparts, four rows a cycle: samples 0-4, 5-9, 10-14, "
        f"15-19{more}; the four outputs joined"
    )


def embed(content: bytes, metadata: dict[str, Any]) -> bytes:
    """Put the metadata into a TFLite file and seal it.

    Parameters
    ----------
    content : bytes
        A converted TFLite model.
    metadata : dict
        From `describe`, with whatever was found out since.

    Returns
    -------
    bytes
        The file to write. The same input gives the same bytes.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    model.metadata = [item for item in model.metadata or [] if _text(item.name) != NAME]
    model.buffers = [_AlignedBuffer(buffer) for buffer in model.buffers]
    own = schema.BufferT()
    own.data = np.frombuffer(payload(metadata), np.uint8)
    model.buffers.append(_AlignedBuffer(own))
    entry = schema.MetadataT()
    entry.name = NAME
    entry.buffer = len(model.buffers) - 1
    model.metadata.append(entry)
    builder = flatbuffers.Builder(len(content) + len(own.data) + 4096)
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return sealed(bytes(builder.Output()))


class _AlignedBuffer:
    """A buffer packed on a 16-byte boundary, as the schema asks and Python's packer forgets."""

    def __init__(self, buffer: Any) -> None:
        self._buffer = buffer

    def Pack(self, builder: Any) -> Any:  # noqa: N802 (the name that flatbuffers calls)
        from ai_edge_litert import schema_py_generated as schema

        data = self._buffer.data
        place = None
        if data is not None and len(data):
            array = np.asarray(data, np.uint8)
            builder.Prep(ALIGNMENT, len(array))
            place = builder.CreateNumpyVector(array)
        schema.BufferStart(builder)
        if place is not None:
            schema.BufferAddData(builder, place)
        return schema.BufferEnd(builder)


def read(content: bytes, *, source: "str | os.PathLike[str]") -> dict[str, Any]:
    """Check a ``.tflite`` byte for byte and give its metadata.

    Parameters
    ----------
    content : bytes
        The whole file.
    source : path-like
        What to call it in messages.

    Returns
    -------
    dict

    Raises
    ------
    InputError
        It is no TFLite file, is cut short or changed, comes from another project, or is of
        another format.
    """
    if content[4:8] != IDENTIFIER:
        raise InputError(f"{source}: expected a TFLite file, found something else")
    metadata = opened(content, source=source)
    if metadata is None:
        found = "a damaged one" if _damaged(content) else "one without (another project's)"
        raise InputError(f"{source}: expected a TFLite file with {NAME}, found {found}")
    return metadata


def _damaged(content: bytes) -> bool:
    """Whether a walk over the flatbuffer's tables leaves the file or meets our own name."""
    from ai_edge_litert import schema_py_generated as schema

    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        names = [_text(item.name) for item in model.metadata or []]
        whole = bool(model.subgraphs) and all(
            buffer.data is None or buffer.data.size for buffer in model.buffers
        )
    except Exception:  # whatever a damaged offset leads to
        return True
    return NAME in names or not whole


def _text(name: "str | bytes") -> str:
    return name.decode() if isinstance(name, bytes) else name
