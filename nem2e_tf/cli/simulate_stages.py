"""``nem2e-tf simulate mujoco``: activation of a motion without OpenSim.

``nem2e-tf simulate chain``: from markers and ground reaction to an activation file.

``nem2e-tf simulate rra|so|cmc|moco``: the stages that find forces; they share their inputs.

``nem2e-tf simulate ik``: inverse kinematics.

``nem2e-tf simulate scale``: a generic model made into a subject's.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nem2e_tf.cli.options import PATH, Function, json_option, output_option
from nem2e_tf.cli.simulate_options import (
    StageProgress,
    echo_result,
    gate_table,
    numbers,
    own_or_options,
    setup_argument,
    span_options,
)
from nem2e_tf.errors import InputError

if TYPE_CHECKING:
    from nem2e_tf.simulate.opensim.chain import Chain, ChainSettings, Outcome


def chain_options(function: Function) -> Function:
    """Add the options of a chain, but for the motion."""
    for option in reversed(
        (
            click.option("--model", type=PATH, help="Scaled or generic model (.osim)."),
            click.option("--mass", type=float, help="Of the subject, kg; scales the model."),
            click.option("--height", type=float, help="Of the subject, m; needs --model-height."),
            click.option("--model-height", type=float, help="Of the generic model, m."),
            click.option("--static", type=PATH, help="Marker file of the subject standing."),
            click.option("--measurements", type=PATH, help="OpenSim's MeasurementSet for it."),
            click.option("--factors", type=PATH, help="OpenSim's ScaleSet."),
            click.option("--marker-set", type=PATH, help="OpenSim's MarkerSet for the model."),
            click.option("--static-tasks", type=PATH, help="IKTaskSet that places its markers."),
            click.option("--tasks", type=PATH, help="OpenSim's IKTaskSet with markers' weights."),
            click.option("--skip-missing", is_flag=True, help="Leave out tasks without a marker."),
            click.option(
                "--load",
                multiple=True,
                metavar="BODY=PREFIX",
                help="Body that a plate acts on, such as calcn_l=1_ground_force_v.",
            ),
            span_options,
            click.option(
                "--method",
                type=click.Choice(["so", "cmc", "moco"]),
                default="so",
                show_default=True,
                help="Static optimization, computed muscle control or MocoInverse.",
            ),
            click.option("--rra", is_flag=True, help="Reduce residuals first."),
            click.option("--cutoff", default=6.0, show_default=True, help="Of joint angles, Hz."),
            click.option(
                "--reserve", default=1.0, show_default=True, help="Of reserve actuators, N m."
            ),
            click.option(
                "--every", default=1, show_default=True, help="Rows a step of static optimization."
            ),
        )
    ):
        function = option(function)
    return function


@click.command()
@click.argument("project", required=False, type=PATH)
@click.option("--motion", type=PATH, help="Markers (.trc) or joint angles (.mot, .sto).")
@click.option("--forces", type=PATH, help="Ground reaction (.mot, .sto) or loads (.xml).")
@chain_options
@click.option("--jobs", default=1, show_default=True, help="Trials at a time, of a project.")
@click.option("--strict", is_flag=True, help="Stop at a quality gate that is not passed.")
@json_option("stages and gates")
@output_option("Folder to write.")
def chain(
    project: Path | None, *, jobs: int, strict: bool, as_json: bool, output: Path, **given: Any
) -> None:
    """Go from markers and ground reaction to activation.sto, with a table of quality gates.

    Finished stages are not run again. PROJECT, if given, is a TOML file that describes the trials
    of many subjects; keys are named like the options, with _ for -, and hold for all below them:

    \b
        model = "generic.osim"
        [[subject]]
        name = "S01"
        mass = 72.6
        static = "S01/static.trc"
        measurements = "measurements.xml"
        [[subject.trial]]
        name = "walk1"
        motion = "S01/walk1.trc"
        forces = "S01/walk1_grf.mot"
    """  # noqa: D301
    if project is not None:
        own_or_options(project, given, needed=())
        from nem2e_tf.simulate.opensim.chain import read_project, run_project

        trials = read_project(project)
        with StageProgress() as progress:
            outcomes = run_project(
                trials, output, jobs=jobs, strict=strict, watch=progress.watch, finished=_told
            )
        _echo_project(outcomes, output, as_json=as_json)
        return
    own_or_options(None, given, needed=("model", "motion", "forces"))
    from nem2e_tf.simulate.opensim.chain import ChainSettings, run_chain

    with StageProgress() as progress:
        settings = ChainSettings(**given)
        done = run_chain(settings, output, watch=progress.watch(), strict=strict)
    echo_notes([("", done)])
    if as_json:
        click.echo(json.dumps(done.as_dict(), indent=1, allow_nan=False))
        return
    for line in gate_table([("", result) for result in done.stages]):
        click.echo(line)
    click.echo(f"{done.activation}: {summary(done)}")


def echo_notes(chains: "list[tuple[str, Chain]]") -> None:
    """Print what is to be known about chains, with their trials, each line once."""
    said: dict[str, None] = {}
    for trial, done in chains:
        for note in (*done.notes, *(note for result in done.stages for note in result.notes)):
            said.setdefault(f"note: {trial + ': ' if trial else ''}{note}")
    for line in said:
        click.echo(line, err=True)


def summary(done: "Chain") -> str:
    """Say in a line what a chain did."""
    reused = sum(result.reused for result in done.stages)
    names = ", ".join(result.stage for result in done.stages)
    failed = len(done.failed_gates)
    return (
        f"{names}{f' ({reused} there already)' if reused else ''}; "
        f"{f'{failed} quality gates NOT passed' if failed else 'all quality gates passed'}"
    )


def settings_of(given: dict[str, Any], motion: Path, forces: Path) -> "ChainSettings":
    """Make the settings of one motion."""
    from nem2e_tf.simulate.opensim.chain import ChainSettings

    return ChainSettings(**given, motion=motion, forces=forces)


def _told(outcome: "Outcome") -> None:
    if outcome.chain is None:
        click.echo(f"nem2e-tf: {outcome.trial.title}: {outcome.error}", err=True)
    else:
        click.echo(f"nem2e-tf: {outcome.trial.title}: finished", err=True)


def _echo_project(outcomes: "list[Outcome]", output: Path, *, as_json: bool) -> None:
    done = [(o.trial.title, o.chain) for o in outcomes if o.chain is not None]
    echo_notes(done)
    failed = [outcome for outcome in outcomes if outcome.chain is None]
    if as_json:
        told = {
            o.trial.title: o.chain.as_dict() if o.chain is not None else {"error": o.error}
            for o in outcomes
        }
        click.echo(json.dumps(told, indent=1, allow_nan=False))
    else:
        for line in gate_table([(title, r) for title, one in done for r in one.stages]):
            click.echo(line)
        click.echo(f"{output}: {len(done)} of {len(outcomes)} trials finished")
    if failed:
        raise InputError(
            f"{len(failed)} of {len(outcomes)} trials failed, first {failed[0].trial.title}: "
            f"{failed[0].error}"
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
    from nem2e_tf.simulate.opensim.tracking import RraSettings, reduce_residuals

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
    from nem2e_tf.simulate.opensim.so import SoSettings, static_optimization

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
    from nem2e_tf.simulate.opensim.tracking import CmcSettings, computed_muscle_control

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
    from nem2e_tf.simulate.opensim.moco import MocoSettings, moco_inverse

    with StageProgress() as progress:
        settings = own or MocoSettings(**_prepare(given))
        result = moco_inverse(settings, output, watch=progress.watch())
    echo_result(result, as_json=as_json)


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
    from nem2e_tf.simulate.opensim.ik import IkSettings, inverse_kinematics

    given["weights"] = numbers(given["weights"], option="--weight")
    with StageProgress() as progress:
        result = inverse_kinematics(own or IkSettings(**given), output, watch=progress.watch())
    echo_result(result, as_json=as_json)


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
    from nem2e_tf.simulate.opensim.scale import ScaleSettings
    from nem2e_tf.simulate.opensim.scale import scale as scale_model

    with StageProgress() as progress:
        result = scale_model(own or ScaleSettings(**given), output, watch=progress.watch())
    echo_result(result, as_json=as_json)


_PARTS = (slice(0, 3), slice(3, 6))


@click.command(name="mujoco")
@click.argument("motion", type=PATH)
@click.argument("ground_reaction", metavar="GROUND_REACTION", type=PATH)
@click.option(
    "--plate-right", required=True, help="Prefix of the right foot's columns: ground_force_r."
)
@click.option("--plate-left", required=True, help="Prefix of the left foot's columns.")
@click.option(
    "--model", "scaled_model", type=PATH, help="Scaled .osim to take segment lengths and mass from."
)
@click.option("--mass", type=float, help="Of the person, kg.  [default: that of --model]")
@click.option(
    "--myolegs", type=PATH, help="Model file of myoLegs.  [default: that of the package myo-sim]"
)
@click.option(
    "--cutoff", default=6.0, show_default=True, help="Low-pass of the joint angles, Hz; 0 for none."
)
@click.option(
    "--angles",
    type=click.Choice(["degrees", "radians"]),
    help="Unit of the angles, where MOTION does not say.",
)
@click.option("--rate", default=100.0, show_default=True, help="Frames a second of the result.")
@click.option("--start", type=float, help="s.  [default: start of what both files cover]")
@click.option("--end", type=float, help="s.  [default: end of what both files cover]")
@click.option("--moments", type=PATH, help="Also write the joint moments to this file.")
@json_option("the quality table")
@output_option("Activation file to write (.sto).")
def mujoco(
    motion: Path,
    ground_reaction: Path,
    *,
    plate_right: str,
    plate_left: str,
    scaled_model: Path | None,
    mass: float | None,
    myolegs: Path | None,
    cutoff: float,
    angles: str | None,
    rate: float,
    start: float | None,
    end: float | None,
    moments: Path | None,
    as_json: bool,
    output: Path,
) -> None:
    """Static optimization with MuJoCo's myoLegs model, where OpenSim does not install.

    MOTION holds joint angles of inverse kinematics (Rajagopal's or gait2392's coordinates),
    GROUND_REACTION forces (N), centres of pressure (m) and torques of both feet, y up. Written are
    activations of 80 muscles under Rajagopal's names, and reserves (N m).
    """
    from nem2e_tf.io.storage import write_storage
    from nem2e_tf.simulate.mujoco.route import RESERVE_LIMIT, RESIDUAL_LIMIT, simulate

    for path in filter(None, (output, moments)):
        if not path.parent.is_dir():
            raise InputError(f"{path}: expected an existing folder {path.parent}, found none")
    found = simulate(
        motion,
        ground_reaction,
        plates={"r": plate_right, "l": plate_left},
        mass=mass,
        scaled_model=scaled_model,
        myolegs=myolegs,
        cutoff=cutoff,
        in_degrees=None if angles is None else angles == "degrees",
        rate=rate,
        start=start,
        end=end,
    )
    write_storage(output, found.activation)
    if moments:
        write_storage(moments, found.moments)
    for note in found.notes:
        click.echo(note, err=True)
    failed = [gate.coordinate for gate in found.gates if not gate.passed]
    if failed:
        click.echo(
            f"warning: reserves above {RESERVE_LIMIT:.0%} of the moment (and 1 N m) in "
            f"{', '.join(failed)}: the muscles could not do this motion; check plates, model and "
            "mass",
            err=True,
        )
    if found.imbalance > RESIDUAL_LIMIT:
        click.echo(
            f"warning: {found.imbalance:.0%} of the body weight is not balanced (at most "
            f"{RESIDUAL_LIMIT:.0%} expected): are the plates of the right feet, and axes, clock "
            "and mass right?",
            err=True,
        )
    if as_json:
        table = [
            {
                "coordinate": gate.coordinate,
                "moment": gate.moment,
                "reserve": gate.reserve,
                "share": gate.share,
                "passed": gate.passed,
            }
            for gate in found.gates
        ]
        told = {
            "activation": str(output),
            "reserves": table,
            "residual": found.residual.tolist(),
            "imbalance": found.imbalance,
            "seconds_a_frame": found.seconds_a_frame,
            "notes": list(found.notes),
        }
        click.echo(json.dumps(told, indent=1, allow_nan=False))
        return
    click.echo("coordinate          peak moment, N m   peak reserve, N m   share")
    for gate in found.gates:
        click.echo(
            f"{gate.coordinate:<18}  {gate.moment:16.1f}   {gate.reserve:17.2f}   "
            f"{format(gate.share, '.1%') if gate.moment >= 1 else '-'}"
            f"{'' if gate.passed else '  too much'}"
        )
    force, moment = (float((found.residual[part] ** 2).sum() ** 0.5) for part in _PARTS)
    click.echo(
        f"residual at the pelvis (root mean square): {force:.1f} N ({found.imbalance:.0%} of the "
        f"weight), {moment:.1f} N m"
    )
    rows = found.activation.n_rows
    click.echo(f"{output}: {rows} rows, {1e3 * found.seconds_a_frame:.1f} ms a frame")
