"""Curves and losses of runs, for figures; and scores of what an unfinished run has."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nem2e_tf.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from nem2e_tf.report.pictures import Traces
    from nem2e_tf.training.kept import Curves, Prediction
    from nem2e_tf.training.run_folder import RunFolder


def find_cohort(runs: Sequence[Path], *, tell: Callable[[str], None]) -> Path | None:
    """Look for the cohort of the runs in the folders beside them, by its digest."""
    from nem2e_tf.io.files import read_json

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
    from nem2e_tf.training.kept import check_cohort, held_out_curves, read_predictions
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
    """Take the metrics of every entry's curves; see `nem2e_tf.evaluation.curves`.

    The simulation and the mean EMG pattern are entries without settings, where the run has none.
    """
    from nem2e_tf.evaluation.curves import entry_groups
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
    from nem2e_tf.training.kept import held_out_curves, read_predictions
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

    from nem2e_tf.training.kept import Prediction

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
    from nem2e_tf.cohorts.cohort import load_cohort

    return load_cohort(cohort)


def _digest(header: Any) -> str | None:
    cohort = header.get("cohort") if isinstance(header, dict) else None
    return cohort.get("digest") if isinstance(cohort, dict) else None


def read_runs(
    folders: "tuple[Path, ...] | list[Path]",
    *,
    of_unfinished: "Callable[[Path], pd.DataFrame | None] | None" = None,
) -> "tuple[pd.DataFrame, pd.DataFrame | None]":
    """Read the results and references of runs of one cohort.

    Parameters
    ----------
    folders : sequence of Path
        Run folders. Of several the rows are put together, with a column ``run``.
    of_unfinished : callable, optional
        Gives the results of a run that is not finished, or None to leave it out.

    Returns
    -------
    results : DataFrame
        Rows of every ``results.csv``.
    references : DataFrame or None
        Rows of every ``references.csv``; None where no run has one.

    Raises
    ------
    InputError
        A folder is missing, is no run or is not finished, or none has results; the same run is
        given twice; the runs are of different cohorts.
    """
    import pandas as pd

    from nem2e_tf.evaluation.results import read_references, read_results

    headers = [_header(folder) for folder in folders]
    places = [folder.resolve() for folder in folders]
    for i, place in enumerate(places):
        if place in places[:i]:
            raise InputError(f"{folders[i]}: expected each run once, found it twice")
        if headers[i] != headers[0]:
            raise InputError(
                f"{folders[i]}: expected a run of the same cohort as {folders[0]} "
                f"({headers[0][:12] or 'no digest'}), found another "
                f"({headers[i][:12] or 'no digest'}); report them apart"
            )
    names = run_names(folders)
    results, references = [], []
    for folder, name in zip(folders, names, strict=True):
        file = folder / "results.csv"
        run = {"run": name} if len(names) > 1 else {}
        if not file.exists():
            found = of_unfinished(folder) if of_unfinished is not None else None
            if found is not None:
                results.append(found.assign(**run))
            if found is not None or (of_unfinished is not None and len(folders) > 1):
                continue
            raise InputError(
                f"{file}: expected the results of a finished run, found none; "
                "run the same 'nem2e-tf cv' again to finish it"
            )
        results.append(read_results(file).assign(**run))
        if results[-1].empty:
            raise InputError(f"{file}: expected rows of results, found none")
        if (folder / "references.csv").exists():
            references.append(read_references(folder / "references.csv").assign(**run))
    if not results:
        raise InputError(f"{folders[0]}: expected a finished run among several, found none")
    together: Any = pd.concat(references, ignore_index=True) if references else None
    return pd.concat(results, ignore_index=True), together


def run_names(folders: "Sequence[Path]") -> list[str]:
    """Name runs by their folders, as short as tells them apart."""
    names = [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def _header(folder: Path) -> str:
    """Digest of a run's cohort, empty where the run does not tell it."""
    from nem2e_tf.io.files import read_json

    if not folder.is_dir():
        raise InputError(f"{folder}: expected a run folder, found no such folder")
    if not (folder / "run.json").exists():
        raise InputError(
            f"{folder}: expected a run folder with run.json, found none; "
            "make one with 'nem2e-tf cv COHORT --model NAME -o RUN'"
        )
    header = read_json(folder / "run.json")
    if not isinstance(header, dict):
        raise InputError(f"{folder / 'run.json'}: expected a run's settings, found something else")
    cohort = header.get("cohort")
    digest = cohort.get("digest") if isinstance(cohort, dict) else None
    return str(digest or header.get("digest") or "")
