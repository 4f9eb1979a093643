"""Checks of a table of signals over time: gaps, and columns that cannot be what they seem."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.cohorts.checks.findings import Finding
from nem2e_tf.muscles import try_parse_label

GAP = 2.5
_RUN = 4
_CLIPPED = 0.005
_FORCES = 10.0
_BESIDE = 1e-3
RESERVE_NOTE = 1.0
RESERVE_WRONG = 5.0
_RESERVE = re.compile(r"reserve", re.IGNORECASE)
_RESIDUAL = re.compile(r"pelvis|residual|ground", re.IGNORECASE)

Labels = Sequence[str]
Table = NDArray[np.float64]


def gaps(time: Table) -> list[Finding]:
    """Steps in time of more than two and a half usual ones."""
    steps = np.diff(time)
    if not len(steps):
        return []
    usual = float(np.median(steps))
    return [
        Finding("gap", f"{time[i]:.6g} s", f"no samples for {steps[i]:.3g} s, usual is {usual:.3g}")
        for i in np.flatnonzero(steps > GAP * usual)
        if usual > 0
    ]


def duplicated(labels: Labels, data: Table) -> list[Finding]:
    """Columns that are the same to the last bit and vary: one electrode under several names."""
    groups: dict[bytes, list[str]] = {}
    for label, column in zip(labels, data.T, strict=True):
        known = column[~np.isnan(column)]
        if len(known) > 1 and np.ptp(known) > 0:
            groups.setdefault(np.ascontiguousarray(column).tobytes(), []).append(label)
    return [
        Finding(
            "duplicate",
            ", ".join(names),
            f"{len(names)} columns are byte-identical: one electrode, to be counted once; give "
            "them one name in the channel map's column electrode",
        )
        for names in groups.values()
        if len(names) > 1
    ]


def dead(labels: Labels, data: Table) -> list[Finding]:
    """Columns of EMG that never change, or hold no number at all."""
    found = []
    for label, column in zip(labels, data.T, strict=True):
        known = column[~np.isnan(column)]
        if not len(known):
            found.append(Finding("dead", label, "no number in the whole column", "wrong"))
        elif len(known) > 1 and np.ptp(known) <= 1e-9 * np.abs(known).max():
            found.append(
                Finding("dead", label, f"always {known[0]:.6g}: the electrode is dead", "wrong")
            )
    return found


def clipped(labels: Labels, data: Table) -> list[Finding]:
    """Columns that stay at their highest or lowest value, as a saturated amplifier makes them."""
    found = []
    for label, column in zip(labels, data.T, strict=True):
        known = column[~np.isnan(column)]
        if not len(known) or np.ptp(known) == 0:
            continue
        for value, what in ((known.max(), "highest"), (known.min(), "lowest")):
            # A floor of zero is what rectifying leaves.
            share = _in_runs(known == value) / len(known)
            if share > _CLIPPED and (what == "highest" or value < 0):
                message = f"{100 * share:.1f} % of the samples stay at the {what} value {value:.6g}"
                found.append(Finding("clipped", label, f"{message}: clipped?"))
    return found


def missing(labels: Labels, data: Table) -> list[Finding]:
    """Columns with cells that are no finite number."""
    counts = (~np.isfinite(data)).sum(axis=0)
    return [
        Finding("missing", labels[i], f"{counts[i]} of {len(data)} cells are nan or infinite")
        for i in np.flatnonzero(counts).tolist()
    ]


def activation_range(labels: Labels, data: Table) -> list[Finding]:
    """Muscle activations outside 0..1; far outside they are forces or percent."""
    found = []
    for index, label in enumerate(labels):
        parsed = try_parse_label(label)
        column = data[:, index][np.isfinite(data[:, index])]
        if parsed is None or parsed.quantity != "activation" or not len(column):
            continue
        low, high = float(column.min()), float(column.max())
        if max(high, -low) > _FORCES:
            message = f"{low:.4g} to {high:.4g}: no activation (0 to 1); forces, or percent?"
            found.append(Finding("range", label, message, "wrong"))
        elif low < -_BESIDE or high > 1 + _BESIDE:
            share = ((column < 0) | (column > 1)).mean()
            message = f"{low:.4g} to {high:.4g}, {100 * share:.1f} % of it outside 0..1"
            found.append(Finding("range", label, message))
    return found


def reserves(labels: Labels, data: Table) -> list[Finding]:
    """Reserve actuators that carry the motion, so that the muscles did not have to.

    Taken as N m, that is with an optimal force of 1, as reserves are usually set up. Hicks et al.
    (2015), doi 10.1115/1.4029304, ask for at most 5 % of the net joint moment; 5 N m is that of a
    knee or hip in walking. Actuators of the pelvis are residuals and have measures of their own.
    """
    found = []
    for index, label in enumerate(labels):
        column = data[:, index][np.isfinite(data[:, index])]
        if not _RESERVE.search(label) or _RESIDUAL.search(label) or not len(column):
            continue
        peak = float(np.abs(column).max())
        if peak > RESERVE_NOTE:
            message = (
                f"peak {peak:.3g} N m if its optimal force is 1: the muscles did not make the "
                "motion alone"
            )
            wrong = peak > RESERVE_WRONG
            found.append(Finding("reserve", label, message, "wrong" if wrong else "note"))
    return found


def _in_runs(mask: NDArray[np.bool_]) -> int:
    """How many true values stand in runs of at least four."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    lengths = edges[1::2] - edges[::2]
    return int(lengths[lengths >= _RUN].sum())
