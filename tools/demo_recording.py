"""Write a recording for the demonstration: the next walker after the cohort's eight.

    python tools/demo_recording.py FOLDER

writes ``activation.sto`` (what OpenSim would have simulated), ``emg.sto`` (what the electrodes of
the right leg would have measured, to compare with) and ``events.csv`` (the right foot's cycles).
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.cohorts.cohort import Cohort
from nem2e_tf.cohorts.synthetic.cohorts import make
from nem2e_tf.io.files import write_text
from nem2e_tf.io.storage import Storage, write_storage

COHORT_SUBJECTS = 8
CYCLES = 6
SPEED = 1.15  # m/s
STEP = 0.01  # s
LABEL = {"ipsi": "r", "contra": "l"}


def on_one_clock(
    curves: NDArray[np.float32], starts: NDArray[np.float64], ends: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lay cycles [cycle, 101, column] one after the other; gives times and rows."""
    points = np.linspace(0.0, 1.0, curves.shape[1])
    times = np.arange(np.floor(starts[0] / STEP), np.ceil(ends[-1] / STEP) + 1) * STEP
    rows = np.empty((len(times), curves.shape[2]))
    which = np.clip(np.searchsorted(starts, times, side="right") - 1, 0, len(starts) - 1)
    share = (times - starts[which]) / (ends - starts)[which]
    for cycle in range(len(starts)):
        here = which == cycle
        for column in range(curves.shape[2]):
            rows[here, column] = np.interp(share[here], points, curves[cycle, :, column])
    return times, rows


def write(cohort: Cohort, folder: Path) -> None:
    """Write the cycles of a cohort of one subject as one recording."""
    starts = cohort.cycles["start"].to_numpy(dtype=float)
    ends = cohort.cycles["end"].to_numpy(dtype=float)
    split = [name.rpartition("_") for name in cohort.channel_names]
    activations = tuple(f"{muscle}_{LABEL[side]}" for muscle, _, side in split)
    muscles = tuple(f"{muscle}_r" for muscle in cohort.muscle_names)
    for name, labels, curves in (
        ("activation", activations, np.asarray(cohort.simulated)),
        ("emg", muscles, np.asarray(cohort.measured)),
    ):
        times, rows = on_one_clock(curves, starts, ends)
        write_storage(folder / f"{name}.sto", Storage(name, labels, times, rows))
    lines = [f"{start:.4f},{end:.4f}" for start, end in zip(starts, ends, strict=True)]
    write_text(folder / "events.csv", "\n".join(["start,end", *lines, ""]))


def main() -> None:
    """Read the argument and write the files."""
    parser = argparse.ArgumentParser(description="Write a synthetic recording.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    # Subjects are drawn one by one: one more does not change the others.
    walkers = make("walk", n_subjects=COHORT_SUBJECTS + 1, speeds=[SPEED], n_cycles=CYCLES).cohort
    write(walkers.select(range(COHORT_SUBJECTS * CYCLES, len(walkers.cycles))), folder)


if __name__ == "__main__":
    main()
