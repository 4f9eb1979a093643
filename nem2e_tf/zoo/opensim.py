"""The simulation as it is: what every refiner must beat."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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
