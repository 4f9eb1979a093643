"""``nem2e-tf data check``: content and errors of recordings, manifests and cohorts.

Prints tables for people, or JSON for programs.
"""

import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nem2e_tf.cli.options import json_option
from nem2e_tf.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from nem2e_tf.cohorts.checks.alignment import Alignment
    from nem2e_tf.cohorts.checks.recordings import Checked


_WIDTH = 100


def as_plain(checked: "Checked") -> dict[str, Any]:
    """Return content, findings and alignments as plain values; unknown values are None."""
    return {
        **checked.contents,
        "findings": [{"of": where, **asdict(finding)} for where, finding in checked.findings],
        "alignment": [{"of": where, **_plain(a)} for where, a in checked.alignments],
        "wrong": checked.wrong,
    }


def _plain(alignment: "Alignment") -> dict[str, Any]:
    a = alignment
    return {
        "mean_r": _known(a.mean_r),
        "mean_best_r": _known(a.mean_best_r),
        "mean_lag_ms": _known(1000 * a.mean_lag),
        "mean_other_leg_r": _known(a.mean_other_r),
        "muscles": [
            {
                "muscle": name,
                "r": _known(a.r[i]),
                "best_r": _known(a.best_r[i]),
                "lag_ms": _known(1000 * a.lag[i]),
                "other_leg_r": _known(a.other_r[i]),
            }
            for i, name in enumerate(a.muscles)
        ],
    }


def _known(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


def print_checked(checked: "Checked") -> None:
    """Print content and alignments to stdout."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(_WIDTH, console.width))
    for key, value in checked.contents.items():
        if key != "notes" and not isinstance(value, list):
            console.print(f"{key.replace('_', ' ')}: {_text(value)}", markup=False)
    for key, value in checked.contents.items():
        if key != "notes" and isinstance(value, list):
            title = key.replace("_", " ")
            console.print(f"\n{title}:{'' if value else ' none'}", markup=False)
            if value:
                console.print(_table([*value[0]], [[*map(_text, row.values())] for row in value]))
    for where, a in checked.alignments:
        title = f"\nsimulation and EMG{f', {where}' if where else ''}:"
        console.print(title, markup=False)
        rows = [
            [name, *_cells(a.r[i], a.best_r[i], a.lag[i], a.other_r[i])]
            for i, name in enumerate(a.muscles)
        ]
        mean = _cells(a.mean_r, a.mean_best_r, a.mean_lag, a.mean_other_r)
        heads = ["muscle", "r", "best r", "lag of simulation, ms", "r, other leg"]
        console.print(_table(heads, [*rows, ["all muscles", *mean]]))


def _cells(r: float, best: float, lag: float, other: float) -> list[str]:
    own, at_best, contra = ("-" if math.isnan(v) else f"{v:+.2f}" for v in (r, best, other))
    return [own, at_best, "-" if math.isnan(lag) else f"{1000 * lag:+.0f}", contra]


def _table(heads: list[str], rows: list[list[str]]) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for head in heads:
        table.add_column(head.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    return table


def _text(value: Any) -> str:
    if value is None:
        return "not stated"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


_OF_MANIFESTS = {"subject", "simulated", "emg"}


@click.command(short_help="Check recordings, a manifest or a cohort.")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--emg",
    type=click.Path(path_type=Path),
    help="Measured EMG to check leg and clock of the simulated PATH.",
)
@click.option(
    "--side",
    type=click.Choice(["left", "right"]),
    help="Leg of EMG columns whose labels have no side.",
)
@click.option(
    "--map",
    "channel_map",
    type=click.Path(path_type=Path),
    help="Channel map of a manifest; by default channels.csv in its folder.",
)
@json_option("the findings")
def check(
    path: Path, *, emg: Path | None, side: str | None, channel_map: Path | None, as_json: bool
) -> None:
    """Report the content of PATH and its errors.

    PATH is a recording (.sto, .mot, .csv, .c3d), a manifest of trials or a cohort folder. The
    checks cover gaps, ranges, damaged headers, duplicate, dead or clipped electrodes, large reserve
    actuators and odd cycles. With --emg, or in a manifest or cohort, they also cover leg and clock
    of simulation and EMG. The exit code is 1 for errors and 0 if there are only notes.
    """
    kind = "cohort" if path.is_dir() else "manifest" if _is_manifest(path) else "recording"
    for option, given, of in (
        ("--emg", emg, "recording"),
        ("--side", side, "recording"),
        ("--map", channel_map, "manifest"),
    ):
        if given and kind != of:
            raise InputError(f"{option}: expected only with a {of}, found {path}, a {kind}")
    if kind == "cohort":
        checked = _check_folder(path)
    elif kind == "manifest":
        from nem2e_tf.cohorts.manifest.checking import check_manifest

        checked = check_manifest(path, channel_map=channel_map)
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
    """Return True if a table has a column of a manifest; else it is a table of signals."""
    from nem2e_tf.io.tables import column_names
    from nem2e_tf.io.time_series import TABLES

    return path.suffix.lower() in TABLES and not _OF_MANIFESTS.isdisjoint(column_names(path))


def _check_recording(path: Path, emg: Path | None, side: str) -> "Checked":
    from nem2e_tf.cohorts.checks.recordings import (
        Checked,
        align_storages,
        check_storage,
        describe_storage,
        is_emg,
    )
    from nem2e_tf.io.time_series import read_signals

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
    from nem2e_tf.cohorts.checks.alignment import align_subjects, check_alignment
    from nem2e_tf.cohorts.checks.cohorts import check_cohort, odd_cycles
    from nem2e_tf.cohorts.checks.recordings import Checked, describe_cohort
    from nem2e_tf.cohorts.cohort import load_cohort

    cohort = load_cohort(path)
    checked = Checked(describe_cohort(path, cohort), alignments=align_subjects(cohort))
    checked.add("", [*check_cohort(cohort), *odd_cycles(cohort), *check_alignment(cohort)])
    return checked
