"""From a refiner to graphs: the models to export, each written as a SavedModel with signatures.

SavedModels are written with ``keras.export.ExportArchive``: with Keras 3, ``tf.saved_model.save``
and ``from_concrete_functions`` silently write uninitialised weights.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nem2e_tf.errors import InputError
from nem2e_tf.export.file.audit import INPUT, OUTPUT, SIGNATURE
from nem2e_tf.names import QUARTERS
from nem2e_tf.refiners.patterns import SAMPLES, Composition, resample
from nem2e_tf.refiners.refiner import Refiner

COMBINED = "combined"


@dataclass(frozen=True, eq=False)
class Piece:
    """A model to export: one model of a refiner, or all of them combined.

    Parameters
    ----------
    name : str
        A muscle, ``joint`` or ``combined``; names its files.
    model : keras.Model
        [row, sample, input] to [row, sample, muscle].
    composition : Composition
        Its channels and muscles.
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
        """True if the model has recurrences, whose form can be chosen."""
        from nem2e_tf.zoo.models import all_layers

        return any(hasattr(layer, "form") for layer in all_layers(self.model))


@dataclass(frozen=True)
class GraphSignature:
    """A signature that is exported in addition to ``refine``.

    Parameters
    ----------
    name : str
    inputs : mapping of str to shape
        Names and shapes of the inputs, all float32; None for a dimension of any size.
    function : callable
        Tensors, in the order of `inputs`, to a dictionary of tensors by name. It must use the
        layers of the model, so that signatures share their weights.
    """

    name: str
    inputs: Mapping[str, tuple[int | None, ...]]
    function: Callable[..., dict[str, Any]]


def pieces_of(refiner: Refiner, *, combine: bool = False) -> tuple[Piece, ...]:
    """List the models to export.

    Parameters
    ----------
    refiner : Refiner
    combine : bool
        Combine the models of all muscles into one, whose input is every channel that any of them
        reads.

    Raises
    ------
    InputError
        There is only one model.
    """
    whole = refiner.info.composition
    if not combine:
        return tuple(
            _piece(whole, name, refiner.models[name], whole.part(name)) for name in whole.models
        )
    if len(whole.models) == 1:
        raise InputError(
            f"combine: expected a refiner with one model per muscle, found one model "
            f"({whole.models[0]}), whose file gives all muscles already"
        )
    used = set(whole.needed)
    part = Composition(
        pattern="all-entire",
        targets="joint",
        channels=whole.needed,
        muscles=whole.muscles,
        counterparts=tuple(
            tuple(name for name in names if name in used) for names in whole.counterparts
        ),
    )
    return (_piece(whole, COMBINED, _combined(refiner), part),)


def _piece(whole: Composition, name: str, model: Any, part: Composition) -> Piece:
    return Piece(
        name=name,
        model=model,
        composition=part,
        columns=tuple(whole.channels.index(channel) for channel in part.channels),
        places=tuple(whole.muscles.index(muscle) for muscle in part.muscles),
    )


def _combined(refiner: Refiner) -> Any:
    """Combine the models of a refiner into one, which shares their layers.

    Means of counterparts and quarters (`nem2e_tf.refiners.patterns`) become part of the graph.
    """
    import keras
    from keras import ops

    whole = refiner.info.composition
    simulated = keras.Input((SAMPLES, len(whole.needed)), name="simulated")
    curves = []
    for name in whole.models:
        part = whole.part(name)
        model = refiner.models[name]
        # loaded models share one name, but names must differ within a model
        own = keras.Model(model.input, model.output, name=f"refiner_of_{name}")
        rows = simulated
        if part.pattern != "all-entire":
            rows = ops.matmul(simulated, _mean_of(part.channels, among=whole.needed))
        curves.append(_between_quarters(own, rows, part))
    return keras.Model(simulated, ops.concatenate(curves, axis=2), name=COMBINED)


def _mean_of(chosen: Sequence[str], *, among: Sequence[str]) -> "np.ndarray[Any, Any]":
    """Matrix [channel, 1] whose product is the mean of some channels."""
    picked = np.array([[name in chosen] for name in among], dtype=np.float32)
    return picked / np.float32(len(chosen))


def _between_quarters(model: Any, rows: Any, part: Composition) -> Any:
    from keras import ops

    if part.pattern != "one-quarter":
        return model(rows)
    quarter, size = SAMPLES // QUARTERS, part.model_samples
    cut = ops.reshape(rows, (-1, quarter, 1))
    if size != quarter:
        cut = ops.matmul(resampling(quarter, size), cut)
    out = model(cut)
    if size != quarter:
        out = ops.matmul(resampling(size, quarter), out)
    return ops.reshape(out, (-1, SAMPLES, 1))


def resampling(before: int, after: int) -> "np.ndarray[Any, Any]":
    """Matrix [1, after, before] of `nem2e_tf.refiners.patterns.resample`, which is linear."""
    return resample(np.eye(before)[None], after).astype(np.float32)


def write_saved_model(
    model: Any,
    folder: Path,
    *,
    recurrence: str = "loop",
    batch: int | None = None,
    call: Callable[[Any], Any] | None = None,
    signatures: Sequence[GraphSignature] = (),
) -> None:
    """Write a model as a SavedModel with the signature ``refine``.

    Parameters
    ----------
    model : keras.Model
        A model of a refiner.
    folder : Path
        Folder to create.
    recurrence : {"loop", "unrolled"}
        Form of its recurrences: ``loop`` is small, and the faster one with XNNPACK; ``unrolled`` is
        faster without XNNPACK, uses no WHILE and can be quantised fully.
    batch : int, optional
        Number of rows; by default, any.
    call : callable, optional
        Calls the model in another way; see `nem2e_tf.export.graph.recurrences`.
    signatures : sequence of GraphSignature
        Further signatures over the same weights.
    """
    import keras
    import tensorflow as tf

    def refine(simulated: Any) -> dict[str, Any]:
        return {OUTPUT: call(simulated) if call else model(simulated, training=False)}

    whole = GraphSignature(SIGNATURE, {INPUT: (batch, *model.input_shape[1:])}, refine)
    archive = keras.export.ExportArchive()
    archive.track(model)
    with _recurrence_form(model, recurrence):
        for one in (whole, *signatures):
            shapes = [
                tf.TensorSpec(shape, tf.float32, name=name) for name, shape in one.inputs.items()
            ]
            archive.add_endpoint(one.name, one.function, input_signature=shapes)
        archive.write_out(str(folder), verbose=False)


@contextmanager
def _recurrence_form(model: Any, form: str) -> Iterator[None]:
    """Trace a model's recurrences in another form within the block, then restore theirs."""
    from nem2e_tf.zoo.models import all_layers, set_recurrence_form

    before = [
        (layer, name, getattr(layer, name))
        for layer in all_layers(model)
        for name in ("form", "unroll")
        if hasattr(layer, name)
    ]
    set_recurrence_form(model, form)
    try:
        yield
    finally:
        for layer, name, own in before:
            setattr(layer, name, own)


def layer_by_layer(model: Any) -> Callable[[Any, Callable[..., Any]], Any]:
    """Make a function that calls the layers of a functional model one by one.

    Parameters
    ----------
    model : keras.Model
        With one input and one output; the layers of models inside it are called one by one too.

    Returns
    -------
    callable (tensor, call) -> tensor
        ``call(layer, *inputs, **options)`` is called in place of each ``layer(...)``.
    """
    import keras

    calls: list[tuple[Any, Any, Any, Any]] = []

    def record(layer: Any, *inputs: Any, **options: Any) -> Any:
        outputs = layer(*inputs, **options)
        calls.append((layer, inputs, options, outputs))
        return outputs

    symbolic = keras.models.clone_model(
        model, clone_function=lambda layer: layer, call_function=record
    )
    nested = {
        id(layer): layer_by_layer(layer) for layer, *_ in calls if isinstance(layer, keras.Model)
    }

    def run(tensor: Any, call: Callable[..., Any]) -> Any:
        values = {id(symbolic.input): tensor}

        def value(symbol: Any) -> Any:
            return values.get(id(symbol), symbol)

        for layer, inputs, options, outputs in calls:
            inputs, options = keras.tree.map_structure(value, (inputs, options))
            if id(layer) in nested:
                found = nested[id(layer)](inputs[0], call)
            else:
                found = call(layer, *inputs, **options)
            for symbol, one in zip(
                keras.tree.flatten(outputs), keras.tree.flatten(found), strict=True
            ):
                values[id(symbol)] = one
        return values[id(symbolic.output)]

    return run
