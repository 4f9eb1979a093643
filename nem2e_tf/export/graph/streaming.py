"""Streaming: an entrance that takes one sample at a time and carries its state outside.

``step`` takes ``sample`` [1, input] and the state tensors, and gives ``refined`` [1, muscle] and
the state tensors again under the same names. They are zeros at foot contact; after the model's last
sample they are zeros again. Each is what a layer remembers: the hidden and cell state of a
recurrence, the earlier samples that a convolution sees, the number of the sample where the offset
of a residual output differs by sample. A step has no loop in it.

Only causal models can do this: nobody can tell a sample that depends on one to come.

Whether a refiner looks ahead, found out by asking it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nem2e_tf.errors import ExportError
from nem2e_tf.export.file.audit import OUTPUT
from nem2e_tf.export.file.endpoints import SAMPLE, STEP, Endpoint

SEED = 0


@dataclass(frozen=True)
class Ahead:
    """A later sample that changes an earlier output.

    Attributes
    ----------
    sample : int
        The output that changes.
    looks_at : int
        The later input that changes it.
    """

    sample: int
    looks_at: int

    def __str__(self) -> str:
        return f"its output at sample {self.sample} looks ahead at sample {self.looks_at}"


def looks_ahead(model: Any) -> Ahead | None:
    """Find a later input sample that a model's earlier output depends on.

    Every sample of a random cycle is changed in turn, and by much; outputs before it must stay as
    they are, bit for bit but for the rounding of a matrix product of another shape.

    Parameters
    ----------
    model : keras.Model
        [row, sample, input] to [row, sample, muscle].

    Returns
    -------
    Ahead or None
        The farthest look ahead; None for a causal model.
    """
    _, n_samples, n_inputs = model.input_shape
    random = np.random.default_rng(SEED)
    cycle = random.random((1, n_samples, n_inputs), dtype=np.float32)
    cycles = np.repeat(cycle, n_samples + 1, axis=0)
    for sample in range(n_samples):
        cycles[sample, sample] += 1 + random.random(n_inputs, dtype=np.float32)
    refined = np.asarray(model(cycles, training=False))
    size = max(float(np.abs(refined).max()), 1e-6)
    change = np.abs(refined[:-1] - refined[-1]).max(axis=2) / size
    found = [
        Ahead(output, later)
        for later in range(n_samples)
        for output in range(later)
        if change[later, output] > 1e-6
    ]
    return max(found, key=lambda ahead: ahead.looks_at - ahead.sample, default=None)


POSITION = "position"

# a matrix product of another shape rounds otherwise
_SAME = 1e-5


def step_endpoint(model: Any, *, name: str) -> Endpoint:
    """Make the entrance that takes a cycle sample by sample.

    Parameters
    ----------
    model : keras.Model
        [row, sample, input] to [row, sample, muscle].
    name : str
        What to call it in messages.

    Raises
    ------
    ExportError
        It looks ahead, or one of its layers cannot be taken sample by sample.
    """
    ahead = looks_ahead(model)
    if ahead is not None:
        raise ExportError(f"{name}: expected a causal model for step; {ahead}")
    shapes = _states(model)
    endpoint = Endpoint(STEP, {SAMPLE: (1, model.input_shape[2]), **shapes}, _step(model, shapes))
    _check(model, endpoint, name)
    return endpoint


def _states(model: Any) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all that the model's layers remember."""
    from nem2e_tf.zoo.layers import LSTM, DilatedConvolution, TargetScaling
    from nem2e_tf.zoo.layers.recurrence import Recurrence

    shapes: dict[str, tuple[int, ...]] = {}
    for layer in model.layers:
        if isinstance(layer, Recurrence):
            shapes[f"{layer.name}_hidden"] = (1, layer.units)
            if isinstance(layer, LSTM):
                shapes[f"{layer.name}_cell"] = (1, layer.units)
        elif isinstance(layer, DilatedConvolution):
            reach = (layer.kernel_size - 1) * layer.dilation
            shapes[f"{layer.name}_past"] = (1, reach, layer.kernel.shape[1])
        elif isinstance(layer, TargetScaling) and np.ptp(layer.offset.numpy(), axis=0).any():
            shapes[POSITION] = (1,)
    return shapes


def _step(model: Any, shapes: Mapping[str, Any]) -> Callable[..., dict[str, Any]]:
    import tensorflow as tf
    from keras import ops

    from nem2e_tf.zoo.layers import DilatedConvolution, TargetScaling
    from nem2e_tf.zoo.layers.recurrence import Recurrence

    def step(sample: Any, *given: Any) -> dict[str, Any]:
        states = dict(zip(shapes, given, strict=True))

        def advance(layer: Any, *inputs: Any, **options: Any) -> Any:
            own = [name for name in states if name.startswith(f"{layer.name}_")]
            if isinstance(layer, Recurrence):
                before = tuple(states[name] for name in own)
                after = layer.step(layer.project(inputs[0][:, 0]), before)
                states.update(zip(own, after, strict=True))
                return (ops.expand_dims(after[0], 1), *after)
            if isinstance(layer, DilatedConvolution):
                seen = ops.concatenate([states[own[0]], inputs[0]], axis=1)
                states[own[0]] = seen[:, 1:]
                taps = ops.reshape(seen[:, :: layer.dilation], (1, -1))
                kernel = ops.reshape(layer.kernel, (-1, layer.filters))
                return ops.expand_dims(ops.matmul(taps, kernel) + layer.bias, 1)
            if isinstance(layer, TargetScaling):
                return layer.scale * inputs[0] + offset(layer)
            return layer(*inputs, **options)

        def offset(layer: Any) -> Any:
            if POSITION not in states:
                return layer.offset[:1]
            place = states[POSITION]
            states[POSITION] = place + 1
            # keras.ops.take would add what negative numbers need
            return tf.gather(tf.convert_to_tensor(layer.offset.value), tf.cast(place, tf.int32))

        # Keras offers no public way to call a functional model's layers one by one
        refined = model._run_through_graph(
            sample[:, None], operation_fn=lambda layer: layer, call_fn=advance
        )
        return {OUTPUT: refined[:, 0], **states}

    return step


def _check(model: Any, endpoint: Endpoint, name: str) -> None:
    """Refuse a model that gives something else when it is taken sample by sample."""
    _, n_samples, n_inputs = model.input_shape
    cycle = np.random.default_rng(SEED).random((1, n_samples, n_inputs), dtype=np.float32)
    whole = np.asarray(model(cycle, training=False))[0]
    shapes = list(endpoint.inputs.items())[1:]
    states: dict[str, Any] = {key: np.zeros(shape, np.float32) for key, shape in shapes}
    for sample in range(n_samples):
        try:
            states = endpoint.function(cycle[:, sample], *states.values())
            refined = np.asarray(states.pop(OUTPUT))[0]
            same = np.allclose(refined, whole[sample], atol=_SAME * max(np.abs(whole).max(), 1e-6))
        except Exception:  # whatever a layer makes of a single sample
            same = False
        if not same:
            layers = sorted({type(layer).__name__ for layer in model.layers[1:]})
            raise ExportError(
                f"{name}: expected layers that can be taken sample by sample, found one among "
                f"{', '.join(layers)} that gives something else"
            )
