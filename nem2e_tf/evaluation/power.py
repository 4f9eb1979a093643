"""How many people it takes: power of the t test on one value a person."""

import math

import numpy as np

MOST = 100_000
LEVEL = 0.05


def power_of(dz: float, n: int, *, level: float = LEVEL) -> float:
    """Chance that a two-sided one-sample or paired t test on n people finds an effect.

    Parameters
    ----------
    dz : float
        The true mean in units of its standard deviation over people (Cohen's dz). Its sign does not
        matter.
    n : int
        People.
    level : float
        Of the test.

    Returns
    -------
    float
        0..1, from the noncentral t distribution; NaN with fewer than two people or an unknown dz.

    Examples
    --------
    >>> round(power_of(0.5, 34), 3)
    0.808
    """
    if n < 2 or not math.isfinite(dz):
        return float("nan")
    from scipy.stats import nct
    from scipy.stats import t as student

    freedom, centre = n - 1, abs(dz) * math.sqrt(n)
    critical = float(student.ppf(1.0 - level / 2.0, freedom))
    above, below = nct.sf(critical, freedom, centre), nct.cdf(-critical, freedom, centre)
    # SciPy loses the tail that is all but empty where the effect is large.
    return float(above + np.nan_to_num(below))


def n_needed(dz: float, *, power: float = 0.8, level: float = LEVEL) -> float:
    """Fewest people for which the t test has the power asked for.

    An effect found in few people is uncertain, and so is the number that it asks for: plan with
    the end of its interval that is nearer to 0 as well.

    Parameters
    ----------
    dz : float
        See `power_of`.
    power : float
        0..1.
    level : float
        Of the test.

    Returns
    -------
    float
        A whole number; infinity beyond 100 000, and NaN where dz is unknown.

    Examples
    --------
    >>> n_needed(0.5), n_needed(-0.8), n_needed(0.0)
    (34.0, 15.0, inf)
    """
    if not math.isfinite(dz):
        return float("nan")
    if power_of(dz, MOST, level=level) < power:
        return math.inf
    few, enough = 1, 2
    while power_of(dz, enough, level=level) < power:
        few, enough = enough, min(2 * enough, MOST)
    while enough - few > 1:
        middle = (few + enough) // 2
        if power_of(dz, middle, level=level) < power:
            few = middle
        else:
            enough = middle
    return float(enough)
