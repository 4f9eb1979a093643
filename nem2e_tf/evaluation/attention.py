"""What attention weights say: where in time a refiner looks."""

import numpy as np
from numpy.typing import ArrayLike


def mean_offset(weights: ArrayLike) -> float:
    """Say how much later than the sample it emits a temporal attention looks, on average.

    A refiner that undoes a simulation which is late by some share of the cycle has to look later by
    that share. The encoder's memory of a sample holds earlier ones too, so the offset may be
    smaller than the lag that is undone.

    Parameters
    ----------
    weights : array [cycle, sample out, sample in] or [sample out, sample in]
        Attention weights; each output sample's sum to 1.

    Returns
    -------
    float
        In % of the cycle; positive where it looks later. NaN without any cycle.

    Examples
    --------
    >>> round(mean_offset([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]), 6)
    33.333333
    """
    values = np.asarray(weights, dtype=np.float64)
    if not values.size:
        return float("nan")
    phase = np.linspace(0.0, 100.0, values.shape[-1])
    looked_at = values @ phase
    return float(np.mean(looked_at - np.linspace(0.0, 100.0, values.shape[-2])))


def lag_removed(before: ArrayLike, after: ArrayLike) -> float:
    """Say what share of a lag is gone: 1 all of it, 0 none, negative where it grew.

    Parameters
    ----------
    before, after : array
        Lags of the simulated and of the refined curves, as `nem2e_tf.evaluation.metrics` gives
        them. Those that are NaN in either are left out.

    Returns
    -------
    float
        1 - mean |after| / mean |before|; NaN where there was no lag.

    Examples
    --------
    >>> lag_removed([8.0, 8.0], [0.8, -0.8])
    0.9
    """
    first, second = np.abs(np.asarray(before, float)), np.abs(np.asarray(after, float))
    known = np.isfinite(first) & np.isfinite(second)
    total = float(first[known].sum())
    return 1.0 - float(second[known].sum()) / total if total else float("nan")
