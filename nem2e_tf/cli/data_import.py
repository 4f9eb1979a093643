"""``nem2e-tf data import``: a cohort from one of the two public data sets."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nem2e_tf.cli.cohort_text import echo_checks, echo_report, size
from nem2e_tf.cli.options import Function, json_option, output_option

if TYPE_CHECKING:
    from nem2e_tf.importers.found import Found

_REASONS_SHOWN = 3


@click.group()
def import_release() -> None:
    """Build a cohort from a public data set that was unpacked into a folder.

    Its trials are found by the names of their files. Written are a manifest, which can be read,
    corrected and built again with 'data build', a report of what was found, used and left out
    (found.csv, found.json), and the cohort.
    """


def _options(muscles: str) -> Callable[[Function], Function]:
    def add(function: Function) -> Function:
        for option in (
            json_option("the report"),
            output_option("Folder for the manifest, the report and the cohort."),
            click.option(
                "--muscles",
                type=click.Choice(["columns", "electrodes"]),
                default=muscles,
                show_default=True,
                help="A row for every muscle, or one for every electrode.",
            ),
            click.argument("folder", metavar="DIR", type=click.Path(path_type=Path)),
        ):
            function = option(function)
        return function

    return add


@import_release.command(short_help="Running, Hamner & Delp (2013).")
@_options("columns")
@click.option(
    "--map",
    "map_path",
    type=click.Path(path_type=Path),
    help="Channel map (column, muscle) of EMG files whose columns are named 'Pin 7' and the like.",
)
def hamner2013(
    folder: Path, *, muscles: str, map_path: Path | None, output: Path, as_json: bool
) -> None:
    """Running, Hamner & Delp (2013): simtk.org/projects/nmbl_running, unpacked into DIR.

    10 runners at 2 to 5 m/s; cycles from right contact to right contact; raw EMG, made envelopes
    and divided by each subject's maximum over all speeds.
    """
    from nem2e_tf.importers.hamner2013 import find

    _import(find(folder, muscles=muscles, map_path=map_path), output, as_json=as_json)


@import_release.command(short_help="Walking, Liu et al. (2008).")
@_options("electrodes")
@click.option(
    "--side",
    type=click.Choice(["left", "right"]),
    help="The leg that stands at the start of all stretches, where knee angles do not tell.",
)
def liu2008(folder: Path, *, muscles: str, side: str | None, output: Path, as_json: bool) -> None:
    """Walking, Liu et al. (2008): simtk.org/projects/mspeedwalksims, unpacked into DIR.

    8 subjects at very slow, slow, free and fast speed. The simulated stretch, shorter than a
    stride, takes the place of the cycle; EMG envelopes were scaled trial by trial.
    """
    from nem2e_tf.importers.liu2008 import find

    found = find(folder, muscles=muscles, side=side[0] if side else None)
    _import(found, output, as_json=as_json)


def _import(found: "Found", output: Path, *, as_json: bool) -> None:
    from nem2e_tf.importers.release import COHORT, import_found, summary

    imported = import_found(found, output)
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    echo_report(imported.report)
    echo_checks(imported.cohort)
    rows = summary(imported.findings)
    if as_json:
        told = {
            "folder": str(output),
            "digest": imported.cohort.digest,
            "summary": rows,
            "found": [finding.as_dict() for finding in imported.findings],
            **imported.report.as_dict(),
        }
        click.echo(json.dumps(told, indent=1, allow_nan=False))
        return
    click.echo("subject    condition   used  left out  missing")
    for row in rows:
        line = (
            f"{row['subject']:<10} {row['condition']:<10} {row['used']:5d} {row['left_out']:9d} "
            f"{row['missing']:8d}"
        )
        reasons = row["reasons"]
        more = f"; {len(reasons) - _REASONS_SHOWN} more" if len(reasons) > _REASONS_SHOWN else ""
        click.echo(f"{line}  {'; '.join(reasons[:_REASONS_SHOWN])}{more}".rstrip())
    click.echo(f"{output / COHORT}: {size(imported.cohort)}")
    again = ["nem2e-tf", "data", "build", str(imported.manifest), "--name", found.release]
    again += ["--normalise", found.normalise, "-o", str(output / COHORT)]
    click.echo(f"After correcting the manifest: {shlex.join(again)}")
