"""Check that refiners recover the distortions that were planted in the embedded cohorts.

Lag: the share of a planted delay (in % of the cycle) that `shift` and the temporal STDR-Net remove
on unseen subjects, and where the temporal attention points. Leak: whether the spatial STDR-Net,
which sees all channels, has a lower error than every model that sees the target's counterpart only.

    tools/planted-truth [--only lag|leak] [--table FILE.csv]

Runs are in .cache/planted-truth and are resumed. Writes planted_truth.csv.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import cpu_count

from nem2e_tf import zoo
from nem2e_tf.cohorts.cohort import Cohort, load_cohort
from nem2e_tf.cohorts.synthetic.cohorts import make
from nem2e_tf.cohorts.synthetic.distortion import Distortion
from nem2e_tf.controls.attention import lag_removed, mean_offset
from nem2e_tf.evaluation.metrics import lag_percent
from nem2e_tf.evaluation.statistics import holm
from nem2e_tf.training.cross_validation import cross_validate
from nem2e_tf.training.plan import folds_of
from nem2e_tf.training.recipe import recipe
from nem2e_tf.training.rows import thin
from nem2e_tf.training.run_folder import open_run
from nem2e_tf.training.train import train

CACHE = Path(__file__).resolve().parents[1] / ".cache"

LAG_PERCENT = 8.0
SPATIAL = "stdr-net-spatial"


def refined_cycles(run_path: Path, cohort: Cohort, model: str) -> np.ndarray:
    """Collect a model's refined test cycles over all folds of a run."""
    run = open_run(run_path)
    _, folds = folds_of(cohort, run.settings)
    tests = {fold.group: fold.test for fold in folds}
    refined = np.full((len(cohort.cycles), 20, len(cohort.muscles)), np.nan)
    for chunk in range(len(run.plan.chunks)):
        for index, found in run.read_chunk(chunk).items():
            fit = run.plan.fits[index]
            if run.plan.configurations[fit.configuration].model == model:
                joint = fit.muscle == "joint"
                columns = (
                    range(len(cohort.muscles)) if joint else [cohort.muscle_names.index(fit.muscle)]
                )
                refined[np.ix_(tests[fit.group], range(20), list(columns))] = found["refined"]
    return refined


def planted_lag(folder: Path, name: str, *, jobs: int, settings: dict) -> list[dict]:
    """Share of a planted lag that each entry removes."""
    cohort = make(name, distortion=Distortion.pure_lag(percent=LAG_PERCENT)).cohort
    path = cohort.save(folder / f"{name}-lag")
    models = ("shift", "stdr-net-temporal")
    run = folder / f"{name}-lag-run"
    cross_validate(path, models, out=run, patterns="one-entire", jobs=jobs, **settings)
    measured, simulated = thin(cohort.measured), thin(cohort.simulated)
    estimate = np.stack(
        [simulated[:, :, list(row)].mean(axis=2) for row in cohort.counterparts], axis=2
    )
    before = lag_percent(measured, estimate)
    rows = []
    for model in models:
        after = lag_percent(measured, refined_cycles(run, cohort, model))
        rows.append(
            {
                "cohort": name,
                "planted": f"lag {LAG_PERCENT:g} % of the cycle",
                "model": model,
                "pattern": "one-entire",
                "measure": "share of the lag removed",
                "value": lag_removed(before, after),
            }
        )
    offset = attention_offset(folder / f"{name}-lag-refiner", load_cohort(path), settings)
    rows.append(
        {**rows[-1], "measure": "mean offset of the attention, % of the cycle", "value": offset}
    )
    return rows


def attention_offset(folder: Path, cohort: Cohort, settings: dict) -> float:
    """Mean offset of the temporal attention of STDR-Net, over muscles and cycles."""
    refiner = train(cohort, "stdr-net-temporal", out=folder, pattern="one-entire", **settings)
    simulated = thin(cohort.simulated)
    offsets = []
    for muscle, row in zip(cohort.muscle_names, cohort.counterparts, strict=True):
        own = simulated[:, :, list(row)].mean(axis=2, keepdims=True)
        model = refiner.models[muscle]
        offsets.append(mean_offset(np.asarray(zoo.with_attention(model)(own)[1])))
    return float(np.mean(offsets))


def planted_leak(folder: Path, name: str, *, jobs: int, settings: dict) -> list[dict]:
    """Compare all channels with one, where the counterpart holds other muscles' activity."""
    from scipy.stats import ttest_rel

    leaking = one_an_electrode(make(name, distortion=Distortion.pure_leak()).cohort)
    path = leaking.save(folder / f"{name}-leak")
    own = tuple(model for model in zoo.list_models() if "one-entire" in zoo.entry(model).patterns)
    asked = {"jobs": jobs, **settings}
    one, everything = (folder / f"{name}-leak-{kind}" for kind in ("one", "all"))
    runs = (
        cross_validate(path, own, out=one, patterns="one-entire", **asked),
        cross_validate(path, SPATIAL, out=everything, targets="joint", **asked),
    )
    results = pd.concat([run.results for run in runs])
    error = results.pivot_table(index="group", columns="model", values="rmse_refined")
    p = np.array([ttest_rel(error[SPATIAL], error[model]).pvalue for model in own])
    adjusted = holm(p)
    return [
        {
            "cohort": name,
            "planted": "leak between synergists",
            "model": SPATIAL,
            "pattern": "all-entire",
            "measure": f"RMSE minus that of {model} under one-entire",
            "value": float((error[SPATIAL] - error[model]).mean()),
            "p_holm": float(value),
        }
        for model, value in zip(own, adjusted, strict=True)
    ]


def one_an_electrode(cohort: Cohort) -> Cohort:
    """Keep the first muscle of each electrode, as copies of a signal would count twice.

    Of more than six, every third is kept, to limit the number of One-Entire models.
    """
    kept = np.flatnonzero(~cohort.muscles["electrode"].duplicated().to_numpy())
    kept = kept[::3] if len(kept) > 6 else kept
    return replace(
        cohort,
        measured=cohort.measured[:, :, kept],
        muscles=cohort.muscles.iloc[kept].reset_index(drop=True),
    )


def main() -> None:
    """Parse the arguments, test both distortions, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--folder",
        type=Path,
        default=CACHE / "planted-truth",
        help="where runs go; they are resumed",
    )
    parser.add_argument("--lag-cohort", choices=["walk", "run"], default="walk")
    parser.add_argument("--leak-cohort", choices=["walk", "run"], default="run")
    parser.add_argument("--table", type=Path, help="CSV to write")
    parser.add_argument("--only", choices=["lag", "leak"])
    arguments = parser.parse_args()
    from nem2e_tf.training.chunk import set_up_tensorflow

    set_up_tensorflow()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    settings = {"recipe": recipe("fast")}
    jobs = cpu_count()
    rows: list[dict] = []
    if arguments.only != "leak":
        rows += planted_lag(arguments.folder, arguments.lag_cohort, jobs=jobs, settings=settings)
    if arguments.only != "lag":
        rows += planted_leak(arguments.folder, arguments.leak_cohort, jobs=jobs, settings=settings)
    table = pd.DataFrame(rows)
    print(table.drop(columns="planted").to_string(index=False))
    if arguments.table:
        table.to_csv(arguments.table, index=False, float_format="%.5g")


if __name__ == "__main__":
    main()
