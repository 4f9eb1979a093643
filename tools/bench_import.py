"""Measure time and memory of importing a generated data set of the size of Hamner & Delp (2013).

10 subjects, 4 speeds, 120 simulated cycles of 92 muscles at the uneven time steps of CMC, and 20 s
of raw EMG with 16 columns at 1000 Hz per trial. The import runs in a process of its own; time is
its wall time, memory its peak. Fails if the import takes a minute or more, or more than 1 GB.

    tools/bench-import [FOLDER]      the generated files, about 340 MB; reused
"""

import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SECONDS_OF_EMG = 20.0
LONGEST_S = 60.0
LARGEST_MB = 1000.0


def make_tree(folder: Path) -> None:
    """Write the files, unless they exist."""
    sys.path.insert(0, str(ROOT / "tests"))
    from support.hamner_tree import write_tree

    done = folder / "whole"
    if not done.exists():
        write_tree(folder / "release", seconds=SECONDS_OF_EMG)
        done.touch()


def main() -> int:
    """Generate the files, import them, and print time and memory."""
    cache = Path(__file__).resolve().parents[1] / ".cache" / "bench-import"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else cache
    folder.mkdir(parents=True, exist_ok=True)
    make_tree(folder)
    files = [path for path in (folder / "release").rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    print(f"{len(files)} files, {size:.0f} MB")
    program = "from nem2e_tf.cli.main import main; main()"
    words = ("data", "import", "hamner2013", str(folder / "release"), "-o", str(folder / "out"))
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=True
    )
    took = time.perf_counter() - started
    # Linux counts in kB, macOS in bytes.
    scale = 1e6 if sys.platform == "darwin" else 1e3
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    memory, computed = used.ru_maxrss / scale, used.ru_utime + used.ru_stime
    print(done.stdout.strip().splitlines()[-2])
    print(
        f"{took:.1f} s (less than {LONGEST_S:g}; {computed:.1f} s of computing), "
        f"{memory:.0f} MB (less than {LARGEST_MB:g})"
    )
    return int(took >= LONGEST_S or memory >= LARGEST_MB)


if __name__ == "__main__":
    sys.exit(main())
