"""``nem2e-tf zoo``: what the zoo holds."""

import inspect
import json

import click

from nem2e_tf.cli.options import json_option


@click.group(name="zoo")
def command() -> None:
    """List the refiners and show what one is."""


@command.command(name="list")
@click.argument("pattern", default="*")
@json_option("the list")
def list_command(pattern: str, *, as_json: bool) -> None:
    """List the refiners whose name matches PATTERN, such as 'stdr-*'."""
    from nem2e_tf import zoo
    from nem2e_tf.errors import InputError

    names = zoo.list_models(pattern)
    if not names:
        raise InputError(f"no model matches {pattern}; 'nem2e-tf zoo list' lists all")
    if as_json:
        entries = {name: zoo.entry(name) for name in names}
        click.echo(
            json.dumps(
                [
                    {
                        "name": name,
                        "summary": found.summary,
                        "patterns": list(found.patterns),
                        "outputs": list(found.outputs),
                        "attention": found.attention,
                        "closed_form": found.solve is not None,
                    }
                    for name, found in entries.items()
                ],
                indent=1,
            )
        )
        return
    width = max(map(len, names))
    for name in names:
        click.echo(f"{name:<{width}}  {zoo.entry(name).summary}")


@command.command(name="show")
@click.argument("name")
def show_command(name: str) -> None:
    """Show what the refiner NAME is and advice on its options."""
    from nem2e_tf import zoo

    found = zoo.entry(name)
    click.echo(f"{name}\n{'=' * len(name)}\n{inspect.getdoc(found.make)}\n")
    click.echo(f"Input patterns: {', '.join(found.patterns)}")
    for pattern, why in found.refused.items():
        click.echo(f"  not {pattern}: {why}")
    click.echo(f"Output: {', '.join(found.outputs)}")
    click.echo(f"Fitted: {'in closed form' if found.solve else 'by gradient'}")
    if found.options:
        click.echo(
            "Defaults: " + ", ".join(f"{key}={value!r}" for key, value in found.options.items())
        )
