"""Run folders as reports read them: results, curves, losses, and what an unfinished run has.

Several runs of one cohort become one table with a column ``run``. Functions that can do without
something return notes about it; nothing is printed.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.cohorts.cohort import Cohort
from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.curves import entry_groups
from nem2e_tf.evaluation.results import (
    ENSEMBLE,
    RESULT_COLUMNS,
    SETTINGS,
    read_references,
    read_results,
)
from nem2e_tf.evaluation.scoring import score
from nem2e_tf.io.files import read_json
from nem2e_tf.report.evidence import Evidence, gather
from nem2e_tf.report.pictures import Traces
from nem2e_tf.training.curves import Curves, Prediction, held_out_curves, read_predictions
from nem2e_tf.training.run_folder import RunFolder, check_cohort, open_run

Run = Any
"""Path of a run folder, or a run object, which has it as ``path``."""


def run_paths(runs: "Run | Sequence[Run]", /) -> list[Path]:
    """Paths of one or several runs.

    Examples
    --------
    >>> [path.name for path in run_paths(["one", Path("two")])], len(run_paths("run"))
    (['one', 'two'], 1)
    """
    several: Any = runs if isinstance(runs, (list, tuple)) else [runs]
    return [Path(getattr(run, "path", run)) for run in several]


def run_names(runs: Sequence[Path], /) -> list[str]:
    """Names of runs: their folders' names, or whole paths where the names are not unique."""
    names = [run.resolve().name for run in runs]
    return names if len(set(names)) == len(names) else [str(run) for run in runs]


def read_header(run: Path, /) -> dict[str, Any]:
    """Read ``run.json``: cohort, settings, versions and plan.

    Raises
    ------
    InputError
        The folder is missing or is not a run folder.
    """
    if not run.is_dir():
        raise InputError(f"{run}: expected a run folder, found no such folder")
    file = run / "run.json"
    if not file.exists():
        raise InputError(
            f"{run}: expected a run folder with run.json, found none; "
            "make one with 'nem2e-tf cv COHORT --model NAME -o RUN'"
        )
    header = read_json(file)
    if not isinstance(header, dict):
        raise InputError(f"{file}: expected the settings of a run, found something else")
    return header


def cohort_digest(header: Mapping[str, Any], /) -> str:
    """Digest of the cohort in a ``run.json``; empty if there is none."""
    cohort = header.get("cohort")
    digest = cohort.get("digest") if isinstance(cohort, dict) else None
    return str(digest or header.get("digest") or "")


def read_runs(
    runs: "Run | Sequence[Run]",
    /,
    *,
    of_unfinished: "Callable[[Path], pd.DataFrame | None] | None" = None,
) -> "tuple[pd.DataFrame, pd.DataFrame | None]":
    """Read the results and references of runs of one cohort.

    Parameters
    ----------
    runs : path-like or run, or a sequence of them
        Run folders. The tables of several are concatenated, with a column ``run``.
    of_unfinished : callable, optional
        Called with the folder of a run that is not finished; returns its results, or None to leave
        the run out.

    Returns
    -------
    results : DataFrame
        Rows of every ``results.csv``.
    references : DataFrame or None
        Rows of every ``references.csv``; None if no run has one.

    Raises
    ------
    InputError
        A folder is missing, is not a run folder or is not finished, or there are no results; a run
        is given twice; the runs are of different cohorts.
    """
    folders = run_paths(runs)
    digests = [cohort_digest(read_header(folder)) for folder in folders]
    places = [folder.resolve() for folder in folders]
    for folder, place, digest in zip(folders, places, digests, strict=True):
        if places.count(place) > 1:
            raise InputError(f"{folder}: expected each run once, found it twice")
        if digest != digests[0]:
            raise InputError(
                f"{folder}: expected a run of the same cohort as {folders[0]} "
                f"({digests[0][:12] or 'no digest'}), found another "
                f"({digest[:12] or 'no digest'}); report them separately"
            )
    results, references = [], []
    for folder, name in zip(folders, run_names(folders), strict=True):
        run = {"run": name} if len(folders) > 1 else {}
        file = folder / "results.csv"
        if not file.exists():
            found = of_unfinished(folder) if of_unfinished is not None else None
            if found is not None:
                results.append(found.assign(**run))
            elif of_unfinished is None or len(folders) == 1:
                raise InputError(
                    f"{file}: expected the results of a finished run, found none; "
                    "run the same 'nem2e-tf cv' again to finish it"
                )
            continue
        results.append(read_results(file).assign(**run))
        if results[-1].empty:
            raise InputError(f"{file}: expected rows of results, found none")
        if (folder / "references.csv").exists():
            references.append(read_references(folder / "references.csv").assign(**run))
    if not results:
        raise InputError(f"{folders[0]}: expected a finished run among several, found none")
    return pd.concat(results, ignore_index=True), concatenated(references)


def read_evidence(runs: "Run | Sequence[Run]", /) -> Evidence:
    """Read runs of one cohort and compute their statistics; see `read_runs`."""
    return gather(*read_runs(runs))


def concatenated(tables: Sequence[pd.DataFrame], /) -> "pd.DataFrame | None":
    """Concatenate tables; None if there are none."""
    return pd.concat(tables, ignore_index=True) if tables else None


def find_cohort(runs: Sequence[Path], /, *, digest: str) -> Path | None:
    """Search the folders next to the runs for their cohort, by its digest."""
    for file in (
        file for run in runs for file in sorted(run.resolve().parent.glob("*/cohort.json"))
    ):
        try:
            found = read_json(file)
        except InputError:
            continue
        if digest and isinstance(found, dict) and found.get("digest") == digest:
            return file.parent
    return None


def read_held_out(
    run: "str | os.PathLike[str]", cohort: Cohort, /
) -> "tuple[Curves | None, list[Prediction], list[str]]":
    """Read the measured and refined curves of a run, each cycle by the fit that left it out.

    Returns
    -------
    curves : Curves or None
    predictions : list of Prediction
    notes : list of str
        Why there are none.

    Raises
    ------
    InputError
        The run was computed from another cohort.
    """
    try:
        opened = open_run(run)
    except InputError as error:
        return None, [], [f"No curves: {error}"]
    check_cohort(opened, cohort)
    try:
        return held_out_curves(opened, cohort), read_predictions(opened, cohort), []
    except InputError as error:
        return None, [], [f"No curves: {error}"]


def traces_of(
    curves: Curves, predictions: Sequence[Prediction], /, *, wanted: set[tuple[str, ...]]
) -> list[Traces]:
    """Select the curves of some entries, averaged over seeds if there are several.

    Parameters
    ----------
    curves, predictions
        See `read_held_out`.
    wanted : set of tuple
        Entries: model, pattern, targets, output, recipe.
    """
    # The last prediction of an entry is the mean over its seeds, if there are several.
    last = {tuple(item.entry[name] for name in SETTINGS): item for item in predictions}
    return [
        Traces(
            label=f"{item.entry['model']}, {item.entry['pattern']}"
            f"{', seeds averaged' if item.entry['seed'] == ENSEMBLE else ''}",
            measured=curves.measured,
            simulated=curves.simulated,
            refined=item.refined,
            muscles=curves.muscles,
            conditions=tuple(str(name) for name in curves.conditions),
        )
        for key, item in last.items()
        if key in wanted
    ]


def metrics_of(curves: Curves, predictions: Sequence[Prediction], /) -> pd.DataFrame:
    """Compute the metrics of every entry's curves; see `nem2e_tf.evaluation.curves`.

    The simulation and the mean EMG pattern are added as entries without settings, unless the run
    has them.
    """
    estimates: list[tuple[dict[str, str], Any]] = [
        (item.entry, item.refined) for item in predictions
    ]
    present = {entry["model"] for entry, _ in estimates}
    for model, curve in (("opensim", curves.simulated), ("mean-pattern", curves.mean_pattern)):
        if model not in present:
            entry = dict.fromkeys(SETTINGS, "") | {"model": model, "seed": "0"}
            estimates.append((entry, curve))
    return entry_groups(
        curves.measured,
        estimates,
        by=curves.by,
        muscles=curves.muscles,
        groups=[str(name) for name in curves.groups],
        conditions=[str(name) for name in curves.conditions],
        durations=curves.durations,
    )


def read_history(run: Path, /, *, name: str = "") -> "tuple[pd.DataFrame | None, str]":
    """Read the losses of every fit of a run that was trained by gradient descent.

    Parameters
    ----------
    run : Path
    name : str
        Added to the name of every entry, to distinguish several runs.

    Returns
    -------
    history : DataFrame or None
        See `nem2e_tf.report.figures.panels.draw_losses`.
    note : str
        Why there is none, or what is missing.
    """
    try:
        opened = open_run(run)
    except InputError as error:
        return None, f"No loss curves: {error}"
    files = [opened.history_file(chunk) for chunk in range(len(opened.plan.chunks))]
    tables, absent = [], 0
    for file in files:
        try:
            tables.append(pd.read_csv(file))
        except (OSError, ValueError):
            absent += 1
    note = f"{run.name}: losses of {absent} of {len(files)} chunks are missing" if absent else ""
    history = concatenated([table for table in tables if len(table)])
    if history is None:
        return None, note
    configurations = opened.plan.configurations
    several = len({item.pattern for item in configurations}) > 1
    names = {
        i: ", ".join(filter(None, (one.model, one.pattern if several else "", name)))
        for i, fit in enumerate(opened.plan.fits)
        for one in (configurations[fit.configuration],)
    }
    # With few groups there is no validation set, and the last epoch is kept.
    validated = history.dropna(subset=["validation"])
    lowest = validated.loc[validated.groupby("fit")["validation"].idxmin()]
    last = history.groupby("fit")["epoch"].max()
    kept = last.where(~last.index.isin(lowest["fit"]), lowest.set_index("fit")["epoch"])
    return (
        history.assign(
            entry=history["fit"].map(names),
            kept=history["fit"].map(kept),
            fit=[f"{run.name}/{fit}" for fit in history["fit"]],
        ),
        note,
    )


def partial_results(run: Path, cohort: Cohort, /) -> pd.DataFrame:
    """Score the finished fits of a run.

    Returns
    -------
    DataFrame
        As ``results.csv``; NaN where a fit is missing. Epochs and seconds are unknown.

    Raises
    ------
    InputError
        No fit is finished, or the run was computed from another cohort.
    """
    opened = open_run(run)
    curves = held_out_curves(opened, cohort)
    rows: list[dict[str, Any]] = []
    predictions = read_predictions(opened, cohort)
    for item in (*predictions, *_without_fits(opened, predictions, curves.measured.shape)):
        for group in dict.fromkeys(curves.groups):
            test = curves.groups == group
            scores = score(
                curves.measured[test],
                simulated=curves.simulated[test],
                mean_pattern=curves.mean_pattern[test],
                refined=item.refined[test],
                conditions=curves.conditions[test],
                durations=curves.durations[test],
            )
            names = {**item.entry, "by": curves.by, "group": str(group)}
            rows += [
                {**names, "muscle": muscle, "epochs": np.nan, "seconds": np.nan, **values}
                for muscle, values in zip(curves.muscles, scores, strict=True)
            ]
    if not any(np.isfinite(row["rmse_refined"]) for row in rows):
        raise InputError(
            f"{run}: expected finished fits, found none; run the same 'nem2e-tf cv' again"
        )
    return pd.DataFrame(rows)[list(RESULT_COLUMNS)]


def _without_fits(
    run: RunFolder, predictions: list[Prediction], shape: tuple[int, ...]
) -> list[Prediction]:
    """Predictions of NaN for the entries without a finished fit."""
    begun = {(item.entry["model"], item.entry["pattern"]) for item in predictions}
    return [
        Prediction(
            {name: getattr(item, name) for name in SETTINGS[:-1]}
            | {"recipe": run.settings.recipe.name, "seed": "0"},
            np.full(shape, np.nan, np.float32),
        )
        for item in run.plan.configurations
        if (item.model, item.pattern) not in begun
    ]
