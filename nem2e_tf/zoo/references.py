"""Lag and gain a muscle: the share of the error that is merely timing.

The simulation as it is: what every refiner must beat.

The input-blind reference: the mean EMG pattern of the training cycles.

Gain and offset a muscle: the share of the error that is merely scaling.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.zoo.registry import register

if TYPE_CHECKING:
    import keras


def _nothing_to_solve(model: "keras.Model", x: Any, y: Any, present: Any, groups: Any) -> None:
    """Leave the model as it is: nothing in it is fitted."""


@register(solve=_nothing_to_solve, outputs=("direct",))
def opensim(
    *, n_samples: int, n_channels: int, n_targets: int, counterparts: Sequence[Sequence[int]]
) -> "keras.Model":
    """The simulation as it is: the mean of each muscle's counterpart channels.

    The reference of the paper's improvement rate (Teramae et al. 2025): its rate is 0 by
    definition. Nothing is fitted.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    """
    import keras

    from nem2e_tf.zoo.layers import CounterpartMean

    del n_targets
    simulated = keras.Input((n_samples, n_channels), name="simulated")
    return keras.Model(simulated, CounterpartMean(counterparts, name="counterparts")(simulated))


def _solve(model: "keras.Model", x: Any, y: Any, present: Any, groups: Any) -> None:  # noqa: ARG001
    from nem2e_tf.zoo.models import calibrate

    calibrate(model, x, y, present)


@register(
    solve=_solve,
    outputs=("direct",),
    refused={"one-quarter": "the mean of a quarter would need to know which quarter it is"},
)
def mean_pattern(
    *, n_samples: int, n_channels: int, n_targets: int, counterparts: Sequence[Sequence[int]]
) -> "keras.Model":
    """The mean EMG pattern of the training cycles, whatever the input.

    It never looks at the simulation: a refiner that cannot beat it has learned nothing about the
    cycle in front of it. Its skill is 0 by definition.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    """
    import keras

    from nem2e_tf.zoo.layers import CounterpartMean, GainAndOffset, TargetScaling

    del n_targets
    simulated = keras.Input((n_samples, n_channels), name="simulated")
    estimate = CounterpartMean(counterparts, name="counterparts")(simulated)
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
    """Least-squares gain and offset of y over x; gain 0 where x never changes, 1 and 0 if empty.

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

    Shows how much of a refiner's improvement over the simulation is merely scaling.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    """
    import keras

    from nem2e_tf.zoo.layers import CounterpartMean, GainAndOffset

    del n_targets
    simulated = keras.Input((n_samples, n_channels), name="simulated")
    estimate = CounterpartMean(counterparts, name="counterparts")(simulated)
    return keras.Model(simulated, GainAndOffset(name="gain_and_offset")(estimate))


BOUNDARIES = ("periodic", "hold")
LARGEST_LAG = 25.0
COARSE_STEP = 1.0


def shift_matrix(lag: float, n_samples: int, *, boundary: str = "periodic") -> NDArray[np.float64]:
    """Matrix that delays a curve sampled from 0 to 100 % of the cycle, ends included.

    The curve is read between its samples by a cubic spline.

    Parameters
    ----------
    lag : float
        Delay in % of the cycle; negative is earlier.
    n_samples : int
        Samples of the curve.
    boundary : {"periodic", "hold"}
        What lies beyond its ends: the curve itself again (gait; its two ends, which are the same
        instant, are averaged), or its first and last value (single motions).

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
    wanted = phase - lag
    if boundary == "periodic":
        basis[[0, -1]] = basis[[0, -1]].mean(axis=0)
        return CubicSpline(phase, basis, bc_type="periodic")(wanted % 100.0)
    return CubicSpline(phase, basis)(np.clip(wanted, 0.0, 100.0))


def best_lag(
    x: NDArray[np.float64], y: NDArray[np.float64], *, boundary: str
) -> tuple[float, float, float]:
    """Lag, gain and offset that bring curves x nearest to curves y.

    Parameters
    ----------
    x, y : float64 array [row, sample]

    Returns
    -------
    tuple of float
        Lag in % of the cycle within 25 of 0, gain, offset; least squares.
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
    boundary = model.get_layer("shift").kind
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
    refused={"one-quarter": "a quarter of a cycle is shorter than the lags that are looked for"},
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

    Undoes a pure delay of the simulation, such as the 75 ms of running (Hamner & Delp 2013), and
    nothing else: what a network gains beyond it is not timing.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    boundary : {"periodic", "hold"}
        ``periodic`` for gait, ``hold`` for single motions such as a golf swing.
    """
    import keras

    from nem2e_tf.zoo.layers import CounterpartMean, GainAndOffset, SampleMixing

    del n_targets
    if boundary not in BOUNDARIES:
        raise InputError(f"boundary {boundary}: expected one of {', '.join(BOUNDARIES)}")
    simulated = keras.Input((n_samples, n_channels), name="simulated")
    estimate = CounterpartMean(counterparts, name="counterparts")(simulated)
    shifted = SampleMixing(kind=boundary, name="shift")(estimate)
    return keras.Model(simulated, GainAndOffset(name="gain_and_offset")(shifted))
