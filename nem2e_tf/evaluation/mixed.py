"""Mixed-effects model of an entry's scores: muscles fixed, subjects random."""

import warnings
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.evaluation.estimate import RESOLUTION
from nem2e_tf.evaluation.results import BLOCK, average_seeds, entry_columns

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
