"""From raw EMG to envelopes, and from envelopes to normalised ones."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.errors import InputError


def envelope(
    signal: ArrayLike,
    /,
    *,
    rate: float,
    band: tuple[float, float] | None = (20.0, 400.0),
    low_pass: float = 10.0,
    order: int = 4,
) -> NDArray[np.float64]:
    """Return the linear envelope of raw EMG: band-pass, rectify, low-pass, all without delay.

    Parameters
    ----------
    signal : array [sample] or [sample, muscle]
        Raw EMG, evenly sampled. A column with a NaN anywhere comes back all NaN: a filter would
        spread it, and filling a gap is not this function's decision.
    rate : float
        Samples per second.
    band : (float, float) or None
        Corner frequencies of the band-pass, Hz (-3 dB of the whole filter); None subtracts the mean
        instead, for signals recorded at too low a rate for a band-pass.
    low_pass : float
        Corner frequency of the envelope, Hz (-3 dB of the whole filter).
    order : {2, 4, 6, 8}
        **Effective** order of the low-pass and of each edge of the band-pass. Butterworth filters
        of half this order run forward and backward, which doubles the order and leaves no delay;
        corners are moved so that the whole filter has -3 dB at the frequencies given.

    Returns
    -------
    float64 array, shape of `signal`
        Never negative up to the low-pass filter's small undershoot, which is kept.

    Raises
    ------
    InputError
        A frequency is not below half the rate, the band is not increasing, the order is not even,
        or the signal is too short to filter (about three periods of the lowest frequency).
    """
    raw = np.asarray(signal, dtype=np.float64)
    if raw.ndim not in (1, 2):
        raise InputError(f"signal: expected [sample] or [sample, muscle], found shape {raw.shape}")
    if order not in (2, 4, 6, 8):
        raise InputError(f"order: expected 2, 4, 6 or 8 (it is the effective one), found {order}")
    if band is not None and not 0 < band[0] < band[1]:
        raise InputError(f"band: expected two increasing frequencies above 0, found {band}")
    edges = {"low_pass": low_pass, **({"band": band[0], "band end": band[1]} if band else {})}
    for what, edge in edges.items():
        if not 0 < edge < rate / 2:
            raise InputError(
                f"{what}: expected a frequency between 0 and half the rate ({rate / 2:g} Hz), "
                f"found {edge:g}"
            )
    shortest = int(np.ceil(3 * rate / min(edges.values())))
    if len(raw) < shortest:
        raise InputError(
            f"signal: expected at least {shortest} samples to filter, found {len(raw)}"
        )
    usable = ~np.isnan(raw).any(axis=0)
    columns = raw[:, usable] if raw.ndim == 2 else raw[:, None][:, np.atleast_1d(usable)]
    if band:
        columns = _both_ways(columns, band[0], kind="high", order=order, rate=rate)
        columns = _both_ways(columns, band[1], kind="low", order=order, rate=rate)
    else:
        columns = columns - columns.mean(axis=0)
    result = np.full((len(raw), usable.size), np.nan)
    result[:, np.atleast_1d(usable)] = _both_ways(
        np.abs(columns), low_pass, kind="low", order=order, rate=rate
    )
    return result.reshape(raw.shape)


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


def _both_ways(
    columns: NDArray[np.float64], corner: float, *, kind: str, order: int, rate: float
) -> NDArray[np.float64]:
    """Butterworth filter of half the order, forward and backward; -3 dB of the whole at `corner`.

    Two passes have -6 dB at their corner. The single pass's corner is moved to where the two
    together have -3 dB, in the frequencies the bilinear transform bends.
    """
    from scipy.signal import butter, sosfiltfilt

    half = order // 2
    shift = (np.sqrt(2.0) - 1.0) ** (1.0 / (2 * half))
    bent = np.tan(np.pi * corner / rate) * (shift if kind == "high" else 1.0 / shift)
    moved = np.arctan(bent) * rate / np.pi
    sections = butter(half, moved, btype=kind, fs=rate, output="sos")
    return np.asarray(sosfiltfilt(sections, columns, axis=0))
