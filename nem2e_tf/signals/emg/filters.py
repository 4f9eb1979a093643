"""The linear envelope of raw EMG in one call, with its three settings.

Filters without delay: run forward and backward, -3 dB where it is asked for.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.errors import InputError

Kind = Literal["low", "high"]

# Where two passes of a notch together have -3 dB, in half widths of a single pass.
_NOTCH = np.sqrt(np.sqrt(0.5) / (1.0 - np.sqrt(0.5)))


def both_ways(
    columns: NDArray[np.float64], corner: float, *, kind: str, order: int, rate: float
) -> NDArray[np.float64]:
    """Butterworth filter of half the order, forward and backward; -3 dB of the whole at `corner`.

    Parameters
    ----------
    columns : float64 array [sample, column]
        Without NaN.
    corner : float
        Hz. Two passes have -6 dB at their corner: the single pass's corner is moved to where the
        two together have -3 dB, in the frequencies the bilinear transform bends.
    kind : {"low", "high"}
        What passes.
    order : int
        Effective order, even.
    rate : float
        Samples per second.
    """
    from scipy.signal import butter, sosfiltfilt

    moved = _bend(corner, 1.0 / _shift(order, kind), rate)
    sections = butter(order // 2, moved, btype=kind, fs=rate, output="sos")
    return np.asarray(sosfiltfilt(sections, columns, axis=0))


def of_both_ways(corner: float, *, kind: str, order: int, rate: float) -> float:
    """-3 dB of a Butterworth filter that has its own -3 dB at `corner` and is run both ways, Hz.

    Parameters
    ----------
    corner : float
        Of the single pass, Hz.
    kind : {"low", "high"}
        What passes.
    order : int
        Effective order: twice that of the single pass.
    rate : float
        Samples per second.

    Examples
    --------
    >>> round(of_both_ways(10.0, kind="low", order=8, rate=1000.0), 2)
    8.96
    """
    return _bend(corner, _shift(order, kind), rate)


def notch_both_ways(
    columns: NDArray[np.float64], frequency: float, *, width: float, rate: float
) -> NDArray[np.float64]:
    """Take out one frequency, forward and backward; -3 dB of the whole `width` Hz apart.

    Parameters
    ----------
    columns : float64 array [sample, column]
        Without NaN.
    frequency, width : float
        Hz.
    rate : float
        Samples per second.
    """
    from scipy.signal import filtfilt, iirnotch

    narrow = 2.0 * np.arctan(np.tan(np.pi * width / rate) / _NOTCH) * rate / (2.0 * np.pi)
    b, a = iirnotch(frequency, frequency / narrow, fs=rate)
    # A narrow notch rings long: the ends are mirrored as far as three of its time constants.
    mirrored = min(len(columns) - 1, int(np.ceil(3.0 * rate / (np.pi * narrow))))
    return np.asarray(filtfilt(b, a, columns, axis=0, padlen=mirrored))


def check_frequency(what: str, frequency: float, rate: float) -> None:
    """Refuse a frequency that a recording of this rate cannot hold.

    Raises
    ------
    InputError
        It is not between 0 and half the rate.
    """
    if not 0 < frequency < rate / 2:
        raise InputError(
            f"{what}: expected a frequency between 0 and half the rate ({rate / 2:g} Hz), "
            f"found {frequency:g}"
        )


def _shift(order: int, kind: str) -> float:
    """Where two passes have -3 dB, as a share of the single pass's corner."""
    shift = float((np.sqrt(2.0) - 1.0) ** (1.0 / order))
    return shift if kind == "low" else 1.0 / shift


def _bend(frequency: float, factor: float, rate: float) -> float:
    bent = np.tan(np.pi * frequency / rate) * factor
    return float(np.arctan(bent) * rate / np.pi)


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
        columns = both_ways(columns, band[0], kind="high", order=order, rate=rate)
        columns = both_ways(columns, band[1], kind="low", order=order, rate=rate)
    else:
        columns = columns - columns.mean(axis=0)
    result = np.full((len(raw), usable.size), np.nan)
    result[:, np.atleast_1d(usable)] = both_ways(
        np.abs(columns), low_pass, kind="low", order=order, rate=rate
    )
    return result.reshape(raw.shape)
