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
from numpy.typing import NDArray

from nem2e_tf.cohorts.cohort import Cohort, load_cohort
from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.results import ENSEMBLE, RESULT_COLUMNS
from nem2e_tf.evaluation.scoring import group_rmse, mean_pattern, mean_pattern_per_condition, score
from nem2e_tf.io.files import write_text
from nem2e_tf.names import ALL_ENTIRE, DIRECT, EACH
from nem2e_tf.training.backends.processes import Progress, check_jobs, fit_chunks
from nem2e_tf.training.chunk import Workshop, look_up
from nem2e_tf.training.plan import Fold, Settings, folds_of, make_plan, refuse_both
from nem2e_tf.training.recipe import Recipe
from nem2e_tf.training.recipe import recipe as recipe_of
from nem2e_tf.training.rows import RowFiles, Store, Thinned, store_for
from nem2e_tf.training.run_folder import MARKER, RunFolder, create_run, write_mean_patterns
from nem2e_tf.zoo import AnyModel

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
    >>> run.results.groupby("model")["rate"].mean().round(2)["affine"]
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
            prepare_rows(run, loaded)
            with on_disk(cohort, run) as path:
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


@contextmanager
def on_disk(cohort: "Cohort | str | os.PathLike[str]", run: RunFolder) -> Iterator[Path]:
    """Give the folder of a cohort for other processes to read."""
    if not isinstance(cohort, Cohort):
        yield Path(cohort)
        return
    folder = run.path / "cohort"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield cohort.save(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def prepare_rows(run: RunFolder, cohort: Cohort) -> None:
    """Write the rows of a large cohort once, before several processes want them."""
    store = store_for(cohort, run.rows_folder, digest=run.digest)
    if isinstance(store, RowFiles):
        store.tidy()
        Workshop(cohort, run.settings, run.plan, store).prepare()


def write_results(run: RunFolder, cohort: Cohort) -> None:
    """Score every finished fit and write ``results.csv``, ``references.csv`` and mean patterns."""
    by, folds = folds_of(cohort, run.settings)
    store = store_for(cohort, run.rows_folder, digest=run.digest)
    scorer = _Scorer(cohort, folds, store)
    write_mean_patterns(run, scorer.patterns)
    results = pd.DataFrame(_rows(run, scorer, by), columns=list(RESULT_COLUMNS))
    write_text(run.path / "references.csv", scorer.references(by).to_csv(index=False))
    write_text(run.path / "results.csv", results.to_csv(index=False))
    if isinstance(store, RowFiles):
        store.remove()


class _Scorer:
    """Measured, simulated and mean-pattern curves of every fold."""

    def __init__(self, cohort: Cohort, folds: Iterable[Fold], store: Store) -> None:
        self.folds = {fold.group: fold for fold in folds}
        self.muscles = cohort.muscle_names
        thinned = Thinned.of(cohort, store=store)
        self.measured = thinned.measured
        self.simulated = thinned.estimates(cohort.counterparts, store=store)
        self.conditions = cohort.cycles["condition"].to_numpy(dtype=np.str_)
        self.durations = (cohort.cycles["end"] - cohort.cycles["start"]).to_numpy(dtype=float)
        self.patterns = {
            group: mean_pattern(self.measured, rows=fold.train)
            for group, fold in self.folds.items()
        }

    def score(
        self, group: str, columns: list[int], refined: NDArray[np.float32]
    ) -> list[dict[str, Any]]:
        """Score one fit's refined cycles for some of the muscles."""
        test = self.folds[group].test
        return score(
            self.measured[test][:, :, columns],
            simulated=self.simulated[test][:, :, columns],
            mean_pattern=self.patterns[group][:, columns],
            refined=refined,
            conditions=self.conditions[test],
            durations=self.durations[test],
        )

    def references(self, by: str) -> pd.DataFrame:
        """Errors of the simulation and of both mean patterns, for each muscle and group."""
        rows = []
        columns = list(range(len(self.muscles)))
        for group, fold in self.folds.items():
            # Muscles are chosen as in `score`: the order in memory decides the last bits of a sum.
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
            (counts, before), (_, pooled), (_, blind) = (
                group_rmse(measured, estimate, conditions=conditions) for estimate in estimates
            )
            for index, muscle in enumerate(self.muscles):
                rows.append(
                    {
                        "muscle": muscle,
                        "by": by,
                        "group": group,
                        "n_cycles": int(counts[index]),
                        "rmse_simulated": float(before[index]),
                        "rmse_mean_pattern": float(pooled[index]),
                        "rmse_mean_pattern_per_condition": float(blind[index]),
                    }
                )
        return pd.DataFrame(rows)


def _rows(run: RunFolder, scorer: _Scorer, by: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    several: dict[tuple[int, str, str], list[int]] = {}
    for index, fit in enumerate(run.plan.fits):
        several.setdefault((fit.configuration, fit.muscle, fit.group), []).append(index)
        rows += _scored(run, scorer, by, index, run.read_fit(index), str(fit.seed))
    for indices in several.values():
        if len(indices) > 1:
            members = [run.read_fit(index) for index in indices]
            together = {
                "refined": np.mean([m["refined"] for m in members], axis=0),
                "epochs": float(np.mean([m["epochs"] for m in members])),
                "seconds": sum(m["seconds"] for m in members),
            }
            rows += _scored(run, scorer, by, indices[0], together, ENSEMBLE)
    return rows


def _scored(
    run: RunFolder, scorer: _Scorer, by: str, index: int, found: dict[str, Any], seed: str
) -> list[dict[str, Any]]:
    fit = run.plan.fits[index]
    configuration = run.plan.configurations[fit.configuration]
    columns = (
        list(range(len(scorer.muscles)))
        if configuration.targets == "joint"
        else [scorer.muscles.index(fit.muscle)]
    )
    shared = {
        "model": configuration.model,
        "pattern": configuration.pattern,
        "targets": configuration.targets,
        "output": configuration.output,
        "recipe": run.settings.recipe.name,
        "seed": seed,
        "by": by,
        "group": fit.group,
        "epochs": found["epochs"],
        "seconds": round(found["seconds"], 4),
    }
    scores = scorer.score(fit.group, columns, found["refined"])
    return [
        {**shared, "muscle": scorer.muscles[column], **values}
        for column, values in zip(columns, scores, strict=True)
    ]
