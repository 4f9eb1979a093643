"""Cross-validate a cohort that is larger than memory and measure the memory that this takes.

The cohort is written to disk: the embedded cohort `walk` with more cycles, repeated as other
subjects. ``nem2e-tf cv`` trains `lstm` on it under All-Entire, one network for all muscles, leaving
one speed out at a time. Meanwhile the memory of all its processes is read from /proc twenty times a
second: anonymous memory (not backed by a file), shared memory and swap. Linux only.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

CYCLES = 32
INTERVAL = 0.05
COUNTED = ("RssAnon", "RssShmem", "VmSwap")
PROGRAM = (sys.executable, "-c", "from nem2e_tf.cli.main import main; main()")
SETTINGS = ("--model", "lstm", "--targets", "joint", "--by", "condition", "--units", "16")


def make(folder: str, gigabytes: float) -> None:
    """Write a cohort of about `gigabytes` (10^9 bytes)."""
    from nem2e_tf.cohorts.synthetic.cohorts import synthesise, write_repeated

    place = Path(folder)
    small = synthesise("walk", n_cycles=CYCLES, out=place / "small")
    size = small.simulated.nbytes + small.measured.nbytes
    write_repeated(place / "cohort", small, times=max(1, round(gigabytes * 1e9 / size)))


def memory_of_session(session: int) -> dict[int, int]:
    """Bytes of memory not backed by files, of each process of a session."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
            if int(fields[3]) != session:
                continue
            lines = dict(
                line.split(":", 1) for line in (process / "status").read_text().splitlines()
            )
        except (OSError, IndexError):
            continue
        if all(name in lines for name in COUNTED):
            found[int(process.name)] = sum(int(lines[name].split()[0]) for name in COUNTED) * 1024
    return found


def size_of(folder: Path) -> int:
    """Size of the files in a folder, bytes."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


def watched(arguments: list[str], run: Path) -> dict[str, float]:
    """Run a command in a session of its own and record its memory.

    Returns
    -------
    dict
        Seconds; peak memory of all processes and of the largest one (bytes); number of processes;
        peak of the run folder (bytes).
    """
    started = time.perf_counter()
    together, largest, processes, disk, looked = 0, 0, 0, 0, 0.0
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None:
        found = memory_of_session(process.pid)
        together = max(together, sum(found.values()))
        largest = max([largest, *found.values()])
        processes = max(processes, len(found))
        if time.perf_counter() - looked > 1:
            disk, looked = max(disk, size_of(run)), time.perf_counter()
        time.sleep(INTERVAL)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)}: exit {process.returncode}")
    return {
        "seconds": time.perf_counter() - started,
        "together": together,
        "largest": largest,
        "processes": processes,
        "disk": max(disk, size_of(run)),
    }


def measure(gigabytes: float, *, epochs: int, jobs: int) -> pd.DataFrame:
    """Make a cohort, cross-validate, remove it; the folder is made where TMPDIR says.

    Returns
    -------
    DataFrame
        One row.
    """
    with tempfile.TemporaryDirectory(prefix="nem2e-tf-large-") as name:
        folder = Path(name)
        started = time.perf_counter()
        maker = multiprocessing.get_context("spawn").Process(target=make, args=(name, gigabytes))
        maker.start()
        maker.join()
        if maker.exitcode:
            raise SystemExit(f"making the cohort: exit {maker.exitcode}")
        making, size = time.perf_counter() - started, size_of(folder / "cohort")
        print(f"cohort of {size / 1e9:.2f} GB made in {making:.0f} s", flush=True)
        settings = [*SETTINGS, "--epochs", str(epochs), "--batch-size", "256", "--jobs", str(jobs)]
        command = [*PROGRAM, "cv", str(folder / "cohort"), *settings, "-o", str(folder / "run")]
        found = watched(command, folder / "run")
        results = pd.read_csv(folder / "run" / "results.csv")
        cycles = len(pd.read_csv(folder / "cohort" / "cycles.csv", usecols=["cycle"]))
        scored = results[results["muscle"] == results["muscle"].iloc[0]]["n_cycles"].sum()
        row = {
            "cohort GB": size / 1e9,
            "cycles": cycles,
            "scored": scored,
            "epochs": epochs,
            "processes": found["processes"],
            "wall s": found["seconds"],
            "peak anonymous GB": found["together"] / 1e9,
            "largest process GB": found["largest"] / 1e9,
            "run folder peak GB": found["disk"] / 1e9,
            "run folder GB": size_of(folder / "run") / 1e9,
            "machine GB": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9,
        }
    return pd.DataFrame([row])
