"""What a reader must know to read the tables: definitions, what is missing, and why."""

import numpy as np
import pandas as pd

from nem2e_tf.evaluation.results import BLOCK
from nem2e_tf.evaluation.statistics import OVERALL
from nem2e_tf.report.evidence import Evidence


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
