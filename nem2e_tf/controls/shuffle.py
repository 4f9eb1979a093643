"""Label shuffle: with the EMG of other cycles nothing can be learned, and skill must vanish."""

import os
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.cohort import Cohort
from nem2e_tf.controls.folder import (
    partial_folder,
    refuse_foreign_files,
    remove_partial,
    write_control,
)
from nem2e_tf.controls.source import Source
from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.false_positives import false_positives, positive_skill
from nem2e_tf.training.cross_validation import cross_validate

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
        it is falsely positive (`nem2e_tf.evaluation.false_positives.false_positives`).
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
