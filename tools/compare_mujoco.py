"""Compare MuJoCo's myoLegs with OpenSim on one walk: joint moments, activations, time per frame.

Both solve static optimization for the same joint angles and ground reaction. Fails if the
correlation of a hip flexion, knee or ankle moment with OpenSim's is .9 or less.

    tools/compare-mujoco [FOLDER]

FOLDER holds coordinates.sto, grf_walk.mot, id_walk.sto and subject_walk_scaled.osim (OpenSim's
example3DWalking); by default the shared recordings next to the checkout. Needs OpenSim.
"""

import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from nem2e_tf.io.storage import Storage, read_storage, write_storage
from nem2e_tf.muscles import try_parse_label
from nem2e_tf.simulate.mujoco.route import simulate
from nem2e_tf.simulate.opensim.activation import SO, SoSettings
from nem2e_tf.simulate.opensim.stage import run_stage

START, END, RATE = 0.5, 1.75, 50.0
PLATES = {"r": "ground_force_r", "l": "ground_force_l"}
LOADS = ("calcn_r=ground_force_r", "calcn_l=ground_force_l")
NEEDED_R = 0.9
SHOWN = (
    *("soleus", "gasmed", "gaslat", "tibant", "vaslat", "vasmed", "recfem", "bflh", "semimem"),
    *("glmax1", "glmed1", "iliacus", "psoas", "addlong"),
)


def thinned(path: Path) -> Storage:
    """The recording's angles at `RATE`, with the patella in rad like all other angles.

    The header says radians, but the patella's coordinates are degrees.
    """
    motion = read_storage(path)
    step = round((motion.n_rows - 1) / (motion.time[-1] - motion.time[0]) / RATE)
    data = motion.data[::step].copy()
    patella = [i for i, label in enumerate(motion.labels) if "_beta/" in label]
    data[:, patella] = np.deg2rad(data[:, patella])
    return replace(motion, time=motion.time[::step], data=data, notes=(), path=None)


def correlation(ours: Storage, label: str, theirs: Storage, other: str) -> float:
    """Pearson correlation of a column, interpolated to our times."""
    there = np.interp(ours.time, theirs.time, theirs.column(other))
    return float(np.corrcoef(ours.column(label), there)[0, 1])


def main() -> int:
    """Run both simulators and print the comparison."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    shared = Path(os.environ.get("NEM2E_SHARED_DATA", beside))
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else shared / "opensim_walk3d"
    model, forces = folder / "subject_walk_scaled.osim", folder / "grf_walk.mot"
    with tempfile.TemporaryDirectory() as scratch:
        motion = Path(scratch) / "coordinates.sto"
        write_storage(motion, thinned(folder / "coordinates.sto"))
        began = time.perf_counter()
        ours = simulate(
            motion,
            forces,
            plates=PLATES,
            scaled_model=model,
            cutoff=0.0,
            rate=RATE,
            start=START,
            end=END,
        )
        our_seconds = time.perf_counter() - began
        theirs = run_stage(
            SO,
            SoSettings(model, motion, forces, load=LOADS, start=START, end=END, cutoff=-1.0),
            Path(scratch) / "so",
        )
        activation = read_storage(theirs.outputs["activation"])
    count = ours.activation.n_rows
    ours_ms, theirs_ms = (1e3 * seconds / count for seconds in (our_seconds, theirs.seconds))
    print(f"{count} frames          myoLegs   OpenSim")
    print(f"ms a frame, with loading {ours_ms:7.1f} {theirs_ms:9.1f}")
    print(f"ms a frame, frames alone {1e3 * ours.seconds_per_frame:7.1f}")
    reference = read_storage(folder / "id_walk.sto")
    print("\nmoment, r against OpenSim's inverse dynamics")
    failed = False
    for label in ours.moments.labels:
        r = correlation(ours.moments, label, reference, label)
        failed |= r <= NEEDED_R and label.startswith(("hip_flexion", "knee", "ankle"))
        print(f"{label:<24} {r:6.3f}")
    found = {}
    for label in activation.labels:
        muscle = try_parse_label(label)
        if muscle and f"{muscle.muscle}_{muscle.side}" in ours.activation.labels:
            name = f"{muscle.muscle}_{muscle.side}"
            found[name] = correlation(ours.activation, name, activation, label)
    print("\nactivation, r against OpenSim's static optimization: right, left")
    for muscle in SHOWN:
        print(f"{muscle:<10} {found[f'{muscle}_r']:6.2f} {found[f'{muscle}_l']:6.2f}")
    values = np.array(list(found.values()))
    print(f"median of {len(values)}: {np.median(values):.2f}; above .8: {(values > 0.8).sum()}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
