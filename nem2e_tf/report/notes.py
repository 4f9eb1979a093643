"""Notes under the tables (definitions, missing results and why), and labels of entries.

A label has the model and only those settings in which entries differ.
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
    """Settings in which entries differ; the run only if entries do not differ otherwise.

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
    """Settings in which entries differ, for a table with several rows per entry.

    Rows without settings are references, not entries.

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
    """List missing results and why they are missing, one sentence each.

    Parameters
    ----------
    results : DataFrame
        Rows of ``results.csv``.
    headers : sequence of mapping
        ``run.json`` of each run; the notes of its plan come first.
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
        where = "any group" if len(groups) == n_groups else _some(groups)
        lines.append(f"{muscle}: no EMG in {where}, so there is no score.")
    failed = absent[~unmeasured]
    keys = [name for name in ("run", *SETTINGS, "seed") if name in failed]
    for key, rows in failed.groupby(keys, sort=False, dropna=False):
        named = dict(zip(keys, key, strict=True))
        lines.append(
            f"{named['model']} ({named['pattern']}, seed {named['seed']}), left out "
            f"{_some(rows['group'].unique())}, {_some(rows['muscle'].unique())}: no finite "
            "predictions; the fit diverged or was not finished."
        )
    return list(dict.fromkeys(lines))


def _some(names: Any) -> str:
    words = [str(name) for name in names]
    if len(words) <= _MOST:
        return ", ".join(words)
    return f"{', '.join(words[:_MOST])} and {len(words) - _MOST} more"


def notes(evidence: Evidence, *, by: str) -> list[str]:
    """Return the notes under a table: definitions, references and missing results.

    Parameters
    ----------
    evidence : Evidence
        See `gather`.
    by : str
        Kind of groups.
    """
    rows = evidence.summary[evidence.summary["by"] == by]
    lines = _how_to_read(by)
    lines += _input_blind(evidence.references, by)
    lines.append(
        "Overall is the mean over the listed muscles; muscles that share an electrode have the "
        "same signal but count separately."
    )
    comparison = evidence.comparison
    compared = comparison.attrs.get("notes", [])
    if not comparison.empty:
        p = "" if by == BLOCK else "; p Holm-adjusted over all entries (and muscles) of a pattern"
        lines.append(
            f"RMSE - {evidence.baseline}: difference paired by {by}; below 0: better than "
            f"{evidence.baseline}{p}."
        )
        other = comparison[
            (comparison["by"] == by)
            & (comparison["muscle"] == OVERALL)
            & (comparison["baseline"] != "same settings")
        ]
        for about, part in other.groupby("baseline", sort=False):
            names = ", ".join(dict.fromkeys(f"{m}" for m in part["model"]))
            lines.append(
                f"Compared with {evidence.baseline} with other settings ({about}): {names}."
            )
    lines += [f"{note[0].upper()}{note[1:]}." for note in compared]
    return lines + _gaps(rows)


def _how_to_read(by: str) -> list[str]:
    if by == BLOCK:
        lines = [
            "[lowest, highest block]. Blocks of one person's cycles allow no inference about "
            "other people: no confidence intervals, no p values."
        ]
    else:
        lines = [
            f"[95 % t interval of the mean over n {by}s]. p: two-sided t test against 0, "
            "Holm-adjusted over the entries of a pattern (overall) or the muscles of an entry; "
            "intervals are not adjusted. Folds share training data and are not fully independent."
        ]
        if by != "subject":
            lines.append(
                f"Each {by} was left out, not each subject: the intervals apply to {by}s only."
            )
    return [
        *lines,
        "Rate = (refined - OpenSim) / OpenSim, of the RMSE; below 0: better than OpenSim. Skill = "
        "1 - refined / mean pattern, of the RMSE; above 0: better than the mean EMG pattern of the "
        "training cycles. Lag: above 0: late.",
    ]


def _input_blind(references: pd.DataFrame, by: str) -> list[str]:
    rows = references[(references["by"] == by) & (references["muscle"] == OVERALL)]
    if rows.empty or np.isnan(rows.iloc[0]["mean_pattern_rate"]):
        return ["The rate of the mean EMG pattern is unknown."]
    row = rows.iloc[0]
    lines = [
        f"The mean EMG pattern, which does not depend on its input, has a rate of "
        f"{row['mean_pattern_rate']:+z.3f}. Only a skill above 0 shows that an entry uses its "
        "input."
    ]
    if not np.isnan(row["per_condition_rate"]):
        lines.append(
            "One mean EMG pattern per condition, which depends on the condition only, has a rate "
            f"of {row['per_condition_rate']:+z.3f} and a skill of "
            f"{row['per_condition_skill']:+z.3f}."
        )
    return lines


def _gaps(rows: pd.DataFrame) -> list[str]:
    """Notes of rows, each once, with its entries and muscles."""
    n_muscles = rows["muscle"].nunique()
    found: dict[str, dict[str, list[str]]] = {}
    for _, row in rows.iterrows():
        for note in filter(None, row["notes"].split("; ")):
            # A missing result of the overall row is one of its muscles.
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
