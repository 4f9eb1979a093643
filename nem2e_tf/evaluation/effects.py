"""What stands beside means and t tests: effect sizes, ranks, power and the people it would take.

Effect sizes of paired differences, and a rank test that assumes no normal distribution.

How many people it takes: power of the t test on one value a person.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from nem2e_tf.evaluation.results import BLOCK, average_seeds, entry_columns
from nem2e_tf.evaluation.statistics import OVERALL, RESOLUTION, estimate, holm


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
        What the values are small against; see `nem2e_tf.evaluation.statistics.estimate`.

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


MEASURES = ("rate", "skill", "difference")


def further_statistics(results: pd.DataFrame) -> pd.DataFrame:
    """Effect size, Wilcoxon's test and power of every entry, muscle and measure.

    Parameters
    ----------
    results : DataFrame
        Rows of ``results.csv``; seeds are averaged first.

    Returns
    -------
    DataFrame
        One row an entry, muscle (then ``overall``: a group's mean over its muscles) and measure
        (``rate``, ``skill``, ``difference`` = refined - simulated RMSE): ``n``, ``mean``, ``sd``,
        ``dz``, ``gz``, ``gz_low``, ``gz_high`` (see `nem2e_tf.evaluation.effects.Effect`), ``t_p``
        and ``wilcoxon_p`` with ``t_p_holm`` and ``wilcoxon_p_holm`` (over the muscles of an entry),
        ``power`` (of the t test with this n, if the true effect were Hedges' g as found),
        ``n_needed`` (for a power of 0.8) and ``n_needed_at_least`` (if the effect were the end of
        its interval further from 0), ``notes``. Blocks of one person get the mean alone.
    """
    table = average_seeds(results)
    table["difference"] = table["rmse_refined"] - table["rmse_simulated"]
    entry = entry_columns(table)
    rows: list[dict[str, Any]] = []
    for key, part in table.groupby(entry, sort=False):
        names = dict(zip(entry, key, strict=True))
        known = part[part["rmse_refined"].notna()]
        parts = [(str(name), one) for name, one in part.groupby("muscle", sort=False)]
        means = known.groupby("group", sort=False)[[*MEASURES, "rmse_simulated"]].mean()
        own = [
            names
            | {"muscle": muscle, "measure": measure}
            | _further(one, measure, str(names["by"]))
            for muscle, one in [*parts, (OVERALL, means)]
            for measure in MEASURES
        ]
        for measure in MEASURES:
            family = [r for r in own if r["measure"] == measure and r["muscle"] != OVERALL]
            for test in ("t_p", "wilcoxon_p"):
                adjusted = holm([row[test] for row in family])
                for row, p in zip(family, adjusted, strict=True):
                    row[f"{test}_holm"] = float(p)
        rows += own
    return pd.DataFrame(rows)


def _further(one: pd.DataFrame, measure: str, by: str) -> dict[str, Any]:
    values = one[measure].dropna()
    scale = float(one["rmse_simulated"].mean()) if measure == "difference" else 1.0
    found = effect([] if by == BLOCK else values, scale=scale)
    ends = np.abs([found.gz_low, found.gz_high])
    return {
        "n": len(values),
        "mean": float(values.mean()),
        "sd": found.sd,
        "dz": found.dz,
        "gz": found.gz,
        "gz_low": found.gz_low,
        "gz_high": found.gz_high,
        "t_p": estimate(values, blocks=by == BLOCK, scale=scale).p,
        "t_p_holm": np.nan,
        "wilcoxon_p": found.wilcoxon_p,
        "wilcoxon_p_holm": np.nan,
        "power": power_of(found.gz, found.n),
        "n_needed": n_needed(found.gz),
        "n_needed_at_least": n_needed(float(ends.max())),
        "notes": "blocks of one person: no effect size, no test" if by == BLOCK else found.note,
    }
