"""Label shuffle: with the EMG of other cycles nothing can be learned, and skill must vanish.

The interval of a share: how often something happened among so many.

How often skill is found where there is none.
"""

import math
import os
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.cohorts.cohort import Cohort
from nem2e_tf.controls.results import (
    Source,
    partial_folder,
    refuse_foreign_files,
    remove_partial,
    write_control,
)
from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.results import SETTINGS
from nem2e_tf.evaluation.statistics import OVERALL, summarise
from nem2e_tf.training.cross_validation import cross_validate


def clopper_pearson(happened: int, among: int, *, level: float = 0.95) -> tuple[float, float]:
    """Exact (Clopper & Pearson 1934) interval of a binomial probability.

    Parameters
    ----------
    happened, among : int
        Counts.
    level : float
        0..1.

    Returns
    -------
    tuple of float
        Lower and upper bound, 0..1; NaN among none.

    Examples
    --------
    >>> [round(bound, 4) for bound in clopper_pearson(2, 80)]
    [0.003, 0.0874]
    >>> clopper_pearson(0, 10)[0], clopper_pearson(10, 10)[1]
    (0.0, 1.0)
    """
    if among < 1:
        return math.nan, math.nan
    from scipy.stats import binomtest

    interval = binomtest(happened, among).proportion_ci(level, method="exact")
    return float(interval.low), float(interval.high)


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


NOTES = (
    "Each shuffle gives every simulated cycle the EMG of a cycle drawn from the whole cohort, so "
    "that no input tells anything about its EMG. Skill is falsely positive where the lower end of "
    "its 95 % interval is above 0: by chance in 2.5 % of tests, and less often for an entry that "
    "is worse than the mean pattern when there is nothing to learn.",
)


def shuffled(cohort: Cohort, *, seed: int, shuffle: int) -> Cohort:
    """Give every simulated cycle the EMG of another cycle, drawn without replacement.

    Parameters
    ----------
    cohort : Cohort
    seed, shuffle : int
        Each shuffle is another one.
    """
    order = np.random.default_rng([seed, shuffle]).permutation(len(cohort.cycles))
    return replace(
        cohort, name=f"{cohort.name}, shuffle {shuffle + 1}", measured=cohort.measured[order]
    )


def control_shuffle(
    source: Source,
    path: "str | os.PathLike[str]",
    *,
    shuffles: int = 5,
    seed: int = 0,
    jobs: int = 1,
    progress: "Any | None" = None,
) -> dict[str, pd.DataFrame]:
    """Cross-validate the entries of a run on shuffled cohorts, and write the control's folder.

    What is finished is kept beside the output folder, as ``<path>.partial``, until all is: the same
    command goes on where it was.

    Parameters
    ----------
    source : Source
        Its settings are used again.
    path : path-like
        Where to write.
    shuffles : int
        Shuffled cohorts.
    seed : int
        Of the shuffles.
    jobs : int
        Processes.
    progress : callable, optional
        ``progress(shuffle)`` gives a context manager with the methods ``update`` and ``plan`` that
        `nem2e_tf.training.cross_validation.cross_validate` tells.

    Returns
    -------
    dict of str to DataFrame
        ``groups``: skill of every entry and muscle on every shuffled cohort; ``summary``: how often
        it is falsely positive (`nem2e_tf.controls.shuffle.false_positives`).
    """
    refuse_foreign_files(path)
    if shuffles < 1:
        raise InputError(f"--shuffles {shuffles}: expected 1 or more")
    known = {name: v for name, v in source.run.settings.options.items() if name in source.models}
    settings = replace(source.run.settings, models=source.models, options=known)
    asked = {"control": "shuffle", "seed": seed, "cohort": source.cohort.digest}
    work = partial_folder(path, {**asked, "settings": settings.as_dict()})
    parts = []
    for shuffle in range(shuffles):
        cohort = shuffled(source.cohort, seed=seed, shuffle=shuffle)
        place = work / f"cohort-{shuffle:03d}"
        if not (place / "cohort.json").exists():
            cohort.save(place)
        run = work / f"run-{shuffle:03d}"
        if progress is None:
            results = cross_validate(place, run, settings, jobs=jobs)
        else:
            with progress(shuffle) as told:
                results = cross_validate(
                    place, run, settings, jobs=jobs, progress=told.update, on_plan=told.plan
                )
        parts.append(positive_skill(results).assign(shuffle=shuffle + 1))
    groups = pd.concat(parts, ignore_index=True)
    groups.insert(0, "shuffle", groups.pop("shuffle"))
    tables = {"summary": false_positives(groups), "groups": groups}
    write_control(
        path,
        "shuffle",
        about=source.about,
        settings={"shuffles": shuffles, "seed": seed, "models": list(source.models)},
        notes=NOTES,
        tables=tables,
    )
    remove_partial(work)
    return tables
