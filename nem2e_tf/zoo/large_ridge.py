"""Ridge regression on more rows than fit the memory, from sums over parts of them."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError

BUNDLES = 5
"""Bundles that groups are left out in, in turn, to choose the penalty."""

MOST_FEATURES = 4096
"""Numbers of a row beyond which the sums themselves would not fit the memory."""

Float = NDArray[np.float64]
Part = tuple[Float, Float, NDArray[np.intp]]


def bundles_of(groups: NDArray[np.str_]) -> NDArray[np.intp]:
    """Number the bundle that each row is left out with: some groups, or half of a single one.

    Examples
    --------
    >>> bundles_of(np.array(list("abcdefabcdef"))).tolist()
    [0, 0, 1, 2, 3, 4, 0, 0, 1, 2, 3, 4]
    """
    names, codes = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        return np.arange(len(groups)) * 2 // max(len(groups), 1)
    return codes * min(BUNDLES, len(names)) // len(names)


def ridge_of_parts(
    parts: Iterable[Part], *, n_features: int, penalties: Float
) -> tuple[Float, Float, float]:
    """Ridge regression with intercept; up to rounding that of `nem2e_tf.zoo.linear.ridge`.

    Parameters
    ----------
    parts : iterable of tuple
        Inputs [row, feature], outputs [row, output] and bundles [row] of some rows at a time; read
        once.
    n_features : int
    penalties : float64 array
        Candidates, as multiples of the mean squared length of a centred input row. The one with the
        lowest error on bundles that are left out is taken.

    Returns
    -------
    tuple
        Coefficients [feature, output], intercept [output] and the penalty used.

    Raises
    ------
    InputError
        Too many features.
    """
    if n_features > MOST_FEATURES:
        raise InputError(
            f"linear: expected at most {MOST_FEATURES} numbers a row where rows do not fit the "
            f"memory, found {n_features}; their products would not fit it either"
        )
    sums: dict[int, Float] = {}
    for x, y, bundles in parts:
        for bundle in np.unique(bundles):
            own = bundles == bundle
            z = np.hstack([np.ones((int(own.sum()), 1)), x[own], y[own]])
            sums[int(bundle)] = sums.get(int(bundle), 0.0) + z.T @ z
    total = np.sum(list(sums.values()), axis=0)
    best = 0
    if len(penalties) > 1:
        squared = np.zeros(len(penalties))
        for left_out in sums.values():
            for number, residual in enumerate(
                _residuals(total - left_out, n_features=n_features, penalties=penalties)
            ):
                squared[number] += float(np.sum((left_out @ residual) * residual))
        best = int(np.argmin(squared))
    residual = _residuals(total, n_features=n_features, penalties=penalties[best : best + 1])[0]
    return -residual[1 : 1 + n_features], -residual[0], float(penalties[best])


def _residuals(sums: Float, *, n_features: int, penalties: Float) -> list[Float]:
    """What (1, x, y) is multiplied with to give y less its estimate, for each penalty.

    Parameters
    ----------
    sums : float64 array [1 + feature + output, 1 + feature + output]
        Products of (1, x, y) with itself, added up over rows.
    """
    count, inputs, outputs = sums[0, 0], slice(1, 1 + n_features), slice(1 + n_features, None)
    mean = sums[0] / max(count, 1.0)
    centred = sums - count * np.outer(mean, mean)
    values, vectors = np.linalg.eigh(centred[inputs, inputs])
    projected = vectors.T @ centred[inputs, outputs]
    kept = values > values.max(initial=0.0) * max(count, 1.0) * np.finfo(float).eps * 8
    scale = max(float(values.clip(0).sum()) / max(count, 1.0), 1e-12)
    found = []
    for penalty in penalties:
        inverse = np.where(kept, 1 / np.where(kept, values + penalty * scale, 1.0), 0.0)
        coefficients = vectors @ (inverse[:, None] * projected)
        intercept = mean[outputs] - mean[inputs] @ coefficients
        found.append(np.vstack([-intercept, -coefficients, np.eye(coefficients.shape[1])]))
    return found
