"""A laboratory's folder: three people on a treadmill, a manifest, and the files that it lists."""

import numpy as np
from support.recordings import LABELS, TIME, activation, store

PLATE = "1_ground_force"


def write_laboratory(folder, *, subjects=3):
    """Write ``manifest.csv``, ``channels.csv``, and per person activation, EMG and forces.

    ``activation.sto`` and ``grf.mot`` are those of a person who is not in the manifest.
    """
    rows = ["subject,condition,speed,side,simulated,emg,ground_reaction,plate"]
    for number in range(1, subjects + 2):
        scale = 1 - 0.15 * number
        simulated = activation(TIME) * scale
        names = (f"so{number}.sto", f"emg{number}.sto", f"grf{number}.mot")
        if number > subjects:
            names = ("activation.sto", "unused.sto", "grf.mot")
        store(folder / names[0], LABELS, simulated)
        # The left leg's electrodes see the simulation 0.1 s later and half as strong, and as all
        # envelopes they differ from cycle to cycle.
        emg = np.stack(
            [np.interp(TIME - 0.1, TIME, simulated[:, column]) / 2 for column in (1, 3)], 1
        )
        noise = np.random.default_rng(number).normal(size=(len(TIME) // 10 + 2, 2))
        knots = np.arange(len(noise)) * 0.1
        swings = np.stack([np.interp(TIME, knots, column) for column in noise.T], 1)
        store(folder / names[1], ("sol", "ta"), np.abs(emg + 0.06 * swings))
        stance = np.mod(TIME + 0.5, 1) < 0.6
        force = np.where(stance, 700.0, 0.0)
        zeros = np.zeros_like(force)
        columns = [f"{PLATE}_{part}" for part in ("vx", "vy", "vz", "px", "py", "pz")]
        store(folder / names[2], columns, np.stack([zeros, force, *[zeros] * 4], 1))
        if number <= subjects:
            rows.append(f"S{number},walk,1.2,l,{','.join(names)},{PLATE}")
    (folder / "manifest.csv").write_text("\n".join([*rows, ""]))
    (folder / "channels.csv").write_text("column,muscle\nsol,soleus\nta,tibant\n")
    return folder
