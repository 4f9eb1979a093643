"""The JSON that travels inside an exported file, and the seal over the whole file.

Its first keys are always::

    {"kind": "nem2e-tf refiner file", "format": 1, "content_bytes": ..., "content_sha256": ...

``content_sha256`` is the SHA-256 of the file with those 64 digits replaced by zeros. A file that is
cut short, changed or mixed up is found out before a runtime sees it and perhaps crashes on it.
"""

import hashlib
import json
import os
from typing import Any

from nem2e_tf.errors import InputError

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
