"""Curves and losses of runs, for figures; and scores of what an unfinished run has."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nem2e_tf.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from nem2e_tf.report.pictures import Traces
    from nem2e_tf.training.predictions import Curves, Prediction
    from nem2e_tf.training.run_folder import RunFolder


def find_cohort(runs: Sequence[Path], *, tell: Callable[[str], None]) -> Path | None:
    """Look for the cohort of the runs in the folders beside them, by its digest."""
    from nem2e_tf.files import read_json

    for run in runs:
        header = run / "run.json"
        digest = _digest(read_json(header)) if header.exists() else None
        for file in sorted(run.resolve().parent.glob("*/cohort.json")):
            try:
                found = read_json(file)
            except InputError:
                continue
            if digest and isinstance(found, dict) and found.get("digest") == digest:
                tell(f"cohort found beside the run: {file.parent.name}")
                return file.parent
    return None


def read_held_out(run: Path, cohort: Path) -> "tuple[Curves | None, list[Prediction], list[str]]":
    """Read the curves of a run, each cycle's by the fit that left it out.

    Parameters
    ----------
    run, cohort : Path

    Returns
    -------
    curves : Curves or None
    predictions : list of Prediction
    notes : list of str
        Why there are none.

    Raises
    ------
    InputError
        The cohort cannot be read or is another one.
    """
    from nem2e_tf.training.predictions import check_cohort, held_out_curves, read_predictions
    from nem2e_tf.training.run_folder import open_run

    loaded = _load(cohort)
    try:
        opened = open_run(run)
    except InputError as error:
        return None, [], [f"No curves: {error}"]
    check_cohort(opened, loaded)
    try:
        return held_out_curves(opened, loaded), read_predictions(opened, loaded), []
    except InputError as error:
        return None, [], [f"No curves: {error}"]


def traces_of(
    curves: "Curves", predictions: "Sequence[Prediction]", *, wanted: set[tuple[str, ...]]
) -> "list[Traces]":
    """Choose the curves of some entries, seeds averaged where there are several.

    Parameters
    ----------
    curves, predictions
        See `read_held_out`.
    wanted : set of tuple
        Entries: model, pattern, targets, output, recipe.
    """
    from nem2e_tf.evaluation.results import ENSEMBLE, SETTINGS
    from nem2e_tf.report.pictures import Traces

    # The last of an entry is the mean over seeds, where there are several.
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


def metrics_of(curves: "Curves", predictions: "Sequence[Prediction]") -> "pd.DataFrame":
    """Take the metrics of every entry's curves; see `nem2e_tf.evaluation.curve_entries`.

    The simulation and the mean EMG pattern are entries without settings, where the run has none.
    """
    from nem2e_tf.evaluation.curve_entries import entry_groups
    from nem2e_tf.evaluation.results import SETTINGS

    estimates: list[tuple[dict[str, str], Any]] = [
        (item.entry, item.refined) for item in predictions
    ]
    there = {entry["model"] for entry, _ in estimates}
    for model, curve in (("opensim", curves.simulated), ("mean-pattern", curves.mean_pattern)):
        if model not in there:
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


def read_history(run: Path, *, name: str = "") -> "tuple[pd.DataFrame | None, str]":
    """Read the losses of every fit of a run that was trained by gradient.

    Parameters
    ----------
    run : Path
    name : str
        Told with every entry, where there are several runs.

    Returns
    -------
    history : DataFrame or None
        See `nem2e_tf.report.figures.losses.draw_losses`.
    note : str
        Why there is none, or what is missing.
    """
    import pandas as pd

    from nem2e_tf.training.run_folder import open_run

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
    known = [table for table in tables if len(table)]
    if not known:
        return None, note
    history = pd.concat(known, ignore_index=True)
    configurations = opened.plan.configurations
    several = len({item.pattern for item in configurations}) > 1
    names = {
        i: ", ".join(filter(None, (one.model, one.pattern if several else "", name)))
        for i, fit in enumerate(opened.plan.fits)
        for one in (configurations[fit.configuration],)
    }
    lowest = history.loc[history.groupby("fit")["validation"].idxmin(skipna=True).dropna()]
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


def partial_results(run: Path, cohort: Path) -> "pd.DataFrame":
    """Score what is finished of a run.

    Parameters
    ----------
    run, cohort : Path

    Returns
    -------
    DataFrame
        As ``results.csv``; NaN where a fit is missing. Epochs and seconds are unknown.

    Raises
    ------
    InputError
        Nothing is finished, or the cohort is another one.
    """
    import numpy as np
    import pandas as pd

    from nem2e_tf.evaluation.results import RESULT_COLUMNS
    from nem2e_tf.evaluation.scoring import score
    from nem2e_tf.training.predictions import held_out_curves, read_predictions
    from nem2e_tf.training.run_folder import open_run

    opened, loaded = open_run(run), _load(cohort)
    curves = held_out_curves(opened, loaded)
    rows: list[dict[str, Any]] = []
    predictions = read_predictions(opened, loaded)
    for item in (*predictions, *_unbegun(opened, predictions, curves.measured.shape)):
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


def _unbegun(
    run: "RunFolder", predictions: "list[Prediction]", shape: tuple[int, ...]
) -> "list[Prediction]":
    """Predictions of nan for the entries of which nothing is finished."""
    import numpy as np

    from nem2e_tf.training.predictions import Prediction

    begun = {(item.entry["model"], item.entry["pattern"]) for item in predictions}
    recipe = run.settings.recipe.name
    return [
        Prediction(
            {
                "model": item.model,
                "pattern": item.pattern,
                "targets": item.targets,
                "output": item.output,
                "recipe": recipe,
                "seed": "0",
            },
            np.full(shape, np.nan, np.float32),
        )
        for item in run.plan.configurations
        if (item.model, item.pattern) not in begun
    ]


def _load(cohort: Path) -> Any:
    from nem2e_tf.cohort import load_cohort

    return load_cohort(cohort)


def _digest(header: Any) -> str | None:
    cohort = header.get("cohort") if isinstance(header, dict) else None
    return cohort.get("digest") if isinstance(cohort, dict) else None
