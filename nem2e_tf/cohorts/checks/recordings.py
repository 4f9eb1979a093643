"""Checks of single recordings: content, findings, and alignment of two files by their labels."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.cohorts.checks import signals
from nem2e_tf.cohorts.checks.alignment import Alignment, align, judge
from nem2e_tf.cohorts.checks.signals import Finding
from nem2e_tf.cohorts.cohort import Cohort
from nem2e_tf.errors import InputError
from nem2e_tf.io.files import read_json
from nem2e_tf.io.storage import Storage
from nem2e_tf.muscles import canonical, known, try_parse_label

# EMG channels that record several muscles of a model, or have other names. The first set with a
# muscle of the model is used.
_GASTROCNEMIUS = ("gasmed", "gaslat", "gastroc")
_VASTI = ("vaslat", "vasmed", "vasint", "vasti")
_GROUPS: dict[str, tuple[tuple[str, ...], ...]] = {
    **dict.fromkeys(("gastrocnemius", "gastroc"), (_GASTROCNEMIUS,)),
    "gastroc_soleus": ((*_GASTROCNEMIUS, "soleus"),),
    "hamstrings": (("semimem", "semiten", "bflh", "hamstrings"),),
    "medial_hamstrings": (("semimem", "semiten"), ("hamstrings",)),
    "lateral_hamstrings": (("bflh", "bfsh"), ("hamstrings",)),
    "biceps_femoris": (("bflh",), ("bfsh",), ("hamstrings",)),
    **dict.fromkeys(("vastus", "vasti"), (_VASTI,)),
    **dict.fromkeys(("vastus_medius", "vastus_medialis"), (("vasmed",), ("vasint",), ("vasti",))),
    "vastus_lateralis": (("vaslat",), ("vasint",), ("vasti",)),
    **dict.fromkeys(
        ("gluteus", "gluteus_maximus", "glmax"), (("glmax1", "glmax2", "glmax3", "glut_max"),)
    ),
    **dict.fromkeys(("gluteus_medius", "glmed"), (("glmed1", "glmed2", "glmed3"),)),
}
_SIDED = re.compile(r"(?P<name>.+?)[_ ](?P<side>r|l|right|left)(?P<rest>[_ ./|].*)?", re.IGNORECASE)
_QUANTITY = re.compile(r"[_ ./|](activation|excitation|emg|envelope)$", re.IGNORECASE)


def name_and_side(label: str) -> tuple[str, str]:
    """Split an EMG label into the muscle's name and its side.

    Returns
    -------
    name : str
    side : {"r", "l", ""}

    Examples
    --------
    >>> name_and_side("soleus_l_activation"), name_and_side("gluteus maximus")
    (('soleus', 'l'), ('gluteus maximus', ''))
    """
    text = _QUANTITY.sub("", label.strip())
    sided = _SIDED.fullmatch(text)
    return (sided["name"], sided["side"][0].lower()) if sided else (text, "")


def seen_by(name: str, available: Iterable[str]) -> tuple[str, ...]:
    """Return the simulated muscles that an EMG channel records.

    Parameters
    ----------
    name : str
        The channel's name without side, in any style.
    available : iterable of str
        Canonical names of the simulated muscles.

    Returns
    -------
    tuple of str
        Subset of `available`; empty if the name is unknown or the model has none of them.

    Examples
    --------
    >>> seen_by("gastrocnemius", ["gasmed", "soleus"]), seen_by("rect_fem", ["recfem"])
    (('gasmed',), ('recfem',))
    """
    have = set(available)
    key = re.sub(r"[\s\-]+", "_", name.strip().lower())
    for group in _GROUPS.get(key, ()):
        found = tuple(muscle for muscle in group if muscle in have)
        if found:
            return found
    try:
        muscle = canonical(name)
    except InputError:
        return ()
    return (muscle,) if muscle in have else ()


@dataclass
class Checked:
    """Content, findings and alignments of a file, a manifest or a cohort.

    Attributes
    ----------
    contents : dict
        Content as plain values.
    findings : list of (str, Finding)
        File or trial (empty for all) and finding.
    alignments : list of (str, Alignment)
        Trial or subject and its alignment.
    """

    contents: dict[str, Any]
    findings: list[tuple[str, Finding]] = field(default_factory=list)
    alignments: list[tuple[str, Alignment]] = field(default_factory=list)

    def add(self, where: str, findings: list[Finding]) -> None:
        """Add findings of a file or trial."""
        self.findings += [(where, finding) for finding in findings]

    def align(self, where: str, alignment: Alignment) -> None:
        """Add an alignment and its findings."""
        self.alignments.append((where, alignment))
        self.add(where, judge(alignment))

    @property
    def wrong(self) -> list[str]:
        """Kinds of the findings that are wrong."""
        return list(dict.fromkeys(f.kind for _, f in self.findings if f.severity == "wrong"))


def describe_storage(storage: Storage) -> dict[str, Any]:
    """Describe a storage file.

    Returns
    -------
    dict
        Plain values: rows, time range, steps, gaps, recognised muscles, one row per column, notes.
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
        Plain values: sizes, subjects and speeds, ranges, cycles without EMG, notes.
    """
    notes = []
    if read_json(path / "cohort.json").get("digest") != cohort.digest:
        notes.append("the content does not match the digest in cohort.json: changed or damaged")
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


def check_storage(storage: Storage, *, emg: bool) -> list[Finding]:
    """Check one file.

    Parameters
    ----------
    storage : Storage
    emg : bool
        True for EMG, whose electrodes may be dead, clipped or duplicated; False for a simulation,
        whose activations and reserves have limits.
    """
    found = [
        Finding("header" if "damaged header" in note else "reading", "", note)
        for note in storage.notes
    ]
    if not storage.n_rows:
        return [*found, Finding("empty", "", "no rows of numbers", "wrong")]
    table = storage.labels, storage.data
    found += signals.gaps(storage.time)
    found += signals.missing(*table)
    if emg:
        return [
            *found,
            *signals.dead(*table),
            *signals.clipped(*table),
            *signals.duplicated(*table),
        ]
    return [*found, *signals.activation_range(*table), *signals.reserves(*table)]


def is_emg(storage: Storage) -> bool:
    """Return True if a file contains EMG: by its name, or because its muscles have no side.

    Simulated files state the side of each muscle, since they contain both legs.
    """
    named = f"{storage.name} {storage.path.name if storage.path else ''}".lower()
    if "emg" in named or "electromyogr" in named:
        return True
    names = [name_and_side(label) for label in storage.labels]
    every = known()
    return bool(names) and all(not side and seen_by(name, every) for name, side in names)


def align_storages(simulation: Storage, emg: Storage, *, side: str = "") -> Alignment:
    """Align a simulated and a measured file; columns are matched by their labels.

    Parameters
    ----------
    simulation, emg : Storage
    side : {"r", "l", ""}
        Leg of EMG columns whose labels have no side.

    Raises
    ------
    InputError
        A side is required and was not given, no EMG column is a simulated muscle, or the files do
        not overlap in time.
    """
    columns: dict[tuple[str, str], int] = {}
    for index, label in enumerate(simulation.labels):
        parsed = try_parse_label(label)
        if parsed and parsed.quantity == "activation" and parsed.side:
            columns.setdefault((parsed.muscle, parsed.side), index)
    muscles = {muscle for muscle, _ in columns}
    own, other, chosen = [], [], []
    for index, label in enumerate(emg.labels):
        name, labelled = name_and_side(label)
        seen = seen_by(name, muscles)
        leg = labelled or side
        if not seen:
            continue
        if not leg:
            raise InputError(
                f"side: expected left or right, since label {label!r} of {emg.path} has no side"
            )
        own.append(_mean(simulation, [columns.get((muscle, leg)) for muscle in seen]))
        opposite = "l" if leg == "r" else "r"
        other.append(_mean(simulation, [columns.get((muscle, opposite)) for muscle in seen]))
        chosen.append(index)
    if not chosen:
        raise InputError(
            f"{emg.path}: expected EMG columns that are muscles of {simulation.path}, found "
            f"{', '.join(emg.labels[:5])}"
        )
    return align(
        simulation.time,
        np.stack(own, axis=1),
        np.stack(other, axis=1),
        emg.time,
        emg.data[:, chosen],
        muscles=tuple(emg.labels[index] for index in chosen),
    )


def _mean(simulation: Storage, columns: list[int | None]) -> NDArray[np.float64]:
    present = [column for column in columns if column is not None]
    if not present:
        return np.full(simulation.n_rows, np.nan)
    return np.asarray(simulation.data[:, present].mean(axis=1))
