"""The signatures of a ``.tflite`` in addition to ``refine``, added on request.

``refine_with_attention`` returns the attention weights as well.

``refine_recording`` takes one cycle of activation, [n, channel] at evenly spaced times, the first
row at foot contact (0 %) and the last at the next contact of that foot (100 %), and returns the EMG
at the same n times. Operation by operation, it computes what the package computes for such a cycle:
straight lines between the rows, the least-squares piecewise linear curve through 101 points,
clipped to the extremes of the recording (`nem2e_tf.signals.gait.resample_cycle`), thinned to 20
samples (`nem2e_tf.training.rows.thin`), the mean of the counterparts if the input pattern requires
it (`nem2e_tf.refiners.patterns`), the model, and straight lines back to the rows
(`nem2e_tf.refiners.recording`).
All operators are builtin, for any n. NaN or infinity anywhere in a recording makes the whole output
NaN. The runtime refuses fewer than 11 rows, which the graph cannot; it fails on a single row.

``step`` takes ``sample`` [1, input] and state tensors, and returns ``refined`` [1, muscle] and the
state tensors under the same names. They are zeros at foot contact and again after the last sample
of the model. Each holds the memory of a layer: the hidden and cell state of a recurrence, the
earlier samples that a convolution reads, the number of the sample if the offset of a residual
output depends on it. A step contains no loop. Only causal models have it: no sample may depend on a
later one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nem2e_tf.errors import ExportError
from nem2e_tf.export.file.audit import (
    ATTENTION,
    INPUT,
    OUTPUT,
    RECORDED,
    RECORDING,
    SAMPLE,
    STEP,
    WEIGHTS,
)
from nem2e_tf.export.graph.pieces import GraphSignature, layer_by_layer, resampling
from nem2e_tf.names import QUARTERS
from nem2e_tf.refiners.patterns import SAMPLES, Composition
from nem2e_tf.refiners.refiner import Refiner

# as in nem2e_tf.signals.gait.resample_cycle
_POINTS = 101
_STEPS_BETWEEN = 10
_LARGEST = float(np.finfo(np.float32).max)

# Of random cycles that models are probed with.
_SEED = 0
# Matrix products of another shape round differently.
_SAME = 1e-5

POSITION = "position"


def further_signatures(
    refiner: Refiner, model: str, signatures: Sequence[str]
) -> list[GraphSignature]:
    """Make the further signatures of one model of a refiner.

    Parameters
    ----------
    refiner : Refiner
    model : str
        A muscle, or ``joint``.
    signatures : sequence of {"refine_with_attention", "refine_recording", "step"}

    Raises
    ------
    ExportError
        The model cannot have one: it has no attention, or is not causal.
    """
    whole, network = refiner.info.composition, refiner.models[model]
    made = []
    for signature in signatures:
        if signature == RECORDING:
            made.append(recording_signature(network, whole.part(model)))
        elif signature == ATTENTION:
            try:
                made.append(attention_signature(network))
            except ValueError:
                raise ExportError(
                    f"{model}: expected a refiner with attention for {ATTENTION}, found "
                    f"{refiner.info.model}, which has none"
                ) from None
        elif whole.pattern == "one-quarter" and whole.model_samples == SAMPLES:
            raise ExportError(
                f"{model}: expected a model of single samples for {STEP}, found quarters "
                f"resampled to {SAMPLES}, which requires the whole quarter"
            )
        else:
            made.append(step_signature(network, name=model))
    return made


def attention_signature(model: Any) -> GraphSignature:
    """Make ``refine_with_attention``: ``simulated`` [1, sample, input] to refined and weights.

    ``weights`` [1, sample, token] is the fraction of attention that each output sample pays to each
    sample (temporal attention) or channel (spatial attention).

    Raises
    ------
    ValueError
        The model has no attention.
    """
    from nem2e_tf.zoo import with_attention

    both = with_attention(model)

    def refine_with_attention(simulated: Any) -> dict[str, Any]:
        refined, weights = both(simulated, training=False)
        return {OUTPUT: refined, WEIGHTS: weights}

    return GraphSignature(ATTENTION, {INPUT: (1, *model.input_shape[1:])}, refine_with_attention)


def recording_signature(model: Any, composition: Composition) -> GraphSignature:
    """Make ``refine_recording``: ``recording`` [n, channel] to ``refined`` [n, muscle].

    Parameters
    ----------
    model : keras.Model
        [row, model_samples, input] to [row, model_samples, muscle].
    composition : Composition
        Of this model alone; see `nem2e_tf.refiners.patterns.Composition.part`.
    """
    import tensorflow as tf

    def refine_recording(recording: Any) -> dict[str, Any]:
        samples = _samples(recording)
        if composition.pattern != "all-entire":
            samples = tf.reduce_mean(samples, axis=1, keepdims=True)
        refined = _joined(model(_rows(samples, composition), training=False), composition)
        n_rows = tf.shape(recording)[0]
        curves = _between(refined, tf.range(n_rows), n_rows - 1)
        # operators on the way may drop a NaN
        finite = tf.reduce_all(tf.abs(recording) <= _LARGEST)
        return {OUTPUT: tf.where(finite, curves, np.float32(np.nan))}

    shape = (None, len(composition.channels))
    return GraphSignature(RECORDING, {RECORDED: shape}, refine_recording)


def _samples(recording: Any) -> Any:
    """Resample [n, channel] to [20, channel], like the cycles of a cohort."""
    import tensorflow as tf

    steps = (_POINTS - 1) * _STEPS_BETWEEN
    fine = _between(recording, tf.range(steps + 1), steps)
    # least squares: project the fine line on the hat function of each point, then solve
    blocks = tf.pad(fine, ((_STEPS_BETWEEN, _STEPS_BETWEEN - 1), (0, 0)))
    blocks = tf.reshape(blocks, (_POINTS + 1, _STEPS_BETWEEN, recording.shape[1]))
    rising = (np.arange(_STEPS_BETWEEN, dtype=np.float32) / _STEPS_BETWEEN)[:, None]
    sums = tf.reduce_sum(blocks[:-1] * rising, 1) + tf.reduce_sum(blocks[1:] * (1 - rising), 1)
    place = np.linspace(0, _POINTS - 1, SAMPLES)
    before = np.minimum(place.astype(int), _POINTS - 2)
    share = (place - before)[:, None].astype(np.float32)
    inverse = _inverse_products()
    low, high = tf.reduce_min(fine, axis=0), tf.reduce_max(fine, axis=0)
    first, second = (
        tf.minimum(tf.maximum(tf.matmul(inverse[rows], sums), low), high)
        for rows in (before, before + 1)
    )
    return first * (1 - share) + second * share


def _inverse_products() -> "np.ndarray[Any, Any]":
    """Invert the matrix of products of the hat functions, float32 [point, point]."""
    fine = np.linspace(0, _POINTS - 1, (_POINTS - 1) * _STEPS_BETWEEN + 1)
    hats = np.maximum(0, 1 - np.abs(fine[:, None] - np.arange(_POINTS)[None, :]))
    return np.linalg.inv(hats.T @ hats).astype(np.float32)


def _between(recording: Any, number: Any, steps: Any) -> Any:
    """Interpolate rows [n, ...] linearly at `number` / `steps` of the way from first to last."""
    import tensorflow as tf

    last = tf.shape(recording)[0] - 1
    # integers are exact at any length
    place = number * last
    before = tf.minimum(place // steps, last - 1)
    share = tf.cast(place - before * steps, tf.float32) / tf.cast(steps, tf.float32)
    share = share[:, None]
    return tf.gather(recording, before) * (1 - share) + tf.gather(recording, before + 1) * share


def _rows(samples: Any, composition: Composition) -> Any:
    """Arrange [20, input] as rows of the model."""
    import tensorflow as tf

    if composition.pattern != "one-quarter":
        return samples[None]
    quarters = tf.reshape(samples, (QUARTERS, SAMPLES // QUARTERS, 1))
    return _resampled(quarters, composition.model_samples)


def _joined(rows: Any, composition: Composition) -> Any:
    """Join rows of the model to [20, muscle]."""
    import tensorflow as tf

    if composition.pattern == "one-quarter":
        rows = _resampled(rows, SAMPLES // QUARTERS)
    return tf.reshape(rows, (SAMPLES, rows.shape[2]))


def _resampled(rows: Any, count: int) -> Any:
    """Resample rows as `nem2e_tf.refiners.patterns.resample`, by a product with a constant."""
    import tensorflow as tf

    n_samples = rows.shape[1]
    return rows if n_samples == count else tf.matmul(resampling(n_samples, count)[0], rows)


@dataclass(frozen=True)
class Ahead:
    """An output sample that depends on a later input sample.

    Attributes
    ----------
    sample : int
        The output sample.
    looks_at : int
        The later input sample.
    """

    sample: int
    looks_at: int

    def __str__(self) -> str:
        return f"its output at sample {self.sample} depends on input at sample {self.looks_at}"


def looks_ahead(model: Any) -> Ahead | None:
    """Test if a model is causal: return the farthest dependence on a later sample, or None.

    Each sample of a random cycle is changed strongly in turn; earlier outputs must not change,
    except by rounding.

    Parameters
    ----------
    model : keras.Model
        [row, sample, input] to [row, sample, muscle].
    """
    _, n_samples, n_inputs = model.input_shape
    random = np.random.default_rng(_SEED)
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


def step_signature(model: Any, *, name: str) -> GraphSignature:
    """Make ``step``, which refines a cycle sample by sample.

    Parameters
    ----------
    model : keras.Model
        [row, sample, input] to [row, sample, muscle].
    name : str
        Name of the model, for messages.

    Raises
    ------
    ExportError
        The model is not causal, or one of its layers cannot be run sample by sample.
    """
    ahead = looks_ahead(model)
    if ahead is not None:
        raise ExportError(f"{name}: expected a causal model for step; {ahead}")
    shapes = _states(model)
    inputs = {SAMPLE: (1, model.input_shape[2]), **shapes}
    signature = GraphSignature(STEP, inputs, _step(model, shapes))
    _check_step(model, signature, name)
    return signature


def _states(model: Any) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the state tensors."""
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

    run = layer_by_layer(model)

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
            # keras.ops.take would add operators for negative indices
            return tf.gather(tf.convert_to_tensor(layer.offset.value), tf.cast(place, tf.int32))

        refined = run(sample[:, None], advance)
        return {OUTPUT: refined[:, 0], **states}

    return step


def _check_step(model: Any, signature: GraphSignature, name: str) -> None:
    """Refuse a model whose output differs when it runs sample by sample."""
    _, n_samples, n_inputs = model.input_shape
    cycle = np.random.default_rng(_SEED).random((1, n_samples, n_inputs), dtype=np.float32)
    whole = np.asarray(model(cycle, training=False))[0]
    shapes = list(signature.inputs.items())[1:]
    states: dict[str, Any] = {key: np.zeros(shape, np.float32) for key, shape in shapes}
    for sample in range(n_samples):
        try:
            states = signature.function(cycle[:, sample], *states.values())
            refined = np.asarray(states.pop(OUTPUT))[0]
            same = np.allclose(refined, whole[sample], atol=_SAME * max(np.abs(whole).max(), 1e-6))
        except Exception:  # a layer may raise anything on a single sample
            same = False
        if not same:
            layers = sorted({type(layer).__name__ for layer in model.layers[1:]})
            raise ExportError(
                f"{name}: expected layers that can run sample by sample, found one among "
                f"{', '.join(layers)} that cannot"
            )
