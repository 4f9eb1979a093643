"""The shuffle control: with the EMG of other cycles there is nothing to learn.

The run's entries are cross-validated on shuffled cohorts. Skill found there is false; the control
counts how often that happens, with the exact interval of this share.
"""

import math
import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.cohorts.cohort import Cohort
from nem2e_tf.controls.results import (
    ControlResults,
    check_output,
    partial_folder,
    remove_partial,
    results_of,
)
from nem2e_tf.controls.source import AnyCohort, AnyRun, at_least, open_source
from nem2e_tf.evaluation.results import SETTINGS, by_columns
from nem2e_tf.evaluation.statistics import OVERALL, summarise
from nem2e_tf.training.backends.processes import check_jobs
from nem2e_tf.training.cross_validation import fit_run

NOMINAL = 0.025
ALL = "all"
KEPT = ("by", *SETTINGS, "variant", "muscle", "n", "interval", "skill", "skill_low", "skill_high")
NOTES = (
    "Each shuffle pairs every simulated cycle with the EMG of a cycle drawn from the whole cohort, "
    "so that no input carries information about its EMG. Skill is falsely positive where the lower "
    "end of its 95 % interval is above 0: by chance in 2.5 % of tests, and less often for an entry "
    "that is worse than the mean pattern when there is nothing to learn.",
)


def shuffle(
    run: AnyRun,
    *,
    cohort: AnyCohort | None = None,
    models: Iterable[str] = (),
    shuffles: int = 5,
    seed: int = 0,
    jobs: int | None = None,
    out: "str | os.PathLike[str] | None" = None,
    progress: "Callable[[int], AbstractContextManager[Any]] | None" = None,
) -> ControlResults:
    """Cross-validate the entries of a run on shuffled cohorts, where skill must vanish.

    Takes as long as the run, times `shuffles`. Finished parts are kept next to the output folder,
    as ``<out>.partial``, until all are there: the same call continues an interrupted one.

    Parameters
    ----------
    run : path-like
        A finished run, whose settings are used.
    cohort : path-like or Cohort
        The cohort that the run was computed from.
    models : iterable of str
        Models of the run to examine; all by default.
    shuffles : int
        Shuffled cohorts.
    seed : int
        Seed of the shuffles.
    jobs : int, optional
        Processes; by default one per core.
    out : path-like, optional
        Folder to write. Without it nothing is kept of an interrupted call.
    progress : callable, optional
        ``progress(shuffle)`` returns a context manager with the methods ``update`` and ``plan``:
        the `progress` and `on_plan` of `nem2e_tf.cross_validate`.

    Returns
    -------
    ControlResults
        ``groups``: skill of every entry and muscle on every shuffled cohort; ``summary``:
        `false_positives`.

    Raises
    ------
    InputError
        The run is not finished or of another cohort, a parameter is out of range, or the output
        folder holds something else.
    """
    check_output(out)
    at_least(1, shuffles=shuffles)
    at_least(0, seed=seed)
    check_jobs(jobs)
    source = open_source(run, cohort, models=models)
    known = {name: v for name, v in source.run.settings.options.items() if name in source.models}
    settings = replace(source.run.settings, models=source.models, options=known)
    work = None
    if out is not None:
        parameters = {"control": "shuffle", "seed": seed, "cohort": source.cohort.digest}
        work = partial_folder(out, {**parameters, "settings": settings.as_dict()})
    parts = []
    for number in range(shuffles):
        with progress(number) if progress is not None else nullcontext() as shown:
            fitted = fit_run(
                shuffled(source.cohort, seed=seed, shuffle=number),
                settings,
                None if work is None else work / f"run-{number:03d}",
                jobs=jobs,
                progress=getattr(shown, "update", None),
                on_plan=getattr(shown, "plan", None),
            )
        parts.append(positive_skill(fitted.results).assign(shuffle=number + 1))
    groups = pd.concat(parts, ignore_index=True)
    groups.insert(0, "shuffle", groups.pop("shuffle"))
    tables = {"summary": false_positives(groups), "groups": groups}
    about = source.about
    chosen = {"shuffles": shuffles, "seed": seed, "models": list(source.models)}
    found = results_of("shuffle", about=about, settings=chosen, notes=NOTES, tables=tables, out=out)
    if work is not None:
        remove_partial(work)
    return found


def shuffled(cohort: Cohort, *, seed: int, shuffle: int) -> Cohort:
    """Pair every simulated cycle with the EMG of another cycle, drawn without replacement.

    Parameters
    ----------
    cohort : Cohort
    seed, shuffle : int
        Each shuffle is different.
    """
    order = np.random.default_rng([seed, shuffle]).permutation(len(cohort.cycles))
    return replace(
        cohort, name=f"{cohort.name}, shuffle {shuffle + 1}", measured=cohort.measured[order]
    )


def positive_skill(results: pd.DataFrame) -> pd.DataFrame:
    """Mark the entries and muscles with a skill whose interval is above 0.

    Parameters
    ----------
    results : DataFrame
        Rows of ``results.csv`` of a cohort in which there is nothing to learn.

    Returns
    -------
    DataFrame
        The entry, ``muscle`` (and ``overall``), ``n``, ``interval``, ``skill`` with its interval
        and p, ``tested`` (True where there is a t interval) and ``false_positive``.
    """
    table = summarise(results)
    found = table[[*KEPT, "skill_p"]].copy()
    found["tested"] = (table["interval"] == "t") & table["skill_low"].notna()
    found["false_positive"] = found["tested"] & (table["skill_low"] > 0)
    found["notes"] = table["notes"]
    return found


def false_positives(found: pd.DataFrame) -> pd.DataFrame:
    """Share of tests that are falsely positive, per entry and for all together.

    Parameters
    ----------
    found : DataFrame
        Rows of `positive_skill` of one or several cohorts.

    Returns
    -------
    DataFrame
        One row per entry and level (``overall``: one test per cohort; ``muscle``: one per cohort
        and muscle, which are not independent), then model ``all``: ``tests``, ``false_positives``,
        ``share`` with its exact 95 % interval (Clopper & Pearson 1934) ``share_low`` to
        ``share_high``, ``nominal``, the mean ``skill``, ``compatible`` (True where the interval
        includes the nominal share), ``notes``.
    """
    columns = ["by", *SETTINGS, "variant"]
    everything = dict.fromkeys(columns, "") | {"model": ALL}
    rows = []
    for names, part in (*by_columns(found, columns), (everything, found)):
        overall = part["muscle"] == OVERALL
        for level, chosen in (("overall", overall), ("muscle", ~overall)):
            rows.append(names | {"level": level} | _share(part[chosen]))
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


def clopper_pearson(happened: int, among: int, *, level: float = 0.95) -> tuple[float, float]:
    """Exact (Clopper & Pearson 1934) interval of a binomial probability.

    Parameters
    ----------
    happened, among : int
        Events, and trials.
    level : float
        Confidence level, 0..1.

    Returns
    -------
    tuple of float
        Lower and upper bound, 0..1; NaN without trials.

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
