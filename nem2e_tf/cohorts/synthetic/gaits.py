"""Parameters of the two synthetic cohorts: speeds, sizes, electrodes, strengths of distortion."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nem2e_tf.cohorts.cohort import CYCLE_COLUMNS
from nem2e_tf.cohorts.synthetic.activity import RUN, WALK, Float, Times, Variation
from nem2e_tf.cohorts.synthetic.distortion import Distortion
from nem2e_tf.errors import InputError, near
from nem2e_tf.muscles import GAIT2392

CHANNELS = [f"{name}_{leg}" for leg in ("ipsi", "contra") for name in GAIT2392]

NORMALISATION = "share of each subject's maximum over all speeds (synthetic)"


@dataclass(frozen=True)
class Electrode:
    """An electrode and the muscles it records, of the leg whose contact starts the cycle."""

    name: str
    picks_up: dict[str, float]
    columns: dict[str, tuple[str, ...]]  # measured muscle -> muscles it is compared with


@dataclass(frozen=True)
class Gait:
    """Parameters of a synthetic cohort.

    Attributes
    ----------
    speeds, conditions, durations, toe_offs : tuples, one value per condition
        Speed, m/s; name; duration of a cycle, s; end of stance, percent of the cycle.
    usual_toe_off : float
        End of stance to which the times of `bursts` refer.
    gain_noise, noise : float
        Standard deviation of the EMG's smooth noise: relative to the activity, and additive.
    """

    bursts: dict[str, tuple[Times, ...]]
    electrodes: tuple[Electrode, ...]
    distortion: Distortion
    n_subjects: int
    n_cycles: int
    speeds: tuple[float, ...]
    conditions: tuple[str, ...]
    durations: tuple[float, ...]
    toe_offs: tuple[float, ...]
    usual_toe_off: float
    seed: int
    variation: Variation
    gain_noise: float = 0.11
    noise: float = 0.02


def _single(name: str, *, also: dict[str, float]) -> Electrode:
    return Electrode(name, {name: 1.0 - sum(also.values()), **also}, {name: (name,)})


GAITS = {
    "walk": Gait(
        bursts=WALK,
        electrodes=(
            _single("recfem", also={"vaslat": 0.06}),
            Electrode(
                "medial_hamstrings",
                {"semimem": 0.5, "semiten": 0.46, "grac": 0.04},
                {"semimem": ("semimem", "semiten")},
            ),
            Electrode(
                "lateral_hamstrings",
                {"bflh": 0.5, "bfsh": 0.45, "vaslat": 0.05},
                {"bflh": ("bflh", "bfsh")},
            ),
            _single("tibant", also={"edl": 0.06, "perlong": 0.03}),
            Electrode(
                "gastroc_soleus",
                {"gasmed": 0.4, "gaslat": 0.2, "soleus": 0.36, "perlong": 0.04},
                {"gasmed": ("gasmed", "gaslat", "soleus")},
            ),
        ),
        distortion=Distortion(),
        n_subjects=8,
        n_cycles=1,
        speeds=(0.54, 0.75, 1.15, 1.56),
        conditions=("very-slow", "slow", "free", "fast"),
        durations=(1.75, 1.48, 1.16, 0.99),
        toe_offs=(67.0, 65.0, 62.0, 60.0),
        usual_toe_off=62.0,
        seed=2008,
        variation=Variation(common=0.95),
    ),
    "run": Gait(
        bursts=RUN,
        electrodes=(
            _single("bflh", also={"semiten": 0.05}),
            _single("gaslat", also={"soleus": 0.05, "perlong": 0.03}),
            _single("gasmed", also={"soleus": 0.06}),
            Electrode(
                "glmax",
                {"glmax1": 0.38, "glmax2": 0.38, "glmax3": 0.2, "glmed3": 0.04},
                {name: (name,) for name in ("glmax1", "glmax2", "glmax3")},
            ),
            Electrode(
                "glmed",
                {"glmed1": 0.35, "glmed2": 0.4, "glmed3": 0.2, "tfl": 0.05},
                {name: (name,) for name in ("glmed1", "glmed2", "glmed3")},
            ),
            _single("recfem", also={"vaslat": 0.06}),
            Electrode(
                "medial_hamstrings",
                {"semimem": 0.5, "semiten": 0.46, "grac": 0.04},
                {name: (name,) for name in ("semimem", "semiten")},
            ),
            _single("soleus", also={"gaslat": 0.06}),
            _single("tibant", also={"edl": 0.06, "perlong": 0.03}),
            _single("vaslat", also={"recfem": 0.05}),
            _single("vasmed", also={"recfem": 0.03}),
        ),
        distortion=Distortion(lag_ms=75.0, lag_spread_ms=15.0),
        n_subjects=10,
        n_cycles=3,
        speeds=(2.0, 3.0, 4.0, 5.0),
        conditions=("run200", "run300", "run400", "run500"),
        durations=(0.77, 0.73, 0.69, 0.64),
        toe_offs=(41.0, 37.0, 33.0, 30.0),
        usual_toe_off=36.0,
        seed=2013,
        variation=Variation(common=0.7),
    ),
}


def resize(
    name: str,
    *,
    seed: int | None = None,
    distortion: Distortion | None = None,
    n_subjects: int | None = None,
    speeds: Sequence[float] | None = None,
    n_cycles: int | None = None,
) -> Gait:
    """Return the parameters of a cohort with changes; see `synthesise`."""
    if name not in GAITS:
        raise InputError(
            f"name: expected {' or '.join(GAITS)}, found {name!r}{near(name, [*GAITS])}"
        )
    gait = GAITS[name]
    sizes = {"n_subjects": n_subjects, "n_cycles": n_cycles}
    for what, count in sizes.items():
        if count is not None and count < 1:
            raise InputError(f"{what}: expected 1 or more, found {count}")
    changes: dict[str, object] = {what: n for what, n in sizes.items() if n is not None}
    if seed is not None:
        changes["seed"] = seed
    if distortion is not None:
        changes["distortion"] = distortion
    if speeds is not None:
        low, high = gait.speeds[0], gait.speeds[-1]
        if not speeds or min(speeds) < low or max(speeds) > high:
            raise InputError(
                f"speeds: expected one or more of {low:g} to {high:g} m/s, found {list(speeds)}"
            )
        if len(set(speeds)) < len(speeds):
            raise InputError(f"speeds: expected different speeds, found {list(speeds)}")
        changes |= {
            "speeds": tuple(float(speed) for speed in speeds),
            "conditions": tuple(f"speed-{speed:g}" for speed in speeds),
            "durations": tuple(np.interp(speeds, gait.speeds, gait.durations).tolist()),
            "toe_offs": tuple(np.interp(speeds, gait.speeds, gait.toe_offs).tolist()),
        }
    return replace(gait, **changes)  # type: ignore[arg-type]


def sight_of(electrodes: Sequence[Electrode]) -> Float:
    """Return the weight of each channel in each electrode's signal, [electrode, channel]."""
    sight = np.zeros((len(electrodes), len(CHANNELS)))
    for row, electrode in enumerate(electrodes):
        for muscle, share in electrode.picks_up.items():
            sight[row, GAIT2392.index(muscle)] = share
    return sight


def cycle_table(gait: Gait, condition: NDArray[np.intp], duration: Float) -> pd.DataFrame:
    """Return the cohort's table of cycles.

    Parameters
    ----------
    condition : int array [cycle of a subject]
        Index of the condition of each cycle, the same for all subjects.
    duration : float array [cycle]
        s.
    """
    width = max(2, len(str(gait.n_subjects)))
    rows = []
    for subject in range(gait.n_subjects):
        name = f"S{subject + 1:0{width}d}"
        lasts = duration[subject * len(condition) : (subject + 1) * len(condition)]
        for i, where in enumerate(condition):
            first = i - i % gait.n_cycles
            label = gait.conditions[where]
            start, end = (round(float(lasts[first:last].sum()), 4) for last in (i, i + 1))
            who = (name, label, gait.speeds[where], "right", f"{name} {label}")
            rows.append((*who, i % gait.n_cycles + 1, start, end))
    return pd.DataFrame(rows, columns=list(CYCLE_COLUMNS))


def muscle_table(electrodes: Sequence[Electrode]) -> pd.DataFrame:
    """Return the cohort's table of measured muscles."""
    return pd.DataFrame(
        [
            {
                "name": muscle,
                "electrode": electrode.name,
                "counterparts": " ".join(f"{one}_ipsi" for one in counterparts),
            }
            for electrode in electrodes
            for muscle, counterparts in electrode.columns.items()
        ]
    )
