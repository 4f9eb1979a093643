"""The metadata inside an exported file, and the checksum over the whole file.

A file holds a JSON text: in a ``.tflite`` as the named metadata entry ``NEM2E_METADATA``, which any
TFLite tool lists, in an ``.onnx`` as an entry of its ``metadata_props``. Reading it requires no
library. Its first keys are always::

    {"kind": "nem2e-tf refiner file", "format": 1, "content_bytes": ..., "content_sha256": ...

``content_sha256`` is the SHA-256 of the file with these 64 digits replaced by zeros. A truncated or
changed file is therefore refused before a runtime reads it, which may crash on it.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from nem2e_tf.errors import InputError
from nem2e_tf.export.file.audit import text_of
from nem2e_tf.refiners.info import RefinerInfo
from nem2e_tf.refiners.patterns import Composition

KIND = "nem2e-tf refiner file"
FORMAT = 1
NAME = "NEM2E_METADATA"

_START = json.dumps({"kind": KIND})[:-1].encode()
_SIZE_KEY = '"content_bytes": '
_SIZE_WIDTH = 10
_SEAL_KEY = b'"content_sha256": "'
_ZEROS = "0" * 64

# A TFLite file has this in bytes 4 to 8, and its buffers on boundaries of 16 bytes.
_IDENTIFIER = b"TFL3"
_ALIGNMENT = 16

# protobuf: bytes that follow the tag of a field of each wire type; type 2 stores its length
_FIXED = {1: 8, 5: 4}
_VARINT, _LENGTH = 0, 2


def describe(
    info: RefinerInfo, part: Composition, *, recurrence: str, precision: str
) -> dict[str, Any]:
    """Collect everything that is needed to run one model of a refiner from its file alone.

    Parameters
    ----------
    info : RefinerInfo
        The refiner.
    part : Composition
        Channels and muscles of the file.
    recurrence, precision : str
        Recurrence form and number format of the graph.

    Returns
    -------
    dict
        JSON. ``channels`` names the channels that this model reads, in order; ``input`` describes
        in words how the input tensor is made of them.
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
        return f"{first}; one row per cycle, one column per channel, in order"
    if pattern == "one-entire":
        return f"{first}; one row per cycle, one column: the mean of the counterparts"
    more = f", each resampled linearly to {model_samples}" if model_samples != 5 else ""
    return (
        f"{first}; the mean of the counterparts, four rows per cycle: samples 0-4, 5-9, 10-14, "
        f"15-19{more}; the four outputs joined"
    )


def payload(metadata: dict[str, Any]) -> bytes:
    """Return the JSON to embed, with placeholders for the file's size and checksum."""
    first = {"kind": KIND, "format": FORMAT, "content_bytes": 0, "content_sha256": _ZEROS}
    rest = {key: value for key, value in metadata.items() if key not in first}
    text = json.dumps({**first, **rest}, allow_nan=False)
    return text.replace(f"{_SIZE_KEY}0", _SIZE_KEY + "0".rjust(_SIZE_WIDTH), 1).encode()


def sealed(content: bytes) -> bytes:
    """Write size and SHA-256 into a file that holds a `payload`; its length does not change."""
    size = str(len(content)).rjust(_SIZE_WIDTH)
    before = (_SIZE_KEY + "0".rjust(_SIZE_WIDTH)).encode()
    content = content.replace(before, (_SIZE_KEY + size).encode(), 1)
    digest = hashlib.sha256(content).hexdigest()
    place = content.index(_SEAL_KEY, content.index(_START)) + len(_SEAL_KEY)
    return content[:place] + digest.encode() + content[place + 64 :]


def opened(content: bytes, *, source: "str | os.PathLike[str]") -> dict[str, Any] | None:
    """Check a file against its checksum and return its metadata; None if there are none.

    Raises
    ------
    InputError
        The file is truncated or changed, or its metadata have another format.
    """
    start = content.find(_START)
    if start < 0:
        return None
    try:
        # the metadata are ASCII; latin-1 decodes whatever bytes follow them
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


def embed_tflite(content: bytes, metadata: dict[str, Any]) -> bytes:
    """Embed the metadata in a TFLite file and seal it with its checksum.

    Parameters
    ----------
    content : bytes
        A converted TFLite model.
    metadata : dict
        From `describe`, completed with operators and parity.

    Returns
    -------
    bytes
        The file to write; the same input gives the same bytes.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    model.metadata = [item for item in model.metadata or [] if text_of(item.name) != NAME]
    model.buffers = [_AlignedBuffer(buffer) for buffer in model.buffers]
    own = schema.BufferT()
    own.data = np.frombuffer(payload(metadata), np.uint8)
    model.buffers.append(_AlignedBuffer(own))
    entry = schema.MetadataT()
    entry.name = NAME
    entry.buffer = len(model.buffers) - 1
    model.metadata.append(entry)
    builder = flatbuffers.Builder(len(content) + len(own.data) + 4096)
    builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
    return sealed(bytes(builder.Output()))


class _AlignedBuffer:
    """A buffer on a 16-byte boundary, which the schema requires and Python's packer ignores."""

    def __init__(self, buffer: Any) -> None:
        self._buffer = buffer

    def Pack(self, builder: Any) -> Any:  # noqa: N802 (flatbuffers calls this name)
        from ai_edge_litert import schema_py_generated as schema

        data = self._buffer.data
        place = None
        if data is not None and len(data):
            array = np.asarray(data, np.uint8)
            builder.Prep(_ALIGNMENT, len(array))
            place = builder.CreateNumpyVector(array)
        schema.BufferStart(builder)
        if place is not None:
            schema.BufferAddData(builder, place)
        return schema.BufferEnd(builder)


def embed_onnx(content: bytes, metadata: dict[str, Any]) -> bytes:
    """Embed the metadata in an ONNX file and seal it; see `embed_tflite`."""
    import onnx

    model = onnx.load_from_string(content)
    kept = [item for item in model.metadata_props if item.key != NAME]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    model.metadata_props.add(key=NAME, value=payload(metadata).decode())
    return sealed(model.SerializeToString(deterministic=True))


def read_tflite(content: bytes, *, source: "str | os.PathLike[str]") -> dict[str, Any]:
    """Check a ``.tflite`` against its checksum and return its metadata.

    Parameters
    ----------
    content : bytes
        The whole file.
    source : path-like
        Name of the file, for messages.

    Returns
    -------
    dict

    Raises
    ------
    InputError
        It is not a TFLite file, is truncated or changed, was not exported by nem2e-tf, or its
        metadata have another format.
    """
    if content[4:8] != _IDENTIFIER:
        raise InputError(f"{source}: expected a TFLite file, found something else")
    metadata = opened(content, source=source)
    if metadata is None:
        found = "a damaged one" if _damaged(content) else "one without (another project's)"
        raise InputError(f"{source}: expected a TFLite file with {NAME}, found {found}")
    return metadata


def _damaged(content: bytes) -> bool:
    """Return True if the flatbuffer cannot be read, or has our entry but not its content."""
    from ai_edge_litert import schema_py_generated as schema

    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        names = [text_of(item.name) for item in model.metadata or []]
        whole = bool(model.subgraphs) and all(
            buffer.data is None or buffer.data.size for buffer in model.buffers
        )
    except Exception:  # a damaged offset may raise anything
        return True
    return NAME in names or not whole


def read_onnx(content: bytes, *, source: "str | os.PathLike[str]") -> dict[str, Any]:
    """Check an ``.onnx`` against its checksum and return its metadata; see `read_tflite`."""
    metadata = opened(content, source=source)
    if metadata is None:
        raise InputError(
            f"{source}: expected an ONNX file with {NAME}, found {_what_onnx(content)}"
        )
    return metadata


def _what_onnx(content: bytes) -> str:
    """Describe a file without our metadata by its outermost protobuf fields."""
    place, fields = 0, set()
    try:
        while place < len(content):
            tag, place = _varint(content, place)
            kind = tag & 7
            if kind == _VARINT:
                _, place = _varint(content, place)
            elif kind == _LENGTH:
                size, place = _varint(content, place)
                place += size
            else:
                place += _FIXED[kind]
            fields.add(tag >> 3)
    except (IndexError, KeyError):
        return "something else"
    # of a ModelProto: 1 is ir_version, 7 the graph
    if not {1, 7} <= fields:
        return "something else"
    return "a truncated one" if place > len(content) else "one without (another project's)"


def _varint(content: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[place]
        value |= (byte & 0x7F) << shift
        place += 1
        shift += 7
        if byte < 0x80:
            return value, place


def is_onnx(content: bytes, source: "str | os.PathLike[str]") -> bool:
    """Return True for an ONNX file: not TFLite by its content, and ``.onnx`` by its name."""
    return content[4:8] != _IDENTIFIER and Path(source).suffix == ".onnx"


def read_metadata(content: bytes, *, source: "str | os.PathLike[str]") -> dict[str, Any]:
    """Check a ``.tflite`` or ``.onnx`` against its checksum and return its metadata.

    Raises
    ------
    InputError
        See `read_tflite`.
    """
    return (read_onnx if is_onnx(content, source) else read_tflite)(content, source=source)


def read_content(path: "str | os.PathLike[str]") -> bytes:
    """Read a whole ``.tflite`` or ``.onnx``.

    Raises
    ------
    InputError
        It cannot be read.
    """
    kind = "an ONNX file" if Path(path).suffix == ".onnx" else "a TFLite file"
    try:
        return Path(path).read_bytes()
    except OSError as error:
        known = {FileNotFoundError: "no such file", IsADirectoryError: "a folder"}
        found = known.get(type(error), f"one that cannot be read ({error})")
        raise InputError(f"{path}: expected {kind}, found {found}") from None
