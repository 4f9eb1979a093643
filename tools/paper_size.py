"""Time of a training step at the paper's size against the limit that memory bandwidth sets.

With 700 units and batch size 1, every matrix is read again for each sample, forwards and backwards,
and Adam reads four numbers per weight and writes three. No computation hides this traffic, so a
step takes at least its bytes divided by the bandwidth. Both bandwidths are measured in the same
run: reading one matrix of that size repeatedly, and adding arrays that exceed the caches. Used by
``tools/bench-training --paper-size``.
"""

import statistics
from collections.abc import Callable

import pandas as pd
from training_contenders import CYCLES, SAMPLES, epoch_times, time_engine

UNITS = 700
BYTES = 4


def bytes_of_matrices() -> int:
    """Bytes of matrices read in one step: recurrences and the attention's combination.

    Examples
    --------
    >>> bytes_of_matrices() // 10**6
    705
    """
    recurrent, combination = 4 * UNITS * UNITS, UNITS * UNITS
    return 2 * SAMPLES * (2 * recurrent + combination) * BYTES


def bytes_of_adam() -> int:
    """Bytes that one step of Adam moves: weights, gradients and both moments.

    Examples
    --------
    >>> bytes_of_adam() // 10**6
    151
    """
    lstm = 4 * UNITS * (1 + UNITS + 1)
    attention = UNITS * UNITS + 2 * UNITS * UNITS + UNITS
    return 7 * (2 * lstm + attention + UNITS + 1) * BYTES


def rate_of_matrices(*_: object) -> float:
    """GB/s at which a vector is multiplied by the recurrent matrix, again and again."""
    from nem2e_tf.training.chunk import set_up_tensorflow

    set_up_tensorflow()
    import tensorflow as tf

    matrix = tf.random.normal((UNITS, 4 * UNITS))
    vectors = tf.random.normal((SAMPLES, 1, UNITS))
    run = tf.function(lambda: [tf.matmul(one, matrix) for one in tf.unstack(vectors)])
    return SAMPLES * UNITS * 4 * UNITS * BYTES / epoch_times(run, least=1.0) / 1e6


def rate_of_arrays(*_: object) -> float:
    """GB/s at which large arrays are added: two read, one written."""
    import numpy as np

    one, other = (np.ones(2**25, np.float32) for _ in range(2))
    out = np.empty_like(one)
    return 3 * one.nbytes / epoch_times(lambda: np.add(one, other, out=out), least=1.0) / 1e6


def time_step(*_: object) -> float:
    """Milliseconds a step of STDR-Net's temporal form in the engine."""
    return time_engine("stdr-net-temporal", 1, units=UNITS) / CYCLES


MEASUREMENTS: dict[str, Callable[..., float]] = {
    "paper-matrices": rate_of_matrices,
    "paper-arrays": rate_of_arrays,
    "paper-step": time_step,
}


def paper_size(measure: Callable[..., float], rounds: int) -> pd.DataFrame:
    """Measure the step and the rates in turn; medians.

    Parameters
    ----------
    measure : callable (measurement, entry, batch) -> float
        In a process of its own.
    rounds : int
    """
    found = {
        name: statistics.median(measure(name, "stdr-net-temporal", "1") for _ in range(rounds))
        for name in MEASUREMENTS
    }
    matrices, arrays = found["paper-matrices"], found["paper-arrays"]
    least = (bytes_of_matrices() / matrices + bytes_of_adam() / arrays) / 1e6
    return pd.DataFrame(
        [
            {
                "ms a step": found["paper-step"],
                "matrices MB": bytes_of_matrices() / 1e6,
                "Adam MB": bytes_of_adam() / 1e6,
                "matrices GB/s": matrices,
                "arrays GB/s": arrays,
                "least ms": least,
                "step / least": found["paper-step"] / least,
            }
        ]
    )
