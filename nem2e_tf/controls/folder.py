"""The folder a control writes, and where it keeps what is not finished."""

import io
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.control_results import FORMAT, KIND, MARKER
from nem2e_tf.files import output_folder, read_json, write_json, write_text
from nem2e_tf.folders import refuse_foreign, replacing_folder
from nem2e_tf.training.run_folder import versions

PARTIAL = "partial.json"


def refuse_foreign_files(path: "str | os.PathLike[str]") -> None:
    """Refuse an output folder that holds anything but a control of ours; for before the work.

    Raises
    ------
    InputError
        The path is a file, or a folder that holds something else.
    """
    folder = Path(path)
    if folder.exists():
        output_folder(folder, marker=MARKER)
    refuse_foreign(folder, marker=MARKER, ours=_written)


def write_control(
    path: "str | os.PathLike[str]",
    name: str,
    *,
    about: Mapping[str, Any],
    settings: Mapping[str, Any],
    notes: Sequence[str],
    tables: Mapping[str, pd.DataFrame],
) -> Path:
    """Write the folder of a control whole or not at all; an earlier one of ours is replaced.

    Parameters
    ----------
    path : path-like
    name : str
        Of the control.
    about : mapping
        The run and the cohort.
    settings : mapping
        What was asked for.
    notes : sequence of str
    tables : mapping of str to DataFrame
        Written as ``<name>.csv``.

    Raises
    ------
    InputError
        The folder holds something else.
    """
    refuse_foreign_files(path)
    with replacing_folder(path, marker=MARKER) as folder:
        for table, rows in tables.items():
            buffer = io.StringIO()
            rows.to_csv(buffer, index=False, lineterminator="\n")
            write_text(folder / f"{table}.csv", buffer.getvalue())
        write_json(
            folder / MARKER,
            {
                "format": FORMAT,
                "kind": KIND,
                "control": name,
                **about,
                "settings": dict(settings),
                "versions": versions(),
                "notes": list(notes),
                "files": [f"{table}.csv" for table in tables],
            },
        )
    return Path(path)


def partial_folder(path: "str | os.PathLike[str]", asked: Mapping[str, Any]) -> Path:
    """Make or reopen the folder beside the output that keeps what is finished so far.

    Parameters
    ----------
    path : path-like
        The output folder.
    asked : mapping
        All that decides the numbers.

    Returns
    -------
    Path
        ``<path>.partial``; `remove_partial` takes it away.

    Raises
    ------
    InputError
        It holds something else, or work that was asked for otherwise.
    """
    target = Path(path)
    folder = output_folder(target.with_name(target.name + ".partial"), marker=PARTIAL)
    if (folder / PARTIAL).exists():
        if read_json(folder / PARTIAL) != dict(asked):
            raise InputError(
                f"{folder}: expected work that was asked for in the same way, found other; "
                "repeat the earlier command, or delete this folder"
            )
    else:
        write_json(folder / PARTIAL, dict(asked))
    return folder


def remove_partial(folder: Path) -> None:
    """Remove what `partial_folder` made; the marker last, so that it stays ours until then."""
    for item in folder.iterdir():
        if item.name != PARTIAL:
            shutil.rmtree(item) if item.is_dir() else item.unlink()
    shutil.rmtree(folder)


def _written(marker: Path) -> list[str]:
    header = read_json(marker)
    if not isinstance(header, dict) or header.get("kind") != KIND:
        raise InputError(f"{marker}: expected the folder of a control, found something else")
    return [str(file) for file in header.get("files", [])]
