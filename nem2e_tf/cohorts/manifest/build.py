"""A manifest of trials made into a cohort: the way in for any laboratory's recordings.

**The manifest** is a CSV table (comma, semicolon or tab), one row a trial. File names are relative
to the manifest. Signals may be OpenSim storage files, CSV files with a column ``time`` in seconds,
or, for EMG, C3D files; see `nem2e_tf.io.time_series`.

===================  ============================================================================
``subject``          who; any text
``condition``        under which condition; empty takes the text of ``speed``
``speed``            m/s; may be empty
``side``             ``r`` or ``l``: the foot whose contacts bound the cycles, the leg of the EMG.
                     Empty only with ``start`` and ``end`` or such events; see below
``simulated``        file of activations: static optimization, CMC or Moco
``emg``              file of EMG: envelopes, or raw with a ``recipe``
``recipe``           optional; how raw EMG becomes envelopes. Empty: the file holds envelopes
``rate``             optional, Hz; checked against the file's times, and the clock of a CSV file
                     that has none. Empty: as the times say
``unit``             optional, of the EMG: V, mV, uV, % or 1. Empty: as the file says, if it does.
                     Numbers become volts or shares; rows must agree
``emg_offset``       optional, s; added to the times of the EMG where its clock is another
``drop``             optional; muscles or electrodes, separated by spaces, whose EMG is not usable
                     in this row: it is NaN, and no part of a subject's maximum
``mvc``              with normalisation by MVC: recordings of maximal voluntary contractions with
                     the same columns, separated by ``|``; each muscle's largest value counts
``trial``            optional name of the recording; empty takes the name of the simulated file
``map``              optional channel map of this row
``simulated_map``    optional; which simulated column is which muscle, where its labels do not say;
                     see `nem2e_tf.cohorts.manifest.columns`
===================  ============================================================================

**Where the cycles are** is said in one of four ways:

===================  ============================================================================
``ground_reaction``  file of ground reaction forces, and
``plate``            prefix of that foot's columns: ``1_ground_force`` for ``1_ground_force_vy``
``threshold``        optional, N; 30 where empty
``markers``          marker file (``.trc``, second axis up) where there is no force, and
``heel``             that foot's heel marker, and
``pelvis``           sacrum, or both posterior iliac spines separated by ``|``; contacts are
                     found by `nem2e_tf.signals.gait.contacts_from_markers`
``events``           table of events; see `nem2e_tf.cohorts.manifest.bounds`
``start, end``       bounds of one cycle, s
``cycle``            optional number of the cycle with these bounds; counted where empty
``until``            optional; ``same``: a cycle lasts until the same foot's next contact;
                     ``other``: until the other foot's, as the NEM2E paper has it. Then ``plate``
                     and ``heel`` name this foot's and the other foot's, separated by ``|``
===================  ============================================================================

**The channel map** says what the EMG columns are. It is a second CSV table: the row's ``map``, else
the one given to `build`, else ``channels.csv`` beside the manifest. Columns it does not list are
left out and reported.

===================  ============================================================================
``column``           label in the EMG file; ``{side}`` in it stands for the row's ``r`` or ``l``
``muscle``           name of the muscle, in any style `nem2e_tf.muscles.canonical` knows
``electrode``        optional; muscles with the same electrode carry one signal. Empty: the muscle
``counterparts``     optional; simulated muscles it is compared with, separated by spaces, of the
                     same leg unless they end in ``_contra``. Empty: the muscle itself
``reference``        with normalisation by fixed numbers: what the envelope is divided by
===================  ============================================================================

All muscle activations in the simulated file become channels, ``<muscle>_ipsi`` and
``<muscle>_contra`` relative to the row's side, in model order, the cycle's side first. A cycle is
resampled by `nem2e_tf.signals.gait.resample_cycle`. A muscle that a row's map does not list is NaN
for the
row.

**Motions without a side**, such as a swing or a throw, are cycles of one motion each, from
``start`` to ``end``. Left empty, the side is taken as the right: ``_ipsi`` is the right side of the
body and ``_contra`` the left one, and ``nem2e-tf refine`` is called with ``--side right``. Give the
leading side instead where left- and right-handed people are to train one model. EMG of both sides
of the body takes two rows, one with each side.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd

from nem2e_tf.cohorts.checks import odd_cycles
from nem2e_tf.cohorts.cohort import Cohort, Report
from nem2e_tf.cohorts.manifest.columns import Channel, read_map
from nem2e_tf.cohorts.manifest.joining import (
    check_units,
    common_channels,
    cycles_table,
    merge_maps,
    nan_notes,
    scale_notes,
    stack,
    together,
    unique,
)
from nem2e_tf.cohorts.manifest.measured import Files, Scale
from nem2e_tf.cohorts.manifest.recording import cut
from nem2e_tf.cohorts.manifest.trials import read_trials
from nem2e_tf.errors import InputError
from nem2e_tf.signals.emg import POLICIES, by_subject_maximum
from nem2e_tf.signals.gait import LONGEST, SHORTEST

Normalise = Literal["none", "subject-maximum", "trial", "mvc", "fixed"]
NORMALISATIONS = {
    "none": "EMG as in the files",
    "subject-maximum": "share of each subject's maximum over all conditions",
    "trial": "share of each trial's own range",
    "mvc": "share of the maximum of maximal voluntary contractions",
    "fixed": "share of given numbers",
}
NORMALISE: tuple[Normalise, ...] = get_args(Normalise)
_SCALES: dict[Normalise, Scale] = {"trial": "trial", "mvc": "mvc", "fixed": "fixed"}


def build_cohort(
    manifest: "str | os.PathLike[str]",
    *,
    channel_map: "str | os.PathLike[str] | None" = None,
    name: str | None = None,
    normalise: Normalise = "none",
    shortest: float = SHORTEST,
    longest: float = LONGEST,
    out: "str | os.PathLike[str] | None" = None,
) -> Cohort:
    """Build a cohort from a manifest.

    Parameters
    ----------
    manifest : path-like
        CSV table with one row per trial.
    channel_map : path-like, optional
        Channel map of the rows that name none; by default ``channels.csv`` in the manifest's
        folder.
    name : str, optional
        Name of the cohort; by default the manifest's file name.
    normalise : {"none", "subject-maximum", "trial", "mvc", "fixed"}
        ``none`` keeps the EMG as in the files, which the importer expects to hold normalised
        envelopes. ``subject-maximum`` divides each muscle by its largest value over all cycles of
        the subject, all conditions together; ``trial`` scales by the range of the recording;
        ``mvc`` divides by the maximum of the row's recordings ``mvc``; ``fixed`` by the channel
        map's ``reference``. What each gives away is in `nem2e_tf.signals.emg.POLICIES` and in the
        notes.
    shortest, longest : float
        Shortest and longest accepted cycle between two contacts, s.
    out : path-like, optional
        Folder to save the cohort to.

    Returns
    -------
    Cohort
        Its table of cycles has the additional column ``odd``: how a cycle differs from the others
        of its subject, condition and side, or an empty text. `Cohort.report` lists everything that
        was left out, with the reason.

    Raises
    ------
    InputError
        A file is missing or cut, a column or a cell is wrong, a muscle is unknown, simulation and
        EMG do not overlap in time, or no cycle remains.

    Examples
    --------
    Two cycles of one subject, with their bounds in the manifest:

    >>> import tempfile
    >>> import pandas as pd
    >>> time = np.arange(0, 3, 0.01)
    >>> activity = 0.5 + 0.4 * np.sin(2 * np.pi * time)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tables = {
    ...         "activation.csv": {"time": time, "soleus_r": activity},
    ...         "emg.csv": {"time": time, "SOL": activity / 2},
    ...         "channels.csv": {"column": ["SOL"], "muscle": ["soleus"]},
    ...         "manifest.csv": {
    ...             "subject": ["S1", "S1"],
    ...             "condition": ["free", "free"],
    ...             "speed": [1.2, 1.2],
    ...             "side": ["r", "r"],
    ...             "simulated": ["activation.csv", "activation.csv"],
    ...             "emg": ["emg.csv", "emg.csv"],
    ...             "start": [0.2, 1.2],
    ...             "end": [1.2, 2.2],
    ...         },
    ...     }
    ...     for name, table in tables.items():
    ...         pd.DataFrame(table).to_csv(f"{folder}/{name}", index=False)
    ...     build_cohort(f"{folder}/manifest.csv")
    <Cohort manifest: 2 cycles of 1 subjects, 1 channels, 1 muscles>
    """
    if normalise not in NORMALISE:
        raise InputError(f"normalise: expected {' or '.join(NORMALISE)}, found {normalise!r}")
    file = Path(manifest)
    trials, notes = read_trials(file)
    fallback = Path(channel_map) if channel_map else file.parent / "channels.csv"
    maps: dict[Path, list[Channel]] = {}
    files = Files(scale=_SCALES.get(normalise, ""))
    recordings = []
    for trial in trials:
        chosen = trial.map or fallback
        if chosen not in maps:
            maps[chosen], more = read_map(chosen)
            notes += more
        recordings.append(cut(trial, maps[chosen], files=files, shortest=shortest, longest=longest))
    left_out = unique(line for recording in recordings for line in recording.left_out)
    if not any(recording.bounds for recording in recordings):
        raise InputError(f"{file}: expected at least one whole cycle, found none; {left_out[0]}")
    if all(np.isnan(recording.measured).all() for recording in recordings):
        raise InputError(f"{file}: expected EMG, found nan in every cycle of every muscle")
    check_units(recordings)
    channels, columns_left_out = common_channels(recordings)
    muscles = merge_maps(maps.values(), channels)
    simulated, measured = stack(recordings, list(channels), list(muscles))
    cycles = cycles_table(recordings)
    notes += [f"{r.trial.emg}: EMG at {r.emg_facts}" for r in recordings]
    notes += [note for recording in recordings for note in recording.notes]
    notes = [*together(notes), *scale_notes(recordings, list(muscles))]
    notes += nan_notes(measured, list(muscles))
    if any(not trial.side for trial in trials):
        notes.append("rows without a side: the right side's muscles are _ipsi, the left's _contra")
    if normalise == "subject-maximum":
        measured, maxima = by_subject_maximum(measured, list(cycles["subject"]))
        for subject, values in maxima.items():
            factors = ", ".join(f"{m} {v:.4g}" for m, v in zip(muscles, values, strict=True))
            notes.append(f"EMG of subject {subject} divided by its maximum: {factors}")
    if normalise == "none":
        notes.append(
            f"EMG kept as in the files ({np.nanmin(measured):.4g} to {np.nanmax(measured):.4g}); "
            "normalise by subject-maximum if it is not normalised"
        )
    else:
        policy = POLICIES[normalise.removesuffix("-maximum")]
        notes.append(f"EMG normalised; differences that remain: {policy.keeps}")
        notes.append(f"EMG normalised; what the scale of a cycle knows: {policy.leakage}")
    cohort = Cohort(
        name=name or file.stem,
        simulated=simulated,
        measured=measured.astype(np.float32),
        cycles=cycles,
        channels=pd.DataFrame(
            {"name": list(channels), "source": [" ".join(s) for s in channels.values()]}
        ),
        muscles=pd.DataFrame(
            [
                {"name": m, "electrode": c.electrode, "counterparts": " ".join(c.counterparts)}
                for m, c in muscles.items()
            ]
        ),
        normalisation=NORMALISATIONS[normalise],
    )
    odd = odd_cycles(cohort)
    cycles["odd"] = ""
    for finding in odd:
        cycles.loc[list(finding.rows), "odd"] = finding.message
    report = Report(
        cycles_used=len(cycles),
        cycles_left_out=tuple(left_out),
        columns_left_out=tuple(columns_left_out),
        odd_cycles=tuple(f"{finding.where}: {finding.message}" for finding in odd),
        notes=tuple(unique(notes)),
    )
    cohort = replace(cohort, report=report)
    if out is not None:
        cohort.save(out)
    return cohort
