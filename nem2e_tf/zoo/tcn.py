"""A temporal convolutional network over the samples of a cycle."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nem2e_tf.zoo.registry import register

if TYPE_CHECKING:
    import keras


@register()
def tcn(
    *,
    n_samples: int,
    n_channels: int,
    n_targets: int,
    counterparts: Sequence[Sequence[int]],
    units: int = 64,
    kernel_size: int = 3,
    dilations: Sequence[int] = (1, 2, 4),
    causal: bool = False,
    dropout: float = 0.0,
    output: str = "direct",
) -> "keras.Model":
    """Temporal convolutional network (Bai et al. 2018): residual blocks of dilated convolutions.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    units : int
        Features of each convolution.
    kernel_size : int
        Number of samples in each convolution.
    dilations : sequence of int
        Distance between these samples, one residual block per number. The default covers 14 samples
        on either side, nearly the whole cycle.
    causal : bool
        Use no later samples. Required to refine sample by sample, and worse where the simulation
        is late.
    dropout : float
        Share of each block's features dropped in training. Try 0.3 with few subjects.
    output : {"direct", "residual"}
        ``residual`` learns the difference from the training mean pattern: better with few cycles.
    """
    import keras

    from nem2e_tf.zoo.layers import Dense, DilatedConvolution, Dropout
    from nem2e_tf.zoo.models import framed_input, framed_model

    del counterparts
    simulated, features = framed_input(n_samples, n_channels)
    features = Dense(units, name="entry")(features)
    for dilation in dilations:
        block = features
        for number in (1, 2):
            block = DilatedConvolution(
                units,
                kernel_size=kernel_size,
                dilation=int(dilation),
                causal=causal,
                name=f"convolution_{dilation}_{number}",
            )(block)
            block = keras.layers.ReLU(name=f"relu_{dilation}_{number}")(block)
            block = Dropout(dropout, name=f"dropout_{dilation}_{number}")(block)
        features = keras.layers.Add(name=f"block_{dilation}")([features, block])
    return framed_model(simulated, features, n_targets, output)
