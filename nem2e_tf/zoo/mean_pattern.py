"""The input-blind reference: the mean EMG pattern of the training cycles."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nem2e_tf.zoo.registry import register

if TYPE_CHECKING:
    import keras


def _solve(model: "keras.Model", x: Any, y: Any, present: Any, groups: Any) -> None:  # noqa: ARG001
    from nem2e_tf.zoo.forms import calibrate

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
