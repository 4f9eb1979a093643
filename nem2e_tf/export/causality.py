"""Whether a refiner looks ahead, found out by asking it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

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
