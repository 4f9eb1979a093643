"""Checks of a cohort: ranges, electrodes, and cycles that differ from the others."""

import numpy as np

from nem2e_tf.cohorts.checks.signals import Finding
from nem2e_tf.cohorts.cohort import Cohort
from nem2e_tf.signals import gait


def check_cohort(cohort: Cohort) -> list[Finding]:
    """Check the range of the activations, missing values and the electrodes of a cohort."""
    found = []
    simulated = np.asarray(cohort.simulated)
    outside = int(((simulated < 0) | (simulated > 1)).sum())
    if outside:
        message = f"{outside} of {simulated.size} simulated values are outside 0 to 1"
        found.append(Finding("range", "simulated", message))
    if np.isnan(simulated).any():
        message = f"{int(np.isnan(simulated).sum())} simulated values are nan"
        found.append(Finding("missing", "simulated", message, "wrong"))
    return [*found, *_electrodes(cohort)]


def odd_cycles(cohort: Cohort) -> list[Finding]:
    """Find cycles whose duration or EMG differs from the others of subject, condition and side.

    They remain in the cohort, since a person's gait may vary; check them by eye.

    Returns
    -------
    list of Finding
        One per cycle; `Finding.rows` is its index in the cohort.
    """
    found = []
    table = cohort.cycles.reset_index(drop=True)
    for (subject, condition, side), rows in table.groupby(
        ["subject", "condition", "side"], sort=False, dropna=False
    ):
        index = rows.index.to_numpy()
        durations = (rows["end"] - rows["start"]).to_numpy(dtype=float)
        odd: dict[int, list[str]] = {}
        for outlier in gait.outlier_cycles(durations, np.asarray(cohort.measured[index])):
            what = cohort.muscle_names[outlier.column] if outlier.column >= 0 else "duration"
            odd.setdefault(int(index[outlier.cycle]), []).append(
                f"{what} by {outlier.deviations:.0f}"
            )
        for place, whats in odd.items():
            row = table.loc[place]
            names = [str(name) for name in (subject, condition, row["trial"], side) if name]
            where = f"{', '.join(names)}, cycle {row['cycle']}"
            message = f"unlike the others: {', '.join(whats)} robust deviations; kept, check it"
            found.append(Finding("odd cycle", where, message, rows=(place,)))
    return found


def _electrodes(cohort: Cohort) -> list[Finding]:
    found = []
    groups: dict[bytes, list[int]] = {}
    for index, name in enumerate(cohort.muscle_names):
        curves = np.asarray(cohort.measured[:, :, index])
        known = curves[~np.isnan(curves)]
        if not len(known):
            found.append(Finding("dead", name, "no EMG in any cycle", "wrong"))
        elif np.ptp(known) == 0:
            found.append(Finding("dead", name, f"always {known[0]:.6g}", "wrong"))
        else:
            groups.setdefault(np.ascontiguousarray(curves).tobytes(), []).append(index)
    for same in groups.values():
        electrodes = {str(cohort.muscles["electrode"].iloc[index]) for index in same}
        if len(electrodes) > 1:
            names = ", ".join(cohort.muscle_names[index] for index in same)
            message = (
                f"identical, but of electrodes {', '.join(sorted(electrodes))}: they would be "
                "counted as independent"
            )
            found.append(Finding("duplicate", names, message, "wrong"))
    return found
