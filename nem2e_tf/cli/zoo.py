"""``nem2e-tf zoo``: list, show and check refiners."""

import inspect
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from nem2e_tf.cli.options import json_option

if TYPE_CHECKING:
    from nem2e_tf.zoo import Entry

FAILED = 1


@click.group(name="zoo")
def command() -> None:
    """List refiners, show one, or check one of your own."""


@command.command(name="list")
@click.argument("pattern", default="*")
@json_option("the list")
def list_command(pattern: str, *, as_json: bool) -> None:
    """List the refiners whose name matches PATTERN, such as 'stdr-*'."""
    from nem2e_tf import zoo
    from nem2e_tf.errors import InputError

    names = zoo.list_models(pattern)
    if not names:
        raise InputError(f"pattern {pattern}: no model matches; 'nem2e-tf zoo list' lists all")
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
@click.argument("model")
def show_command(model: str) -> None:
    """Describe the refiner MODEL and its options.

    MODEL is the name of an entry, or FILE.py:FUNCTION.
    """
    found = _entry(model)
    name = found.name
    click.echo(f"{name}\n{'=' * len(name)}\n{inspect.getdoc(found.make) or 'No docstring.'}\n")
    click.echo(f"Input patterns: {', '.join(found.patterns)}")
    for pattern, why in found.refused.items():
        click.echo(f"  not {pattern}: {why}")
    click.echo(f"Output: {', '.join(found.outputs)}")
    click.echo(f"Fitted: {'in closed form' if found.solve else 'by gradient'}")
    if found.options:
        click.echo(
            "Defaults: " + ", ".join(f"{key}={value!r}" for key, value in found.options.items())
        )


@command.command(name="check")
@click.argument("model")
@json_option("the outcomes")
def check_command(model: str, *, as_json: bool) -> None:
    """Check that the refiner MODEL does what every refiner promises.

    MODEL is FILE.py:FUNCTION, or the name of an entry. Small models of it are made, fitted, saved,
    trained and exported. Exit code 1 if a check fails.
    """
    from nem2e_tf.io.quiet import quiet_stderr
    from nem2e_tf.training.chunk import set_up_tensorflow

    set_up_tensorflow()
    found = _entry(model)
    with quiet_stderr():
        from nem2e_tf.export.conformance import exports_to_tflite
        from nem2e_tf.training.conformance import trains_many_fits_at_once
        from nem2e_tf.zoo.conformance import Trial, check_conformance
        from nem2e_tf.zoo.models import slow_layers

        outcomes = check_conformance(
            found.make, further=(trains_many_fits_at_once, exports_to_tflite)
        )
    failed = [one for one in outcomes if one.passed is False]
    if as_json:
        click.echo(
            json.dumps({"model": found.name, "outcomes": [asdict(o) for o in outcomes]}, indent=1)
        )
    else:
        words = {True: "pass", False: "FAIL", None: "-"}
        for one in outcomes:
            click.echo(f"{words[one.passed]:<4}  {one.promise}")
            if one.found:
                click.echo(f"      {one.found}")
        count = sum(one.passed is not None for one in outcomes)
        click.echo(f"{found.name}: {count - len(failed)} of {count} checks passed")
        if not failed:
            for note in slow_layers(Trial(found).make()):
                click.echo(f"nem2e-tf: note: {note}", err=True)
    if failed:
        sys.exit(FAILED)


def _entry(model: str) -> "Entry":
    """Look up an entry or run a file, without the log lines of a TensorFlow that it imports."""
    from nem2e_tf import zoo
    from nem2e_tf.zoo.source import is_file_and_function

    if is_file_and_function(model):
        from nem2e_tf.training.chunk import set_up_tensorflow

        set_up_tensorflow()
    return zoo.entry(model)
