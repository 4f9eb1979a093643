"""Effect sizes of paired differences, and a rank test that assumes no normal distribution."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nem2e_tf.evaluation.estimate import RESOLUTION


@dataclass(frozen=True)
class Effect:
    """How large the mean of one value a group is, in units of its spread over groups.

    Attributes
    ----------
    n : int
        Groups that have a value.
    sd : float
        Standard deviation over groups (n - 1).
    dz : float
        Cohen's dz: mean / sd (Cohen 1988).
    gz : float
        Hedges' g: dz with the small-sample bias removed (Hedges 1981).
    gz_low, gz_high : float
        95 % interval of dz by the noncentral t (Cumming & Finch 2001), with the same correction.
    wilcoxon_p : float
        Two-sided p of Wilcoxon's signed-rank test against 0: exact without ties. With n below 6 it
        cannot fall below 0.05.
    note : str
        Why something is NaN.
    """

    n: int
    sd: float = np.nan
    dz: float = np.nan
    gz: float = np.nan
    gz_low: float = np.nan
    gz_high: float = np.nan
    wilcoxon_p: float = np.nan
    note: str = ""


def effect(values: ArrayLike, *, scale: float = 1.0) -> Effect:
    """Measure the effect in one value a group, such as a difference or a skill.

    Parameters
    ----------
    values : array [group]
        NaN is left out.
    scale : float
        What the values are small against; see `nem2e_tf.evaluation.estimate.estimate`.

    Examples
    --------
    >>> found = effect([1.0, 2.0, 3.0])
    >>> found.dz, round(found.gz, 4), found.wilcoxon_p
    (2.0, 1.1284, 0.25)
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    n = len(known)
    if n < 2:
        return Effect(n, note="no value" if n == 0 else "one group: no effect size, no test")
    if np.ptp(known) <= RESOLUTION * abs(scale):
        return Effect(n, sd=0.0, note="no spread between groups: no effect size, no test")
    from scipy.stats import wilcoxon

    sd = float(known.std(ddof=1))
    dz = float(known.mean()) / sd
    correction = hedges_correction(n - 1)
    low, high = _interval(dz, n)
    return Effect(
        n=n,
        sd=sd,
        dz=dz,
        gz=dz * correction,
        gz_low=low * correction,
        gz_high=high * correction,
        wilcoxon_p=float(wilcoxon(known).pvalue),
    )


def hedges_correction(freedom: int) -> float:
    """Hedges' exact factor that removes the bias of a standardised mean.

    Parameters
    ----------
    freedom : int
        Degrees of freedom of the standard deviation, 1 or more.

    Returns
    -------
    float
        gamma(m / 2) / (sqrt(m / 2) gamma((m - 1) / 2)); 0 for one degree of freedom, where dz has
        no mean.

    Examples
    --------
    >>> round(hedges_correction(9), 4)
    0.9139
    """
    if freedom < 2:
        return 0.0
    half = freedom / 2.0
    return math.exp(math.lgamma(half) - math.lgamma(half - 0.5)) / math.sqrt(half)


def _interval(dz: float, n: int) -> tuple[float, float]:
    """Noncentralities under which the t found is at the 97.5th and the 2.5th percentile."""
    from scipy.optimize import brentq
    from scipy.stats import nct

    t = dz * math.sqrt(n)
    bounds = []
    for share, way in ((0.975, -1.0), (0.025, 1.0)):

        def beyond(centre: float, share: float = share) -> float:
            return float(nct.cdf(t, n - 1, centre)) - share

        # SciPy gives NaN far from t, and with two people here and there: go no further than needed.
        reach = way
        while way * beyond(t + reach) > 0.0:
            reach *= 2.0
        try:
            bounds.append(brentq(beyond, *sorted((t, t + reach))) / math.sqrt(n))
        except ValueError:
            bounds.append(np.nan)
    return bounds[0], bounds[1]
