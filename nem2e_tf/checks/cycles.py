"""Whether leg and clock are right in a cohort, recording by recording.

A subject's other recordings would hide the one that is wrong, so each is judged alone. A recording
of less than 1.5 s, such as a single cycle, does not prove much: what it shows is a note, and the
subject's recordings are judged together.

EMG and simulation were cut at the same times, so that a shifted clock moves the curves within each
cycle. Cycles are compared where they still overlap: nothing is taken to be periodic, since not
every cycle is a stride.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.checks.alignment import STEP, Alignment, align, judge
from nem2e_tf.checks.findings import Finding
from nem2e_tf.checks.legs import both_legs
from nem2e_tf.cohort import Cohort

RECORDING = ("subject", "condition", "trial", "side")
SHORTEST = 1.5
# A fit of more cycles says no more, and takes longer.
MOST_CYCLES = 30
_SEARCH = 0.3

Rows = NDArray[np.intp]


def check_alignment(cohort: Cohort) -> list[Finding]:
    """Say in which recordings the leg or the clock is wrong.

    Returns
    -------
    list of Finding
        `Finding.where` names the recording, or the subject where no single one is to blame.
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
        chance = "; a short recording, so this may be chance"
        found += sure
        found += [replace(f, message=f.message + chance, severity="note") for f in hints]
    return found


def _judged(cohort: Cohort, rows: Rows, where: str) -> list[Finding]:
    alignment = align_cycles(cohort, rows)
    return [replace(f, where=where) for f in judge(alignment)] if alignment else []


def align_subjects(cohort: Cohort) -> list[tuple[str, Alignment]]:
    """Compare the cycles of each subject, all recordings together, with both legs' simulation."""
    groups = _groups(cohort, ("subject",))
    aligned = [(subject, align_cycles(cohort, rows)) for subject, rows in groups.items()]
    return [(subject, alignment) for subject, alignment in aligned if alignment]


def align_cycles(cohort: Cohort, rows: Rows) -> Alignment | None:
    """Compare cycles with the simulation of the ipsilateral and the contralateral leg.

    Parameters
    ----------
    cohort : Cohort
    rows : int array
        Which cycles; of more than 30 as many are taken, evenly.

    Returns
    -------
    Alignment or None
        None where no muscle was measured. Of motions without a side the other leg is not compared.
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
    """Places of the cycles of each subject or recording, by its name."""
    rows = np.arange(len(cohort.cycles)) if among is None else among
    places: dict[str, list[int]] = {}
    for place, row in zip(
        rows.tolist(), cohort.cycles[list(columns)].iloc[rows].astype(str).to_numpy(), strict=True
    ):
        places.setdefault(", ".join(filter(None, row)), []).append(place)
    return {name: np.array(found) for name, found in places.items()}


def _one_after_the_other(durations: NDArray[np.float64], points: int) -> NDArray[np.float64]:
    """Times of cycles with pauses between them, in which no shifted cycle meets the next."""
    starts = np.cumsum(durations + _SEARCH + 2 * STEP) - durations
    times = starts[:, None] + durations[:, None] * np.linspace(0, 1, points)
    ends = times[:, -1:]
    return np.concatenate([times, ends + STEP / 2, ends + _SEARCH + STEP], axis=1).ravel()


def _with_pauses(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Curves [cycle, point, muscle] one after the other, nan at the two points of each pause."""
    pauses = np.full((len(curves), 2, curves.shape[2]), np.nan)
    return np.concatenate([curves, pauses], axis=1).reshape(-1, curves.shape[2])
