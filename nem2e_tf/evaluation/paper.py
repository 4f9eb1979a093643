"""The paper's tables of improvement, and comparisons between input patterns.

The paper compares its three patterns by Tukey's HSD, which treats them as groups of different
people. Since every subject is measured under each pattern, differences within a subject are what
counts: paired t tests with Holm's adjustment, and the repeated-measures analysis of variance. Both
ways are given. Folds of a leave-one-out cross-validation share training data and are not
independent of one another; no test here takes this into account.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.evaluation.results import BLOCK, average_seeds, by_columns, by_muscle, entry_columns
from nem2e_tf.evaluation.statistics import OVERALL, RESOLUTION, estimate, holm, summarise
from nem2e_tf.names import PATTERNS

LEVEL = 0.05
BLOCKS = "blocks of one person: no test"
TUKEY = ("first", "second", "n_first", "n_second", "difference", "low", "high", "p", "notes")
BETWEEN = (
    *("family", "muscle", "first", "second", "n", "difference", "tukey_low", "tukey_high"),
    *("tukey_p", "paired_t", "paired_p", "paired_p_holm", "notes"),
)
ANOVA = (
    *("family", "muscle", "n", "patterns", "f", "df", "df_error", "p", "epsilon"),
    *("p_corrected", "notes"),
)
IMPROVEMENT = (
    *("muscle", "pattern", "model", "n", "rate", "rate_low", "rate_high", "rate_t", "rate_p"),
    *("rate_p_holm", "difference_t", "difference_p", "difference_p_holm"),
    *("skill", "skill_low", "skill_high", "skill_p", "skill_p_holm"),
)


def tukey(samples: Mapping[str, ArrayLike], *, level: float = 0.95) -> pd.DataFrame:
    """Compare the means of all pairs of several samples by Tukey's HSD.

    The test treats the samples as those of different people. Where the same people are measured in
    each, as under the paper's input patterns, `between_patterns` adds the paired tests.

    Parameters
    ----------
    samples : mapping of str to array
        Values of each sample, by name. NaN is left out.
    level : float
        Of the simultaneous confidence intervals, 0..1.

    Returns
    -------
    DataFrame
        One row per pair, in the order given: ``first``, ``second``, ``n_first``, ``n_second``,
        ``difference`` (mean of the first minus that of the second), its simultaneous interval
        ``low`` to ``high``, ``p`` adjusted for all pairs (Tukey-Kramer for unequal sizes), and
        ``notes``. A sample with fewer than two values, or no spread at all, gives NaN and a note.

    Examples
    --------
    >>> tukey({"a": [1.0, 2.0, 3.0], "b": [2.0, 3.0, 4.0]})[["difference", "p"]].round(4)
       difference       p
    0        -1.0  0.2879
    """
    given = {name: np.asarray(values, dtype=np.float64) for name, values in samples.items()}
    known = {name: values[~np.isnan(values)] for name, values in given.items()}
    usable = [name for name, values in known.items() if len(values) > 1]
    spread = sum(float(((known[name] - known[name].mean()) ** 2).sum()) for name in usable)
    size = max((float(np.abs(known[name]).max()) for name in usable), default=0.0)
    found = interval = None
    if len(usable) > 1 and spread > (RESOLUTION * size) ** 2:
        from scipy.stats import tukey_hsd

        found = tukey_hsd(*(known[name] for name in usable))
        interval = found.confidence_interval(level)
    rows = []
    for first, second in combinations(known, 2):
        a, b = known[first], known[second]
        difference = float(a.mean() - b.mean()) if len(a) and len(b) else np.nan
        row: dict[str, Any] = {"first": first, "second": second, "difference": difference}
        row |= {"n_first": len(a), "n_second": len(b), "notes": ""}
        few = [name for name in (first, second) if name not in usable]
        if few:
            row["notes"] = f"fewer than two values under {' and '.join(few)}: no test"
        elif found is None or interval is None:
            row["notes"] = "no spread between groups: no interval, no test"
        else:
            at = usable.index(first), usable.index(second)
            row |= {"low": interval.low[at], "high": interval.high[at], "p": found.pvalue[at]}
        rows.append(row)
    return pd.DataFrame(rows, columns=list(TUKEY))


def between_patterns(results: pd.DataFrame, *, value: str = "rate") -> pd.DataFrame:
    """Compare a value between all pairs of input patterns, per muscle.

    Parameters
    ----------
    results : DataFrame
        Rows of ``results.csv``. Where each pattern has one entry, as in the paper, these are
        compared; otherwise each entry with itself under other patterns.
    value : str
        ``rate`` (the paper's), ``skill`` or another score.

    Returns
    -------
    DataFrame
        ``family`` (the entries that are compared), ``muscle``, ``first``, ``second``; ``n``: a
        subject without a value under one of the patterns is left out of a muscle's comparisons;
        ``difference``: mean under ``first`` minus that under ``second``. ``tukey_*``: Tukey's HSD
        with its simultaneous 95 % interval. ``paired_*``: t and p of the differences within
        subjects, with Holm's p over the pairs of a muscle. ``notes``.
    """
    rows: list[dict[str, Any]] = []
    for family, muscle, blocks, table in _families(results, value):
        values = {str(pattern): table[pattern].to_numpy(float) for pattern in table}
        pairs: list[dict[str, Any]] = []
        for one in tukey(values).to_dict("records"):
            first, second = values[one["first"]], values[one["second"]]
            scale = float(np.abs(np.concatenate([first, second, [0.0]])).max())
            paired = estimate(first - second, scale=scale, blocks=blocks)
            row = {"family": family, "muscle": muscle, "n": len(table)}
            row |= {"first": one["first"], "second": one["second"], "difference": paired.mean}
            row |= {"paired_t": paired.t, "paired_p": paired.p}
            row["notes"] = BLOCKS if blocks else paired.note or one["notes"]
            if not blocks:
                row |= {f"tukey_{name}": one[name] for name in ("low", "high", "p")}
            pairs.append(row)
        adjusted = holm([pair["paired_p"] for pair in pairs])
        for pair, p in zip(pairs, adjusted, strict=True):
            rows.append(pair | {"paired_p_holm": float(p)})
    return pd.DataFrame(rows, columns=list(BETWEEN))


def repeated_anova(results: pd.DataFrame, *, value: str = "rate") -> pd.DataFrame:
    """Test for any difference of a value between input patterns, with repeated measures.

    Parameters
    ----------
    results, value
        As for `between_patterns`.

    Returns
    -------
    DataFrame
        One row per family and muscle: ``n``, ``patterns``, and ``f``, ``df``, ``df_error``, ``p``
        of the repeated-measures analysis of variance (`statsmodels.stats.anova.AnovaRM`), which
        assumes sphericity; ``p_corrected`` does not: the degrees of freedom are reduced by
        ``epsilon`` (Greenhouse & Geisser 1959). ``notes``.
    """
    rows = []
    for family, muscle, blocks, table in _families(results, value):
        row: dict[str, Any] = {"family": family, "muscle": muscle, "n": len(table), "notes": ""}
        row["patterns"] = ", ".join(map(str, table))
        values = table.to_numpy(float)
        if blocks:
            row["notes"] = BLOCKS
        elif len(values) < 2:
            row["notes"] = "fewer than two subjects under all patterns: no test"
        else:
            centred = values - values.mean(axis=1, keepdims=True)
            rest = np.abs(centred - centred.mean(axis=0)).max()
            if rest <= 1e-9 * max(1.0, float(np.abs(centred).max())):
                row["notes"] = "no spread between subjects: no test"
            else:
                row |= _anova(table)
        rows.append(row)
    return pd.DataFrame(rows, columns=list(ANOVA))


def _anova(table: pd.DataFrame) -> dict[str, float]:
    from scipy.stats import f as fisher
    from statsmodels.stats.anova import AnovaRM

    long = table.reset_index().melt(id_vars="group", var_name="pattern", value_name="value")
    found = AnovaRM(long, "value", "group", within=["pattern"]).fit().anova_table.iloc[0]
    f, df, df_error, p = map(float, found[["F Value", "Num DF", "Den DF", "Pr > F"]])
    epsilon = greenhouse_geisser(table.to_numpy(float))
    corrected = float(fisher.sf(f, epsilon * df, epsilon * df_error))
    return {
        "f": f,
        "df": df,
        "df_error": df_error,
        "p": p,
        "epsilon": epsilon,
        "p_corrected": corrected,
    }


def greenhouse_geisser(values: NDArray[np.float64]) -> float:
    """Estimate the departure of repeated measures from sphericity (Greenhouse & Geisser 1959).

    Parameters
    ----------
    values : float64 array [subject, measure]

    Returns
    -------
    float
        From 1 / (measures - 1) to 1, which is sphericity; always 1 for two measures.

    Examples
    --------
    >>> round(greenhouse_geisser(np.array([[1.0, 2.0], [2.0, 4.0], [5.0, 1.0]])), 6)
    1.0
    """
    covariance = np.cov(values, rowvar=False)
    k = len(covariance)
    centring = np.eye(k) - 1.0 / k
    centred = centring @ covariance @ centring
    return float(np.trace(centred) ** 2 / ((k - 1) * np.sum(centred**2)))


def _families(results: pd.DataFrame, value: str) -> Iterator[tuple[str, str, bool, pd.DataFrame]]:
    """Yield name, muscle, True for blocks, and the values [group, pattern] of each family."""
    table = average_seeds(results)
    entry = entry_columns(table)
    others = [name for name in entry if name != "pattern"]
    for names, part in by_columns(table, [n for n in ("run", "by", "variant") if n in entry]):
        entries = part[entry].drop_duplicates()
        if entries["pattern"].nunique() == len(entries):
            families = [("one entry per pattern", part)]
        else:
            settings = [name for name in others if name not in ("by", "variant")]
            families = [
                (", ".join(str(own[name]) for name in settings), one)
                for own, one in by_columns(part, others)
            ]
        for family, one in families:
            known = [pattern for pattern in PATTERNS if (one["pattern"] == pattern).any()]
            for muscle, rows in by_muscle(one) if len(known) > 1 else ():
                wide = rows.pivot(index="group", columns="pattern", values=value)
                yield family, muscle, names["by"] == BLOCK, wide[known].dropna()


def improvement(results: pd.DataFrame) -> pd.DataFrame:
    """Improvement per muscle and input pattern, over subjects.

    Parameters
    ----------
    results : DataFrame
        Rows of ``results.csv`` of one cohort: one model per pattern.

    Returns
    -------
    DataFrame
        ``rate`` with its 95 % t interval, one-sample t, p (the paper's) and Holm's p over the
        muscles under a pattern; ``difference``: the paired t of the RMSE; ``skill``.
    """
    table = summarise(results)
    table = table[table["muscle"] != OVERALL]
    muscles = {name: i for i, name in enumerate(dict.fromkeys(table["muscle"]))}
    order = table["muscle"].map(muscles) * len(PATTERNS) + table["pattern"].map(PATTERNS.index)
    rows = order.sort_values(kind="stable").index
    return table.loc[rows, list(IMPROVEMENT)].reset_index(drop=True)


def by_electrode(results: pd.DataFrame, electrodes: Mapping[str, str]) -> pd.DataFrame:
    """Average the scores of muscles that share an electrode.

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
    """Count the muscles of an `improvement` table that improved under each pattern.

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
        row = {
            "p": better & (one["rate_p"] < LEVEL),
            "holm": better & (one["rate_p_holm"] < LEVEL),
            "skill": (one["skill"] > 0) & (one["skill_p_holm"] < LEVEL),
        }
        found = {name: int(rows_.sum()) for name, rows_ in row.items()}
        rows.append({"pattern": pattern, "muscles": len(one), **found})
    return pd.DataFrame(rows)
