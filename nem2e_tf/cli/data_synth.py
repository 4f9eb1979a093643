"""``nem2e-tf data synth``: an embedded cohort, of any size."""

from pathlib import Path

import click

from nem2e_tf.cli.cohort_text import size
from nem2e_tf.cli.options import output_option


@click.command()
@click.argument("name", type=click.Choice(["walk", "run"]))
@click.option("--seed", type=int, help="Another draw than the fixed cohort.")
@click.option(
    "--planted",
    type=click.Choice(["lag", "gain", "leak", "none"]),
    help="Distort the simulation in this one way only; by default in all of them.",
)
@click.option("--subjects", type=int, help="How many; 8 walk and 10 run by default.")
@click.option(
    "--cycles", type=int, help="Cycles a subject and speed; 1 walking and 3 running by default."
)
@output_option("Cohort folder to write.")
def synth(
    name: str,
    *,
    seed: int | None,
    planted: str | None,
    subjects: int | None,
    cycles: int | None,
    output: Path,
) -> None:
    """Make the embedded cohort NAME, a synthetic one with the structure of a public data set.

    walk: 8 subjects at 4 speeds, 5 muscles, 92 simulated channels. run: 10 subjects at 4 speeds,
    16 muscles that are 11 electrodes. The same seed gives the same cohort. With --subjects and
    --cycles it may be larger than the memory; one subject has to fit.
    """
    from nem2e_tf.cohort import load_cohort
    from nem2e_tf.importers.distortion import Distortion
    from nem2e_tf.importers.large import write_synthetic

    distortions = {
        "lag": Distortion.pure_lag(),
        "gain": Distortion.pure_gain(),
        "leak": Distortion.pure_leak(),
        "none": Distortion.none(),
    }
    distortion = distortions[planted] if planted else None
    folder = write_synthetic(
        output, name, seed=seed, distortion=distortion, n_subjects=subjects, n_cycles=cycles
    )
    click.echo(f"{folder}: {size(load_cohort(folder))}; synthetic")
