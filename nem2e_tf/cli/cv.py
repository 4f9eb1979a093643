"""``nem2e-tf cv``: cross-validate refiners."""

import os
from pathlib import Path
from typing import Any

import click

from nem2e_tf.cli.options import PATH, fitting_options, json_option, output_option, settings_from


@click.command(name="cv")
@click.argument("cohort", type=PATH)
@click.option("--model", "models", multiple=True, required=True, help="Entry; may be repeated.")
@click.option(
    "--pattern",
    "patterns",
    multiple=True,
    default=("all-entire",),
    show_default=True,
    help="Input pattern: one-quarter, one-entire or all-entire; may be repeated.",
)
@fitting_options
@click.option(
    "--seeds", type=int, default=1, show_default=True, help="Fits of each network, and an ensemble."
)
@click.option(
    "--jobs", type=int, help="Processes, one thread each.  [default: cores of this machine]"
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Dask scheduler whose workers fit instead; one that you trust.",
)
@click.option("--muscles", is_flag=True, help="Print one table an entry with a row a muscle.")
@json_option("the evidence")
@output_option("The run folder.", name="run")
def command(
    cohort: Path,
    *,
    models: tuple[str, ...],
    patterns: tuple[str, ...],
    seeds: int,
    jobs: int | None,
    scheduler: str | None,
    muscles: bool,
    as_json: bool,
    run: Path,
    **given: Any,
) -> None:
    """Cross-validate refiners on COHORT, leaving one group out at a time.

    Results go to a run folder. A run that was interrupted goes on where it was when the same
    command is given again.
    """
    from nem2e_tf.cohorts.cohort import load_cohort
    from nem2e_tf.errors import InputError

    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs {jobs}: expected 1 or more")
    if jobs is not None and scheduler is not None:
        raise InputError("--jobs and --scheduler: expected one of them, found both")
    loaded = load_cohort(cohort)
    settings = settings_from(loaded, models=models, patterns=patterns, seeds=seeds, **given)
    from nem2e_tf.cli.progress import FitProgress
    from nem2e_tf.training.cross_validation import cross_validate

    with FitProgress() as progress:
        cross_validate(
            cohort,
            run,
            settings,
            jobs=jobs or len(os.sched_getaffinity(0)),
            scheduler=scheduler,
            progress=progress.update,
            on_plan=progress.plan,
        )
    from nem2e_tf.cli.report import print_report
    from nem2e_tf.report.runs import read_runs

    results, references = read_runs((run,))
    if as_json:
        import json

        from nem2e_tf.report.tables import to_json

        click.echo(json.dumps(to_json(results, references), indent=1, allow_nan=False))
    else:
        print_report(results, references, muscles=muscles)
        click.echo(f"Run: {run}")
