"""Results of a control, and the folder that keeps them: ``control.json`` and tables as CSV."""

import io
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from nem2e_tf.errors import InputError, near
from nem2e_tf.evaluation.results import SETTINGS
from nem2e_tf.evaluation.statistics import OVERALL
from nem2e_tf.io.files import (
    output_folder,
    read_json,
    refuse_foreign,
    replacing_folder,
    write_json,
    write_text,
)
from nem2e_tf.training.run_folder import versions

FORMAT = 1
KIND = "nem2e-tf control"
MARKER = "control.json"
PARTIAL = "partial.json"
TEXT = (
    *("by", "model", "pattern", "targets", "output", "recipe", "variant", "seed", "interval"),
    *("muscle", "group", "notes", "verdict", "level", "token", "attention"),
)
_CHANGED = ("n", "rate_own", "rate_changed", "difference", "difference_p", "skill_changed")
COLUMNS = {
    "blind": ("n", "rate", "mean_pattern_rate", "share", "skill", "skill_p_holm", "verdict"),
    "oracle": ("n", "gain", "amplitude_share", "timing_share", "shape_share"),
    "shortcut": _CHANGED,
    "wrong-subject": _CHANGED,
    "shuffle": ("level", "tests", "false_positives", "share", "nominal", "skill"),
    "attention": (
        *("n", "n_masked", "rmse_own", "rmse_most", "rmse_random"),
        *("difference", "difference_p"),
    ),
}
"""The controls, and the columns of ``summary`` that answer the question of each."""


@dataclass(frozen=True, eq=False)
class ControlResults:
    """Results of a control.

    Attributes
    ----------
    name : str
        One of `COLUMNS`.
    header : dict
        ``control.json``: run, cohort, settings, versions, notes.
    tables : dict of str to DataFrame
        By name: ``summary``, and the other tables of the control.
    """

    name: str
    header: dict[str, Any] = field(repr=False)
    tables: dict[str, pd.DataFrame] = field(repr=False)

    @property
    def notes(self) -> list[str]:
        """Notes that a reader of the tables must know."""
        return [str(note) for note in self.header.get("notes", [])]

    @property
    def summary(self) -> pd.DataFrame:
        """One row per entry and muscle, then one ``overall``, with all columns."""
        return self.tables["summary"]

    @property
    def overall(self) -> pd.DataFrame:
        """Rows of the summary over all muscles."""
        rows = self.summary
        return rows if "level" in rows else rows[rows["muscle"] == OVERALL]

    def table(self) -> pd.DataFrame:
        """Return the overall rows: the entry, and the columns that answer the question."""
        rows = self.overall.reset_index(drop=True)
        settings = [c for c in (*SETTINGS[1:], "variant") if len(set(rows[c]) - {""}) > 1]
        return rows[["model", *settings, *COLUMNS[self.name]]]


def read_control(path: "str | os.PathLike[str]") -> ControlResults:
    """Read the folder of a control.

    Raises
    ------
    InputError
        It is missing, is something else, or a table is missing or damaged.
    """
    folder = Path(path)
    if not (folder / MARKER).is_file():
        raise InputError(f"{folder}: expected the folder of a control with {MARKER}, found none")
    header = read_json(folder / MARKER)
    kind = header.get("kind") if isinstance(header, dict) else None
    if kind != KIND or header.get("format") != FORMAT:
        raise InputError(f"{folder / MARKER}: expected a control of this version, found another")
    name = str(header.get("control"))
    if name not in COLUMNS:
        raise InputError(
            f"{folder / MARKER}: expected one of {', '.join(COLUMNS)}, found {name}"
            f"{near(name, list(COLUMNS))}"
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
    """Refuse a control of another cohort than that of the run it is shown with.

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


def check_output(out: "str | os.PathLike[str] | None") -> None:
    """Refuse an output folder that holds anything but a control; called before the work.

    Raises
    ------
    InputError
        The path is a file, or a folder that holds something else.
    """
    if out is None:
        return
    folder = Path(out)
    if folder.exists():
        output_folder(folder, marker=MARKER)
    refuse_foreign(folder, marker=MARKER, ours=_written)


def results_of(
    name: str,
    *,
    about: Mapping[str, Any],
    settings: Mapping[str, Any],
    notes: Sequence[str],
    tables: dict[str, pd.DataFrame],
    out: "str | os.PathLike[str] | None",
) -> ControlResults:
    """Put the results of a control together, and write its folder if there is one to write.

    Parameters
    ----------
    name : str
        One of `COLUMNS`.
    about : mapping
        The run and the cohort.
    settings : mapping
        Settings of the control.
    notes : sequence of str
    tables : dict of str to DataFrame
        Written as ``<name>.csv``.
    out : path-like, optional
        The folder, written completely or not at all; that of an earlier control is replaced.

    Raises
    ------
    InputError
        The folder holds something else.
    """
    header = {
        "format": FORMAT,
        "kind": KIND,
        "control": name,
        **about,
        "settings": dict(settings),
        "versions": versions(),
        "notes": list(notes),
        "files": [f"{table}.csv" for table in tables],
    }
    if out is not None:
        check_output(out)
        with replacing_folder(out, marker=MARKER) as folder:
            for table, rows in tables.items():
                buffer = io.StringIO()
                rows.to_csv(buffer, index=False, lineterminator="\n")
                write_text(folder / f"{table}.csv", buffer.getvalue())
            write_json(folder / MARKER, header)
    return ControlResults(name, header, tables)


def _written(marker: Path) -> list[str]:
    header = read_json(marker)
    if not isinstance(header, dict) or header.get("kind") != KIND:
        raise InputError(f"{marker}: expected the folder of a control, found something else")
    return [str(file) for file in header.get("files", [])]


def partial_folder(out: "str | os.PathLike[str]", settings: Mapping[str, Any]) -> Path:
    """Make or reopen the folder next to the output that keeps finished parts of the work.

    Parameters
    ----------
    out : path-like
        The output folder.
    settings : mapping
        Everything that determines the numbers.

    Returns
    -------
    Path
        ``<out>.partial``; `remove_partial` removes it.

    Raises
    ------
    InputError
        It holds something else, or parts computed with other settings.
    """
    target = Path(out)
    folder = output_folder(target.with_name(target.name + ".partial"), marker=PARTIAL)
    if (folder / PARTIAL).exists():
        if read_json(folder / PARTIAL) != dict(settings):
            raise InputError(
                f"{folder}: expected parts computed with the same settings, found others; "
                "repeat the earlier settings, or delete this folder"
            )
    else:
        write_json(folder / PARTIAL, dict(settings))
    return folder


def remove_partial(folder: Path) -> None:
    """Remove what `partial_folder` made; the marker last, so that it remains ours until then."""
    for item in folder.iterdir():
        if item.name != PARTIAL:
            shutil.rmtree(item) if item.is_dir() else item.unlink()
    shutil.rmtree(folder)
