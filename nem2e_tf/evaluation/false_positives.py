"""How often skill is found where there is none."""

from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.evaluation.binomial import clopper_pearson
from nem2e_tf.evaluation.results import SETTINGS
from nem2e_tf.evaluation.statistics import OVERALL, summarise

NOMINAL = 0.025
ALL = "all"
KEPT = ("by", *SETTINGS, "variant", "muscle", "n", "interval", "skill", "skill_low", "skill_high")


def positive_skill(results: pd.DataFrame) -> pd.DataFrame:
    """Say for every entry and muscle whether its skill is above 0 beyond its interval.

    Parameters
    ----------
    results : DataFrame
        Rows of ``results.csv``, of a cohort in which there is nothing to learn.

    Returns
    -------
    DataFrame
        The entry, ``muscle`` (and ``overall``), ``n``, ``interval``, ``skill`` with its interval
        and p, ``tested`` (whether there is an interval to judge by) and ``false_positive``.
    """
    table = summarise(results)
    found = table[[*KEPT, "skill_p"]].copy()
    found["tested"] = (table["interval"] == "t") & table["skill_low"].notna()
    found["false_positive"] = found["tested"] & (table["skill_low"] > 0)
    found["notes"] = table["notes"]
    return found


def false_positives(found: pd.DataFrame) -> pd.DataFrame:
    """Share of tests that are falsely positive, by entry and together.

    Parameters
    ----------
    found : DataFrame
        Rows of `positive_skill` of one or several cohorts.

    Returns
    -------
    DataFrame
        One row an entry and level (``overall``: one test a cohort; ``muscle``: one a cohort and
        muscle, which are not independent), then model ``all``: ``tests``, ``false_positives``,
        ``share`` with its exact 95 % interval (Clopper & Pearson 1934) ``share_low`` to
        ``share_high``, ``nominal``, the mean ``skill``, ``compatible`` (whether the interval holds
        the nominal share), ``notes``.
    """
    found = found.reset_index(drop=True)
    columns = ["by", *SETTINGS, "variant"]
    overall = found["muscle"] == OVERALL
    rows = []
    for key, part in found.groupby(columns, sort=False):
        names: dict[str, Any] = dict(zip(columns, key, strict=True))
        for level, chosen in (("overall", overall), ("muscle", ~overall)):
            rows.append(names | {"level": level} | _share(part[chosen.loc[part.index]]))
    for level, chosen in (("overall", overall), ("muscle", ~overall)):
        names = dict.fromkeys(columns, "") | {"model": ALL}
        rows.append(names | {"level": level} | _share(found[chosen]))
    return pd.DataFrame(rows)


def _share(part: pd.DataFrame) -> dict[str, Any]:
    tests, positive = int(part["tested"].sum()), int(part["false_positive"].sum())
    low, high = clopper_pearson(positive, tests)
    untested = len(part) - tests
    return {
        "tests": tests,
        "false_positives": positive,
        "share": positive / tests if tests else np.nan,
        "share_low": low,
        "share_high": high,
        "nominal": NOMINAL,
        "compatible": low <= NOMINAL <= high if tests else "",
        "skill": float(part["skill"].mean()),
        "notes": f"{untested} of {len(part)} without an interval" if untested else "",
    }
