"""Leave-one-group-out cross-validation: from a cohort to ``results.csv``."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nem2e_tf.cohorts.cohort import Cohort, load_cohort
from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.results import RESULT_COLUMNS
from nem2e_tf.evaluation.scoring import group_rmse, mean_pattern, mean_pattern_per_condition, score
from nem2e_tf.io.files import write_text
from nem2e_tf.training.backends.processes import Progress, fit_chunks
from nem2e_tf.training.chunk import Workshop
from nem2e_tf.training.plan import Fold, Settings, folds_of, make_plan
from nem2e_tf.training.rows import RowFiles, Store, Thinned, store_for
from nem2e_tf.training.run_folder import MARKER, RunFolder, create_run, write_mean_patterns

ENSEMBLE = "ensemble"


def cross_validate(
    cohort_path: "str | os.PathLike[str]",
    run_path: "str | os.PathLike[str]",
    settings: Settings,
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    progress: Progress | None = None,
    on_plan: "Any | None" = None,
) -> pd.DataFrame:
    """Cross-validate; a run that was interrupted goes on where it was.

    Parameters
    ----------
    cohort_path : path-like
        A cohort folder.
    run_path : path-like
        The run folder; new, or of a run with the same settings.
    settings : Settings
    jobs : int
        Processes.
    scheduler : str, optional
        Address of a Dask scheduler whose workers fit instead. The numbers are the same.
    progress : callable, optional
        Told (chunk, epochs done, finished).
    on_plan : callable, optional
        Told the run folder and the chunks that are still to be fitted.

    Returns
    -------
    DataFrame
        The rows of ``results.csv``: one a fit and muscle.

    Raises
    ------
    InputError
        Settings that make no sense, or a folder that holds something else.
    """
    cohort = load_cohort(cohort_path)
    plan = make_plan(cohort, settings)
    new = not (Path(run_path) / MARKER).exists()
    run = create_run(run_path, cohort, settings, plan)
    unfinished = run.unfinished()
    if on_plan is not None:
        on_plan(run, unfinished)
    if unfinished:
        try:
            prepare_rows(run, cohort)
            fit_chunks(
                str(run.path),
                str(Path(cohort_path)),
                unfinished,
                jobs=jobs,
                scheduler=scheduler,
                progress=progress or (lambda *_: None),
            )
        except InputError:
            # What was asked for cannot be fitted: it must not stand in the way of what can.
            if new:
                run.discard()
            raise
    return write_results(run, cohort)


def prepare_rows(run: RunFolder, cohort: Cohort) -> None:
    """Write the rows of a large cohort once, before several processes want them."""
    store = store_for(cohort, run.rows_folder, digest=run.digest)
    if isinstance(store, RowFiles):
        store.tidy()
        Workshop(cohort, run.settings, run.plan, store).prepare()


def write_results(run: RunFolder, cohort: Cohort) -> pd.DataFrame:
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
    return results


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
