"""Import of a public data set: its located trials become a manifest, and the manifest a cohort.

The importers `hamner2013` and `liu2008` only locate the files of each cycle or interval, and the
missing ones. This module writes them as a manifest that can be read, corrected and built again, and
as a report (``found.csv``, ``found.json``).
"""

import math
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd

from nem2e_tf.cohorts.cohort import Cohort, Report
from nem2e_tf.cohorts.manifest.build import Normalise, build_cohort
from nem2e_tf.cohorts.manifest.columns import read_map
from nem2e_tf.cohorts.manifest.measured import Files
from nem2e_tf.cohorts.manifest.recording import cut
from nem2e_tf.cohorts.manifest.trials import read_trials
from nem2e_tf.errors import InputError
from nem2e_tf.io.files import output_folder, read_json, sha256, write_json, write_text
from nem2e_tf.io.text import read_text
from nem2e_tf.signals.gait import LONGEST, SHORTEST

MapRows = tuple[tuple[str, str, str, str], ...]


@dataclass(frozen=True)
class Finding:
    """A cycle of the data set, or a missing part.

    Attributes
    ----------
    subject, condition, trial : str
        Names of subject, condition and recording; empty if the missing part is larger.
    speed : float or None
        m/s, if the data set states it.
    cycle : int or None
        Number in the data set.
    status : {"found", "used", "left out", "missing"}
        ``found`` only until the cohort is built.
    reason : str
        Reason why it is not used.
    side : str
        The leg whose contacts bound the cycle.
    start, end : float or None
        s.
    bounds_from : str
        Source of the bounds.
    simulated, emg, recipe : str
        Files, and recipe of the envelopes.
    channels : tuple
        Rows of the channel map for the EMG file.
    """

    subject: str
    condition: str = ""
    trial: str = ""
    speed: float | None = None
    cycle: int | None = None
    status: str = "found"
    reason: str = ""
    side: str = ""
    start: float | None = None
    end: float | None = None
    bounds_from: str = ""
    simulated: str = ""
    emg: str = ""
    recipe: str = ""
    channels: MapRows = ()

    def left_out(self, reason: str) -> "Finding":
        """Return the finding as left out."""
        return replace(self, status="left out", reason=reason)

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as plain values, without the channel map."""
        values = asdict(self)
        del values["channels"]
        return values


@dataclass(frozen=True)
class Found:
    """The located trials of a data set.

    Attributes
    ----------
    release : str
        Name of the data set.
    folder : Path
        Its folder.
    findings : tuple of Finding
    notes : tuple of str
        Files that were not used, and irregularities.
    normalise : str
        Normalisation of the EMG.
    """

    release: str
    folder: Path
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    normalise: Normalise = "none"


def files_below(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    """List the files of a folder, sorted by path.

    Raises
    ------
    InputError
        There is no such folder, or no file with these endings.
    """
    if not folder.is_dir():
        instead = "a file; unpack archives first" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: expected the folder of the data set, found {instead}")
    found = []
    archives = []
    for place, folders, names in os.walk(folder):
        folders.sort()
        found += [Path(place, name) for name in names if name.lower().endswith(endings)]
        archives += [name for name in names if name.lower().endswith(".zip")]
    if not found:
        instead = f"archives such as {archives[0]}; unpack them" if archives else "none"
        raise InputError(
            f"{folder}: expected files that end in {', '.join(endings)}, found {instead}"
        )
    return sorted(found)


def times_of_setup(path: Path) -> tuple[float, float]:
    """Read ``initial_time`` and ``final_time`` of an OpenSim setup file, s.

    Text before the XML declaration, as in old files, is skipped.

    Raises
    ------
    InputError
        The file is not XML or is truncated, or one of the two is missing.
    """
    text = read_text(path, "an OpenSim setup file")
    try:
        root = ElementTree.fromstring(text[max(text.find("<?xml"), 0) :].strip())
    except ElementTree.ParseError as error:
        raise InputError(f"{path}: expected a complete XML file, found {error}") from None
    times = []
    for name in ("initial_time", "final_time"):
        text = next((element.text or "" for element in root.iter(name)), "")
        try:
            times.append(float(text))
        except ValueError:
            raise InputError(f"{path}: expected a number as {name}, found {text!r}") from None
    if not all(map(math.isfinite, times)) or times[0] >= times[1]:
        raise InputError(
            f"{path}: expected a final_time after the initial_time, found {times[0]:g} and "
            f"{times[1]:g}"
        )
    return times[0], times[1]


def map_rows(
    labels: Mapping[str, str], electrodes: Mapping[str, tuple[str, ...]], muscles: str
) -> MapRows:
    """Return the rows of a channel map.

    Parameters
    ----------
    labels : mapping of str to str
        Muscle to its column in the EMG file.
    electrodes : mapping of str to tuple of str
        Electrode to the muscles with its signal.
    muscles : {"columns", "electrodes"}
        One row per muscle, or one per electrode: its first muscle, compared with all of them.

    Examples
    --------
    >>> labels = {"semimem": "semimem_r", "semiten": "semiten_r"}
    >>> map_rows(labels, {"medial_hamstrings": ("semimem", "semiten")}, "electrodes")
    (('semimem_r', 'semimem', 'medial_hamstrings', 'semimem semiten'),)
    """
    rows = []
    for electrode, carriers in electrodes.items():
        present = [muscle for muscle in carriers if muscle in labels]
        if not present:
            continue
        if muscles == "electrodes":
            rows.append((labels[present[0]], carriers[0], electrode, " ".join(carriers)))
        else:
            rows += [(labels[muscle], muscle, electrode, "") for muscle in present]
    return tuple(rows)


MARKER = "found.json"
MANIFEST = "manifest.csv"
MAP = "channels.csv"
COHORT = "cohort"
MAP_COLUMNS = ("column", "muscle", "electrode", "counterparts")


@dataclass(frozen=True, eq=False)
class Imported:
    """A cohort with its manifest and findings."""

    cohort: Cohort
    manifest: Path
    findings: tuple[Finding, ...]


def import_found(found: Found, out: "str | os.PathLike[str] | None" = None) -> Imported:
    """Write the manifest and the report, and build the cohort.

    Parameters
    ----------
    found : Found
        The located trials.
    out : path-like, optional
        Folder for ``manifest.csv``, its channel maps, ``found.csv``, ``found.json`` and ``cohort``.
        By default a temporary one, which is removed.

    Raises
    ------
    InputError
        Nothing is usable, or the folder has other files or a manifest that was edited. If none of
        the located recordings can be read, the manifest and the report remain for correction.
        Single recordings that cannot be read are left out.
    """
    usable = [finding for finding in found.findings if finding.status == "found"]
    if not usable:
        reasons = dict.fromkeys(f.reason for f in found.findings if f.reason)
        raise InputError(
            f"{found.folder}: expected at least one cycle of {found.release} with all its files, "
            f"found none; {'; '.join(list(reasons)[:3]) or 'there are no files of it'}"
        )
    if out is None:
        with tempfile.TemporaryDirectory() as temporary:
            return import_found(found, temporary)
    folder = output_folder(out, marker=MARKER)
    _refuse_changed(folder)
    findings = found.findings
    manifest, files = _write_manifest(folder, findings)
    _write_report(folder, found, findings, files, ())
    try:
        try:
            cohort = build_cohort(manifest, name=found.release, normalise=found.normalise)
        except InputError:
            findings = _without_unreadable(findings, manifest)
            manifest, files = _write_manifest(folder, findings)
            cohort = build_cohort(manifest, name=found.release, normalise=found.normalise)
    except InputError as error:
        raise InputError(
            f"{error}; correct {manifest} or remove the row, then run 'nem2e-tf data build'"
        ) from None
    cohort.save(folder / COHORT)
    findings = _after_build(findings, manifest, cohort.report)
    _write_report(folder, found, findings, files, cohort.report.notes)
    return Imported(cohort, manifest, findings)


def summary(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Count cycles per subject and condition.

    Returns
    -------
    list of dict
        Subject, condition, speed, numbers of cycles used, left out and missing, and reasons.
    """
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.subject, finding.condition), []).append(finding)
    rows = [
        {
            "subject": subject,
            "condition": condition,
            "speed": group[0].speed,
            **{
                status.replace(" ", "_"): sum(finding.status == status for finding in group)
                for status in ("used", "left out", "missing")
            },
            "reasons": list(dict.fromkeys(finding.reason for finding in group if finding.reason)),
        }
        for (subject, condition), group in groups.items()
    ]
    return sorted(rows, key=lambda row: (row["subject"], row["speed"] or 0))


def _refuse_changed(folder: Path) -> None:
    if not (folder / MARKER).exists():
        return
    for name, digest in read_json(folder / MARKER).get("files", {}).items():
        if (folder / name).exists() and sha256(folder / name) != digest:
            raise InputError(
                f"{folder / name}: expected the file as imported, found it changed; build it with "
                "'nem2e-tf data build', or import into another folder"
            )


def _write_manifest(folder: Path, findings: tuple[Finding, ...]) -> tuple[Path, dict[str, str]]:
    """Write the manifest and its channel maps; return its path and the checksums of the files."""
    usable = [finding for finding in findings if finding.status == "found"]
    maps = list(dict.fromkeys(finding.channels for finding in usable))
    names = [MAP, *(f"channels-{n}.csv" for n in range(2, len(maps) + 1))]
    for rows, name in zip(maps, names, strict=True):
        write_text(folder / name, _table(MAP_COLUMNS, rows))
    write_text(folder / MANIFEST, _manifest(usable, dict(zip(maps, names, strict=True))))
    return folder / MANIFEST, {name: sha256(folder / name) for name in (MANIFEST, *names)}


def _without_unreadable(findings: tuple[Finding, ...], manifest: Path) -> tuple[Finding, ...]:
    """Leave out recordings that cannot be read; if none can, raise the error of the first."""
    files = Files()
    trials = iter(read_trials(manifest)[0])
    result = []
    reasons: list[InputError] = []
    for finding in findings:
        if finding.status == "found":
            trial = next(trials)
            channels, _ = read_map(trial.map or manifest.parent / MAP)
            try:
                cut(trial, channels, files=files, shortest=SHORTEST, longest=LONGEST)
            except InputError as error:
                reasons.append(error)
                finding = finding.left_out(str(error))
        result.append(finding)
    if not any(finding.status == "found" for finding in result):
        raise reasons[0]
    return tuple(result)


def _manifest(findings: list[Finding], maps: dict[MapRows, str]) -> str:
    columns = (
        *("subject", "condition", "speed", "side", "trial", "cycle", "simulated", "emg"),
        *("recipe", "start", "end", "map", "drop"),
    )
    rows = []
    for finding in findings:
        values = {**finding.as_dict(), "map": maps[finding.channels], "drop": ""}
        rows.append(tuple(values[c] for c in columns))
    return _table(columns, rows)


def _after_build(
    findings: tuple[Finding, ...], manifest: Path, report: Report
) -> tuple[Finding, ...]:
    """Mark the cycle of each row of the manifest as used, or left out with the reason."""
    result = []
    line = 1
    for finding in findings:
        if finding.status != "found":
            result.append(finding)
            continue
        line += 1
        mark = f"{manifest}, line {line}: "
        why = next((text for text in report.cycles_left_out if text.startswith(mark)), None)
        result.append(
            replace(finding, status="used")
            if why is None
            else finding.left_out(why.rpartition(" s: ")[2])
        )
    return tuple(result)


def _write_report(
    folder: Path,
    found: Found,
    findings: tuple[Finding, ...],
    files: dict[str, str],
    notes: tuple[str, ...],
) -> None:
    plain = [finding.as_dict() for finding in findings]
    columns = tuple(plain[0])
    rows = [tuple(row.values()) for row in plain]
    write_text(folder / "found.csv", _table(columns, rows))
    write_json(
        folder / MARKER,
        {
            "release": found.release,
            "folder": str(found.folder),
            "files": files,
            "summary": summary(findings),
            "notes": [*found.notes, *notes],
            "found": plain,
        },
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return CSV; None is an empty cell."""
    table = pd.DataFrame(list(rows), columns=list(columns), dtype=object)
    return table.to_csv(index=False, lineterminator="\n")
