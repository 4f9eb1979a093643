"""Encoder and decoder: Seq2Seq without attention, and both forms of the paper's STDR-Net.

An LSTM encodes the simulated cycle; an LSTM decoder emits the targets sample by sample, each from
the one before. STDR-Net's decoder also attends over the encoded samples (temporal form) or the
encoded channels (spatial form).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nem2e_tf.errors import InputError, near
from nem2e_tf.zoo.registry import register

if TYPE_CHECKING:
    import keras


FEEDINGS = ("free", "scheduled", "teacher")


def _encoder_decoder(
    shape: tuple[int, int, int],
    units: int,
    feeding: str,
    dropout: float,
    output: str,
    *,
    attention: bool = False,
    by_channel: bool = False,
) -> "keras.Model":
    """Encode samples or channels and decode; `shape` counts samples, channels and targets."""
    import keras

    from nem2e_tf.zoo.layers import LSTM, Dropout, LuongDecoder, TargetScaling
    from nem2e_tf.zoo.models import framed_input

    if feeding not in FEEDINGS:
        raise InputError(
            f"feeding {feeding}: expected one of {', '.join(FEEDINGS)}{near(feeding, FEEDINGS)}"
        )
    n_samples, n_channels, n_targets = shape
    simulated, tokens = framed_input(n_samples, n_channels)
    if by_channel:
        tokens = keras.layers.Permute((2, 1), name="channels")(tokens)
    memory, hidden, cell = LSTM(units, name="encoder")(tokens)
    memory = Dropout(dropout, name="memory_dropout")(memory)
    decoder = LuongDecoder(
        units, n_targets=n_targets, n_samples=n_samples, attention=attention, name="decoder"
    )
    normalised = decoder(memory, hidden, cell)[0]
    return keras.Model(simulated, TargetScaling(output=output, name="target_scaling")(normalised))


def _fed_in_training(model: "keras.Model", *, feeding: str, **_: Any) -> "keras.Model | None":
    """Make the model whose decoder reads the measured activity, unless ``feeding`` is free."""
    import keras

    from nem2e_tf.zoo.layers.decoder import TeacherSchedule
    from nem2e_tf.zoo.layers.normalisation import PreviousTarget

    if feeding == "free":
        return None
    decoder, scaling = model.get_layer("decoder"), model.get_layer("target_scaling")
    measured = keras.Input(model.output_shape[1:], name="measured")
    previous = PreviousTarget(scaling, name="previous_target")(measured)
    given = [previous]
    if feeding == "scheduled":
        given.append(TeacherSchedule(name="teacher_schedule")(previous))
    refined = scaling(decoder(*decoder.input, *given)[0])
    return keras.Model([model.input, measured], refined)


@register(training_model=_fed_in_training)
def seq2seq(
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
    """Sequence to sequence without attention (Sutskever et al. 2014): the baseline.

    One LSTM reads the cycle. Another starts from its final state and emits the targets sample by
    sample, each from its own previous output.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    units : int
        Size of both states. The paper's networks have 700.
    feeding : {"free", "scheduled", "teacher"}
        Input of the decoder in training: its own previous output, as at inference; the measured
        activity with decreasing probability (Bengio et al. 2015); or always the measured activity,
        which trains twice as fast but does not prepare the decoder for its own errors.
    dropout : float
        Share of the encoder's outputs dropped in training; without attention it has no effect.
    output : {"direct", "residual"}
        ``residual`` learns the difference from the training mean pattern: better with few cycles.
    """
    del counterparts
    shape = (n_samples, n_channels, n_targets)
    return _encoder_decoder(shape, units, feeding, dropout, output)


@register(training_model=_fed_in_training, attention="temporal")
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
    """STDR-Net with temporal attention (Teramae et al. 2025): corrects distortion in time.

    The encoder reads the samples of the cycle; at each output sample the decoder attends to them.
    Attention weights [sample out, sample in] show how the network shifts activity in time.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    units : int
        Size of both states. The paper's networks have 700.
    feeding : {"free", "scheduled", "teacher"}
        Input of the decoder in training; see `nem2e_tf.zoo.seq2seq`.
    dropout : float
        Share of the encoder's outputs dropped in training. Try 0.3 with few subjects.
    output : {"direct", "residual"}
        ``residual`` learns the difference from the training mean pattern: better with few cycles.
    """
    del counterparts
    shape = (n_samples, n_channels, n_targets)
    return _encoder_decoder(shape, units, feeding, dropout, output, attention=True)


@register(
    training_model=_fed_in_training,
    attention="spatial",
    refused={
        "one-quarter": "spatial attention is over channels, and this pattern has a single one",
        "one-entire": "spatial attention is over channels, and this pattern has a single one",
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
    """STDR-Net with spatial attention (Teramae et al. 2025): corrects activity of wrong muscles.

    The encoder reads the channels in the model's order, each as a vector of its samples; at each
    output sample the decoder attends to channels. Attention weights [sample out, channel] show
    which simulated channels the output depends on.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    units : int
        Size of both states. The paper's networks have 700.
    feeding : {"free", "scheduled", "teacher"}
        Input of the decoder in training; see `nem2e_tf.zoo.seq2seq`.
    dropout : float
        Share of the encoder's outputs dropped in training. Try 0.3 with few subjects.
    output : {"direct", "residual"}
        ``residual`` learns the difference from the training mean pattern: better with few cycles.
    """
    del counterparts
    shape = (n_samples, n_channels, n_targets)
    return _encoder_decoder(shape, units, feeding, dropout, output, attention=True, by_channel=True)
