"""A Keras model as a TensorFlow SavedModel, by the one way that keeps its weights.

``keras.export.ExportArchive`` it is: ``tf.saved_model.save`` and ``from_concrete_functions`` write
uninitialised weights with Keras 3 and say nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.export.file.audit import INPUT, OUTPUT, SIGNATURE
from nem2e_tf.export.file.endpoints import Endpoint
from nem2e_tf.export.graph.tracing import FUSED, caller


def write_saved_model(
    model: Any,
    folder: Path,
    *,
    recurrence: str = "loop",
    batch: int | None = None,
    integers: bool = False,
    endpoints: Sequence[Endpoint] = (),
) -> None:
    """Write one model with the signature ``refine`` (``simulated`` to ``refined``).

    Parameters
    ----------
    model : keras.Model
        One of a refiner's.
    folder : Path
        Made here.
    recurrence : {"loop", "unrolled", "fused"}
        Form of its recurrences, if it has any: ``loop`` is small and, with XNNPACK, the faster one;
        ``unrolled`` is faster without XNNPACK, needs no WHILE and can be quantised fully;
        ``fused`` is one operator, see `nem2e_tf.export.graph.tracing`.
    batch : int, optional
        Fixed number of rows; any number if not given. ``fused`` needs one.
    integers : bool
        Whether it will be quantised fully.
    endpoints : sequence of Endpoint
        Further signatures over the same weights.
    """
    import keras
    import tensorflow as tf

    call = caller(model, recurrence=recurrence, integers=integers)

    def refine(simulated: Any) -> dict[str, Any]:
        return {OUTPUT: call(simulated)}

    shape = (batch, *model.input_shape[1:])
    archive = keras.export.ExportArchive()
    archive.track(model)
    with recurrence_form(model, "unrolled" if recurrence == FUSED else recurrence):
        archive.add_endpoint(
            SIGNATURE, refine, input_signature=[tf.TensorSpec(shape, tf.float32, name=INPUT)]
        )
        for endpoint in endpoints:
            archive.add_endpoint(
                endpoint.name,
                endpoint.function,
                input_signature=[
                    tf.TensorSpec(size, tf.float32, name=name)
                    for name, size in endpoint.inputs.items()
                ],
            )
        archive.write_out(str(folder), verbose=False)


@contextmanager
def recurrence_form(model: Any, form: str) -> Iterator[None]:
    """Trace a model's recurrences in another form within the block; they are put back after it."""
    from nem2e_tf.zoo.models import all_layers, set_recurrence_form

    before = [(layer, layer.form) for layer in all_layers(model) if hasattr(layer, "form")]
    set_recurrence_form(model, form)
    try:
        yield
    finally:
        for layer, own in before:
            layer.form = own


def run_saved_model(folder: Path, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run a SavedModel's ``refine`` on rows [row, sample, input]."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    refine = loaded.signatures[SIGNATURE]
    return np.asarray(refine(**{INPUT: tf.constant(rows)})[OUTPUT])
