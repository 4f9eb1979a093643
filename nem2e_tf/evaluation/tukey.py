"""Tukey's honestly significant difference between all pairs of several samples."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from nem2e_tf.evaluation.estimate import RESOLUTION

COLUMNS = ("first", "second", "n_first", "n_second", "difference", "low", "high", "p", "notes")


def tukey(samples: Mapping[str, ArrayLike], *, level: float = 0.95) -> pd.DataFrame:
    """Compare the means of every two of several samples, as Tukey's HSD does.

    The test takes the samples for those of different people. Where the same people stand under
    each, as under the paper's input patterns, `nem2e_tf.evaluation.repeated` asks the better
    question.

    Parameters
    ----------
    samples : mapping of str to array
        Values of each sample, by name. NaN is left out.
    level : float
        Of the simultaneous confidence intervals, 0..1.

    Returns
    -------
    DataFrame
        One row a pair, in the order given: ``first``, ``second``, ``n_first``, ``n_second``,
        ``difference`` (mean of the first minus that of the second), its simultaneous interval
        ``low`` to ``high``, ``p`` adjusted for all pairs (Tukey-Kramer for unequal sizes), and
        ``notes``. A sample with fewer than two values, or no spread at all, gives NaN and a note.

    Examples
    --------
    >>> tukey({"a": [1.0, 2.0, 3.0], "b": [2.0, 3.0, 4.0]})[["difference", "p"]].round(4)
       difference       p
    0        -1.0  0.2879
    """
    known = {}
    for name, values in samples.items():
        given = np.asarray(values, dtype=np.float64)
        known[name] = given[~np.isnan(given)]
    usable = [name for name, values in known.items() if len(values) > 1]
    spread = sum(float(((known[name] - known[name].mean()) ** 2).sum()) for name in usable)
    size = max((float(np.abs(known[name]).max()) for name in usable), default=0.0)
    found = interval = None
    if len(usable) > 1 and spread > (RESOLUTION * size) ** 2:
        from scipy.stats import tukey_hsd

        found = tukey_hsd(*(known[name] for name in usable))
        interval = found.confidence_interval(level)
    rows = []
    for first, second in combinations(known, 2):
        a, b = known[first], known[second]
        row = {
            "first": first,
            "second": second,
            "n_first": len(a),
            "n_second": len(b),
            "difference": float(a.mean() - b.mean()) if len(a) and len(b) else np.nan,
            "low": np.nan,
            "high": np.nan,
            "p": np.nan,
            "notes": "",
        }
        few = [name for name in (first, second) if name not in usable]
        if few:
            row["notes"] = f"fewer than two values under {' and '.join(few)}: no test"
        elif found is None or interval is None:
            row["notes"] = "no spread between groups: no interval, no test"
        else:
            i, j = usable.index(first), usable.index(second)
            row |= {
                "low": float(interval.low[i, j]),
                "high": float(interval.high[i, j]),
                "p": float(found.pvalue[i, j]),
            }
        rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS))
