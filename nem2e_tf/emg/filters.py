"""Filters without delay: run forward and backward, -3 dB where it is asked for."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

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
