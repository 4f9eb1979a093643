"""Recordings of a made-up person: a walk of ten seconds at 100 Hz, one cycle a second."""

from pathlib import Path

import numpy as np

from nem2e_tf.io.storage import Storage, write_storage
from nem2e_tf.io.trc import Markers

TIME = np.arange(0, 10.001, 0.01)
LABELS = ("soleus_r", "soleus_l", "tib_ant_r", "tib_ant_l", "knee_angle_r_reserve")


def activation(time):
    """Soleus and tibialis of both legs, the left leg half a cycle late, and a reserve."""
    right, left = np.mod(time, 1), np.mod(time + 0.5, 1)
    heights = [0.8, 0.8, 0.5, 0.5, 1]
    return np.stack([right, left, 1 - right, 1 - left, 50 * right], axis=1) * heights


def store(path, labels, data, time=TIME):
    write_storage(path, Storage(path.stem, tuple(labels), time, np.asarray(data, dtype=float)))


def markers_of(positions, names=None, time=None):
    positions = np.asarray(positions, dtype=float)
    names = names or [f"m{i}" for i in range(positions.shape[1])]
    time = np.arange(len(positions)) / 100 if time is None else time
    return Markers(tuple(names), time, positions, Path("made"))
