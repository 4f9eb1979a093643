"""All checks that fit a recording or a cohort, put together."""

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.checks import signals
from nem2e_tf.checks.alignment import Alignment, align
from nem2e_tf.checks.findings import Finding
from nem2e_tf.checks.matching import name_and_side, seen_by
from nem2e_tf.errors import InputError
from nem2e_tf.muscles import known, try_parse_label
from nem2e_tf.storage import Storage

_DAMAGED = "damaged header repaired"


def check_storage(storage: Storage, *, emg: bool) -> list[Finding]:
    """Check one file.

    Parameters
    ----------
    storage : Storage
    emg : bool
        Whether the columns are EMG: then electrodes may be dead, clipped or doubled. Else they are
        simulated: then activations have a range, and reserves a measure.
    """
    found = [
        Finding("header" if _DAMAGED in note else "reading", "", note) for note in storage.notes
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
    """Whether a file holds EMG: it is called so, or its columns are muscles without a side.

    Simulated files name the side of each muscle, since they hold both legs.
    """
    named = f"{storage.name} {storage.path.name if storage.path else ''}".lower()
    if "emg" in named or "electromyogr" in named:
        return True
    names = [name_and_side(label) for label in storage.labels]
    every = known()
    return bool(names) and all(not side and seen_by(name, every) for name, side in names)


def align_storages(simulation: Storage, emg: Storage, *, side: str = "") -> Alignment:
    """Compare a simulated and a measured file, columns matched by their names.

    Parameters
    ----------
    simulation, emg : Storage
    side : {"r", "l", ""}
        The leg of EMG columns whose labels give none.

    Raises
    ------
    InputError
        A side is needed and was not given, no EMG column is a simulated muscle, or the files do
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
                f"{emg.path}: expected EMG labels with a side or the option --side, found {label!r}"
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
