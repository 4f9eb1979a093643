"""The table of results: its columns, its checks, and seeds brought together.

One row is one fit, one muscle and one group that was left out. An *entry* is a model with its
settings; its predictions averaged over seeds (``seed`` is ``ensemble``) are a variant of their own.
"""

import csv
import os
from pathlib import Path

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError

SETTINGS = ("model", "pattern", "targets", "output", "recipe")
TEXT_COLUMNS = (*SETTINGS, "seed", "muscle", "by", "group")
SCORES = ("rmse_simulated", "rmse_mean_pattern", "rmse_refined", "rate", "skill", "r", "lag_ms")
NUMBER_COLUMNS = ("n_cycles", *SCORES, "epochs", "seconds")
RESULT_COLUMNS = (*TEXT_COLUMNS, *NUMBER_COLUMNS)
REFERENCE_TEXT = ("muscle", "by", "group")
REFERENCE_NUMBERS = (
    "n_cycles",
    "rmse_simulated",
    "rmse_mean_pattern",
    "rmse_mean_pattern_per_condition",
)
ENSEMBLE = "ensemble"
SEEDS_MEAN = "seeds-mean"
BLOCK = "block"


def read_results(path: "str | os.PathLike[str]") -> pd.DataFrame:
    """Read a ``results.csv``.

    Returns
    -------
    DataFrame
        The columns `RESULT_COLUMNS` and any others; settings, seed and group as text. An empty
        number is NaN.

    Raises
    ------
    InputError
        The file is missing, cut short, lacks a column, holds a word where a number belongs, or says
        the same thing twice.
    """
    return check_results(_read_table(path, TEXT_COLUMNS, NUMBER_COLUMNS), source=str(path))


def read_references(path: "str | os.PathLike[str]") -> pd.DataFrame:
    """Read a ``references.csv``: errors of the simulation and of the mean EMG patterns.

    Raises
    ------
    InputError
        As `read_results`.
    """
    return _read_table(path, REFERENCE_TEXT, REFERENCE_NUMBERS)


def check_results(results: pd.DataFrame, *, source: str = "results") -> pd.DataFrame:
    """Return the results with settings, seed and group as text, after checking them.

    Parameters
    ----------
    results : DataFrame
        Columns `RESULT_COLUMNS`, and ``run`` where several runs are put together.
    source : str
        What to call the table in an error.

    Raises
    ------
    InputError
        A column is missing, or two rows are of the same fit, muscle and group.
    """
    missing = [column for column in RESULT_COLUMNS if column not in results.columns]
    if missing:
        raise InputError(f"{source}: expected a column {missing[0]}, found none")
    table = results.astype(dict.fromkeys(TEXT_COLUMNS, str))
    keys = [column for column in ("run", *TEXT_COLUMNS) if column in table.columns]
    twice = table[table.duplicated(keys)]
    if len(twice):
        row = twice.iloc[0]
        raise InputError(
            f"{source}: expected one row for {row['model']}, {row['muscle']}, seed {row['seed']}, "
            f"{row['by']} {row['group']}, found several"
        )
    return table


def entry_columns(results: pd.DataFrame) -> list[str]:
    """Columns that name an entry: run (of several), what was left out, settings, variant."""
    return [*(["run"] if "run" in results.columns else []), "by", *SETTINGS, "variant"]


def average_seeds(results: pd.DataFrame) -> pd.DataFrame:
    """Average the seeds of each entry, muscle and group; ensembles stay as they are.

    Seeds are repetitions of the same people: averaged first, they do not count as evidence from
    more people.

    Parameters
    ----------
    results : DataFrame
        See `check_results`.

    Returns
    -------
    DataFrame
        One row an entry, variant (``seeds-mean`` or ``ensemble``), muscle and group, in the order
        of first appearance, with the mean of each number over the seeds that have it, ``n_seeds``
        (seeds with a result) and ``seeds`` (seeds of the entry): where they differ a fit failed.
    """
    table = check_results(results)
    table["variant"] = np.where(table["seed"] == ENSEMBLE, ENSEMBLE, SEEDS_MEAN)
    entry = entry_columns(table)
    table["seeds"] = table.groupby(entry, sort=False)["seed"].transform("nunique")
    table["n_seeds"] = table["rmse_refined"].notna().astype(int)
    grouped = table.groupby([*entry, "muscle", "group"], sort=False)
    sums = dict.fromkeys(NUMBER_COLUMNS, "mean") | {"n_seeds": "sum", "seeds": "first"}
    return grouped.agg(sums).reset_index()


def references_of(results: pd.DataFrame) -> pd.DataFrame:
    """Errors of the simulation and of the mean EMG pattern, as every row of results repeats them.

    Stands in for ``references.csv`` where a run has none; the error of one mean pattern a condition
    is then NaN.
    """
    table = check_results(results)
    run = ["run"] if "run" in table.columns else []
    columns = [*run, *REFERENCE_TEXT, *REFERENCE_NUMBERS[:-1]]
    return distinct_references(table[columns].assign(rmse_mean_pattern_per_condition=np.nan))


def distinct_references(references: pd.DataFrame) -> pd.DataFrame:
    """Rows of references without those that repeat an earlier one, of another fit or run."""
    # Computed twice, or read from a CSV, the same error may differ in its last digits.
    rounded = references.round(dict.fromkeys(REFERENCE_NUMBERS[1:], 9))
    repeated = rounded.duplicated([*REFERENCE_TEXT, *REFERENCE_NUMBERS])
    return references.loc[~repeated].reset_index(drop=True)


def _read_table(
    path: "str | os.PathLike[str]", words: tuple[str, ...], numbers: tuple[str, ...]
) -> pd.DataFrame:
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{file}: expected a table, found no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: expected a table, found {error}") from None
    rows = list(csv.reader(text.splitlines()))
    if not rows:
        raise InputError(f"{file}: expected a table, found an empty file")
    header = rows[0]
    for column in (*words, *numbers):
        if column not in header:
            raise InputError(f"{file}, line 1: expected a column {column}, found none")
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise InputError(f"{file}, line {line}: expected {len(header)} cells, found {len(row)}")
    if not text.endswith("\n"):
        raise InputError(f"{file}, line {len(rows)}: expected the end of a line, found it cut off")
    columns = {name: [row[i] for row in rows[1:]] for i, name in enumerate(header)}
    table = pd.DataFrame(columns, dtype=str)
    for name in numbers:
        table[name] = [_number(cell, file, i + 2, name) for i, cell in enumerate(columns[name])]
    return table


def _number(cell: str, file: Path, line: int, column: str) -> float:
    if not cell.strip():
        return float("nan")
    try:
        return float(cell)
    except ValueError:
        raise InputError(
            f"{file}, line {line}, column {column}: expected a number, found {cell!r}"
        ) from None
