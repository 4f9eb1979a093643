"""``nem2e-tf control attention``: where attention lies, and whether it is faithful.

What the commands of ``nem2e-tf control`` share: options, and how results are printed.

``nem2e-tf control blind`` and ``control oracle``: nothing is trained.

``nem2e-tf control shuffle``: with the EMG of other cycles, skill must vanish.

``nem2e-tf control shortcut`` and ``control wrong-subject``: inputs that should do worse.
"""

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nem2e_tf.cli.options import PATH, Function, json_option, output_option
from nem2e_tf.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from nem2e_tf.controls.results import Source


WIDTH = 100


def cohort_option(*, required: bool = True) -> Callable[[Function], Function]:
    """Make the option that names the cohort of the run."""
    return click.option(
        "--cohort", required=required, type=PATH, help="The cohort folder that the run was made of."
    )


def models_option(function: Function) -> Function:
    """Add the option that chooses among the run's models."""
    return click.option(
        "--model", "models", multiple=True, help="Only this entry of the run; may be repeated."
    )(function)


def jobs_option(function: Function) -> Function:
    """Add the option for processes."""
    return click.option(
        "--jobs", type=int, help="Processes, one thread each.  [default: cores of this machine]"
    )(function)


def seed_option(function: Function) -> Function:
    """Add the option for what is drawn at random."""
    return click.option("--seed", type=int, default=0, show_default=True, help="Of what is drawn.")(
        function
    )


def n_jobs(jobs: int | None) -> int:
    """Check ``--jobs``."""
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs {jobs}: expected 1 or more")
    return jobs or len(os.sched_getaffinity(0))


def n_seed(seed: int) -> int:
    """Check ``--seed``."""
    if seed < 0:
        raise InputError(f"--seed {seed}: expected 0 or more")
    return seed


def opened(run: Path, cohort: Path, models: Iterable[str] = ()) -> "Source":
    """Open the run and its cohort."""
    from nem2e_tf.controls.results import open_source

    return open_source(run, cohort, models=models)


def tell(
    name: str,
    tables: "Mapping[str, pd.DataFrame]",
    out: Path,
    *,
    columns: Sequence[str],
    as_json: bool,
    rows: "pd.Series | None" = None,
) -> None:
    """Print a control's summary: as a table, or everything in it as JSON.

    Parameters
    ----------
    name : str
        Of the control.
    tables : mapping
        What it wrote.
    out : Path
        Where.
    columns : sequence of str
        What the table shows after the entry; the JSON has all columns.
    as_json : bool
    rows : boolean Series, optional
        Rows that the table shows; by default those over all muscles.
    """
    from nem2e_tf.controls.results import MARKER
    from nem2e_tf.io.files import read_json

    notes = read_json(out / MARKER)["notes"]
    summary = tables["summary"]
    if as_json:
        value = {"control": name, "notes": notes, "summary": records(summary), "folder": str(out)}
        click.echo(json.dumps(value, indent=1, allow_nan=False))
        return
    _print(summary[summary["muscle"] == "overall" if rows is None else rows], columns)
    for note in notes:
        click.echo(note)
    click.echo(f"Control: {out}")


def records(table: "pd.DataFrame") -> list[dict[str, Any]]:
    """Rows of a table for JSON: a number that is unknown is null."""
    return [
        {
            str(key): value if not isinstance(value, float) or abs(value) < float("inf") else None
            for key, value in row.items()
        }
        for row in table.astype(object).to_dict("records")
    ]


def _print(table: "pd.DataFrame", columns: Sequence[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(WIDTH, console.width))
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    settings = [c for c in ("pattern", "targets", "output", "recipe", "variant") if c in table]
    # References of the controls' own have no settings.
    told = [c for c in settings if len(set(table[c]) - {""}) > 1]
    shown.add_column("entry", min_width=17, overflow="fold")
    for column in columns:
        words = column.replace("_", " ")
        shown.add_column(words, justify="right", overflow="fold")
    for row in table.to_dict("records"):
        entry = " ".join(filter(None, [str(row["model"]), *(str(row[c]) for c in told)]))
        shown.add_row(entry, *(_cell(row, column) for column in columns))
    console.print(shown)


def _cell(row: Mapping[Any, Any], column: str) -> str:
    value = row[column]
    if isinstance(value, bool) or not isinstance(value, float | int):
        return str(value)
    if math.isnan(value):
        return "-"
    if isinstance(value, int):
        return str(value)
    if column.endswith(("_p", "_p_holm")):
        return f"{value:.3f}" if value >= 5e-4 else f"{value:.1e}"
    low, high = (row.get(f"{column}_{end}", math.nan) for end in ("low", "high"))
    text = f"{value:+z.3f}"
    return text if math.isnan(low) else f"{text} [{low:+z.3f}, {high:+z.3f}]"


@click.command(name="blind")
@click.argument("run", type=PATH)
@json_option("the summary")
@output_option("The folder of the control.")
def blind(run: Path, *, as_json: bool, output: Path) -> None:
    """Hold every entry of RUN against the mean EMG pattern.

    The mean EMG pattern of the training cycles never looks at its input. How much of an entry's
    gain over the simulation does it reach, and which entries add to it?
    """
    from nem2e_tf.controls.blind import control_blind

    tables, _ = control_blind(run, output)
    columns = ("n", "rate", "mean_pattern_rate", "share", "skill", "skill_p_holm", "verdict")
    tell("blind", tables, output, columns=columns, as_json=as_json)


@click.command(name="oracle")
@click.argument("run", type=PATH)
@cohort_option()
@models_option
@json_option("the summary")
@output_option("The folder of the control.")
def oracle(
    run: Path, *, cohort: Path, models: tuple[str, ...], as_json: bool, output: Path
) -> None:
    """Split what every entry of RUN gains over the simulation into amplitude, timing and shape.

    How much of the improvement is merely scaling, how much merely shifting?
    """
    from nem2e_tf.controls.oracle import control_oracle

    tables = control_oracle(opened(run, cohort, models), output)
    columns = ("n", "gain", "amplitude_share", "timing_share", "shape_share")
    tell("oracle", tables, output, columns=columns, as_json=as_json)


SHUFFLE_COLUMNS = ("level", "tests", "false_positives", "share", "nominal", "skill")


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
    tell("shuffle", tables, output, columns=SHUFFLE_COLUMNS, as_json=as_json, rows=everything)


INPUT_COLUMNS = ("n", "rate_own", "rate_changed", "difference", "difference_p", "skill_changed")


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
    tell(name, tables, output, columns=INPUT_COLUMNS, as_json=as_json)


ATTENTION_COLUMNS = (
    "n",
    "n_masked",
    "rmse_own",
    "rmse_most",
    "rmse_random",
    "difference",
    "difference_p",
)


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
    from nem2e_tf.refiners.info import MARKER as REFINER

    seed = n_seed(seed)
    if (source / REFINER).is_file():
        from nem2e_tf.controls.attention import control_attention_of_refiner
        from nem2e_tf.refiners.refiner import load_refiner

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
    tell("attention", tables, output, columns=ATTENTION_COLUMNS, as_json=as_json)
