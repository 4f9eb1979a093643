"""Linear regression on the whole cycle, with a ridge penalty chosen inside the training fold.

Rows that fit into memory are solved in the dual form, since there are usually fewer rows than
features. More rows than that are solved from sums of products, computed block by block.
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.zoo.blocks import RowsOnDisk
from nem2e_tf.zoo.registry import register

if TYPE_CHECKING:
    import keras


BUNDLES = 5
"""Bundles of groups that are left out in turn to choose the penalty, for rows on disk."""

MOST_FEATURES = 4096
"""Features beyond which the sums of products themselves would not fit into memory."""

Float = NDArray[np.float64]
Part = tuple[Float, Float, NDArray[np.intp]]


def bundles_of(groups: NDArray[np.str_]) -> NDArray[np.intp]:
    """Return the bundle that each row is left out with: some groups, or half of a single group.

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
    """Compute ridge regression with intercept block by block; the result is that of `ridge`.

    Parameters
    ----------
    parts : iterable of tuple
        Inputs [row, feature], outputs [row, output] and bundles [row] of a block of rows; read
        once.
    n_features : int
        Numbers per row.
    penalties : float64 array
        Candidates, as multiples of the mean squared length of a centred input row. The one with the
        lowest error on left-out bundles is used.

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
            f"linear: expected at most {MOST_FEATURES} numbers per row where rows do not fit into "
            f"memory, found {n_features}, whose products would not fit either"
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
    """Return, per penalty, the matrix that maps (1, x, y) to the residuals of y.

    Parameters
    ----------
    sums : float64 array [1 + feature + output, 1 + feature + output]
        Sum over rows of the outer product of (1, x, y) with itself.
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


PENALTIES = np.logspace(-4, 4, 17)
"""Candidate penalties, as multiples of the mean squared length of a centred input row."""


def ridge(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    groups: NDArray[Any],
    *,
    penalty: float | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Compute ridge regression with intercept.

    Parameters
    ----------
    x : float64 array [row, feature]
    y : float64 array [row, output]
    groups : array [row]
        Group of each row. The penalty with the lowest error on left-out groups is used; with a
        single group, rows are left out in two halves.
    penalty : float, optional
        Use this penalty, as a multiple of the mean squared length of a centred input row; 0 is
        minimum-norm least squares.

    Returns
    -------
    tuple
        Coefficients [feature, output], intercept [output] and the penalty used.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [2.0]])
    >>> coefficients, intercept, _ = ridge(x, 2 * x + 1, np.arange(3), penalty=0.0)
    >>> coefficients.round(6).item(), intercept.round(6).item()
    (2.0, 1.0)
    """
    if penalty is None:
        penalty = _best_penalty(x, y, groups)
    centre_x, centre_y = x.mean(axis=0), y.mean(axis=0)
    duals = _dual_coefficients(x - centre_x, y - centre_y, np.array([penalty]))[0]
    coefficients = (x - centre_x).T @ duals
    return coefficients, centre_y - centre_x @ coefficients, float(penalty)


def _dual_coefficients(
    x: NDArray[np.float64], y: NDArray[np.float64], penalties: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Solve (x x' + penalty) a = y for each penalty, with one eigendecomposition."""
    values, vectors = np.linalg.eigh(x @ x.T)
    strength = penalties[:, None] * max(float(values.clip(0).mean()), 1e-12)
    kept = values > values.max(initial=0.0) * len(values) * np.finfo(float).eps * 8
    inverse = np.where(kept, 1 / np.where(kept, values + strength, 1.0), 0.0)
    return np.einsum("ij,pj,jk->pik", vectors, inverse, vectors.T @ y)


def _best_penalty(x: NDArray[np.float64], y: NDArray[np.float64], groups: NDArray[Any]) -> float:
    labels = np.asarray(groups)
    if len(np.unique(labels)) < 2:
        labels = np.arange(len(x)) * 2 // max(len(x), 1)
    squared = np.zeros(len(PENALTIES))
    for label in np.unique(labels):
        out = labels == label
        inside = ~out
        if not inside.any():
            return 1.0
        centre_x, centre_y = x[inside].mean(axis=0), y[inside].mean(axis=0)
        inner = x[inside] - centre_x
        duals = _dual_coefficients(inner, y[inside] - centre_y, PENALTIES)
        estimate = np.einsum("oi,pik->pok", (x[out] - centre_x) @ inner.T, duals) + centre_y
        squared += ((estimate - y[out]) ** 2).sum(axis=(1, 2))
    return float(PENALTIES[np.argmin(squared)])


def _solve(model: "keras.Model", x: Any, y: Any, present: Any, groups: Any) -> None:
    from nem2e_tf.zoo.models import calibrate

    calibrate(model, x, y, present)
    layer = model.get_layer("regression")
    n_samples, n_targets = y.shape[1:]
    n_features = int(np.prod(x.shape[1:]))
    if isinstance(x, RowsOnDisk):
        fit = functools.partial(_on_disk, model, x)
    else:
        fit = functools.partial(_in_memory, _features(model, x))
    kernel = np.zeros((n_features, n_samples, n_targets))
    bias = np.zeros((n_samples, n_targets))
    for target in range(n_targets):
        if present[:, target].any():
            kernel[:, :, target], bias[:, target], _ = fit(
                y[:, :, target], present[:, target], np.asarray(groups), penalty=layer.penalty
            )
    layer.set_weights(
        [kernel.reshape(n_features, -1).astype(np.float32), bias.ravel().astype(np.float32)]
    )


def _features(model: "keras.Model", rows: NDArray[np.float32]) -> NDArray[np.float64]:
    normalised = np.asarray(model.get_layer("channel_normalisation")(rows), np.float64)
    return normalised.reshape(len(rows), -1)


def _in_memory(
    features: NDArray[np.float64],
    y: NDArray[np.float32],
    rows: NDArray[np.bool_],
    groups: NDArray[Any],
    *,
    penalty: float | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    return ridge(features[rows], y[rows].astype(np.float64), groups[rows], penalty=penalty)


def _on_disk(
    model: "keras.Model",
    x: RowsOnDisk,
    y: NDArray[np.float32],
    rows: NDArray[np.bool_],
    groups: NDArray[Any],
    *,
    penalty: float | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    bundles = bundles_of(groups[rows])
    places = np.cumsum(rows) - 1

    def parts() -> Iterator[Part]:
        for which, block in x.blocks():
            own = rows[which]
            outputs = y[which][own].astype(np.float64)
            yield _features(model, block)[own], outputs, bundles[places[which][own]]

    return ridge_of_parts(
        parts(),
        n_features=int(np.prod(x.shape[1:])),
        penalties=PENALTIES if penalty is None else np.array([penalty]),
    )


@register(solve=_solve, outputs=("direct",))
def linear(
    *,
    n_samples: int,
    n_channels: int,
    n_targets: int,
    counterparts: Sequence[Sequence[int]],
    penalty: float | None = None,
) -> "keras.Model":
    """Linear regression from all samples of the cycle to all samples of the target.

    The ridge penalty of each target (Hoerl & Kennard 1970) is chosen by leaving groups out inside
    the training fold; in five bundles of groups where the rows do not fit into memory. Hard to
    beat with few subjects.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    penalty : float, optional
        A fixed penalty, as a multiple of the mean squared length of an input row. 0 is the paper's
        plain linear regression: minimum-norm least squares, which overfits if a cycle has more
        numbers than there are cycles.
    """
    import keras

    from nem2e_tf.zoo.layers import Regression
    from nem2e_tf.zoo.models import framed_input

    del counterparts
    if penalty is not None and penalty < 0:
        raise InputError(f"penalty {penalty}: expected 0 or more")
    simulated, normalised = framed_input(n_samples, n_channels)
    flat = keras.layers.Flatten(name="cycle")(normalised)
    mapped = Regression(n_samples * n_targets, penalty=penalty, name="regression")(flat)
    return keras.Model(simulated, keras.layers.Reshape((n_samples, n_targets))(mapped))
