"""Statistics over left-out groups, for conclusions about the next person.

n is the number of groups (people), after seeds have been averaged. Intervals are 95 % t intervals
of the mean over groups. Blocks of one person's cycles (``by`` is ``block``) carry no information
about other people: they get their range and no p value. The groups of a cross-validation share
training data and so are not quite independent; the usual t statistics are given nevertheless, as in
the paper.
"""

import gc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.evaluation.results import (
    BLOCK,
    REFERENCE_NUMBERS,
    SCORES,
    SETTINGS,
    average_seeds,
    by_columns,
    by_muscle,
    distinct_references,
    entry_columns,
    with_variant,
)
from nem2e_tf.names import ALL_ENTIRE

OVERALL = "overall"
TESTED = ("rate", "skill", "difference")
ENTRY = ("by", *SETTINGS, "variant")

# Values that differ by less than this share of their scale differ by float32 rounding, not between
# people: a t statistic of such noise has no meaning.
RESOLUTION = 1e-5


@dataclass(frozen=True)
class Estimate:
    """Mean of one value per group, with its uncertainty.

    Attributes
    ----------
    n : int
        Groups that have a value.
    mean : float
        Mean over them.
    low, high : float
        95 % t interval of the mean, or the range over blocks.
    t, p : float
        One-sample t test against 0, two-sided.
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

    def columns(self, name: str) -> dict[str, float]:
        """Return the numbers as columns of a table: ``name``, ``name_low``, ..., ``name_p``."""
        ends = {"": self.mean, "_low": self.low, "_high": self.high, "_t": self.t, "_p": self.p}
        return {f"{name}{end}": value for end, value in ends.items()}


def estimate(values: ArrayLike, *, blocks: bool = False, scale: float = 1.0) -> Estimate:
    """Estimate the mean of one value per group, and test it against 0.

    Parameters
    ----------
    values : array [group]
        A group whose value is NaN is left out.
    blocks : bool
        The groups are blocks of one person: the result has their range and no test.
    scale : float
        The magnitude of the quantity. Values that agree to 1e-5 of it have no spread, hence no
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

    from scipy.stats import ttest_1samp

    test = ttest_1samp(known, 0.0)
    low, high = map(float, test.confidence_interval(0.95))
    return Estimate(n, mean, low, high, float(test.statistic), float(test.pvalue))


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Adjust a family of p values by Holm's method; NaN is no member of it and stays NaN.

    Examples
    --------
    >>> holm([0.01, 0.04, float("nan"), 0.03])
    array([0.03, 0.06,  nan, 0.06])
    """
    adjusted = np.array(p, dtype=np.float64)
    known = ~np.isnan(adjusted)
    if not known.any():
        return adjusted
    from statsmodels.stats.multitest import multipletests

    # multipletests collects garbage at each call, 0.2 s with TensorFlow loaded. The collector skips
    # frozen objects. In a process that froze objects itself nothing is changed.
    freeze = not gc.get_freeze_count()
    if freeze:
        gc.freeze()
    try:
        adjusted[known] = multipletests(adjusted[known], method="holm")[1]
    finally:
        if freeze:
            gc.unfreeze()
    return adjusted


def add_holm(
    table: pd.DataFrame,
    tests: Iterable[str],
    *,
    family: Sequence[str],
    overall: "Sequence[str] | None" = None,
) -> pd.DataFrame:
    """Insert Holm's adjusted p values after the p values of a table.

    Parameters
    ----------
    table : DataFrame
        Changed in place.
    tests : iterable of str
        Columns of p values; each ``x_p`` is followed by a new ``x_p_holm``.
    family : sequence of str
        Columns by which the rows of muscles form families.
    overall : sequence of str, optional
        The same of the overall rows; without it they are not adjusted.

    Returns
    -------
    DataFrame
        The table.
    """
    if table.empty:
        return table
    of_all = table["muscle"] == OVERALL
    parts = [(table[~of_all], family)] + ([] if overall is None else [(table[of_all], overall)])
    for name in tests:
        adjusted = pd.Series(np.nan, index=table.index)
        for rows, columns in parts:
            for _, part in by_columns(rows, columns):
                adjusted[part.index] = holm(part[name])
        table.insert(list(table).index(name) + 1, f"{name}_holm", adjusted)
    return table


def summarise(results: pd.DataFrame) -> pd.DataFrame:
    """Summarise every entry over groups, per muscle and overall.

    Parameters
    ----------
    results : DataFrame
        Rows of ``results.csv`` (`nem2e_tf.evaluation.results.RESULT_COLUMNS`), of one run or, with
        a column ``run``, of several.

    Returns
    -------
    DataFrame
        One row per entry, variant (``seeds-mean``, ``ensemble``) and muscle, then one ``overall``,
        whose value for a group is the mean over its muscles (muscles that share an electrode count
        one each). Columns: the entry; ``muscle``, ``n`` (groups), ``n_seeds``, ``n_cycles`` (all
        groups); ``interval``: ``t`` or ``range``; means over groups of the errors, ``r``,
        ``lag_ms``, ``epochs``, ``seconds`` and ``mean_pattern_rate`` (the rate of the mean
        pattern); for each of ``rate``, ``skill`` (one-sample t tests) and ``difference`` (refined -
        simulated RMSE: the paired t test) the mean, ``_low``, ``_high``, ``_t``, ``_p`` and
        ``_p_holm``; ``notes``, the reasons why a number is NaN.

        Holm's families: the muscles of one entry; and, for the overall rows, the entries under one
        input pattern.
    """
    table = average_seeds(results)
    before = table["rmse_simulated"]
    table["difference"] = table["rmse_refined"] - before
    table["mean_pattern_rate"] = (table["rmse_mean_pattern"] - before) / before.where(before != 0)
    columns = entry_columns(table)
    rows: list[dict[str, Any]] = []
    for names, entry in by_columns(table, columns):
        for muscle, one in by_muscle(entry):
            rows.append(names | {"muscle": muscle} | _summary(one, names["by"], _gaps(one)))
        missing = int(entry["rmse_refined"].isna().sum())
        notes = [f"{missing} of {len(entry)} muscle and group pairs have no result"]
        notes = notes if missing else []
        rows.append(names | {"muscle": OVERALL} | _summary(_overall(entry), names["by"], notes))
    tests = [f"{name}_p" for name in TESTED]
    return add_holm(pd.DataFrame(rows), tests, family=columns, overall=["by", "pattern"])


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
    """One row per group: means over the muscles that have a result."""
    known = entry[entry["rmse_refined"].notna()]
    means = [*SCORES, "difference", "mean_pattern_rate", "epochs", "seconds"]
    how = dict.fromkeys(means, "mean") | {"n_cycles": "max", "n_seeds": "max"}
    return known.groupby("group", sort=False).agg(how).reset_index()


def _summary(one: pd.DataFrame, by: str, notes: list[str]) -> dict[str, Any]:
    """Summarise a table of one row per group."""
    known = one[one["rmse_refined"].notna()]
    row: dict[str, Any] = {
        "n": len(known),
        "n_seeds": int(known["n_seeds"].max()) if len(known) else 0,
        "n_cycles": int(known["n_cycles"].sum()),
        "interval": _interval(by),
    }
    for name in (*SCORES, "mean_pattern_rate", "epochs", "seconds"):
        row[name] = float(known[name].mean())
    scales = dict.fromkeys(TESTED, 1.0) | {"difference": row["rmse_simulated"]}
    tests, reasons = _tests(known, scales, by)
    return row | tests | {"notes": "; ".join(dict.fromkeys([*notes, *reasons]))}


def _tests(
    rows: pd.DataFrame, scales: dict[str, float], by: str
) -> tuple[dict[str, float], list[str]]:
    """Estimates of several values, named with their scales, as columns; and notes on them."""
    columns: dict[str, float] = {}
    notes = []
    for name, scale in scales.items():
        found = estimate(rows[name], blocks=by == BLOCK, scale=scale)
        columns |= found.columns(name)
        if found.n < len(rows):
            notes.append(f"{name} known in {found.n} of {len(rows)} groups")
        if found.note:
            notes.append(found.note if found.n < 2 else f"{name}: {found.note}")
    return columns, notes


def _interval(by: str) -> str:
    return "range" if by == BLOCK else "t"


def against_baseline(results: pd.DataFrame, *, baseline: str = "seq2seq") -> pd.DataFrame:
    """Compare every entry's RMSE with the baseline's, paired by group.

    The baseline of an entry is the one with the same pattern, targets, output, recipe, variant and
    run. Where there is none, it is the one that agrees in most of these, compared in this order,
    All-Entire before other patterns; then the first in the table. A baseline that was scored on
    other cycles (another split) does not count.

    Parameters
    ----------
    results : DataFrame
        As for `summarise`.
    baseline : str
        The name of the model to compare with.

    Returns
    -------
    DataFrame
        One row per entry (except the baseline itself) and muscle, then one ``overall``. Columns:
        the entry; ``muscle``; ``baseline``: ``same settings``, or the settings in which it differs;
        ``n`` (groups that both have), ``interval``, ``rmse`` and ``rmse_baseline``; ``difference``
        (entry - baseline: negative is better than the baseline) with ``_low``, ``_high``, ``_t``,
        ``_p``, ``_p_holm``; ``notes``. ``attrs["notes"]`` lists what could not be compared; without
        a baseline the table is empty.

        Holm's families: all entries and muscles under one input pattern; and, for the overall rows,
        the entries under one input pattern.
    """
    table = average_seeds(results)
    columns = entry_columns(table)
    entries = [
        (names, entry.set_index(["group", "muscle"])) for names, entry in by_columns(table, columns)
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
        pairs = pd.DataFrame(
            {"rmse": entry["rmse_refined"], "rmse_baseline": base["rmse_refined"]},
            index=entry.index,
        ).reset_index()
        pairs["difference"] = pairs["rmse"] - pairs["rmse_baseline"]
        pairs.loc[pairs["difference"].isna(), ["rmse", "rmse_baseline"]] = np.nan
        means = pairs.groupby("group", sort=False)[["rmse", "rmse_baseline", "difference"]].mean()
        for muscle, one in (*by_muscle(pairs), (OVERALL, means)):
            about = {"muscle": muscle, "baseline": ", ".join(settings) or "same settings"}
            rows.append(names | about | _comparison(one, names["by"]))
    comparison = pd.DataFrame(rows)
    family = ["by", "pattern"]
    comparison = add_holm(comparison, ["difference_p"], family=family, overall=family)
    comparison.attrs["notes"] = notes
    return comparison


def _comparison(one: pd.DataFrame, by: str) -> dict[str, Any]:
    scale = float(one["rmse_baseline"].mean())
    found = estimate(one["difference"], blocks=by == BLOCK, scale=scale)
    return {
        "n": found.n,
        "interval": _interval(by),
        "rmse": float(one["rmse"].mean()),
        "rmse_baseline": scale,
        **found.columns("difference"),
        "notes": found.note,
    }


def _same_cycles(
    names: dict[str, Any], entry: pd.DataFrame, others: dict[str, Any], base: pd.DataFrame
) -> bool:
    """Entries that were scored on the same cycles share the simulation's error."""
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
    return (same[0], others["pattern"] == ALL_ENTIRE, *same[1:])


def summarise_references(references: pd.DataFrame) -> pd.DataFrame:
    """Summarise the errors of the estimates that do not depend on the input.

    Parameters
    ----------
    references : DataFrame
        Rows of ``references.csv``: one per muscle and group. Rows that several runs repeat count
        once.

    Returns
    -------
    DataFrame
        One row per kind of group (``by``) and muscle, then one ``overall``: ``n``, means over
        groups of the errors, of the rate of the mean pattern (``mean_pattern_rate``), and of the
        rate and skill of one mean pattern per condition (``per_condition_rate``,
        ``per_condition_skill``: over the pooled mean pattern). NaN where unknown.
    """
    table = distinct_references(references)
    before = table["rmse_simulated"].where(table["rmse_simulated"] != 0)
    pooled = table["rmse_mean_pattern"].where(table["rmse_mean_pattern"] != 0)
    own = table["rmse_mean_pattern_per_condition"]
    derived = {
        "mean_pattern_rate": (table["rmse_mean_pattern"] - before) / before,
        "per_condition_rate": (own - before) / before,
        "per_condition_skill": 1.0 - own / pooled,
    }
    table = table.assign(**derived)
    numbers = [*REFERENCE_NUMBERS[1:], *derived]
    group = ["run", "group"] if "run" in table else ["group"]
    rows: list[dict[str, Any]] = []
    for names, part in by_columns(table, ["by"]):
        means = part.groupby(group, sort=False)[numbers].mean()
        for muscle, one in (*by_muscle(part), (OVERALL, means)):
            n = int(one["rmse_simulated"].notna().sum())
            row = {name: float(one[name].mean()) for name in numbers}
            rows.append(names | {"muscle": muscle, "n": n} | row)
    return pd.DataFrame(rows)


def summarise_groups(
    groups: pd.DataFrame, *, tested: Sequence[str], averaged: Sequence[str] = ()
) -> pd.DataFrame:
    """Summarise any values of every entry over the groups that were left out.

    Parameters
    ----------
    groups : DataFrame
        ``by``, the settings of the entry, ``seed``, ``muscle``, ``group`` and the values. Seeds are
        averaged first; ``ensemble`` is a variant of its own.
    tested : sequence of str
        Values that get an interval and a t test against 0.
    averaged : sequence of str
        Values of which only the mean is given.

    Returns
    -------
    DataFrame
        One row per entry and muscle, then ``overall`` (a group's mean over its muscles): the entry,
        ``muscle``, ``n`` (groups with the first tested value), ``n_seeds``, ``interval`` (``t``, or
        ``range`` over blocks of one person); of each tested value the mean and its ``_low``,
        ``_high``, ``_t``, ``_p``, ``_p_holm`` (over the muscles of an entry); the other means;
        ``notes``.
    """
    numbers = [*tested, *averaged]
    how: dict[str, Any] = dict.fromkeys(numbers, "mean") | {"seed": "nunique"}
    keys = [*ENTRY, "muscle", "group"]
    table = with_variant(groups).groupby(keys, sort=False).agg(how).reset_index()
    rows: list[dict[str, Any]] = []
    for names, part in by_columns(table, ENTRY):
        known = part[part[tested[0]].notna()]
        means = known.groupby("group", sort=False)[[*numbers, "seed"]].mean()
        for muscle, one in (*by_muscle(part), (OVERALL, means)):
            scored = one[one[tested[0]].notna()]
            values, notes = _tests(scored, dict.fromkeys(tested, 1.0), names["by"])
            row = {
                "muscle": muscle,
                "n": len(scored),
                "n_seeds": int(one["seed"].max()) if len(one) else 0,
                "interval": _interval(names["by"]),
                **values,
                **{name: float(one[name].mean()) for name in averaged},
            }
            if absent := len(one) - len(scored):
                notes.insert(0, f"no result for {absent} of {len(one)} groups")
            rows.append(names | row | {"notes": "; ".join(dict.fromkeys(notes))})
    return add_holm(pd.DataFrame(rows), [f"{name}_p" for name in tested], family=ENTRY)
