"""``nem2e-tf control``: where a refiner's gain comes from, and tests that it should not pass."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nem2e_tf.cli.main import LazyGroup
from nem2e_tf.cli.options import PATH, Function, json_option, output_option

if TYPE_CHECKING:
    from nem2e_tf.cli.progress import FitProgress
    from nem2e_tf.controls.results import ControlResults

COMMANDS = {
    "blind": ("control", "blind", "Compare entries with the mean EMG pattern."),
    "oracle": ("control", "oracle", "Split gains into amplitude, timing and shape."),
    "shortcut": ("control", "shortcut", "Change frequency and phase of the input."),
    "wrong-subject": ("control", "wrong_subject", "Use another subject's input."),
    "shuffle": ("control", "shuffle", "Shuffle the EMG: skill must vanish."),
    "attention": ("control", "attention", "Average attention, and mask its tokens."),
}
WIDTH = 100


@click.group(name="control", cls=LazyGroup, modules=COMMANDS)
def command() -> None:
    """Run controls on a finished run.

    Each writes a folder with control.json, summary.csv and further tables.
    """


def _command(
    name: str, *, count: tuple[str, int, str] | None = None, cohort: bool = True, of: str = "RUN"
) -> Callable[[Function], click.Command]:
    """Make a command of a documented function, with the options that controls share.

    `count` is the name, default and help of the option for the number of random draws.
    """
    options: list[Callable[[Function], Function]] = [click.argument("run", type=PATH, metavar=of)]
    if cohort:
        options += [
            click.option(
                "--cohort", type=PATH, help="The cohort folder that the run was computed from."
            ),
            click.option(
                "--model", "models", multiple=True, help="Only this model of the run; repeatable."
            ),
        ]
    if count is not None:
        option, default, text = count
        options += [
            click.option(f"--{option}", type=int, default=default, show_default=True, help=text),
            click.option("--seed", type=int, default=0, show_default=True, help="Random seed."),
            click.option(
                "--jobs", type=int, help="Processes, one thread each.  [default: all cores]"
            ),
        ]
    options += [json_option("the summary"), output_option("The folder of the control.")]

    def decorate(described: Function) -> click.Command:
        def run(*, run: Path, as_json: bool, output: Path, **given: Any) -> None:
            from nem2e_tf.controls import control

            if count is not None:
                with _progress(name, given[count[0]]) as progress:
                    found = control(run, name, out=output, **given, **progress)
            else:
                found = control(run, name, out=output, **given)
            _echo(found, output, as_json=as_json)

        run.__doc__ = described.__doc__
        for option in reversed(options):
            run = option(run)
        return click.command(name=name)(run)

    return decorate


@contextmanager
def _progress(name: str, count: int) -> Iterator[dict[str, Any]]:
    from nem2e_tf.cli.progress import FitProgress

    @contextmanager
    def of_shuffle(number: int) -> "Iterator[FitProgress]":
        click.echo(f"nem2e-tf: shuffle {number + 1} of {count}", err=True)
        with FitProgress() as progress:
            yield progress

    if name == "shuffle":
        yield {"progress": of_shuffle}
        return
    with FitProgress() as progress:
        yield {"progress": progress.update, "on_plan": progress.plan_again}


@_command("blind", cohort=False)
def blind() -> None:
    """Compare every entry of RUN with the mean EMG pattern.

    The mean EMG pattern of the training cycles does not depend on its input. How much of an entry's
    gain over the simulation does it reach, and which entries add to it?
    """


@_command("oracle")
def oracle() -> None:
    """Split the gain of every entry of RUN over the simulation into amplitude, timing and shape.

    How much of the improvement is merely scaling, how much merely shifting?
    """


@_command("shuffle", count=("shuffles", 5, "Shuffled cohorts to fit on."))
def shuffle() -> None:
    """Cross-validate the entries of RUN on cohorts whose EMG belongs to other cycles.

    There is nothing to learn, so skill above 0 is false. Takes as long as RUN did, times the
    shuffles. If interrupted, the same command continues where it stopped.
    """


@_command("shortcut", count=("draws", 8, "Changed inputs per cycle, averaged."))
def shortcut() -> None:
    """Change frequency and phase of every left-out input of RUN at random.

    The paper's control: an entry that has learned only the mean pattern is not affected, one that
    uses its input gets worse. Weights that RUN does not contain are fitted again and kept there.
    """


@_command("wrong-subject", count=("draws", 8, "Changed inputs per cycle, averaged."))
def wrong_subject() -> None:
    """Refine every left-out cycle of RUN from the input of another subject, of the same condition.

    A stronger control than `shortcut`: the input is a usual one. Weights that RUN does not contain
    are fitted again and kept there.
    """


@_command("attention", count=("sets", 20, "Random sets of tokens to mask."), of="RUN_OR_REFINER")
def attention() -> None:
    """Average attention over cycles not trained on, and mask the tokens it lies on.

    Of a run, which requires its cohort, weights that it does not contain are fitted again and kept
    there. Of a refiner, its left-out cycles are used, without intervals.
    """


def _echo(found: "ControlResults", out: Path, *, as_json: bool) -> None:
    """Print the overall rows as a table, or the whole summary as JSON."""
    if as_json:
        rows = [
            {
                str(key): None if isinstance(value, float) and not math.isfinite(value) else value
                for key, value in row.items()
            }
            for row in found.summary.astype(object).to_dict("records")
        ]
        value = {"control": found.name, "notes": found.notes, "summary": rows, "folder": str(out)}
        click.echo(json.dumps(value, indent=1, allow_nan=False))
        return
    _print(found)
    for note in found.notes:
        click.echo(note)
    click.echo(f"Control: {out}")


def _print(found: "ControlResults") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from nem2e_tf.controls.results import COLUMNS

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(WIDTH, console.width))
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    columns = COLUMNS[found.name]
    entry = [column for column in found.table() if column not in columns]
    shown.add_column("entry", min_width=17, overflow="fold")
    for column in columns:
        shown.add_column(column.replace("_", " "), justify="right", overflow="fold")
    for row in found.overall.to_dict("records"):
        # References of the controls' own have no settings.
        name = " ".join(filter(None, (str(row[column]) for column in entry)))
        shown.add_row(name, *(_cell(row, column) for column in columns))
    console.print(shown)


def _cell(row: Mapping[Any, Any], column: str) -> str:
    value = row[column]
    if isinstance(value, bool) or not isinstance(value, float | int):
        return str(value)
    if math.isnan(value):
        return "-"
    if isinstance(value, int):
        return str(value)
    if column.endswith(("_p", "_p_holm")):
        return f"{value:.3f}" if value >= 5e-4 else f"{value:.1e}"
    low, high = (row.get(f"{column}_{end}", math.nan) for end in ("low", "high"))
    text = f"{value:+z.3f}"
    return text if math.isnan(low) else f"{text} [{low:+z.3f}, {high:+z.3f}]"
