"""Run the complete protocol of the paper on the embedded cohorts: 600 fits, tables, statistics.

One-Quarter and One-Entire with the temporal STDR-Net, All-Entire with the spatial one, one model
per muscle, leaving one subject out at a time: 16 muscles x 3 patterns x 10 runners and 5 x 3 x 8
walkers (Teramae et al. 2025).

    tools/reproduce-paper [--recipe fast|paper] [--only walk|run] [--jobs N] [--tables FOLDER]

Runs are in .cache/reproduce-paper and are resumed; delete them after a change of the package.
Writes improvement.csv, patterns.csv and costs.csv, which gets one row each time fits are computed.
"""

import argparse
import os
import resource
import time
from pathlib import Path

import pandas as pd
from joblib import cpu_count
from memory_log import memory

from nem2e_tf.cohorts.cohort import load_cohort
from nem2e_tf.cohorts.synthetic.cohorts import DIGESTS, make
from nem2e_tf.evaluation.paper import between_patterns, by_electrode, counts, improvement
from nem2e_tf.training.backends.processes import MEMORY_LOG
from nem2e_tf.training.cross_validation import cross_validate
from nem2e_tf.training.recipe import Recipe, recipe

CACHE = Path(__file__).resolve().parents[1] / ".cache"

PARTS = (
    ("stdr-net-temporal", ("one-quarter", "one-entire")),
    ("stdr-net-spatial", ("all-entire",)),
)
MIB = 1024.0
CORES = cpu_count()


def fit(
    folder: Path, cohort: str, part: int, *, chosen: Recipe, jobs: int
) -> tuple[pd.DataFrame, dict]:
    """Cross-validate one model on one cohort.

    Returns
    -------
    results : DataFrame
        Rows of ``results.csv``.
    costs : dict
        Seconds and memory of the fits that were computed now, and their number.
    """
    model, patterns = PARTS[part]
    path = folder / cohort
    if not (path / "cohort.json").exists() or load_cohort(path).digest != DIGESTS[cohort]:
        make(cohort).cohort.save(path)
    log = folder / f"{cohort}-{model}-memory.csv"
    log.unlink(missing_ok=True)
    os.environ[MEMORY_LOG] = str(log)
    fitted = 0

    def count(run: object, chunks: list[int]) -> None:
        nonlocal fitted
        fitted = sum(len(run.plan.chunks[chunk]) for chunk in chunks)
        print(f"{cohort}, {model}: {fitted} of {len(run.plan.fits)} fits to do", flush=True)

    started = time.perf_counter()
    results = cross_validate(
        path,
        model,
        out=folder / f"{cohort}-{model}",
        patterns=patterns,
        recipe=chosen,
        jobs=jobs,
        on_plan=count,
    ).results
    seconds = time.perf_counter() - started
    peak, growth = memory(log.read_text()) if log.exists() else (float("nan"), float("nan"))
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB
    return results, {
        "cohort": cohort,
        "model": model,
        "processes": jobs,
        "fitted": fitted,
        "wall s": seconds,
        "peak MiB": peak + own,
        "RSS last / third": growth,
    }


def report(cohort: str, results: pd.DataFrame, electrodes: dict[str, str]) -> list[pd.DataFrame]:
    """Print the two tables of a cohort and return them."""
    rates, patterns = improvement(results), between_patterns(results)
    shown = ["muscle", "pattern", "n", "rate", "rate_low", "rate_high", "rate_t", "rate_p"]
    shown += ["rate_p_holm", "skill", "skill_low", "skill_high", "skill_p_holm"]
    print(f"\n{cohort}: improvement rate (95 % interval, one-sample t, p, Holm's p), and skill")
    print(rates[shown].to_string(index=False, float_format=short))
    print(f"\n{cohort}: rates between patterns; Tukey as in the paper, and paired by subject")
    print(patterns.to_string(index=False, float_format=short))
    print(f"\n{cohort}: how many of {rates['muscle'].nunique()} muscles improved")
    print(counts(rates).to_string(index=False))
    if len(set(electrodes.values())) < len(electrodes):
        together = improvement(by_electrode(results, electrodes))
        print(f"\n{cohort}: how many of {together['muscle'].nunique()} electrodes improved")
        print(counts(together).to_string(index=False))
    return [table.assign(cohort=cohort) for table in (rates, patterns)]


def with_costs_before(now: pd.DataFrame, file: Path) -> pd.DataFrame:
    """Append the costs of this call to those of earlier ones."""
    now = now[now["fitted"] > 0]
    before = pd.read_csv(file) if file.exists() else now.iloc[:0]
    return pd.concat([table for table in (before, now) if len(table)] or [now], ignore_index=True)


def short(value: float) -> str:
    """Format a number with three digits."""
    return f"{value:.3g}" if abs(value) < 0.001 else f"{value:.3f}"


def folder_name(chosen: Recipe) -> str:
    """Name a run by its size."""
    if not chosen.name.endswith("+"):
        return chosen.name
    return f"{chosen.name[:-1]}-{chosen.units}-units-{chosen.epochs}-epochs"


def main() -> None:
    """Parse the arguments, fit, print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--folder",
        type=Path,
        default=CACHE / "reproduce-paper",
        help="where runs go; they are resumed",
    )
    parser.add_argument("--recipe", choices=["fast", "paper"], default="fast")
    parser.add_argument("--only", choices=list(DIGESTS), help="one of the cohorts")
    parser.add_argument("--units", type=int, help="for a trial: size of the networks")
    parser.add_argument("--epochs", type=int, help="for a trial: epochs at most")
    parser.add_argument("--jobs", type=int, default=CORES)
    parser.add_argument("--tables", type=Path, help="where tables go; beside the runs by default")
    arguments = parser.parse_args()
    chosen = recipe(arguments.recipe, units=arguments.units, epochs=arguments.epochs)
    folder = arguments.folder / folder_name(chosen)
    tables = arguments.tables or folder
    for path in (folder, tables):
        path.mkdir(parents=True, exist_ok=True)

    written: dict[str, list[pd.DataFrame]] = {"improvement": [], "patterns": []}
    costs = []
    for cohort in [arguments.only] if arguments.only else list(DIGESTS):
        found = [
            fit(folder, cohort, part, chosen=chosen, jobs=arguments.jobs)
            for part in range(len(PARTS))
        ]
        costs += [cost for _, cost in found]
        results = pd.concat([one for one, _ in found], ignore_index=True)
        muscles = load_cohort(folder / cohort).muscles
        electrodes = dict(zip(muscles["name"], muscles["electrode"], strict=True))
        for name, table in zip(written, report(cohort, results, electrodes), strict=True):
            written[name].append(table)
    for name, several in written.items():
        table = pd.concat(several, ignore_index=True)
        table.insert(0, "cohort", table.pop("cohort"))
        table.to_csv(tables / f"{name}.csv", index=False, float_format="%.6g")
    cost = with_costs_before(pd.DataFrame(costs), tables / "costs.csv")
    cost.to_csv(tables / "costs.csv", index=False, float_format="%.6g")
    print(f"\nCost of the fits, recipe {chosen.name}, {chosen.units} units, {CORES} cores")
    print(cost.round(2).to_string(index=False))
    print(
        f"Together: {cost['fitted'].sum()} fits in {cost['wall s'].sum() / 60:.1f} min, "
        f"at most {cost['peak MiB'].max():.0f} MiB in all processes"
    )
    print(f"Tables: {tables}")


if __name__ == "__main__":
    main()
