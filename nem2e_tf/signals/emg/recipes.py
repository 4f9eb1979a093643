"""Recipes for EMG envelopes: named sequences of processing steps, each with its source.

Filters are Butterworth filters run forward and backward, so they cause no delay. This doubles the
order and gives -6 dB at the corner of a single pass. Here an order is always the **effective**
one, and a corner is the -3 dB frequency of the complete filter, except with ``of_each_pass``, the
convention of publications: then `three_db` returns the -3 dB frequency of the complete filter.

**Gaps.** NaN is never filled and never filtered across. Each muscle is processed in the segments
between its gaps; a segment too short for the filters becomes NaN as well. `Envelope.notes` lists
all gaps and lost segments. Filters settle at both ends of a segment, as at the ends of a recording.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.errors import InputError, near
from nem2e_tf.signals.emg.filters import both_ways, check_frequency, notch_both_ways, of_both_ways

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
        True if `corner` is the -3 dB frequency of each of the two passes.
    """

    corner: float
    order: int = 4
    of_each_pass: bool = False

    kind = ""

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise InputError(
                f"order: expected an effective order of 2, 4, 6 or 8, found {self.order}"
            )

    def three_db(self, rate: float) -> float:
        """Return the -3 dB frequency of the complete filter, Hz, for a sampling rate."""
        if not self.of_each_pass:
            return self.corner
        return of_both_ways(self.corner, kind=self.kind, order=self.order, rate=rate)

    def shortest(self, rate: float) -> float:
        """Return the shortest signal it can process, s."""
        return 3.0 / self.three_db(rate)

    def apply(self, signal: Signal, rate: float) -> tuple[Signal, float]:
        """Filter [sample, muscle] without NaN; return it with its rate."""
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
    """A high-pass followed by a low-pass.

    Attributes
    ----------
    low, high : float
        Corners, Hz.
    order : {2, 4, 6, 8}
        Effective order of each edge.
    of_each_pass : bool
        True if the corners are the -3 dB frequencies of each of the two passes.
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
        """The two filters."""
        return (
            HighPass(self.low, self.order, self.of_each_pass),
            LowPass(self.high, self.order, self.of_each_pass),
        )

    def three_db(self, rate: float) -> tuple[float, float]:
        """Return the -3 dB frequencies of the complete filter, Hz."""
        return self.edges[0].three_db(rate), self.edges[1].three_db(rate)

    def shortest(self, rate: float) -> float:
        """Return the shortest signal it can process, s."""
        return self.edges[0].shortest(rate)

    def apply(self, signal: Signal, rate: float) -> tuple[Signal, float]:
        """Filter [sample, muscle] without NaN; return it with its rate."""
        for edge in self.edges:
            signal, rate = edge.apply(signal, rate)
        return signal, rate

    def __str__(self) -> str:
        where = "-3 dB of each pass" if self.of_each_pass else "-3 dB"
        return (
            f"band-pass {self.low:g} to {self.high:g} Hz ({where}, effective order {self.order} "
            "per edge)"
        )


@dataclass(frozen=True)
class Notch:
    """Removes mains hum; useful only if there is any, since it also removes EMG.

    Attributes
    ----------
    frequency, width : float
        Centre, and distance between the two -3 dB points of the complete filter, Hz.
    """

    frequency: float = 50.0
    width: float = 2.0

    def shortest(self, rate: float) -> float:  # noqa: ARG002
        """Return the shortest signal it can process, s."""
        return 3.0 / self.width

    def apply(self, signal: Signal, rate: float) -> tuple[Signal, float]:
        """Filter [sample, muscle] without NaN; return it with its rate."""
        check_frequency("notch", self.frequency, rate)
        check_frequency("width of the notch", self.width, rate)
        return notch_both_ways(signal, self.frequency, width=self.width, rate=rate), rate

    def __str__(self) -> str:
        return f"notch {self.frequency:g} Hz, {self.width:g} Hz wide (-3 dB)"


class _Instant:
    """A step without memory, which can process a signal of any length."""

    def shortest(self, rate: float) -> float:  # noqa: ARG002
        """Return the shortest signal it can process, s."""
        return 0.0


@dataclass(frozen=True)
class SubtractMean(_Instant):
    """Removes the offset of a signal that is not band-passed."""

    def apply(self, signal: Signal, rate: float) -> tuple[Signal, float]:
        """Subtract each column's mean; return it with its rate."""
        return signal - signal.mean(axis=0), rate

    def __str__(self) -> str:
        return "subtract the mean"


@dataclass(frozen=True)
class TeagerKaiser:
    """Teager-Kaiser energy, x[n]^2 - x[n-1] x[n+1], which sharpens the onset of bursts.

    Not part of any recipe here: it simplifies onset detection but emphasises high frequencies, and
    its envelope is not proportional to amplitude. Solnik et al. (2010), doi
    10.1007/s00421-010-1521-8.
    """

    def shortest(self, rate: float) -> float:
        """Return the shortest signal it can process, s."""
        return 3.0 / rate

    def apply(self, signal: Signal, rate: float) -> tuple[Signal, float]:
        """Energy of [sample, muscle]; the first and last sample repeat their neighbours."""
        energy = signal[1:-1] ** 2 - signal[:-2] * signal[2:]
        return np.concatenate([energy[:1], energy, energy[-1:]]), rate

    def __str__(self) -> str:
        return "Teager-Kaiser energy"


@dataclass(frozen=True)
class Rectify(_Instant):
    """Absolute value."""

    def apply(self, signal: Signal, rate: float) -> tuple[Signal, float]:
        """Absolute value; return it with its rate."""
        return np.abs(signal), rate

    def __str__(self) -> str:
        return "rectify"


@dataclass(frozen=True)
class Resample:
    """Downsamples an envelope by linear interpolation; sample 0 keeps its time.

    Attributes
    ----------
    rate : float
        Samples per second.
    """

    rate: float = 100.0

    def shortest(self, rate: float) -> float:  # noqa: ARG002
        """Return the shortest signal it can process, s."""
        return 2.0 / self.rate

    def apply(self, signal: Signal, rate: float) -> tuple[Signal, float]:
        """Resample [sample, muscle]; NaN spreads to the next samples and no further."""
        time = np.arange(len(signal)) / rate
        wanted = np.arange(0.0, time[-1] + 1e-9 / rate, 1.0 / self.rate)
        return np.stack([np.interp(wanted, time, column) for column in signal.T], -1), self.rate

    def __str__(self) -> str:
        return f"resample to {self.rate:g} Hz"


Step = BandPass | HighPass | LowPass | Notch | SubtractMean | TeagerKaiser | Rectify | Resample


# Linear interpolation between four samples per period causes an error of 10 %.
_SAMPLES_PER_PERIOD = 4.0


@dataclass(frozen=True)
class Recipe:
    """A named sequence of steps from raw EMG to an envelope.

    Attributes
    ----------
    name : str
    steps : tuple of Step
        In order. `Resample` is only allowed last and after a low-pass.
    normalisation : str
        Normalisation policy (a name in `normalisation.POLICIES`) of the source. It is applied
        separately, since it may require all trials of a subject.
    source : str
        Publication.
    """

    name: str
    steps: tuple[Step, ...]
    normalisation: str
    source: str

    def __post_init__(self) -> None:
        for number, step in enumerate(self.steps):
            if not isinstance(step, Resample):
                continue
            smoothed = [s.corner for s in self.steps[:number] if isinstance(s, LowPass)]
            if number < len(self.steps) - 1 or not smoothed:
                raise InputError(
                    f"recipe {self.name}: expected resampling last and after a low-pass, found it "
                    f"as step {number + 1}"
                )
            if step.rate < _SAMPLES_PER_PERIOD * min(smoothed):
                raise InputError(
                    f"recipe {self.name}: expected at least {_SAMPLES_PER_PERIOD:g} times the "
                    f"envelope's {min(smoothed):g} Hz, found {step.rate:g} Hz"
                )

    def __str__(self) -> str:
        return "\n  ".join((f"{self.name}:", *map(str, self.steps)))


@dataclass(frozen=True, eq=False)
class Envelope:
    """An envelope computed by a recipe.

    Attributes
    ----------
    values : float64 array [sample, muscle]
        NaN in gaps.
    rate : float
        Samples per second; the first sample is the raw signal's.
    notes : tuple of str
        Gaps, and segments between them that were too short.
    """

    values: NDArray[np.float64]
    rate: float
    notes: tuple[str, ...]


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "standard",
            (BandPass(20.0, 400.0, order=4), Rectify(), LowPass(10.0, order=4)),
            normalisation="subject",
            source="High-pass of 20 Hz against movement artefacts: De Luca et al. (2010), doi "
            "10.1016/j.jbiomech.2010.01.027. Envelope of about 10 Hz for gait: Shiavi et al. "
            "(1998), doi 10.1007/BF02510739.",
        ),
        Recipe(
            "hamner2013",
            (SubtractMean(), Rectify(), LowPass(10.0, order=2, of_each_pass=True)),
            normalisation="subject",
            source="Hamner & Delp (2013), doi 10.1016/j.jbiomech.2012.11.024, as later users "
            "process the released raw EMG: first order, forward and backward.",
        ),
        Recipe(
            "liu2008",
            (
                BandPass(20.0, 400.0, order=4, of_each_pass=True),
                Rectify(),
                LowPass(10.0, order=8, of_each_pass=True),
            ),
            normalisation="trial",
            source="Liu et al. (2008), doi 10.1016/j.jbiomech.2008.07.031: band-pass of second "
            "order and low-pass of fourth order, forward and backward.",
        ),
    )
}


def recipe(name: str) -> Recipe:
    """Return a recipe by name.

    Examples
    --------
    >>> print(recipe("standard"))
    standard:
      band-pass 20 to 400 Hz (-3 dB, effective order 4 per edge)
      rectify
      low-pass 10 Hz (-3 dB, effective order 4)
    """
    if name not in RECIPES:
        raise InputError(
            f"recipe: expected {', '.join(RECIPES)}, found {name!r}{near(name, list(RECIPES))}"
        )
    return RECIPES[name]


def with_teager_kaiser(base: Recipe, /) -> Recipe:
    """Return the recipe with the Teager-Kaiser energy before its rectification."""
    if Rectify() not in base.steps:
        raise InputError(f"recipe {base.name}: expected one that rectifies, found none")
    place = base.steps.index(Rectify())
    steps = (*base.steps[:place], TeagerKaiser(), *base.steps[place:])
    return replace(base, name=f"{base.name}+teager-kaiser", steps=steps)


def resampled(base: Recipe, /, *, rate: float) -> Recipe:
    """Return the recipe with an envelope of `rate` samples per second."""
    steps = tuple(step for step in base.steps if not isinstance(step, Resample))
    return replace(base, steps=(*steps, Resample(rate)))


def apply(recipe: Recipe, signal: ArrayLike, /, *, rate: float) -> Envelope:
    """Compute envelopes of raw EMG with a recipe.

    Parameters
    ----------
    recipe : Recipe
    signal : array [sample, muscle]
        Raw EMG, evenly sampled. NaN marks gaps; the module's text describes their treatment.
    rate : float
        Samples per second.

    Returns
    -------
    Envelope
        Not normalised. Never negative except for the small undershoot of the low-pass filter.

    Raises
    ------
    InputError
        A corner is not below half the rate, or no muscle has a segment that is long enough.

    Examples
    --------
    >>> raw = np.random.default_rng(0).normal(size=(2000, 1))
    >>> apply(recipe("standard"), raw, rate=1000.0).values.shape
    (2000, 1)
    """
    raw = np.asarray(signal, dtype=np.float64)
    if raw.ndim != 2:
        raise InputError(f"signal: expected [sample, muscle], found shape {raw.shape}")
    body = [step for step in recipe.steps if not isinstance(step, Resample)]
    shortest = int(np.ceil(max((step.shortest(rate) for step in body), default=0.0) * rate))
    if len(raw) < max(shortest, 2):
        raise InputError(
            f"signal: expected at least {max(shortest, 2)} samples for recipe {recipe.name} at "
            f"{rate:g} Hz, found {len(raw)}"
        )
    values = np.full(raw.shape, np.nan)
    notes = []
    for muscle, column in enumerate(raw.T):
        known = ~np.isnan(column)
        segments = _runs(known)
        lost = 0
        for start, stop in segments:
            if stop - start < shortest:
                lost += stop - start
                continue
            piece = column[start:stop, None]
            for step in body:
                piece, _ = step.apply(piece, rate)
            values[start:stop, muscle] = piece[:, 0]
        if not known.all():
            notes.append(
                f"column {muscle + 1}: {(~known).sum() / rate:.3g} s of gaps kept as nan in "
                f"{len(_runs(~known))} places"
                + (f", {lost / rate:.3g} s between them too short to filter" if lost else "")
            )
    if np.isnan(values).all() and raw.size:
        raise InputError(
            f"signal: expected a segment of at least {shortest} samples without a gap for recipe "
            f"{recipe.name}, found none"
        )
    for last in recipe.steps:
        if isinstance(last, Resample):
            values, rate = last.apply(values, rate)
    return Envelope(values, rate, tuple(notes))


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return start and stop of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def envelope(
    signal: ArrayLike,
    /,
    *,
    rate: float,
    band: tuple[float, float] | None = (20.0, 400.0),
    low_pass: float = 10.0,
    order: int = 4,
) -> Signal:
    """Compute the linear envelope of raw EMG: band-pass, rectify, low-pass, all without delay.

    Parameters
    ----------
    signal : array [sample] or [sample, muscle]
        Raw EMG, evenly sampled. A column with a NaN becomes all NaN.
    rate : float
        Samples per second.
    band : (float, float) or None
        Corner frequencies of the band-pass, Hz (-3 dB of the complete filter); None subtracts the
        mean instead, for signals recorded at too low a rate for a band-pass.
    low_pass : float
        Corner frequency of the envelope, Hz (-3 dB of the complete filter).
    order : {2, 4, 6, 8}
        **Effective** order of the low-pass and of each edge of the band-pass.

    Returns
    -------
    float64 array, shape of `signal`
        Never negative except for the small undershoot of the low-pass filter.

    Raises
    ------
    InputError
        A frequency is not below half the rate, the band is not increasing, the order is not even,
        or the signal is shorter than three periods of the lowest frequency.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 70 * np.arange(2000) / 1000)
    >>> round(float(envelope(tone, rate=1000.0)[1000]), 1)  # 2/pi, the mean of a rectified sine
    0.6
    """
    raw = np.asarray(signal, dtype=np.float64)
    if raw.ndim not in (1, 2):
        raise InputError(f"signal: expected [sample] or [sample, muscle], found shape {raw.shape}")
    for name, corner in (("low_pass", low_pass), *(("band", edge) for edge in band or ())):
        check_frequency(name, corner, rate)
    first = BandPass(*band, order) if band else SubtractMean()
    steps = Recipe("envelope", (first, Rectify(), LowPass(low_pass, order)), "", "")
    columns = raw.reshape(len(raw), -1)
    usable = ~np.isnan(columns).any(axis=0)
    result = np.full(columns.shape, np.nan)
    if usable.any():
        result[:, usable] = apply(steps, columns[:, usable], rate=rate).values
    return result.reshape(raw.shape)
