"""Zero-lag Butterworth and notch filters, with the corner stated for the complete filter."""

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError

# Half width of two passes of a notch (-3 dB), relative to that of a single pass.
_NOTCH = np.sqrt(np.sqrt(0.5) / (1.0 - np.sqrt(0.5)))


def both_ways(
    columns: NDArray[np.float64], corner: float, *, kind: str, order: int, rate: float
) -> NDArray[np.float64]:
    """Apply a Butterworth filter of half the order forward and backward, -3 dB at `corner`.

    Parameters
    ----------
    columns : float64 array [sample, column]
        Without NaN.
    corner : float
        Hz. Two passes have -6 dB at the corner of one pass, so that corner is shifted until both
        together have -3 dB at `corner`, with the warping of the bilinear transform.
    kind : {"low", "high"}
        Passed frequencies.
    order : int
        Effective order, even.
    rate : float
        Samples per second.
    """
    from scipy.signal import butter, sosfiltfilt

    moved = _warp(corner, 1.0 / _shift(order, kind), rate)
    sections = butter(order // 2, moved, btype=kind, fs=rate, output="sos")
    return np.asarray(sosfiltfilt(sections, columns, axis=0))


def of_both_ways(corner: float, *, kind: str, order: int, rate: float) -> float:
    """Return the -3 dB frequency of two passes of a Butterworth filter, Hz.

    Parameters
    ----------
    corner : float
        -3 dB frequency of a single pass, Hz.
    kind : {"low", "high"}
        Passed frequencies.
    order : int
        Effective order: twice that of the single pass.
    rate : float
        Samples per second.

    Examples
    --------
    >>> round(of_both_ways(10.0, kind="low", order=8, rate=1000.0), 2)
    8.96
    """
    return _warp(corner, _shift(order, kind), rate)


def notch_both_ways(
    columns: NDArray[np.float64], frequency: float, *, width: float, rate: float
) -> NDArray[np.float64]:
    """Remove one frequency, forward and backward; the -3 dB points are `width` Hz apart.

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
    # A narrow notch rings long: the ends are mirrored over three of its time constants.
    mirrored = min(len(columns) - 1, int(np.ceil(3.0 * rate / (np.pi * narrow))))
    return np.asarray(filtfilt(b, a, columns, axis=0, padlen=mirrored))


def check_frequency(what: str, frequency: float, rate: float) -> None:
    """Refuse a frequency that is not between 0 and half the sampling rate."""
    if not 0 < frequency < rate / 2:
        raise InputError(
            f"{what}: expected a frequency between 0 and half the rate ({rate / 2:g} Hz), "
            f"found {frequency:g}"
        )


def _shift(order: int, kind: str) -> float:
    """Return the -3 dB frequency of two passes, relative to the corner of one pass."""
    shift = float((np.sqrt(2.0) - 1.0) ** (1.0 / order))
    return shift if kind == "low" else 1.0 / shift


def _warp(frequency: float, factor: float, rate: float) -> float:
    """Scale a frequency in the warped frequencies of the bilinear transform."""
    bent = np.tan(np.pi * frequency / rate) * factor
    return float(np.arctan(bent) * rate / np.pi)
