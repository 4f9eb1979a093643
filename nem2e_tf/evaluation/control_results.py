"""Folders that a control wrote: what was asked for, and tables."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from nem2e_tf.errors import InputError, near
from nem2e_tf.files import read_json

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
