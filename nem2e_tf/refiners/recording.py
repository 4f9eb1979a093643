"""Apply a refiner to a recording, cycle by cycle, on the recording's own time grid."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError, near
from nem2e_tf.io.storage import Storage
from nem2e_tf.muscles import relative, try_parse_label
from nem2e_tf.refiners.patterns import SAMPLES, resample
from nem2e_tf.signals import gait
from nem2e_tf.signals.gait import Cycles

# Tolerance of times, in steps: both may be rounded to single precision.
SAME_TIME = 1e-3
# Longest step between rows, as a fraction of the cycle.
COARSEST_STEP = 0.1


class Refines(Protocol):
    """What `refine_recording` needs: a `nem2e_tf.refiners.refiner.Refiner` or a `Runtime`."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels needed."""
        ...

    @property
    def muscles(self) -> tuple[str, ...]:
        """Names of the muscles given."""
        ...

    def refine(self, simulated: Any, *, channels: Any = None) -> NDArray[np.float32]:
        """Refine [cycle, 20, channel] to [cycle, 20, muscle]."""
        ...


@dataclass(frozen=True, eq=False)
class Refined:
    """A refined recording.

    Attributes
    ----------
    storage : Storage
        One column per muscle, labelled with canonical names and side (``soleus_l``); the rows of
        the input that lie within complete cycles, at their own times.
    cycles : list of (float, float)
        Start and end of the refined cycles, s.
    notes : tuple of str
        Rows and cycles that were left out, and columns that were not used.
    """

    storage: Storage
    cycles: Cycles
    notes: tuple[str, ...]


def refine_recording(
    refiner: Refines, recording: Storage, cycles: Sequence[tuple[float, float]], *, side: str
) -> Refined:
    """Refine every complete cycle of an activation file.

    A cycle is resampled like those of a cohort (`nem2e_tf.signals.gait.resample_cycle` to 101
    points, thinned linearly to 20 samples), refined, and interpolated linearly from the 20 samples
    back to its rows: that adds no overshoot and is easy to repeat in other programs. A row shared
    by two cycles gets the mean of both.

    Parameters
    ----------
    refiner : Refiner or Runtime
    recording : Storage
        Activations, one column per muscle and side, in any label style of OpenSim.
    cycles : sequence of (float, float)
        Start and end, s, from one foot contact of `side` to the next; in order, not overlapping.
    side : {"l", "r"}
        The ipsilateral leg.

    Returns
    -------
    Refined
        Without rows outside complete cycles. A cycle is not complete if the recording does not
        cover it, has too few rows in it, or has NaN there in a channel that is needed. The notes
        list what was left out.

    Raises
    ------
    InputError
        A channel is missing or given twice, cycles overlap, or no cycle is complete.
    """
    columns, notes = channel_columns(recording, needed=refiner.channels, side=side)
    recording, repeated = _without_repeats(recording)
    notes += repeated
    _check_order(cycles)
    signals = recording.data[:, [columns[name] for name in refiner.channels]]
    tolerance = SAME_TIME * float(np.median(np.diff(recording.time)))
    complete, left_out = _complete(recording.time, signals, cycles, tolerance)
    notes += left_out
    if not complete:
        why = f"; {left_out[0]}" if left_out else ""
        raise InputError(
            f"{_name(recording)}: expected a complete cycle between {recording.time[0]:.6g} and "
            f"{recording.time[-1]:.6g} s, found none among {len(cycles)}{why}"
        )
    simulated = np.stack([_samples(recording.time, signals, *cycle) for cycle in complete])
    refined = refiner.refine(simulated, channels=list(refiner.channels))
    total = np.zeros((recording.n_rows, len(refiner.muscles)))
    count = np.zeros(recording.n_rows, dtype=int)
    for (start, end), curves in zip(complete, refined, strict=True):
        rows = _within(recording.time, start, end, tolerance)
        place = (recording.time[rows] - start) / (end - start) * (SAMPLES - 1)
        for muscle in range(total.shape[1]):
            total[rows, muscle] += np.interp(place, np.arange(SAMPLES), curves[:, muscle])
        count[rows] += 1
    kept = count > 0
    if not kept.all():
        notes.append(
            f"{int((~kept).sum())} of {recording.n_rows} rows left out: outside complete cycles"
        )
    result = Storage(
        name="Refined muscle activity",
        labels=tuple(f"{muscle}_{side}" for muscle in refiner.muscles),
        time=recording.time[kept],
        data=total[kept] / count[kept, None],
        in_degrees=False,
    )
    return Refined(result, complete, tuple(notes))


def channel_columns(
    recording: Storage, *, needed: Sequence[str], side: str
) -> tuple[dict[str, int], list[str]]:
    """Locate the channels of a refiner among the columns of a recording.

    Parameters
    ----------
    recording : Storage
        An activation file.
    needed : sequence of str
        Channel names, such as ``soleus_ipsi``.
    side : {"l", "r"}
        The leg that is ipsilateral.

    Returns
    -------
    dict of str to int, and notes
        The column of each channel; the notes list columns that are not used.

    Raises
    ------
    InputError
        A channel is missing or given twice.

    Examples
    --------
    >>> table = Storage("", ("soleus_r", "soleus_l"), np.zeros(1), np.zeros((1, 2)))
    >>> channel_columns(table, needed=["soleus_ipsi"], side="l")
    ({'soleus_ipsi': 1}, ['not used: 1 muscle activation, such as soleus_r'])
    """
    found: dict[str, list[int]] = {}
    others = []
    for index, label in enumerate(recording.labels):
        parsed = try_parse_label(label)
        if parsed is None or parsed.quantity != "activation" or not parsed.side:
            others.append(label)
        else:
            channel = f"{parsed.muscle}_{relative(parsed.side, side)}"
            found.setdefault(channel, []).append(index)
    for name in needed:
        if name not in found:
            raise InputError(
                f"{_name(recording)}: expected a column with the activation of {name} "
                f"({'left' if side == 'l' else 'right'} leg ipsilateral), found none"
                f"{near(name, list(found))}"
            )
        if len(found[name]) > 1:
            twice = [recording.labels[index] for index in found[name]]
            raise InputError(
                f"{_name(recording)}: expected one column for {name}, found {' and '.join(twice)}"
            )
    unused = [recording.labels[rows[0]] for name, rows in found.items() if name not in needed]
    notes = [
        f"not used: {len(labels)} {what}{'s'[: len(labels) > 1]}, such as {labels[0]}"
        for labels, what in ((unused, "muscle activation"), (others, "other column"))
        if labels
    ]
    return {name: found[name][0] for name in needed}, notes


def _samples(
    time: NDArray[np.float64], signals: NDArray[np.float64], start: float, end: float
) -> NDArray[np.float32]:
    """Resample one cycle of the recording to [20, channel], as a cohort's cycles are."""
    # Rows outside do not change the interpolation, but take time.
    first = max(int(np.searchsorted(time, start, side="right")) - 1, 0)
    last = int(np.searchsorted(time, end, side="left")) + 1
    points = gait.resample_cycle(time[first:last], signals[first:last], start=start, end=end)
    return resample(points.astype(np.float32)[None].astype(np.float64), SAMPLES)[0].astype(
        np.float32
    )


def _within(
    time: NDArray[np.float64], start: float, end: float, tolerance: float
) -> NDArray[np.bool_]:
    return (time >= start - tolerance) & (time <= end + tolerance)


def _complete(
    time: NDArray[np.float64],
    signals: NDArray[np.float64],
    cycles: Sequence[tuple[float, float]],
    tolerance: float,
) -> tuple[Cycles, list[str]]:
    """Return the cycles that the recording covers without gaps, and notes about the others."""
    complete: Cycles = []
    reasons: dict[str, Cycles] = {}
    for start, end in cycles:
        rows = _within(time, start, end, tolerance)
        inside = np.concatenate([[start], time[rows], [end]])
        if start < time[0] - tolerance or end > time[-1] + tolerance:
            reason = "not covered by the recording"
        elif np.diff(inside).max() > COARSEST_STEP * (end - start):
            reason = "rows further apart than a tenth of the cycle"
        elif not np.isfinite(signals[rows]).all():
            reason = "nan or infinity in a channel that is needed"
        else:
            complete.append((start, end))
            continue
        reasons.setdefault(reason, []).append((start, end))
    return complete, [
        f"{len(left)} cycle{'s'[: len(left) > 1]} left out: {reason} "
        f"(first: {left[0][0]:.6g} to {left[0][1]:.6g} s)"
        for reason, left in reasons.items()
    ]


def _check_order(cycles: Sequence[tuple[float, float]]) -> None:
    for (start, end), (following, _) in itertools.pairwise(cycles):
        # Foot contacts may be rounded: a millionth of a cycle is no overlap.
        if following < end - 1e-6 * (end - start):
            raise InputError(
                f"cycles: expected each to start at the end of the previous one, found {start:.6g} "
                f"to {end:.6g} s and one that starts at {following:.6g} s"
            )


def _without_repeats(recording: Storage) -> tuple[Storage, list[str]]:
    """Keep the first of several rows with the same time, as OpenSim requires."""
    first = np.concatenate([[True], np.diff(recording.time) > 0])
    if recording.n_rows < 2 or first.sum() < 2:
        raise InputError(f"{_name(recording)}: expected rows at two or more times, found fewer")
    if first.all():
        return recording, []
    kept = replace(recording, time=recording.time[first], data=recording.data[first])
    return kept, [f"{int((~first).sum())} rows left out: they repeat the time of the row before"]


def _name(storage: Storage) -> str:
    return str(storage.path or storage.name or "recording")
