"""Checks of a table of signals over time: gaps, dead electrodes, clipping, ranges, reserves."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.muscles import try_parse_label

GAP = 2.5
_RUN = 4
_CLIPPED = 0.005
_FORCES = 10.0
_TOLERANCE = 1e-3
RESERVE_NOTE = 1.0
RESERVE_WRONG = 5.0
_RESERVE = re.compile(r"reserve", re.IGNORECASE)
_RESIDUAL = re.compile(r"pelvis|residual|ground", re.IGNORECASE)

Labels = Sequence[str]
Table = NDArray[np.float64]
Severity = Literal["note", "wrong"]


@dataclass(frozen=True)
class Finding:
    """The result of a check.

    Attributes
    ----------
    kind : str
        Name of the check: ``other leg``, ``dead``, ``range``.
    where : str
        The column, muscle or cycle; empty for all.
    message : str
        One line: what was expected, what was found, what to do.
    severity : {"note", "wrong"}
        ``note``: unusual, but possibly right. ``wrong``: results computed from it would be wrong.
    rows : tuple of int
        Indices of the cycles of a cohort, if the finding is about cycles.
    """

    kind: str
    where: str
    message: str
    severity: Severity = "note"
    rows: tuple[int, ...] = ()


def gaps(time: Table) -> list[Finding]:
    """Find time steps of more than 2.5 times the median."""
    steps = np.diff(time)
    if not len(steps):
        return []
    usual = float(np.median(steps))
    return [
        Finding("gap", f"{time[i]:.6g} s", f"no samples for {steps[i]:.3g} s, usual: {usual:.3g}")
        for i in np.flatnonzero(steps > GAP * usual)
        if usual > 0
    ]


def _columns(labels: Labels, data: Table) -> Iterator[tuple[str, Table, Table]]:
    """Yield label, column and known (not NaN) values of each column."""
    for label, column in zip(labels, data.T, strict=True):
        yield label, column, column[~np.isnan(column)]


def duplicated(labels: Labels, data: Table) -> list[Finding]:
    """Find identical columns that vary: one electrode under several names."""
    groups: dict[bytes, list[str]] = {}
    for label, column, known in _columns(labels, data):
        if len(known) and np.ptp(known) > 0:
            groups.setdefault(np.ascontiguousarray(column).tobytes(), []).append(label)
    return [
        Finding(
            "duplicate",
            ", ".join(names),
            f"{len(names)} columns are identical: one electrode, to be counted once; give them one "
            "name in the channel map's column electrode",
        )
        for names in groups.values()
        if len(names) > 1
    ]


def dead(labels: Labels, data: Table) -> list[Finding]:
    """Find EMG columns that are constant or have no numbers."""
    found = []
    for label, _, known in _columns(labels, data):
        if not len(known):
            found.append(Finding("dead", label, "no number in the complete column", "wrong"))
        elif len(known) > 1 and np.ptp(known) <= 1e-9 * np.abs(known).max():
            message = f"always {known[0]:.6g}: the electrode is dead"
            found.append(Finding("dead", label, message, "wrong"))
    return found


def clipped(labels: Labels, data: Table) -> list[Finding]:
    """Find columns that stay at their maximum or minimum, as with a saturated amplifier."""
    found = []
    for label, _, known in _columns(labels, data):
        if not len(known) or np.ptp(known) == 0:
            continue
        for value, what in ((known.max(), "highest"), (known.min(), "lowest")):
            # A minimum of zero is normal for a rectified signal.
            share = _in_runs(known == value) / len(known)
            if share > _CLIPPED and (what == "highest" or value < 0):
                message = f"{100 * share:.1f} % of the samples stay at the {what} value {value:.6g}"
                found.append(Finding("clipped", label, f"{message}: clipped?"))
    return found


def missing(labels: Labels, data: Table) -> list[Finding]:
    """Find columns with cells that are not finite numbers."""
    counts = (~np.isfinite(data)).sum(axis=0)
    return [
        Finding("missing", labels[i], f"{counts[i]} of {len(data)} cells are nan or infinite")
        for i in np.flatnonzero(counts).tolist()
    ]


def activation_range(labels: Labels, data: Table) -> list[Finding]:
    """Find muscle activations outside 0 to 1; far outside they are forces or percent."""
    found = []
    for index, label in enumerate(labels):
        parsed = try_parse_label(label)
        column = data[:, index][np.isfinite(data[:, index])]
        if parsed is None or parsed.quantity != "activation" or not len(column):
            continue
        low, high = float(column.min()), float(column.max())
        if max(high, -low) > _FORCES:
            message = f"{low:.4g} to {high:.4g}: not an activation (0 to 1); forces, or percent?"
            found.append(Finding("range", label, message, "wrong"))
        elif low < -_TOLERANCE or high > 1 + _TOLERANCE:
            share = ((column < 0) | (column > 1)).mean()
            message = f"{low:.4g} to {high:.4g}, {100 * share:.1f} % of it outside 0 to 1"
            found.append(Finding("range", label, message))
    return found


def reserves(labels: Labels, data: Table) -> list[Finding]:
    """Find reserve actuators that produce a considerable part of the joint moments.

    The values are taken as N m, which assumes the usual optimal force of 1. Hicks et al. (2015),
    doi 10.1115/1.4029304, recommend at most 5 % of the net joint moment, about 5 N m for knee and
    hip in walking. Actuators of the pelvis are residuals, for which other limits apply.
    """
    found = []
    for index, label in enumerate(labels):
        column = data[:, index][np.isfinite(data[:, index])]
        if not _RESERVE.search(label) or _RESIDUAL.search(label) or not len(column):
            continue
        peak = float(np.abs(column).max())
        if peak > RESERVE_NOTE:
            message = (
                f"peak {peak:.3g} N m if its optimal force is 1: the muscles did not produce the "
                "motion alone"
            )
            wrong = peak > RESERVE_WRONG
            found.append(Finding("reserve", label, message, "wrong" if wrong else "note"))
    return found


def _in_runs(mask: NDArray[np.bool_]) -> int:
    """Count the true values in runs of at least four."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    lengths = edges[1::2] - edges[::2]
    return int(lengths[lengths >= _RUN].sum())
