"""What a reader must know to read the tables: definitions, what is missing, and why.

What to call entries: no longer than needed to tell them apart.

What a report has no numbers of, and why.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.evaluation.results import BLOCK, ENSEMBLE, SEEDS_MEAN, SETTINGS
from nem2e_tf.evaluation.statistics import OVERALL
from nem2e_tf.report.evidence import Evidence

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


def entry_label(row: "pd.Series[Any]", settings: Sequence[str]) -> str:
    """Name an entry by its model and the settings given.

    Examples
    --------
    >>> entry_label(pd.Series({"model": "tcn", "variant": "ensemble"}), ["variant"])
    'tcn, seeds averaged'
    """
    words = [WORDS.get(str(row[name]), str(row[name])) for name in settings]
    return ", ".join(filter(None, (str(row["model"]), *words)))


_MOST = 6


def missing(results: pd.DataFrame, headers: Sequence[Mapping[str, Any]], /) -> list[str]:
    """Say what is missing and why, a sentence each.

    Parameters
    ----------
    results : DataFrame
        Rows of ``results.csv``.
    headers : sequence of mapping
        ``run.json`` of each run; the notes of its plan are told first.

    Returns
    -------
    list of str
        Empty where nothing is missing.
    """
    lines = [
        f"{str(note)[0].upper()}{str(note)[1:]}."
        for header in headers
        for note in header.get("plan", {}).get("notes", [])
    ]
    absent = results[results["rmse_refined"].isna()]
    unmeasured = absent["n_cycles"].fillna(0) == 0
    by_group = absent[unmeasured].groupby("muscle", sort=False)["group"].unique()
    n_groups = results["group"].nunique()
    for muscle, groups in by_group.items():
        where = "no group" if len(groups) == n_groups else f"not in {_some(groups)}"
        # Where EMG is missing throughout, "in no group" reads better than a list of all.
        where = f"in {where}" if len(groups) == n_groups else where
        lines.append(f"{muscle}: EMG is known {where}; there is nothing to score against.")
    failed = absent[~unmeasured]
    keys = [name for name in ("run", *SETTINGS, "seed") if name in failed]
    for key, rows in failed.groupby(keys, sort=False, dropna=False):
        named = dict(zip(keys, key, strict=True))
        lines.append(
            f"{named['model']} ({named['pattern']}, seed {named['seed']}), left out "
            f"{_some(rows['group'].unique())}, {_some(rows['muscle'].unique())}: the fit gave no "
            "finite values; it diverged or was not finished."
        )
    return list(dict.fromkeys(lines))


def _some(names: Any) -> str:
    words = [str(name) for name in names]
    if len(words) <= _MOST:
        return ", ".join(words)
    return f"{', '.join(words[:_MOST])} and {len(words) - _MOST} more"


def notes(evidence: Evidence, *, by: str) -> list[str]:
    """What a reader must know to read the tables, one sentence or two each.

    Parameters
    ----------
    evidence : Evidence
        See `gather`.
    by : str
        Which kind of groups.
    """
    rows = evidence.summary[evidence.summary["by"] == by]
    lines = _how_to_read(by)
    lines += _input_blind(evidence.references, by)
    lines.append(
        "Overall is the mean over muscles as listed: muscles that share an electrode carry one "
        "signal and still count one each."
    )
    comparison = evidence.comparison
    told = comparison.attrs.get("notes", [])
    if not comparison.empty:
        p = "" if by == BLOCK else ", p Holm-adjusted over all entries (and muscles) of a pattern"
        lines.append(
            f"RMSE - {evidence.baseline}: paired by {by}, below 0 is better than "
            f"{evidence.baseline}{p}."
        )
        other = comparison[
            (comparison["by"] == by)
            & (comparison["muscle"] == OVERALL)
            & (comparison["baseline"] != "same settings")
        ]
        for about, part in other.groupby("baseline", sort=False):
            names = ", ".join(dict.fromkeys(f"{m}" for m in part["model"]))
            lines.append(f"Compared with {evidence.baseline} of other settings ({about}): {names}.")
    lines += [f"{note[0].upper()}{note[1:]}." for note in told]
    return lines + _gaps(rows)


def _how_to_read(by: str) -> list[str]:
    if by == BLOCK:
        lines = [
            "[lowest, highest of the blocks]. Blocks of one person's cycles say nothing about "
            "other people: no intervals, no p values."
        ]
    else:
        lines = [
            f"[95 % t interval of the mean over n {by}s]. p: two-sided t against 0, Holm-adjusted "
            "over the entries of a pattern (overall) or the muscles of an entry; intervals are not "
            "adjusted. Folds share training data, so they are not quite independent."
        ]
        if by != "subject":
            lines.append(
                f"Left out was each {by}, not each person: the intervals speak of {by}s only."
            )
    return [
        *lines,
        "Rate = (refined - OpenSim) / OpenSim of the RMSE: below 0 is better than OpenSim. "
        "Skill = 1 - refined / mean EMG pattern: above 0 is better than the mean EMG pattern of "
        "the training cycles. Lag: above 0 is late.",
    ]


def _input_blind(references: pd.DataFrame, by: str) -> list[str]:
    rows = references[(references["by"] == by) & (references["muscle"] == OVERALL)]
    if rows.empty or np.isnan(rows.iloc[0]["mean_pattern_rate"]):
        return ["What the mean EMG pattern alone reaches is unknown."]
    row = rows.iloc[0]
    lines = [
        f"The mean EMG pattern alone, which never looks at its input, reaches a rate of "
        f"{row['mean_pattern_rate']:+z.3f}. An entry has learned something about the cycle in "
        "front of it only where its skill is above 0."
    ]
    if not np.isnan(row["per_condition_rate"]):
        lines.append(
            "One mean EMG pattern a condition, which knows the condition and nothing else, reaches "
            f"a rate of {row['per_condition_rate']:+z.3f} and a skill of "
            f"{row['per_condition_skill']:+z.3f}."
        )
    return lines


def _gaps(rows: pd.DataFrame) -> list[str]:
    """Say once what is missing, and for which entries and muscles."""
    n_muscles = rows["muscle"].nunique()
    found: dict[str, dict[str, list[str]]] = {}
    for _, row in rows.iterrows():
        for note in filter(None, row["notes"].split("; ")):
            # The overall row's own gaps are those of its muscles.
            if row["muscle"] != OVERALL or "without a result" not in note:
                muscles = found.setdefault(note, {}).setdefault(str(row["model"]), [])
                muscles += [row["muscle"]] if row["muscle"] not in muscles else []
    lines = []
    for note, entries in found.items():
        where = [
            name if len(muscles) == n_muscles else f"{name} ({', '.join(muscles)})"
            for name, muscles in entries.items()
        ]
        lines.append(f"{note[0].upper()}{note[1:]}: {'; '.join(where)}.")
    return lines
