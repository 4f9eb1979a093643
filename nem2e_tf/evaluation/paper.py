"""The paper's tables of improvement rates, and beside them what answers the question better."""

from collections.abc import Mapping

import pandas as pd

from nem2e_tf.evaluation.repeated import PATTERNS
from nem2e_tf.evaluation.statistics import OVERALL, summarise

LEVEL = 0.05
IMPROVEMENT = (
    *("muscle", "pattern", "model", "n", "rate", "rate_low", "rate_high", "rate_t", "rate_p"),
    *("rate_p_holm", "difference_t", "difference_p", "difference_p_holm"),
    *("skill", "skill_low", "skill_high", "skill_p", "skill_p_holm"),
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


def by_electrode(results: pd.DataFrame, electrodes: Mapping[str, str]) -> pd.DataFrame:
    """Put the columns that share an electrode together: the mean of their scores.

    Parameters
    ----------
    results : DataFrame
    electrodes : mapping
        Electrode of each muscle.
    """
    table = results.assign(muscle=results["muscle"].map(dict(electrodes)))
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
