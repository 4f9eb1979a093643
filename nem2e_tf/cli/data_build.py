"""``nem2e-tf data build``: a cohort from a manifest of recordings."""

import json
from pathlib import Path
from typing import Any

import click

from nem2e_tf.cli.cohort_text import echo_checks, echo_report, size
from nem2e_tf.cli.options import json_option, output_option


@click.command()
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option(
    "--map",
    "map_path",
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
    map_path: Path | None,
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
    from nem2e_tf.importers.manifest import build as build_cohort

    cohort, report = build_cohort(
        manifest,
        map_path=map_path,
        name=name,
        normalise=normalise,
        shortest=shortest,
        longest=longest,
    )
    folder = cohort.save(output)
    echo_report(report)
    echo_checks(cohort)
    if as_json:
        found = {"folder": str(folder), "digest": cohort.digest, **report.as_dict()}
        click.echo(json.dumps(found, indent=1, allow_nan=False))
    else:
        click.echo(f"{folder}: {size(cohort)}; {len(report.cycles_left_out)} cycles left out")
