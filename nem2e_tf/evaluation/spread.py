"""How much fits differ from seed to seed, kept apart from how much people differ."""

from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.evaluation.results import ENSEMBLE, SETTINGS, check_results
from nem2e_tf.evaluation.statistics import OVERALL

MEASURES = ("rate", "skill")


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
        means = part.groupby(["group", "seed"], sort=False)[list(MEASURES)].mean().reset_index()
        for muscle, one in [*parts, (OVERALL, means)]:
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
