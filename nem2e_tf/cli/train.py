"""``nem2e-tf train``: train one refiner on a whole cohort."""

from pathlib import Path
from typing import Any

import click

from nem2e_tf.cli.options import (
    PATH,
    entry_options,
    fitting_options,
    output_option,
    pattern_option,
)
from nem2e_tf.names import ALL_ENTIRE


@click.command(name="train")
@click.argument("cohort", type=PATH)
@click.option("--model", required=True, help="Entry of the zoo, or FILE.py:FUNCTION.")
@pattern_option("pattern", default=ALL_ENTIRE)
@fitting_options
@click.option("--licence", default="", help="Licence of the weights, recorded with them.")
@output_option("The refiner folder.", name="out")
def command(
    cohort: Path,
    *,
    model: str,
    options: tuple[str, ...],
    quarter_samples: str,
    out: Path,
    **given: Any,
) -> None:
    """Train one refiner on all cycles of COHORT, to be exported and used.

    A fifth of the subjects (of the blocks of a single one) is the validation set: early stopping
    sees it, and exported files are checked on it.
    """
    from rich.console import Console

    from nem2e_tf.training.train import train

    with Console(stderr=True).status(f"training {model}") as status:
        refiner = train(
            cohort,
            model,
            out=out,
            options=next(iter(entry_options(options, (model,)).values()), None),
            quarter_samples=int(quarter_samples),
            on_epoch=lambda epoch: status.update(f"training {model}, epoch {epoch}"),
            on_note=lambda note: click.echo(f"nem2e-tf: note: {note}", err=True),
            **given,
        )
    _print_metrics(refiner.info.metrics)
    click.echo(f"Refiner: {out} ({refiner.info.n_parameters} weights)")


def _print_metrics(metrics: dict[str, Any]) -> None:
    count = metrics["cycles_set_aside"]
    if not count:
        click.echo("Too few groups for a validation set; use 'cv' to evaluate this refiner.")
        return
    click.echo(f"On the {count} cycles of the validation set (use 'cv' to evaluate the refiner):")
    for muscle, row in metrics["muscles"].items():
        rate, skill = (
            "undefined" if row[name] is None else f"{row[name]:+z.3f}" for name in ("rate", "skill")
        )
        click.echo(f"  {muscle:<12} rate {rate}  skill {skill}")
