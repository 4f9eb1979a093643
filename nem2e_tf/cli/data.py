"""``nem2e-tf data``: build, import, synthesise, check and plot cohorts; convert markers."""

import json
import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nem2e_tf.cli.data_check import check
from nem2e_tf.cli.options import PATH, Function, json_option, output_option
from nem2e_tf.errors import InputError, near

if TYPE_CHECKING:
    from nem2e_tf.cohorts.cohort import Cohort
    from nem2e_tf.cohorts.datasets.release import Found

_NAMES_SHOWN = 8
_REASONS_SHOWN = 3
_LONGEST_LINE = 400
_FORMATS = (".pdf", ".svg", ".png")
_DOTS_PER_INCH = 200
_MOST_GROUPS = 12
_AXIS = click.Choice(["x", "y", "z", "-x", "-y", "-z"])


@click.group(name="data")
def command() -> None:
    """Build, import, synthesise, check and plot cohorts; convert markers."""


command.add_command(check)


def _size(cohort: "Cohort") -> str:
    """Return the size of a cohort in one line."""
    names = cohort.muscle_names
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return (
        f"{len(cohort.cycles)} cycles of {cohort.cycles['subject'].nunique()} subjects, "
        f"{len(cohort.channels)} simulated channels, {len(names)} muscles "
        f"({', '.join(names[:_NAMES_SHOWN])}{more})"
    )


def _echo_notes(cohort: "Cohort") -> None:
    """Print the report of a new cohort and the findings of its checks to stderr."""
    from nem2e_tf.cohorts.checks.alignment import check_alignment
    from nem2e_tf.cohorts.checks.cohorts import check_cohort

    report = cohort.report
    for mark, lines in (
        ("note", map(_short, (*report.notes, *report.columns_left_out))),
        ("odd", report.odd_cycles),
        ("left out", report.cycles_left_out),
    ):
        for line in lines:
            click.echo(f"{mark}: {line}", err=True)
    for finding in [*check_cohort(cohort), *check_alignment(cohort)]:
        mark = "WARNING" if finding.severity == "wrong" else "note"
        click.echo(": ".join(filter(None, (mark, finding.where, finding.message))), err=True)


def _short(line: str) -> str:
    """Shorten a long list of columns."""
    if len(line) <= _LONGEST_LINE:
        return line
    kept = line[:_LONGEST_LINE].rpartition(", ")[0] or line[:_LONGEST_LINE]
    return f"{kept} and {line[len(kept) :].count(', ')} more"


def _echo_json(folder: Path, cohort: "Cohort", **more: Any) -> None:
    found = {"folder": str(folder), "digest": cohort.digest, **more, **cohort.report.as_dict()}
    click.echo(json.dumps(found, indent=1, allow_nan=False))


@command.command(short_help="Generate a synthetic cohort.")
@click.argument("name", type=click.Choice(["walk", "run"]))
@click.option("--seed", type=int, help="Seed; by default that of the published cohort.")
@click.option(
    "--planted",
    "distortion",
    type=click.Choice(["lag", "gain", "leak", "none"]),
    help="Distort the simulation in this way only; by default in all of them.",
)
@click.option("--subjects", "n_subjects", type=int, help="By default 8 (walk) or 10 (run).")
@click.option(
    "--cycles",
    "n_cycles",
    type=int,
    help="Cycles per subject and speed; by default 1 (walk) or 3 (run).",
)
@output_option("Cohort folder to write.")
def synth(name: str, *, output: Path, **settings: Any) -> None:
    """Generate the synthetic cohort NAME, with the structure of a public data set.

    walk: 8 subjects at 4 speeds, 5 muscles, 92 simulated channels. run: 10 subjects at 4 speeds,
    16 muscles of 11 electrodes. The same seed gives the same cohort. With --subjects and --cycles
    it may exceed the memory; only one subject has to fit.
    """
    from nem2e_tf.cohorts.synthetic.cohorts import synthesise

    click.echo(f"{output}: {_size(synthesise(name, out=output, **settings))}; synthetic")


@command.command(short_help="Build a cohort from a manifest of recordings.")
@click.argument("manifest", type=PATH)
@click.option(
    "--map",
    "channel_map",
    type=PATH,
    help="Channel map of rows that name none; by default channels.csv in the manifest's folder.",
)
@click.option(
    "--normalise",
    type=click.Choice(["none", "subject-maximum", "trial", "mvc", "fixed"]),
    default="none",
    show_default=True,
    help="none keeps the EMG as in the files; the others divide each muscle by the subject's "
    "maximum over all conditions, by the trial's own range, by the row's mvc recordings, or by the "
    "channel map's reference.",
)
@click.option("--name", help="Name of the cohort; by default the manifest's file name.")
@click.option(
    "--shortest", default=0.4, show_default=True, help="Shortest cycle between two contacts, s."
)
@click.option(
    "--longest", default=3.0, show_default=True, help="Longest cycle between two contacts, s."
)
@json_option("the report")
@output_option("Cohort folder to write.")
def build(manifest: Path, *, as_json: bool, output: Path, **settings: Any) -> None:
    """Build a cohort from the trials in MANIFEST, a CSV table with one row per trial.

    Columns: subject, condition, speed, side (r or l), simulated, emg (.sto, .mot, .csv; EMG also
    .c3d), and one of: ground_reaction and plate (such as 1_ground_force); markers (.trc), heel and
    pelvis; events (a CSV with trial, side, event, time); start and end (s). Optional: threshold
    (N), until (the same or the other foot's contact), trial, cycle, map, recipe, rate (Hz), unit,
    emg_offset (s), drop, mvc. The channel map is a CSV table with the columns column, muscle and,
    optionally, electrode and counterparts.
    """
    from nem2e_tf.cohorts.manifest.build import build_cohort

    cohort = build_cohort(manifest, out=output, **settings)
    _echo_notes(cohort)
    if as_json:
        _echo_json(output, cohort)
    else:
        left_out = len(cohort.report.cycles_left_out)
        click.echo(f"{output}: {_size(cohort)}; {left_out} cycles left out")


@command.group(name="import", short_help="Build a cohort from a public data set.")
def import_release() -> None:
    """Build a cohort from a public data set that was unpacked into a folder.

    Trials are located by the names of their files. The command writes a manifest, which can be
    read, corrected and built again with 'data build', a report of the trials found, used and left
    out (found.csv, found.json), and the cohort.
    """


def _import_options(function: Function) -> Function:
    for option in (
        json_option("the report"),
        output_option("Folder for the manifest, the report and the cohort."),
        click.argument("folder", metavar="DIR", type=PATH),
    ):
        function = option(function)
    return function


def _muscles_option(default: str) -> Any:
    return click.option(
        "--muscles",
        type=click.Choice(["columns", "electrodes"]),
        default=default,
        show_default=True,
        help="One muscle per EMG column, or one per electrode.",
    )


@import_release.command(short_help="Running, Hamner & Delp (2013).")
@_import_options
@_muscles_option("columns")
@click.option(
    "--map",
    "channel_map",
    type=PATH,
    help="Channel map (column, muscle) of EMG files whose columns are named 'Pin 7' and the like.",
)
def hamner2013(folder: Path, *, output: Path, as_json: bool, **settings: Any) -> None:
    """Running, Hamner & Delp (2013): simtk.org/projects/nmbl_running, unpacked into DIR.

    10 runners at 2 to 5 m/s; cycles from right contact to right contact; envelopes of raw EMG,
    divided by each subject's maximum over all speeds.
    """
    from nem2e_tf.cohorts.datasets.hamner2013 import find

    _import(find(folder, **settings), output, as_json=as_json)


@import_release.command(short_help="Walking, Liu et al. (2008).")
@_import_options
@_muscles_option("electrodes")
@click.option(
    "--side",
    type=click.Choice(["left", "right"]),
    help="Stance leg at the start of all trials, if knee angles do not identify it.",
)
def liu2008(folder: Path, *, output: Path, as_json: bool, **settings: Any) -> None:
    """Walking, Liu et al. (2008): simtk.org/projects/mspeedwalksims, unpacked into DIR.

    8 subjects at very slow, slow, free and fast speed. The simulated interval, shorter than a
    stride, takes the place of the cycle; EMG envelopes are scaled trial by trial.
    """
    from nem2e_tf.cohorts.datasets.liu2008 import find

    _import(find(folder, **settings), output, as_json=as_json)


def _import(found: "Found", output: Path, *, as_json: bool) -> None:
    from nem2e_tf.cohorts.datasets.release import COHORT, import_found, summary

    imported = import_found(found, output)
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    _echo_notes(imported.cohort)
    rows = summary(imported.findings)
    if as_json:
        findings = [finding.as_dict() for finding in imported.findings]
        _echo_json(output, imported.cohort, summary=rows, found=findings)
        return
    click.echo("subject    condition   used  left out  missing")
    for row in rows:
        reasons = row["reasons"]
        more = f"; {len(reasons) - _REASONS_SHOWN} more" if len(reasons) > _REASONS_SHOWN else ""
        line = (
            f"{row['subject']:<10} {row['condition']:<10} {row['used']:5d} {row['left_out']:9d} "
            f"{row['missing']:8d}  {'; '.join(reasons[:_REASONS_SHOWN])}{more}"
        )
        click.echo(line.rstrip())
    click.echo(f"{output / COHORT}: {_size(imported.cohort)}")
    again = ["nem2e-tf", "data", "build", str(imported.manifest), "--name", found.release]
    again += ["--normalise", found.normalise, "-o", str(output / COHORT)]
    click.echo(f"After correcting the manifest: {shlex.join(again)}")


@command.command(short_help="Plot simulated and measured curves of a cohort.")
@click.argument("cohort", type=PATH)
@click.option(
    "--muscle", "muscles", multiple=True, help="Only this muscle; repeatable.  [default: all]"
)
@click.option("--subject", "subjects", multiple=True, help="Only this subject; repeatable.")
@click.option(
    "--by",
    default="condition",
    show_default=True,
    help="Column of the cycles for the columns of the figure: condition, subject, side.",
)
@click.option(
    "--relative",
    is_flag=True,
    help="Scale curves to their largest mean, for EMG that is not normalised.",
)
@output_option("Figure to write: .pdf, .svg or .png.")
def plot(
    cohort: Path,
    *,
    muscles: tuple[str, ...],
    subjects: tuple[str, ...],
    by: str,
    relative: bool,
    output: Path,
) -> None:
    """Plot simulated and measured curves of COHORT: mean and spread over cycles, by speed."""
    import numpy as np

    from nem2e_tf.cohorts.cohort import load_cohort
    from nem2e_tf.io.files import replacing
    from nem2e_tf.report.figures.panels import draw_curves

    if output.suffix.lower() not in _FORMATS:
        raise InputError(f"{output}: expected a name that ends in {', '.join(_FORMATS)}")
    if not output.parent.is_dir():
        raise InputError(f"{output}: expected an existing folder {output.parent}, found none")
    loaded = load_cohort(cohort)
    names = loaded.muscle_names
    for kind, given, known in (
        ("muscle", muscles, names),
        ("subject", subjects, sorted(set(loaded.cycles["subject"]))),
        ("column", (by,), [str(column) for column in loaded.cycles.columns]),
    ):
        for name in given:
            if name not in known:
                raise InputError(
                    f"{cohort}: expected a {kind} of the cohort, found {name!r}{near(name, known)}"
                )
    if subjects:
        loaded = loaded.select(loaded.cycles["subject"].isin(subjects).to_numpy())
    # Groups in the order of their speeds.
    table = loaded.cycles
    order = table["speed"].to_numpy(dtype=float).argsort(kind="stable")
    groups = [str(value) for value in table[by].iloc[order]]
    if len(set(groups)) > _MOST_GROUPS:
        raise InputError(
            f"--by {by}: expected at most {_MOST_GROUPS} groups, found {len(set(groups))}; select "
            "some with --subject, or another column"
        )
    chosen = [names.index(name) for name in muscles or names]
    counterparts = [list(loaded.counterparts[i]) for i in chosen]
    curves = [np.asarray(loaded.simulated[:, :, own]).mean(axis=2) for own in counterparts]
    simulated = np.stack(curves, axis=2)
    figure = draw_curves(
        np.asarray(loaded.measured[:, :, chosen])[order],
        simulated[order],
        muscles=[names[i] for i in chosen],
        groups=groups,
        title=f"{loaded.name}{': ' + ', '.join(subjects) if subjects else ''}",
        relative=relative,
    )
    with replacing(output) as temporary:
        figure.savefig(temporary, format=output.suffix[1:].lower(), dpi=_DOTS_PER_INCH)
    click.echo(f"{output}: {len(chosen)} muscles, {len(loaded.cycles)} cycles")


@command.command(short_help="Convert another system's motion to an OpenSim marker file.")
@click.argument("source", type=PATH)
@click.option(
    "--from",
    "system",
    required=True,
    type=click.Choice(["mediapipe", "opencap", "theia", "c3d", "trc"]),
    help="System that wrote SOURCE.",
)
@click.option(
    "--map",
    "mapping",
    type=PATH,
    help="CSV table (marker, source) of the model's and the file's names. By default that of "
    "Rajagopal's model; c3d and trc keep their names.",
)
@click.option("--up", type=_AXIS, help="The file's axis that points up.")
@click.option("--forward", type=_AXIS, help="The file's axis of the direction of walking.")
@click.option(
    "--rate", type=float, default=math.nan, help="Frame rate of a CSV file without times."
)
@click.option(
    "--visibility", default=0.5, show_default=True, help="MediaPipe landmarks below it are gaps."
)
@click.option("--model", type=PATH, help="OpenSim model that must have the markers.")
@output_option("Marker file to write (.trc).")
def markers(source: Path, *, system: str, output: Path, **settings: Any) -> None:
    """Write a marker file (m, y up) of SOURCE: .csv, .trc or .c3d.

    mediapipe: CSV of world landmarks (time, LEFT_HIP_x, LEFT_HIP_y, LEFT_HIP_z,
    LEFT_HIP_visibility, ...). opencap: its marker file, or a CSV of the same names. theia: C3D
    with rotations of segments. c3d, trc: markers. Gaps remain gaps and are reported.
    """
    from nem2e_tf.io.trc import write_trc
    from nem2e_tf.simulate.markers.converting import convert

    if output.suffix.lower() != ".trc":
        raise InputError(f"{output}: expected a name that ends in .trc")
    found = convert(source, system, **settings)
    write_trc(output, found.markers)
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    frames, count = found.markers.positions.shape[:2]
    click.echo(f"{output}: {count} markers, {frames} frames")
