"""Curve metrics of every entry of a run, summarised over the groups that were left out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from nem2e_tf.evaluation.curve_table import METRICS, curve_metrics, group_metrics, muscle_metrics
from nem2e_tf.evaluation.results import ENSEMBLE, SEEDS_MEAN, entry_columns


def entry_groups(
    measured: ArrayLike,
    estimates: Iterable[tuple[Mapping[str, str], ArrayLike]],
    /,
    *,
    by: str,
    muscles: Sequence[str],
    groups: Sequence[str],
    conditions: Sequence[str],
    durations: ArrayLike,
) -> pd.DataFrame:
    """Take every metric of the held-out curves of each entry and seed, by group and muscle.

    Parameters
    ----------
    measured : array [cycle, sample, muscle]
        EMG.
    estimates : iterable of (mapping, array [cycle, sample, muscle])
        The settings and the seed of an entry, and its curves; a cycle whose fit is missing is NaN.
    by : str
        What was left out.
    muscles, groups, conditions, durations
        See `nem2e_tf.evaluation.curve_table.curve_metrics`.

    Returns
    -------
    DataFrame
        One row an entry, seed, group and muscle: ``by``, the settings, ``seed``, and what
        `nem2e_tf.evaluation.curve_table.group_metrics` gives.
    """
    tables = []
    for entry, curves in estimates:
        table = curve_metrics(
            measured,
            curves,
            muscles=muscles,
            groups=groups,
            conditions=conditions,
            durations=durations,
        )
        tables.append(group_metrics(table).assign(by=by, **entry))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def entry_curves(groups: pd.DataFrame) -> pd.DataFrame:
    """Summarise the metrics of every entry over groups.

    Parameters
    ----------
    groups : DataFrame
        See `entry_groups`; several runs have a column ``run``. Seeds are averaged first.

    Returns
    -------
    DataFrame
        One row an entry, muscle (then ``overall``) and metric: the entry and its ``variant``, and
        what `nem2e_tf.evaluation.curve_table.muscle_metrics` gives. Empty of nothing.
    """
    if groups.empty:
        return pd.DataFrame()
    table = groups.assign(variant=np.where(groups["seed"] == ENSEMBLE, ENSEMBLE, SEEDS_MEAN))
    entry = entry_columns(table)
    metrics = list(METRICS)
    table = table.groupby([*entry, "group", "muscle"], sort=False)[metrics].mean().reset_index()
    rows: list[pd.DataFrame] = []
    for key, part in table.groupby(entry, sort=False):
        names: dict[str, Any] = dict(zip(entry, key, strict=True))
        found = muscle_metrics(part, by=names["by"])
        rows.append(pd.DataFrame(names, index=found.index).join(found))
    return pd.concat(rows, ignore_index=True)
