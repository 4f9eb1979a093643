"""Detection of a wrong leg or a shifted clock between simulation and EMG.

Readers do not notice these errors: the curves still look like muscle activity, and all results are
wrong. Both show in the correlation of simulated activation and EMG envelope over a range of time
shifts, averaged over several muscles: a single muscle may lag or fit badly, but a shifted clock
affects all of them.

A lag is positive if the simulation is late. A simulation that neglects part of the muscle's
electromechanical delay (activation dynamics, tendon) is late by it, that is by 10 to 100 ms
(Buchanan et al. 2004, doi 10.1123/jab.20.4.367, after Corcos et al. 1992). It has no reason to be
early, but a low-pass filter that is applied only forward makes the envelope late: by 59 ms for 7 Hz
and fourth order (Butterworth). Lags from 60 ms early to 100 ms late are therefore plausible.

In a cohort, each recording is checked separately, because a subject's other recordings would hide
the one that is wrong. A recording of less than 1.5 s, such as a single cycle, is weak evidence: its
result is a note, and all recordings of the subject are checked together. EMG and simulation were
cut at the same times, so a shifted clock moves the curves within each cycle. Cycles are compared
where they still overlap. No periodicity is assumed, since not every cycle is a stride.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.cohorts.checks.signals import Finding
from nem2e_tf.cohorts.cohort import Cohort
from nem2e_tf.errors import InputError

SEARCH = 0.4
STEP = 0.005
EARLIEST = -0.06
LATEST = 0.1
# The other leg counts as the right one if its correlation is higher by this.
LEG = 0.1
FAINT = 0.2
# Fewer muscles may lag together by chance; then removing the lag must raise r by `GAIN`.
SEVERAL = 3
GAIN = 0.1
# The legs differ by half a cycle: after such a shift, one fits nearly as well as the other.
_NEARLY = 0.03
_SHORTEST = 0.3
# Variance relative to that of the complete recording below which r is undefined.
_CONSTANT = 1e-9


@dataclass(frozen=True, eq=False)
class Alignment:
    """Correlation of EMG channels with the simulation of their own and of the other leg.

    Attributes
    ----------
    muscles : tuple of str
        The channels compared.
    r : float64 array [muscle]
        Correlation without shift; NaN if a curve is constant.
    best_r, lag : float64 array [muscle]
        Maximum correlation within the search range, and the simulation's lag there, s, positive
        if late. The lag is NaN if the maximum is at the edge of the range.
    other_r : float64 array [muscle]
        Correlation with the other leg without shift; NaN if it is not simulated.
    mean_r, mean_best_r, mean_lag, mean_other_r : float
        The same for the mean correlation over all muscles.
    plausible_r, plausible_other_r : float
        Maximum mean correlation at a plausible lag, with the own and with the other leg.
    """

    muscles: tuple[str, ...]
    r: NDArray[np.float64]
    best_r: NDArray[np.float64]
    lag: NDArray[np.float64]
    other_r: NDArray[np.float64]
    mean_r: float
    mean_best_r: float
    mean_lag: float
    mean_other_r: float
    plausible_r: float
    plausible_other_r: float


def align(
    simulated_time: ArrayLike,
    own: ArrayLike,
    other: ArrayLike | None,
    emg_time: ArrayLike,
    emg: ArrayLike,
    /,
    *,
    muscles: tuple[str, ...],
    search: float = SEARCH,
) -> Alignment:
    """Correlate EMG with the simulation of both legs over a range of time shifts.

    Parameters
    ----------
    simulated_time : array [row]
        s, increasing.
    own, other : array [row, muscle]
        Simulated activation of each EMG channel's muscle on its own and on the other leg; None if
        the other leg is not simulated.
    emg_time : array [sample]
        s, increasing.
    emg : array [sample, muscle]
        Envelopes. NaN samples are ignored for their muscle.
    muscles : tuple of str
        Names of the channels.
    search : float
        Largest shift, s.

    Returns
    -------
    Alignment

    Raises
    ------
    InputError
        The shapes do not fit, or the recordings overlap by less than 0.3 s.
    """
    signals = np.asarray(emg, dtype=np.float64)
    moments = np.asarray(emg_time, dtype=np.float64)
    times = np.asarray(simulated_time, dtype=np.float64)
    legs = [np.asarray(leg, dtype=np.float64) for leg in (own, other) if leg is not None]
    if signals.shape != (len(moments), len(muscles)) or any(
        leg.shape != (len(times), len(muscles)) for leg in legs
    ):
        raise InputError(
            f"alignment: expected [row, muscle] of {len(muscles)} muscles, found "
            f"{legs[0].shape} simulated and {signals.shape} measured"
        )
    shared = min(times[-1], moments[-1]) - max(times[0], moments[0]) if len(times) else 0.0
    if shared < _SHORTEST:
        raise InputError(
            f"alignment: expected recordings that overlap by at least {_SHORTEST:g} s, found "
            f"{max(shared, 0):.3g} s; do they belong to one trial and one clock?"
        )
    zero = round(search / STEP)
    shifts = (np.arange(-zero, zero + 1) * STEP).astype(np.float64)
    grid = times[0] + STEP * np.arange(-zero, int((times[-1] - times[0]) / STEP) + zero + 1)
    measured = _at(grid, moments, signals)
    inner = slice(zero, len(grid) - zero)
    curves = [_over_shifts(_at(grid[inner], times, leg), measured) for leg in legs]
    best = [_peak(curves[0][:, muscle], shifts) for muscle in range(len(muscles))]
    means = [_mean(curve) for curve in curves]
    mean_best_r, mean_lag = _peak(means[0], shifts)
    plausible = [_highest(mean[(shifts >= EARLIEST) & (shifts <= LATEST)]) for mean in means]
    none = np.full(len(muscles), np.nan)
    return Alignment(
        muscles=muscles,
        r=curves[0][zero],
        best_r=np.array([r for r, _ in best]),
        lag=np.array([lag for _, lag in best]),
        other_r=curves[1][zero] if len(curves) > 1 else none,
        mean_r=float(means[0][zero]),
        mean_best_r=mean_best_r,
        mean_lag=mean_lag,
        mean_other_r=float(means[1][zero]) if len(curves) > 1 else np.nan,
        plausible_r=plausible[0],
        plausible_other_r=plausible[1] if len(curves) > 1 else np.nan,
    )


def judge(alignment: Alignment) -> list[Finding]:
    """Report a wrong leg or a shifted clock.

    The leg is wrong if the other one fits better than the own one at any plausible lag. The clock
    is shifted if the lag of the mean correlation and the median lag of the muscles are implausible
    in the same direction; with one or two muscles, removing the lag must also raise r by 0.1.

    Returns
    -------
    list of Finding
        ``other leg`` and ``clock`` are wrong; ``fit`` is a note if nothing correlates.
    """
    count = f"{len(alignment.muscles)} muscle{'s'[: len(alignment.muscles) > 1]}"
    own, other = alignment.plausible_r, alignment.plausible_other_r
    late = "late" if alignment.mean_lag > 0 else "early"
    if other > own + LEG and not other < alignment.mean_best_r - _NEARLY:
        message = (
            f"EMG fits the OTHER LEG: mean r of {count} is {other:+.2f} with the other leg's "
            f"simulation and {own:+.2f} with its own; check the side"
        )
        if alignment.mean_best_r > own + LEG and not np.isnan(alignment.mean_lag):
            message += (
                f", or the clock: if the simulation is {1000 * abs(alignment.mean_lag):.0f} ms "
                f"{late}, its own leg has r of {alignment.mean_best_r:+.2f}"
            )
        return [Finding("other leg", "", message, "wrong")]
    if _shifted(alignment):
        message = (
            f"CLOCK seems shifted: the simulation is {1000 * abs(alignment.mean_lag):.0f} ms "
            f"{late}, plausible is {-1000 * EARLIEST:.0f} early to {1000 * LATEST:.0f} late; mean "
            f"r of {count} is {alignment.mean_r:+.2f}, and {alignment.mean_best_r:+.2f} with the "
            "shift removed; check the clocks of simulation and EMG"
        )
        return [Finding("clock", "", message, "wrong")]
    if not alignment.mean_r >= FAINT:
        message = (
            f"simulation and EMG hardly correlate: mean r of {count} is {alignment.mean_r:+.2f}; "
            "do they belong to one trial?"
        )
        return [Finding("fit", "", message)]
    return []


def _shifted(alignment: Alignment) -> bool:
    known = alignment.lag[~np.isnan(alignment.lag)]
    lags = np.array([alignment.mean_lag, np.median(known) if len(known) else np.nan])
    if not ((lags < EARLIEST).all() or (lags > LATEST).all()):
        return False
    return len(known) >= SEVERAL or alignment.mean_best_r > alignment.mean_r + GAIN


def _at(
    grid: NDArray[np.float64], time: NDArray[np.float64], signals: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Interpolate signals on a time grid; NaN outside their time and next to NaN."""
    columns = [np.interp(grid, time, column, left=np.nan, right=np.nan) for column in signals.T]
    return np.stack(columns, axis=1)


def _over_shifts(
    simulated: NDArray[np.float64], measured: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return correlation [shift, muscle]; `measured` is longer by the search range at both ends.

    NaN if the overlap is less than half of that without shift, since short curves correlate by
    chance. Overlap is counted in samples, not seconds, since recordings may have pauses.
    """
    count = len(measured) - len(simulated) + 1
    a, known_a = _standard(simulated)
    b, known_b = _standard(measured)
    length = 1 << (len(measured) - 1).bit_length()

    def product(of_a: NDArray[np.float64], of_b: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of products at every shift, by Fourier transform."""
        spectrum = np.fft.rfft(of_a, length, axis=0).conj() * np.fft.rfft(of_b, length, axis=0)
        # A late simulation corresponds to earlier EMG, so the order is reversed.
        return np.asarray(np.fft.irfft(spectrum, length, axis=0)[count - 1 :: -1])

    n = np.round(product(known_a, known_b))
    enough = n >= 0.5 * n[count // 2]
    n = np.maximum(n, 1)
    mean_a, mean_b = product(a, known_b) / n, product(known_a, b) / n
    var_a = product(a * a, known_b) / n - mean_a**2
    var_b = product(known_a, b * b) / n - mean_b**2
    varies = np.minimum(var_a, var_b) > _CONSTANT
    size = np.sqrt(np.where(varies, var_a * var_b, 1.0))
    r = (product(a, b) / n - mean_a * mean_b) / size
    return np.where(enough & varies, np.clip(r, -1, 1), np.nan)


def _standard(
    signals: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Standardise signals (0 for NaN); return them and a mask of known samples."""
    known = ~np.isnan(signals)
    n = np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, signals, 0.0)
    centred = np.where(known, centred - centred.sum(axis=0) / n, 0.0)
    deviation = np.sqrt((centred**2).sum(axis=0) / n)
    return centred / np.where(deviation > 0, deviation, 1.0), known.astype(np.float64)


def _mean(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average over the muscles with a correlation at the maximum number of shifts."""
    known = ~np.isnan(curves)
    whole = known.sum(axis=0) == known.sum(axis=0).max(initial=0)
    if not whole.any():
        return np.full(len(curves), np.nan)
    return np.asarray(curves[:, whole].mean(axis=1))


def _highest(curve: NDArray[np.float64]) -> float:
    return float(np.nanmax(curve)) if (~np.isnan(curve)).any() else np.nan


def _peak(curve: NDArray[np.float64], shifts: NDArray[np.float64]) -> tuple[float, float]:
    """Return maximum correlation and its shift; the shift is NaN at the edge of known values."""
    if np.isnan(curve).all():
        return np.nan, np.nan
    best = int(np.nanargmax(curve))
    if best in (0, len(curve) - 1) or np.isnan(curve[[best - 1, best + 1]]).any():
        return float(curve[best]), np.nan
    before, top, after = curve[best - 1 : best + 2]
    bend = before - 2 * top + after
    shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float(top), float(shifts[best] + shift * STEP)


def opposite(channel: str) -> str:
    """Return the channel of the same muscle on the other leg.

    Examples
    --------
    >>> opposite("soleus_ipsi"), opposite("glmax1_contra")
    ('soleus_contra', 'glmax1_ipsi')
    """
    muscle, _, side = channel.rpartition("_")
    return f"{muscle}_{'contra' if side == 'ipsi' else 'ipsi'}"


def both_legs(
    simulated: ArrayLike, channels: Sequence[str], counterparts: Sequence[Sequence[str]], /
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Average each muscle's counterparts, and the same channels of the other leg.

    Parameters
    ----------
    simulated : array [..., channel]
        Activations.
    channels : sequence of str
        Names of the channels.
    counterparts : sequence of sequence of str
        Channels with which each muscle is compared.

    Returns
    -------
    own, other : float64 array [..., muscle]
        NaN if none of the channels is simulated.
    """
    activity = np.asarray(simulated, dtype=np.float64)
    places = {name: place for place, name in enumerate(channels)}

    def mean(names: Sequence[str]) -> NDArray[np.float64]:
        present = [places[name] for name in names if name in places]
        if not present:
            return np.full(activity.shape[:-1], np.nan)
        return np.asarray(activity[..., present].mean(axis=-1))

    own = [mean(names) for names in counterparts]
    other = [mean([opposite(name) for name in names]) for names in counterparts]
    return np.stack(own, axis=-1), np.stack(other, axis=-1)


RECORDING = ("subject", "condition", "trial", "side")
SHORTEST = 1.5
# More cycles take longer and do not improve the estimate.
MOST_CYCLES = 30
_SEARCH = 0.3

Rows = NDArray[np.intp]


def check_alignment(cohort: Cohort) -> list[Finding]:
    """Find recordings with a wrong leg or a shifted clock.

    Returns
    -------
    list of Finding
        `Finding.where` is the recording, or the subject if no single recording is responsible.
    """
    table = cohort.cycles
    duration = (table["end"] - table["start"]).to_numpy(dtype=float)
    found = []
    for subject, rows in _groups(cohort, ("subject",)).items():
        sure: list[Finding] = []
        hints: list[Finding] = []
        for recording, places in _groups(cohort, RECORDING, among=rows).items():
            judged = _judged(cohort, places, recording)
            long = duration[places].sum() >= SHORTEST
            (sure if long else hints).extend(f for f in judged if f.severity == "wrong")
        if not sure:
            sure = _judged(cohort, rows, subject)
            if any(finding.severity == "wrong" for finding in sure):
                hints = []
        chance = "; the recording is short, so this may be chance"
        found += sure
        found += [replace(f, message=f.message + chance, severity="note") for f in hints]
    return found


def _judged(cohort: Cohort, rows: Rows, where: str) -> list[Finding]:
    alignment = align_cycles(cohort, rows)
    return [replace(f, where=where) for f in judge(alignment)] if alignment else []


def align_subjects(cohort: Cohort) -> list[tuple[str, Alignment]]:
    """Align the cycles of each subject, all recordings together; see `align_cycles`."""
    groups = _groups(cohort, ("subject",))
    aligned = [(subject, align_cycles(cohort, rows)) for subject, rows in groups.items()]
    return [(subject, alignment) for subject, alignment in aligned if alignment]


def align_cycles(cohort: Cohort, rows: Rows) -> Alignment | None:
    """Align the EMG of cycles with the simulation of the ipsilateral and contralateral leg.

    Parameters
    ----------
    cohort : Cohort
    rows : int array
        Indices of the cycles. Of more than 30, 30 evenly spaced ones are used.

    Returns
    -------
    Alignment or None
        None if no muscle was measured. Motions without a side are not compared with the other leg.
    """
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST_CYCLES)).astype(int)]
    measured = np.asarray(cohort.measured[rows], dtype=np.float64)
    known = np.flatnonzero(~np.isnan(measured).all(axis=(0, 1))).tolist()
    if not known:
        return None
    names = cohort.channel_names
    counterparts = [[names[place] for place in cohort.counterparts[muscle]] for muscle in known]
    own, other = both_legs(cohort.simulated[rows], names, counterparts)
    table = cohort.cycles.iloc[rows]
    time = _one_after_the_other((table["end"] - table["start"]).to_numpy(dtype=float), own.shape[1])
    return align(
        time,
        _with_pauses(own),
        _with_pauses(other) if all(table["side"]) else None,
        time,
        _with_pauses(measured[:, :, known]),
        muscles=tuple(cohort.muscle_names[muscle] for muscle in known),
        search=_SEARCH,
    )


def _groups(
    cohort: Cohort, columns: tuple[str, ...], *, among: Rows | None = None
) -> dict[str, Rows]:
    """Return the indices of the cycles of each subject or recording, by its name."""
    rows = np.arange(len(cohort.cycles)) if among is None else among
    places: dict[str, list[int]] = {}
    for place, row in zip(
        rows.tolist(), cohort.cycles[list(columns)].iloc[rows].astype(str).to_numpy(), strict=True
    ):
        places.setdefault(", ".join(filter(None, row)), []).append(place)
    return {name: np.array(found) for name, found in places.items()}


def _one_after_the_other(durations: NDArray[np.float64], points: int) -> NDArray[np.float64]:
    """Return times of cycles with pauses long enough that shifted cycles never overlap."""
    starts = np.cumsum(durations + _SEARCH + 2 * STEP) - durations
    times = starts[:, None] + durations[:, None] * np.linspace(0, 1, points)
    ends = times[:, -1:]
    return np.concatenate([times, ends + STEP / 2, ends + _SEARCH + STEP], axis=1).ravel()


def _with_pauses(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Concatenate curves [cycle, point, muscle] with two NaN points for each pause."""
    pauses = np.full((len(curves), 2, curves.shape[2]), np.nan)
    return np.concatenate([curves, pauses], axis=1).reshape(-1, curves.shape[2])
