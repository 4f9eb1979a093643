"""Gain and offset a muscle: the share of the error that is merely scaling."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nem2e_tf.zoo.registry import register

if TYPE_CHECKING:
    import keras


def _solve(model: "keras.Model", x: Any, y: Any, present: Any, groups: Any) -> None:  # noqa: ARG001
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


@register(solve=_solve, outputs=("direct",))
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
