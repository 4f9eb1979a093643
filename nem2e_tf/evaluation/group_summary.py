"""Any table of one value an entry, seed, muscle and group, summarised over groups."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.evaluation.estimate import estimate, holm
from nem2e_tf.evaluation.results import BLOCK, ENSEMBLE, SEEDS_MEAN, SETTINGS
from nem2e_tf.evaluation.statistics import OVERALL

ENTRY = ("by", *SETTINGS, "variant")


def summarise_groups(
    groups: pd.DataFrame, *, tested: Sequence[str], averaged: Sequence[str] = ()
) -> pd.DataFrame:
    """Summarise the values of every entry over the groups that were left out.

    Parameters
    ----------
    groups : DataFrame
        ``by``, the settings of the entry, ``seed``, ``muscle``, ``group`` and the values. Seeds are
        averaged first; ``ensemble`` is a variant of its own.
    tested : sequence of str
        Values that get an interval and a t test against 0.
    averaged : sequence of str
        Values of which the mean is enough.

    Returns
    -------
    DataFrame
        One row an entry and muscle, then ``overall`` (a group's mean over its muscles): the entry,
        ``muscle``, ``n`` (groups with the first tested value), ``n_seeds``, ``interval`` (``t``, or
        ``range`` over blocks of one person); of each tested value the mean and its ``_low``,
        ``_high``, ``_t``, ``_p``, ``_p_holm`` (over the muscles of an entry); the other means;
        ``notes``.
    """
    numbers = [*tested, *averaged]
    table = groups.assign(variant=np.where(groups["seed"] == ENSEMBLE, ENSEMBLE, SEEDS_MEAN))
    how: dict[str, Any] = dict.fromkeys(numbers, "mean") | {"seed": "nunique"}
    keys = [*ENTRY, "muscle", "group"]
    table = table.groupby(keys, sort=False).agg(how).reset_index().rename(columns={"seed": "seeds"})
    rows: list[dict[str, Any]] = []
    for key, part in table.groupby(list(ENTRY), sort=False):
        names = dict(zip(ENTRY, key, strict=True))
        parts = [(str(muscle), one) for muscle, one in part.groupby("muscle", sort=False)]
        known = part[part[tested[0]].notna()]
        parts.append((OVERALL, known.groupby("group", sort=False)[[*numbers, "seeds"]].mean()))
        own = []
        for muscle, one in parts:
            row, notes = _row(one, tested, blocks=names["by"] == BLOCK)
            row |= {name: float(one[name].mean()) for name in averaged}
            own.append(names | {"muscle": muscle} | row | {"notes": "; ".join(notes)})
        for name in tested:
            adjusted = holm([row[f"{name}_p"] for row in own[:-1]])
            for row, p in zip(own[:-1], adjusted, strict=True):
                row[f"{name}_p_holm"] = float(p)
        rows += own
    return pd.DataFrame(rows)


def _row(
    one: pd.DataFrame, tested: Sequence[str], *, blocks: bool
) -> tuple[dict[str, Any], list[str]]:
    n = int(one[tested[0]].notna().sum())
    row: dict[str, Any] = {
        "n": n,
        "n_seeds": int(one["seeds"].max()) if len(one) else 0,
        "interval": "range" if blocks else "t",
    }
    notes = []
    for name in tested:
        found = estimate(one[name], blocks=blocks)
        values = (found.mean, found.low, found.high, found.t, found.p, np.nan)
        ends = ("", "_low", "_high", "_t", "_p", "_p_holm")
        row |= {f"{name}{end}": value for end, value in zip(ends, values, strict=True)}
        if found.note:
            notes.append(found.note if found.n < 2 else f"{name}: {found.note}")
    if n < len(one):
        notes.insert(0, f"no result for {len(one) - n} of {len(one)} groups")
    return row, list(dict.fromkeys(notes))
