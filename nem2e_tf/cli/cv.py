"""``nem2e-tf cv``: cross-validate refiners."""

from pathlib import Path
from typing import Any

import click

from nem2e_tf.cli.options import (
    PATH,
    entry_options,
    fitting_options,
    json_option,
    output_option,
    pattern_option,
)
from nem2e_tf.names import ALL_ENTIRE, EACH


@click.command(name="cv")
@click.argument("cohort", type=PATH)
@click.option(
    "--model",
    "models",
    multiple=True,
    required=True,
    help="Entry of the zoo, or FILE.py:FUNCTION; may be repeated.",
)
@pattern_option("patterns", multiple=True, default=(ALL_ENTIRE,))
@fitting_options
@click.option(
    "--seeds",
    type=int,
    default=1,
    show_default=True,
    help="Fits of each network; with more than one, their ensemble too.",
)
@click.option("--jobs", type=int, help="Processes, one thread each.  [default: one per core]")
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Dask scheduler whose workers fit instead; use only one that you trust.",
)
@click.option("--muscles", is_flag=True, help="Print one table per entry, one row per muscle.")
@json_option("the evidence")
@output_option("The run folder.", name="out")
def command(
    cohort: Path,
    *,
    models: tuple[str, ...],
    options: tuple[str, ...],
    quarter_samples: str,
    muscles: bool,
    as_json: bool,
    out: Path,
    targets: str | None,
    **given: Any,
) -> None:
    """Cross-validate refiners on COHORT, leaving one group out at a time.

    Results go to a run folder. To continue an interrupted run, give the same command again.
    """
    from nem2e_tf.cli.progress import FitProgress
    from nem2e_tf.cli.report import print_evidence
    from nem2e_tf.training.cross_validation import cross_validate

    with FitProgress() as progress:
        cross_validate(
            cohort,
            models,
            out=out,
            targets=targets or EACH,
            options=entry_options(options, models),
            quarter_samples=int(quarter_samples),
            progress=progress.update,
            on_plan=progress.plan,
            **given,
        )
    print_evidence((out,), muscles=muscles, as_json=as_json)
    if not as_json:
        click.echo(f"Run: {out}")
