"""A gated recurrent unit network."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nem2e_tf.zoo.registry import register

if TYPE_CHECKING:
    import keras


@register()
def gru(
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
    """Gated recurrent units (Cho et al. 2014): three quarters of an LSTM's weights.

    Reads the cycle once from its start. Causal: it can refine sample by sample as they come.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    units : int
        Size of the state. 64 is enough for tens of subjects; the paper's networks have 700.
    n_layers : int
        Recurrent layers on top of each other. A second one seldom pays below some hundred cycles.
    dropout : float
        Share of each layer's outputs dropped while training. Try .3 when subjects are few.
    output : {"direct", "residual"}
        ``residual`` learns what differs from the training mean pattern: better with few cycles.
    """
    from nem2e_tf.zoo.frame import recurrent_model
    from nem2e_tf.zoo.layers import GRU

    del counterparts

    def read(features: Any, number: int) -> Any:
        return GRU(units, name=f"recurrence_{number}")(features)[0]

    return recurrent_model(
        read,
        n_samples=n_samples,
        n_channels=n_channels,
        n_targets=n_targets,
        n_layers=n_layers,
        dropout=dropout,
        output=output,
    )
