"""``nem2e-tf data markers``: a marker file for OpenSim from another system's motion.

What commands that make cohorts say of them.

``nem2e-tf data synth``: an embedded cohort, of any size.

``nem2e-tf data build``: a cohort from a manifest of recordings.

``nem2e-tf data import``: a cohort from one of the two public data sets.

``nem2e-tf data plot``: the picture of a cohort that is looked at first.
"""

import json
import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nem2e_tf.cli.options import PATH, Function, json_option, output_option
from nem2e_tf.errors import InputError, near

if TYPE_CHECKING:
    from nem2e_tf.cohorts.cohort import Cohort, Report
    from nem2e_tf.cohorts.datasets.release import Found


_NAMES_SHOWN = 8
_LONGEST_LINE = 400


def size(cohort: "Cohort") -> str:
    """Say how large a cohort is, in a line."""
    names = cohort.muscle_names
    shown = ", ".join(names[:_NAMES_SHOWN])
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return (
        f"{len(cohort.cycles)} cycles of {cohort.cycles['subject'].nunique()} subjects, "
        f"{len(cohort.channels)} simulated channels, {len(names)} muscles ({shown}{more})"
    )


def echo_report(report: "Report") -> None:
    """Print what became of recordings to stderr; long lists of columns are shortened."""
    for line in (*report.notes, *report.columns_left_out):
        click.echo(f"note: {_short(line)}", err=True)
    for line in report.odd_cycles:
        click.echo(f"odd: {line}", err=True)
    for line in report.cycles_left_out:
        click.echo(f"left out: {line}", err=True)


def echo_checks(cohort: "Cohort") -> None:
    """Print what is odd to stderr; what must be wrong is called a warning."""
    from nem2e_tf.cohorts.checks import check_alignment, check_cohort

    for finding in [*check_cohort(cohort), *check_alignment(cohort)]:
        mark = "WARNING" if finding.severity == "wrong" else "note"
        click.echo(": ".join(filter(None, (mark, finding.where, finding.message))), err=True)


def _short(line: str) -> str:
    if len(line) <= _LONGEST_LINE:
        return line
    kept = line[:_LONGEST_LINE].rpartition(", ")[0] or line[:_LONGEST_LINE]
    return f"{kept} and {line[len(kept) :].count(', ')} more"


@click.command()
@click.argument("name", type=click.Choice(["walk", "run"]))
@click.option("--seed", type=int, help="Another draw than the fixed cohort.")
@click.option(
    "--planted",
    "distortion",
    type=click.Choice(["lag", "gain", "leak", "none"]),
    help="Distort the simulation in this one way only; by default in all of them.",
)
@click.option(
    "--subjects",
    "n_subjects",
    type=int,
    help="Number of subjects; by default 8 (walk) or 10 (run).",
)
@click.option(
    "--cycles",
    "n_cycles",
    type=int,
    help="Cycles per subject and speed; by default 1 (walk) or 3 (run).",
)
@output_option("Cohort folder to write.")
def synth(
    name: str,
    *,
    seed: int | None,
    distortion: str | None,
    n_subjects: int | None,
    n_cycles: int | None,
    output: Path,
) -> None:
    """Make the embedded cohort NAME, a synthetic one with the structure of a public data set.

    walk: 8 subjects at 4 speeds, 5 muscles, 92 simulated channels. run: 10 subjects at 4 speeds,
    16 muscles that are 11 electrodes. The same seed gives the same cohort. With --subjects and
    --cycles it may be larger than the memory; one subject has to fit.
    """
    from nem2e_tf.cohorts.synthetic.cohorts import synthesise

    cohort = synthesise(
        name,
        seed=seed,
        distortion=distortion,
        n_subjects=n_subjects,
        n_cycles=n_cycles,
        out=output,
    )
    click.echo(f"{output}: {size(cohort)}; synthetic")


@click.command()
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option(
    "--map",
    "channel_map",
    type=click.Path(path_type=Path),
    help="Channel map for rows that name none; channels.csv beside the manifest by default.",
)
@click.option(
    "--normalise",
    type=click.Choice(["none", "subject-maximum", "trial", "mvc", "fixed"]),
    default="none",
    show_default=True,
    help="none keeps the EMG as in the files; the others divide each muscle by the subject's "
    "largest value over all conditions, by the trial's own range, by the row's mvc recordings, or "
    "by the channel map's reference.",
)
@click.option("--name", help="Name of the cohort; the manifest's file name by default.")
@click.option(
    "--shortest", default=0.4, show_default=True, help="Shortest cycle between two contacts, s."
)
@click.option(
    "--longest", default=3.0, show_default=True, help="Longest cycle between two contacts, s."
)
@json_option("the report")
@output_option("Cohort folder to write.")
def build(
    manifest: Path,
    *,
    channel_map: Path | None,
    normalise: Any,
    name: str | None,
    shortest: float,
    longest: float,
    as_json: bool,
    output: Path,
) -> None:
    """Build a cohort from the trials in MANIFEST, a CSV table with one row a trial.

    Columns: subject, condition, speed, side (r or l), simulated, emg (.sto, .mot, .csv; EMG also
    .c3d), and one of: ground_reaction and plate (such as 1_ground_force); markers (.trc), heel and
    pelvis; events (a CSV with trial, side, event, time); start and end (s). Optional: threshold
    (N), until (the same or the other foot's contact), trial, cycle, map, recipe, rate (Hz), unit,
    emg_offset (s), drop, mvc. The channel map is a CSV table with the columns column, muscle and,
    optional, electrode and counterparts.
    """
    from nem2e_tf.cohorts.manifest.build import build_cohort

    cohort = build_cohort(
        manifest,
        channel_map=channel_map,
        name=name,
        normalise=normalise,
        shortest=shortest,
        longest=longest,
    )
    folder = cohort.save(output)
    report = cohort.report
    echo_report(report)
    echo_checks(cohort)
    if as_json:
        found = {"folder": str(folder), "digest": cohort.digest, **report.as_dict()}
        click.echo(json.dumps(found, indent=1, allow_nan=False))
    else:
        click.echo(f"{folder}: {size(cohort)}; {len(report.cycles_left_out)} cycles left out")


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
    "channel_map",
    type=click.Path(path_type=Path),
    help="Channel map (column, muscle) of EMG files whose columns are named 'Pin 7' and the like.",
)
def hamner2013(
    folder: Path, *, muscles: str, channel_map: Path | None, output: Path, as_json: bool
) -> None:
    """Running, Hamner & Delp (2013): simtk.org/projects/nmbl_running, unpacked into DIR.

    10 runners at 2 to 5 m/s; cycles from right contact to right contact; raw EMG, made envelopes
    and divided by each subject's maximum over all speeds.
    """
    from nem2e_tf.cohorts.datasets.hamner2013 import find

    _import(find(folder, muscles=muscles, channel_map=channel_map), output, as_json=as_json)


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
    from nem2e_tf.cohorts.datasets.liu2008 import find

    found = find(folder, muscles=muscles, side=side)
    _import(found, output, as_json=as_json)


def _import(found: "Found", output: Path, *, as_json: bool) -> None:
    from nem2e_tf.cohorts.datasets.release import COHORT, import_found, summary

    imported = import_found(found, output)
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    echo_report(imported.cohort.report)
    echo_checks(imported.cohort)
    rows = summary(imported.findings)
    if as_json:
        told = {
            "folder": str(output),
            "digest": imported.cohort.digest,
            "summary": rows,
            "found": [finding.as_dict() for finding in imported.findings],
            **imported.cohort.report.as_dict(),
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


_FORMATS = (".pdf", ".svg", ".png")
_DOTS_AN_INCH = 200
_MOST_GROUPS = 12


@click.command()
@click.argument("cohort", type=click.Path(path_type=Path))
@click.option(
    "--muscle", "muscles", multiple=True, help="Only this muscle; may be repeated.  [default: all]"
)
@click.option("--subject", "subjects", multiple=True, help="Only this subject; may be repeated.")
@click.option(
    "--by",
    default="condition",
    show_default=True,
    help="Column of the cycles that makes the columns of the picture: condition, subject, side.",
)
@click.option(
    "--relative",
    is_flag=True,
    help="Curves as shares of their largest mean, for EMG that is not normalised.",
)
@output_option("Picture to write: .pdf, .svg or .png.")
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
    # Speeds in order, where the columns have any.
    table = loaded.cycles
    order = table["speed"].to_numpy(dtype=float).argsort(kind="stable")
    groups = [str(value) for value in table[by].iloc[order]]
    if len(set(groups)) > _MOST_GROUPS:
        raise InputError(
            f"--by {by}: expected at most {_MOST_GROUPS} groups side by side, found "
            f"{len(set(groups))}; choose some with --subject, or another column"
        )
    chosen = [names.index(name) for name in muscles or names]
    simulated = np.stack(
        [
            np.asarray(loaded.simulated[:, :, list(loaded.counterparts[i])]).mean(axis=2)
            for i in chosen
        ],
        axis=2,
    )
    figure = draw_curves(
        np.asarray(loaded.measured[:, :, chosen])[order],
        simulated[order],
        muscles=[names[i] for i in chosen],
        groups=groups,
        title=f"{loaded.name}{': ' + ', '.join(subjects) if subjects else ''}",
        relative=relative,
    )
    with replacing(output) as temporary:
        figure.savefig(temporary, format=output.suffix[1:].lower(), dpi=_DOTS_AN_INCH)
    click.echo(f"{output}: {len(chosen)} muscles, {len(loaded.cycles)} cycles")


_AXIS = click.Choice(["x", "y", "z", "-x", "-y", "-z"])


@click.command()
@click.argument("source", type=PATH)
@click.option(
    "--from",
    "system",
    required=True,
    type=click.Choice(["mediapipe", "opencap", "theia", "c3d", "trc"]),
    help="What wrote SOURCE.",
)
@click.option(
    "--map",
    "mapping",
    type=PATH,
    help="CSV table (marker, source) of the model's and the file's names. By default that to "
    "Rajagopal's model; c3d and trc keep their names.",
)
@click.option("--up", type=_AXIS, help="The file's axis that points up.")
@click.option("--forward", type=_AXIS, help="The file's axis along which the person goes.")
@click.option("--rate", type=float, default=math.nan, help="Hz, of a CSV file without times.")
@click.option(
    "--visibility", default=0.5, show_default=True, help="MediaPipe's landmarks below it are gaps."
)
@click.option("--model", type=PATH, help="OpenSim model that has to have the markers.")
@output_option("Marker file to write (.trc).")
def markers(
    source: Path,
    *,
    system: str,
    mapping: Path | None,
    up: str | None,
    forward: str | None,
    rate: float,
    visibility: float,
    model: Path | None,
    output: Path,
) -> None:
    """Make a marker file (m, y up) of SOURCE: .csv, .trc or .c3d.

    mediapipe: CSV of world landmarks (time, LEFT_HIP_x, LEFT_HIP_y, LEFT_HIP_z,
    LEFT_HIP_visibility, ...). opencap: its marker file, or a CSV of the same names. theia: C3D
    with rotations of segments. c3d, trc: markers. Gaps stay gaps and are told.
    """
    from nem2e_tf.io.trc import write_trc
    from nem2e_tf.simulate.markers.converting import convert

    if output.suffix.lower() != ".trc":
        raise InputError(f"{output}: expected a name that ends in .trc")
    found = convert(
        source,
        system,
        mapping=mapping,
        up=up,
        forward=forward,
        rate=rate,
        visibility=visibility,
        model=model,
    )
    write_trc(output, found.markers)
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    frames, count = found.markers.positions.shape[:2]
    click.echo(f"{output}: {count} markers, {frames} frames")
