"""What a report has no numbers of, and why."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from nem2e_tf.evaluation.results import SETTINGS

_MOST = 6


def missing(results: pd.DataFrame, headers: Sequence[Mapping[str, Any]], /) -> list[str]:
    """Say what is missing and why, a sentence each.

    Parameters
    ----------
    results : DataFrame
        Rows of ``results.csv``.
    headers : sequence of mapping
        ``run.json`` of each run; the notes of its plan are told first.

    Returns
    -------
    list of str
        Empty where nothing is missing.
    """
    lines = [
        f"{str(note)[0].upper()}{str(note)[1:]}."
        for header in headers
        for note in header.get("plan", {}).get("notes", [])
    ]
    absent = results[results["rmse_refined"].isna()]
    unmeasured = absent["n_cycles"].fillna(0) == 0
    by_group = absent[unmeasured].groupby("muscle", sort=False)["group"].unique()
    n_groups = results["group"].nunique()
    for muscle, groups in by_group.items():
        where = "no group" if len(groups) == n_groups else f"not in {_some(groups)}"
        # Where EMG is missing throughout, "in no group" reads better than a list of all.
        where = f"in {where}" if len(groups) == n_groups else where
        lines.append(f"{muscle}: EMG is known {where}; there is nothing to score against.")
    failed = absent[~unmeasured]
    keys = [name for name in ("run", *SETTINGS, "seed") if name in failed]
    for key, rows in failed.groupby(keys, sort=False, dropna=False):
        named = dict(zip(keys, key, strict=True))
        lines.append(
            f"{named['model']} ({named['pattern']}, seed {named['seed']}), left out "
            f"{_some(rows['group'].unique())}, {_some(rows['muscle'].unique())}: the fit gave no "
            "finite values; it diverged or was not finished."
        )
    return list(dict.fromkeys(lines))


def _some(names: Any) -> str:
    words = [str(name) for name in names]
    if len(words) <= _MOST:
        return ", ".join(words)
    return f"{', '.join(words[:_MOST])} and {len(words) - _MOST} more"
