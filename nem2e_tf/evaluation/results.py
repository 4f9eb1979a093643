"""The table of results: its columns, reading and checking it, and averaging seeds.

One row is one fit, one muscle and one group that was left out. An *entry* is a model with its
settings. Its predictions averaged over seeds (``seed`` is ``ensemble``) are a variant of their own.
"""

import csv
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError
from nem2e_tf.io.text import read_text

SETTINGS = ("model", "pattern", "targets", "output", "recipe")
TEXT_COLUMNS = (*SETTINGS, "seed", "muscle", "by", "group")
SCORES = ("rmse_simulated", "rmse_mean_pattern", "rmse_refined", "rate", "skill", "r", "lag_ms")
NUMBER_COLUMNS = ("n_cycles", *SCORES, "epochs", "seconds")
RESULT_COLUMNS = (*TEXT_COLUMNS, *NUMBER_COLUMNS)
REFERENCE_TEXT = ("muscle", "by", "group")
REFERENCE_NUMBERS = ("n_cycles", *SCORES[:2], "rmse_mean_pattern_per_condition")
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
        The file is missing or cut short, a column is missing, a cell that should be a number is
        not, or two rows are of the same fit, muscle and group.
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
    """Check a table of results and return it with settings, seed and group as text.

    Parameters
    ----------
    results : DataFrame
        Columns `RESULT_COLUMNS`, and ``run`` in a table of several runs.
    source : str
        Name of the table in an error.

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


def by_columns(
    table: pd.DataFrame, columns: Sequence[str]
) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Yield the rows that share the values of some columns, with these values by column."""
    for key, part in table.groupby(list(columns), sort=False):
        yield dict(zip(columns, key, strict=True)), part


def by_muscle(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the name and the rows of each muscle, in order of appearance."""
    for muscle, part in table.groupby("muscle", sort=False):
        yield str(muscle), part


def with_variant(table: pd.DataFrame) -> pd.DataFrame:
    """Add the column ``variant``: ``ensemble``, or ``seeds-mean`` for single seeds."""
    return table.assign(variant=np.where(table["seed"] == ENSEMBLE, ENSEMBLE, SEEDS_MEAN))


def average_seeds(results: pd.DataFrame) -> pd.DataFrame:
    """Average the seeds of each entry, muscle and group; ensembles stay separate.

    Seeds are repetitions with the same people: averaged first, they do not count as evidence from
    more people.

    Parameters
    ----------
    results : DataFrame
        See `check_results`.

    Returns
    -------
    DataFrame
        One row per entry, variant (``seeds-mean`` or ``ensemble``), muscle and group, in order of
        appearance, with the mean of each number over the seeds that have it, ``n_seeds`` (seeds
        with a result) and ``seeds`` (seeds of the entry). Where these two differ a fit failed.
    """
    table = with_variant(check_results(results))
    entry = entry_columns(table)
    table["seeds"] = table.groupby(entry, sort=False)["seed"].transform("nunique")
    table["n_seeds"] = table["rmse_refined"].notna().astype(int)
    grouped = table.groupby([*entry, "muscle", "group"], sort=False)
    sums = dict.fromkeys(NUMBER_COLUMNS, "mean") | {"n_seeds": "sum", "seeds": "first"}
    return grouped.agg(sums).reset_index()


def references_of(results: pd.DataFrame) -> pd.DataFrame:
    """Errors of the simulation and of the mean pattern, as every row of results repeats them.

    Replaces ``references.csv`` where a run has none; the error of one mean pattern per condition is
    then NaN.
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
    text = read_text(path, "a table")
    rows = list(csv.reader(text.splitlines()))
    if not rows:
        raise InputError(f"{path}: expected a table, found an empty file")
    header = rows[0]
    for column in (*words, *numbers):
        if column not in header:
            raise InputError(f"{path}, line 1: expected a column {column}, found none")
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise InputError(f"{path}, line {line}: expected {len(header)} cells, found {len(row)}")
    if not text.endswith("\n"):
        raise InputError(
            f"{path}, line {len(rows)}: expected a newline at the end, found the file cut off"
        )
    columns = {name: [row[i] for row in rows[1:]] for i, name in enumerate(header)}
    table = pd.DataFrame(columns, dtype=str)
    for name in numbers:
        table[name] = [_number(cell, path, i + 2, name) for i, cell in enumerate(columns[name])]
    return table


def _number(cell: str, path: "str | os.PathLike[str]", line: int, column: str) -> float:
    try:
        return float(cell) if cell.strip() else float("nan")
    except ValueError:
        raise InputError(
            f"{path}, line {line}, column {column}: expected a number, found {cell!r}"
        ) from None
