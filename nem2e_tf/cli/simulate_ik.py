"""``nem2e-tf simulate ik``: inverse kinematics."""

from pathlib import Path
from typing import Any

import click

from nem2e_tf.cli.options import PATH, json_option, output_option
from nem2e_tf.cli.simulate_text import (
    StageProgress,
    echo_result,
    numbers,
    own_or_options,
    setup_argument,
    span_options,
)


@click.command()
@setup_argument
@click.option("--model", type=PATH, help="Scaled model with markers (.osim).")
@click.option("--markers", type=PATH, help="Marker file (.trc).")
@click.option(
    "--tasks",
    type=PATH,
    help="OpenSim's IKTaskSet with the markers' weights.  [default: 1 for each marker that model "
    "and file have]",
)
@click.option(
    "--weight",
    "weights",
    multiple=True,
    metavar="MARKER=NUMBER",
    help="Weight of a marker where there are no tasks; 0 leaves it out. May be repeated.",
)
@click.option("--skip-missing", is_flag=True, help="Leave out tasks whose marker is missing.")
@span_options
@json_option("the result")
@output_option("Folder to write.")
def ik(setup: Path | None, *, output: Path, as_json: bool, **given: Any) -> None:
    """Find joint angles from markers.

    SETUP, if given, is your own setup file of OpenSim's InverseKinematicsTool.
    """
    own = own_or_options(setup, given, needed=("model", "markers"))
    from nem2e_tf.simulate.ik import IkSettings, inverse_kinematics

    given["weights"] = numbers(given["weights"], option="--weight")
    with StageProgress() as progress:
        result = inverse_kinematics(own or IkSettings(**given), output, watch=progress.watch())
    echo_result(result, as_json=as_json)
