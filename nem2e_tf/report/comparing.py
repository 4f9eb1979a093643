"""Two runs of one cohort compared: their difference per entry and muscle, paired by group."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.text import Text

from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.results import BLOCK, average_seeds
from nem2e_tf.evaluation.statistics import OVERALL, estimate, holm
from nem2e_tf.report.runs import Run, read_header, read_runs, run_paths
from nem2e_tf.report.tables import Printable, comparison_table, records, sentence

MATCHED = ("by", "model", "pattern", "variant")
_VALUES = ("rmse_refined", "rate", "skill")


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two runs compared.

    Attributes
    ----------
    first, second : Path
        Their folders.
    results : DataFrame
        Differences per entry and muscle; see `compare_results`.
    settings : list of (name, first, second)
        Settings and versions that differ.
    notes : list of str
        What could not be compared, and why.
    """

    first: Path
    second: Path
    results: pd.DataFrame
    settings: list[tuple[str, str, str]]
    notes: list[str]

    def table(self, *, muscles: bool = False) -> Printable:
        """Return the differences as a table with notes, which prints.

        Parameters
        ----------
        muscles : bool
            Add one row per muscle to every entry.
        """
        rows = self.results
        rows = rows if muscles else rows[rows["muscle"] == OVERALL]
        lines = [f"First: {self.first}", f"Second: {self.second}"]
        lines += [f"{name}: {one} -> {other}" for name, one, other in self.settings]
        lines += [] if self.settings else ["Settings and versions are the same."]
        below = [
            "Differences are second - first. RMSE and rate: the second run is better below 0; "
            "skill: it is better above 0."
        ]
        if (rows["by"] == BLOCK).all():
            below.append("[lowest, highest block]; blocks of one person allow no test.")
        else:
            below.append("[95 % t interval], paired by group; p Holm-adjusted over the entries.")
        for note, of_note in rows[rows["notes"] != ""].groupby("notes", sort=False):
            where = [f"{row['model']} ({row['muscle']})" for _, row in of_note.iterrows()]
            below.append(f"{sentence(str(note))[:-1]}: {', '.join(where)}.")
        below += map(sentence, self.notes)
        return Printable(*map(Text, lines), "", comparison_table(rows), "", *map(Text, below))

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values for ``json.dumps``; NaN is None."""
        names = ("name", "first", "second")
        return {
            "format": 1,
            "first": str(self.first),
            "second": str(self.second),
            "settings": [dict(zip(names, row, strict=True)) for row in self.settings],
            "comparison": records(self.results),
            "notes": self.notes,
        }


def compare(first: Run, second: Run, /) -> Comparison:
    """Compare two runs of one cohort.

    Parameters
    ----------
    first, second : path-like or run

    Raises
    ------
    InputError
        A run cannot be read or is not finished, the runs are of different cohorts, or they have no
        entry in common.

    Examples
    --------
    >>> import nem2e_tf as nem2e
    >>> cohort = nem2e.synthesise("walk")
    >>> runs = [nem2e.cross_validate(cohort, name, jobs=1) for name in ("affine", "shift")]
    >>> found = compare(*runs).results.query("muscle == 'overall'")
    >>> bool(found["difference"].item() < 0)  # second - first, of the RMSE
    True
    """
    folders = run_paths([first, second])
    results, _ = read_runs(folders)
    table = compare_results(
        *(rows.drop(columns="run") for _, rows in results.groupby("run", sort=False))
    )
    notes = list(table.attrs["notes"])
    if table.empty:
        raise InputError(
            f"{folders[1]}: expected an entry of {folders[0]}, found none in common"
            f"{f' ({notes[0]})' if notes else ''}"
        )
    settings = differing_settings(*map(read_header, folders))
    return Comparison(folders[0], folders[1], table, settings, notes)


def compare_results(first: pd.DataFrame, second: pd.DataFrame, /) -> pd.DataFrame:
    """Compare the entries that are in the results of two runs.

    Parameters
    ----------
    first, second : DataFrame
        Rows of ``results.csv`` of two runs of one cohort. Entries are matched by model and input
        pattern; other settings may differ. If there is no match and each run has a single entry,
        these two are compared.

    Returns
    -------
    DataFrame
        One row per entry and muscle, then one ``overall``: ``by``, ``model``, ``pattern``,
        ``variant`` (of the first run) and ``against`` (the entry of the second run, if it is
        another one); ``muscle``, ``n`` (groups with a result in both), ``interval``; ``rmse_first``
        and ``rmse_second``; ``difference`` (second - first; below 0: the second run is better) with
        ``_low``, ``_high`` (95 % t interval; range over blocks), ``_t``, ``_p`` and ``_p_holm``;
        ``rate_difference`` and ``skill_difference``, means over groups; ``notes``.
        ``attrs["notes"]`` lists what could not be compared.

        Holm's families: all entries and muscles under one input pattern; and, for the overall rows,
        the entries under one input pattern.
    """
    tables = [average_seeds(table) for table in (first, second)]
    entries = [dict(iter(table.groupby(list(MATCHED), sort=False))) for table in tables]
    notes: list[str] = []
    pairs = [(key, key) for key in entries[0] if key in entries[1]]
    if not pairs and all(len(found) == 1 for found in entries):
        pairs = [(next(iter(entries[0])), next(iter(entries[1])))]
    for place, which in enumerate(("first", "second")):
        paired = {pair[place] for pair in pairs}
        alone = [_name(key) for key in entries[place] if key not in paired]
        notes += [f"only in the {which} run: {'; '.join(alone)}"] if alone else []
    rows: list[dict[str, Any]] = []
    for one, other in pairs:
        found = _compared(entries[0][one], entries[1][other])
        if found is None:
            notes.append(f"{_name(one)}: scored on different cycles in each run; not compared")
            continue
        names = dict(zip(MATCHED, one, strict=True))
        against = "" if one == other else _name(other)
        rows += [names | {"against": against} | row for row in found]
    table = pd.DataFrame(rows)
    if rows:
        table.insert(list(table).index("difference_p") + 1, "difference_p_holm", _adjusted(table))
    table.attrs["notes"] = notes
    return table


def differing_settings(
    first: Mapping[str, Any], second: Mapping[str, Any], /
) -> list[tuple[str, str, str]]:
    """List the settings and versions in which two runs differ, with both values.

    Parameters
    ----------
    first, second : mapping
        ``run.json`` of each.

    Examples
    --------
    >>> differing_settings({"settings": {"seeds": 1}}, {"settings": {"seeds": 3}})
    [('settings.seeds', '1', '3')]
    """
    flat = [
        _flat(
            {
                "cohort": header.get("cohort", {}),
                "settings": _with_short_sources(header.get("settings", {})),
                "versions": header.get("versions", {}),
            }
        )
        for header in (first, second)
    ]
    names = dict.fromkeys((*flat[0], *flat[1]))
    values = [(name, flat[0].get(name, "unknown"), flat[1].get(name, "unknown")) for name in names]
    return [(name, one, other) for name, one, other in values if one != other]


def _with_short_sources(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the text of users' refiners by its digest."""
    sources = [
        f"{source['file']}:{source['function']} (SHA-256 {source['sha256'][:12]})"
        for source in settings.get("sources", ())
    ]
    return {**settings, "sources": sources} if sources else dict(settings)


def _compared(one: pd.DataFrame, other: pd.DataFrame) -> "list[dict[str, Any]] | None":
    keys = ["muscle", "group"]
    both = one.merge(other, on=keys, suffixes=("_first", "_second"))
    first, second = both["rmse_simulated_first"], both["rmse_simulated_second"]
    # The error of the simulation differs if other cycles were scored.
    if both.empty or not np.allclose(first, second, rtol=1e-5, atol=0.0, equal_nan=True):
        return None
    for value in _VALUES:
        name = "difference" if value == "rmse_refined" else f"{value}_difference"
        both[name] = both[f"{value}_second"] - both[f"{value}_first"]
    known = both[both["difference"].notna()]
    numbers = ["rmse_refined_first", "rmse_refined_second", "difference"]
    numbers += ["rate_difference", "skill_difference"]
    by = str(one.iloc[0]["by"])
    n_groups = both["group"].nunique()
    rows = []
    for muscle in both["muscle"].unique():
        rows.append(_row(str(muscle), known[known["muscle"] == muscle], by, n_groups))
    means = known.groupby("group", sort=False)[numbers].mean().reset_index()
    rows.append(_row(OVERALL, means, by, n_groups))
    return rows


def _row(muscle: str, pairs: pd.DataFrame, by: str, n_groups: int) -> dict[str, Any]:
    first, second = (float(pairs[f"rmse_refined_{which}"].mean()) for which in ("first", "second"))
    found = estimate(pairs["difference"], blocks=by == BLOCK, scale=first)
    notes = [f"no results in both runs for {n_groups - found.n} of {n_groups} groups"]
    return {
        "muscle": muscle,
        "n": found.n,
        "interval": "range" if by == BLOCK else "t",
        "rmse_first": first,
        "rmse_second": second,
        "difference": found.mean,
        "difference_low": found.low,
        "difference_high": found.high,
        "difference_t": found.t,
        "difference_p": found.p,
        "rate_difference": float(pairs["rate_difference"].mean()),
        "skill_difference": float(pairs["skill_difference"].mean()),
        "notes": "; ".join(filter(None, [*notes[: found.n < n_groups], found.note])),
    }


def _adjusted(table: pd.DataFrame) -> "pd.Series[float]":
    adjusted = pd.Series(np.nan, index=table.index)
    family = [table["by"], table["pattern"], table["muscle"] == OVERALL]
    for _, rows in table.groupby(family, sort=False):
        adjusted[rows.index] = holm(rows["difference_p"])
    return adjusted


def _name(key: tuple[Any, ...]) -> str:
    named = dict(zip(MATCHED, key, strict=True))
    ensemble = ", seeds averaged" if named["variant"] == "ensemble" else ""
    return f"{named['model']}, {named['pattern']}{ensemble}"


def _flat(value: Any, name: str = "") -> dict[str, str]:
    if isinstance(value, Mapping) and value:
        found: dict[str, str] = {}
        for key, item in value.items():
            found |= _flat(item, f"{name}.{key}" if name else str(key))
        return found
    if isinstance(value, Mapping):
        return {}
    return {name: ", ".join(map(str, value)) if isinstance(value, list) else str(value)}
