"""Checks of a manifest's recordings: files, electrodes, leg and clock."""

import os
from pathlib import Path
from typing import Any

from nem2e_tf.cohorts.checks.alignment import align, both_legs
from nem2e_tf.cohorts.checks.recordings import Checked, check_storage
from nem2e_tf.cohorts.checks.signals import Finding
from nem2e_tf.cohorts.manifest.columns import Channel, activations, read_map
from nem2e_tf.cohorts.manifest.measured import Files
from nem2e_tf.cohorts.manifest.trials import Trial, read_trials
from nem2e_tf.errors import InputError


def check_manifest(
    manifest: "str | os.PathLike[str]", *, channel_map: "str | os.PathLike[str] | None" = None
) -> Checked:
    """Check the recordings of a manifest; each pair of files once.

    Parameters
    ----------
    manifest : path-like
        The manifest.
    channel_map : path-like, optional
        Channel map of the rows that name none; by default ``channels.csv`` in the manifest's
        folder.

    Returns
    -------
    Checked
        A recording that cannot be read is a finding; all others are checked.

    Raises
    ------
    InputError
        The manifest or a channel map is missing or wrong.
    """
    path = Path(manifest)
    trials, notes = read_trials(path)
    checked = Checked(
        {
            "manifest": str(path),
            "trials": len(trials),
            "subjects": len({trial.subject for trial in trials}),
            "conditions": len({trial.condition for trial in trials}),
            "notes": notes,
        }
    )
    files = Files()
    seen: set[Any] = set()
    for trial in trials:
        channels, more = read_map(trial.map or channel_map or path.parent / "channels.csv")
        notes += [note for note in more if note not in notes]
        key = (trial.simulated, trial.simulated_map, trial.emg, trial.side, trial.emg_offset)
        if key in seen:
            continue
        seen.add(key)
        try:
            _check_trial(trial, channels, files, checked, seen)
        except InputError as error:
            checked.add(trial.where, [Finding("unusable", "", str(error), "wrong")])
    return checked


def _check_trial(
    trial: Trial, channels: list[Channel], files: Files, checked: Checked, seen: set[Any]
) -> None:
    simulation, measured = files.simulation(trial), files.measured(trial, channels)
    for storage, emg in ((simulation, False), (measured.storage, True)):
        if (storage.path, emg) not in seen:
            seen.add((storage.path, emg))
            findings = check_storage(storage, emg=emg)
            checked.add(str(storage.path), [f for f in findings if not _known_copy(f, channels)])
    found, _, _ = activations(simulation, trial.ipsilateral)
    own, other = both_legs(
        simulation.data[:, list(found.values())], list(found), [c.counterparts for c in channels]
    )
    alignment = align(
        simulation.time,
        own,
        other if trial.side else None,
        measured.storage.time,
        measured.signals,
        muscles=measured.muscles,
    )
    checked.align(f"{trial.where}, subject {trial.subject}, {trial.trial}", alignment)


def _known_copy(finding: Finding, channels: list[Channel]) -> bool:
    """Return True if identical columns are one electrode according to the channel map."""
    of = {channel.column: channel.electrode for channel in channels}
    electrodes = {of.get(label, "") for label in finding.where.split(", ")}
    return finding.kind == "duplicate" and len(electrodes) == 1 and "" not in electrodes
