"""Options that several commands share; their names are those of the library's parameters."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from nem2e_tf.errors import InputError
from nem2e_tf.names import DIRECT, OUTPUTS, PATTERNS, TARGETS

PATH = click.Path(path_type=Path)

Function = Callable[..., Any]


def output_option(help_text: str, /, *, name: str = "output") -> Callable[[Function], Function]:
    """Make the required option ``--out``; `name` is the parameter's."""
    return click.option("-o", "--out", name, required=True, type=PATH, help=help_text)


def json_option(what: str, /) -> Callable[[Function], Function]:
    """Make the option ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help=f"Print {what} as JSON.")


def execute_source_option(function: Function) -> Function:
    """Add the option ``--execute-source``."""
    return click.option(
        "--execute-source",
        is_flag=True,
        help="Run source.py of a refiner folder, which defines its layers. Read it first.",
    )(function)


def pattern_option(name: str, /, **more: Any) -> Callable[[Function], Function]:
    """Make the option ``--pattern``; `name` is the parameter's."""
    words = f"{', '.join(PATTERNS[:-1])} or {PATTERNS[-1]}"
    return click.option(
        "--pattern", name, show_default=True, help=f"Input pattern: {words}.", **more
    )


FITTING: dict[str, dict[str, Any]] = {
    "--targets": {
        "type": click.Choice(TARGETS),
        "help": "One model per muscle (the paper's way), or one for all.  [default: each; for "
        "'train': joint where the input pattern allows it]",
    },
    "--output": {
        "type": click.Choice(OUTPUTS),
        "default": DIRECT,
        "help": "Predict activity, or its difference from the training mean pattern.",
    },
    "--recipe": {"default": "fast", "help": "How networks are trained: fast or paper."},
    "--units": {"type": int, "help": "Size of the networks."},
    "--epochs": {"type": int, "help": "Maximum number of epochs."},
    "--batch-size": {"type": int, "help": "Rows per step."},
    "--learning-rate": {"type": float, "help": "Of Adam."},
    "--patience": {
        "type": int,
        "help": "Epochs without a lower validation error before a fit stops; 0 never stops early.",
    },
    "--dropout": {"type": float, "help": "For entries that have dropout."},
    "--weight-decay": {"type": float, "help": "Decoupled, as in Keras."},
    "--quarter-samples": {
        "type": click.Choice(["5", "20"]),
        "default": "5",
        "help": "Samples per quarter under one-quarter.",
    },
    "--by": {"help": "Column of the cycles to group by.  [default: subject]"},
    "--blocks": {"type": int, "help": "Blocks of consecutive cycles of a single subject."},
}
"""Options of `cv` and `train` that are parameters of both functions."""


def fitting_options(function: Function) -> Function:
    """Add the options that say how refiners are fitted."""
    for name, settings in reversed(FITTING.items()):
        shown = "default" in settings
        function = click.option(name, show_default=shown, **settings)(function)
    return click.option(
        "--option",
        "options",
        multiple=True,
        metavar="MODEL.NAME=VALUE",
        help="An option of an entry, such as tcn.causal=True; see 'zoo show'.",
    )(function)


def entry_options(texts: tuple[str, ...], models: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Read ``MODEL.NAME=VALUE``, or ``NAME=VALUE`` where there is a single model.

    Examples
    --------
    >>> entry_options(("tcn.dilations=(1, 2)", "tcn.causal=True"), ("tcn", "lstm"))
    {'tcn': {'dilations': (1, 2), 'causal': True}}
    """
    from nem2e_tf.zoo.source import entry_name

    models = tuple(map(entry_name, models))
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        left, equals, right = text.partition("=")
        model, dot, name = left.strip().partition(".")
        if not dot and len(models) == 1:
            model, name = models[0], left.strip()
        if not equals or not name:
            raise InputError(f"--option {text}: expected MODEL.NAME=VALUE, such as tcn.causal=True")
        if model not in models:
            raise InputError(
                f"--option {text}: expected one of the given models ({', '.join(models)}), "
                f"found {model}"
            )
        try:
            value = ast.literal_eval(right.strip())
        except (ValueError, SyntaxError):
            value = right.strip()
        found.setdefault(model, {})[name] = value
    return found
