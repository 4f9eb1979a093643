"""The commands of ``nem2e-tf simulate``: one per OpenSim tool, ``chain`` and ``mujoco``.

The options of a stage are the fields of its settings: names, types and defaults are those of the
dataclass, and the help is the description of the attribute in its docstring.
"""

import dataclasses
import inspect
import json
import re
import threading
import time
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from nem2e_tf.cli.options import PATH, Function, json_option, output_option
from nem2e_tf.errors import InputError
from nem2e_tf.simulate.opensim.chain import (
    TOOLS,
    Chain,
    ChainSettings,
    Outcome,
    read_project,
    run_chain,
    run_project,
)
from nem2e_tf.simulate.opensim.stage import Result, Tool, run_stage

# Without a terminal, a line is printed whenever this share of a stage has been finished.
_SHARE = 0.25


def settings_options(
    settings: type, *, hidden: Sequence[str] = ()
) -> Callable[[Function], Function]:
    """Add one option per field of a dataclass of settings, except the hidden ones.

    Metadata of a field may give the name of its option (``option``) and its ``metavar``.
    """
    kinds, texts = typing.get_type_hints(settings), _descriptions(settings)
    options = [
        _option(field, kinds[field.name], texts.get(field.name))
        for field in dataclasses.fields(settings)
        if field.name not in hidden
    ]

    def add(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def _option(
    field: "dataclasses.Field[Any]", kind: Any, text: str | None
) -> Callable[[Function], Function]:
    flag = field.metadata.get("option", f"--{field.name.replace('_', '-')}")
    more: dict[str, Any] = {"help": text, "metavar": field.metadata.get("metavar")}
    if isinstance(kind, types.UnionType):
        kind = next(part for part in typing.get_args(kind) if part is not type(None))
    origin = typing.get_origin(kind)
    if origin in (tuple, Mapping):
        more |= {"multiple": True, "help": f"{text} May be repeated."}
    elif kind is bool and "/" not in flag:
        more["is_flag"] = True
    else:
        choices = typing.get_args(kind) if origin is typing.Literal else ()
        more["type"] = click.Choice(choices) if choices else PATH if kind is Path else kind
        if field.default not in (None, dataclasses.MISSING):
            more |= {"default": field.default, "show_default": True}
    return click.option(flag, field.name, **more)


def _descriptions(settings: type) -> dict[str, str]:
    """Description of each attribute, from the docstrings of a class and its bases."""
    found = {}
    for one in reversed(settings.__mro__):
        attributes = (inspect.getdoc(one) or "").partition("\nAttributes\n----------\n")[2]
        for name, text in re.findall(r"^(\w+) : .*\n((?:    .*\n?)+)", attributes, re.MULTILINE):
            found[name] = " ".join(text.split())
    return found


def check_use(setup: Path | None, given: Mapping[str, Any], *, needed: Sequence[str]) -> None:
    """Require either a file (setup or project) or the needed options.

    Raises
    ------
    click.UsageError
        Both or neither are given.
    """
    context = click.get_current_context()
    flags = {param.name: param.opts[0] for param in context.command.params}
    if setup is not None:
        named = [n for n in given if context.get_parameter_source(n) is ParameterSource.COMMANDLINE]
        if named:
            raise click.UsageError(
                f"{flags[named[0]]}: expected no settings with {setup}; change them there"
            )
        return
    missing = [name for name in needed if not given[name]]
    if missing:
        argument = next(p for p in context.command.params if isinstance(p, click.Argument))
        raise click.UsageError(f"give {flags[missing[0]]}, or a {argument.human_readable_name}")


def numbers(texts: Iterable[str], *, name: str) -> dict[str, float]:
    """Read ``NAME=NUMBER``.

    Examples
    --------
    >>> numbers(["R.Heel=5"], name="weights")
    {'R.Heel': 5.0}
    """
    found = {}
    for text in texts:
        key, _, value = text.rpartition("=")
        try:
            found[key.strip()] = float(value)
        except ValueError:
            key = ""
        if not key.strip():
            raise InputError(f"{name} {text}: expected NAME=NUMBER")
    return found


class StageProgress:
    """Progress of stages on stderr with the remaining time; of several trials in parallel."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self.terminal = console.is_terminal
        self.tasks: dict[str, Any] = {}
        self.began: dict[str, float] = {}
        self.printed: dict[str, float] = {}
        self.lock = threading.Lock()

    def __enter__(self) -> "StageProgress":
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def watch(self, trial: str = "") -> Callable[[str, float], None]:
        """Return the progress callback of the stages of a trial."""

        def update(stage: str, share: float) -> None:
            with self.lock:
                self._update(f"{trial} {stage}".strip(), share)

        return update

    def _update(self, title: str, share: float) -> None:
        if title not in self.tasks:
            self.tasks[title] = self.bar.add_task(title, total=1.0)
            self.began[title], self.printed[title] = time.monotonic(), share
        self.bar.update(self.tasks[title], completed=share)
        if self.terminal or share < self.printed[title] + _SHARE or share >= 1:
            return
        self.printed[title] = share
        left = (time.monotonic() - self.began[title]) * (1 - share) / share
        click.echo(f"nem2e-tf: {title}: {share:.0%}, {left:.0f} s left", err=True)


def echo_json(content: Any) -> None:
    """Print plain values as JSON."""
    click.echo(json.dumps(content, indent=1, allow_nan=False))


def echo_gates(results: Iterable[tuple[str, Result]]) -> None:
    """Print the table of quality gates of stages, each with its trial."""
    rows = [("stage", "gate", "value", "limit", "unit", "where", "passed")]
    for trial, result in results:
        for gate in result.gates:
            stage, passed = f"{trial} {result.stage}".strip(), "yes" if gate.passed else "NO"
            value, limit = f"{gate.value:.3g}", f"{gate.limit:g}"
            rows.append((stage, gate.name, value, limit, gate.unit, gate.where or "-", passed))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            f"{cell:{'>' if column in (2, 3) else '<'}{width}}"
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def _stage_command(tool: Tool) -> click.Command:
    """Command of a stage: options from its settings, or a setup file of the user."""
    fields = [field for field in dataclasses.fields(tool.settings) if field.name not in tool.hidden]
    needed = [
        field.name
        for field in fields
        if dataclasses.MISSING is field.default is field.default_factory
    ]

    def run(*, setup: Path | None, output: Path, as_json: bool, **given: Any) -> None:
        check_use(setup, given, needed=needed)
        for field in fields:
            if field.metadata.get("metavar", "").endswith("=NUMBER"):
                given[field.name] = numbers(given[field.name], name=field.name)
        settings = setup if setup is not None else tool.settings(**given)
        with StageProgress() as progress:
            result = run_stage(tool, settings, output, watch=progress.watch())
        for note in result.notes:
            click.echo(f"note: {note}", err=True)
        if as_json:
            echo_json(result.as_dict())
            return
        if result.gates:
            echo_gates([("", result)])
        took = "finished before, not run again" if result.reused else f"{result.seconds:.1f} s"
        names = ", ".join(f"{what} {path.name}" for what, path in result.outputs.items())
        click.echo(f"{result.folder}: {names} ({took})")

    for decorate in (
        output_option("Folder to write."),
        json_option("the result"),
        settings_options(tool.settings, hidden=tool.hidden),
        click.argument("setup", required=False, type=PATH),
    ):
        run = decorate(run)
    text = f"SETUP, if given, is your own setup file for OpenSim's {tool.kind}{tool.hint}."
    return click.command(name=tool.name, help=f"{tool.title}\n\n{text}")(run)


scale, ik, rra, so, cmc, moco = map(_stage_command, TOOLS.values())


@click.command()
@click.argument("project", required=False, type=PATH)
@settings_options(ChainSettings)
@click.option("--jobs", default=1, show_default=True, help="Trials of a project in parallel.")
@click.option("--strict", is_flag=True, help="Stop at a quality gate that fails.")
@json_option("stages and gates")
@output_option("Folder to write.")
def chain(
    project: Path | None, *, jobs: int, strict: bool, as_json: bool, output: Path, **given: Any
) -> None:
    """Compute activation.sto from markers and ground reaction, with a table of quality gates.

    Finished stages are not run again. PROJECT, if given, is a TOML file that describes the trials
    of many subjects; keys are named like the options, with _ for -, and apply to all levels below:

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
    check_use(project, given, needed=("model", "motion", "forces"))
    if project is not None:
        trials = read_project(project)
        with StageProgress() as progress:
            outcomes = run_project(
                trials, output, jobs=jobs, strict=strict, watch=progress.watch, finished=_ended
            )
        _echo_project(outcomes, output, as_json=as_json)
        return
    with StageProgress() as progress:
        done = run_chain(ChainSettings(**given), output, watch=progress.watch(), strict=strict)
    echo_notes([("", done)])
    if as_json:
        echo_json(done.as_dict())
        return
    echo_gates(("", result) for result in done.stages)
    click.echo(f"{done.activation}: {summary(done)}")


def echo_notes(chains: list[tuple[str, Chain]]) -> None:
    """Print the notes of chains, with their trials, each line once."""
    lines = {
        f"note: {trial + ': ' if trial else ''}{note}": None
        for trial, done in chains
        for note in (*done.notes, *(note for result in done.stages for note in result.notes))
    }
    for line in lines:
        click.echo(line, err=True)


def summary(done: Chain) -> str:
    """Summarise the stages and gates of a chain in one line."""
    reused = sum(result.reused for result in done.stages)
    names = ", ".join(result.stage for result in done.stages)
    failed = len(done.failed_gates)
    return (
        f"{names}{f' ({reused} finished before)' if reused else ''}; "
        f"{f'{failed} quality gates NOT passed' if failed else 'all quality gates passed'}"
    )


def _ended(outcome: Outcome) -> None:
    how = outcome.error if outcome.chain is None else "finished"
    click.echo(f"nem2e-tf: {outcome.trial.title}: {how}", err=True)


def _echo_project(outcomes: list[Outcome], output: Path, *, as_json: bool) -> None:
    done = [(o.trial.title, o.chain) for o in outcomes if o.chain is not None]
    echo_notes(done)
    if as_json:
        echo_json({outcome.trial.title: outcome.as_dict() for outcome in outcomes})
    else:
        echo_gates((title, result) for title, one in done for result in one.stages)
        click.echo(f"{output}: {len(done)} of {len(outcomes)} trials finished")
    failed = [outcome for outcome in outcomes if outcome.chain is None]
    if failed:
        raise InputError(
            f"{len(failed)} of {len(outcomes)} trials failed, first {failed[0].trial.title}: "
            f"{failed[0].error}"
        )


@click.command(name="mujoco")
@click.argument("motion", type=PATH)
@click.argument("ground_reaction", metavar="GROUND_REACTION", type=PATH)
@click.option(
    "--plate-right",
    required=True,
    help="Column prefix of the right foot, such as ground_force_r.",
)
@click.option("--plate-left", required=True, help="Column prefix of the left foot.")
@click.option("--model", "scaled_model", type=PATH, help="Scaled .osim with segments and mass.")
@click.option("--mass", type=float, help="Mass of the person, kg.  [default: that of --model]")
@click.option("--myolegs", type=PATH, help="File of the myoLegs model.  [default: from myo-sim]")
@click.option(
    "--cutoff", default=6.0, show_default=True, help="Low-pass of the joint angles, Hz; 0 for none."
)
@click.option(
    "--angles",
    type=click.Choice(["degrees", "radians"]),
    help="Unit of the angles, if MOTION does not state it.",
)
@click.option("--rate", default=100.0, show_default=True, help="Frames per second of the result.")
@click.option("--start", type=float, help="s.  [default: start of the time both files cover]")
@click.option("--end", type=float, help="s.  [default: end of the time both files cover]")
@click.option("--moments", type=PATH, help="Also write the joint moments to this file.")
@json_option("the quality table")
@output_option("Activation file to write (.sto).")
def mujoco(
    motion: Path,
    ground_reaction: Path,
    *,
    plate_right: str,
    plate_left: str,
    angles: str | None,
    moments: Path | None,
    as_json: bool,
    output: Path,
    **given: Any,
) -> None:
    """Static optimization with MuJoCo's myoLegs model, where OpenSim cannot be installed.

    MOTION holds joint angles of inverse kinematics (coordinates of Rajagopal's model or gait2392),
    GROUND_REACTION forces (N), centres of pressure (m) and torques of both feet, y up. The output
    has activations of 80 muscles under Rajagopal's names, and reserves (N m).
    """
    from nem2e_tf.io.storage import write_storage
    from nem2e_tf.simulate.mujoco.route import simulate

    for path in filter(None, (output, moments)):
        if not path.parent.is_dir():
            raise InputError(f"{path}: expected an existing folder {path.parent}, found none")
    found = simulate(
        motion,
        ground_reaction,
        plates={"r": plate_right, "l": plate_left},
        in_degrees=None if angles is None else angles == "degrees",
        **given,
    )
    write_storage(output, found.activation)
    if moments:
        write_storage(moments, found.moments)
    for note in found.notes:
        click.echo(note, err=True)
    for warning in found.warnings():
        click.echo(f"warning: {warning}", err=True)
    if as_json:
        echo_json({"activation": str(output), **found.as_dict()})
        return
    click.echo("coordinate          peak moment, N m   peak reserve, N m   share")
    for gate in found.gates:
        click.echo(
            f"{gate.coordinate:<18}  {gate.moment:16.1f}   {gate.reserve:17.2f}   "
            f"{format(gate.share, '.1%') if gate.moment >= 1 else '-'}"
            f"{'' if gate.passed else '  too much'}"
        )
    force, moment = ((found.residual[part] ** 2).sum() ** 0.5 for part in (slice(3), slice(3, 6)))
    click.echo(
        f"residual at the pelvis (root mean square): {force:.1f} N ({found.imbalance:.0%} of the "
        f"weight), {moment:.1f} N m"
    )
    rows = found.activation.n_rows
    click.echo(f"{output}: {rows} rows, {1e3 * found.seconds_per_frame:.1f} ms per frame")
