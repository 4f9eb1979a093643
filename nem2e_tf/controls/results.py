"""The folder a control writes, and where it keeps what is not finished.

Folders that a control wrote: what was asked for, and tables.

What a control is about: a finished run and its cohort.
"""

import io
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from nem2e_tf.cohorts.cohort import Cohort, load_cohort
from nem2e_tf.errors import InputError, near
from nem2e_tf.io.files import (
    output_folder,
    read_json,
    refuse_foreign,
    replacing_folder,
    write_json,
    write_text,
)
from nem2e_tf.training.kept import check_cohort
from nem2e_tf.training.run_folder import RunFolder, open_run, versions

FORMAT = 1
KIND = "nem2e-tf control"
MARKER = "control.json"
CONTROLS = ("blind", "oracle", "shortcut", "wrong-subject", "shuffle", "attention")
TEXT = (
    *("by", "model", "pattern", "targets", "output", "recipe", "variant", "seed", "interval"),
    *("muscle", "group", "notes", "verdict", "level", "token", "attention"),
)


@dataclass(frozen=True, eq=False)
class ControlResults:
    """What a control found.

    Attributes
    ----------
    name : str
        One of `CONTROLS`.
    header : dict
        ``control.json``: run, cohort, settings, versions, notes.
    tables : dict of str to DataFrame
        By name: ``summary``, and what else the control writes.
    """

    name: str
    header: dict[str, Any]
    tables: dict[str, pd.DataFrame]

    @property
    def notes(self) -> list[str]:
        """What a reader must know besides the tables."""
        return [str(note) for note in self.header.get("notes", [])]


def read_control(path: "str | os.PathLike[str]") -> ControlResults:
    """Read a control folder.

    Raises
    ------
    InputError
        It is missing, is something else, or a table is missing or damaged.
    """
    folder = Path(path)
    if not (folder / MARKER).is_file():
        raise InputError(
            f"{folder}: expected the folder of a control with {MARKER}, found none; "
            "make one with 'nem2e-tf control'"
        )
    header = read_json(folder / MARKER)
    kind = header.get("kind") if isinstance(header, dict) else None
    if kind != KIND or header.get("format") != FORMAT:
        raise InputError(f"{folder / MARKER}: expected a control of this version, found another")
    name = str(header.get("control"))
    if name not in CONTROLS:
        raise InputError(
            f"{folder / MARKER}: expected one of {', '.join(CONTROLS)}, found {name}"
            f"{near(name, CONTROLS)}"
        )
    tables = {}
    for file in header.get("files", []):
        place = folder / Path(str(file)).name
        try:
            found = pd.read_csv(place, dtype=dict.fromkeys(TEXT, str))
        except (OSError, ValueError) as error:
            raise InputError(f"{place}: expected a table, found {error}") from None
        words = [column for column in TEXT if column in found]
        found[words] = found[words].fillna("")
        tables[place.stem] = found
    if "summary" not in tables:
        raise InputError(f"{folder}: expected summary.csv, found none; run the control again")
    return ControlResults(name, header, tables)


def check_same_cohort(control: ControlResults, digest: str) -> None:
    """Refuse a control of another cohort than the run it is shown with.

    Raises
    ------
    InputError
        The digests differ.
    """
    found = str(control.header.get("cohort", {}).get("digest", ""))
    if found != digest:
        raise InputError(
            f"control {control.name}: expected one of the cohort {digest[:12]}, found one of "
            f"{found[:12] or 'no digest'}"
        )


@dataclass(frozen=True, eq=False)
class Source:
    """A run, its cohort, and which of its models are asked about.

    Attributes
    ----------
    run : RunFolder
    cohort : Cohort
    cohort_path : Path
    models : tuple of str
    """

    run: RunFolder
    cohort: Cohort
    cohort_path: Path
    models: tuple[str, ...]

    @property
    def about(self) -> dict[str, Any]:
        """What it is, for ``control.json``."""
        return {
            "run": {"name": self.run.path.resolve().name, "settings": self.run.settings.as_dict()},
            "cohort": {"name": self.cohort.name, "digest": self.cohort.digest},
        }

    def fits(self) -> list[int]:
        """Fits of the models asked about, in the order of the plan."""
        configurations = self.run.plan.configurations
        return [
            index
            for index, fit in enumerate(self.run.plan.fits)
            if configurations[fit.configuration].model in self.models
        ]


def open_source(
    run_path: "str | os.PathLike[str]",
    cohort_path: "str | os.PathLike[str]",
    *,
    models: Iterable[str] = (),
) -> Source:
    """Open a run and the cohort it was made with.

    Parameters
    ----------
    run_path, cohort_path : path-like
    models : iterable of str
        Which of the run's; all by default.

    Raises
    ------
    InputError
        One is missing, they do not belong together, the run is not finished, or it has no such
        model.
    """
    run = open_run(run_path)
    cohort = load_cohort(cohort_path)
    check_cohort(run, cohort)
    missing = len(run.unfinished())
    if missing:
        raise InputError(
            f"{run.path}: expected a finished run, found {missing} of {len(run.plan.chunks)} "
            "chunks without predictions; run the same 'nem2e-tf cv' again to finish it"
        )
    present = list(dict.fromkeys(c.model for c in run.plan.configurations))
    chosen = tuple(dict.fromkeys(models)) or tuple(present)
    for model in chosen:
        if model not in present:
            raise InputError(
                f"{run.path}: expected a run with {model}, found {', '.join(present)}"
                f"{near(model, present)}"
            )
    return Source(run, cohort, Path(cohort_path), chosen)


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
