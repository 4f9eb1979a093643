"""Normalisation policies of EMG envelopes, and the information that each of them leaks.

A refiner is evaluated on a subject that it was not trained on. If the subject's own test cycles
contribute to the scale of its EMG, the measured curves depend on them, though no input of the model
does. How much that matters differs between the policies; each one states it (`Policy.leakage`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.errors import InputError

LOWEST_SHARE = 0.01


@dataclass(frozen=True)
class Policy:
    """A way to scale envelopes of muscles, subjects and speeds.

    Attributes
    ----------
    name : str
    what : str
        Divisor of an envelope.
    keeps : str
        Differences of amplitude that remain.
    leakage : str
        Information about the test cycles in the scale of a cycle.
    """

    name: str
    what: str
    keeps: str
    leakage: str


POLICIES: dict[str, Policy] = {
    policy.name: policy
    for policy in (
        Policy(
            "trial",
            "the trial's own range, from the mean of its lowest 1 % of samples to its maximum",
            "none between trials, speeds and subjects: every trial reaches 1",
            "every cycle is scaled by its own trial; amplitude cannot be evaluated",
        ),
        Policy(
            "subject",
            "the subject's maximum over all trials, all speeds together",
            "between a subject's speeds; none between subjects",
            "a test subject's scale comes from the test cycles themselves: for a new person, the "
            "output is relative to a maximum that has to be measured at the same speeds",
        ),
        Policy(
            "mvc",
            "the maximum of a trial of maximal voluntary contraction",
            "between speeds and, if contractions were maximal, subjects; may exceed 1",
            "none: the reference trial has no cycles",
        ),
        Policy(
            "fixed",
            "given numbers, one per muscle",
            "all",
            "none, unless the numbers were determined from the cycles",
        ),
    )
}


@dataclass(frozen=True, eq=False)
class Normalised:
    """A normalised envelope.

    Attributes
    ----------
    values : float64 array [sample, muscle]
        (envelope - offset) / factor. NaN remains NaN.
    offset, factor : float64 array [muscle]
        NaN if a muscle has no values.
    """

    values: NDArray[np.float64]
    offset: NDArray[np.float64]
    factor: NDArray[np.float64]


def per_trial(envelopes: ArrayLike, /, *, lowest: float = LOWEST_SHARE) -> Normalised:
    """Scale one trial by its own range (policy ``trial``), as Liu et al. (2008) did.

    Parameters
    ----------
    envelopes : array [sample, muscle]
        One trial. NaN is ignored in the range and remains NaN.
    lowest : float
        Fraction of the samples, the lowest ones, whose mean becomes 0.

    Returns
    -------
    Normalised
        At most 1; slightly negative for samples below that mean.

    Raises
    ------
    InputError
        A muscle does not vary.

    Examples
    --------
    >>> per_trial([[1.0], [2.0], [5.0]]).values.ravel()
    array([0.  , 0.25, 1.  ])
    """
    signals = _table(envelopes)
    offset, highest = np.full((2, signals.shape[1]), np.nan)
    for muscle, column in enumerate(signals.T):
        known = np.sort(column[~np.isnan(column)])
        if len(known):
            offset[muscle] = known[: max(1, int(np.ceil(lowest * len(known))))].mean()
            highest[muscle] = known[-1]
    return _scaled(signals, offset, highest - offset)


def per_subject(trials: Sequence[ArrayLike], subjects: Sequence[str], /) -> list[Normalised]:
    """Scale trials by each subject's maximum over all of them (policy ``subject``).

    Parameters
    ----------
    trials : sequence of array [sample, muscle]
        Envelopes with the same muscles in all trials. NaN is ignored and remains NaN.
    subjects : sequence of str
        Subject of each trial.

    Returns
    -------
    list of Normalised
        At most 1, one per trial, in order.

    Raises
    ------
    InputError
        There are more or fewer subjects than trials, or a subject's muscle is never above 0.

    Examples
    --------
    >>> [n.values.ravel().tolist() for n in per_subject([[[1.0]], [[4.0]]], ["a", "a"])]
    [[0.25], [1.0]]
    """
    signals = [_table(trial) for trial in trials]
    if len(signals) != len(subjects):
        raise InputError(f"subjects: expected {len(signals)}, one per trial, found {len(subjects)}")
    highest: dict[str, NDArray[np.float64]] = {}
    for subject, signal in zip(subjects, signals, strict=True):
        maximum = np.fmax.reduce(signal, axis=0)
        highest[subject] = np.fmax(highest[subject], maximum) if subject in highest else maximum
    for subject, maximum in highest.items():
        if (maximum <= 0).any():
            raise InputError(
                f"subject {subject}, muscle {np.flatnonzero(maximum <= 0)[0] + 1}: expected an "
                f"envelope above zero to normalise by, found a maximum of {np.nanmin(maximum):g}"
            )
    return [
        by_reference(signal, highest[subject])
        for subject, signal in zip(subjects, signals, strict=True)
    ]


def by_reference(envelopes: ArrayLike, reference: ArrayLike, /) -> Normalised:
    """Divide by given numbers: maxima of an MVC trial's envelopes (``mvc``), or ``fixed`` values.

    Parameters
    ----------
    envelopes : array [sample, muscle]
        One trial.
    reference : array [muscle]
        In the unit of the envelopes. Process an MVC trial with the same recipe, or the scales
        differ.

    Returns
    -------
    Normalised
        May exceed 1. All NaN if a reference is NaN.

    Raises
    ------
    InputError
        There are more or fewer numbers than muscles, or one is not above 0.

    Examples
    --------
    >>> by_reference([[1.0, 3.0]], [2.0, 2.0]).values
    array([[0.5, 1.5]])
    """
    signals = _table(envelopes)
    factor = np.asarray(reference, dtype=np.float64)
    if factor.shape != (signals.shape[1],):
        raise InputError(
            f"reference: expected {signals.shape[1]} numbers, one per muscle, found shape "
            f"{factor.shape}"
        )
    return _scaled(signals, np.zeros_like(factor), factor)


def _table(envelopes: ArrayLike) -> NDArray[np.float64]:
    signals = np.asarray(envelopes, dtype=np.float64)
    if signals.ndim != 2 or not len(signals):
        raise InputError(f"envelopes: expected [sample, muscle], found shape {signals.shape}")
    return signals


def _scaled(
    signals: NDArray[np.float64], offset: NDArray[np.float64], factor: NDArray[np.float64]
) -> Normalised:
    flat = np.flatnonzero(factor <= 0)
    if len(flat):
        raise InputError(
            f"muscle {flat[0] + 1}: expected an envelope with a range above 0 to normalise by, "
            f"found {factor[flat[0]]:g}; leave the electrode out"
        )
    return Normalised((signals - offset) / factor, offset, factor)


def by_subject_maximum(
    measured: ArrayLike, subjects: Sequence[str], /
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Divide envelopes by each subject's maximum over all of the subject's cycles.

    As for the public running data: one factor per subject and muscle for all speeds, so that
    differences between speeds remain.

    Parameters
    ----------
    measured : array [cycle, point, muscle]
        Envelopes. NaN is ignored in the maximum and remains NaN.
    subjects : sequence of str
        The subject of each cycle.

    Returns
    -------
    normalised : float64 array [cycle, point, muscle]
        At most 1.
    maxima : dict of str to float64 array [muscle]
        Divisors of each subject; NaN for muscles without values.

    Raises
    ------
    InputError
        A subject's muscle has no value above zero.

    Examples
    --------
    >>> values, maxima = by_subject_maximum([[[1.0], [2.0]], [[4.0], [0.0]]], ["a", "a"])
    >>> values.ravel(), maxima["a"]
    (array([0.25, 0.5 , 1.  , 0.  ]), array([4.]))
    """
    cycles = np.asarray(measured, dtype=np.float64)
    if cycles.ndim != 3 or len(subjects) != len(cycles):
        raise InputError(
            f"measured: expected [cycle, point, muscle] and one subject per cycle, found shape "
            f"{cycles.shape} and {len(subjects)} subjects"
        )
    scaled = per_subject(list(cycles), subjects)
    maxima = {who: one.factor for who, one in zip(subjects, scaled, strict=True)}
    return np.stack([one.values for one in scaled]), maxima
