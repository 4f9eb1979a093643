"""``nem2e-tf refine``: apply a refiner, or an exported file, to an activation file."""

import os
from pathlib import Path

import click

from nem2e_tf.cli.options import execute_source_option, output_option
from nem2e_tf.errors import InputError


@click.command()
@click.argument("refiner", type=click.Path(path_type=Path))
@click.argument("activation", type=click.Path(path_type=Path))
@click.option("--side", type=click.Choice(["left", "right"]), required=True, help="Leg to refine.")
@click.option(
    "--ground-reaction",
    type=click.Path(path_type=Path),
    help="Ground-reaction file; cycles run from contact to contact.",
)
@click.option("--plate", help="How that leg's force columns begin, such as 1_ground_force.")
@click.option("--threshold", type=float, help="Vertical force of a contact, N; 30 if not given.")
@click.option(
    "--events", type=click.Path(path_type=Path), help="CSV with columns start and end, in seconds."
)
@execute_source_option
@output_option("Storage file to write.")
def command(
    refiner: Path,
    activation: Path,
    side: str,
    ground_reaction: Path | None,
    plate: str | None,
    threshold: float | None,
    events: Path | None,
    execute_source: bool,
    output: Path,
) -> None:
    """Refine an activation file, cycle by cycle, on its own time grid.

    REFINER is a refiner folder, an export folder, a SavedModel, or a .tflite or .onnx file;
    ACTIVATION is a storage file with one column per muscle and side. Rows outside complete
    cycles are left out and reported.
    """
    if (ground_reaction is None) == (events is None):
        raise click.UsageError("give either --ground-reaction with --plate, or --events")
    if (ground_reaction is None) != (plate is None):
        raise click.UsageError("--ground-reaction and --plate go together")
    # before NumPy is loaded: on matrices as small as these, BLAS threads cost more than they give
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from nem2e_tf.export.runtime.load import load, locate
    from nem2e_tf.io.quiet import quiet_stderr
    from nem2e_tf.io.storage import read_storage, write_storage
    from nem2e_tf.refiners.recording import refine_recording
    from nem2e_tf.signals.gait import THRESHOLD, cycles_of_plate, read_events

    if output.exists() and activation.exists() and output.samefile(activation):
        raise InputError(f"{output}: expected another file than the activation file")
    if not output.absolute().parent.is_dir():
        raise InputError(f"{output}: expected an existing folder {output.parent}, found none")
    locate(refiner)  # before TensorFlow, which takes seconds to load
    recording = read_storage(activation)
    notes = [f"{activation}: {note}" for note in recording.notes]
    if events is not None:
        cycles, found = read_events(events)
        notes += [f"{events}: {note}" for note in found]
    else:
        forces = read_storage(str(ground_reaction))
        cycles, found = cycles_of_plate(
            forces, plate=str(plate), threshold=THRESHOLD if threshold is None else threshold
        )
        notes += [f"{ground_reaction}: {note}" for note in (*forces.notes, *found)]
    with quiet_stderr():
        refined = refine_recording(
            load(refiner, execute_source=execute_source), recording, cycles, side=side[0]
        )
    notes += [f"{activation}: {note}" for note in refined.notes]
    write_storage(output, refined.storage)
    for note in notes:
        click.echo(note, err=True)
    click.echo(
        f"{output}: {refined.storage.n_rows} rows, {len(refined.cycles)} cycles, "
        f"{len(refined.storage.labels)} muscles"
    )
