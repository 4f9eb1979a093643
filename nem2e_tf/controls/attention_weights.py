"""Masking what attention is on, to see whether a refiner needs it.

The tokens with the most attention are masked, and as many drawn at random. Where attention says
nothing about what the output depends on, the former are a random draw like the others, and the
difference of the errors is 0 on average (Jain & Wallace 2019; Wiegreffe & Pinter 2019 on what
attention does and does not explain).

What attention weights say: where in time, and at which channels, a refiner looks.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.names import QUARTERS

MOMENTS = (0, 50, 100)
MOST = 10


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


def over_cycle(weights: ArrayLike, *, rows_a_cycle: int) -> NDArray[np.float64]:
    """Lay the attention of a model's rows over the cycles that they are parts of.

    Parameters
    ----------
    weights : array [row, sample out, token]
        Tokens are samples where a cycle has four rows (One-Quarter).
    rows_a_cycle : {1, 4}

    Returns
    -------
    float64 array [cycle, sample out, token]
        Of quarters: 20 by 20, and 0 outside a sample's own quarter, which the model cannot see.

    Examples
    --------
    >>> over_cycle(np.ones((4, 1, 1)), rows_a_cycle=4)[0].tolist()[1]
    [0.0, 1.0, 0.0, 0.0]
    """
    values = np.asarray(weights, dtype=np.float64)
    if rows_a_cycle == 1:
        return values
    n_cycles, size = len(values) // QUARTERS, values.shape[1]
    laid = np.zeros((n_cycles, QUARTERS, size, QUARTERS, size))
    for quarter in range(QUARTERS):
        laid[:, quarter, :, quarter] = values[quarter::QUARTERS]
    return laid.reshape(n_cycles, QUARTERS * size, QUARTERS * size)


def weight_table(by_group: ArrayLike, *, tokens: Sequence[str]) -> pd.DataFrame:
    """Attention averaged over groups, one row an output sample and token.

    Parameters
    ----------
    by_group : array [group, sample out, token]
        Each group's weights, averaged over its cycles.
    tokens : sequence of str
        Names of channels, or places of samples.

    Returns
    -------
    DataFrame
        ``sample``, ``percent`` (of the cycle), ``token``, ``weight`` (mean over groups),
        ``weight_sd`` (over groups; NaN with one), ``n_groups``.
    """
    values = np.asarray(by_group, dtype=np.float64)
    n_groups, n_samples, n_tokens = values.shape
    several = n_groups > 1
    spread = values.std(axis=0, ddof=1) if several else np.full(values.shape[1:], np.nan)
    return pd.DataFrame(
        {
            "sample": np.repeat(np.arange(n_samples), n_tokens),
            "percent": np.repeat(np.linspace(0.0, 100.0, n_samples), n_tokens).round(4),
            "token": np.tile(np.asarray(tokens, dtype=object), n_samples),
            "weight": values.mean(axis=0).ravel(),
            "weight_sd": spread.ravel(),
            "n_groups": n_groups,
        }
    )


def top_tokens(table: pd.DataFrame, *, most: int = MOST) -> pd.DataFrame:
    """The tokens with the most attention at the beginning, in the middle and at the end.

    As in the paper's Figure 7. The middle of the cycle lies between two of 20 samples; the later
    one is taken.

    Parameters
    ----------
    table : DataFrame
        See `weight_table`.
    most : int
        How many.

    Returns
    -------
    DataFrame
        ``percent`` (0, 50 or 100), ``rank`` from 1, ``token``, ``weight``.
    """
    percents = np.unique(table["percent"])
    rows = []
    for moment in MOMENTS:
        nearest = percents[::-1][np.argmin(np.round(np.abs(percents[::-1] - moment), 3))]
        own = table[table["percent"] == nearest]
        own = own.sort_values("weight", ascending=False, kind="stable").head(most)
        rows.append(
            pd.DataFrame(
                {
                    "percent": moment,
                    "rank": np.arange(1, len(own) + 1),
                    "token": own["token"].to_numpy(),
                    "weight": own["weight"].to_numpy(),
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


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
