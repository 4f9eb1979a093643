"""The same people under several input patterns: the paper's comparison, and the one that fits.

The paper compares its three patterns with Tukey's HSD, which takes them for groups of different
people. Since every subject stands under each pattern, differences within a subject are what counts:
paired t tests with Holm's adjustment, and the repeated-measures analysis of variance. Both are
given. Folds of a leave-one-out cross-validation share training data and are not independent of one
another; no test here knows that.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nem2e_tf.evaluation.estimate import estimate, holm
from nem2e_tf.evaluation.results import BLOCK, average_seeds, entry_columns
from nem2e_tf.evaluation.tukey import tukey

PATTERNS = ("one-quarter", "one-entire", "all-entire")
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
