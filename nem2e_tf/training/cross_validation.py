"""Leave-one-group-out cross-validation: from a cohort to ``results.csv``."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.cohorts.cohort import Cohort, load_cohort
from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.results import (
    ENSEMBLE,
    REFERENCE_NUMBERS,
    REFERENCE_TEXT,
    RESULT_COLUMNS,
)
from nem2e_tf.evaluation.scoring import group_rmse, mean_pattern, mean_pattern_per_condition, score
from nem2e_tf.io.files import replacing, write_text
from nem2e_tf.names import ALL_ENTIRE, DIRECT, EACH
from nem2e_tf.training.backends.processes import Progress, check_jobs, fit_chunks
from nem2e_tf.training.chunk import Workshop, look_up
from nem2e_tf.training.plan import Fit, Settings, folds_of, make_plan, refuse_both
from nem2e_tf.training.recipe import Recipe
from nem2e_tf.training.recipe import recipe as recipe_of
from nem2e_tf.training.rows import RowFiles, Store, Thinned, conditions_and_durations, store_for
from nem2e_tf.training.run_folder import MARKER, RunFolder, create_run
from nem2e_tf.zoo import AnyModel

SAME = 1e-4
"""EMG units: predictions that differ by less are the same except for rounding."""

OnPlan = Callable[[RunFolder, list[int]], None]
"""Is called with the run and the chunks that are still to be fitted."""


def cross_validate(
    cohort: "Cohort | str | os.PathLike[str]",
    models: "AnyModel | Iterable[AnyModel]",
    *,
    out: "str | os.PathLike[str] | None" = None,
    patterns: "str | Sequence[str]" = ALL_ENTIRE,
    targets: str = EACH,
    output: str = DIRECT,
    recipe: "str | Recipe" = "fast",
    by: str | None = None,
    blocks: int | None = None,
    seeds: int = 1,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    quarter_samples: int = 5,
    jobs: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
    on_plan: OnPlan | None = None,
    **changes: Any,
) -> RunFolder:
    """Cross-validate refiners on a cohort, leaving one group of cycles out at a time.

    Each refiner is fitted once per group on the cycles of all other groups and scored on the cycles
    that were left out. Fits run in processes of their own. An interrupted run continues where it
    was when the same call is repeated, and gives the same numbers.

    Parameters
    ----------
    cohort : Cohort or path-like
        A cohort, or its folder. A cohort in memory is written into the run folder while fits run;
        give the folder of a large one.
    models : str, callable, or sequence of these
        Entries of the zoo, such as ``["linear", "seq2seq"]``; refiners of one's own as
        ``"FILE.py:function"`` or as functions, see `nem2e_tf.zoo.register`. Options and results
        name them by the function, with hyphens.
    out : path-like, optional
        The run folder: a new one, or that of a run with the same settings. By default a temporary
        folder that is removed with the returned object.
    patterns : str or sequence of {"one-quarter", "one-entire", "all-entire"}
        Input patterns.
    targets : {"each", "joint"}
        One model per muscle (the paper's way), or one for all muscles (``all-entire`` only).
    output : {"direct", "residual"}
        Predict activity, or its difference from the training mean pattern.
    recipe : {"fast", "paper"} or Recipe
        How networks are trained.
    by : str, optional
        Column of the cohort's cycles whose groups are left out; ``subject`` by default.
    blocks : int, optional
        For a cohort of one subject: leave out blocks of consecutive cycles instead, this many.
    seeds : int
        Fits of each network, with seeds 0, 1, ...; more than one add an ensemble, their mean.
    options : mapping, optional
        Options of entries: ``{"tcn": {"causal": True}}``.
    quarter_samples : {5, 20}
        Samples per quarter under ``one-quarter``.
    jobs : int, optional
        Processes, one thread each; by default one per core. Results do not depend on it.
    scheduler : str, optional
        Address of a Dask scheduler whose workers fit instead, with the same results.
    progress : callable, optional
        Is called with (chunk, epochs, finished).
    on_plan : callable, optional
        Is called with the run and the chunks that are still to be fitted, before fitting.
    **changes
        Settings of the recipe that differ, such as ``epochs=50``; see `Recipe`.

    Returns
    -------
    RunFolder
        ``results`` has one row per fit and muscle; ``plan.notes`` lists what was left out.

    Raises
    ------
    InputError
        The cohort cannot be read, an option is wrong, or `out` holds something else.

    Examples
    --------
    >>> from nem2e_tf.cohorts.synthetic.cohorts import make
    >>> run = cross_validate(make("walk").cohort, ["opensim", "affine"], jobs=1)
    >>> round(float(run.results.groupby("model")["rate"].mean()["affine"]), 2)
    -0.4
    """
    refuse_both(by=by, blocks=blocks)
    refuse_both(jobs=jobs, scheduler=scheduler)
    names, sources = look_up((models,) if isinstance(models, str) or callable(models) else models)
    settings = Settings(
        models=names,
        sources=sources,
        patterns=(patterns,) if isinstance(patterns, str) else tuple(patterns),
        targets=targets,
        output=output,
        recipe=recipe_of(recipe, **changes),
        by=by or "subject",
        blocks=blocks,
        seeds=seeds,
        options=options or {},
        quarter_samples=quarter_samples,
    )
    return fit_run(
        cohort, settings, out, jobs=jobs, scheduler=scheduler, progress=progress, on_plan=on_plan
    )


def fit_run(
    cohort: "Cohort | str | os.PathLike[str]",
    settings: Settings,
    out: "str | os.PathLike[str] | None",
    *,
    jobs: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
    on_plan: OnPlan | None = None,
) -> RunFolder:
    """Cross-validate with settings that are put together already; see `cross_validate`."""
    check_jobs(jobs)
    loaded = cohort if isinstance(cohort, Cohort) else load_cohort(cohort)
    plan = make_plan(loaded, settings)
    folder = Path(tempfile.mkdtemp(prefix="nem2e-tf-run-") if out is None else out)
    new = not (folder / MARKER).exists()
    run = create_run(folder, loaded, settings, plan)
    if out is None:
        weakref.finalize(run, shutil.rmtree, folder, ignore_errors=True)
    unfinished = run.unfinished()
    if on_plan is not None:
        on_plan(run, unfinished)
    if unfinished:
        try:
            with _prepared(run, cohort) as path:
                if scheduler is None:
                    fit_chunks(run.path, path, unfinished, jobs=jobs, progress=progress)
                else:
                    from nem2e_tf.training.backends.cluster import fit_chunks_on_cluster

                    fit_chunks_on_cluster(
                        run.path, path, unfinished, scheduler=scheduler, progress=progress
                    )
        except InputError:
            # A run that cannot be fitted must not occupy the folder.
            if new:
                run.discard()
            raise
    write_results(run, loaded)
    return run


def keep_weights(
    run: RunFolder,
    cohort: "Cohort | str | os.PathLike[str]",
    fits: Sequence[int],
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
    on_plan: OnPlan | None = None,
) -> list[str]:
    """Fit chunks of a finished run again and keep their weights in the run folder.

    Chunks whose weights are kept already are not fitted again; read the weights with
    `RunFolder.read_weights`.

    Parameters
    ----------
    run : RunFolder
    cohort : Cohort or path-like
        The cohort of the run.
    fits : sequence of int
        Fits whose weights are needed, by their index in the plan.
    jobs, progress, on_plan
        See `cross_validate`.

    Returns
    -------
    list of str
        A note if fits differ from the run's, as they do on another kind of CPU.
    """
    check_jobs(jobs)
    chunks = run.chunks_of(fits)
    missing = [chunk for chunk in chunks if not run.weights_file(chunk).exists()]
    if missing:
        if on_plan is not None:
            on_plan(run, missing)
        with _prepared(run, cohort) as path:
            fit_chunks(run.path, path, missing, jobs=jobs, progress=progress, weights=True)
        RowFiles(run.rows_folder, run.digest).remove()
    largest = np.concatenate([run.differences(chunk) for chunk in chunks] or [np.zeros(0)])
    other = int((largest > SAME).sum())
    if not other:
        return []
    return [
        f"{other} of {len(largest)} fits differ from the run's by up to {largest.max():.2g} of EMG "
        "when fitted again: another kind of processor or other versions"
    ]


@contextmanager
def _prepared(run: RunFolder, cohort: "Cohort | str | os.PathLike[str]") -> Iterator[Path]:
    """Give a folder from which other processes read the cohort, and write rows of a large one."""
    loaded = cohort if isinstance(cohort, Cohort) else load_cohort(cohort)
    store = store_for(loaded, run.rows_folder, digest=run.digest)
    if isinstance(store, RowFiles):
        store.tidy()
        Workshop(loaded, run.settings, run.plan, store).prepare()
    if not isinstance(cohort, Cohort):
        yield Path(cohort)
        return
    folder = run.path / "cohort"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield cohort.save(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_results(run: RunFolder, cohort: Cohort) -> None:
    """Score all fits of a run; write ``results.csv``, ``references.csv`` and mean patterns."""
    store = store_for(cohort, run.rows_folder, digest=run.digest)
    scorer = _Scorer(run, cohort, store)
    results = pd.DataFrame(scorer.results(), columns=list(RESULT_COLUMNS))
    with replacing(run.path / "mean_patterns.npz") as temporary:
        np.savez(
            temporary,
            allow_pickle=False,
            groups=np.array(list(scorer.patterns)),
            patterns=np.stack(list(scorer.patterns.values())),
        )
    write_text(run.path / "references.csv", pd.DataFrame(scorer.references()).to_csv(index=False))
    write_text(run.path / "results.csv", results.to_csv(index=False))
    if isinstance(store, RowFiles):
        store.remove()


class _Scorer:
    """Scores the fits of a run against the measured, simulated and mean-pattern curves."""

    def __init__(self, run: RunFolder, cohort: Cohort, store: Store) -> None:
        self.run = run
        self.by, folds = folds_of(cohort, run.settings)
        self.folds = {fold.group: fold for fold in folds}
        self.muscles = cohort.muscle_names
        thinned = Thinned.of(cohort, store=store)
        self.measured = thinned.measured
        self.simulated = thinned.estimates(cohort.counterparts, store=store)
        self.conditions, self.durations = conditions_and_durations(cohort)
        self.patterns = {
            group: mean_pattern(self.measured, rows=fold.train)
            for group, fold in self.folds.items()
        }

    def results(self) -> list[dict[str, Any]]:
        """Rows of ``results.csv``: every fit, then the ensembles of several seeds."""
        rows: list[dict[str, Any]] = []
        seeds: dict[tuple[int, str, str], list[int]] = {}
        for index, fit in enumerate(self.run.plan.fits):
            seeds.setdefault((fit.configuration, fit.muscle, fit.group), []).append(index)
            rows += self._scores(fit, self.run.read_fit(index), str(fit.seed))
        for indices in seeds.values():
            if len(indices) > 1:
                members = [self.run.read_fit(index) for index in indices]
                ensemble = {
                    "refined": np.mean([member["refined"] for member in members], axis=0),
                    "epochs": float(np.mean([member["epochs"] for member in members])),
                    "seconds": sum(member["seconds"] for member in members),
                }
                rows += self._scores(self.run.plan.fits[indices[0]], ensemble, ENSEMBLE)
        return rows

    def _scores(self, fit: Fit, found: dict[str, Any], seed: str) -> list[dict[str, Any]]:
        """Rows of one fit: one per muscle."""
        configuration = self.run.plan.configurations[fit.configuration]
        columns = configuration.columns(fit, self.muscles)
        test = self.folds[fit.group].test
        scores = score(
            self.measured[test][:, :, columns],
            simulated=self.simulated[test][:, :, columns],
            mean_pattern=self.patterns[fit.group][:, columns],
            refined=found["refined"],
            conditions=self.conditions[test],
            durations=self.durations[test],
        )
        shared = {
            **configuration.words,
            "recipe": self.run.settings.recipe.name,
            "seed": seed,
            "by": self.by,
            "group": fit.group,
            "epochs": found["epochs"],
            "seconds": round(found["seconds"], 4),
        }
        return [
            {**shared, "muscle": self.muscles[column], **values}
            for column, values in zip(columns, scores, strict=True)
        ]

    def references(self) -> list[dict[str, Any]]:
        """Rows of ``references.csv``: errors of the simulation and of both mean patterns."""
        rows = []
        columns = list(range(len(self.muscles)))
        for group, fold in self.folds.items():
            # Indexed as in `_scores`: the memory layout decides the last bits of a sum.
            measured, simulated = (
                curves[fold.test][:, :, columns] for curves in (self.measured, self.simulated)
            )
            conditions = self.conditions[fold.test]
            per_condition, _ = mean_pattern_per_condition(
                self.measured[fold.train],
                conditions=self.conditions[fold.train],
                wanted=conditions,
            )
            estimates = (simulated, self.patterns[group][:, columns], per_condition[:, :, columns])
            found = [
                group_rmse(measured, estimate, conditions=conditions) for estimate in estimates
            ]
            for index, muscle in enumerate(self.muscles):
                count, errors = int(found[0][0][index]), [float(error[index]) for _, error in found]
                values = (muscle, self.by, group, count, *errors)
                names = (*REFERENCE_TEXT, *REFERENCE_NUMBERS)
                rows.append(dict(zip(names, values, strict=True)))
        return rows
