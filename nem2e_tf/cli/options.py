"""Options that several commands share, and their way into settings."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nem2e_tf.errors import InputError

if TYPE_CHECKING:
    from nem2e_tf.cohorts.cohort import Cohort
    from nem2e_tf.training.plan import Settings


PATH = click.Path(path_type=Path)

Function = Callable[..., Any]


def output_option(help_text: str, /, *, name: str = "output") -> Callable[[Function], Function]:
    """Make the option that says where results go, always needed; `name` is the parameter's."""
    return click.option("-o", "--out", name, required=True, type=PATH, help=help_text)


def json_option(what: str, /) -> Callable[[Function], Function]:
    """Make the option ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help=f"Print {what} as JSON.")


def fitting_options(function: Function) -> Function:
    """Add the options that say how refiners are fitted."""
    for option in reversed(
        (
            click.option(
                "--targets",
                type=click.Choice(["each", "joint"]),
                default="each",
                show_default=True,
                help="One model a muscle (the paper's way), or one for all.",
            ),
            click.option(
                "--output",
                type=click.Choice(["direct", "residual"]),
                default="direct",
                show_default=True,
                help="Learn the activity, or what differs from the training mean pattern.",
            ),
            click.option(
                "--recipe",
                default="fast",
                show_default=True,
                help="How networks are trained: fast or paper.",
            ),
            click.option("--units", type=int, help="Size of the networks."),
            click.option("--epochs", type=int, help="Epochs at most."),
            click.option("--batch-size", type=int, help="Rows a step."),
            click.option("--learning-rate", type=float, help="Of Adam."),
            click.option("--patience", type=int, help="Epochs without progress; 0: to the end."),
            click.option("--dropout", type=float, help="For entries that have it."),
            click.option("--weight-decay", type=float, help="Decoupled, as Keras'."),
            click.option(
                "--option",
                "options",
                multiple=True,
                metavar="MODEL.NAME=VALUE",
                help="An option of an entry, such as tcn.causal=True; see 'zoo show'.",
            ),
            click.option(
                "--quarter-samples",
                type=click.Choice(["5", "20"]),
                default="5",
                show_default=True,
                help="Samples of a quarter under one-quarter.",
            ),
            click.option("--by", help="Column of the cycles to group by.  [default: subject]"),
            click.option(
                "--blocks", type=int, help="Blocks of consecutive cycles of a single subject."
            ),
        )
    ):
        function = option(function)
    return function


def settings_from(
    cohort: "Cohort",
    *,
    models: tuple[str, ...],
    patterns: tuple[str, ...],
    seeds: int = 1,
    group_by_default: bool = False,
    **given: Any,
) -> "Settings":
    """Make settings of the options.

    Parameters
    ----------
    cohort : Cohort
        Decides how cycles are grouped where the options do not say and `group_by_default` is set.

    Raises
    ------
    InputError
        An option that makes no sense.
    """
    from nem2e_tf import zoo
    from nem2e_tf.training.plan import Settings
    from nem2e_tf.training.recipe import recipe

    for model in models:
        zoo.entry(model)
    if given["by"] is not None and given["blocks"] is not None:
        raise InputError("--by and --blocks: expected one of them, found both")
    grouping: dict[str, Any] = {"by": given["by"] or "subject", "blocks": given["blocks"]}
    if group_by_default and given["by"] is None and given["blocks"] is None:
        from nem2e_tf.training.train import default_grouping

        grouping = default_grouping(cohort)
    return Settings(
        models=models,
        patterns=patterns,
        targets=given["targets"],
        output=given["output"],
        recipe=recipe(
            given["recipe"],
            **{
                name: given[name]
                for name in (
                    "units",
                    "epochs",
                    "batch_size",
                    "learning_rate",
                    "patience",
                    "dropout",
                    "weight_decay",
                )
            },
        ),
        seeds=seeds,
        options=entry_options(given["options"], models),
        quarter_samples=int(given["quarter_samples"]),
        **grouping,
    )


def entry_options(texts: tuple[str, ...], models: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Read ``MODEL.NAME=VALUE``; with a single model ``NAME=VALUE`` will do.

    Examples
    --------
    >>> entry_options(("tcn.dilations=(1, 2)", "tcn.causal=True"), ("tcn", "lstm"))
    {'tcn': {'dilations': (1, 2), 'causal': True}}
    """
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
                f"--option {text}: expected one of the models asked for ({', '.join(models)}), "
                f"found {model}"
            )
        try:
            value = ast.literal_eval(right.strip())
        except (ValueError, SyntaxError):
            value = right.strip()
        found.setdefault(model, {})[name] = value
    return found
