"""``nem2e-tf control attention``: where attention lies, and whether it is faithful."""

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
from nem2e_tf.errors import InputError

COLUMNS = ("n", "n_masked", "rmse_own", "rmse_most", "rmse_random", "difference", "difference_p")


@click.command(name="attention")
@click.argument("source", type=PATH, metavar="RUN_OR_REFINER")
@cohort_option(required=False)
@models_option
@click.option(
    "--sets", type=int, default=20, show_default=True, help="Random sets of tokens to mask."
)
@seed_option
@jobs_option
@json_option("the summary")
@output_option("The folder of the control.")
def attention(
    source: Path,
    *,
    cohort: Path | None,
    models: tuple[str, ...],
    sets: int,
    seed: int,
    jobs: int | None,
    as_json: bool,
    output: Path,
) -> None:
    """Average the attention of RUN_OR_REFINER over cycles it never saw, and mask what it is on.

    Of a run, which needs its cohort, every fold's weights are fitted again where they are not kept;
    of a refiner the cycles that were set aside are shown, without intervals.
    """
    from nem2e_tf.refiner_info import MARKER as REFINER

    seed = n_seed(seed)
    if (source / REFINER).is_file():
        from nem2e_tf.controls.attention import control_attention_of_refiner
        from nem2e_tf.refiner import load_refiner

        if cohort is not None or models:
            raise InputError(f"{source}: --cohort and --model go with a run, and this is a refiner")
        refiner = load_refiner(source)
        tables = control_attention_of_refiner(refiner, output, sets=sets, seed=seed)
    else:
        if cohort is None:
            raise InputError(f"{source}: expected --cohort, the cohort that the run was made of")
        from nem2e_tf.cli.progress import FitProgress
        from nem2e_tf.controls.attention import control_attention

        opened_source = opened(source, cohort, models)
        with FitProgress() as progress:
            tables = control_attention(
                opened_source,
                output,
                sets=sets,
                seed=seed,
                jobs=n_jobs(jobs),
                progress=progress.update,
                on_plan=progress.plan_again,
            )
    tell("attention", tables, output, columns=COLUMNS, as_json=as_json)
