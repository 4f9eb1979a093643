"""What stands beside means and t tests: effect sizes, ranks, power and the people it would take."""

from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.evaluation.effect import effect
from nem2e_tf.evaluation.estimate import estimate, holm
from nem2e_tf.evaluation.power import n_needed, power_of
from nem2e_tf.evaluation.results import BLOCK, average_seeds, entry_columns
from nem2e_tf.evaluation.statistics import OVERALL

MEASURES = ("rate", "skill", "difference")


def further_statistics(results: pd.DataFrame) -> pd.DataFrame:
    """Effect size, Wilcoxon's test and power of every entry, muscle and measure.

    Parameters
    ----------
    results : DataFrame
        Rows of ``results.csv``; seeds are averaged first.

    Returns
    -------
    DataFrame
        One row an entry, muscle (then ``overall``: a group's mean over its muscles) and measure
        (``rate``, ``skill``, ``difference`` = refined - simulated RMSE): ``n``, ``mean``, ``sd``,
        ``dz``, ``gz``, ``gz_low``, ``gz_high`` (see `nem2e_tf.evaluation.effect.Effect`), ``t_p``
        and ``wilcoxon_p`` with ``t_p_holm`` and ``wilcoxon_p_holm`` (over the muscles of an entry),
        ``power`` (of the t test with this n, if the true effect were Hedges' g as found),
        ``n_needed`` (for a power of 0.8) and ``n_needed_at_least`` (if the effect were the end of
        its interval further from 0), ``notes``. Blocks of one person get the mean alone.
    """
    table = average_seeds(results)
    table["difference"] = table["rmse_refined"] - table["rmse_simulated"]
    entry = entry_columns(table)
    rows: list[dict[str, Any]] = []
    for key, part in table.groupby(entry, sort=False):
        names = dict(zip(entry, key, strict=True))
        known = part[part["rmse_refined"].notna()]
        parts = [(str(name), one) for name, one in part.groupby("muscle", sort=False)]
        means = known.groupby("group", sort=False)[[*MEASURES, "rmse_simulated"]].mean()
        own = [
            names
            | {"muscle": muscle, "measure": measure}
            | _further(one, measure, str(names["by"]))
            for muscle, one in [*parts, (OVERALL, means)]
            for measure in MEASURES
        ]
        for measure in MEASURES:
            family = [r for r in own if r["measure"] == measure and r["muscle"] != OVERALL]
            for test in ("t_p", "wilcoxon_p"):
                adjusted = holm([row[test] for row in family])
                for row, p in zip(family, adjusted, strict=True):
                    row[f"{test}_holm"] = float(p)
        rows += own
    return pd.DataFrame(rows)


def _further(one: pd.DataFrame, measure: str, by: str) -> dict[str, Any]:
    values = one[measure].dropna()
    scale = float(one["rmse_simulated"].mean()) if measure == "difference" else 1.0
    found = effect([] if by == BLOCK else values, scale=scale)
    ends = np.abs([found.gz_low, found.gz_high])
    return {
        "n": len(values),
        "mean": float(values.mean()),
        "sd": found.sd,
        "dz": found.dz,
        "gz": found.gz,
        "gz_low": found.gz_low,
        "gz_high": found.gz_high,
        "t_p": estimate(values, blocks=by == BLOCK, scale=scale).p,
        "t_p_holm": np.nan,
        "wilcoxon_p": found.wilcoxon_p,
        "wilcoxon_p_holm": np.nan,
        "power": power_of(found.gz, found.n),
        "n_needed": n_needed(found.gz),
        "n_needed_at_least": n_needed(float(ends.max())),
        "notes": "blocks of one person: no effect size, no test" if by == BLOCK else found.note,
    }
