"""The curves of a run: what each entry made of every cycle while it was left out."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.cohort import Cohort
from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.scoring import mean_pattern
from nem2e_tf.thinning import Thinned
from nem2e_tf.training.cross_validation import ENSEMBLE
from nem2e_tf.training.plan import folds_of
from nem2e_tf.training.run_folder import RunFolder


@dataclass(frozen=True, eq=False)
class Prediction:
    """What one entry, with one seed, made of every cycle.

    Attributes
    ----------
    entry : dict of str
        ``model``, ``pattern``, ``targets``, ``output``, ``recipe`` and ``seed`` (``ensemble`` for
        the mean over seeds), as in ``results.csv``.
    refined : float32 array [cycle, 20, muscle]
        Each cycle by the fit that left it out; NaN where that fit is missing.
    """

    entry: dict[str, str]
    refined: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Curves:
    """What the predictions of a run are held against.

    Attributes
    ----------
    by : str
        What was left out.
    groups, conditions : str array [cycle]
    durations : float64 array [cycle]
        In seconds.
    muscles : tuple of str
    measured : float32 array [cycle, 20, muscle]
    simulated : float32 array [cycle, 20, muscle]
        The mean of each muscle's counterparts.
    simulated_fine : float32 array [cycle, 101, muscle]
        The same at every point.
    mean_pattern : float64 array [cycle, 20, muscle]
        The mean EMG pattern of the cycles that were trained on while this one was left out.
    """

    by: str
    groups: NDArray[np.str_]
    conditions: NDArray[np.str_]
    durations: NDArray[np.float64]
    muscles: tuple[str, ...]
    measured: NDArray[np.float32]
    simulated: NDArray[np.float32]
    simulated_fine: NDArray[np.float32]
    mean_pattern: NDArray[np.float64]


def check_cohort(run: RunFolder, cohort: Cohort) -> None:
    """Refuse a cohort that the run was not made with.

    Raises
    ------
    InputError
        The digests differ.
    """
    if cohort.digest != run.digest:
        raise InputError(
            f"{run.path}: expected the cohort of this run (digest {run.digest[:12]}), found "
            f"{cohort.name or 'one'} (digest {cohort.digest[:12]})"
        )


def held_out_curves(run: RunFolder, cohort: Cohort) -> Curves:
    """Return the curves that the predictions of a run are held against.

    Raises
    ------
    InputError
        The run is of another cohort.
    """
    check_cohort(run, cohort)
    by, folds = folds_of(cohort, run.settings)
    thinned = Thinned.of(cohort)
    groups = np.empty(len(cohort.cycles), dtype=object)
    patterns = np.empty(thinned.measured.shape)
    for fold in folds:
        groups[fold.test] = fold.group
        patterns[fold.test] = mean_pattern(thinned.measured, rows=fold.train)
    whole = np.stack(
        [cohort.simulated[:, :, list(row)].mean(axis=2) for row in cohort.counterparts], axis=2
    )
    return Curves(
        by=by,
        groups=groups.astype(np.str_),
        conditions=cohort.cycles["condition"].to_numpy(dtype=np.str_),
        durations=(cohort.cycles["end"] - cohort.cycles["start"]).to_numpy(dtype=float),
        muscles=tuple(cohort.muscle_names),
        measured=thinned.measured,
        simulated=thinned.estimates(cohort.counterparts),
        simulated_fine=whole,
        mean_pattern=patterns,
    )


def read_predictions(run: RunFolder, cohort: Cohort) -> list[Prediction]:
    """Read what each entry of a run made of every cycle, with each seed and their mean.

    Parameters
    ----------
    run : RunFolder
        Chunks that are not finished leave NaN.
    cohort : Cohort
        The run's.

    Returns
    -------
    list of Prediction
        In the order of the plan.

    Raises
    ------
    InputError
        The run is of another cohort, or a file of predictions is damaged.
    """
    check_cohort(run, cohort)
    _, folds = folds_of(cohort, run.settings)
    tests = {fold.group: fold.test for fold in folds}
    names = cohort.muscle_names
    found: dict[tuple[int, int], NDArray[np.float32]] = {}
    for index, refined in _finished(run):
        fit = run.plan.fits[index]
        key = (fit.configuration, fit.seed)
        if key not in found:
            shape = (len(cohort.cycles), refined.shape[1], len(names))
            found[key] = np.full(shape, np.nan, np.float32)
        joint = run.plan.configurations[fit.configuration].targets == "joint"
        columns = np.arange(len(names)) if joint else np.array([names.index(fit.muscle)])
        samples = np.arange(refined.shape[1])
        found[key][np.ix_(tests[fit.group], samples, columns)] = refined
    predictions = []
    for number, configuration in enumerate(run.plan.configurations):
        entry = {
            "model": configuration.model,
            "pattern": configuration.pattern,
            "targets": configuration.targets,
            "output": configuration.output,
            "recipe": run.settings.recipe.name,
        }
        seeds = {seed: value for (which, seed), value in sorted(found.items()) if which == number}
        for seed, refined in seeds.items():
            predictions.append(Prediction({**entry, "seed": str(seed)}, refined))
        if len(seeds) > 1:
            together = np.mean(list(seeds.values()), axis=0)
            predictions.append(Prediction({**entry, "seed": ENSEMBLE}, together))
    return predictions


def _finished(run: RunFolder) -> Iterator[tuple[int, NDArray[np.float32]]]:
    unfinished = set(run.unfinished())
    for chunk in range(len(run.plan.chunks)):
        if chunk not in unfinished:
            for index, fit in run.read_chunk(chunk).items():
                yield index, fit["refined"]
