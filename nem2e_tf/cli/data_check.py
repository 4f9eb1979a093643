"""``nem2e-tf data check``: what is in recordings or a cohort, and what is wrong with it."""

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nem2e_tf.cli.check_text import as_plain, print_checked
from nem2e_tf.cli.options import json_option
from nem2e_tf.errors import InputError

if TYPE_CHECKING:
    from nem2e_tf.checks import Checked

_TABLES = (".csv", ".tsv", ".txt")
_OF_MANIFESTS = {"subject", "simulated", "emg"}


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--emg",
    type=click.Path(path_type=Path),
    help="Measured EMG to compare the simulated PATH with: leg and clock.",
)
@click.option(
    "--side",
    type=click.Choice(["left", "right"]),
    help="Leg of EMG columns whose labels give none.",
)
@click.option(
    "--map",
    "map_path",
    type=click.Path(path_type=Path),
    help="Channel map of a manifest; channels.csv beside it by default.",
)
@json_option("what was found")
def check(
    path: Path, *, emg: Path | None, side: str | None, map_path: Path | None, as_json: bool
) -> None:
    """Say what is in PATH and what is wrong with it.

    PATH is a recording (.sto, .mot, .csv, .c3d), a manifest of trials or a cohort folder. Gaps,
    ranges, a damaged header, electrodes that are doubled, dead or clipped, reserve actuators that
    carry the motion, odd cycles; and whether simulation and EMG are of one leg and one clock, with
    --emg, or in a manifest or cohort. Exit code 1 where something is wrong, 0 where there are only
    notes.
    """
    kind = "cohort" if path.is_dir() else "manifest" if _is_manifest(path) else "recording"
    for option, given, of in (
        ("--emg", emg, "recording"),
        ("--side", side, "recording"),
        ("--map", map_path, "manifest"),
    ):
        if given and kind != of:
            raise InputError(f"{option}: expected only with a {of}, found {path}, a {kind}")
    if kind == "cohort":
        checked = _check_folder(path)
    elif kind == "manifest":
        from nem2e_tf.importers.checking import check_manifest

        checked = check_manifest(path, map_path=map_path)
    else:
        checked = _check_recording(path, emg, side[0] if side else "")
    if as_json:
        click.echo(json.dumps(as_plain(checked), indent=1, allow_nan=False))
    else:
        print_checked(checked)
    for note in checked.contents["notes"]:
        click.echo(f"note: {note}", err=True)
    for where, finding in checked.findings:
        mark = "note" if finding.severity == "note" else "WRONG"
        click.echo(": ".join(filter(None, (mark, where, finding.where, finding.message))), err=True)
    if checked.wrong:
        click.echo(f"nem2e-tf: {path}: wrong: {', '.join(checked.wrong)}", err=True)
        sys.exit(1)


def _is_manifest(path: Path) -> bool:
    """Whether a table's first line has a column of a manifest; else it is one of signals."""
    if path.suffix.lower() not in _TABLES:
        return False
    try:
        with path.open(encoding="utf-8-sig") as stream:
            columns = re.split("[,;\t]", stream.readline().lower())
    except (OSError, UnicodeDecodeError):
        return False  # reading the file says what is wrong
    return not _OF_MANIFESTS.isdisjoint(column.strip() for column in columns)


def _check_recording(path: Path, emg: Path | None, side: str) -> "Checked":
    from nem2e_tf.checks import Checked, align_storages, check_storage, is_emg
    from nem2e_tf.checks.contents import describe_storage
    from nem2e_tf.importers.signals import read_signals

    storage = read_signals(path)
    checked = Checked(describe_storage(storage))
    known = set(storage.notes)
    found = check_storage(storage, emg=emg is None and is_emg(storage))
    checked.add("", [f for f in found if f.message not in known])
    if emg is not None:
        measured = read_signals(emg)
        checked.add(str(emg), check_storage(measured, emg=True))
        checked.align("", align_storages(storage, measured, side=side))
    return checked


def _check_folder(path: Path) -> "Checked":
    from nem2e_tf.checks import Checked, align_subjects, check_alignment, check_cohort, odd_cycles
    from nem2e_tf.checks.contents import describe_cohort
    from nem2e_tf.cohort import load_cohort

    cohort = load_cohort(path)
    checked = Checked(describe_cohort(path, cohort), alignments=align_subjects(cohort))
    checked.add("", [*check_cohort(cohort), *odd_cycles(cohort), *check_alignment(cohort)])
    return checked
