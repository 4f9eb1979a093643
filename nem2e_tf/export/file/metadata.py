"""What an exported file says of itself, and its place in a ``.tflite``.

It is an ordinary named metadata entry of the flatbuffer (``NEM2E_METADATA``), so any TFLite tool
lists it. `nem2e_tf.export.file.metadata` has its first keys and the seal over the whole file.

The JSON that travels inside an exported file, and the seal over the whole file.

Its first keys are always::

    {"kind": "nem2e-tf refiner file", "format": 1, "content_bytes": ..., "content_sha256": ...

``content_sha256`` is the SHA-256 of the file with those 64 digits replaced by zeros. A file that is
cut short, changed or mixed up is found out before a runtime sees it and perhaps crashes on it.
"""

import hashlib
import json
import os
from typing import Any

import numpy as np

from nem2e_tf.errors import InputError
from nem2e_tf.refiners.info import RefinerInfo
from nem2e_tf.refiners.patterns import Composition

KIND = "nem2e-tf refiner file"
FORMAT = 1

_START = json.dumps({"kind": KIND})[:-1].encode()
_SIZE_KEY = '"content_bytes": '
_SIZE_WIDTH = 10
_SEAL_KEY = b'"content_sha256": "'
_ZEROS = "0" * 64


def payload(metadata: dict[str, Any]) -> bytes:
    """Give the JSON to put into a file, with room for its size and its seal."""
    first = {"kind": KIND, "format": FORMAT, "content_bytes": 0, "content_sha256": _ZEROS}
    rest = {key: value for key, value in metadata.items() if key not in first}
    text = json.dumps({**first, **rest}, allow_nan=False)
    return text.replace(f"{_SIZE_KEY}0", _SIZE_KEY + "0".rjust(_SIZE_WIDTH), 1).encode()


def sealed(content: bytes) -> bytes:
    """Write size and SHA-256 into a file that holds a `payload`; its length stays."""
    size = str(len(content)).rjust(_SIZE_WIDTH)
    before = (_SIZE_KEY + "0".rjust(_SIZE_WIDTH)).encode()
    content = content.replace(before, (_SIZE_KEY + size).encode(), 1)
    digest = hashlib.sha256(content).hexdigest()
    place = content.index(_SEAL_KEY, content.index(_START)) + len(_SEAL_KEY)
    return content[:place] + digest.encode() + content[place + 64 :]


def opened(content: bytes, *, source: "str | os.PathLike[str]") -> dict[str, Any] | None:
    """Check a file byte for byte and give its metadata.

    Parameters
    ----------
    content : bytes
        The whole file.
    source : path-like
        What to call it in messages.

    Returns
    -------
    dict or None
        None where there is no metadata of ours in it.

    Raises
    ------
    InputError
        It is cut short, changed, or of another format.
    """
    start = content.find(_START)
    if start < 0:
        return None
    try:
        # plain ASCII, so that any byte after it may be anything
        metadata, _ = json.JSONDecoder().raw_decode(content[start:].decode("latin-1"))
        size, digest = int(metadata["content_bytes"]), str(metadata["content_sha256"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(
            f"{source}: expected readable metadata, found damage; copy or export the file again"
        ) from None
    if size != len(content):
        raise InputError(
            f"{source}: expected {size} bytes, found {len(content)}; copy or export the file again"
        )
    place = content.find(_SEAL_KEY, start) + len(_SEAL_KEY)
    zeroed = hashlib.sha256(content[:place])
    zeroed.update(_ZEROS.encode())
    zeroed.update(content[place + 64 :])
    if zeroed.hexdigest() != digest:
        raise InputError(
            f"{source}: expected SHA-256 {digest[:12]}..., found {zeroed.hexdigest()[:12]}...; "
            "the file was changed since its export, copy or export it again"
        )
    if metadata.get("format") != FORMAT:
        raise InputError(
            f"{source}: expected metadata format {FORMAT}, found {metadata.get('format')}; "
            "export it again with this version"
        )
    return dict(metadata)


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
