"""The steps a recipe is made of: each a frozen setting and a pure function on arrays.

Filters are Butterworth, run forward and backward, so none of them delays. That doubles the order
and puts -6 dB where a single pass has -3 dB. Here an order is always the **effective** one, and a
corner is the -3 dB of the whole filter, unless it is said to be that ``of_each_pass`` (how
publications give it): then `three_db` tells where the whole has its -3 dB.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.emg.filters import both_ways, check_frequency, notch_both_ways, of_both_ways
from nem2e_tf.errors import InputError

ORDERS = (2, 4, 6, 8)
Signal = NDArray[np.float64]


@dataclass(frozen=True)
class _Edge:
    """One edge of a Butterworth filter.

    Attributes
    ----------
    corner : float
        Hz.
    order : {2, 4, 6, 8}
        Effective order.
    of_each_pass : bool
        Whether `corner` is the -3 dB of each of the two passes and not of the whole.
    """

    corner: float
    order: int = 4
    of_each_pass: bool = False

    kind = ""

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise InputError(
                f"order: expected 2, 4, 6 or 8 (it is the effective one), found {self.order}"
            )

    def three_db(self, rate: float) -> float:
        """Frequency at which the whole filter has -3 dB, Hz, at a rate in samples a second."""
        if not self.of_each_pass:
            return self.corner
        return of_both_ways(self.corner, kind=self.kind, order=self.order, rate=rate)

    def shortest(self, rate: float) -> float:
        """Seconds of signal it needs."""
        return 3.0 / self.three_db(rate)

    def apply(self, signal: Signal, rate: float) -> tuple[Signal, float]:
        """Filter [sample, muscle] without NaN; the rate stays."""
        check_frequency(f"{self.kind}-pass", self.corner, rate)
        corner = self.three_db(rate)
        return both_ways(signal, corner, kind=self.kind, order=self.order, rate=rate), rate

    def __str__(self) -> str:
        where = "-3 dB of each pass" if self.of_each_pass else "-3 dB"
        return f"{self.kind}-pass {self.corner:g} Hz ({where}, effective order {self.order})"


@dataclass(frozen=True)
class HighPass(_Edge):
    """Removes offset and movement artefacts; see `_Edge` for the settings."""

    kind = "high"


@dataclass(frozen=True)
class LowPass(_Edge):
    """Smooths a rectified signal to an envelope; see `_Edge` for the settings."""

    kind = "low"


@dataclass(frozen=True)
class BandPass:
    """High-pass and low-pass one after the other.

    Attributes
    ----------
    low, high : float
        Corners, Hz.
    order : {2, 4, 6, 8}
        Effective order of each edge.
    of_each_pass : bool
        Whether the corners are the -3 dB of each of the two passes and not of the whole.
    """

    low: float = 20.0
    high: float = 400.0
    order: int = 4
    of_each_pass: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high:
            raise InputError(
                f"band-pass: expected two increasing frequencies above 0, found {self.low:g} and "
                f"{self.high:g}"
            )
        _ = self.edges

    @property
    def edges(self) -> tuple[HighPass, LowPass]:
        """Its two filters."""
        return (
            HighPass(self.low, self.order, self.of_each_pass),
            LowPass(self.high, self.order, self.of_each_pass),
        )

    def three_db(self, rate: float) -> tuple[float, float]:
        """Frequencies at which the whole filter has -3 dB, Hz."""
        return self.edges[0].three_db(rate), self.edges[1].three_db(rate)

    def shortest(self, rate: float) -> float:
        """Seconds of signal it needs."""
        return self.edges[0].shortest(rate)

    def apply(self, signal: Signal, rate: float) -> tuple[Signal, float]:
        """Filter [sample, muscle] without NaN; the rate stays."""
        for edge in self.edges:
            signal, rate = edge.apply(signal, rate)
        return signal, rate

    def __str__(self) -> str:
        where = "-3 dB of each pass" if self.of_each_pass else "-3 dB"
        return (
            f"band-pass {self.low:g} to {self.high:g} Hz ({where}, effective order {self.order} "
            "an edge)"
        )


@dataclass(frozen=True)
class Notch:
    """Takes out the hum of the mains; of use only where it is there, since it takes EMG with it.

    Attributes
    ----------
    frequency, width : float
        Middle, and distance of the two -3 dB points of the whole filter, Hz.
    """

    frequency: float = 50.0
    width: float = 2.0

    def shortest(self, rate: float) -> float:  # noqa: ARG002
        """Seconds of signal it needs."""
        return 3.0 / self.width

    def apply(self, signal: Signal, rate: float) -> tuple[Signal, float]:
        """Filter [sample, muscle] without NaN; the rate stays."""
        check_frequency("notch", self.frequency, rate)
        check_frequency("width of the notch", self.width, rate)
        return notch_both_ways(signal, self.frequency, width=self.width, rate=rate), rate

    def __str__(self) -> str:
        return f"notch {self.frequency:g} Hz, {self.width:g} Hz wide (-3 dB)"


@dataclass(frozen=True)
class SubtractMean:
    """Removes the offset where a signal is not band-passed."""

    def shortest(self, rate: float) -> float:  # noqa: ARG002
        """Seconds of signal it needs."""
        return 0.0

    def apply(self, signal: Signal, rate: float) -> tuple[Signal, float]:
        """Subtract each column's mean; the rate stays."""
        return signal - signal.mean(axis=0), rate

    def __str__(self) -> str:
        return "subtract the mean"


@dataclass(frozen=True)
class TeagerKaiser:
    """Teager-Kaiser energy, x[n]^2 - x[n-1] x[n+1], which sharpens the onset of bursts.

    In no recipe of ours: it makes onsets easier to find and weighs high frequencies, and an
    envelope of it is no longer proportional to amplitude. Solnik et al. (2010), doi
    10.1007/s00421-010-1521-8.
    """

    def shortest(self, rate: float) -> float:
        """Seconds of signal it needs."""
        return 3.0 / rate

    def apply(self, signal: Signal, rate: float) -> tuple[Signal, float]:
        """Energy of [sample, muscle]; the first and last sample repeat their neighbours."""
        energy = signal[1:-1] ** 2 - signal[:-2] * signal[2:]
        return np.concatenate([energy[:1], energy, energy[-1:]]), rate

    def __str__(self) -> str:
        return "Teager-Kaiser energy"


@dataclass(frozen=True)
class Rectify:
    """Absolute value."""

    def shortest(self, rate: float) -> float:  # noqa: ARG002
        """Seconds of signal it needs."""
        return 0.0

    def apply(self, signal: Signal, rate: float) -> tuple[Signal, float]:
        """Absolute value; the rate stays."""
        return np.abs(signal), rate

    def __str__(self) -> str:
        return "rectify"


@dataclass(frozen=True)
class Resample:
    """Fewer samples of an envelope, by straight lines; sample 0 stays where it is.

    Attributes
    ----------
    rate : float
        Samples per second.
    """

    rate: float = 100.0

    def shortest(self, rate: float) -> float:  # noqa: ARG002
        """Seconds of signal it needs."""
        return 2.0 / self.rate

    def apply(self, signal: Signal, rate: float) -> tuple[Signal, float]:
        """Resample [sample, muscle]; NaN spreads to the next samples and no further."""
        time = np.arange(len(signal)) / rate
        wanted = np.arange(0.0, time[-1] + 1e-9 / rate, 1.0 / self.rate)
        return np.stack([np.interp(wanted, time, column) for column in signal.T], -1), self.rate

    def __str__(self) -> str:
        return f"resample to {self.rate:g} Hz"


Step = BandPass | HighPass | LowPass | Notch | SubtractMean | TeagerKaiser | Rectify | Resample
