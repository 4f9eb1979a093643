"""``nem2e-tf``: the command line, whose commands are imported only when they are called."""

import importlib
import re
import sys
from typing import Any, NoReturn

import click

from nem2e_tf import __version__
from nem2e_tf.errors import InputError, near

Commands = dict[str, tuple[str, str, str]]

_COMMAND = "nem2e_tf.command"


class LazyGroup(click.Group):
    """A group that knows its commands by name and description alone.

    Parameters
    ----------
    modules : dict of str to (str, str, str)
        For each command, in the order of use: its module in `nem2e_tf.cli`, its name there, and
        what it does in a sentence.
    arguments
        Those of `click.Group`.
    """

    def __init__(self, *, modules: Commands, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Names in the order of use."""
        return list(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one."""
        if cmd_name not in self.modules:
            ctx.fail(f"no command {cmd_name!r}{near(cmd_name, list(self.modules))}")
        module, name, _ = self.modules[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"nem2e_tf.cli.{module}"), name)
        command.name = cmd_name
        ctx.meta[_COMMAND] = command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Describe the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in self.modules.items()])


COMMANDS = {
    "zoo": ("zoo", "command", "List the refiners and show what one is."),
    "data": ("data", "command", "Make cohorts of recordings, or embedded ones, and check them."),
    "train": ("train", "command", "Train one refiner on a whole cohort."),
    "cv": ("cv", "command", "Cross-validate refiners, leaving groups out."),
    "report": ("report", "command", "Print the evidence of runs, or write it as a page."),
    "compare": ("report", "compare_command", "Compare two runs."),
    "control": ("control", "command", "Run controls on a run: what its gain is made of."),
    "export": ("export", "command", "Write a refiner as TFLite, SavedModel or ONNX, checked."),
    "refine": ("refine", "command", "Refine an activation file."),
    "simulate": ("simulate", "command", "Simulate muscle activity with OpenSim."),
    "estimate": ("estimate", "command", "Simulate motion and refine it, in one go."),
    "inspect": ("inspect", "inspect_command", "Print what an exported file is."),
    "bench": ("inspect", "bench_command", "Measure exported files side by side."),
}
INTERRUPTED = 130


@click.group(
    cls=LazyGroup, modules=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="nem2e-tf")
def group() -> None:
    """Refine simulated muscle activity into what EMG would have measured.

    Recordings become a cohort (data), refiners are compared on subjects they never saw (cv,
    report), and the best one is trained, exported and used (train, export, refine).
    """


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; errors that a user can mend take one line and exit code 2."""
    context = None
    try:
        with group.make_context(
            "nem2e-tf", list(sys.argv[1:] if arguments is None else arguments)
        ) as context:
            group.invoke(context)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except click.UsageError as error:
        if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
            error.show()
            sys.exit(2)
        where = error.ctx.command_path if error.ctx else "nem2e-tf"
        _fail(f"{error.format_message()} (see '{where} --help')")
    except click.ClickException as error:
        _fail(error.format_message())
    except InputError as error:
        _fail(with_options(str(error), context.meta.get(_COMMAND) if context else None))
    except (KeyboardInterrupt, click.Abort):
        click.echo("nem2e-tf: interrupted; run the same command again to go on", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has read enough; nothing more can be written to it.
        sys.stderr.close()
        sys.exit(0)
    sys.exit(0)


def with_options(message: str, command: click.Command | None) -> str:
    """Replace the parameters that a message begins with by the options of a command.

    The library names parameters (``jobs 0: expected ...``), and the command line options
    (``--jobs 0: expected ...``).

    Examples
    --------
    >>> command = click.Command("cv", params=[click.Option(["--set-aside"])])
    >>> with_options("set_aside 2: expected a share below 1", command)
    '--set-aside 2: expected a share below 1'
    """
    begin, colon, rest = message.partition(":")
    if command is None or not colon:
        return message
    options: dict[str, str] = {}
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            option = max(parameter.opts, key=len)
            # Options that may be repeated have a parameter in the plural: `models`, `--model`.
            names_of_it = (str(parameter.name), option.lstrip("-").replace("-", "_"))
            options.update(dict.fromkeys(names_of_it, option))
    # Of a name and its value the name comes first: `jobs 0`. Several are joined: `by and blocks`.
    names = re.split(r"(, | and | or )", begin)
    words = [name.split(" ", 1) for name in names]
    if words[0][0] not in options:
        return message
    for word in words:
        word[0] = options.get(word[0], word[0])
    return "".join(" ".join(word) for word in words) + colon + rest


def _fail(message: str) -> NoReturn:
    click.echo(f"nem2e-tf: error: {' '.join(message.split())}", err=True)
    sys.exit(2)


if __name__ == "__main__":
    main()
