"""Measure how the cost of fitting grows with 1, 4 and 16 times the cycles, or the fits.

Entry `lstm` under One-Entire on the embedded cohort `walk`, in one process with one thread. Models
are built and traced in a first, untimed pass. A slope of 1 on log-log axes is linear growth; a
slope below 1 shows the fixed cost of an epoch.

    tools/bench-scaling [--epochs N] [--rounds N]
    tools/bench-scaling --disk GB [--epochs N] [--jobs N]     memory for a cohort of that size

With --disk the cohort is written to the folder that TMPDIR names, and removed. Results are
scaling.csv and scaling.svg, or disk.csv, in .cache/bench-scaling.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from large_cohort import measure

CACHE = Path(__file__).resolve().parents[1] / ".cache"

MULTIPLES = (1, 4, 16)
KINDS = ("cycles", "fits")
CYCLES = 8
"""Of a subject and speed in the smallest cohort: with one, the fixed part of an epoch outweighs."""


def seconds_of(
    folder: Path, *, cycles: int, seeds: int, epochs: int
) -> tuple[int, int, float, float]:
    """Time the fits of a cohort.

    Returns
    -------
    n_cycles, n_fits : int
    first, again : float
        CPU seconds with and without building and tracing models.
    """
    from nem2e_tf.cohorts.cohort import load_cohort
    from nem2e_tf.cohorts.synthetic.cohorts import synthesise
    from nem2e_tf.training.chunk import Workshop
    from nem2e_tf.training.plan import Settings, make_plan
    from nem2e_tf.training.recipe import recipe

    path = folder / f"walk-{cycles}"
    if not path.exists():
        synthesise("walk", n_cycles=cycles, out=path)
    cohort = load_cohort(path)
    settings = Settings(
        models=("lstm",),
        patterns=("one-entire",),
        recipe=recipe("fast", epochs=epochs, patience=0),
        seeds=seeds,
    )
    plan = make_plan(cohort, settings)
    workshop = Workshop(cohort, settings, plan)
    seconds = []
    for _ in range(2):
        started = time.process_time()
        for chunk in range(len(plan.chunks)):
            workshop.run(chunk)
        seconds.append(time.process_time() - started)
    return len(cohort.cycles), len(plan.fits), *seconds


def slope(multiples: np.ndarray, seconds: np.ndarray) -> float:
    """Exponent of growth: the slope of a straight line through the logarithms.

    Examples
    --------
    >>> round(slope(np.array([1, 4, 16]), np.array([2.0, 8.0, 32.0])), 6)
    1.0
    """
    return float(np.polyfit(np.log(multiples), np.log(seconds), 1)[0])


def plot(table: pd.DataFrame, file: Path) -> None:
    """Plot seconds over multiples, with linear growth for comparison."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import LogLocator

    figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
    for kind, marker in zip(KINDS, "os", strict=True):
        own = table[table["more"] == kind]
        growth = slope(own["times"].to_numpy(), own["seconds"].to_numpy())
        axes.loglog(
            own["times"], own["seconds"], marker=marker, label=f"{kind}: slope {growth:.2f}"
        )
        linear = own["seconds"].iloc[0] * own["times"]
        axes.loglog(own["times"], linear, color="0.7", linestyle=":", zorder=0)
    axes.set_xticks(MULTIPLES, [f"{n}x" for n in MULTIPLES])
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.set_xlabel("cycles or fits; dotted: linear")
    axes.set_ylabel("seconds of one core, fitting")
    axes.legend()
    figure.savefig(file)


def main() -> None:
    """Measure, print the slopes, write the table and the plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--folder", type=Path, default=CACHE / "bench-scaling", help="where results go"
    )
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3, help="medians are given")
    parser.add_argument("--disk", type=float, metavar="GB", help="a cohort of that size instead")
    parser.add_argument("--jobs", type=int, default=1, help="processes, with --disk")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if arguments.disk:
        table = measure(arguments.disk, epochs=arguments.epochs, jobs=arguments.jobs)
        table.to_csv(arguments.folder / "disk.csv", index=False, float_format="%.4g")
        print(table.round(3).T.to_string(header=False))
        return
    from nem2e_tf.training.chunk import set_up_tensorflow

    set_up_tensorflow()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            for times in MULTIPLES:
                sizes = {"cycles": times * CYCLES if kind == "cycles" else 1}
                sizes["seeds"] = times if kind == "fits" else 1
                found = [
                    seconds_of(Path(folder), epochs=arguments.epochs, **sizes)
                    for _ in range(arguments.rounds)
                ]
                seconds = float(np.median([one[3] for one in found]))
                rows.append(
                    {
                        "more": kind,
                        "times": times,
                        "cycles": found[0][0],
                        "fits": found[0][1],
                        "seconds": seconds,
                        "first_seconds": float(np.median([one[2] for one in found])),
                    }
                )
                print(pd.DataFrame(rows[-1:]).round(3).to_string(index=False), flush=True)
    table = pd.DataFrame(rows)
    table.to_csv(arguments.folder / "scaling.csv", index=False, float_format="%.4g")
    plot(table, arguments.folder / "scaling.svg")
    print(f"\nlstm, {arguments.epochs} epochs, one thread\n{table.round(3).to_string(index=False)}")
    for kind in KINDS:
        own = table[table["more"] == kind]
        growth = slope(own["times"].to_numpy(), own["seconds"].to_numpy())
        print(f"log-log slope over {kind}: {growth:.2f}")
    print(f"Plot: {arguments.folder / 'scaling.svg'}")


if __name__ == "__main__":
    main()
