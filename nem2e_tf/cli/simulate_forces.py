"""``nem2e-tf simulate rra|so|cmc|moco``: the stages that find forces; they share their inputs."""

from pathlib import Path
from typing import Any

import click

from nem2e_tf.cli.options import PATH, Function, json_option, output_option
from nem2e_tf.cli.simulate_text import (
    StageProgress,
    echo_result,
    numbers,
    own_or_options,
    setup_argument,
    span_options,
)

_NEEDED = ("model", "motion", "forces")


def _inputs(function: Function) -> Function:
    for option in (
        output_option("Folder to write."),
        json_option("the result"),
        click.option(
            "--cutoff",
            type=float,
            default=6.0,
            show_default=True,
            help="Low-pass filter of the motion, Hz; -1 for none.",
        ),
        span_options,
        click.option(
            "--load",
            multiple=True,
            metavar="BODY=PREFIX",
            help="Body that a plate acts on, such as calcn_l=1_ground_force_v; for each plate, "
            "where the columns' names do not tell.",
        ),
        click.option("--forces", type=PATH, help="Ground reaction (.mot, .sto) or loads (.xml)."),
        click.option("--motion", type=PATH, help="Joint angles (.mot, .sto)."),
        click.option("--model", type=PATH, help="Scaled model (.osim)."),
    ):
        function = option(function)
    return function


def _reserves(function: Function) -> Function:
    for option in (
        click.option(
            "--reserve-of",
            "reserves",
            multiple=True,
            metavar="COORDINATE=NUMBER",
            help="Reserve of one coordinate. May be repeated.",
        ),
        _reserve,
    ):
        function = option(function)
    return function


_reserve = click.option(
    "--reserve",
    type=float,
    default=1.0,
    show_default=True,
    help="Optimal force of reserve actuators, N m: the smaller, the dearer to use.",
)


def _tracking(function: Function) -> Function:
    for option in (
        click.option("--constraints", type=PATH, help="OpenSim's ControlSet with bounds."),
        click.option("--actuators", type=PATH, help="OpenSim's ForceSet with the actuators."),
        click.option(
            "--weight",
            "weights",
            multiple=True,
            metavar="COORDINATE=NUMBER",
            help="How closely a coordinate is tracked. May be repeated.",
        ),
        click.option("--tasks", type=PATH, help="OpenSim's CMC_TaskSet with all weights."),
    ):
        function = option(function)
    return function


def _prepare(given: dict[str, Any]) -> dict[str, Any]:
    for name, option in (("weights", "--weight"), ("reserves", "--reserve-of")):
        if name in given:
            given[name] = numbers(given[name], option=option)
    return given


@click.command()
@setup_argument
@_inputs
@_tracking
@click.option(
    "--adjust-body",
    default="torso",
    show_default=True,
    help="Body whose centre of mass is moved; empty for none.",
)
def rra(setup: Path | None, *, output: Path, as_json: bool, **given: Any) -> None:
    """Adjust joint angles and the trunk's centre of mass to the ground reaction.

    SETUP, if given, is your own setup file of OpenSim's RRATool.
    """
    own = own_or_options(setup, given, needed=_NEEDED)
    from nem2e_tf.simulate.rra import RraSettings, reduce_residuals

    with StageProgress() as progress:
        settings = own or RraSettings(**_prepare(given))
        result = reduce_residuals(settings, output, watch=progress.watch())
    echo_result(result, as_json=as_json)


@click.command()
@setup_argument
@_inputs
@_reserves
@click.option("--exponent", default=2.0, show_default=True, help="Of the activations summed.")
@click.option("--every", default=1, show_default=True, help="Take every n-th row of the motion.")
def so(setup: Path | None, *, output: Path, as_json: bool, **given: Any) -> None:
    """Find activations by static optimization.

    SETUP, if given, is your own setup file of OpenSim's AnalyzeTool with a StaticOptimization.
    """
    own = own_or_options(setup, given, needed=_NEEDED)
    from nem2e_tf.simulate.so import SoSettings, static_optimization

    with StageProgress() as progress:
        settings = own or SoSettings(**_prepare(given))
        result = static_optimization(settings, output, watch=progress.watch())
    echo_result(result, as_json=as_json)


@click.command()
@setup_argument
@_inputs
@_reserves
@_tracking
@click.option(
    "--fast/--slow",
    default=True,
    show_default=True,
    help="Meet accelerations exactly or give up; or as well as may be.",
)
def cmc(setup: Path | None, *, output: Path, as_json: bool, **given: Any) -> None:
    """Find excitations and activations by computed muscle control.

    SETUP, if given, is your own setup file of OpenSim's CMCTool.
    """
    own = own_or_options(setup, given, needed=_NEEDED)
    from nem2e_tf.simulate.cmc import CmcSettings, computed_muscle_control

    with StageProgress() as progress:
        settings = own or CmcSettings(**_prepare(given))
        result = computed_muscle_control(settings, output, watch=progress.watch())
    echo_result(result, as_json=as_json)


@click.command()
@setup_argument
@_inputs
@_reserve
@click.option("--interval", default=0.02, show_default=True, help="Of the mesh, s.")
@click.option("--iterations", default=2000, show_default=True, help="At most.")
def moco(setup: Path | None, *, output: Path, as_json: bool, **given: Any) -> None:
    """Find activations by MocoInverse.

    SETUP, if given, is your own setup file of OpenSim's MocoInverse, with files for the model, its
    kinematics and its external loads.
    """
    own = own_or_options(setup, given, needed=_NEEDED)
    from nem2e_tf.simulate.moco import MocoSettings, moco_inverse

    with StageProgress() as progress:
        settings = own or MocoSettings(**_prepare(given))
        result = moco_inverse(settings, output, watch=progress.watch())
    echo_result(result, as_json=as_json)
