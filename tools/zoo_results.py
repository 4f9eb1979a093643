"""Compute the published zoo: zoo/results/*.csv, the tables in zoo/README.md, and zoo/cards.

The protocol is fixed: recipe ``fast``, output direct, seed 0; every entry under All-Entire with one
model for all muscles, on every cohort. The real recording is read from the folder that
NEM2E_SHARED_DATA names, or from ``../shared/data`` next to the checkout; without it, its rows stay
unchanged. File sizes are those of float32 files of untrained networks, as training does not change
them.

    tools/regenerate_zoo [--only NAME]... [--jobs N] [--cache FOLDER] | --table | --check

Cross-validations are cached and resumed; delete the cache after a change of the package.
"""

import argparse
import os
import platform
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import zoo_pictures
import zoo_table
from joblib import cpu_count

CHECKOUT = Path(__file__).resolve().parents[1]
BLOCKS = 5
TREADMILL = ("soleus", "gasmed", "gaslat", "vasmed", "vaslat", "recfem")


class Task(NamedTuple):
    """One entry on one cohort."""

    cohort: str
    model: str
    pattern: str
    targets: str


def tasks() -> Iterator[Task]:
    """List all published tasks."""
    from nem2e_tf import zoo

    for cohort in zoo_table.COHORTS:
        for model in zoo.list_models():
            yield Task(cohort, model, "all-entire", "joint")


def recordings() -> Path:
    """Folder of the real recording; it may not exist."""
    beside = CHECKOUT.parent / "shared" / "data"
    return Path(os.environ.get("NEM2E_SHARED_DATA", beside)).resolve() / "treadmill_walk"


def make_cohort(name: str, folder: Path) -> None:
    """Write a cohort to the cache."""
    if name != "treadmill":
        from nem2e_tf.cohorts.synthetic.cohorts import make

        make(name).cohort.save(folder / "cohort")
        return
    from nem2e_tf.cohorts.manifest.build import build_cohort

    source = recordings()
    files = ",".join(str(source / name) for name in ("so_activation.sto", "emg.sto", "grf.mot"))
    (folder / "manifest.csv").write_text(
        "subject,condition,speed,side,simulated,emg,ground_reaction,plate\n"
        f"S1,treadmill,,l,{files},1_ground_force\n"
    )
    rows = "".join(f"{muscle}_{{side}}_activation,{muscle}\n" for muscle in TREADMILL)
    (folder / "channels.csv").write_text(f"column,muscle\n{rows}")
    build_cohort(folder / "manifest.csv", name="treadmill").save(folder / "cohort")


def compute(
    group: list[Task], cache: Path, jobs: int
) -> list[tuple[Task, pd.DataFrame, dict[str, Any]]]:
    """Cross-validate entries on one cohort under one pattern, and measure their exported files.

    Returns
    -------
    list of tuple
        For each entry its rows of ``results.csv``, and its weights and the bytes of all its
        ``.tflite`` files together.
    """
    from nem2e_tf.training.cross_validation import fit_run
    from nem2e_tf.training.plan import Settings
    from nem2e_tf.training.recipe import recipe

    first = group[0]
    cohort = cache / first.cohort / "cohort"
    names = [task.model for task in group]
    several = zlib.crc32(" ".join(names).encode())
    settings = Settings(
        models=tuple(names),
        patterns=(first.pattern,),
        targets=first.targets,
        blocks=BLOCKS if first.cohort == "treadmill" else None,
        recipe=recipe("fast"),
    )
    folder = cache / first.cohort / f"{first.pattern}-{several:08x}"
    results = fit_run(cohort, settings, folder, jobs=jobs).results
    with ThreadPoolExecutor(jobs) as pool:
        costs = list(pool.map(lambda task: weigh(task, cache, settings), group))
    latencies = latencies_of(group, cache)
    found = []
    for task, weighed, latency in zip(group, costs, latencies, strict=True):
        rows = results[results["model"] == task.model]
        settled = dict(zip(zoo_table.KEY, (*task, rows.iloc[0]["output"]), strict=True))
        settled |= dict(zip(zoo_table.COSTS, weighed, strict=True))
        found.append((task, rows, settled | dict(zip(zoo_table.LATENCY, latency, strict=True))))
    return found


def latencies_of(group: list[Task], cache: Path) -> list[tuple[float, float, float]]:
    """Measure the exported files of entries in turn.

    Returns
    -------
    list of (median ms, 99th percentile ms, peak MB)
    """
    from nem2e_tf.export.latency import measure_together

    files = [next(exported(task, cache).glob("*.tflite")) for task in group]
    measured = measure_together([file.read_bytes() for file in files])
    return [
        (round(one.median_ms, 4), round(one.p99_ms, 4), round(one.peak_mb or float("nan"), 2))
        for one in measured
    ]


def exported(task: Task, cache: Path) -> Path:
    """Folder of an entry's exported file."""
    return cache / task.cohort / f"{task.model}-{task.pattern}" / "exported"


def weigh(task: Task, cache: Path, settings: Any) -> tuple[int, int]:
    """Export an untrained entry; return its number of weights and the size of its files, bytes."""
    import numpy as np

    from nem2e_tf.cohorts.cohort import load_cohort
    from nem2e_tf.export.exporter import export
    from nem2e_tf.refiners.info import Reference
    from nem2e_tf.refiners.refiner import save_refiner
    from nem2e_tf.training.chunk import Workshop
    from nem2e_tf.training.plan import make_plan
    from nem2e_tf.training.rows import thin
    from nem2e_tf.training.train import describe

    folder = exported(task, cache).parent
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "costs.csv"
    if not kept.exists() or not any(exported(task, cache).glob("*.tflite")):
        cohort = load_cohort(cache / task.cohort / "cohort")
        alone = replace(settings, models=(task.model,))
        plan = make_plan(cohort, alone)
        configuration = plan.configurations[0]
        workshop = Workshop(cohort, alone, plan)
        names = workshop.composition(configuration).models
        models = {name: workshop.model(configuration, i) for i, name in enumerate(names)}
        reference = Reference(
            thin(cohort.simulated[:8]), thin(cohort.measured[:8]), np.ones(8, dtype=bool)
        )
        info = describe(cohort, alone, configuration)
        refiner = save_refiner(folder / "refiner", models, info, reference)
        result = export(refiner, folder / "exported", formats=["tflite"])
        size = sum(file.n_bytes for file in result.files)
        kept.write_text(f"parameters,tflite_bytes\n{refiner.info.n_parameters},{size}\n")
    found = pd.read_csv(kept).iloc[0]
    return int(found["parameters"]), int(found["tflite_bytes"])


def merge(file: Path, new: pd.DataFrame, key: list[str], order: list[tuple[str, ...]]) -> None:
    """Replace rows of a CSV file by new ones of the same key, in the order given."""
    old = pd.read_csv(file, dtype=dict.fromkeys(key, str)) if file.exists() else new.iloc[:0]
    new_keys = set(new[key].itertuples(index=False, name=None))
    kept = old[[keys not in new_keys for keys in old[key].itertuples(index=False, name=None)]]
    rows = pd.concat([table for table in (kept, new) if len(table)], ignore_index=True)
    place = {keys: i for i, keys in enumerate(order)}
    positions = [
        place.get(keys, len(place)) for keys in rows[key].itertuples(index=False, name=None)
    ]
    rows = rows.iloc[pd.Series(positions).argsort(kind="stable")]
    file.write_text(rows.to_csv(index=False, lineterminator="\n"), encoding="utf-8")


def publish(found: list[tuple[Task, pd.DataFrame, dict[str, Any]]], results: Path) -> None:
    """Write the results to the CSV files."""
    from nem2e_tf.training.run_folder import versions

    order = [tuple(task) for task in tasks()]
    results.mkdir(parents=True, exist_ok=True)
    for cohort in zoo_table.COHORTS:
        tables = [table for task, table, _ in found if task.cohort == cohort]
        if tables:
            rows = pd.concat(tables, ignore_index=True)
            floats = rows.select_dtypes("float").columns
            rows[floats] = rows[floats].map(lambda value: float(f"{value:.{zoo_table.DIGITS}g}"))
            merge(
                results / f"{cohort}.csv",
                rows,
                ["model", "pattern", "targets"],
                [keys[1:] for keys in order if keys[0] == cohort],
            )
    costs = pd.DataFrame([costs for _, _, costs in found])
    merge(results / "costs.csv", costs, ["cohort", "model", "pattern", "targets"], order)
    about = {**versions(), "processor": processor(), "cores": cpu_count()}
    lines = [f'{name},"{value}"' for name, value in about.items()]
    (results / "about.csv").write_text("\n".join(["name,value", *lines, ""]), encoding="utf-8")


def processor() -> str:
    """Name of the processor."""
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def chosen(names: list[str]) -> list[Task]:
    """Select the tasks that ``--only`` names; all without it."""
    everything = list(tasks())
    cohorts = {name for name in names if name in zoo_table.COHORTS}
    models = set(names) - cohorts
    unknown = models - {task.model for task in everything}
    if unknown:
        raise SystemExit(f"--only {sorted(unknown)[0]}: expected an entry or a cohort, found none")
    return [
        task
        for task in everything
        if (not cohorts or task.cohort in cohorts) and (not models or task.model in models)
    ]


def regenerate(names: list[str], cache: Path, jobs: int) -> None:
    """Compute the selected tasks, then write CSV files and tables."""
    from nem2e_tf.training.chunk import set_up_tensorflow

    todo = chosen(names)
    if not recordings().is_dir():
        print(f"no real recording at {recordings()}: rows of treadmill stay as they are")
        todo = [task for task in todo if task.cohort != "treadmill"]
    set_up_tensorflow()
    groups: dict[tuple[str, str], list[Task]] = {}
    for task in todo:
        groups.setdefault((task.cohort, task.pattern), []).append(task)
    found = []
    for (cohort, pattern), group in groups.items():
        print(f"{cohort}, {pattern}: {' '.join(task.model for task in group)}", flush=True)
        folder = cache / cohort
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "cohort" / "cohort.json").exists():
            make_cohort(cohort, folder)
        found += compute(group, cache, jobs)
        if cohort == zoo_pictures.COHORT:
            for task in group:
                if zoo_pictures.has_picture(task.model):
                    zoo_pictures.draw(
                        task.model, folder / "cohort", folder, zoo_table.ZOO / "pictures"
                    )
    if found:
        publish(found, zoo_table.ZOO / "results")
    zoo_table.write()
    print(f"written: {zoo_table.ZOO / 'README.md'}, its cards and its results")


def main() -> None:
    """Parse the arguments and run the selected mode."""
    parser = argparse.ArgumentParser(prog="tools/regenerate_zoo", description="Compute the zoo.")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="entry or cohort; repeatable"
    )
    parser.add_argument("--cache", type=Path, default=CHECKOUT / ".cache" / "zoo")
    parser.add_argument("--jobs", type=int, default=cpu_count())
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--table", action="store_true", help="only write the tables and cards of the CSV"
    )
    mode.add_argument("--check", action="store_true", help="only see whether they agree")
    given = parser.parse_args()
    if given.check:
        if disagreements := zoo_table.check():
            raise SystemExit("\n".join(disagreements))
        print("zoo/README.md agrees with zoo/results")
    elif given.table:
        zoo_table.write()
    else:
        regenerate(given.only, given.cache, given.jobs)


if __name__ == "__main__":
    main()
