"""Bring the channels that a caller has into the order that a refiner needs, by name."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError, near


def arrange(
    simulated: "NDArray[Any] | Mapping[str, Any]",
    channels: "Sequence[str] | None",
    *,
    needed: Sequence[str],
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Bring the channels that a caller has into the order that a refiner needs.

    Parameters
    ----------
    simulated : array [..., 20, channel], or mapping from channel name to array [..., 20]
        Simulated activation.
    channels : sequence of str, optional
        What the columns of the array are. Without names an array must have exactly the needed
        number of columns, taken as they come, and the notes say so.
    needed : sequence of str
        The refiner's channels.

    Returns
    -------
    array [..., 20, needed channel] and notes
        The notes say what was reordered and what was not used.

    Raises
    ------
    InputError
        A needed channel is missing (named, with those given that resemble it), a name comes
        twice, or the shape does not fit.

    Examples
    --------
    >>> values, notes = arrange(np.zeros((20, 2)), ["b_ipsi", "a_ipsi"], needed=["a_ipsi"])
    >>> values.shape, notes
    ((20, 1), ('1 channel not used: b_ipsi',))
    """
    if isinstance(simulated, Mapping):
        given = [str(name) for name in simulated]
        curves = [np.asarray(curve, dtype=np.float64) for curve in simulated.values()]
        odd = [i for i, curve in enumerate(curves) if curve.shape != curves[0].shape]
        if odd or not curves or curves[0].ndim == 0:
            found = f"{given[odd[0]]} of shape {list(curves[odd[0]].shape)}" if odd else "none"
            raise InputError(f"simulated: expected curves of one shape, found {found}")
        values = np.stack(curves, axis=-1)
    else:
        values = np.asarray(simulated, dtype=np.float64)
        if values.ndim < 2:
            raise InputError(
                f"simulated: expected [sample, channel] or more axes, found {list(values.shape)}"
            )
        if channels is None:
            if values.shape[-1] != len(needed):
                raise InputError(
                    f"simulated: expected {len(needed)} channels, found {values.shape[-1]}; "
                    "name them with channels="
                )
            return values, ("channels not named: taken in the refiner's own order",)
        given = [str(name) for name in channels]
        if len(given) != values.shape[-1]:
            raise InputError(
                f"channels: expected {values.shape[-1]} names for as many columns, "
                f"found {len(given)}"
            )
    twice = [name for name in given if given.count(name) > 1]
    if twice:
        raise InputError(f"channel {twice[0]}: expected once, found {given.count(twice[0])} times")
    missing = [name for name in needed if name not in given]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise InputError(
            f"channels: expected {missing[0]}{more}, not found among {len(given)} given"
            + near(missing[0], [name for name in given if name not in needed])
        )
    notes = []
    unused = [name for name in given if name not in needed]
    if unused:
        shown = ", ".join(unused[:3]) + (f" and {len(unused) - 3} more" if len(unused) > 3 else "")
        notes.append(f"{len(unused)} channel{'s'[: len(unused) > 1]} not used: {shown}")
    order = [given.index(name) for name in needed]
    if order != sorted(order):
        notes.append("channels reordered by name")
    return values[..., order], tuple(notes)
