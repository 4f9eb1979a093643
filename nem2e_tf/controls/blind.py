"""The input-blind control: what the mean EMG pattern alone reaches."""

import os
from pathlib import Path
from typing import Any

import pandas as pd

from nem2e_tf.controls.folder import refuse_foreign_files, write_control
from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.blind import input_blind, sentences
from nem2e_tf.evaluation.results import read_results
from nem2e_tf.files import read_json
from nem2e_tf.training.run_folder import MARKER


def control_blind(
    run_path: "str | os.PathLike[str]", path: "str | os.PathLike[str]"
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Hold every entry of a run against the mean EMG pattern, and write the folder of the control.

    Nothing is trained and no cohort is needed: the results of the run tell.

    Parameters
    ----------
    run_path : path-like
        A finished run.
    path : path-like
        Where to write.

    Returns
    -------
    tables : dict of str to DataFrame
        ``summary``: `nem2e_tf.evaluation.blind.input_blind`.
    notes : list of str
        The same in words.

    Raises
    ------
    InputError
        There is no finished run, or the output folder holds something else.
    """
    refuse_foreign_files(path)
    folder = Path(run_path)
    if not (folder / MARKER).exists():
        raise InputError(f"{folder}: expected a run folder with {MARKER}, found none")
    table = input_blind(read_results(folder / "results.csv"))
    if table.empty:
        raise InputError(f"{folder / 'results.csv'}: expected rows of results, found none")
    notes = [line for by in table["by"].unique() for line in sentences(table, by=str(by))]
    tables = {"summary": table}
    write_control(path, "blind", about=_about(folder), settings={}, notes=notes, tables=tables)
    return tables, notes


def _about(folder: Path) -> dict[str, Any]:
    header = read_json(folder / MARKER)
    try:
        cohort = {name: header["cohort"][name] for name in ("name", "digest")}
        return {
            "run": {"name": folder.resolve().name, "settings": header["settings"]},
            "cohort": cohort,
        }
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{folder / MARKER}: expected a run of this version, found one without {error}"
        ) from None
