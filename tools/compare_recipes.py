"""Test whether the error of recipe ``fast`` is larger than that of recipe ``paper``.

Temporal STDR-Net under One-Entire, one muscle, leaving one subject out at a time, with both
recipes: the paper's 700 units, batch size 1 and 700 epochs, and this project's ``fast``. The errors
of the test cycles are paired per subject (after averaging seeds); the mean difference and its 95 %
t interval are shares of the paper's error. Subjects are not independent, since any two share most
of their training cycles, so the interval is approximate.

    tools/compare-recipes [--cohort walk|run|FOLDER] [--muscle NAME] [--seeds N] [--jobs N]

Takes hours at the paper's size. Runs are in .cache/compare-recipes and are resumed; delete them
after a change of the package. Writes recipes.csv.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import cpu_count
from scipy import stats

from nem2e_tf.cohorts.cohort import Cohort, load_cohort
from nem2e_tf.cohorts.synthetic.cohorts import DIGESTS, make
from nem2e_tf.errors import InputError, near
from nem2e_tf.training.cross_validation import cross_validate
from nem2e_tf.training.recipe import recipe

CACHE = Path(__file__).resolve().parents[1] / ".cache"

MODEL, PATTERN = "stdr-net-temporal", "one-entire"
CORES = cpu_count()


def of_one_muscle(cohort: Cohort, muscle: str) -> Cohort:
    """Keep one measured muscle of a cohort."""
    if muscle not in cohort.muscle_names:
        raise InputError(
            f"muscle {muscle}: expected one of {', '.join(cohort.muscle_names)}"
            f"{near(muscle, cohort.muscle_names)}"
        )
    column = cohort.muscle_names.index(muscle)
    return Cohort(
        name=f"{cohort.name}-{muscle}",
        simulated=cohort.simulated,
        measured=np.ascontiguousarray(cohort.measured[:, :, [column]]),
        cycles=cohort.cycles,
        channels=cohort.channels,
        muscles=cohort.muscles.iloc[[column]].reset_index(drop=True),
        normalisation=cohort.normalisation,
    )


def compare(fast: pd.DataFrame, paper: pd.DataFrame) -> dict[str, float]:
    """Pair the errors of two recipes by left-out group.

    Parameters
    ----------
    fast, paper : DataFrame
        Columns ``group`` and ``rmse_refined``; several rows per group (seeds) are averaged.

    Returns
    -------
    dict
        Number of groups, mean errors, and their difference with its 95 % interval as shares of the
        paper's mean error.

    Raises
    ------
    ValueError
        The groups differ, or there are fewer than two.

    Examples
    --------
    >>> paper = pd.DataFrame({"group": ["a", "b"], "rmse_refined": [0.10, 0.10]})
    >>> found = compare(paper.assign(rmse_refined=[0.09, 0.10]), paper)
    >>> round(found["difference"], 3)
    -0.05
    """
    first = fast.groupby("group")["rmse_refined"].mean()
    second = paper.groupby("group")["rmse_refined"].mean()
    if list(first.index) != list(second.index) or len(first) < 2:
        raise ValueError(
            f"Expected two or more groups, the same in both. Received: {list(first.index)} and "
            f"{list(second.index)}"
        )
    difference = (first - second).to_numpy()
    low, high = stats.t.interval(
        0.95, len(difference) - 1, loc=difference.mean(), scale=stats.sem(difference)
    )
    level = float(second.mean())
    return {
        "n": len(difference),
        "rmse_fast": float(first.mean()),
        "rmse_paper": level,
        "difference": float(difference.mean()) / level,
        "difference_low": float(low) / level,
        "difference_high": float(high) / level,
    }


def tell(chunk: int, _: int, finished: bool) -> None:
    """Print which chunks are done."""
    if finished:
        print(f"chunk {chunk}: finished", flush=True)


def main() -> None:
    """Fit under both recipes, print and write the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--folder",
        type=Path,
        default=CACHE / "compare-recipes",
        help="where runs go; they are resumed",
    )
    parser.add_argument("--cohort", default="walk", help="walk, run, or a cohort folder")
    parser.add_argument("--muscle", help="one that was measured; the first by default")
    parser.add_argument("--by", default="subject", help="column whose groups are left out")
    parser.add_argument("--blocks", type=int, help="blocks of cycles instead, of a single subject")
    parser.add_argument("--seeds", type=int, default=4, help="of recipe fast; paper has one")
    parser.add_argument("--units", type=int, help="for a trial: size under recipe paper")
    parser.add_argument("--epochs", type=int, help="for a trial: epochs under recipe paper")
    parser.add_argument("--jobs", type=int, default=CORES)
    arguments = parser.parse_args()
    embedded = arguments.cohort in DIGESTS
    cohort = make(arguments.cohort).cohort if embedded else load_cohort(arguments.cohort)
    one = of_one_muscle(cohort, arguments.muscle or cohort.muscle_names[0])
    folder = arguments.folder / one.name
    if not (folder / "cohort" / "cohort.json").exists():
        one.save(folder / "cohort")
    results, seconds = {}, {}
    for name in ("fast", "paper"):
        chosen = recipe(name)
        if name == "paper":
            chosen = recipe(name, units=arguments.units, epochs=arguments.epochs)
        started = time.perf_counter()
        results[name] = cross_validate(
            folder / "cohort",
            MODEL,
            out=folder / f"{name}-{chosen.units}-units-{chosen.epochs}-epochs",
            patterns=PATTERN,
            recipe=chosen,
            by=arguments.by if arguments.blocks is None else None,
            blocks=arguments.blocks,
            seeds=arguments.seeds if name == "fast" else 1,
            jobs=arguments.jobs,
            progress=tell,
        ).results
        seconds[name] = time.perf_counter() - started
        print(f"{name}: {seconds[name]:.0f} s in this call", flush=True)
        results[name] = results[name][results[name]["seed"] != "ensemble"]
    found = compare(results["fast"], results["paper"])
    table = pd.DataFrame(
        [{"cohort": cohort.name, "muscle": one.muscle_names[0], "model": MODEL} | found]
    )
    table.to_csv(folder / "recipes.csv", index=False, float_format="%.6g")
    by_group = {
        name: result.groupby("group")[
            ["rmse_simulated", "rmse_mean_pattern", "rmse_refined"]
        ].mean()
        for name, result in results.items()
    }
    print(pd.concat(by_group, axis=1).round(4).to_string())
    print(table.round(4).to_string(index=False))
    print(
        f"RMSE of fast against paper: {100 * found['difference']:+.1f} % "
        f"(95 % {100 * found['difference_low']:+.1f} to {100 * found['difference_high']:+.1f} %)"
    )


if __name__ == "__main__":
    main()
