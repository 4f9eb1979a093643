"""References that every network is compared with; none has more than a few numbers per muscle.

The unrefined simulation, the mean EMG pattern of the training cycles (which does not depend on the
input), gain and offset per muscle (scaling alone), and lag, gain and offset per muscle (timing and
scaling alone).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.zoo.registry import register

if TYPE_CHECKING:
    import keras


BOUNDARIES = ("periodic", "hold")
LARGEST_LAG = 25.0
"""Largest lag that is searched for, in % of the cycle, either way."""
COARSE_STEP = 1.0
"""Step of the first search, in % of the cycle."""


def _estimate(
    n_samples: int, n_channels: int, counterparts: Sequence[Sequence[int]]
) -> tuple[Any, Any]:
    """Make the input and the simulation's estimate of each target."""
    import keras

    from nem2e_tf.zoo.layers import CounterpartMean

    simulated = keras.Input((n_samples, n_channels), name="simulated")
    return simulated, CounterpartMean(counterparts, name="counterparts")(simulated)


def _solve_opensim(model: "keras.Model", x: Any, y: Any, present: Any, groups: Any) -> None:
    """Change nothing: there is nothing to fit."""


@register(solve=_solve_opensim, outputs=("direct",))
def opensim(
    *, n_samples: int, n_channels: int, n_targets: int, counterparts: Sequence[Sequence[int]]
) -> "keras.Model":
    """The unrefined simulation: the mean of each muscle's counterpart channels.

    The reference of the paper's improvement rate (Teramae et al. 2025): its rate is 0 by
    definition. Nothing is fitted.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    """
    import keras

    del n_targets
    return keras.Model(*_estimate(n_samples, n_channels, counterparts))


def _solve_mean_pattern(model: "keras.Model", x: Any, y: Any, present: Any, groups: Any) -> None:  # noqa: ARG001
    from nem2e_tf.zoo.models import calibrate

    calibrate(model, x, y, present)


@register(
    solve=_solve_mean_pattern,
    outputs=("direct",),
    refused={"one-quarter": "the model does not know which quarter it sees"},
)
def mean_pattern(
    *, n_samples: int, n_channels: int, n_targets: int, counterparts: Sequence[Sequence[int]]
) -> "keras.Model":
    """The mean EMG pattern of the training cycles, the same for every input.

    A refiner that is not better than this reference has learned nothing about individual cycles
    from the simulation. Its skill is 0 by definition.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    """
    import keras

    from nem2e_tf.zoo.layers import GainAndOffset, TargetScaling

    del n_targets
    simulated, estimate = _estimate(n_samples, n_channels, counterparts)
    blind = GainAndOffset(gain=0.0, name="blind")(estimate)
    return keras.Model(simulated, TargetScaling(output="residual", name="pattern")(blind))


def _solve_affine(model: "keras.Model", x: Any, y: Any, present: Any, groups: Any) -> None:  # noqa: ARG001
    from nem2e_tf.zoo.blocks import in_blocks

    estimate = in_blocks(model.get_layer("counterparts"), x).astype(np.float64)
    layer = model.get_layer("gain_and_offset")
    fits = [
        gain_and_offset(estimate[present[:, m], :, m], y[present[:, m], :, m])
        for m in range(y.shape[-1])
    ]
    layer.set_weights([np.array([fit[i] for fit in fits], np.float32) for i in range(2)])


def gain_and_offset(x: Any, y: Any) -> tuple[float, float]:
    """Return least-squares gain and offset of y over x: 0 and the mean of y if x is constant.

    Without any values the gain is 1 and the offset 0.

    Examples
    --------
    >>> gain_and_offset(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0]))
    (2.0, 1.0)
    """
    if not np.size(y):
        return 1.0, 0.0
    mean_x, mean_y = float(np.mean(x)), float(np.mean(y))
    variance = float(np.mean((x - mean_x) ** 2))
    gain = float(np.mean((x - mean_x) * (y - mean_y))) / variance if variance > 1e-12 else 0.0
    return gain, mean_y - gain * mean_x


@register(solve=_solve_affine, outputs=("direct",))
def affine(
    *, n_samples: int, n_channels: int, n_targets: int, counterparts: Sequence[Sequence[int]]
) -> "keras.Model":
    """Gain and offset for each muscle, by least squares.

    Shows how much of a refiner's improvement over the simulation is scaling alone.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    """
    import keras

    from nem2e_tf.zoo.layers import GainAndOffset

    del n_targets
    simulated, estimate = _estimate(n_samples, n_channels, counterparts)
    return keras.Model(simulated, GainAndOffset(name="gain_and_offset")(estimate))


def shift_matrix(lag: float, n_samples: int, *, boundary: str = "periodic") -> NDArray[np.float64]:
    """Make the matrix that delays a curve sampled from 0 to 100 % of the cycle, both included.

    The curve is interpolated by a cubic spline.

    Parameters
    ----------
    lag : float
        Delay in % of the cycle; negative is earlier.
    n_samples : int
        Samples of the curve.
    boundary : {"periodic", "hold"}
        How the curve continues beyond its ends: periodically (gait; the two ends are the same
        instant and are averaged), or with its first and last value (single motions).

    Returns
    -------
    float64 array [sample out, sample in]

    Examples
    --------
    >>> shift_matrix(25.0, 5, boundary="hold").round(6)[:, :2].tolist()
    [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]]
    """
    from scipy.interpolate import CubicSpline

    basis = np.eye(n_samples)
    phase = np.linspace(0.0, 100.0, n_samples)
    source = phase - lag
    if boundary == "periodic":
        basis[[0, -1]] = basis[[0, -1]].mean(axis=0)
        return CubicSpline(phase, basis, bc_type="periodic")(source % 100.0)
    return CubicSpline(phase, basis)(np.clip(source, 0.0, 100.0))


def best_lag(
    x: NDArray[np.float64], y: NDArray[np.float64], *, boundary: str
) -> tuple[float, float, float]:
    """Find the lag, gain and offset that map curves x to curves y with the least squared error.

    Parameters
    ----------
    x, y : float64 array [row, sample]

    Returns
    -------
    tuple of float
        Lag in % of the cycle, from -25 to 25; gain; offset.
    """
    from scipy.optimize import minimize_scalar

    def error(lag: float) -> float:
        shifted = x @ shift_matrix(lag, x.shape[1], boundary=boundary).T
        gain, offset = gain_and_offset(shifted, y)
        return float(np.mean((gain * shifted + offset - y) ** 2))

    lags = np.arange(-LARGEST_LAG, LARGEST_LAG + COARSE_STEP / 2, COARSE_STEP)
    start = float(lags[np.argmin([error(lag) for lag in lags])])
    around = (max(start - COARSE_STEP, -LARGEST_LAG), min(start + COARSE_STEP, LARGEST_LAG))
    fine = minimize_scalar(error, bounds=around, method="bounded")
    lag = float(fine.x)
    shifted = x @ shift_matrix(lag, x.shape[1], boundary=boundary).T
    return (lag, *gain_and_offset(shifted, y))


def _solve_shift(model: "keras.Model", x: Any, y: Any, present: Any, groups: Any) -> None:  # noqa: ARG001
    from nem2e_tf.zoo.blocks import in_blocks

    estimate = in_blocks(model.get_layer("counterparts"), x).astype(np.float64)
    mixing = model.get_layer("shift")
    boundary = mixing.kind
    n_samples, n_targets = y.shape[1:]
    matrices = np.tile(np.eye(n_samples), (n_targets, 1, 1))
    lags, gains, offsets = np.zeros(n_targets), np.ones(n_targets), np.zeros(n_targets)
    for target in range(n_targets):
        rows = present[:, target]
        if rows.any():
            lags[target], gains[target], offsets[target] = best_lag(
                estimate[rows, :, target], y[rows, :, target].astype(np.float64), boundary=boundary
            )
            matrices[target] = shift_matrix(lags[target], n_samples, boundary=boundary)
    mixing.set_weights([matrices.astype(np.float32), lags.astype(np.float32)])
    model.get_layer("gain_and_offset").set_weights(
        [gains.astype(np.float32), offsets.astype(np.float32)]
    )


@register(
    solve=_solve_shift,
    outputs=("direct",),
    refused={"one-quarter": "a quarter is about as short as the lags that are searched for"},
)
def shift(
    *,
    n_samples: int,
    n_channels: int,
    n_targets: int,
    counterparts: Sequence[Sequence[int]],
    boundary: str = "periodic",
) -> "keras.Model":
    """Lag, gain and offset for each muscle, by least squares.

    Corrects a constant delay of the simulation, such as the 75 ms in running (Hamner & Delp 2013),
    and nothing else: what a network gains beyond this reference is not timing.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    boundary : {"periodic", "hold"}
        ``periodic`` for gait, ``hold`` for single motions such as a golf swing.
    """
    import keras

    from nem2e_tf.zoo.layers import GainAndOffset, SampleMixing

    del n_targets
    if boundary not in BOUNDARIES:
        raise InputError(f"boundary {boundary}: expected {' or '.join(BOUNDARIES)}")
    simulated, estimate = _estimate(n_samples, n_channels, counterparts)
    shifted = SampleMixing(kind=boundary, name="shift")(estimate)
    return keras.Model(simulated, GainAndOffset(name="gain_and_offset")(shifted))
