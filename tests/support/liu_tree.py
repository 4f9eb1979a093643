"""Folders as Liu et al.'s (2008) release may unpack to, with generated signals and known truth.

The layout of the release was not seen: subject, speed word and number are in the names, here in
several spellings, and the folders differ between subjects.
"""

import numpy as np
from support.hamner_tree import OLD_NAMES, height, write_setup, write_table

from nem2e_tf.muscles import ELECTRODES_WALK, GAIT2392

SPELLINGS = {
    "very-slow": "VerySlow",
    "slow": "Slow",
    "free": "Free",
    "fast": "Fast",
}
PREFIXES = {
    "recfem": "RF",
    "medial_hamstrings": "MEDHAM",
    "lateral_hamstrings": "LATHAM",
    "tibant": "TA",
    "gastroc_soleus": "GAS",
}
CONDITIONS = tuple(SPELLINGS)
_RATE = 600


def number(subject, condition):
    return 1 + (subject + CONDITIONS.index(condition)) % 4


def side(subject, condition):
    """The leg that stands at the start of the stretch."""
    return "rl"[(subject + CONDITIONS.index(condition)) % 2]


def bounds(subject, condition):
    """Opposite toe-off to opposite contact, s: not from zero, shorter than a stride."""
    return 0.12 + 0.01 * subject, 0.9 - 0.08 * CONDITIONS.index(condition)


def activation(subject, condition, muscle, leg, share):
    phase = GAIT2392.index(muscle) / len(GAIT2392) + (0.5 if leg == "l" else 0)
    tall = height(subject, CONDITIONS.index(condition), 1)
    return 0.5 + 0.45 * tall * np.cos(2 * np.pi * (share - phase))


def envelope(subject, condition, electrode, leg, time):
    start, end = bounds(subject, condition)
    phase = GAIT2392.index(ELECTRODES_WALK[electrode][0]) / len(GAIT2392)
    phase += 0.5 if leg == "l" else 0
    tall = height(subject, CONDITIONS.index(condition), 2)
    return 0.5 + 0.4 * tall * np.cos(2 * np.pi * ((time - start) / (end - start) - phase))


def trial_folder(folder, subject, condition):
    name = f"GIL{subject:02d}"
    home = folder / name / name if subject % 2 else folder / name
    return home / f"{SPELLINGS[condition]}{number(subject, condition)}"


def write_trial(folder, subject, condition, *, muscles=GAIT2392, legs="rl", setup=True):
    """Write a trial: states of RRA and CMC, envelopes with their companions, a setup file."""
    home = trial_folder(folder, subject, condition)
    name = f"GIL{subject:02d}_{SPELLINGS[condition].lower()}{number(subject, condition)}"
    start, end = bounds(subject, condition)
    time = np.linspace(start, end, 700)
    standing = side(subject, condition)
    angles = {leg: np.radians(-12.0 if leg == standing else -42.0) for leg in "rl"}
    labels, columns = [], []
    for leg in "rl":
        labels += [f"knee_angle_{leg}", f"knee_angle_{leg}_u"]
        columns += [np.full(len(time), angles[leg]), np.ones(len(time))]
        for muscle in muscles:
            labels.append(f"{OLD_NAMES.get(muscle, muscle)}_{leg}.activation")
            share = (time - start) / (end - start)
            columns.append(activation(subject, condition, muscle, leg, share))
    write_table(home / "CMC" / f"{name}_cmc_states.sto", labels, time, np.stack(columns, axis=1))
    write_table(home / "RRA" / f"{name}_RRA2_states.sto", ("knee_angle_r",), time, time[:, None])
    if setup:
        write_setup(home / "CMC" / f"{name}_Setup_CMC.xml", start, end, prose=subject == 1)
    clock = np.arange(int(1.1 * _RATE)) / _RATE
    labels, columns = [], []
    for leg in legs:
        for electrode, prefix in PREFIXES.items():
            labels += [f"{leg.upper()}_{prefix}_emgRec", f"{leg.upper()}_{prefix}_emgEnv"]
            curve = envelope(subject, condition, electrode, leg, clock)
            columns += [np.zeros(len(clock)), curve]
    write_table(home / f"{name}EmgEnv.mot", labels, clock, np.stack(columns, axis=1))


def write_tree(folder, *, subjects=(1, 2, 3), missing=(), **options):
    for subject in subjects:
        for condition in CONDITIONS:
            if (subject, condition) not in missing:
                write_trial(folder, subject, condition, **options)
