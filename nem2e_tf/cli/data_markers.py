"""``nem2e-tf data markers``: a marker file for OpenSim from another system's motion."""

import math
from pathlib import Path

import click

from nem2e_tf.cli.options import PATH, output_option
from nem2e_tf.errors import InputError

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
    from nem2e_tf.markers.converting import convert
    from nem2e_tf.trc import write_trc

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
