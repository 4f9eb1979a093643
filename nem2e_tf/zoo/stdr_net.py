"""STDR-Net, the refiner of the NEM2E paper, in its temporal and its spatial form."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nem2e_tf.zoo.registry import register
from nem2e_tf.zoo.seq2seq import decoded_model

if TYPE_CHECKING:
    import keras


@register(attention="temporal")
def stdr_net_temporal(
    *,
    n_samples: int,
    n_channels: int,
    n_targets: int,
    counterparts: Sequence[Sequence[int]],
    units: int = 64,
    feeding: str = "free",
    dropout: float = 0.0,
    output: str = "direct",
) -> "keras.Model":
    """STDR-Net with temporal attention (Teramae et al. 2025): undoes distortion in time.

    The encoder reads the cycle's samples; at each output sample the decoder attends over them.
    Its attention weights [sample out, sample in] show how the network shifts in time.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    units : int
        Size of both states. The paper's networks have 700.
    feeding : {"free", "scheduled", "teacher"}
        What the decoder reads while it is trained; see `nem2e_tf.zoo.seq2seq`.
    dropout : float
        Share of the encoder's outputs dropped while training. Try .3 when subjects are few.
    output : {"direct", "residual"}
        ``residual`` learns what differs from the training mean pattern: better with few cycles.
    """
    from nem2e_tf.zoo.frame import framed_input
    from nem2e_tf.zoo.layers import LSTM

    del counterparts
    simulated, normalised = framed_input(n_samples, n_channels)
    return decoded_model(
        simulated,
        LSTM(units, name="encoder")(normalised),
        n_samples=n_samples,
        n_targets=n_targets,
        units=units,
        attention=True,
        feeding=feeding,
        dropout=dropout,
        output=output,
    )


@register(
    attention="spatial",
    refused={
        "one-quarter": "spatial attention is over channels, and this pattern has one",
        "one-entire": "spatial attention is over channels, and this pattern has one",
    },
)
def stdr_net_spatial(
    *,
    n_samples: int,
    n_channels: int,
    n_targets: int,
    counterparts: Sequence[Sequence[int]],
    units: int = 64,
    feeding: str = "free",
    dropout: float = 0.0,
    output: str = "direct",
) -> "keras.Model":
    """STDR-Net with spatial attention (Teramae et al. 2025): undoes credit to the wrong muscle.

    The encoder reads the channels in the model's order, each described by its samples; at each
    output sample the decoder attends over channels. Its attention weights [sample out, channel]
    show which muscles' simulations it draws on.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    units : int
        Size of both states. The paper's networks have 700.
    feeding : {"free", "scheduled", "teacher"}
        What the decoder reads while it is trained; see `nem2e_tf.zoo.seq2seq`.
    dropout : float
        Share of the encoder's outputs dropped while training. Try .3 when subjects are few.
    output : {"direct", "residual"}
        ``residual`` learns what differs from the training mean pattern: better with few cycles.
    """
    import keras

    from nem2e_tf.zoo.frame import framed_input
    from nem2e_tf.zoo.layers import LSTM

    del counterparts
    simulated, normalised = framed_input(n_samples, n_channels)
    by_channel = keras.layers.Permute((2, 1), name="channels")(normalised)
    return decoded_model(
        simulated,
        LSTM(units, name="encoder")(by_channel),
        n_samples=n_samples,
        n_targets=n_targets,
        units=units,
        attention=True,
        feeding=feeding,
        dropout=dropout,
        output=output,
    )
