"""Write synthetic recordings for the demonstration and the tutorials.

    python tools/demo_recording.py FOLDER

writes one recording, of the next walker after the eight of the cohort ``walk``: ``activation.sto``
(what OpenSim would have simulated), ``emg.sto`` (the EMG envelopes of the right leg, to compare
with) and ``events.csv`` (the right foot's cycles).

    python tools/demo_recording.py FOLDER --laboratory

writes recordings as a laboratory has them, of six walkers at two speeds:
``S01_slow_activation.sto``, raw EMG of the right leg in mV at 1000 Hz (``S01_slow_emg.csv``), and
``events.csv``, the contacts of the right foot in all of them.
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

SUBJECTS = 6
SPEEDS = {"slow": 0.9, "fast": 1.4}  # m/s
ELECTRODES = ("RF", "MH", "LH", "TA", "GA")
EMG_STEP = 0.001  # s
LARGEST = 0.8  # mV, of the raw EMG's standard deviation


def on_one_clock(
    curves: NDArray[np.float32],
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    step: float = STEP,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Join cycles [cycle, 101, column] in time; returns times and rows."""
    points = np.linspace(0.0, 1.0, curves.shape[1])
    times = np.arange(np.floor(starts[0] / step), np.ceil(ends[-1] / step) + 1) * step
    rows = np.empty((len(times), curves.shape[2]))
    which = np.clip(np.searchsorted(starts, times, side="right") - 1, 0, len(starts) - 1)
    share = (times - starts[which]) / (ends - starts)[which]
    for cycle in range(len(starts)):
        here = which == cycle
        for column in range(curves.shape[2]):
            rows[here, column] = np.interp(share[here], points, curves[cycle, :, column])
    return times, rows


def bounds(cohort: Cohort) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return start and end of each cycle, s."""
    start, end = (cohort.cycles[name].to_numpy(dtype=float) for name in ("start", "end"))
    return start, end


def write_activation(cohort: Cohort, path: Path) -> None:
    """Write the simulated activation of a cohort that is one trial."""
    split = [name.rpartition("_") for name in cohort.channel_names]
    labels = tuple(f"{muscle}_{LABEL[side]}" for muscle, _, side in split)
    times, rows = on_one_clock(np.asarray(cohort.simulated), *bounds(cohort))
    write_storage(path, Storage("activation", labels, times, rows))


def write_recording(cohort: Cohort, folder: Path) -> None:
    """Write a cohort that is one trial as one recording."""
    write_activation(cohort, folder / "activation.sto")
    muscles = tuple(f"{muscle}_r" for muscle in cohort.muscle_names)
    times, rows = on_one_clock(np.asarray(cohort.measured), *bounds(cohort))
    write_storage(folder / "emg.sto", Storage("emg", muscles, times, rows))
    lines = [f"{start:.4f},{end:.4f}" for start, end in zip(*bounds(cohort), strict=True)]
    write_text(folder / "events.csv", "\n".join(["start,end", *lines, ""]))


def write_laboratory(folder: Path) -> None:
    """Write the trials of several subjects, with raw EMG."""
    rng = np.random.default_rng(0)
    walkers = make("walk", n_subjects=SUBJECTS, speeds=list(SPEEDS.values()), n_cycles=CYCLES)
    events = ["trial,side,event,time"]
    for (subject, speed), cycles in walkers.cohort.cycles.groupby(["subject", "speed"]):
        condition = next(name for name, value in SPEEDS.items() if value == speed)
        trial = walkers.cohort.select(cycles.index.to_numpy())
        name = f"{subject}_{condition}"
        write_activation(trial, folder / f"{name}_activation.sto")
        starts, ends = bounds(trial)
        times, envelopes = on_one_clock(np.asarray(trial.measured), starts, ends, EMG_STEP)
        raw = LARGEST * envelopes * rng.standard_normal(envelopes.shape)
        lines = [
            ",".join([f"{time:.3f}", *(f"{value:.4f}" for value in row)])
            for time, row in zip(times, raw, strict=True)
        ]
        write_text(
            folder / f"{name}_emg.csv", "\n".join([",".join(["time", *ELECTRODES]), *lines, ""])
        )
        contacts = [*starts, ends[-1]]
        events += [f"{name}_activation,r,contact,{time:.4f}" for time in contacts]
    write_text(folder / "events.csv", "\n".join([*events, ""]))


def main() -> None:
    """Read the arguments and write the files."""
    parser = argparse.ArgumentParser(description="Write synthetic recordings.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--laboratory", action="store_true", help="six walkers with raw EMG")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if arguments.laboratory:
        write_laboratory(arguments.folder)
        return
    # Subjects are drawn one by one: one more does not change the others.
    walkers = make("walk", n_subjects=COHORT_SUBJECTS + 1, speeds=[SPEED], n_cycles=CYCLES).cohort
    last = range(COHORT_SUBJECTS * CYCLES, len(walkers.cycles))
    write_recording(walkers.select(last), arguments.folder)


if __name__ == "__main__":
    main()
