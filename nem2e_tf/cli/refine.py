"""``nem2e-tf refine``: apply a refiner of any kind to an activation file."""

import os
from pathlib import Path
from typing import Any

import click

from nem2e_tf.cli.options import PATH, execute_source_option, output_option


@click.command()
@click.argument("refiner", type=PATH)
@click.argument("activation", type=PATH)
@click.option("--side", type=click.Choice(["left", "right"]), required=True, help="Leg to refine.")
@click.option(
    "--ground-reaction",
    type=PATH,
    help="Ground-reaction file; cycles last from foot contact to foot contact.",
)
@click.option(
    "--plate", help="Prefix of the force columns of that leg's plate, such as 1_ground_force."
)
@click.option("--threshold", type=float, help="Vertical force of a contact, N.  [default: 30]")
@click.option("--events", type=PATH, help="CSV with columns start and end, in seconds.")
@execute_source_option
@output_option("Storage file to write.", name="out")
def command(refiner: Path, activation: Path, out: Path, **given: Any) -> None:
    """Refine an activation file, cycle by cycle, on its own time grid.

    REFINER is a refiner folder, an export folder, a SavedModel, or a .tflite or .onnx file;
    ACTIVATION is a storage file with one column per muscle and side. Rows outside complete
    cycles are left out and reported.
    """
    # before NumPy is loaded: for matrices as small as these, BLAS threads cost more than they save
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from nem2e_tf.front import refine_recording

    refined = refine_recording(refiner, activation, out=out, **given)
    for note in refined.notes:
        click.echo(note, err=True)
    click.echo(
        f"{out}: {refined.storage.n_rows} rows, {len(refined.cycles)} cycles, "
        f"{len(refined.storage.labels)} muscles"
    )
