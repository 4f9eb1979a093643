"""What is in a storage file or a cohort folder, as plain values."""

from pathlib import Path
from typing import Any

import numpy as np

from nem2e_tf.cohort import Cohort
from nem2e_tf.files import read_json
from nem2e_tf.muscles import try_parse_label
from nem2e_tf.storage import Storage


def describe_storage(storage: Storage) -> dict[str, Any]:
    """Describe a storage file.

    Returns
    -------
    dict
        Plain values: rows, time span, step, gaps, muscles recognised, a row a column, notes.
    """
    steps = np.diff(storage.time)
    usual = float(np.median(steps)) if len(steps) else None
    gaps = [
        {"start": float(storage.time[i]), "end": float(storage.time[i + 1])}
        for i in np.flatnonzero(steps > 2.5 * (usual or 0))
    ]
    recognised = [label for label in map(try_parse_label, storage.labels) if label]
    return {
        "file": str(storage.path),
        "name": storage.name,
        "rows": storage.n_rows,
        "columns": len(storage.labels),
        "in_degrees": storage.in_degrees,
        "start_s": float(storage.time[0]) if storage.n_rows else None,
        "end_s": float(storage.time[-1]) if storage.n_rows else None,
        "usual_step_s": usual,
        "smallest_step_s": float(steps.min()) if len(steps) else None,
        "largest_step_s": float(steps.max()) if len(steps) else None,
        "activations": sum(label.quantity == "activation" for label in recognised),
        "excitations": sum(label.quantity == "excitation" for label in recognised),
        "gaps": gaps,
        "ranges": [
            {"column": label, **_range(storage.data[:, i])}
            for i, label in enumerate(storage.labels)
        ],
        "notes": list(storage.notes),
    }


def describe_cohort(path: Path, cohort: Cohort) -> dict[str, Any]:
    """Describe a cohort folder.

    Returns
    -------
    dict
        Plain values: sizes, who and how fast, ranges, cycles without EMG, notes.

    Raises
    ------
    InputError
        Its ``cohort.json`` cannot be read.
    """
    notes = []
    if read_json(path / "cohort.json").get("digest") != cohort.digest:
        notes.append("the content is not what cohort.json's digest says; it was changed or damaged")
    simulated = np.asarray(cohort.simulated)
    table = cohort.cycles
    duration = (table["end"] - table["start"]).to_numpy(dtype=float)
    groups = table.groupby(["subject", "condition"], sort=False, dropna=False)
    return {
        "folder": str(path),
        "name": cohort.name,
        "digest": cohort.digest,
        "cycles": len(table),
        "subjects": int(table["subject"].nunique()),
        "conditions": int(table["condition"].nunique()),
        "sides": " ".join(sorted(set(table["side"]))),
        "shortest_cycle_s": _finite(duration.min()) if len(duration) else None,
        "longest_cycle_s": _finite(duration.max()) if len(duration) else None,
        "channels": len(cohort.channels),
        "simulated_lowest": _range(simulated)["lowest"],
        "simulated_highest": _range(simulated)["highest"],
        "muscles": [
            {
                "muscle": row["name"],
                "electrode": row["electrode"],
                "counterparts": row["counterparts"],
                **_range(np.asarray(cohort.measured[:, :, i])),
                "cycles_without": int(np.isnan(cohort.measured[:, :, i]).any(axis=1).sum()),
            }
            for i, row in enumerate(cohort.muscles.to_dict("records"))
        ],
        "recordings": [
            {
                "subject": subject,
                "condition": condition,
                "speed": _finite(rows["speed"].iloc[0]),
                "cycles": len(rows),
            }
            for (subject, condition), rows in groups
        ],
        "notes": notes,
    }


def _range(values: np.ndarray) -> dict[str, Any]:
    finite = values[np.isfinite(values)]
    return {
        "lowest": float(finite.min()) if finite.size else None,
        "highest": float(finite.max()) if finite.size else None,
        "not_finite": int(values.size - finite.size),
    }


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
