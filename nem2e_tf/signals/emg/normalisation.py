"""Normalisation of envelopes, and what each policy gives away about the cycles to be judged.

A refiner is judged on a subject it never saw. What the subject's own test cycles contributed to the
scale of their EMG is known to the truth it is compared with, though to no input of the model; how
much that matters differs between the policies, and each says so (`Policy.leakage`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.errors import InputError

LOWEST_SHARE = 0.01


@dataclass(frozen=True)
class Policy:
    """A way to bring envelopes of muscles, subjects and speeds to one scale.

    Attributes
    ----------
    name : str
    what : str
        What an envelope is divided by.
    keeps : str
        Which differences of amplitude remain.
    leakage : str
        What the scale of a cycle knows of the cycles it is judged with.
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
            "every cycle is scaled by its own trial; a model cannot be asked about amplitude",
        ),
        Policy(
            "subject",
            "the subject's maximum over all trials, all speeds together",
            "between a subject's speeds; none between subjects",
            "a test subject's scale comes from the test cycles themselves: for a new person the "
            "output is a share of a maximum that has to be measured, at the same speeds",
        ),
        Policy(
            "mvc",
            "the maximum of a trial of maximal voluntary contraction",
            "between speeds and, as far as contractions were maximal, subjects; may exceed 1",
            "none: the reference trial holds no cycle",
        ),
        Policy(
            "fixed",
            "given numbers, one a muscle",
            "all",
            "none, provided that the numbers were not taken from the cycles",
        ),
    )
}


@dataclass(frozen=True, eq=False)
class Normalised:
    """An envelope on its new scale.

    Attributes
    ----------
    values : float64 array [sample, muscle]
        (envelope - offset) / factor. NaN stays NaN.
    offset, factor : float64 array [muscle]
        NaN where a muscle has no value at all.
    """

    values: NDArray[np.float64]
    offset: NDArray[np.float64]
    factor: NDArray[np.float64]


def per_trial(envelopes: ArrayLike, /, *, lowest: float = LOWEST_SHARE) -> Normalised:
    """Scale one trial by its own range (policy ``trial``), as Liu et al. (2008) did.

    Parameters
    ----------
    envelopes : array [sample, muscle]
        One trial. NaN is left out of the range and stays NaN.
    lowest : float
        Share of the samples, the lowest ones, whose mean becomes 0.

    Returns
    -------
    Normalised
        At most 1; a little below 0 where a sample is below that mean.

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
        Envelopes; the muscles are the same in all. Leave out bad electrodes (NaN) before.
    subjects : sequence of str
        Whose trial each is.

    Returns
    -------
    list of Normalised
        At most 1, one for each trial, in order.

    Raises
    ------
    InputError
        There are more or fewer subjects than trials, or a muscle of a subject is never above 0.

    Examples
    --------
    >>> [n.values.ravel().tolist() for n in per_subject([[[1.0]], [[4.0]]], ["a", "a"])]
    [[0.25], [1.0]]
    """
    signals = [_table(trial) for trial in trials]
    if len(signals) != len(subjects):
        raise InputError(
            f"subjects: expected one for each of {len(signals)} trials, found {len(subjects)}"
        )
    highest: dict[str, NDArray[np.float64]] = {}
    for subject, signal in zip(subjects, signals, strict=True):
        maximum = np.fmax.reduce(signal, axis=0)
        highest[subject] = np.fmax(highest[subject], maximum) if subject in highest else maximum
    return [
        by_reference(signal, highest[subject])
        for subject, signal in zip(subjects, signals, strict=True)
    ]


def by_reference(envelopes: ArrayLike, reference: ArrayLike, /) -> Normalised:
    """Divide by given numbers: maxima of an MVC trial's envelopes (``mvc``), or ``fixed`` ones.

    Parameters
    ----------
    envelopes : array [sample, muscle]
        One trial.
    reference : array [muscle]
        In the unit of the envelopes. Take an MVC trial through the same recipe before its maximum
        is taken, or the scales differ.

    Returns
    -------
    Normalised
        May exceed 1. All NaN where a reference is NaN.

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
            f"reference: expected one number for each of {signals.shape[1]} muscles, found shape "
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
            f"muscle {flat[0] + 1}: expected an envelope above its lowest values to normalise by, "
            f"found a range of {factor[flat[0]]:g}; leave the electrode out"
        )
    return Normalised((signals - offset) / factor, offset, factor)


def by_subject_maximum(
    measured: ArrayLike, subjects: Sequence[str], /
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Divide envelopes by each subject's maximum over all of the subject's cycles.

    As in the processing of the public running data: one factor a subject and muscle, all speeds
    together, so that differences between speeds remain.

    Parameters
    ----------
    measured : array [cycle, point, muscle]
        Envelopes. NaN is left out of the maximum and stays NaN.
    subjects : sequence of str
        The subject of each cycle.

    Returns
    -------
    normalised : float64 array [cycle, point, muscle]
        At most 1.
    maxima : dict of str to float64 array [muscle]
        What each subject's muscles were divided by; NaN where a subject has no value at all.

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
    values = np.array(measured, dtype=np.float64)
    who = np.asarray(subjects, dtype=str)
    if values.ndim != 3 or len(who) != len(values):
        raise InputError(
            f"measured: expected [cycle, point, muscle] and a subject for each cycle, found shape "
            f"{values.shape} and {len(who)} subjects"
        )
    maxima = {}
    for subject in dict.fromkeys(who.tolist()):
        rows = who == subject
        filled = np.where(np.isnan(values[rows]), -np.inf, values[rows])
        highest = filled.max(axis=(0, 1))
        highest[np.isneginf(highest)] = np.nan
        if (highest <= 0).any():
            raise InputError(
                f"subject {subject}, muscle {np.flatnonzero(highest <= 0)[0] + 1}: expected an "
                f"envelope above zero to normalise by, found a maximum of {np.nanmin(highest):g}"
            )
        values[rows] /= highest
        maxima[subject] = highest
    return values, maxima
