"""The paper's statistics of improvement rates, and beside them what answers the question better."""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import ttest_rel, tukey_hsd

from nem2e_tf.evaluation.estimate import holm
from nem2e_tf.evaluation.statistics import OVERALL, summarise

PATTERNS = ("one-quarter", "one-entire", "all-entire")
LEVEL = 0.05
IMPROVEMENT = (
    "muscle",
    "pattern",
    "model",
    "n",
    "rate",
    "rate_low",
    "rate_high",
    "rate_t",
    "rate_p",
    "rate_p_holm",
    "difference_t",
    "difference_p",
    "difference_p_holm",
    "skill",
    "skill_low",
    "skill_high",
    "skill_p",
    "skill_p_holm",
)


def improvement(results: pd.DataFrame) -> pd.DataFrame:
    """Improvement by muscle and input pattern, over subjects.

    Parameters
    ----------
    results : DataFrame
        Rows of ``results.csv`` of one cohort: one model a pattern.

    Returns
    -------
    DataFrame
        `rate` with its 95 % t interval, one-sample t, p (the paper's) and Holm's p over the muscles
        under a pattern; ``difference``: the paired t of the RMSE; `skill` beside it.
    """
    table = summarise(results)
    table = table[table["muscle"] != OVERALL]
    muscles = {name: i for i, name in enumerate(dict.fromkeys(table["muscle"]))}
    order = table["muscle"].map(muscles) * len(PATTERNS) + table["pattern"].map(PATTERNS.index)
    return table.loc[order.sort_values(kind="stable").index, list(IMPROVEMENT)].reset_index(
        drop=True
    )


def between_patterns(results: pd.DataFrame) -> pd.DataFrame:
    """Compare the rates under each two patterns, muscle by muscle.

    Parameters
    ----------
    results : DataFrame
        As for `improvement`. A subject without a rate under one of the patterns is left out of a
        muscle's comparisons; ``n`` counts those who are in.

    Returns
    -------
    DataFrame
        ``difference``: mean rate under ``first`` minus that under ``second``. ``tukey_*``: Tukey's
        HSD as in the paper, which takes the patterns for groups of different people. ``paired_*``:
        the paired t of the same people, with Holm's p over the three pairs of a muscle.
    """
    rows = []
    for muscle, one in results.groupby("muscle", sort=False):
        rates = one.pivot(index="group", columns="pattern", values="rate")
        rates = rates[list(PATTERNS)].dropna()
        values = [rates[pattern].to_numpy() for pattern in PATTERNS]
        enough = len(rates) > 1
        tukey = tukey_hsd(*values) if enough else None
        interval = tukey.confidence_interval(1 - LEVEL) if tukey else None
        pairs = []
        for i, j in combinations(range(len(PATTERNS)), 2):
            paired = ttest_rel(values[i], values[j]) if enough else None
            pairs.append(
                {
                    "muscle": muscle,
                    "first": PATTERNS[i],
                    "second": PATTERNS[j],
                    "n": len(rates),
                    "difference": float(np.mean(values[i] - values[j])) if enough else np.nan,
                    "tukey_low": float(interval.low[i, j]) if interval else np.nan,
                    "tukey_high": float(interval.high[i, j]) if interval else np.nan,
                    "tukey_p": float(tukey.pvalue[i, j]) if tukey else np.nan,
                    "paired_t": float(paired.statistic) if paired else np.nan,
                    "paired_p": float(paired.pvalue) if paired else np.nan,
                }
            )
        adjusted = holm([pair["paired_p"] for pair in pairs])
        rows += [
            {**pair, "paired_p_holm": float(p)} for pair, p in zip(pairs, adjusted, strict=True)
        ]
    return pd.DataFrame(rows)


def by_electrode(results: pd.DataFrame, electrodes: dict[str, str]) -> pd.DataFrame:
    """Put the columns that share an electrode together: the mean of their scores.

    Parameters
    ----------
    results : DataFrame
    electrodes : dict
        Electrode of each muscle.
    """
    table = results.assign(muscle=results["muscle"].map(electrodes))
    numbers = list(table.select_dtypes("number").columns)
    others = [column for column in table.columns if column not in numbers]
    means = table.groupby(others, sort=False, dropna=False)[numbers].mean().reset_index()
    return means[list(results.columns)]


def counts(table: pd.DataFrame) -> pd.DataFrame:
    """How many muscles of an `improvement` table improved under each pattern.

    Returns
    -------
    DataFrame
        ``p``: the rate is below 0 with p < 0.05, as the paper counts; ``holm``: with Holm's p;
        ``skill``: skill above 0 with Holm's p < 0.05.
    """
    rows = []
    for pattern in PATTERNS:
        one = table[table["pattern"] == pattern]
        better = one["rate"] < 0
        rows.append(
            {
                "pattern": pattern,
                "muscles": len(one),
                "p": int((better & (one["rate_p"] < LEVEL)).sum()),
                "holm": int((better & (one["rate_p_holm"] < LEVEL)).sum()),
                "skill": int(((one["skill"] > 0) & (one["skill_p_holm"] < LEVEL)).sum()),
            }
        )
    return pd.DataFrame(rows)


def memory(log: str) -> tuple[float, float]:
    """Read a memory log (see `nem2e_tf.training.executors`).

    Returns
    -------
    peak : float
        Sum of the largest resident memory of each process, MiB: no less than all of them needed at
        a time, since pages that they share count several times. NaN without lines.
    growth : float
        Largest ratio of a process' memory after its last chunk to that after its third; NaN where
        none has fitted more than three.
    """
    rows = [[int(word) for word in line.split(",")] for line in log.splitlines()]
    processes: dict[int, list[tuple[int, int]]] = {}
    for _, process, now, most, *_ in rows:
        processes.setdefault(process, []).append((now, most))
    if not processes:
        return np.nan, np.nan
    peak = sum(max(most for _, most in lines) for lines in processes.values()) / 1024
    ratios = [lines[-1][0] / lines[2][0] for lines in processes.values() if len(lines) > 3]
    return peak, max(ratios, default=np.nan)
