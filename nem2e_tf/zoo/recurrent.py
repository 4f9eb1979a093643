"""Recurrent networks: a stack of one kind of recurrent layer, read out sample by sample."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nem2e_tf.zoo.registry import register

if TYPE_CHECKING:
    import keras


def _stacked(
    kind: str,
    shape: tuple[int, int, int],
    units: int,
    n_layers: int,
    dropout: float,
    output: str,
    *,
    both_ways: bool = False,
) -> "keras.Model":
    """Stack recurrent layers of a kind; `shape` counts samples, channels and targets."""
    import keras

    from nem2e_tf.zoo import layers
    from nem2e_tf.zoo.models import framed_input, framed_model

    layer = getattr(layers, kind)

    def read(features: Any, number: int) -> Any:
        if not both_ways:
            return layer(units, name=f"recurrence_{number}")(features)[0]
        forwards = layer(units, name=f"forwards_{number}")(features)[0]
        backwards = layer(units, backwards=True, name=f"backwards_{number}")(features)[0]
        return keras.layers.Concatenate(name=f"both_{number}")([forwards, backwards])

    n_samples, n_channels, n_targets = shape
    simulated, features = framed_input(n_samples, n_channels)
    for number in range(1, n_layers + 1):
        features = layers.Dropout(dropout, name=f"dropout_{number}")(read(features, number))
    return framed_model(simulated, features, n_targets, output)


@register()
def rnn(
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
    """Plain recurrent network (Elman 1990), the paper's "RNN" baseline.

    Reads the cycle once from its start; earlier samples are known by the state alone.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    units : int
        Size of the state. 64 is enough for tens of subjects; the paper's networks have 700.
    n_layers : int
        Number of stacked recurrent layers. A second one seldom helps below some hundred cycles.
    dropout : float
        Share of each layer's outputs dropped in training. Try 0.3 with few subjects.
    output : {"direct", "residual"}
        ``residual`` learns the difference from the training mean pattern: better with few cycles.
    """
    del counterparts
    shape = (n_samples, n_channels, n_targets)
    return _stacked("SimpleRNN", shape, units, n_layers, dropout, output)


@register()
def lstm(
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
    """Long short-term memory (Hochreiter & Schmidhuber 1997), the paper's "LSTM" baseline.

    Reads the cycle once from its start. Causal: it can refine sample by sample, as samples arrive.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    units : int
        Size of the state. 64 is enough for tens of subjects; the paper's networks have 700.
    n_layers : int
        Number of stacked recurrent layers. A second one seldom helps below some hundred cycles.
    dropout : float
        Share of each layer's outputs dropped in training. Try 0.3 with few subjects.
    output : {"direct", "residual"}
        ``residual`` learns the difference from the training mean pattern: better with few cycles.
    """
    del counterparts
    shape = (n_samples, n_channels, n_targets)
    return _stacked("LSTM", shape, units, n_layers, dropout, output)


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
    """Gated recurrent units (Cho et al. 2014), with three quarters of an LSTM's weights.

    Reads the cycle once from its start. Causal: it can refine sample by sample, as samples arrive.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    units : int
        Size of the state. 64 is enough for tens of subjects; the paper's networks have 700.
    n_layers : int
        Number of stacked recurrent layers. A second one seldom helps below some hundred cycles.
    dropout : float
        Share of each layer's outputs dropped in training. Try 0.3 with few subjects.
    output : {"direct", "residual"}
        ``residual`` learns the difference from the training mean pattern: better with few cycles.
    """
    del counterparts
    shape = (n_samples, n_channels, n_targets)
    return _stacked("GRU", shape, units, n_layers, dropout, output)


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
    """Bidirectional LSTM (Graves & Schmidhuber 2005): every sample is refined from the whole cycle.

    Corrects a simulation that is late as well as one that is early, which a causal network cannot.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    units : int
        Size of the state in each direction. 64 is enough for tens of subjects.
    n_layers : int
        Number of stacked recurrent layers. A second one seldom helps below some hundred cycles.
    dropout : float
        Share of each layer's outputs dropped in training. Try 0.3 with few subjects.
    output : {"direct", "residual"}
        ``residual`` learns the difference from the training mean pattern: better with few cycles.
    """
    del counterparts
    shape = (n_samples, n_channels, n_targets)
    return _stacked("LSTM", shape, units, n_layers, dropout, output, both_ways=True)
