"""STDR-Net, the refiner of the NEM2E paper, in its temporal and its spatial form.

Encoder and decoder without attention: the baseline of the paper's title.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nem2e_tf.errors import InputError, near
from nem2e_tf.zoo.registry import register

if TYPE_CHECKING:
    import keras


FEEDINGS = ("free", "scheduled", "teacher")


def decoded_model(
    simulated: Any,
    encoded: tuple[Any, Any, Any],
    *,
    n_samples: int,
    n_targets: int,
    units: int,
    attention: bool,
    feeding: str,
    dropout: float,
    output: str,
) -> "keras.Model":
    """Put a decoder behind an encoder, and the model that trains it beside the one that runs.

    Parameters
    ----------
    simulated : KerasTensor
        The model's input.
    encoded : tuple
        The encoder's outputs [batch, token, units] and its final hidden and cell state.
    feeding : {"free", "scheduled", "teacher"}
        What the decoder reads while it is trained: its own previous output, as at inference; the
        measured one; or the measured one less and less.
    """
    import keras

    from nem2e_tf.zoo.layers import Dropout, LuongDecoder, TargetScaling
    from nem2e_tf.zoo.layers.decoder import TeacherSchedule
    from nem2e_tf.zoo.layers.normalisation import PreviousTarget

    if feeding not in FEEDINGS:
        raise InputError(
            f"feeding {feeding}: expected one of {', '.join(FEEDINGS)}{near(feeding, FEEDINGS)}"
        )
    memory, hidden, cell = encoded
    memory = Dropout(dropout, name="memory_dropout")(memory)
    decoder = LuongDecoder(
        units, n_targets=n_targets, n_samples=n_samples, attention=attention, name="decoder"
    )
    scaling = TargetScaling(output=output, name="target_scaling")
    model = keras.Model(simulated, scaling(decoder(memory, hidden, cell)[0]))
    if feeding != "free":
        measured = keras.Input((n_samples, n_targets), name="measured")
        previous = PreviousTarget(scaling, name="previous_target")(measured)
        given = [previous]
        if feeding == "scheduled":
            given.append(TeacherSchedule(name="teacher_schedule")(previous))
        told = scaling(decoder(memory, hidden, cell, *given)[0])
        # Keras would count its weights among the model's own, and save them.
        object.__setattr__(model, "training_model", keras.Model([simulated, measured], told))
    return model


@register()
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

    One LSTM reads the cycle; another, starting from its final state, emits the targets sample by
    sample from its own previous output.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    units : int
        Size of both states. The paper's networks have 700.
    feeding : {"free", "scheduled", "teacher"}
        What the decoder reads while it is trained: its own previous output, as at inference; the
        measured one less and less (Bengio et al. 2015); or always the measured one, which trains
        twice as fast and leaves the decoder unprepared for its own errors.
    dropout : float
        Share of the encoder's outputs dropped while training; without attention it has no effect.
    output : {"direct", "residual"}
        ``residual`` learns what differs from the training mean pattern: better with few cycles.
    """
    from nem2e_tf.zoo.layers import LSTM
    from nem2e_tf.zoo.models import framed_input

    del counterparts
    simulated, normalised = framed_input(n_samples, n_channels)
    return decoded_model(
        simulated,
        LSTM(units, name="encoder")(normalised),
        n_samples=n_samples,
        n_targets=n_targets,
        units=units,
        attention=False,
        feeding=feeding,
        dropout=dropout,
        output=output,
    )


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
    from nem2e_tf.zoo.layers import LSTM
    from nem2e_tf.zoo.models import framed_input

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

    from nem2e_tf.zoo.layers import LSTM
    from nem2e_tf.zoo.models import framed_input

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
