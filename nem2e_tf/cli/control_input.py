"""``nem2e-tf control shortcut`` and ``control wrong-subject``: inputs that should do worse."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

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
from nem2e_tf.cli.options import PATH, Function, json_option, output_option

COLUMNS = ("n", "rate_own", "rate_changed", "difference", "difference_p", "skill_changed")


def _options(function: Function) -> Function:
    decorators: tuple[Callable[[Function], Function], ...] = (
        click.argument("run", type=PATH),
        cohort_option(),
        models_option,
        click.option(
            "--draws",
            type=int,
            default=8,
            show_default=True,
            help="Changed inputs of each cycle, averaged.",
        ),
        seed_option,
        jobs_option,
        json_option("the summary"),
        output_option("The folder of the control."),
    )
    for decorate in reversed(decorators):
        function = decorate(function)
    return function


@click.command(name="shortcut")
@_options
def shortcut(run: Path, **given: Any) -> None:
    """Change frequency and phase of every held-out input of RUN at random.

    The paper's control: an entry that has learned nothing but the mean pattern does not mind, one
    that uses its input gets worse. Weights that RUN does not keep are fitted again and kept there.
    """
    _run("shortcut", run, **given)


@click.command(name="wrong-subject")
@_options
def wrong_subject(run: Path, **given: Any) -> None:
    """Give every held-out cycle of RUN the input of another subject, of the same condition.

    A stronger control than `shortcut`: the input is a usual one. Weights that RUN does not keep are
    fitted again and kept there.
    """
    _run("wrong-subject", run, **given)


def _run(
    name: str,
    run: Path,
    *,
    cohort: Path,
    models: tuple[str, ...],
    draws: int,
    seed: int,
    jobs: int | None,
    as_json: bool,
    output: Path,
) -> None:
    from nem2e_tf.cli.progress import FitProgress
    from nem2e_tf.controls.changed_input import control_changed_input

    source = opened(run, cohort, models)
    processes, seed = n_jobs(jobs), n_seed(seed)
    with FitProgress() as progress:
        tables = control_changed_input(
            source,
            output,
            name,
            draws=draws,
            seed=seed,
            jobs=processes,
            progress=progress.update,
            on_plan=progress.plan_again,
        )
    tell(name, tables, output, columns=COLUMNS, as_json=as_json)
