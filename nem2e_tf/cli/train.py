"""``nem2e-tf train``: train one refiner on a whole cohort."""

from pathlib import Path
from typing import Any

import click

from nem2e_tf.cli.options import PATH, fitting_options, output_option, settings_from


@click.command(name="train")
@click.argument("cohort", type=PATH)
@click.option("--model", required=True, help="Entry of the zoo.")
@click.option(
    "--pattern",
    default="all-entire",
    show_default=True,
    help="Input pattern: one-quarter, one-entire or all-entire.",
)
@fitting_options
@click.option("--licence", default="", help="Licence of the weights, recorded with them.")
@output_option("The refiner folder.", name="out")
def command(
    cohort: Path, *, model: str, pattern: str, licence: str, out: Path, **given: Any
) -> None:
    """Train one refiner on all cycles of COHORT, to be exported and used.

    A fifth of the subjects (of the blocks of a single one) is set aside to decide when to stop and
    to check exports on.
    """
    from nem2e_tf.cohorts.cohort import load_cohort

    loaded = load_cohort(cohort)
    settings = settings_from(
        loaded, models=(model,), patterns=(pattern,), group_by_default=True, **given
    )
    from nem2e_tf.refiners.refiner import refuse_foreign_files
    from nem2e_tf.training.plan import make_plan
    from nem2e_tf.training.runtime import set_up_tensorflow
    from nem2e_tf.training.train import train

    for note in make_plan(loaded, settings).notes:
        click.echo(f"nem2e-tf: note: {note}", err=True)
    refuse_foreign_files(out)
    set_up_tensorflow()
    from rich.console import Console

    with Console(stderr=True).status(f"training {model}") as status:
        refiner = train(
            loaded,
            out,
            settings,
            licence=licence,
            on_epoch=lambda epoch: status.update(f"training {model}, epoch {epoch}"),
        )
    _print_metrics(refiner.info.metrics)
    click.echo(f"Refiner: {out} ({refiner.info.n_parameters} weights)")


def _print_metrics(metrics: dict[str, Any]) -> None:
    count = metrics["cycles_set_aside"]
    if not count:
        click.echo("Too few groups to set any aside: what it is worth, only 'cv' can tell.")
        return
    click.echo(f"On the {count} cycles that were set aside (for a verdict use 'cv'):")
    for muscle, row in metrics["muscles"].items():
        rate, skill = (
            "undefined" if row[name] is None else f"{row[name]:+z.3f}" for name in ("rate", "skill")
        )
        click.echo(f"  {muscle:<12} rate {rate}  skill {skill}")
