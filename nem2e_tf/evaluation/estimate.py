"""The mean over groups with its interval and test, and Holm's adjustment of many tests."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Values that differ by less than this share of their scale differ by float32 rounding, not by
# people: a t of such noise would be a number without meaning.
RESOLUTION = 1e-5


@dataclass(frozen=True)
class Estimate:
    """Mean of one value a group, with its uncertainty.

    Attributes
    ----------
    n : int
        Groups that have a value.
    mean : float
        Mean over them.
    low, high : float
        95 % t interval of the mean, or the range over blocks.
    t, p : float
        One-sample t against 0, two-sided.
    note : str
        Why something is NaN; empty where nothing is.
    """

    n: int
    mean: float
    low: float = np.nan
    high: float = np.nan
    t: float = np.nan
    p: float = np.nan
    note: str = ""


def estimate(values: ArrayLike, *, blocks: bool = False, scale: float = 1.0) -> Estimate:
    """Estimate the mean of one value a group, and test it against 0.

    Parameters
    ----------
    values : array [group]
        NaN where a group has no value; it is left out.
    blocks : bool
        The groups are blocks of one person: give their range, and no test.
    scale : float
        What the values are small against: values that agree to 1e-5 of it have no spread, so no
        interval and no test.

    Returns
    -------
    Estimate

    Examples
    --------
    >>> found = estimate([1.0, 2.0, 3.0])
    >>> found.n, found.mean, round(found.t, 4), round(found.low, 4)
    (3, 2.0, 3.4641, -0.4841)
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    n = len(known)
    if n == 0:
        return Estimate(0, np.nan, note="no value")
    mean = float(known.mean())
    if n == 1:
        return Estimate(1, mean, note="one group: no interval, no test")
    if np.ptp(known) <= RESOLUTION * abs(scale):
        return Estimate(n, mean, note="no spread between groups: no interval, no test")
    if blocks:
        return Estimate(n, mean, float(known.min()), float(known.max()))

    from scipy.stats import t as student

    error = float(known.std(ddof=1) / np.sqrt(n))
    half = float(student.ppf(0.975, n - 1)) * error
    t = mean / error
    p = 2.0 * float(student.sf(abs(t), n - 1))
    return Estimate(n, mean, mean - half, mean + half, t, p)


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Holm's adjustment of a family of p values; NaN is no member of the family and stays NaN.

    Examples
    --------
    >>> holm([0.01, 0.04, float("nan"), 0.03])
    array([0.03, 0.06,  nan, 0.06])
    """
    adjusted = np.asarray(p, dtype=np.float64).copy()
    known = np.flatnonzero(~np.isnan(adjusted))
    order = known[np.argsort(adjusted[known], kind="stable")]
    steps = adjusted[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted
