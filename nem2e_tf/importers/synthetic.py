"""Two embedded cohorts with the structure of the public ones, and the truth planted in them.

`make` gives ``walk`` (8 subjects, 4 speeds, 5 muscles; the structure of Liu et al., J Biomech 41
(2008)) or ``run`` (10 subjects, 4 speeds, 3 cycles, 16 columns from 11 electrodes; of Hamner &
Delp, J Biomech 46 (2013)). True activity (`activity`, `bursts`) is measured by electrodes and,
apart from that, distorted into a simulation (`distortion`).

The parameters and the contents of the two cohorts are fixed: ``DIGESTS`` are those of
``make("walk").cohort`` and ``make("run").cohort``. Numbers are rounded to 1e-6 and drawn without
functions whose last bits differ between processors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nem2e_tf.cohort import POINTS, Cohort
from nem2e_tf.errors import InputError, near
from nem2e_tf.importers.activity import Float
from nem2e_tf.importers.distortion import Distortion
from nem2e_tf.importers.drawing import SubjectDraw, stored
from nem2e_tf.importers.gaits import (
    CHANNELS,
    GAITS,
    NORMALISATION,
    Gait,
    cycle_table,
    muscle_table,
    resize,
)

DIGESTS = {
    "walk": "88b608b6fa65ffcf742656518382d4876a5dc01fcf0d4707916c8a983a523bba",
    "run": "ea9c11cd7ed700129d19e2d28813ac3566d2d12a763dbd5e50606aabb34c6191",
}


@dataclass(frozen=True, eq=False)
class Truth:
    """What was planted.

    Attributes
    ----------
    distortion : Distortion
        The strengths asked for.
    latent : float32 array [cycle, 101, channel]
        True activity, in units of the subject's maximum.
    lag : float64 array [cycle, channel]
        Lag of the simulation in percent of the cycle, positive late.
    gain : float64 array [cycle, channel]
        Simulated per true activity.
    leak : float64 array [channel, channel]
        Simulated channels from true ones; rows add up to 1.
    electrodes : float64 array [muscle, channel]
        What each measured muscle's electrode picks up.
    emg : float32 array [cycle, 101, muscle]
        The measured EMG without its noise.
    oracle : float32 array [cycle, 101, muscle]
        The simulation with the planted distortion undone, seen through the electrodes and in units
        of the subject's EMG: what is left to err are the noise of simulation and EMG. A practical
        ceiling for any refiner. It reads no EMG but for the subject's scale.
    cut : float
        Share of simulated values that had to be cut to 0..1.
    """

    distortion: Distortion
    latent: NDArray[np.float32]
    lag: Float
    gain: Float
    leak: Float
    electrodes: Float
    emg: NDArray[np.float32]
    oracle: NDArray[np.float32]
    cut: float


@dataclass(frozen=True, eq=False)
class Synthetic:
    """A cohort and the truth planted in it."""

    cohort: Cohort
    truth: Truth


def make(
    name: str,
    *,
    seed: int | None = None,
    distortion: Distortion | None = None,
    n_subjects: int | None = None,
    speeds: Sequence[float] | None = None,
    n_cycles: int | None = None,
) -> Synthetic:
    """Make an embedded cohort.

    Parameters
    ----------
    name : str
        ``"walk"`` or ``"run"``.
    seed : int, optional
        Of all draws; the fixed cohort's own by default. Distortions of different strength with the
        same seed distort the same activity. A subject's activity does not depend on how many
        others there are.
    distortion : Distortion, optional
        The fixed cohort's own by default.
    n_subjects : int, optional
        8 walk and 10 run by default.
    speeds : sequence of float, optional
        m/s, for conditions other than the fixed cohort's four, within their range.
    n_cycles : int, optional
        Cycles a subject and condition; 1 in walking and 3 in running by default.

    Returns
    -------
    Synthetic
        Without NaN: every electrode is good.

    Raises
    ------
    InputError
        An unknown name, fewer than one subject, speed or cycle, or a speed outside the range.

    Examples
    --------
    >>> make("walk").cohort.simulated.shape
    (32, 101, 92)
    """
    gait, usual = gait_of(
        name,
        seed=seed,
        distortion=distortion,
        n_subjects=n_subjects,
        speeds=speeds,
        n_cycles=n_cycles,
    )
    parts: dict[str, list[Float]] = {}
    cut = []
    draw = SubjectDraw(gait, usual=usual)
    for subject in range(gait.n_subjects):
        drawn, share = draw(subject)
        cut.append(share)
        for key, part in drawn.items():
            parts.setdefault(key, []).append(part)

    joined = {key: np.concatenate(part) for key, part in parts.items()}
    columns = draw.columns
    cohort = Cohort(
        name=name,
        simulated=stored(joined["simulated"]),
        measured=stored(joined["measured"])[:, :, columns],
        cycles=cycle_table(gait, draw.condition, joined["duration"]),
        channels=pd.DataFrame({"name": CHANNELS, "source": CHANNELS}),
        muscles=muscle_table(gait.electrodes),
        normalisation=NORMALISATION,
    )
    truth = Truth(
        distortion=gait.distortion,
        latent=stored(joined["latent"]),
        lag=joined["lag"],
        gain=joined["gain"],
        leak=draw.planted.leak,
        electrodes=draw.sight[columns],
        emg=stored(joined["emg"])[:, :, columns],
        oracle=stored(joined["oracle"])[:, :, columns],
        cut=float(np.mean(cut)),
    )
    return Synthetic(cohort=cohort, truth=truth)


def gait_of(name: str, **changes: Any) -> tuple[Gait, tuple[float, ...]]:
    """Parameters of an embedded cohort with some of them changed, and its usual speeds.

    Parameters
    ----------
    name : str
    **changes
        As for `make`; None leaves one as it is.
    """
    if name not in GAITS:
        raise InputError(
            f"embedded cohort {name!r}: expected {' or '.join(GAITS)}{near(name, list(GAITS))}"
        )
    return resize(GAITS[name], **changes), GAITS[name].speeds


def oracle_skill(synthetic: Synthetic) -> dict[str, float]:
    """Skill of the oracle over the mean pattern of the other subjects, of each measured muscle.

    On 20 samples a cycle: root mean square error of a cycle, averaged over the cycles of a
    condition, then over conditions; skill = 1 - oracle / mean pattern of each subject, averaged
    over subjects. The mean pattern is that of all cycles of the other subjects.

    Raises
    ------
    InputError
        The cohort has one subject only.

    Examples
    --------
    >>> skill = oracle_skill(make("walk"))
    >>> skill["tibant"] > 0.2
    True
    """
    cohort = synthetic.cohort
    subject = cohort.cycles["subject"].to_numpy()
    condition = cohort.cycles["condition"].to_numpy()
    if len(set(subject)) < 2:
        raise InputError("oracle skill: expected two or more subjects, found one")
    target, oracle = _thin(cohort.measured), _thin(synthetic.truth.oracle)
    skills = []
    for name in dict.fromkeys(subject):
        own = subject == name
        pattern = target[~own].mean(axis=0)
        error = {
            which: np.sqrt(np.mean((estimate - target[own]) ** 2, axis=1))
            for which, estimate in (("oracle", oracle[own]), ("pattern", pattern))
        }
        mean = {
            which: np.mean(
                [values[condition[own] == one].mean(axis=0) for one in set(condition[own])], axis=0
            )
            for which, values in error.items()
        }
        skills.append(1.0 - mean["oracle"] / mean["pattern"])
    values = np.mean(skills, axis=0)
    return {name: float(values[i]) for i, name in enumerate(cohort.muscle_names)}


def _thin(values: NDArray[np.float32]) -> Float:
    at = np.linspace(0.0, 100.0, 20)
    low = np.minimum(at.astype(int), POINTS - 2)
    rest = (at - low)[None, :, None]
    return values[:, low] * (1.0 - rest) + values[:, low + 1] * rest
