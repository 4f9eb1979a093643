"""Suppression of the log lines that C++ libraries print to the terminal."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

STDERR = 2


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Discard what native code writes to stderr; for the command line only.

    LiteRT prints its delegate on the first run and has no option against it. Output of Python
    itself, such as warnings, is not affected.
    """
    stream = sys.stderr
    stream.flush()
    try:
        saved = os.dup(STDERR)
    except OSError:  # no stderr at all
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STDERR)
    os.close(nowhere)
    aside = _Passing(os.fdopen(saved, "w", closefd=False))
    if _is_stderr(stream):
        sys.stderr = aside
    try:
        yield
    finally:
        aside.flush()
        # A logger created in the block may keep a reference to it.
        aside.stream = stream
        sys.stderr = stream
        os.dup2(saved, STDERR)
        os.close(saved)


class _Passing(io.TextIOBase):
    """Forwards text to a stream that can be exchanged."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        return self.stream.write(text)

    def flush(self) -> None:
        self.stream.flush()


def _is_stderr(stream: object) -> bool:
    try:
        return stream.fileno() == STDERR  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return False
