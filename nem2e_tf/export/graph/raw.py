"""Raw recordings in: an entrance that does the time normalisation itself.

``refine_recording`` takes one cycle of activation, [n, channel] at evenly spaced times, the first
row at foot contact (0 %) and the last at the next contact of that foot (100 %), and gives the EMG
at the same n times. It computes what the package computes for such a cycle, operation by operation:
straight lines between the rows, the nearest broken line through 101 points, held within the
recording's extremes (`nem2e_tf.signals.gait.resample_cycle`), thinned to 20 samples
(`nem2e_tf.training.rows.thin`), the mean of the counterparts where the pattern asks for it
(`nem2e_tf.refiners.patterns`), the model, and straight lines back (`nem2e_tf.refiners.recording`).
All of it comes
down to builtin operators, for any n; rounding apart nothing differs.

A recording with NaN or infinity anywhere in it comes out as NaN throughout. Fewer than 11 rows show
too little of a cycle; the runtime refuses them, the graph cannot. With a single row it fails.
"""

from typing import Any

import numpy as np

from nem2e_tf.export.file.audit import OUTPUT
from nem2e_tf.export.file.endpoints import RECORDED, RECORDING, Endpoint
from nem2e_tf.names import QUARTERS
from nem2e_tf.refiners.patterns import SAMPLES, Composition, resample

FEWEST_ROWS = 11

# as in nem2e_tf.signals.gait.resample_cycle
_POINTS = 101
_STEPS_BETWEEN = 10
_LARGEST = float(np.finfo(np.float32).max)


def recording_endpoint(model: Any, composition: Composition) -> Endpoint:
    """Make the entrance for one cycle of any length.

    Parameters
    ----------
    model : keras.Model
        [row, model_samples, input] to [row, model_samples, muscle].
    composition : Composition
        The model's own; see `nem2e_tf.refiners.patterns.Composition.part`.

    Returns
    -------
    Endpoint
        ``recording`` [n, channel], the composition's channels in order, to ``refined``
        [n, muscle].
    """
    import tensorflow as tf

    def refine_recording(recording: Any) -> dict[str, Any]:
        samples = _samples(recording)
        if composition.pattern != "all-entire":
            samples = tf.reduce_mean(samples, axis=1, keepdims=True)
        refined = _joined(model(_rows(samples, composition), training=False), composition)
        n_rows = tf.shape(recording)[0]
        curves = _between(refined, tf.range(n_rows), n_rows - 1)
        # the operators that resample and refine may lose a NaN on the way
        finite = tf.reduce_all(tf.abs(recording) <= _LARGEST)
        return {OUTPUT: tf.where(finite, curves, np.float32(np.nan))}

    shape = (None, len(composition.channels))
    return Endpoint(RECORDING, {RECORDED: shape}, refine_recording)


def _samples(recording: Any) -> Any:
    """Resample [n, channel] to [20, channel], as a cohort's cycles are."""
    import tensorflow as tf

    steps = (_POINTS - 1) * _STEPS_BETWEEN
    fine = _between(recording, tf.range(steps + 1), steps)
    # least squares: the sums of the fine line under each point's hat, times the inverse of the
    # hats' products with each other
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
    """Inverse of the hats' products with each other, float32 [point, point]."""
    fine = np.linspace(0, _POINTS - 1, (_POINTS - 1) * _STEPS_BETWEEN + 1)
    hats = np.maximum(0, 1 - np.abs(fine[:, None] - np.arange(_POINTS)[None, :]))
    return np.linalg.inv(hats.T @ hats).astype(np.float32)


def _between(recording: Any, number: Any, steps: Any) -> Any:
    """Read straight lines through rows [n, ...], `number` of `steps` from the first to the last."""
    import tensorflow as tf

    last = tf.shape(recording)[0] - 1
    # whole numbers: exact at any length
    place = number * last
    before = tf.minimum(place // steps, last - 1)
    share = tf.cast(place - before * steps, tf.float32) / tf.cast(steps, tf.float32)
    share = share[:, None]
    return tf.gather(recording, before) * (1 - share) + tf.gather(recording, before + 1) * share


def _rows(samples: Any, composition: Composition) -> Any:
    """Lay [20, input] out as the model's rows."""
    import tensorflow as tf

    if composition.pattern != "one-quarter":
        return samples[None]
    quarters = tf.reshape(samples, (QUARTERS, SAMPLES // QUARTERS, 1))
    return _resampled(quarters, composition.model_samples)


def _joined(rows: Any, composition: Composition) -> Any:
    """Join the model's rows to [20, muscle]."""
    import tensorflow as tf

    if composition.pattern == "one-quarter":
        rows = _resampled(rows, SAMPLES // QUARTERS)
    return tf.reshape(rows, (SAMPLES, rows.shape[2]))


def _resampled(rows: Any, count: int) -> Any:
    """Do `nem2e_tf.refiners.patterns.resample` as a product with a constant."""
    import tensorflow as tf

    n_samples = rows.shape[1]
    if n_samples == count:
        return rows
    matrix = resample(np.eye(n_samples, dtype=np.float32)[None], count)[0].astype(np.float32)
    return tf.matmul(matrix, rows)
