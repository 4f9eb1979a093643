"""What the commands of ``simulate`` share: their options, progress and the table of gates."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nem2e_tf.cli.options import PATH, Function
from nem2e_tf.errors import InputError

if TYPE_CHECKING:
    from nem2e_tf.simulate.opensim.stage import Result


# Where no terminal is, a line is written whenever this much more of a stage is done.
_SHARE = 0.25


def span_options(function: Function) -> Function:
    """Add the options that say which stretch of a recording is taken."""
    for option in (
        click.option("--end", type=float, help="s.  [default: the recording's end]"),
        click.option("--start", type=float, help="s.  [default: the recording's start]"),
    ):
        function = option(function)
    return function


def setup_argument(function: Function) -> Function:
    """Add the user's own setup file."""
    return click.argument("setup", required=False, type=PATH)(function)


def own_or_options(
    setup: Path | None, given: dict[str, Any], *, needed: Sequence[str]
) -> Path | None:
    """Take the user's setup file, or make sure that the options needed are there.

    Raises
    ------
    click.UsageError
        Both or neither are there.
    """
    context = click.get_current_context()
    named = [
        name
        for name in given
        if (source := context.get_parameter_source(name)) and source.name == "COMMANDLINE"
    ]
    if setup is not None:
        if named:
            flag = named[0].replace("_", "-")
            raise click.UsageError(f"--{flag}: a setup file is used as it is; change it there")
        return setup
    missing = [name for name in needed if not given[name]]
    if missing:
        flag = missing[0].replace("_", "-")
        raise click.UsageError(f"give --{flag}, or a setup file of OpenSim's")
    return None


def numbers(texts: Iterable[str], *, option: str) -> dict[str, float]:
    """Read ``NAME=NUMBER``.

    Examples
    --------
    >>> numbers(["R.Heel=5"], option="--weight")
    {'R.Heel': 5.0}
    """
    found = {}
    for text in texts:
        name, _, value = text.rpartition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            name = ""
        if not name.strip():
            raise InputError(f"{option} {text}: expected NAME=NUMBER")
    return found


class StageProgress:
    """Progress of stages on stderr with the time that is left; of several trials at once."""

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
        self.told: dict[str, float] = {}
        self.lock = threading.Lock()

    def __enter__(self) -> "StageProgress":
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def watch(self, trial: str = "") -> "Callable[[str, float], None]":
        """Make what is told how far the stages of a trial are."""

        def told(stage: str, share: float) -> None:
            title = f"{trial} {stage}".strip()
            with self.lock:
                self._update(title, share)

        return told

    def _update(self, title: str, share: float) -> None:
        if title not in self.tasks:
            self.tasks[title] = self.bar.add_task(title, total=1.0)
            self.began[title], self.told[title] = time.monotonic(), share
        self.bar.update(self.tasks[title], completed=share)
        if self.terminal or share < self.told[title] + _SHARE or share >= 1:
            return
        self.told[title] = share
        left = (time.monotonic() - self.began[title]) * (1 - share) / share
        click.echo(f"nem2e-tf: {title}: {share:.0%}, {left:.0f} s left", err=True)


def gate_table(results: "Iterable[tuple[str, Result]]") -> list[str]:
    """Make the table of quality gates, of stages with their trials."""
    rows = [("stage", "gate", "value", "limit", "unit", "where", "passed")]
    for trial, result in results:
        for gate in result.gates:
            rows.append(
                (
                    f"{trial} {result.stage}".strip(),
                    gate.name,
                    f"{gate.value:.3g}",
                    f"{gate.limit:g}",
                    gate.unit,
                    gate.where or "-",
                    "yes" if gate.passed else "NO",
                )
            )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if column in (2, 3) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def echo_result(result: "Result", *, as_json: bool) -> None:
    """Print a stage: notes to stderr, gates and files to stdout."""
    for note in result.notes:
        click.echo(f"note: {note}", err=True)
    if as_json:
        click.echo(json.dumps(result.as_dict(), indent=1, allow_nan=False))
        return
    if result.gates:
        for line in gate_table([("", result)]):
            click.echo(line)
    took = "there already, not run again" if result.reused else f"{result.seconds:.1f} s"
    names = ", ".join(f"{what} {path.name}" for what, path in result.outputs.items())
    click.echo(f"{result.folder}: {names} ({took})")
