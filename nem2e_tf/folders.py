"""Output folders that appear whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nem2e_tf.errors import InputError
from nem2e_tf.files import output_folder


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
