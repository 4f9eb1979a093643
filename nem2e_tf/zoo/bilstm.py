"""A bidirectional LSTM."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nem2e_tf.zoo.registry import register

if TYPE_CHECKING:
    import keras


@register()
def bilstm(
    *,
    n_samples: int,
    n_channels: int,
    n_targets: int,
    counterparts: Sequence[Sequence[int]],
    units: int = 64,
    n_layers: int = 1,
    dropout: float = 0.0,
    output: str = "direct",
) -> "keras.Model":
    """Bidirectional LSTM (Graves & Schmidhuber 2005): refines each sample knowing the whole cycle.

    Undoes a simulation that is late as well as one that is early, which a causal network cannot.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    units : int
        Size of the state in each direction. 64 is enough for tens of subjects.
    n_layers : int
        Recurrent layers on top of each other. A second one seldom pays below some hundred cycles.
    dropout : float
        Share of each layer's outputs dropped while training. Try .3 when subjects are few.
    output : {"direct", "residual"}
        ``residual`` learns what differs from the training mean pattern: better with few cycles.
    """
    import keras

    from nem2e_tf.zoo.frame import recurrent_model
    from nem2e_tf.zoo.layers import LSTM

    del counterparts

    def read(features: Any, number: int) -> Any:
        forwards = LSTM(units, name=f"forwards_{number}")(features)[0]
        backwards = LSTM(units, backwards=True, name=f"backwards_{number}")(features)[0]
        return keras.layers.Concatenate(name=f"both_{number}")([forwards, backwards])

    return recurrent_model(
        read,
        n_samples=n_samples,
        n_channels=n_channels,
        n_targets=n_targets,
        n_layers=n_layers,
        dropout=dropout,
        output=output,
    )
