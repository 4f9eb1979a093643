"""Variance components of scores: people against seeds, and people against muscles.

`mixed_model` estimates an entry's mean over muscles with subjects as random effects; `seed_spread`
separates the spread over seeds from that over people.
"""

import warnings
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.evaluation.results import (
    BLOCK,
    ENSEMBLE,
    average_seeds,
    by_columns,
    by_muscle,
    check_results,
    entry_columns,
)
from nem2e_tf.evaluation.statistics import OVERALL, RESOLUTION

MEASURES = ("rate", "skill")
MIN_GROUPS = 4
"""A variance estimated from fewer groups is close to meaningless."""

OPTIMISERS = ("lbfgs", "powell", "nm")
"""Tried in this order: with a variance near 0 the first can end in a singular matrix."""

NUMBERS = ("mean", "mean_low", "mean_high", "t", "df", "p", "group_sd", "residual_sd")


def mixed_model(results: pd.DataFrame) -> pd.DataFrame:
    """Estimate the mean over muscles of each entry's rate and skill, with subjects as random.

    ``value ~ muscle + (1 | group)`` by restricted maximum likelihood (statsmodels ``MixedLM``,
    muscles coded as deviations from their mean, so that the intercept is the mean over muscles).
    Unlike the mean of each subject's mean it uses subjects with missing muscles, and it estimates
    how similar a subject's muscles are. The intercept is tested by t with groups - 1 degrees of
    freedom, not by the normal distribution, whose p is too small with few people.

    Parameters
    ----------
    results : DataFrame
        Rows of ``results.csv``; seeds are averaged first.

    Returns
    -------
    DataFrame
        One row per entry and measure (``rate``, ``skill``): ``n_groups``, ``n_muscles``, ``n``
        (values), ``mean`` with ``mean_low`` and ``mean_high`` (95 %), ``t``, ``df``, ``p``,
        ``group_sd`` and ``residual_sd`` (standard deviations of the random effect and of the
        residuals), ``notes``. NaN and a note where there are fewer than four groups or two muscles,
        where groups are blocks of one person, or where the model does not converge.
    """
    table = average_seeds(results)
    rows: list[dict[str, Any]] = []
    for names, part in by_columns(table, entry_columns(table)):
        for measure in MEASURES:
            known = part[["group", "muscle", measure]].dropna().rename(columns={measure: "value"})
            n_groups, n_muscles = known["group"].nunique(), known["muscle"].nunique()
            row = names | {"measure": measure, "n_groups": n_groups, "n_muscles": n_muscles}
            row |= {"n": len(known), **dict.fromkeys(NUMBERS, np.nan), "notes": ""}
            if names["by"] == BLOCK:
                row["notes"] = "blocks of one person: no model"
            elif n_groups < MIN_GROUPS or n_muscles < 2:
                row["notes"] = (
                    f"no model: it requires {MIN_GROUPS} groups and 2 muscles, found {n_groups} "
                    f"and {n_muscles}"
                )
            else:
                row |= _fit(known, n_groups)
            rows.append(row)
    return pd.DataFrame(rows)


def _fit(known: pd.DataFrame, n_groups: int) -> dict[str, Any]:
    from scipy.stats import t as student
    from statsmodels.regression.mixed_linear_model import MixedLM

    values = known["value"].to_numpy(float)
    design = _deviations(known["muscle"])
    left = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    if np.abs(left).max() <= RESOLUTION * max(1.0, float(np.abs(values).max())):
        return {"notes": "no spread between groups: no model"}
    # The optimisers' step sizes suit values of about 1.
    scale = float(left.std())
    reason = ""
    for optimiser in OPTIMISERS:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = MixedLM(values / scale, design, groups=known["group"].to_numpy())
                found = model.fit(reml=True, method=optimiser)
                mean, error = float(found.fe_params[0]) * scale, float(found.bse_fe[0]) * scale
            group_sd = float(np.sqrt(max(float(np.asarray(found.cov_re)[0, 0]), 0.0))) * scale
        except (np.linalg.LinAlgError, ValueError, ZeroDivisionError) as failure:
            reason = f"the model cannot be fitted ({type(failure).__name__})"
            continue
        if found.converged and np.isfinite(error) and error > 0.0:
            break
        reason = "the model does not converge"
    else:
        return {"notes": reason}
    freedom, t = n_groups - 1, mean / error
    low, high = student.interval(0.95, freedom, loc=mean, scale=error)
    return {
        "mean": mean,
        "mean_low": float(low),
        "mean_high": float(high),
        "t": t,
        "df": float(freedom),
        "p": 2.0 * float(student.sf(abs(t), freedom)),
        "group_sd": group_sd,
        "residual_sd": float(np.sqrt(found.scale)) * scale,
    }


def _deviations(muscles: pd.Series) -> np.ndarray:
    """Intercept and deviation coding: the last muscle is minus the sum of the others."""
    codes, names = pd.factorize(muscles)
    coding = np.vstack([np.eye(len(names) - 1), -np.ones(len(names) - 1)])
    return np.column_stack([np.ones(len(codes)), coding[codes]])


def seed_spread(results: pd.DataFrame) -> pd.DataFrame:
    """Separate the spread of a score over seeds from that over groups.

    A seed determines the initial weights, the order of the rows and the validation set; another one
    repeats the experiment with the same people. Random-effects analysis of variance, by the method
    of moments (Searle, Casella & McCulloch 1992): the variance over seeds is the mean over groups
    of the variance within a group; the variance over groups is that of the groups' means minus the
    part of it that is due to seeds.

    Parameters
    ----------
    results : DataFrame
        Rows of ``results.csv``. Ensembles are left out.

    Returns
    -------
    DataFrame
        One row per entry, muscle (then ``overall``: the mean over muscles of each group and seed)
        and measure (``rate``, ``skill``): ``n_groups``, ``n_seeds``, ``mean``; ``seed_sd``, NaN
        with one seed; ``group_sd``, the spread between people without that of seeds (0 where seeds
        alone explain the spread); ``seed_share``: seed variance over the sum of both, for one fit.
        ``notes``.
    """
    table = check_results(results)
    table = table[table["seed"] != ENSEMBLE]
    rows: list[dict[str, Any]] = []
    for names, part in by_columns(table, entry_columns(table)[:-1]):
        means = part.groupby(["group", "seed"], sort=False)[list(MEASURES)].mean().reset_index()
        for muscle, one in (*by_muscle(part), (OVERALL, means)):
            for measure in MEASURES:
                wide = one.pivot(index="group", columns="seed", values=measure)
                found = components(wide.to_numpy(dtype=float))
                rows.append(names | {"muscle": muscle, "measure": measure} | found)
    return pd.DataFrame(rows)


def components(values: np.ndarray) -> dict[str, Any]:
    """Variance components of values [group, seed]; NaN is left out.

    Examples
    --------
    >>> found = components(np.array([[1.0, 3.0], [5.0, 7.0]]))
    >>> round(found["seed_sd"] ** 2, 6), round(found["group_sd"] ** 2, 6)
    (2.0, 7.0)
    """
    known = [row[~np.isnan(row)] for row in values]
    known = [row for row in known if len(row)]
    several = [row for row in known if len(row) > 1]
    means = np.array([row.mean() for row in known])
    within = between = np.nan
    notes = []
    if several:
        squares = sum(float(((row - row.mean()) ** 2).sum()) for row in several)
        within = squares / sum(len(row) - 1 for row in several)
    else:
        notes.append("one seed: its spread is unknown" if known else "no value")
    if len(known) > 1:
        # The mean of a group with fewer seeds contains more of their variance.
        seeds = float(np.nan_to_num(within) * np.mean([1 / len(row) for row in known]))
        between = max(float(means.var(ddof=1)) - seeds, 0.0)
        notes += [] if several else ["the spread of groups includes that of seeds"]
    elif known:
        notes.append("one group: the spread of groups is unknown")
    total = between + within
    return {
        "n_groups": len(known),
        "n_seeds": max((len(row) for row in known), default=0),
        "mean": float(means.mean()) if len(means) else np.nan,
        "seed_sd": float(np.sqrt(within)),
        "group_sd": float(np.sqrt(between)),
        "seed_share": within / total if total > 0.0 else np.nan,
        "notes": "; ".join(notes),
    }
