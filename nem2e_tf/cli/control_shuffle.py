"""``nem2e-tf control shuffle``: with the EMG of other cycles, skill must vanish."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from nem2e_tf.cli.control_options import (
    cohort_option,
    jobs_option,
    models_option,
    n_jobs,
    n_seed,
    opened,
    seed_option,
    tell,
)
from nem2e_tf.cli.options import PATH, json_option, output_option

COLUMNS = ("level", "tests", "false_positives", "share", "nominal", "skill")


@click.command(name="shuffle")
@click.argument("run", type=PATH)
@cohort_option()
@models_option
@click.option(
    "--shuffles", type=int, default=5, show_default=True, help="Shuffled cohorts to fit on."
)
@seed_option
@jobs_option
@json_option("the summary")
@output_option("The folder of the control.")
def shuffle(
    run: Path,
    *,
    cohort: Path,
    models: tuple[str, ...],
    shuffles: int,
    seed: int,
    jobs: int | None,
    as_json: bool,
    output: Path,
) -> None:
    """Cross-validate the entries of RUN on cohorts whose EMG belongs to other cycles.

    There is nothing to learn, so skill above 0 is false. Takes as long as RUN did, times the
    shuffles; interrupted, the same command goes on where it was.
    """
    from nem2e_tf.cli.progress import FitProgress
    from nem2e_tf.controls.shuffle import control_shuffle

    @contextmanager
    def progress(number: int) -> Iterator[FitProgress]:
        click.echo(f"nem2e-tf: shuffle {number + 1} of {shuffles}", err=True)
        with FitProgress() as told:
            yield told

    source = opened(run, cohort, models)
    tables = control_shuffle(
        source,
        output,
        shuffles=shuffles,
        seed=n_seed(seed),
        jobs=n_jobs(jobs),
        progress=progress,
    )
    everything = tables["summary"]["level"].notna()
    tell("shuffle", tables, output, columns=COLUMNS, as_json=as_json, rows=everything)
