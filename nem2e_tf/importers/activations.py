"""The muscle activations of a simulated file, named relative to the side of the cycle."""

import numpy as np

from nem2e_tf.errors import InputError
from nem2e_tf.muscles import relative, try_parse_label
from nem2e_tf.storage import Storage

_FORCES = 10.0
_EXCITATION = "an excitation"
_NO_SIDE = "without a side"


def activations(simulation: Storage, side: str) -> tuple[dict[str, int], list[str], list[str]]:
    """Find the activations in a simulated file.

    Parameters
    ----------
    simulation : Storage
        Static optimization, CMC or Moco.
    side : {"r", "l"}
        The side that is ipsilateral.

    Returns
    -------
    found : dict of str to int
        Channel name (``soleus_ipsi``) to column.
    columns_left_out : list of str
        Columns left out, one text a reason.
    notes : list of str
        Whether values are outside 0..1.

    Raises
    ------
    InputError
        There are no activations, a muscle stands twice, or the numbers are forces.
    """
    found: dict[str, int] = {}
    others: dict[str, list[str]] = {}
    for index, text in enumerate(simulation.labels):
        label = try_parse_label(text)
        if label is None:
            others.setdefault("no muscle's activation", []).append(text)
        elif label.quantity == "excitation":
            others.setdefault(_EXCITATION, []).append(text)
        elif not label.side:
            others.setdefault(_NO_SIDE, []).append(text)
        else:
            name = f"{label.muscle}_{relative(label.side, side)}"
            if name in found:
                raise InputError(
                    f"{simulation.path}: expected each muscle once, found {text!r} and "
                    f"{simulation.labels[found[name]]!r}"
                )
            found[name] = index
    if not found:
        raise InputError(
            f"{simulation.path}: expected muscle activations such as soleus_r or "
            f"/forceset/soleus_r/activation, found {_instead(simulation, others)}"
        )
    return found, columns_left_out(simulation, others), _outside(simulation, found)


def columns_left_out(storage: Storage, others: dict[str, list[str]]) -> list[str]:
    """Say which columns are left out, one text a reason."""
    return [
        f"{storage.path}: columns left out ({len(labels)}), {reason}: {', '.join(labels)}"
        for reason, labels in others.items()
        if labels
    ]


def _instead(simulation: Storage, others: dict[str, list[str]]) -> str:
    if _EXCITATION in others:
        return f"{len(others[_EXCITATION])} excitations; give the states file, not the controls"
    if _NO_SIDE in others:
        return (
            f"{len(others[_NO_SIDE])} without a side, such as {others[_NO_SIDE][0]}; "
            "end the labels in _r or _l"
        )
    return f"none in {len(simulation.labels)} columns"


def _outside(simulation: Storage, found: dict[str, int]) -> list[str]:
    columns = list(found.values())
    values = simulation.data[:, columns]
    if np.isnan(values).all():
        return []
    lowest, highest = np.nanmin(values), np.nanmax(values)
    if highest > _FORCES:
        label = simulation.labels[columns[int(np.nanargmax(np.nanmax(values, axis=0)))]]
        raise InputError(
            f"{simulation.path}, column {label!r}: expected activations from 0 to 1, found "
            f"{highest:.6g}; is this a file of forces?"
        )
    outside = int(((values < 0) | (values > 1)).sum())
    if not outside:
        return []
    return [
        f"{simulation.path}: {outside} of {values.size} activations are outside 0..1 "
        f"({lowest:.4g} to {highest:.4g}); kept as they are"
    ]
