"""``nem2e-tf estimate``: motion in, refined EMG-like activity out."""

import os
from pathlib import Path
from typing import Any

import click

from nem2e_tf.cli.options import PATH, json_option, output_option
from nem2e_tf.cli.simulate_stages import (
    StageProgress,
    echo_gates,
    echo_json,
    echo_notes,
    settings_options,
    summary,
)
from nem2e_tf.simulate.opensim.chain import ChainSettings


@click.command()
@click.argument("motions", metavar="MOTION...", nargs=-1, required=True, type=PATH)
@click.option(
    "--refiner", required=True, type=PATH, help="Refiner folder, export folder or exported file."
)
@click.option("--side", type=click.Choice(["left", "right"]), required=True, help="Leg to refine.")
@click.option(
    "--forces",
    multiple=True,
    type=PATH,
    help="Ground reaction (.mot, .sto) or loads (.xml); one for each MOTION, in their order.",
)
@click.option(
    "--events",
    type=PATH,
    help="CSV with start and end of cycles, s, if the plate of that foot does not show them.",
)
@click.option("--threshold", type=float, help="Vertical force of a contact, N.  [default: 30]")
@click.option("--emg", type=PATH, help="Measured EMG envelopes to compare with, of one MOTION.")
@settings_options(ChainSettings, hidden=("motion", "forces"))
@click.option("--jobs", default=1, show_default=True, help="Trials in parallel.")
@click.option("--strict", is_flag=True, help="Stop a trial at a quality gate that fails.")
@json_option("trials, gates and correlations")
@output_option("Folder to write.")
def command(
    motions: tuple[Path, ...],
    *,
    forces: tuple[Path, ...],
    as_json: bool,
    output: Path,
    **given: Any,
) -> None:
    """Estimate muscle activity from motion: simulate it, then refine it.

    MOTION is a marker file (.trc) or joint angles (.mot, .sto), one for each trial, or a project
    file (.toml, see 'simulate chain'). Each trial gets a folder with its stages, activation.sto and
    refined.sto; refined.png shows simulated and refined curves of all.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from nem2e_tf.simulate.estimate import estimate

    with StageProgress() as progress:
        done = estimate(motions, forces=forces, out=output, watch=progress.watch, **given)
    echo_notes([(trial.title, trial.chain) for trial in done.trials])
    for trial in done.trials:
        for note in trial.notes:
            click.echo(f"note: {trial.title}: {note}", err=True)
    if as_json:
        echo_json(done.as_dict())
        return
    echo_gates((trial.title, result) for trial in done.trials for result in trial.chain.stages)
    for line in done.table().splitlines():
        click.echo(line)
    for trial in done.trials:
        count = f"{trial.cycles} cycle{'s'[: trial.cycles != 1]}"
        click.echo(f"{trial.path}: {count}; {summary(trial.chain)}")
    click.echo(f"{done.picture}: {len(done.trials)} trial{'s'[: len(done.trials) != 1]}")
