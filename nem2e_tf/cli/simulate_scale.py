"""``nem2e-tf simulate scale``: a generic model made into a subject's."""

from pathlib import Path
from typing import Any

import click

from nem2e_tf.cli.options import PATH, json_option, output_option
from nem2e_tf.cli.simulate_text import (
    StageProgress,
    echo_result,
    own_or_options,
    setup_argument,
    span_options,
)


@click.command()
@setup_argument
@click.option("--model", type=PATH, help="Generic model (.osim).")
@click.option("--mass", type=float, help="Of the subject, kg.")
@click.option("--static", type=PATH, help="Marker file of the subject standing (.trc).")
@click.option(
    "--measurements",
    type=PATH,
    help="OpenSim's MeasurementSet: which markers' distances scale which bodies.",
)
@click.option("--factors", type=PATH, help="OpenSim's ScaleSet: factors given by hand.")
@click.option("--marker-set", type=PATH, help="OpenSim's MarkerSet, where the model has none.")
@click.option("--tasks", type=PATH, help="IKTaskSet by which the model's markers are placed.")
@click.option("--height", type=float, help="Of the subject, m: one factor for all bodies.")
@click.option("--model-height", type=float, help="Of the generic model, m.")
@click.option(
    "--keep-mass-distribution", is_flag=True, help="Bodies keep their shares of the mass."
)
@span_options
@json_option("the result")
@output_option("Folder to write.")
def scale(setup: Path | None, *, output: Path, as_json: bool, **given: Any) -> None:
    """Scale a model by a static trial, by factors, or by height; or change its mass alone.

    SETUP, if given, is your own setup file of OpenSim's ScaleTool.
    """
    own = own_or_options(setup, given, needed=("model", "mass"))
    from nem2e_tf.simulate.scale import ScaleSettings
    from nem2e_tf.simulate.scale import scale as scale_model

    with StageProgress() as progress:
        result = scale_model(own or ScaleSettings(**given), output, watch=progress.watch())
    echo_result(result, as_json=as_json)
