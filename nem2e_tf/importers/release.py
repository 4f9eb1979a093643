"""What was found of a published data set becomes a manifest, and the manifest a cohort.

The importers of `hamner2013` and `liu2008` only look: they say of each cycle or stretch which files
it consists of, or what is missing. Here that is written down as a manifest that people can read,
correct and build again, and as a report (``found.csv``, ``found.json``).
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nem2e_tf.cohort import Cohort
from nem2e_tf.errors import InputError
from nem2e_tf.files import output_folder, read_json, sha256, write_json, write_text
from nem2e_tf.gait import LONGEST, SHORTEST
from nem2e_tf.importers.channel_map import read_map
from nem2e_tf.importers.found import Finding, Found, MapRows
from nem2e_tf.importers.manifest import Report, build
from nem2e_tf.importers.measured import Files
from nem2e_tf.importers.recording import cut
from nem2e_tf.importers.trials import read_trials

MARKER = "found.json"
MANIFEST = "manifest.csv"
MAP = "channels.csv"
COHORT = "cohort"
MAP_COLUMNS = ("column", "muscle", "electrode", "counterparts")


@dataclass(frozen=True, eq=False)
class Imported:
    """A cohort and where it came from."""

    cohort: Cohort
    manifest: Path
    report: Report
    findings: tuple[Finding, ...]


def import_found(found: Found, output: Path) -> Imported:
    """Write the manifest and the report, and build the cohort.

    Parameters
    ----------
    found : Found
        What an importer found.
    output : Path
        Folder for ``manifest.csv``, its channel maps, ``found.csv``, ``found.json`` and ``cohort``.

    Raises
    ------
    InputError
        Nothing can be used, or the folder holds other things or a manifest that somebody has
        changed. Where recordings were found and none of them can be read, the manifest and the
        report stay, to be corrected. Single recordings that cannot be read are left out.
    """
    usable = [finding for finding in found.findings if finding.status == "found"]
    if not usable:
        reasons = dict.fromkeys(f.reason for f in found.findings if f.reason)
        raise InputError(
            f"{found.folder}: expected at least one cycle of {found.release} with all its files, "
            f"found none; {'; '.join(list(reasons)[:3]) or 'no file of it is there'}"
        )
    folder = output_folder(output, marker=MARKER)
    _refuse_changed(folder)
    findings = found.findings
    manifest, files = _write_manifest(folder, findings)
    _write_report(folder, found, findings, files, ())
    try:
        try:
            cohort, report = build(manifest, name=found.release, normalise=found.normalise)
        except InputError:
            findings = _without_unreadable(findings, manifest)
            manifest, files = _write_manifest(folder, findings)
            cohort, report = build(manifest, name=found.release, normalise=found.normalise)
    except InputError as error:
        raise InputError(
            f"{error}; correct {manifest} or remove the row, then run 'nem2e-tf data build'"
        ) from None
    cohort.save(folder / COHORT)
    findings = _after_build(findings, manifest, report)
    _write_report(folder, found, findings, files, report.notes)
    return Imported(cohort, manifest, report, findings)


def summary(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Count cycles for each subject and condition.

    Returns
    -------
    list of dict
        subject, condition, speed, cycles used, left out and missing, and the reasons.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for finding in findings:
        row = rows.setdefault(
            (finding.subject, finding.condition),
            {
                "subject": finding.subject,
                "condition": finding.condition,
                "speed": finding.speed,
                "used": 0,
                "left_out": 0,
                "missing": 0,
                "reasons": [],
            },
        )
        status = finding.status.replace(" ", "_")
        if status in row:
            row[status] += 1
        if finding.reason and finding.reason not in row["reasons"]:
            row["reasons"].append(finding.reason)
    return sorted(rows.values(), key=lambda row: (row["subject"], row["speed"] or 0))


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
    """Write the manifest and its channel maps; returns the digests of the files as well."""
    usable = [finding for finding in findings if finding.status == "found"]
    maps = list(dict.fromkeys(finding.channels for finding in usable))
    names = [MAP, *(f"channels-{n}.csv" for n in range(2, len(maps) + 1))]
    for rows, name in zip(maps, names, strict=True):
        write_text(folder / name, _table(MAP_COLUMNS, rows))
    write_text(folder / MANIFEST, _manifest(usable, dict(zip(maps, names, strict=True))))
    return folder / MANIFEST, {name: sha256(folder / name) for name in (MANIFEST, *names)}


def _without_unreadable(findings: tuple[Finding, ...], manifest: Path) -> tuple[Finding, ...]:
    """Leave out the recordings that cannot be cut into cycles alone.

    Raises
    ------
    InputError
        None can: the reason of the first.
    """
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
        rows.append(tuple("" if values[c] is None else values[c] for c in columns))
    return _table(columns, rows)


def _after_build(
    findings: tuple[Finding, ...], manifest: Path, report: Report
) -> tuple[Finding, ...]:
    """Say of each row of the manifest whether its cycle is in the cohort, and if not, why."""
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
    rows = [tuple("" if row[c] is None else row[c] for c in columns) for row in plain]
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


def _table(columns: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue()
