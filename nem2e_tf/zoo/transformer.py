"""A Transformer encoder over the samples of a cycle."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nem2e_tf.zoo.registry import register

if TYPE_CHECKING:
    import keras


@register()
def transformer(
    *,
    n_samples: int,
    n_channels: int,
    n_targets: int,
    counterparts: Sequence[Sequence[int]],
    units: int = 64,
    n_heads: int = 4,
    n_layers: int = 2,
    dropout: float = 0.0,
    output: str = "direct",
) -> "keras.Model":
    """Transformer encoder (Vaswani et al. 2017), the paper's "Transformer" baseline.

    Layer normalisation comes before each block (Xiong et al. 2020), so training needs no warm-up.
    The feed-forward part uses ReLU, which every runtime supports.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    units : int
        Features per sample; a multiple of `n_heads`.
    n_heads : int
        Attention heads.
    n_layers : int
        Number of blocks of attention and feed-forward.
    dropout : float
        Share of each block's output dropped in training. Try 0.3 with few subjects.
    output : {"direct", "residual"}
        ``residual`` learns the difference from the training mean pattern: better with few cycles.
    """
    import keras

    from nem2e_tf.errors import InputError
    from nem2e_tf.zoo.layers import (
        Dense,
        Dropout,
        LayerNormalisation,
        PositionEncoding,
        SelfAttention,
    )
    from nem2e_tf.zoo.models import framed_input, framed_model

    del counterparts
    if units % n_heads:
        raise InputError(f"units {units}: expected a multiple of n_heads, {n_heads}")
    simulated, features = framed_input(n_samples, n_channels)
    features = Dense(units, name="entry")(features)
    features = PositionEncoding(name="position")(features)
    for number in range(1, n_layers + 1):
        block = LayerNormalisation(name=f"before_attention_{number}")(features)
        block = SelfAttention(n_heads, name=f"attention_{number}")(block)
        block = Dropout(dropout, name=f"attention_dropout_{number}")(block)
        features = keras.layers.Add(name=f"attended_{number}")([features, block])
        block = LayerNormalisation(name=f"before_dense_{number}")(features)
        block = Dense(2 * units, activation="relu", name=f"wide_{number}")(block)
        block = Dense(units, name=f"narrow_{number}")(block)
        block = Dropout(dropout, name=f"dense_dropout_{number}")(block)
        features = keras.layers.Add(name=f"block_{number}")([features, block])
    features = LayerNormalisation(name="last")(features)
    return framed_model(simulated, features, n_targets, output)
