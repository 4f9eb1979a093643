"""Simulated errors of a simulation: known distortions of muscle activity, and their inverse.

A simulator determines activations that make a model move like the person. Compared with EMG they
are early or late, too strong or too weak, distributed differently among muscles of one function,
never exactly zero, compressed near the limit of the model's muscle, and noisy like the marker data.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.cohorts.synthetic.activity import FUNCTIONS, SYNERGISTS, Float, normal
from nem2e_tf.errors import InputError

PENALTY = 2.0  # on changes when the leak is inverted, per noise


@dataclass(frozen=True, kw_only=True)
class Distortion:
    """Strengths of the distortions; the defaults are those of the walking cohort.

    Attributes
    ----------
    lag_ms, lag_spread_ms : float
        Lag of the simulation, positive if late: mean and standard deviation over muscles.
    lag_percent : float
        Lag in percent of the cycle, the same for every muscle, added to the one in ms.
    gain, gain_spread : float
        Ratio of simulated to true activity: a muscle's gain is within ``gain`` +- ``gain_spread``.
        Their sum is at most 1, so that activation stays within 0 to 1.
    leak : float
        Share of a simulated channel that belongs to other muscles (`activity.SYNERGISTS`), below
        0.5; half of it for the second part of each function.
    floor : float
        Lowest activation of the simulator.
    saturation : float
        ``x / (1 + saturation * x)`` of an activation x: 0 changes nothing.
    noise : float
        Standard deviation of smooth noise, relative to the activation.
    subject_lag_ms, subject_gain : float
        Standard deviation, over subjects, of a muscle's lag and (relative) gain.
    """

    lag_ms: float = -30.0
    lag_spread_ms: float = 20.0
    lag_percent: float = 0.0
    gain: float = 0.5
    gain_spread: float = 0.25
    leak: float = 0.38
    floor: float = 0.02
    saturation: float = 0.5
    noise: float = 0.04
    subject_lag_ms: float = 8.0
    subject_gain: float = 0.08

    @classmethod
    def none(cls) -> "Distortion":
        """Return no distortion at all."""
        nothing = dict.fromkeys((strength.name for strength in fields(cls)), 0.0)
        return cls(**{**nothing, "gain": 1.0})

    @classmethod
    def pure_lag(cls, *, percent: float = 8.0) -> "Distortion":
        """Return only a lag of every muscle by a share of the cycle (early if negative)."""
        return _only(lag_percent=percent)

    @classmethod
    def pure_gain(cls, *, gain: float = 0.6, spread: float = 0.35) -> "Distortion":
        """Return only a gain per muscle."""
        return _only(gain=gain, gain_spread=spread)

    @classmethod
    def pure_leak(cls, *, share: float = 0.48, noise: float = 0.05) -> "Distortion":
        """Return only a mixture of every muscle with others of its function, and little noise.

        Without noise, small differences of shape would be enough to separate a muscle from the
        activity that leaks into it within one channel.
        """
        return _only(leak=share, noise=noise)

    def __post_init__(self) -> None:
        if not 0.0 <= self.leak < 0.5:
            raise InputError(f"leak: expected 0 or more and below 0.5, found {self.leak}")
        if self.gain_spread < 0.0 or self.gain <= self.gain_spread or self.saturation < 0.0:
            raise InputError(
                "expected gain > gain_spread >= 0 and saturation >= 0, found "
                f"{self.gain}, {self.gain_spread} and {self.saturation}"
            )
        if self.gain + self.gain_spread > 1.0 or not 0.0 <= self.floor < 1.0:
            raise InputError(
                "expected gain + gain_spread <= 1 and 0 <= floor < 1, found "
                f"{self.gain + self.gain_spread} and {self.floor}"
            )


def _only(**strengths: float) -> Distortion:
    return replace(Distortion.none(), **strengths)


SINGLE_DISTORTIONS = {
    "lag": Distortion.pure_lag(),
    "gain": Distortion.pure_gain(),
    "leak": Distortion.pure_leak(),
    "none": Distortion.none(),
}
"""Distortions of a single kind, by name."""


@dataclass(frozen=True, eq=False)
class Planted:
    """The distortion of each muscle, drawn with the strengths of a `Distortion`.

    Attributes
    ----------
    lag_ms, gain : float64 array [muscle]
        The same for both legs.
    leak : float64 array [2 * muscle, 2 * muscle]
        Rows are simulated channels, columns true muscles; each row sums to 1.
    """

    lag_ms: Float
    gain: Float
    leak: Float


def plant(strengths: Distortion, muscles: Sequence[str], generator: np.random.Generator) -> Planted:
    """Draw the distortion of every muscle; random numbers do not depend on the strengths."""
    lag = strengths.lag_ms + strengths.lag_spread_ms * normal(generator, len(muscles))
    gain = strengths.gain + strengths.gain_spread * (2.0 * generator.random(len(muscles)) - 1.0)
    index = {name: i for i, name in enumerate(muscles)}
    firsts = {name for first, _ in FUNCTIONS.values() for name in first}
    one = np.eye(len(muscles))
    for name in muscles:
        sources = [index[source] for source in SYNERGISTS[name]]
        share = 0.8 + 0.4 * generator.random(len(sources))
        total = strengths.leak if name in firsts else 0.5 * strengths.leak
        one[index[name], index[name]] -= total
        one[index[name], sources] += total * share / share.sum()
    leak = np.zeros((2 * len(muscles), 2 * len(muscles)))
    leak[: len(muscles), : len(muscles)] = leak[len(muscles) :, len(muscles) :] = one
    return Planted(lag_ms=lag, gain=gain, leak=leak)


def distort(
    latent: Float, strengths: Distortion, *, lag: Float, gain: Float, leak: Float, noise: Float
) -> tuple[Float, float]:
    """Distort: shift, scale, leak, saturate, raise to the floor, add noise, clip to 0 to 1.

    Parameters
    ----------
    latent : float array [cycle, 101, channel]
        True activity.
    strengths : Distortion
        Saturation, floor and noise.
    lag : float array [cycle, channel]
        Percent of the cycle, positive if late.
    gain : float array [cycle, channel]
        Ratio of simulated to true activity.
    leak : float array [channel, channel]
        See `Planted`.
    noise : float array [cycle, 101, channel]
        Smooth noise of standard deviation 1.

    Returns
    -------
    (float64 array [cycle, 101, channel], float)
        Simulated activation, and the share of its values that were clipped.
    """
    values = shift(latent, lag) * gain[:, None]
    if strengths.leak:
        values = values @ leak.T
    if strengths.saturation:
        values /= 1.0 + strengths.saturation * values
    if strengths.floor:
        values = strengths.floor + (1.0 - strengths.floor) * values
    if strengths.noise:
        values *= 1.0 + strengths.noise * noise
    cut = float(np.mean((values < 0.0) | (values > 1.0)))
    return np.clip(values, 0.0, 1.0), cut


def undo(
    simulated: NDArray[np.floating],
    strengths: Distortion,
    *,
    lag: Float,
    gain: Float,
    leak: Float,
) -> Float:
    """Invert `distort` except for its noise; parameters and shapes are the same.

    The leak is inverted by least squares with a penalty on changes that grows with the noise.
    Without noise the inverse is exact except for interpolation.
    """
    values = (simulated - strengths.floor) / (1.0 - strengths.floor)
    values = values / (1.0 - strengths.saturation * values)
    if strengths.leak:
        penalty = (PENALTY * strengths.noise) ** 2 * np.eye(len(leak))
        remove = np.linalg.solve(leak.T @ leak + penalty, leak.T)
        values = values + (values - values @ leak.T) @ remove.T
    return shift(values / gain[:, None], -lag)


def shift(activity: NDArray[np.floating], percent: Float) -> Float:
    """Shift each curve of a cycle later, periodically.

    Parameters
    ----------
    activity : float array [cycle, 101, channel]
        Points 0 and 100 count as the same point.
    percent : float array [cycle, channel]
        Percent of the cycle, positive if later.

    Returns
    -------
    float64 array [cycle, 101, channel]
        Cubic (Catmull-Rom) interpolation between the points.

    Examples
    --------
    >>> curve = np.zeros((1, 101, 1))
    >>> curve[0, 40] = 1.0
    >>> int(np.argmax(shift(curve, np.array([[8.0]]))))
    48
    """
    whole = np.floor(percent)
    rest = (percent - whole)[:, None]
    points = np.arange(100)[None, :, None] - whole[:, None].astype(int)
    weights = (
        rest * rest * (rest - 1.0) / 2.0,
        rest * (1.0 + rest * (4.0 - 3.0 * rest)) / 2.0,
        1.0 + rest * rest * (1.5 * rest - 2.5),
        rest * (rest * (2.0 - rest) - 1.0) / 2.0,
    )
    total = np.zeros((len(activity), 100, activity.shape[2]))
    for offset, weight in zip((-2, -1, 0, 1), weights, strict=True):
        total += weight * np.take_along_axis(activity, (points + offset) % 100, axis=1)
    return np.concatenate([total, total[:, :1]], axis=1)
