"""What to call entries: no longer than needed to tell them apart."""

from typing import Any

import pandas as pd

from nem2e_tf.evaluation.results import ENSEMBLE, SEEDS_MEAN

WORDS = {SEEDS_MEAN: "", ENSEMBLE: "seeds averaged"}
_SETTINGS = ("run", "pattern", "targets", "output", "recipe", "variant")


def differing(rows: pd.DataFrame) -> list[str]:
    """Settings in which entries differ, the model excepted; the run only where nothing else does.

    Examples
    --------
    >>> rows = pd.DataFrame({"run": ["a", "b"], "model": ["tcn", "tcn"], "output": ["direct"] * 2})
    >>> differing(rows), differing(rows.assign(output=["direct", "residual"]))
    (['run'], ['output'])
    """
    names = [name for name in _SETTINGS[1:] if name in rows and rows[name].nunique() > 1]
    if "run" in rows and rows.duplicated(["model", *names]).any():
        names.insert(0, "run")
    return names


def settings_of(table: pd.DataFrame) -> list[str]:
    """Settings in which entries differ, of a table with several rows an entry.

    Rows without settings are no entries of a run but something to hold entries against.

    Examples
    --------
    >>> rows = pd.DataFrame({"run": ["a"] * 2, "model": ["tcn"] * 2, "pattern": ["all-entire"] * 2})
    >>> settings_of(rows)
    []
    """
    names = [name for name in ("by", "model", *_SETTINGS) if name in table]
    rows = table[names].drop_duplicates()
    return differing(rows[rows["pattern"] != ""] if "pattern" in rows else rows)


def shared(rows: pd.DataFrame) -> str:
    """Name the settings that all entries have in common.

    Examples
    --------
    >>> shared(pd.DataFrame({"pattern": ["all-entire"] * 2, "targets": ["each", "joint"]}))
    'pattern all-entire'
    """
    same = [name for name in _SETTINGS[1:] if name in rows and rows[name].nunique() == 1]
    words = [(name, WORDS.get(str(rows.iloc[0][name]), rows.iloc[0][name])) for name in same]
    return ", ".join(f"{name} {word}" for name, word in words if word)


def entry_label(row: "pd.Series[Any]", settings: list[str]) -> str:
    """Name an entry by its model and the settings given.

    Examples
    --------
    >>> entry_label(pd.Series({"model": "tcn", "variant": "ensemble"}), ["variant"])
    'tcn, seeds averaged'
    """
    words = [WORDS.get(str(row[name]), str(row[name])) for name in settings]
    return ", ".join(filter(None, (str(row["model"]), *words)))
