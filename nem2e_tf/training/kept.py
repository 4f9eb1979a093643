"""The curves of a run: what each entry made of every cycle while it was left out.

The weights of a run's fits, fitted again where something wants to look into them.

A run keeps what its fits came to, not the fits: their weights would take more room than all else.
A control that needs them has the chunks fitted again, with the same rows, seeds and chunks, and so
to the same weights; they are kept in the run folder as ``weights/<chunk>.npz``, which other
controls find and which may be deleted at any time.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.cohorts.cohort import Cohort
from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.results import ENSEMBLE
from nem2e_tf.evaluation.scoring import mean_pattern
from nem2e_tf.training.backends.processes import Progress, check_jobs, fit_chunks
from nem2e_tf.training.cross_validation import prepare_rows
from nem2e_tf.training.plan import folds_of
from nem2e_tf.training.rows import RowFiles, Thinned, store_for
from nem2e_tf.training.run_folder import RunFolder, weights_file

SAME = 1e-4
"""EMG units: predictions that differ by less are the same but for rounding."""


def chunks_of(run: RunFolder, fits: Iterable[int]) -> list[int]:
    """Chunks that hold any of the fits."""
    wanted = set(fits)
    return [number for number, chunk in enumerate(run.plan.chunks) if wanted & set(chunk)]


def keep_weights(
    run: RunFolder,
    cohort: Cohort,
    cohort_path: Path,
    fits: Sequence[int],
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    on_plan: "Any | None" = None,
) -> list[str]:
    """Fit again what has no weights kept; interrupted, it goes on where it was.

    Parameters
    ----------
    run : RunFolder
        A finished run.
    cohort, cohort_path
        The run's.
    fits : sequence of int
        Whose weights are wanted.
    jobs : int, optional
        Processes; by default one per core.
    progress : callable, optional
        Told (chunk, epochs done, finished).
    on_plan : callable, optional
        Told the run and the chunks that are to be fitted.

    Returns
    -------
    list of str
        Notes: where fits came out otherwise than the run's, as they do on another kind of CPU.
    """
    check_jobs(jobs)
    chunks = chunks_of(run, fits)
    missing = [chunk for chunk in chunks if not weights_file(run, chunk).exists()]
    if on_plan is not None and missing:
        on_plan(run, missing)
    if missing:
        prepare_rows(run, cohort)
        fit_chunks(run.path, cohort_path, missing, jobs=jobs, progress=progress, weights=True)
        store = store_for(cohort, run.rows_folder, digest=run.digest)
        if isinstance(store, RowFiles):
            store.remove()
    largest = np.concatenate([_read(run, chunk)["difference"] for chunk in chunks] or [np.zeros(0)])
    other = int((largest > SAME).sum())
    if not other:
        return []
    return [
        f"{other} of {len(largest)} fits came out otherwise than the run's when fitted again, by "
        f"up to {float(largest.max()):.2g} of EMG: another kind of processor or other versions"
    ]


def read_weights(run: RunFolder, fits: Sequence[int]) -> Iterator[tuple[int, list[NDArray[Any]]]]:
    """Yield fits with their weights, in the order of ``model.weights``, chunk after chunk.

    Raises
    ------
    InputError
        A file is damaged; deleting it lets the same command fit the chunk again.
    """
    wanted = set(fits)
    for chunk in chunks_of(run, fits):
        arrays = _read(run, chunk)
        for index in run.plan.chunks[chunk]:
            if index in wanted:
                names = sorted(name for name in arrays if name.startswith(f"{index}_"))
                yield index, [arrays[name] for name in names]


def _read(run: RunFolder, chunk: int) -> dict[str, NDArray[Any]]:
    file = weights_file(run, chunk)
    try:
        with np.load(file, allow_pickle=False) as found:
            return dict(found)
    except Exception as error:
        raise InputError(
            f"{file}: expected the weights of a chunk, found {type(error).__name__}; delete this "
            "file and run the same command again"
        ) from None


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
