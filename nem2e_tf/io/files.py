"""Output folders that appear whole or not at all.

Writing that never leaves half a file, and folders that are never taken over.
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
    """Give a temporary path beside `path` that replaces it only if the block succeeds.

    Parameters
    ----------
    path : path-like
        The file to write. Its folder must exist.

    Yields
    ------
    Path
        Where to write.
    """
    target = Path(path)
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.name[:80]}.", suffix=target.suffix
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: "str | os.PathLike[str]", text: str) -> None:
    """Write a text file whole or not at all (UTF-8, line feeds)."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: "str | os.PathLike[str]", value: Any) -> None:
    """Write JSON whole or not at all; keys in the order given, no NaN."""
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
        raise InputError(f"{path}: expected JSON, found something else ({error})") from None


def output_folder(path: "str | os.PathLike[str]", *, marker: str) -> Path:
    """Make or reuse an output folder that is ours.

    Parameters
    ----------
    path : path-like
        The folder; made if it does not exist.
    marker : str
        A file name that tells a folder of ours, such as ``run.json``. A folder that holds other
        things and no marker is refused.

    Raises
    ------
    InputError
        The path is a file, or a folder that holds something else.
    """
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: expected a folder to write to, found a file")
    if folder.is_dir() and not (folder / marker).exists():
        # What a killed writer of the marker left beside it is ours too.
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
        raise InputError(f"{folder}: cannot make this folder ({error.strerror})") from None
    return folder


def sha256(path: "str | os.PathLike[str]") -> str:
    """Hexadecimal SHA-256 of a file's content."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def replacing_folder(path: "str | os.PathLike[str]", *, marker: str) -> Iterator[Path]:
    """Give a temporary folder beside `path` that takes its place only if the block succeeds.

    Parameters
    ----------
    path : path-like
        The folder to write. An earlier one of ours (it holds `marker`) is replaced whole.
    marker : str
        The file name that tells a folder of ours.

    Yields
    ------
    Path
        Where to write.

    Raises
    ------
    InputError
        The path is a file, or a folder that holds something else.
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
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)
        old = temporary.with_name(temporary.name + ".old")
        target.rename(old)
        try:
            temporary.rename(target)
        except OSError as error:
            old.rename(target)
            raise InputError(f"{target}: cannot write this folder ({error.strerror})") from None
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
    """Refuse to replace a folder into which somebody put files of their own.

    Parameters
    ----------
    path : path-like
        The folder that is to be replaced; nothing is checked where it holds no `marker`.
    marker : str
        The file name that tells a folder of ours.
    ours : callable (path of the marker) -> names
        The file names that we wrote there.

    Raises
    ------
    InputError
        The folder holds something that is not ours, or the marker cannot be read.
    """
    folder = Path(path)
    if not (folder / marker).is_file():
        return
    known = {marker, *ours(folder / marker)}
    others = sorted(item.name for item in folder.iterdir() if item.name not in known)
    if others:
        raise InputError(
            f"{folder}: expected only what {marker} lists, found {others[0]} as well; "
            "move it or choose another output folder"
        )
