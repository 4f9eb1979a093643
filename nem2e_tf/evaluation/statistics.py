"""Any table of one value an entry, seed, muscle and group, summarised over groups.

The mean over groups with its interval and test, and Holm's adjustment of many tests.

Statistics over the groups that were left out: what holds for the next person.

n is the number of groups (people), after averaging over seeds. Intervals are 95 % t intervals of
the mean over groups. Blocks of one person's cycles (``by`` is ``block``) say nothing about other
people: they get their range and no p value. The groups of a cross-validation share training data
and so are not quite independent; the usual t statistics are given all the same, as in the paper.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.evaluation.results import (
    BLOCK,
    ENSEMBLE,
    REFERENCE_NUMBERS,
    SCORES,
    SEEDS_MEAN,
    SETTINGS,
    average_seeds,
    distinct_references,
    entry_columns,
)

# Values that differ by less than this share of their scale differ by float32 rounding, not by
# people: a t of such noise would be a number without meaning.
RESOLUTION = 1e-5


@dataclass(frozen=True)
class Estimate:
    """Mean of one value a group, with its uncertainty.

    Attributes
    ----------
    n : int
        Groups that have a value.
    mean : float
        Mean over them.
    low, high : float
        95 % t interval of the mean, or the range over blocks.
    t, p : float
        One-sample t against 0, two-sided.
    note : str
        Why something is NaN; empty where nothing is.
    """

    n: int
    mean: float
    low: float = np.nan
    high: float = np.nan
    t: float = np.nan
    p: float = np.nan
    note: str = ""


def estimate(values: ArrayLike, *, blocks: bool = False, scale: float = 1.0) -> Estimate:
    """Estimate the mean of one value a group, and test it against 0.

    Parameters
    ----------
    values : array [group]
        NaN where a group has no value; it is left out.
    blocks : bool
        The groups are blocks of one person: give their range, and no test.
    scale : float
        What the values are small against: values that agree to 1e-5 of it have no spread, so no
        interval and no test.

    Returns
    -------
    Estimate

    Examples
    --------
    >>> found = estimate([1.0, 2.0, 3.0])
    >>> found.n, found.mean, round(found.t, 4), round(found.low, 4)
    (3, 2.0, 3.4641, -0.4841)
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    n = len(known)
    if n == 0:
        return Estimate(0, np.nan, note="no value")
    mean = float(known.mean())
    if n == 1:
        return Estimate(1, mean, note="one group: no interval, no test")
    if np.ptp(known) <= RESOLUTION * abs(scale):
        return Estimate(n, mean, note="no spread between groups: no interval, no test")
    if blocks:
        return Estimate(n, mean, float(known.min()), float(known.max()))

    from scipy.stats import t as student

    error = float(known.std(ddof=1) / np.sqrt(n))
    half = float(student.ppf(0.975, n - 1)) * error
    t = mean / error
    p = 2.0 * float(student.sf(abs(t), n - 1))
    return Estimate(n, mean, mean - half, mean + half, t, p)


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Holm's adjustment of a family of p values; NaN is no member of the family and stays NaN.

    Examples
    --------
    >>> holm([0.01, 0.04, float("nan"), 0.03])
    array([0.03, 0.06,  nan, 0.06])
    """
    adjusted = np.asarray(p, dtype=np.float64).copy()
    known = np.flatnonzero(~np.isnan(adjusted))
    order = known[np.argsort(adjusted[known], kind="stable")]
    steps = adjusted[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


OVERALL = "overall"
TESTED = ("rate", "skill", "difference")


def summarise(results: pd.DataFrame) -> pd.DataFrame:
    """Summarise every entry, muscle by muscle and overall.

    Parameters
    ----------
    results : DataFrame
        Rows of ``results.csv`` (`nem2e_tf.evaluation.results.RESULT_COLUMNS`), of one run or, with
        a column ``run``, of several.

    Returns
    -------
    DataFrame
        One row an entry, variant (``seeds-mean``, ``ensemble``) and muscle, then one ``overall``,
        whose value for a group is the mean over its muscles (as listed: muscles that share an
        electrode count one each). Columns: the entry; ``muscle``, ``n`` (groups), ``n_seeds``,
        ``n_cycles`` (all groups); ``interval``: ``t`` or ``range``; means over groups of the
        errors, ``r``, ``lag_ms``, ``epochs``, ``seconds`` and ``mean_pattern_rate`` (what the mean
        EMG pattern alone reaches); for each of ``rate`` (one-sample t), ``skill`` (one-sample t)
        and ``difference`` (refined - simulated RMSE: the paired t) the mean, ``_low``, ``_high``,
        ``_t``, ``_p`` and ``_p_holm``; ``notes``, which say why a number is NaN.

        Holm's families: the muscles of one entry; and, for the overall rows, the entries under one
        input pattern.
    """
    table = average_seeds(results)
    table["difference"] = table["rmse_refined"] - table["rmse_simulated"]
    table["mean_pattern_rate"] = (table["rmse_mean_pattern"] - table["rmse_simulated"]) / table[
        "rmse_simulated"
    ].where(table["rmse_simulated"] != 0)
    columns = entry_columns(table)
    rows: list[dict[str, Any]] = []
    for key, entry in table.groupby(columns, sort=False):
        names: dict[str, Any] = dict(zip(columns, key, strict=True))
        for muscle, one in entry.groupby("muscle", sort=False):
            notes = _gaps(one)
            rows.append(names | {"muscle": str(muscle)} | _summary(one, names["by"], notes))
        missing = int(entry["rmse_refined"].isna().sum())
        notes = [f"{missing} of {len(entry)} muscles by group without a result"] if missing else []
        rows.append(names | {"muscle": OVERALL} | _summary(_overall(entry), names["by"], notes))
    summary = pd.DataFrame(rows)
    return _adjust(summary, columns, TESTED) if rows else summary


def against_baseline(results: pd.DataFrame, *, baseline: str = "seq2seq") -> pd.DataFrame:
    """Compare every entry's RMSE with the baseline's, paired by group.

    The baseline of an entry is the one with the same pattern, targets, output, recipe, variant and
    run; where there is none, the one that agrees in most of these, taken in this order, All-Entire
    before other patterns; then the first in the table. A baseline that was scored on other cycles
    (another split) is none.

    Parameters
    ----------
    results : DataFrame
        As for `summarise`.
    baseline : str
        The name of the model to compare with.

    Returns
    -------
    DataFrame
        One row an entry (the baseline itself excepted) and muscle, then one ``overall``. Columns:
        the entry; ``muscle``; ``baseline``: ``same settings``, or in what its settings differ;
        ``n`` (groups that both have), ``interval``, ``rmse`` and ``rmse_baseline``; ``difference``
        (entry - baseline: negative is better than the baseline) with ``_low``, ``_high``, ``_t``,
        ``_p``, ``_p_holm``; ``notes``. ``attrs["notes"]`` lists what could not be compared; without
        any baseline the table is empty.

        Holm's families: all entries and muscles under one input pattern; and, for the overall rows,
        the entries under one input pattern.
    """
    table = average_seeds(results)
    columns = entry_columns(table)
    entries: list[tuple[dict[str, Any], pd.DataFrame]] = [
        (dict(zip(columns, key, strict=True)), entry.set_index(["group", "muscle"]))
        for key, entry in table.groupby(columns, sort=False)
    ]
    bases = [item for item in entries if item[0]["model"] == baseline]
    notes = [] if bases else [f"no {baseline} among the entries: nothing to compare with"]
    rows: list[dict[str, Any]] = []
    for names, entry in entries if bases else []:
        comparable = [item for item in bases if _same_cycles(names, entry, *item)]
        if not comparable:
            notes.append(f"{names['model']}, {names['pattern']}: no {baseline} on the same cycles")
            continue
        chosen, base = max(comparable, key=lambda item: _likeness(names, item[0]))
        if chosen == names:
            continue
        settings = [
            f"{column} {chosen[column]}"
            for column in columns
            if column not in ("model", "by") and chosen[column] != names[column]
        ]
        about = {"baseline": ", ".join(settings) or "same settings"}
        pairs = pd.DataFrame(
            {"rmse": entry["rmse_refined"], "rmse_baseline": base["rmse_refined"]},
            index=entry.index,
        ).reset_index()
        pairs["difference"] = pairs["rmse"] - pairs["rmse_baseline"]
        pairs.loc[pairs["difference"].isna(), ["rmse", "rmse_baseline"]] = np.nan
        for muscle, one in pairs.groupby("muscle", sort=False):
            rows.append(names | {"muscle": str(muscle)} | about | _comparison(one, names["by"]))
        means = pairs.groupby("group", sort=False)[["rmse", "rmse_baseline", "difference"]].mean()
        rows.append(names | {"muscle": OVERALL} | about | _comparison(means, names["by"]))
    comparison = pd.DataFrame(rows)
    if rows:
        comparison = _adjust(comparison, ["by", "pattern"], ("difference",))
    comparison.attrs["notes"] = notes
    return comparison


def summarise_references(references: pd.DataFrame) -> pd.DataFrame:
    """Summarise what is reached without looking at the input.

    Parameters
    ----------
    references : DataFrame
        Rows of ``references.csv``: one a muscle and group. Runs that repeat the same rows count
        once.

    Returns
    -------
    DataFrame
        One row a kind of group (``by``) and muscle, then one ``overall``: ``n``, means over groups
        of the errors, of the rate of the mean EMG pattern (``mean_pattern_rate``), and of the rate
        and skill of one mean pattern a condition (``per_condition_rate``, ``per_condition_skill``:
        over the pooled mean pattern). NaN where unknown.
    """
    table = distinct_references(references)
    before = table["rmse_simulated"].where(table["rmse_simulated"] != 0)
    pooled = table["rmse_mean_pattern"].where(table["rmse_mean_pattern"] != 0)
    own = table["rmse_mean_pattern_per_condition"]
    table["mean_pattern_rate"] = (table["rmse_mean_pattern"] - before) / before
    table["per_condition_rate"] = (own - before) / before
    table["per_condition_skill"] = 1.0 - own / pooled
    numbers = [
        *REFERENCE_NUMBERS[1:],
        "mean_pattern_rate",
        "per_condition_rate",
        "per_condition_skill",
    ]
    rows: list[dict[str, Any]] = []
    for by, part in table.groupby("by", sort=False):
        parts = [(str(muscle), one) for muscle, one in part.groupby("muscle", sort=False)]
        group = ["run", "group"] if "run" in part else ["group"]
        parts.append((OVERALL, part.groupby(group, sort=False)[numbers].mean()))
        for muscle, one in parts:
            n = int(one["rmse_simulated"].notna().sum())
            means = {name: float(one[name].mean()) for name in numbers}
            rows.append({"by": str(by), "muscle": muscle, "n": n} | means)
    return pd.DataFrame(rows)


def _gaps(one: pd.DataFrame) -> list[str]:
    notes = []
    absent = [str(group) for group in one.loc[one["rmse_refined"].isna(), "group"]]
    if absent:
        notes.append(f"no result for {len(absent)} of {len(one)} groups ({', '.join(absent)})")
    some = (one["n_seeds"] > 0) & (one["n_seeds"] < one["seeds"])
    if some.any():
        notes.append(f"fewer seeds than {int(one['seeds'].max())} in {int(some.sum())} groups")
    return notes


def _overall(entry: pd.DataFrame) -> pd.DataFrame:
    """One row a group: means over the muscles that have a result."""
    known = entry[entry["rmse_refined"].notna()]
    means = [*SCORES, "difference", "mean_pattern_rate", "epochs", "seconds"]
    how = dict.fromkeys(means, "mean") | {"n_cycles": "max", "n_seeds": "max"}
    return known.groupby("group", sort=False).agg(how).reset_index()


def _summary(one: pd.DataFrame, by: str, notes: list[str]) -> dict[str, Any]:
    """Summarise one row a group."""
    known = one[one["rmse_refined"].notna()]
    row: dict[str, Any] = {
        "n": len(known),
        "n_seeds": int(known["n_seeds"].max()) if len(known) else 0,
        "n_cycles": int(known["n_cycles"].sum()),
        "interval": "range" if by == BLOCK else "t",
    }
    for name in (*SCORES, "mean_pattern_rate", "epochs", "seconds"):
        row[name] = float(known[name].mean())
    reasons = list(notes)
    for name in TESTED:
        scale = row["rmse_simulated"] if name == "difference" else 1.0
        found = estimate(known[name], blocks=by == BLOCK, scale=scale)
        row |= _columns(name, found)
        if found.n < len(known):
            reasons.append(f"{name} known in {found.n} of {len(known)} groups")
        if found.note:
            reasons.append(found.note if found.n < 2 else f"{name}: {found.note}")
    return row | {"notes": "; ".join(dict.fromkeys(reasons))}


def _comparison(one: pd.DataFrame, by: str) -> dict[str, Any]:
    scale = float(one["rmse_baseline"].mean())
    found = estimate(one["difference"], blocks=by == BLOCK, scale=scale)
    return {
        "n": found.n,
        "interval": "range" if by == BLOCK else "t",
        "rmse": float(one["rmse"].mean()),
        "rmse_baseline": scale,
        **_columns("difference", found),
        "notes": found.note,
    }


def _columns(name: str, found: Estimate) -> dict[str, float]:
    return {
        name: found.mean,
        f"{name}_low": found.low,
        f"{name}_high": found.high,
        f"{name}_t": found.t,
        f"{name}_p": found.p,
    }


def _adjust(table: pd.DataFrame, muscle_family: list[str], tested: Iterable[str]) -> pd.DataFrame:
    """Add Holm's p: within the family given for muscles, within by and pattern for overall rows."""
    overall = table["muscle"] == OVERALL
    for name in tested:
        adjusted = pd.Series(np.nan, index=table.index)
        for rows, family in (
            (table[~overall], muscle_family),
            (table[overall], ["by", "pattern"]),
        ):
            for _, part in rows.groupby(family, sort=False):
                adjusted[part.index] = holm(part[f"{name}_p"])
        place = list(table.columns).index(f"{name}_p") + 1
        table.insert(place, f"{name}_p_holm", adjusted)
    return table


def _same_cycles(
    names: dict[str, Any], entry: pd.DataFrame, others: dict[str, Any], base: pd.DataFrame
) -> bool:
    """Whether two entries were scored on the same cycles: the simulation's error tells."""
    if names["by"] != others["by"]:
        return False
    shared = entry.index.intersection(base.index)
    a, b = entry.loc[shared, "rmse_simulated"], base.loc[shared, "rmse_simulated"]
    return bool(len(shared)) and np.allclose(a, b, rtol=1e-5, atol=0.0, equal_nan=True)


def _likeness(names: dict[str, Any], others: dict[str, Any]) -> tuple[bool, ...]:
    same = [
        names.get(column) == others.get(column)
        for column in ("pattern", "targets", "output", "recipe", "variant", "run")
    ]
    return (same[0], others["pattern"] == "all-entire", *same[1:])


ENTRY = ("by", *SETTINGS, "variant")


def summarise_groups(
    groups: pd.DataFrame, *, tested: Sequence[str], averaged: Sequence[str] = ()
) -> pd.DataFrame:
    """Summarise the values of every entry over the groups that were left out.

    Parameters
    ----------
    groups : DataFrame
        ``by``, the settings of the entry, ``seed``, ``muscle``, ``group`` and the values. Seeds are
        averaged first; ``ensemble`` is a variant of its own.
    tested : sequence of str
        Values that get an interval and a t test against 0.
    averaged : sequence of str
        Values of which the mean is enough.

    Returns
    -------
    DataFrame
        One row an entry and muscle, then ``overall`` (a group's mean over its muscles): the entry,
        ``muscle``, ``n`` (groups with the first tested value), ``n_seeds``, ``interval`` (``t``, or
        ``range`` over blocks of one person); of each tested value the mean and its ``_low``,
        ``_high``, ``_t``, ``_p``, ``_p_holm`` (over the muscles of an entry); the other means;
        ``notes``.
    """
    numbers = [*tested, *averaged]
    table = groups.assign(variant=np.where(groups["seed"] == ENSEMBLE, ENSEMBLE, SEEDS_MEAN))
    how: dict[str, Any] = dict.fromkeys(numbers, "mean") | {"seed": "nunique"}
    keys = [*ENTRY, "muscle", "group"]
    table = table.groupby(keys, sort=False).agg(how).reset_index().rename(columns={"seed": "seeds"})
    rows: list[dict[str, Any]] = []
    for key, part in table.groupby(list(ENTRY), sort=False):
        names = dict(zip(ENTRY, key, strict=True))
        parts = [(str(muscle), one) for muscle, one in part.groupby("muscle", sort=False)]
        known = part[part[tested[0]].notna()]
        parts.append((OVERALL, known.groupby("group", sort=False)[[*numbers, "seeds"]].mean()))
        own = []
        for muscle, one in parts:
            row, notes = _row(one, tested, blocks=names["by"] == BLOCK)
            row |= {name: float(one[name].mean()) for name in averaged}
            own.append(names | {"muscle": muscle} | row | {"notes": "; ".join(notes)})
        for name in tested:
            adjusted = holm([row[f"{name}_p"] for row in own[:-1]])
            for row, p in zip(own[:-1], adjusted, strict=True):
                row[f"{name}_p_holm"] = float(p)
        rows += own
    return pd.DataFrame(rows)


def _row(
    one: pd.DataFrame, tested: Sequence[str], *, blocks: bool
) -> tuple[dict[str, Any], list[str]]:
    n = int(one[tested[0]].notna().sum())
    row: dict[str, Any] = {
        "n": n,
        "n_seeds": int(one["seeds"].max()) if len(one) else 0,
        "interval": "range" if blocks else "t",
    }
    notes = []
    for name in tested:
        found = estimate(one[name], blocks=blocks)
        values = (found.mean, found.low, found.high, found.t, found.p, np.nan)
        ends = ("", "_low", "_high", "_t", "_p", "_p_holm")
        row |= {f"{name}{end}": value for end, value in zip(ends, values, strict=True)}
        if found.note:
            notes.append(found.note if found.n < 2 else f"{name}: {found.note}")
    if n < len(one):
        notes.insert(0, f"no result for {len(one) - n} of {len(one)} groups")
    return row, list(dict.fromkeys(notes))
