"""A cohort of a few made-up cycles: large enough to fit on, small enough to fit in seconds."""

import numpy as np
import pandas as pd

from nem2e_tf.cohorts.cohort import POINTS, Cohort

CHANNELS = ("soleus_ipsi", "glmed1_ipsi", "glmed2_ipsi", "soleus_contra")
MUSCLES = (("soleus", "soleus_ipsi"), ("glmed1", "glmed1_ipsi glmed2_ipsi"))


def tiny_cohort(*, subjects=4, conditions=("slow", "fast"), cycles=1, seed=0):
    """Cycles of bursts whose timing varies; the EMG is late, weaker and noisy."""
    random = np.random.default_rng(seed)
    rows = [
        (f"subject-{s + 1}", condition, 1.0 + c, "left", f"{s}{c}", k, 2.0 * k, 2.0 * k + 1)
        for s in range(subjects)
        for c, condition in enumerate(conditions)
        for k in range(cycles)
    ]
    phase = np.linspace(0, 1, POINTS)[None, :, None]
    peak = random.uniform(0.2, 0.8, (len(rows), 1, len(CHANNELS)))
    height = random.uniform(0.4, 0.9, (len(rows), 1, len(CHANNELS)))
    simulated = height * np.exp(4 * (np.cos(2 * np.pi * (phase - peak)) - 1))
    late = height * np.exp(4 * (np.cos(2 * np.pi * (phase - peak - 0.05)) - 1))
    measured = np.stack([0.7 * late[..., 0] + 0.1, 0.5 * late[..., 1:3].mean(axis=2)], axis=2)
    measured += 0.02 * random.standard_normal((len(rows), 1, 2))
    columns = ["subject", "condition", "speed", "side", "trial", "cycle", "start", "end"]
    return Cohort(
        name="tiny",
        simulated=simulated.astype(np.float32),
        measured=measured.astype(np.float32),
        cycles=pd.DataFrame(rows, columns=columns),
        channels=pd.DataFrame({"name": CHANNELS, "source": CHANNELS}),
        muscles=pd.DataFrame(
            {
                "name": [name for name, _ in MUSCLES],
                "electrode": [name for name, _ in MUSCLES],
                "counterparts": [names for _, names in MUSCLES],
            }
        ),
    )


def changed(cohort, *, simulated=None, measured=None, cycles=None, muscles=None):
    """The same cohort with other arrays or tables."""
    return Cohort(
        name=cohort.name,
        simulated=cohort.simulated if simulated is None else simulated,
        measured=cohort.measured if measured is None else measured,
        cycles=cohort.cycles if cycles is None else cycles,
        channels=cohort.channels,
        muscles=cohort.muscles if muscles is None else muscles,
    )


def poisoned(cohort, subject):
    """The same cohort with large wild numbers instead of one subject's simulation and EMG."""
    random = np.random.default_rng(666)
    rows = (cohort.cycles["subject"] == subject).to_numpy()
    simulated, measured = cohort.simulated.copy(), cohort.measured.copy()
    simulated[rows] = random.uniform(-1e3, 1e3, simulated[rows].shape)
    measured[rows] = random.uniform(-1e3, 1e3, measured[rows].shape)
    return changed(cohort, simulated=simulated, measured=measured)
