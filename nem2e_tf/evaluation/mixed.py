"""How much fits differ from seed to seed, kept apart from how much people differ.

Mixed-effects model of an entry's scores: muscles fixed, subjects random.
"""

import warnings
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.evaluation.results import (
    BLOCK,
    ENSEMBLE,
    SETTINGS,
    average_seeds,
    check_results,
    entry_columns,
)
from nem2e_tf.evaluation.statistics import OVERALL, RESOLUTION

MEASURES = ("rate", "skill")
FEWEST = 4
"""Groups: a variance estimated from fewer says next to nothing."""

OPTIMISERS = ("lbfgs", "powell", "nm")
"""Tried in this order: a gradient step onto a variance of 0 ends the first in a singular matrix."""

NUMBERS = ("mean", "mean_low", "mean_high", "t", "df", "p", "group_sd", "residual_sd")


def mixed_model(results: pd.DataFrame) -> pd.DataFrame:
    """Estimate the mean over muscles of each entry's rate and skill, subjects being random.

    ``value ~ muscle + (1 | group)`` by restricted maximum likelihood (statsmodels ``MixedLM``,
    muscles coded as deviations from their mean, so that the intercept is the mean over muscles).
    Unlike the mean of each subject's mean it uses subjects of whom some muscles are missing, and it
    tells how alike a subject's muscles are. The intercept's test uses t with groups - 1 degrees of
    freedom, not the normal distribution, which is too sure of itself with few people.

    Parameters
    ----------
    results : DataFrame
        Rows of ``results.csv``; seeds are averaged first.

    Returns
    -------
    DataFrame
        One row an entry and measure (``rate``, ``skill``): ``n_groups``, ``n_muscles``, ``n``
        (values), ``mean`` with ``mean_low`` and ``mean_high`` (95 %), ``t``, ``df``, ``p``,
        ``group_sd`` and ``residual_sd`` (standard deviations of the random part and the rest),
        ``notes``. NaN and a note where there are fewer than four groups or two muscles, where
        groups are blocks of one person, or where the model does not converge.
    """
    table = average_seeds(results)
    entry = entry_columns(table)
    rows: list[dict[str, Any]] = []
    for key, part in table.groupby(entry, sort=False):
        names = dict(zip(entry, key, strict=True))
        for measure in MEASURES:
            known = part[["group", "muscle", measure]].dropna().rename(columns={measure: "value"})
            n_groups, n_muscles = known["group"].nunique(), known["muscle"].nunique()
            row = names | {
                "measure": measure,
                "n_groups": n_groups,
                "n_muscles": n_muscles,
                "n": len(known),
                **dict.fromkeys(NUMBERS, np.nan),
                "notes": "",
            }
            if names["by"] == BLOCK:
                row["notes"] = "blocks of one person: no model"
            elif n_groups < FEWEST or n_muscles < 2:
                row["notes"] = (
                    f"{n_groups} groups and {n_muscles} muscles: expected {FEWEST} and 2 or more"
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
    spread = float(np.abs(left).max())
    if spread <= RESOLUTION * max(1.0, float(np.abs(values).max())):
        return {"notes": "no spread between groups: no model"}
    # Values of about 1 let the optimiser's fixed step sizes fit.
    scale = float(left.std())
    why = ""
    for optimiser in OPTIMISERS:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = MixedLM(values / scale, design, groups=known["group"].to_numpy()).fit(
                    reml=True, method=optimiser
                )
            mean, error = float(found.fe_params[0]) * scale, float(found.bse_fe[0]) * scale
            group_sd = float(np.sqrt(max(float(np.asarray(found.cov_re)[0, 0]), 0.0))) * scale
        except (np.linalg.LinAlgError, ValueError, ZeroDivisionError) as failure:
            why = f"the model cannot be fitted ({type(failure).__name__})"
            continue
        if found.converged and np.isfinite(error) and error > 0.0:
            break
        why = "the model does not converge"
    else:
        return {"notes": why}
    freedom = n_groups - 1
    half = float(student.ppf(0.975, freedom)) * error
    t = mean / error
    return {
        "mean": mean,
        "mean_low": mean - half,
        "mean_high": mean + half,
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


SPREAD_MEASURES = ("rate", "skill")


def seed_spread(results: pd.DataFrame) -> pd.DataFrame:
    """Take the spread of a score apart into that over seeds and that over groups.

    A seed decides the initial weights, the order of the rows and who is set aside; another one is
    the same experiment again, with the same people. Random-effects analysis of variance, by the
    method of moments (Searle, Casella & McCulloch 1992): the variance over seeds is the mean over
    groups of the variance within a group; the variance over groups is that of the groups' means
    less what the seeds leave in them.

    Parameters
    ----------
    results : DataFrame
        Rows of ``results.csv``. Ensembles are left out.

    Returns
    -------
    DataFrame
        One row an entry, muscle (then ``overall``: the mean over muscles of each group and seed)
        and measure (``rate``, ``skill``): ``n_groups``, ``n_seeds``, ``mean``; ``seed_sd``, NaN
        with one seed; ``group_sd``, what people differ by, seeds apart (0 where seeds alone explain
        what is seen); ``seed_share``: seed variance over the sum of both, for one fit. ``notes``.
    """
    table = check_results(results)
    table = table[table["seed"] != ENSEMBLE]
    entry = [*(["run"] if "run" in table.columns else []), "by", *SETTINGS]
    rows: list[dict[str, Any]] = []
    for key, part in table.groupby(entry, sort=False):
        names = dict(zip(entry, key, strict=True))
        parts = [(str(name), one) for name, one in part.groupby("muscle", sort=False)]
        means = (
            part.groupby(["group", "seed"], sort=False)[list(SPREAD_MEASURES)].mean().reset_index()
        )
        for muscle, one in [*parts, (OVERALL, means)]:
            for measure in SPREAD_MEASURES:
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
    found: dict[str, Any] = {
        "n_groups": len(known),
        "n_seeds": max((len(row) for row in known), default=0),
        "mean": float(means.mean()) if len(means) else np.nan,
        "seed_sd": np.nan,
        "group_sd": np.nan,
        "seed_share": np.nan,
        "notes": "",
    }
    notes = []
    within = np.nan
    if several:
        squares = sum(float(((row - row.mean()) ** 2).sum()) for row in several)
        within = squares / sum(len(row) - 1 for row in several)
        found["seed_sd"] = float(np.sqrt(within))
    else:
        notes.append("one seed: its spread is unknown" if known else "no value")
    if len(known) > 1:
        # Seeds of groups that have fewer leave more in their mean.
        left = 0.0 if np.isnan(within) else within * float(np.mean([1 / len(r) for r in known]))
        between = max(float(means.var(ddof=1)) - left, 0.0)
        found["group_sd"] = float(np.sqrt(between))
        if not several:
            notes.append("the spread of groups holds that of seeds")
        elif between + within > 0.0:
            found["seed_share"] = within / (between + within)
    elif known:
        notes.append("one group: the spread of groups is unknown")
    found["notes"] = "; ".join(notes)
    return found
