"""The curves of a finished run: each cycle as refined by the fit that left it out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.cohorts.cohort import Cohort
from nem2e_tf.evaluation.results import ENSEMBLE
from nem2e_tf.evaluation.scoring import mean_pattern
from nem2e_tf.training.plan import folds_of
from nem2e_tf.training.rows import Thinned, conditions_and_durations
from nem2e_tf.training.run_folder import RunFolder, check_cohort


@dataclass(frozen=True, eq=False)
class Prediction:
    """The refined cycles of one entry and one seed.

    Attributes
    ----------
    entry : dict of str
        ``model``, ``pattern``, ``targets``, ``output``, ``recipe`` and ``seed`` (``ensemble`` for
        the mean over seeds), as in ``results.csv``.
    refined : float32 array [cycle, 20, muscle]
        Each cycle by the fit that left it out; NaN where that fit is not finished.
    """

    entry: dict[str, str]
    refined: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Curves:
    """The curves that the predictions of a run are compared with.

    Attributes
    ----------
    by : str
        What forms the groups that were left out.
    groups, conditions : str array [cycle]
    durations : float64 array [cycle]
        In seconds.
    muscles : tuple of str
    measured : float32 array [cycle, 20, muscle]
    simulated : float32 array [cycle, 20, muscle]
        The mean of each muscle's counterparts.
    simulated_fine : float32 array [cycle, 101, muscle]
        The same at all points.
    mean_pattern : float64 array [cycle, 20, muscle]
        The mean EMG pattern of the training cycles while this cycle was left out.
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


def held_out_curves(run: RunFolder, cohort: Cohort) -> Curves:
    """Return the curves that the predictions of a run are compared with.

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
    fine = [cohort.simulated[:, :, list(row)].mean(axis=2) for row in cohort.counterparts]
    conditions, durations = conditions_and_durations(cohort)
    return Curves(
        by=by,
        groups=groups.astype(np.str_),
        conditions=conditions,
        durations=durations,
        muscles=tuple(cohort.muscle_names),
        measured=thinned.measured,
        simulated=thinned.estimates(cohort.counterparts),
        simulated_fine=np.stack(fine, axis=2),
        mean_pattern=patterns,
    )


def read_predictions(run: RunFolder, cohort: Cohort) -> list[Prediction]:
    """Read the refined cycles of each entry of a run, for each seed and their mean.

    Parameters
    ----------
    run : RunFolder
        Unfinished chunks leave NaN.
    cohort : Cohort
        The cohort of the run.

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
    unfinished = set(run.unfinished())
    finished = (
        item
        for chunk in range(len(run.plan.chunks))
        if chunk not in unfinished
        for item in run.read_chunk(chunk).items()
    )
    for index, result in finished:
        fit, refined = run.plan.fits[index], result["refined"]
        key = (fit.configuration, fit.seed)
        if key not in found:
            shape = (len(cohort.cycles), refined.shape[1], len(names))
            found[key] = np.full(shape, np.nan, np.float32)
        columns = run.plan.configurations[fit.configuration].columns(fit, names)
        found[key][tests[fit.group][:, None], :, columns] = refined.transpose(0, 2, 1)
    predictions = []
    for number, configuration in enumerate(run.plan.configurations):
        entry = {**configuration.words, "recipe": run.settings.recipe.name}
        seeds = {seed: value for (which, seed), value in sorted(found.items()) if which == number}
        for seed, refined in seeds.items():
            predictions.append(Prediction({**entry, "seed": str(seed)}, refined))
        if len(seeds) > 1:
            together = np.mean(list(seeds.values()), axis=0)
            predictions.append(Prediction({**entry, "seed": ENSEMBLE}, together))
    return predictions
