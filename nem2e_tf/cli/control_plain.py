"""``nem2e-tf control blind`` and ``control oracle``: nothing is trained."""

from pathlib import Path

import click

from nem2e_tf.cli.control_options import cohort_option, models_option, opened, tell
from nem2e_tf.cli.options import PATH, json_option, output_option


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
