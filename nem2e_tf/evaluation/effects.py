"""Effect sizes of paired differences, a rank test, and the number of people a test requires.

They complement the means and t tests of `nem2e_tf.evaluation.statistics`: how large a difference is
in units of its spread over people, a test that assumes no normal distribution, and the power of the
t test on one value per person.
"""

import math
from bisect import bisect_left
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from nem2e_tf.evaluation.results import BLOCK, average_seeds, by_columns, by_muscle, entry_columns
from nem2e_tf.evaluation.statistics import OVERALL, RESOLUTION, add_holm, estimate

MEASURES = ("rate", "skill", "difference")
MAX_PEOPLE = 100_000
LEVEL = 0.05


@dataclass(frozen=True)
class Effect:
    """Mean of one value per group in units of its spread over groups.

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
    """Compute the effect size of one value per group, such as a difference or a skill.

    Parameters
    ----------
    values : array [group]
        NaN is left out.
    scale : float
        The magnitude of the quantity; see `nem2e_tf.evaluation.statistics.estimate`.

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
    """Noncentralities for which the observed t is the 97.5th and the 2.5th percentile."""
    from scipy.optimize import brentq
    from scipy.stats import nct

    t = dz * math.sqrt(n)
    bounds = []
    for share, way in ((0.975, -1.0), (0.025, 1.0)):

        def beyond(centre: float, share: float = share) -> float:
            return float(nct.cdf(t, n - 1, centre)) - share

        # SciPy gives NaN far from t, and with two people also elsewhere: search no further than
        # needed.
        reach = way
        while way * beyond(t + reach) > 0.0:
            reach *= 2.0
        try:
            bounds.append(brentq(beyond, *sorted((t, t + reach))) / math.sqrt(n))
        except ValueError:
            bounds.append(np.nan)
    return bounds[0], bounds[1]


def power_of(dz: float, n: int, *, level: float = LEVEL) -> float:
    """Probability that a two-sided one-sample or paired t test on n people detects an effect.

    Parameters
    ----------
    dz : float
        The true mean in units of its standard deviation over people (Cohen's dz). Its sign does not
        matter.
    n : int
        People.
    level : float
        Significance level of the test.

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
        return math.nan
    from statsmodels.stats.power import TTestPower

    above, below = (
        TTestPower().power(abs(dz), n, level / 2.0, alternative=tail)
        for tail in ("larger", "smaller")
    )
    # SciPy gives NaN for the tail that is almost empty where the effect is large.
    return float(above + np.nan_to_num(below))


def n_needed(dz: float, *, power: float = 0.8, level: float = LEVEL) -> float:
    """Smallest number of people for which the t test has the requested power.

    An effect estimated from few people is uncertain, and so is this number: plan with the end of
    the effect's interval that is nearer to 0 as well.

    Parameters
    ----------
    dz : float
        See `power_of`.
    power : float
        0..1.
    level : float
        Significance level of the test.

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
        return math.nan
    people = range(2, MAX_PEOPLE + 1)
    place = bisect_left(people, power, key=lambda n: power_of(dz, n, level=level))
    return float(people[place]) if place < len(people) else math.inf


def effect_sizes(results: pd.DataFrame) -> pd.DataFrame:
    """Compute effect size, Wilcoxon's test and power per entry, muscle and measure.

    Parameters
    ----------
    results : DataFrame
        Rows of ``results.csv``; seeds are averaged first.

    Returns
    -------
    DataFrame
        One row per entry, muscle (then ``overall``: a group's mean over its muscles) and measure
        (``rate``, ``skill``, ``difference`` = refined - simulated RMSE): ``n``, ``mean``, ``sd``,
        ``dz``, ``gz``, ``gz_low``, ``gz_high`` (see `Effect`), ``t_p`` and ``wilcoxon_p`` with
        ``t_p_holm`` and ``wilcoxon_p_holm`` (over the muscles of an entry), ``power`` (of the t
        test with this n, if the true effect were the estimated Hedges' g), ``n_needed`` (for a
        power of 0.8) and ``n_needed_at_least`` (if the effect were the end of its interval further
        from 0), ``notes``. Blocks of one person get the mean alone.
    """
    table = average_seeds(results)
    table["difference"] = table["rmse_refined"] - table["rmse_simulated"]
    entry = entry_columns(table)
    rows: list[dict[str, Any]] = []
    for names, part in by_columns(table, entry):
        known = part[part["rmse_refined"].notna()]
        means = known.groupby("group", sort=False)[[*MEASURES, "rmse_simulated"]].mean()
        rows += [
            names | {"muscle": muscle, "measure": measure} | _row(one, measure, names["by"])
            for muscle, one in (*by_muscle(part), (OVERALL, means))
            for measure in MEASURES
        ]
    return add_holm(pd.DataFrame(rows), ["t_p", "wilcoxon_p"], family=[*entry, "measure"])


def _row(one: pd.DataFrame, measure: str, by: str) -> dict[str, Any]:
    values = one[measure].dropna()
    blocks = by == BLOCK
    scale = float(one["rmse_simulated"].mean()) if measure == "difference" else 1.0
    found = asdict(effect([] if blocks else values, scale=scale))
    wilcoxon_p, note = found.pop("wilcoxon_p"), found.pop("note")
    n, gz = found.pop("n"), found["gz"]
    return {
        "n": len(values),
        "mean": float(values.mean()),
        **found,
        "t_p": estimate(values, blocks=blocks, scale=scale).p,
        "wilcoxon_p": wilcoxon_p,
        "power": power_of(gz, n),
        "n_needed": n_needed(gz),
        "n_needed_at_least": n_needed(float(np.abs([found["gz_low"], found["gz_high"]]).max())),
        "notes": "blocks of one person: no effect size, no test" if blocks else note,
    }
