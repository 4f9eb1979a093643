"""The interval of a share: how often something happened among so many."""

import math


def clopper_pearson(happened: int, among: int, *, level: float = 0.95) -> tuple[float, float]:
    """Exact (Clopper & Pearson 1934) interval of a binomial probability.

    Parameters
    ----------
    happened, among : int
        Counts.
    level : float
        0..1.

    Returns
    -------
    tuple of float
        Lower and upper bound, 0..1; NaN among none.

    Examples
    --------
    >>> [round(bound, 4) for bound in clopper_pearson(2, 80)]
    [0.003, 0.0874]
    >>> clopper_pearson(0, 10)[0], clopper_pearson(10, 10)[1]
    (0.0, 1.0)
    """
    if among < 1:
        return math.nan, math.nan
    from scipy.stats import beta

    outside = (1.0 - level) / 2.0
    low = float(beta.ppf(outside, happened, among - happened + 1)) if happened else 0.0
    rest = among - happened
    high = float(beta.ppf(1.0 - outside, happened + 1, rest)) if rest else 1.0
    return low, high
