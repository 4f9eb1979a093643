"""Atomic writing of files and folders: the result is complete, or the previous state remains.

Folders with other people's files are never overwritten. A folder of ours is recognised by its
marker, a file such as ``run.json``.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nem2e_tf.errors import InputError


@contextmanager
def replacing(path: "str | os.PathLike[str]") -> Iterator[Path]:
    """Yield a temporary path in the same folder that replaces `path` if the block succeeds.

    Parameters
    ----------
    path : path-like
        The file to write. Its folder must exist.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(f"{folder}/table.csv") as temporary:
    ...         _ = temporary.write_text("a,b")
    ...     os.listdir(folder)
    ['table.csv']
    """
    target = Path(path)
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.name[:80]}.", suffix=target.suffix
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _set_mode(temporary, 0o666)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _set_mode(path: Path, mode: int) -> None:
    """Give a temporary file or folder the permissions of a new one."""
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(mode & ~umask)


def write_text(path: "str | os.PathLike[str]", text: str) -> None:
    """Write a text file atomically (UTF-8, line feeds)."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: "str | os.PathLike[str]", value: Any) -> None:
    """Write JSON atomically; keys in the given order, no NaN."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: "str | os.PathLike[str]") -> Any:
    """Read a JSON file.

    Raises
    ------
    InputError
        The file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: expected a JSON file, found no such file") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected JSON, cannot read it ({error})") from None


def output_folder(path: "str | os.PathLike[str]", *, marker: str) -> Path:
    """Create an output folder, or reuse one of ours.

    Parameters
    ----------
    path : path-like
        The folder; created if it does not exist.
    marker : str
        File name by which a folder of ours is recognised, such as ``run.json``. A folder that
        contains other files and no marker is refused.

    Raises
    ------
    InputError
        The path is a file, or a folder with other content.
    """
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: expected a folder to write to, found a file")
    if folder.is_dir() and not (folder / marker).exists():
        # A temporary file of the marker, left by a killed process, is also ours.
        others = sorted(
            item.name for item in folder.iterdir() if not item.name.startswith(f".{marker}.")
        )
        if others:
            raise InputError(
                f"{folder}: expected an empty folder or one with {marker}, found {others[0]}"
                f"{f' and {len(others) - 1} more' if len(others) > 1 else ''}; "
                "choose another output folder"
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot create this folder ({error.strerror})") from None
    return folder


def sha256(path: "str | os.PathLike[str]") -> str:
    """Return the hexadecimal SHA-256 of a file's content."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def replacing_folder(path: "str | os.PathLike[str]", *, marker: str) -> Iterator[Path]:
    """Yield a temporary folder that replaces `path` if the block succeeds.

    Parameters
    ----------
    path : path-like
        The folder to write. An earlier one of ours (with `marker`) is replaced as a whole.
    marker : str
        File name by which a folder of ours is recognised.

    Raises
    ------
    InputError
        The path is a file, or a folder with other content.
    """
    target = Path(path).absolute()
    new = not target.exists()
    output_folder(target, marker=marker)
    try:
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name[:80]}."))
    except OSError as error:
        raise InputError(f"{target.parent}: cannot write there ({error.strerror})") from None
    try:
        yield temporary
        _set_mode(temporary, 0o777)
        old = temporary.with_name(temporary.name + ".old")
        target.rename(old)
        try:
            temporary.rename(target)
        except OSError as error:
            old.rename(target)
            raise InputError(f"{target}: cannot replace this folder ({error.strerror})") from None
        shutil.rmtree(old)
        new = False
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if new:
            with suppress(OSError):
                target.rmdir()


def refuse_foreign(
    path: "str | os.PathLike[str]", *, marker: str, ours: Callable[[Path], Iterable[str]]
) -> None:
    """Refuse to replace a folder of ours to which other files were added.

    Parameters
    ----------
    path : path-like
        The folder to be replaced; not checked if it has no `marker`.
    marker : str
        File name by which a folder of ours is recognised.
    ours : callable (path of the marker) -> names
        Returns the names of the files that we wrote there.

    Raises
    ------
    InputError
        The folder has other files, or the marker cannot be read.
    """
    folder = Path(path)
    if not (folder / marker).is_file():
        return
    known = {marker, *ours(folder / marker)}
    others = sorted(item.name for item in folder.iterdir() if item.name not in known)
    if others:
        raise InputError(
            f"{folder}: expected only the files that {marker} lists, found also {others[0]}; "
            "move it or choose another output folder"
        )
