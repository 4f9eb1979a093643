"""The paper's tables of improvement rates, and beside them what answers the question better.

Tukey's honestly significant difference between all pairs of several samples.

The same people under several input patterns: the paper's comparison, and the one that fits.

The paper compares its three patterns with Tukey's HSD, which takes them for groups of different
people. Since every subject stands under each pattern, differences within a subject are what counts:
paired t tests with Holm's adjustment, and the repeated-measures analysis of variance. Both are
given. Folds of a leave-one-out cross-validation share training data and are not independent of one
another; no test here knows that.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.evaluation.results import BLOCK, average_seeds, entry_columns
from nem2e_tf.evaluation.statistics import OVERALL, RESOLUTION, estimate, holm, summarise
from nem2e_tf.names import PATTERNS

COLUMNS = ("first", "second", "n_first", "n_second", "difference", "low", "high", "p", "notes")


def tukey(samples: Mapping[str, ArrayLike], *, level: float = 0.95) -> pd.DataFrame:
    """Compare the means of every two of several samples, as Tukey's HSD does.

    The test takes the samples for those of different people. Where the same people stand under
    each, as under the paper's input patterns, `nem2e_tf.evaluation.paper` asks the better
    question.

    Parameters
    ----------
    samples : mapping of str to array
        Values of each sample, by name. NaN is left out.
    level : float
        Of the simultaneous confidence intervals, 0..1.

    Returns
    -------
    DataFrame
        One row a pair, in the order given: ``first``, ``second``, ``n_first``, ``n_second``,
        ``difference`` (mean of the first minus that of the second), its simultaneous interval
        ``low`` to ``high``, ``p`` adjusted for all pairs (Tukey-Kramer for unequal sizes), and
        ``notes``. A sample with fewer than two values, or no spread at all, gives NaN and a note.

    Examples
    --------
    >>> tukey({"a": [1.0, 2.0, 3.0], "b": [2.0, 3.0, 4.0]})[["difference", "p"]].round(4)
       difference       p
    0        -1.0  0.2879
    """
    known = {}
    for name, values in samples.items():
        given = np.asarray(values, dtype=np.float64)
        known[name] = given[~np.isnan(given)]
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
        row = {
            "first": first,
            "second": second,
            "n_first": len(a),
            "n_second": len(b),
            "difference": float(a.mean() - b.mean()) if len(a) and len(b) else np.nan,
            "low": np.nan,
            "high": np.nan,
            "p": np.nan,
            "notes": "",
        }
        few = [name for name in (first, second) if name not in usable]
        if few:
            row["notes"] = f"fewer than two values under {' and '.join(few)}: no test"
        elif found is None or interval is None:
            row["notes"] = "no spread between groups: no interval, no test"
        else:
            i, j = usable.index(first), usable.index(second)
            row |= {
                "low": float(interval.low[i, j]),
                "high": float(interval.high[i, j]),
                "p": float(found.pvalue[i, j]),
            }
        rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS))


BLOCKS = "blocks of one person: no test"


def between_patterns(results: pd.DataFrame, *, value: str = "rate") -> pd.DataFrame:
    """Compare a value under each two input patterns, muscle by muscle.

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
        ``family`` (which entries are compared), ``muscle``, ``first``, ``second``; ``n``: a subject
        without a value under one of the patterns is left out of a muscle's comparisons;
        ``difference``: mean under ``first`` minus that under ``second``. ``tukey_*``: Tukey's HSD
        with its simultaneous 95 % interval. ``paired_*``: t and p of the same people's differences,
        with Holm's p over the pairs of a muscle. ``notes``.
    """
    rows = []
    for family, muscle, blocks, table in _families(results, value):
        values = {str(pattern): table[pattern].to_numpy(float) for pattern in table}
        compared = tukey(values).to_dict("records")
        pairs: list[dict[str, Any]] = []
        for (first, second), one in zip(combinations(values, 2), compared, strict=True):
            difference = values[first] - values[second]
            scale = float(np.abs(np.concatenate([values[first], values[second], [0.0]])).max())
            paired = estimate(difference, scale=scale, blocks=blocks)
            notes = BLOCKS if blocks else paired.note or one["notes"]
            pairs.append(
                {
                    "family": family,
                    "muscle": muscle,
                    "first": first,
                    "second": second,
                    "n": len(table),
                    "difference": paired.mean,
                    "tukey_low": np.nan if blocks else one["low"],
                    "tukey_high": np.nan if blocks else one["high"],
                    "tukey_p": np.nan if blocks else one["p"],
                    "paired_t": paired.t,
                    "paired_p": paired.p,
                    "notes": notes,
                }
            )
        adjusted = holm([pair["paired_p"] for pair in pairs])
        rows += [
            {**pair, "paired_p_holm": float(p)} for pair, p in zip(pairs, adjusted, strict=True)
        ]
    order = ["family", "muscle", "first", "second", "n", "difference", "tukey_low", "tukey_high"]
    order += ["tukey_p", "paired_t", "paired_p", "paired_p_holm", "notes"]
    return pd.DataFrame(rows, columns=order)


def repeated_anova(results: pd.DataFrame, *, value: str = "rate") -> pd.DataFrame:
    """Ask whether a value differs between input patterns at all, the same people under each.

    Parameters
    ----------
    results, value
        As for `between_patterns`.

    Returns
    -------
    DataFrame
        One row a family and muscle: ``n``, ``patterns``, and ``f``, ``df``, ``df_error``, ``p`` of
        the repeated-measures analysis of variance (`statsmodels.stats.anova.AnovaRM`), which
        assumes sphericity; ``p_corrected`` does not: the degrees of freedom are reduced by
        ``epsilon`` (Greenhouse & Geisser 1959). ``notes``.
    """
    rows = []
    for family, muscle, blocks, table in _families(results, value):
        row = {
            "family": family,
            "muscle": muscle,
            "n": len(table),
            "patterns": ", ".join(map(str, table)),
            **dict.fromkeys(("f", "df", "df_error", "p", "epsilon", "p_corrected"), np.nan),
            "notes": "",
        }
        centred = table.to_numpy(float)
        centred = centred - centred.mean(axis=1, keepdims=True) if len(table) else centred
        rest = centred - centred.mean(axis=0) if len(table) else centred
        if blocks:
            row["notes"] = BLOCKS
        elif len(table) < 2:
            row["notes"] = "fewer than two subjects under all patterns: no test"
        elif np.abs(rest).max() <= 1e-9 * max(1.0, float(np.abs(centred).max())):
            row["notes"] = "no spread between subjects: no test"
        else:
            row |= _anova(table)
        rows.append(row)
    columns = ["family", "muscle", "n", "patterns", "f", "df", "df_error", "p", "epsilon"]
    return pd.DataFrame(rows, columns=[*columns, "p_corrected", "notes"])


def _anova(table: pd.DataFrame) -> dict[str, float]:
    from scipy.stats import f as fisher
    from statsmodels.stats.anova import AnovaRM

    long = table.reset_index().melt(id_vars="group", var_name="pattern", value_name="value")
    found = AnovaRM(long, "value", "group", within=["pattern"]).fit().anova_table.iloc[0]
    value, df, df_error = (float(found[name]) for name in ("F Value", "Num DF", "Den DF"))
    epsilon = greenhouse_geisser(table.to_numpy(float))
    return {
        "f": value,
        "df": df,
        "df_error": df_error,
        "p": float(found["Pr > F"]),
        "epsilon": epsilon,
        "p_corrected": float(fisher.sf(value, epsilon * df, epsilon * df_error)),
    }


def greenhouse_geisser(values: NDArray[np.float64]) -> float:
    """Estimate by how much repeated measures depart from sphericity (Greenhouse & Geisser 1959).

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
    """Yield name, muscle, whether groups are blocks, and the values [group, pattern]."""
    table = average_seeds(results)
    entry = entry_columns(table)
    others = [name for name in entry if name != "pattern"]
    outer = [name for name in ("run", "by", "variant") if name in entry]
    for key, part in table.groupby(outer, sort=False):
        blocks = dict(zip(outer, key, strict=True))["by"] == BLOCK
        entries = part[entry].drop_duplicates()
        if entries["pattern"].nunique() == len(entries):
            yield from _by_muscle("one entry a pattern", part, value, blocks)
            continue
        for settings, one in part.groupby(others, sort=False):
            named = dict(zip(others, settings, strict=True))
            name = ", ".join(str(named[n]) for n in others if n not in ("by", "variant"))
            yield from _by_muscle(name, one, value, blocks)


def _by_muscle(
    name: str, part: pd.DataFrame, value: str, blocks: bool
) -> Iterator[tuple[str, str, bool, pd.DataFrame]]:
    known = [pattern for pattern in PATTERNS if (part["pattern"] == pattern).any()]
    if len(known) < 2:
        return
    for muscle, one in part.groupby("muscle", sort=False):
        wide = one.pivot(index="group", columns="pattern", values=value)
        yield name, str(muscle), blocks, wide[known].dropna()


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
