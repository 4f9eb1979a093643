"""What goes into one file: one of a refiner's models, or all of them put together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nem2e_tf.errors import InputError
from nem2e_tf.names import QUARTERS
from nem2e_tf.refiners.patterns import SAMPLES, Composition, resample
from nem2e_tf.refiners.refiner import Refiner

COMBINED = "combined"


@dataclass(frozen=True, eq=False)
class Piece:
    """A model to export.

    Parameters
    ----------
    name : str
        A muscle, ``joint`` or ``combined``; names its files.
    model : keras.Model
        [row, sample, input] to [row, sample, muscle].
    composition : Composition
        What it takes and gives.
    columns : tuple of int
        Its channels among the refiner's.
    places : tuple of int
        Its muscles among the refiner's.
    """

    name: str
    model: Any
    composition: Composition
    columns: tuple[int, ...]
    places: tuple[int, ...]

    @property
    def has_recurrence(self) -> bool:
        """Whether the model has a form to choose; see `nem2e_tf.zoo.set_recurrence_form`."""
        from nem2e_tf.zoo.models import all_layers

        return any(hasattr(layer, "form") for layer in all_layers(self.model))


def pieces_of(refiner: Refiner, *, combine: bool = False) -> tuple[Piece, ...]:
    """List what is to be exported.

    Parameters
    ----------
    refiner : Refiner
    combine : bool
        Put the models of all muscles into one, which takes every channel that any of them needs.

    Raises
    ------
    InputError
        There is one model only, so nothing to combine.
    """
    whole = refiner.info.composition
    if combine and len(whole.models) == 1:
        raise InputError(
            f"combine: expected a refiner with a model a muscle, found one model "
            f"({whole.models[0]}): its file gives all muscles already"
        )
    if combine:
        return (_piece(whole, COMBINED, combined(refiner), _as_one(whole)),)
    return tuple(
        _piece(whole, name, refiner.models[name], whole.part(name)) for name in whole.models
    )


def _piece(whole: Composition, name: str, model: Any, part: Composition) -> Piece:
    return Piece(
        name=name,
        model=model,
        composition=part,
        columns=tuple(whole.channels.index(channel) for channel in part.channels),
        places=tuple(whole.muscles.index(muscle) for muscle in part.muscles),
    )


def _as_one(whole: Composition) -> Composition:
    """What the combined model takes and gives: channels as they are, all muscles."""
    used = set(whole.needed)
    return Composition(
        pattern="all-entire",
        targets="joint",
        channels=whole.needed,
        muscles=whole.muscles,
        counterparts=tuple(
            tuple(name for name in names if name in used) for names in whole.counterparts
        ),
    )


def combined(refiner: Refiner) -> Any:
    """Put a refiner's models into one: [row, 20, channel needed] to [row, 20, muscle].

    What `nem2e_tf.refiners.patterns` does around the models, means of counterparts and quarters,
    is part
    of the graph.

    Returns
    -------
    keras.Model
        Shares the layers.
    """
    import keras
    from keras import ops

    whole = refiner.info.composition
    simulated = keras.Input((SAMPLES, len(whole.needed)), name="simulated")
    curves = []
    for name in whole.models:
        part = whole.part(name)
        model = refiner.models[name]
        # loaded models all have the same name, which a model of models cannot have
        own = keras.Model(model.input, model.output, name=f"refiner_of_{name}")
        rows = simulated
        if part.pattern != "all-entire":
            rows = ops.matmul(simulated, _mean_of(part.channels, among=whole.needed))
        curves.append(_between_quarters(own, rows, part))
    return keras.Model(simulated, ops.concatenate(curves, axis=2), name=COMBINED)


def _mean_of(chosen: Sequence[str], *, among: Sequence[str]) -> "np.ndarray[Any, Any]":
    """Matrix [channel, 1] that takes the mean of some channels."""
    picked = np.array([[name in chosen] for name in among], dtype=np.float32)
    return picked / np.float32(len(chosen))


def _between_quarters(model: Any, rows: Any, part: Composition) -> Any:
    from keras import ops

    if part.pattern != "one-quarter":
        return model(rows)
    quarter, size = SAMPLES // QUARTERS, part.model_samples
    cut = ops.reshape(rows, (-1, quarter, 1))
    if size != quarter:
        cut = ops.matmul(_resampling(quarter, size), cut)
    out = model(cut)
    if size != quarter:
        out = ops.matmul(_resampling(size, quarter), out)
    return ops.reshape(out, (-1, SAMPLES, 1))


def _resampling(before: int, after: int) -> "np.ndarray[Any, Any]":
    """Matrix [1, after, before] of `nem2e_tf.refiners.patterns.resample`, which is linear."""
    identity = np.eye(before)[None]
    return np.asarray(resample(identity, after), dtype=np.float32)
