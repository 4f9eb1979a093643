"""The metadata in an ``.onnx``: an entry of its ``metadata_props``, sealed as a ``.tflite`` is.

Reading it needs no ONNX library.
"""

import os
from typing import Any

from nem2e_tf.errors import InputError
from nem2e_tf.export.file.metadata import NAME, opened, payload, sealed

# protobuf: bytes that a field of each wire type has after its tag; 2 says how many itself
_FIXED = {1: 8, 5: 4}
_VARINT, _LENGTH = 0, 2


def embed(content: bytes, metadata: dict[str, Any]) -> bytes:
    """Put the metadata into an ONNX file and seal it; see `nem2e_tf.export.file.metadata.embed`."""
    import onnx

    model = onnx.load_from_string(content)
    kept = [item for item in model.metadata_props if item.key != NAME]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    model.metadata_props.add(key=NAME, value=payload(metadata).decode())
    return sealed(model.SerializeToString(deterministic=True))


def read(content: bytes, *, source: "str | os.PathLike[str]") -> dict[str, Any]:
    """Check an ``.onnx`` byte for byte and give its metadata.

    Parameters
    ----------
    content : bytes
        The whole file.
    source : path-like
        What to call it in messages.

    Raises
    ------
    InputError
        It is no ONNX file, is cut short or changed, comes from another project, or is of another
        format.
    """
    metadata = opened(content, source=source)
    if metadata is None:
        raise InputError(f"{source}: expected an ONNX file with {NAME}, found {_what(content)}")
    return metadata


def _what(content: bytes) -> str:
    """Say what a file without our metadata is, by a walk over its outermost fields."""
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
    # ModelProto: 1 is ir_version, 7 the graph
    if not {1, 7} <= fields:
        return "something else"
    return "one cut short" if place > len(content) else "one without (another project's)"


def _varint(content: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[place]
        value |= (byte & 0x7F) << shift
        place += 1
        shift += 7
        if byte < 0x80:
            return value, place
