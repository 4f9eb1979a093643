"""Measure how fast storage files are read by this project, by pandas and by OpenSim.

The files are generated: 80 muscle activations at 100 Hz, once with eight decimals, as OpenSim's
static optimization writes, and once with the digits that reproduce a float64, as Moco writes. Each
reader reads each file in turn, in several rounds; the fastest round counts, as other work on the
machine can only add time. All readers must return the same numbers. This project and pandas are
also timed in a new process, imports included.

    tools/bench-reading [--opensim-python PYTHON] [--megabytes N]... [--rounds N]
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from nem2e_tf.io.storage import read_storage
from nem2e_tf.muscles import RAJAGOPAL

DIGITS = {"8 decimals": "{:.8f}".format, "all digits": repr}
OPENSIM = """
import sys, time
import numpy, opensim
opensim.Logger.setLevelString("off")
for line in sys.stdin:
    start = time.perf_counter()
    table = opensim.TimeSeriesTable(line.strip())
    data = table.getMatrix().to_numpy()
    spent = time.perf_counter() - start
    print("spent", spent, repr(float(data.sum())), *data.shape, flush=True)
"""
OURS = "from nem2e_tf.io.storage import read_storage; data = read_storage(path).data"
BARE = """
import pandas
data = pandas.read_csv(path, sep="\\t", skiprows=6).to_numpy()[:, 1:]
"""
FRESH = "import sys, time; path = sys.argv[1]; start = time.perf_counter()\n{}\n" + (
    "print(time.perf_counter() - start, float(data.sum()))"
)


class OpenSim:
    """OpenSim's reader in another Python, which stays alive between files."""

    def __init__(self, python: str) -> None:
        self.process = subprocess.Popen(
            [python, "-c", OPENSIM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, path: Path) -> tuple[float, float]:
        """Seconds for a file, and the sum of its numbers."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(path, file=self.process.stdin, flush=True)
        for line in self.process.stdout:
            if line.startswith("spent"):
                _, spent, total, *_ = line.split()
                return float(spent), float(total)
        raise SystemExit("OpenSim's Python ended; does it have the package opensim?")


def write(path: Path, *, megabytes: float, digits: str) -> None:
    """Write a storage file of about `megabytes`."""
    text = DIGITS[digits]
    labels = [f"{muscle}_{side}" for side in "rl" for muscle in RAJAGOPAL]
    rng = np.random.default_rng(0)
    lines: list[str] = []
    size = 0
    while size < megabytes * 1e6:
        # Activation is low most of the time.
        row = [len(lines) / 100, *(0.01 + 0.99 * rng.random(len(labels)) ** 4).tolist()]
        lines.append("\t".join(map(text, row)))
        size += len(lines[-1]) + 1
    header = (
        f"activation\nversion=1\nnRows={len(lines)}\nnColumns={len(labels) + 1}\ninDegrees=no\n"
    )
    path.write_text(
        header + "endheader\n" + "\t".join(("time", *labels)) + "\n" + "\n".join(lines) + "\n"
    )


def timed(read: Callable[[Path], np.ndarray], path: Path) -> tuple[float, float]:
    """Seconds for a file, and the sum of its numbers."""
    start = time.perf_counter()
    data = read(path)
    spent = time.perf_counter() - start
    return spent, float(data.sum())


def in_fresh_process(read: str) -> Callable[[Path], tuple[float, float]]:
    """Make a reader whose time includes its imports."""

    def run(path: Path) -> tuple[float, float]:
        call = [sys.executable, "-c", FRESH.format(read), str(path)]
        done = subprocess.run(call, capture_output=True, text=True, check=True)
        spent, total = done.stdout.split()
        return float(spent), float(total)

    return run


def with_pandas(path: Path) -> np.ndarray:
    """Read with pandas alone, given the header's length and the separator."""
    return pd.read_csv(path, sep="\t", skiprows=6).to_numpy()[:, 1:]


def with_numpy(path: Path) -> np.ndarray:
    """Read with numpy.loadtxt."""
    return np.loadtxt(path, skiprows=7)[:, 1:]


@click.command()
@click.option("--opensim-python", help="A Python that has the package opensim.")
@click.option("--megabytes", multiple=True, type=float, default=(2, 50), show_default=True)
@click.option("--rounds", default=5, show_default=True)
def main(opensim_python: str | None, *, megabytes: tuple[float, ...], rounds: int) -> None:
    """Print the time of each reader, and its ratio to this project's."""
    readers: dict[str, Callable[[Path], tuple[float, float]]] = {
        "nem2e_tf.io.storage": lambda path: timed(lambda p: read_storage(p).data, path),
        "pandas, bare": lambda path: timed(with_pandas, path),
        "numpy.loadtxt": lambda path: timed(with_numpy, path),
        "nem2e_tf.io.storage, fresh": in_fresh_process(OURS),
        "pandas, bare, fresh": in_fresh_process(BARE),
    }
    if opensim_python:
        readers["OpenSim TimeSeriesTable"] = OpenSim(opensim_python)
    table = Table("size", "digits", "reader", "seconds", "relative", title="Reading storage files")
    with tempfile.TemporaryDirectory() as folder:
        for size in megabytes:
            for digits in DIGITS:
                path = Path(folder) / "file.sto"
                write(path, megabytes=size, digits=digits)
                best = dict.fromkeys(readers, np.inf)
                for _ in range(rounds):
                    sums = {}
                    for name, read in readers.items():
                        spent, sums[name] = read(path)
                        best[name] = min(best[name], spent)
                    wrong = [n for n, s in sums.items() if not np.isclose(s, sums["pandas, bare"])]
                    if wrong:
                        raise SystemExit(f"{wrong[0]} returned other numbers")
                ours = best["nem2e_tf.io.storage"]
                for name, seconds in best.items():
                    table.add_row(
                        f"{size:g} MB", digits, name, f"{seconds:.4f}", f"{seconds / ours:.2f}"
                    )
    Console(width=None if sys.stdout.isatty() else 100).print(table)
    if not opensim_python:
        click.echo("OpenSim was not asked: give --opensim-python", err=True)


if __name__ == "__main__":
    main()
