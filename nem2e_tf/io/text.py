"""The text decoder of all readers: one set of rules for encodings, line ends and missing files.

Files come from many programs: UTF-8 with or without a byte order mark, UTF-16 with one (Excel's
"Unicode text"), and the Windows code page of Western languages.
"""

import codecs
import os
from pathlib import Path

from nem2e_tf.errors import InputError

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decode(content: bytes) -> str:
    r"""Decode text by its byte order mark, else as UTF-8, else as Windows-1252 or Latin-1.

    Raises
    ------
    UnicodeDecodeError
        The content has the mark of UTF-16 but is not UTF-16.

    Examples
    --------
    >>> decode(b"\xef\xbb\xbftime"), decode(b"\xff\xfet\x00"), decode(b"\xb5V")
    ('time', 't', 'µV')
    """
    if content.startswith(_UTF16):
        return content.decode("utf-16")
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")


def without_mark(content: bytes) -> bytes:
    """Return content without its byte order mark; UTF-16 becomes UTF-8."""
    if content.startswith(_UTF16):
        return content.decode("utf-16", errors="replace").encode()
    return content.removeprefix(codecs.BOM_UTF8)


def read_text(path: "str | os.PathLike[str]", expected: str) -> str:
    """Read a text file; all line ends become line feeds.

    Parameters
    ----------
    path : path-like
        The file.
    expected : str
        Kind of file, for the error messages: ``a channel map``.

    Raises
    ------
    InputError
        The file is missing, cannot be read, or is binary.
    """
    file = Path(path)
    try:
        text = decode(file.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{file}: expected {expected}, found no such file") from None
    except IsADirectoryError:
        raise InputError(f"{file}: expected {expected}, found a folder") from None
    except UnicodeDecodeError:
        raise InputError(f"{file}: expected {expected}, found incomplete UTF-16 text") from None
    except OSError as error:
        raise InputError(f"{file}: expected {expected}, cannot read it ({error})") from None
    if "\0" in text:
        raise InputError(
            f"{file}: expected {expected}, found binary content; save it as plain text"
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")
