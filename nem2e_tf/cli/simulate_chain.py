"""``nem2e-tf simulate chain``: from markers and ground reaction to an activation file."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nem2e_tf.cli.options import PATH, Function, json_option, output_option
from nem2e_tf.cli.simulate_text import StageProgress, gate_table, own_or_options, span_options
from nem2e_tf.errors import InputError

if TYPE_CHECKING:
    from nem2e_tf.simulate.chain import Chain, ChainSettings
    from nem2e_tf.simulate.project import Outcome


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
        from nem2e_tf.simulate.project import read_project, run_project

        trials = read_project(project)
        with StageProgress() as progress:
            outcomes = run_project(
                trials, output, jobs=jobs, strict=strict, watch=progress.watch, finished=_told
            )
        _echo_project(outcomes, output, as_json=as_json)
        return
    own_or_options(None, given, needed=("model", "motion", "forces"))
    from nem2e_tf.simulate.chain import ChainSettings, run_chain

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
    from nem2e_tf.simulate.chain import ChainSettings

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
