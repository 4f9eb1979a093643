"""What one fit came to."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.training.plan import Fit


@dataclass(frozen=True, eq=False)
class FitResult:
    """What one fit came to.

    Attributes
    ----------
    fit : Fit
    refined : float32 array [left-out cycle, 20, target]
    history : float32 array [epoch, 3]
        Loss on training, validation and left-out cycles. The last is never used.
    epochs : int
        The epoch whose weights are kept; 0 for a closed form.
    seconds : float
        Its share of the chunk's time.
    digest : str
        SHA-256 of the weights, normalisation included.
    weights : list of array
        In the order of ``model.weights``.
    """

    fit: Fit
    refined: NDArray[np.float32]
    history: NDArray[np.float32]
    epochs: int
    seconds: float
    digest: str
    weights: list[NDArray[Any]] = field(repr=False)


def weights_digest(weights: Sequence[NDArray[Any]]) -> str:
    """SHA-256 of weights, bit for bit; random seeds kept among them are left out."""
    total = hashlib.sha256()
    for value in weights:
        if np.issubdtype(value.dtype, np.floating):
            total.update(np.ascontiguousarray(value).tobytes())
    return total.hexdigest()
