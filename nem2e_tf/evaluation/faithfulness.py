"""Masking what attention is on, to see whether a refiner needs it.

The tokens with the most attention are masked, and as many drawn at random. Where attention says
nothing about what the output depends on, the former are a random draw like the others, and the
difference of the errors is 0 on average (Jain & Wallace 2019; Wiegreffe & Pinter 2019 on what
attention does and does not explain).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

TEMPORAL, SPATIAL = "temporal", "spatial"
MOST_MASKED = 10
SHARE_MASKED = 4


def n_masked(n_tokens: int) -> int:
    """How many tokens to mask: 10, as the paper names, or a quarter of fewer than 40.

    Examples
    --------
    >>> n_masked(92), n_masked(20), n_masked(3)
    (10, 5, 1)
    """
    return max(1, min(MOST_MASKED, n_tokens // SHARE_MASKED))


def most_attended(weights: ArrayLike, count: int) -> NDArray[np.intp]:
    """The tokens with the most attention over all output samples, most first.

    Parameters
    ----------
    weights : array [sample out, token]
    count : int

    Examples
    --------
    >>> most_attended([[0.1, 0.6, 0.3], [0.5, 0.3, 0.2]], 2).tolist()
    [1, 0]
    """
    total = np.asarray(weights, dtype=np.float64).sum(axis=0)
    return np.argsort(-total, kind="stable")[:count]


def random_sets(n_tokens: int, count: int, *, sets: int, seed: int) -> list[NDArray[np.intp]]:
    """Draw sets of different tokens; any token, the most attended ones among them.

    Parameters
    ----------
    n_tokens, count : int
        Tokens there are, and tokens in a set.
    sets : int
        How many.
    seed : int
    """
    random = np.random.default_rng(seed)
    return [random.choice(n_tokens, size=count, replace=False) for _ in range(sets)]


def masked(
    simulated: ArrayLike, mean: ArrayLike, tokens: Sequence[int] | NDArray[np.intp], *, kind: str
) -> NDArray[np.float32]:
    """Replace what some tokens stand for by its mean over the training cycles.

    Parameters
    ----------
    simulated : array [cycle, sample, channel]
    mean : array [sample, channel]
        Mean over the training cycles: so a refiner is told what is usual, and nothing impossible.
    tokens : sequence of int
        Channels (``spatial``) or samples (``temporal``).
    kind : {"temporal", "spatial"}

    Returns
    -------
    float32 array [cycle, sample, channel]

    Examples
    --------
    >>> masked(np.ones((1, 2, 2)), np.zeros((2, 2)), [1], kind="spatial")[0].tolist()
    [[1.0, 0.0], [1.0, 0.0]]
    """
    changed = np.array(simulated, dtype=np.float32)
    places = np.asarray(tokens, np.intp)
    if kind == SPATIAL:
        changed[:, :, places] = np.asarray(mean)[:, places]
    else:
        changed[:, places] = np.asarray(mean)[places]
    return changed
