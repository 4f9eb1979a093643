"""Drawing the subjects of an embedded cohort, one after the other."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.cohort import POINTS
from nem2e_tf.importers.activity import Float, activity, normal
from nem2e_tf.importers.distortion import distort, plant, undo
from nem2e_tf.importers.gaits import Gait, sight_of
from nem2e_tf.muscles import GAIT2392

DECIMALS = 6
N_MUSCLES = len(GAIT2392)
KNOTS = 12  # smooth noise: independent numbers a cycle


class SubjectDraw:
    """Draws the activity of one subject after the other; what they share is drawn first.

    Attributes
    ----------
    condition : int array [cycle of a subject]
        Which of the conditions each cycle belongs to.
    columns : list of int
        The electrode behind each measured muscle.
    sight : float64 array [electrode, channel]
        What each electrode picks up.
    planted : Planted
        The distortion that all subjects share.
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
            Share of simulated values that had to be cut to 0..1.
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
    """Round to the precision that is kept."""
    return np.round(values, DECIMALS).astype(np.float32)


def _generator(*entropy: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))


def _measure(seen: Float, gait: Gait, generator: np.random.Generator) -> Float:
    """Envelope of the EMG, before division by the subject's maximum: never negative."""
    n_cycles, _, n_electrodes = seen.shape
    along = gait.gain_noise * _smooth(generator, n_cycles, n_electrodes)
    added = gait.noise * _smooth(generator, n_cycles, n_electrodes)
    return np.abs(seen * (1.0 + along) + added)


def _smooth(generator: np.random.Generator, n_cycles: int, n_curves: int) -> Float:
    """Smooth periodic noise [cycle, 101, curve] of standard deviation 1: quadratic splines."""
    distance = np.abs(np.mod(np.arange(POINTS)[:, None] * KNOTS / 100.0 - np.arange(KNOTS), KNOTS))
    distance = np.minimum(distance, KNOTS - distance)
    weights = np.where(
        distance < 0.5, 0.75 - distance**2, 0.5 * np.maximum(1.5 - distance, 0.0) ** 2
    )
    weights /= np.sqrt(np.sum(weights**2, axis=1, keepdims=True))
    return weights @ normal(generator, n_cycles, KNOTS, n_curves)
