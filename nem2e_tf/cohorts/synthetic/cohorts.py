"""Synthetic cohorts with the structure of the public data sets, and their planted truth.

``walk`` has the structure of Liu et al., J Biomech 41 (2008): 8 subjects, 4 speeds, 5 muscles.
``run`` has that of Hamner & Delp, J Biomech 46 (2013): 10 subjects, 4 speeds, 3 cycles, 16 columns
of 11 electrodes. True activity (`activity`) is measured by electrodes and, independently, distorted
into a simulation (`distortion`).

Parameters and content of both cohorts are fixed: ``DIGESTS`` are the digests of
``synthesise("walk")`` and ``synthesise("run")``. Numbers are rounded to 1e-6 and drawn without
functions whose last bits differ between processors.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nem2e_tf.cohorts.cohort import POINTS, Cohort
from nem2e_tf.cohorts.synthetic.activity import Float, activity, normal
from nem2e_tf.cohorts.synthetic.distortion import (
    SINGLE_DISTORTIONS,
    Distortion,
    distort,
    plant,
    undo,
)
from nem2e_tf.cohorts.synthetic.gaits import (
    CHANNELS,
    GAITS,
    NORMALISATION,
    Gait,
    cycle_table,
    muscle_table,
    resize,
    sight_of,
)
from nem2e_tf.errors import InputError, near
from nem2e_tf.io.files import output_folder, replacing
from nem2e_tf.muscles import GAIT2392

DECIMALS = 6
N_MUSCLES = len(GAIT2392)
KNOTS = 12  # independent random numbers of smooth noise per cycle


class SubjectDraw:
    """Draws the activity of one subject after the other; shared values are drawn first.

    Attributes
    ----------
    condition : int array [cycle of a subject]
        Index of the condition of each cycle.
    columns : list of int
        Electrode of each measured muscle.
    sight : float64 array [electrode, channel]
        Weight of each channel in each electrode's signal.
    planted : Planted
        Distortion shared by all subjects.
    """

    def __init__(self, gait: Gait, *, usual: Sequence[float]) -> None:
        self.gait = gait
        self.condition = np.repeat(np.arange(len(gait.speeds)), gait.n_cycles)
        speeds = np.array(gait.speeds)[self.condition]
        self.pace = 2.0 * (speeds - usual[0]) / (usual[-1] - usual[0]) - 1.0
        self.columns = [i for i, one in enumerate(gait.electrodes) for _ in one.columns]
        self.sight = sight_of(gait.electrodes)
        self.planted = plant(gait.distortion, GAIT2392, _generator(gait.seed, 0))

    def __call__(self, subject: int) -> tuple[dict[str, Float], float]:
        """Draw one subject.

        Returns
        -------
        parts : dict of arrays
            ``latent``, ``simulated`` [cycle, 101, channel]; ``measured``, ``emg`` and ``oracle``
            [cycle, 101, electrode]; ``lag``, ``gain`` [cycle, channel]; ``duration`` [cycle].
        cut : float
            Share of simulated values that were clipped to 0 to 1.
        """
        gait, n_cycles = self.gait, len(self.condition)
        latent = activity(
            gait.bursts,
            GAIT2392,
            speed=self.pace,
            toe_off=np.array(gait.toe_offs)[self.condition],
            usual_toe_off=gait.usual_toe_off,
            variation=gait.variation,
            generator=_generator(gait.seed, 1, subject),
        )
        seen = latent @ self.sight.T
        raw = _measure(seen, gait, _generator(gait.seed, 2, subject))
        scale = raw.max(axis=(0, 1))

        generator = _generator(gait.seed, 3, subject)
        duration = np.array(gait.durations)[self.condition]
        lasts = duration * (1.0 + 0.02 * normal(generator, n_cycles))
        strengths = gait.distortion
        late = self.planted.lag_ms + strengths.subject_lag_ms * normal(generator, N_MUSCLES)
        weak = self.planted.gain * (1.0 + strengths.subject_gain * normal(generator, N_MUSCLES))
        own = {
            "lag": strengths.lag_percent + np.tile(late, 2) / (10.0 * lasts[:, None]),
            "gain": np.tile(weak, (n_cycles, 2)),
            "leak": self.planted.leak,
        }
        noise = _smooth(generator, n_cycles, 2 * N_MUSCLES)
        simulated, cut = distort(latent, strengths, noise=noise, **own)
        return {
            "latent": latent,
            "measured": raw / scale,
            "emg": seen / scale,
            "simulated": simulated,
            "oracle": undo(simulated, strengths, **own) @ self.sight.T / scale,
            "lag": own["lag"],
            "gain": own["gain"],
            "duration": lasts,
        }, cut


def stored(values: Float) -> NDArray[np.float32]:
    """Round to the precision of the stored cohort."""
    return np.round(values, DECIMALS).astype(np.float32)


def _generator(*entropy: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))


def _measure(seen: Float, gait: Gait, generator: np.random.Generator) -> Float:
    """Return EMG envelopes before division by the subject's maximum; never negative."""
    n_cycles, _, n_electrodes = seen.shape
    along = gait.gain_noise * _smooth(generator, n_cycles, n_electrodes)
    added = gait.noise * _smooth(generator, n_cycles, n_electrodes)
    return np.abs(seen * (1.0 + along) + added)


def _smooth(generator: np.random.Generator, n_cycles: int, n_curves: int) -> Float:
    """Return smooth periodic noise (quadratic splines) [cycle, 101, curve], deviation 1."""
    distance = np.abs(np.mod(np.arange(POINTS)[:, None] * KNOTS / 100.0 - np.arange(KNOTS), KNOTS))
    distance = np.minimum(distance, KNOTS - distance)
    weights = np.where(
        distance < 0.5, 0.75 - distance**2, 0.5 * np.maximum(1.5 - distance, 0.0) ** 2
    )
    weights /= np.sqrt(np.sum(weights**2, axis=1, keepdims=True))
    return weights @ normal(generator, n_cycles, KNOTS, n_curves)


DIGESTS = {
    "walk": "88b608b6fa65ffcf742656518382d4876a5dc01fcf0d4707916c8a983a523bba",
    "run": "ea9c11cd7ed700129d19e2d28813ac3566d2d12a763dbd5e50606aabb34c6191",
}


@dataclass(frozen=True, eq=False)
class Truth:
    """The truth behind a synthetic cohort.

    Attributes
    ----------
    distortion : Distortion
        The strengths of the distortion.
    latent : float32 array [cycle, 101, channel]
        True activity, relative to the subject's maximum.
    lag : float64 array [cycle, channel]
        Lag of the simulation in percent of the cycle, positive if late.
    gain : float64 array [cycle, channel]
        Ratio of simulated to true activity.
    leak : float64 array [channel, channel]
        Weights of true channels in simulated ones; each row sums to 1.
    electrodes : float64 array [muscle, channel]
        Weight of each channel in the signal of each muscle's electrode.
    emg : float32 array [cycle, 101, muscle]
        The measured EMG without its noise.
    oracle : float32 array [cycle, 101, muscle]
        The simulation with its distortion inverted, mixed as by the electrodes, in units of the
        subject's EMG. The remaining error is the noise of simulation and EMG: a practical ceiling
        for any refiner. Of the EMG, it uses only the subject's scale.
    cut : float
        Share of simulated values that were clipped to 0 to 1.
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
    """A synthetic cohort and its truth."""

    cohort: Cohort
    truth: Truth


def synthesise(
    name: str,
    *,
    seed: int | None = None,
    distortion: Distortion | str | None = None,
    n_subjects: int | None = None,
    speeds: Sequence[float] | None = None,
    n_cycles: int | None = None,
    out: "str | os.PathLike[str] | None" = None,
) -> Cohort:
    """Generate a synthetic cohort with the structure of a public data set.

    Parameters
    ----------
    name : {"walk", "run"}
        ``walk``: 8 subjects at 4 speeds, 5 muscles. ``run``: 10 subjects at 4 speeds, 16 muscles
        of 11 electrodes. Both have 92 simulated channels.
    seed : int, optional
        Seed of all random draws; by default that of the published cohort. The same seed gives the
        same cohort, and a subject's activity does not depend on the number of subjects.
    distortion : Distortion or {"lag", "gain", "leak", "none"}, optional
        Error of the simulation; a name stands for a single kind of error. By default the
        cohort's own mixture of all of them.
    n_subjects : int, optional
        Number of subjects; by default 8 (walk) or 10 (run).
    speeds : sequence of float, optional
        Speeds in m/s, within the range of the default four.
    n_cycles : int, optional
        Cycles per subject and speed; by default 1 (walk) or 3 (run).
    out : path-like, optional
        Folder to write the cohort to, one subject after the other. Only one subject has to fit in
        memory; the arrays of the returned cohort are memory-mapped.

    Returns
    -------
    Cohort
        Without missing values.

    Raises
    ------
    InputError
        An unknown name, fewer than one subject, speed or cycle, a speed outside the range, or a
        folder that contains other files.

    Examples
    --------
    >>> synthesise("walk", n_subjects=3)
    <Cohort walk: 12 cycles of 3 subjects, 92 channels, 5 muscles>
    """
    if isinstance(distortion, str):
        if distortion not in SINGLE_DISTORTIONS:
            raise InputError(
                f"distortion: expected {', '.join(SINGLE_DISTORTIONS)}, found {distortion!r}"
                f"{near(distortion, list(SINGLE_DISTORTIONS))}"
            )
        distortion = SINGLE_DISTORTIONS[distortion]
    gait = resize(
        name,
        seed=seed,
        distortion=distortion,
        n_subjects=n_subjects,
        speeds=speeds,
        n_cycles=n_cycles,
    )
    draw = SubjectDraw(gait, usual=GAITS[name].speeds)
    if out is None:
        return _with_truth(name, draw).cohort
    folder = output_folder(out, marker="cohort.json")
    durations = []

    def parts() -> Iterator[dict[str, NDArray[np.float32]]]:
        for subject in range(gait.n_subjects):
            drawn, _ = draw(subject)
            durations.append(drawn["duration"])
            yield {
                "simulated": stored(drawn["simulated"]),
                "measured": stored(drawn["measured"])[:, :, draw.columns],
            }

    widths = {"simulated": len(CHANNELS), "measured": len(draw.columns)}
    arrays = _write_arrays(folder, gait.n_subjects * len(draw.condition), widths, parts())
    cohort = _cohort(name, draw, np.concatenate(durations), arrays["simulated"], arrays["measured"])
    cohort.save_tables(folder)
    return cohort


def make(name: str, **settings: Any) -> Synthetic:
    """Generate a synthetic cohort with its truth, in memory; settings as for `synthesise`.

    Examples
    --------
    >>> make("walk").truth.latent.shape
    (32, 101, 92)
    """
    return _with_truth(name, SubjectDraw(resize(name, **settings), usual=GAITS[name].speeds))


def _with_truth(name: str, draw: SubjectDraw) -> Synthetic:
    parts: dict[str, list[Float]] = {}
    clipped = []
    for subject in range(draw.gait.n_subjects):
        drawn, share = draw(subject)
        clipped.append(share)
        for key, part in drawn.items():
            parts.setdefault(key, []).append(part)
    joined = {key: np.concatenate(part) for key, part in parts.items()}
    kept = {key: stored(joined[key])[:, :, draw.columns] for key in ("measured", "emg", "oracle")}
    truth = Truth(
        distortion=draw.gait.distortion,
        latent=stored(joined["latent"]),
        lag=joined["lag"],
        gain=joined["gain"],
        leak=draw.planted.leak,
        electrodes=draw.sight[draw.columns],
        emg=kept["emg"],
        oracle=kept["oracle"],
        cut=float(np.mean(clipped)),
    )
    simulated = stored(joined["simulated"])
    return Synthetic(_cohort(name, draw, joined["duration"], simulated, kept["measured"]), truth)


def _cohort(
    name: str,
    draw: SubjectDraw,
    durations: Float,
    simulated: NDArray[np.float32],
    measured: NDArray[np.float32],
) -> Cohort:
    return Cohort(
        name=name,
        simulated=simulated,
        measured=measured,
        cycles=cycle_table(draw.gait, draw.condition, durations),
        channels=pd.DataFrame({"name": CHANNELS, "source": CHANNELS}),
        muscles=muscle_table(draw.gait.electrodes),
        normalisation=NORMALISATION,
    )


def write_repeated(path: "str | os.PathLike[str]", cohort: Cohort, *, times: int) -> Path:
    """Write copies of a cohort as one large cohort of different subjects, for benchmarks.

    Parameters
    ----------
    path : path-like
        The cohort folder.
    cohort : Cohort
    times : int
        Number of copies. Subject ``S01`` becomes ``S01-1``, ``S01-2``, ...

    Returns
    -------
    Path
        The folder.
    """
    folder = output_folder(path, marker="cohort.json")
    own = {"simulated": cohort.simulated, "measured": cohort.measured}
    arrays = _write_arrays(
        folder,
        len(cohort.cycles) * times,
        {key: array.shape[2] for key, array in own.items()},
        (own for _ in range(times)),
    )
    tables = [
        cohort.cycles.assign(
            subject=cohort.cycles["subject"] + f"-{time}", trial=cohort.cycles["trial"] + f"-{time}"
        )
        for time in range(1, times + 1)
    ]
    repeated = replace(
        cohort,
        simulated=arrays["simulated"],
        measured=arrays["measured"],
        cycles=pd.concat(tables, ignore_index=True),
    )
    repeated.save_tables(folder)
    return folder


def _write_arrays(
    folder: Path,
    count: int,
    widths: dict[str, int],
    parts: Iterator[dict[str, NDArray[np.float32]]],
) -> dict[str, NDArray[np.float32]]:
    """Write the arrays of `count` cycles part by part; return them memory-mapped."""
    with ExitStack() as open_files:
        streams: dict[str, BinaryIO] = {}
        # The stack closes the streams before it renames the files.
        places = {key: open_files.enter_context(replacing(folder / f"{key}.npy")) for key in widths}
        for key, place in places.items():
            streams[key] = open_files.enter_context(place.open("wb"))
            shape = (count, POINTS, widths[key])
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(streams[key], header)
        for part in parts:
            for key, values in part.items():
                streams[key].write(np.ascontiguousarray(values, dtype="<f4").tobytes())
    return {
        key: np.load(folder / f"{key}.npy", mmap_mode="r", allow_pickle=False) for key in widths
    }
