"""Groups whose commands are modules, imported only when they are called."""

import importlib
from typing import Any

import click

from nem2e_tf.errors import near

Commands = dict[str, tuple[str, str, str]]


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
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Describe the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in self.modules.items()])
