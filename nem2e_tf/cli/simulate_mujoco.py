"""``nem2e-tf simulate mujoco``: activation of a motion without OpenSim."""

import json
from pathlib import Path

import click

from nem2e_tf.cli.options import PATH, json_option, output_option
from nem2e_tf.errors import InputError

_PARTS = (slice(0, 3), slice(3, 6))


@click.command(name="mujoco")
@click.argument("motion", type=PATH)
@click.argument("ground_reaction", metavar="GROUND_REACTION", type=PATH)
@click.option(
    "--plate-right", required=True, help="Prefix of the right foot's columns: ground_force_r."
)
@click.option("--plate-left", required=True, help="Prefix of the left foot's columns.")
@click.option(
    "--model", "scaled_model", type=PATH, help="Scaled .osim to take segment lengths and mass from."
)
@click.option("--mass", type=float, help="Of the person, kg.  [default: that of --model]")
@click.option(
    "--myolegs", type=PATH, help="Model file of myoLegs.  [default: that of the package myo-sim]"
)
@click.option(
    "--cutoff", default=6.0, show_default=True, help="Low-pass of the joint angles, Hz; 0 for none."
)
@click.option(
    "--angles",
    type=click.Choice(["degrees", "radians"]),
    help="Unit of the angles, where MOTION does not say.",
)
@click.option("--rate", default=100.0, show_default=True, help="Frames a second of the result.")
@click.option("--start", type=float, help="s.  [default: start of what both files cover]")
@click.option("--end", type=float, help="s.  [default: end of what both files cover]")
@click.option("--moments", type=PATH, help="Also write the joint moments to this file.")
@json_option("the quality table")
@output_option("Activation file to write (.sto).")
def mujoco(
    motion: Path,
    ground_reaction: Path,
    *,
    plate_right: str,
    plate_left: str,
    scaled_model: Path | None,
    mass: float | None,
    myolegs: Path | None,
    cutoff: float,
    angles: str | None,
    rate: float,
    start: float | None,
    end: float | None,
    moments: Path | None,
    as_json: bool,
    output: Path,
) -> None:
    """Static optimization with MuJoCo's myoLegs model, where OpenSim does not install.

    MOTION holds joint angles of inverse kinematics (Rajagopal's or gait2392's coordinates),
    GROUND_REACTION forces (N), centres of pressure (m) and torques of both feet, y up. Written are
    activations of 80 muscles under Rajagopal's names, and reserves (N m).
    """
    from nem2e_tf.myolegs.route import RESERVE_LIMIT, RESIDUAL_LIMIT, simulate
    from nem2e_tf.storage import write_storage

    for path in filter(None, (output, moments)):
        if not path.parent.is_dir():
            raise InputError(f"{path}: expected an existing folder {path.parent}, found none")
    found = simulate(
        motion,
        ground_reaction,
        plates={"r": plate_right, "l": plate_left},
        mass=mass,
        scaled_model=scaled_model,
        myolegs=myolegs,
        cutoff=cutoff,
        in_degrees=None if angles is None else angles == "degrees",
        rate=rate,
        start=start,
        end=end,
    )
    write_storage(output, found.activation)
    if moments:
        write_storage(moments, found.moments)
    for note in found.notes:
        click.echo(note, err=True)
    failed = [gate.coordinate for gate in found.gates if not gate.passed]
    if failed:
        click.echo(
            f"warning: reserves above {RESERVE_LIMIT:.0%} of the moment (and 1 N m) in "
            f"{', '.join(failed)}: the muscles could not do this motion; check plates, model and "
            "mass",
            err=True,
        )
    if found.imbalance > RESIDUAL_LIMIT:
        click.echo(
            f"warning: {found.imbalance:.0%} of the body weight is not balanced (at most "
            f"{RESIDUAL_LIMIT:.0%} expected): are the plates of the right feet, and axes, clock "
            "and mass right?",
            err=True,
        )
    if as_json:
        table = [
            {
                "coordinate": gate.coordinate,
                "moment": gate.moment,
                "reserve": gate.reserve,
                "share": gate.share,
                "passed": gate.passed,
            }
            for gate in found.gates
        ]
        told = {
            "activation": str(output),
            "reserves": table,
            "residual": found.residual.tolist(),
            "imbalance": found.imbalance,
            "seconds_a_frame": found.seconds_a_frame,
            "notes": list(found.notes),
        }
        click.echo(json.dumps(told, indent=1, allow_nan=False))
        return
    click.echo("coordinate          peak moment, N m   peak reserve, N m   share")
    for gate in found.gates:
        click.echo(
            f"{gate.coordinate:<18}  {gate.moment:16.1f}   {gate.reserve:17.2f}   "
            f"{format(gate.share, '.1%') if gate.moment >= 1 else '-'}"
            f"{'' if gate.passed else '  too much'}"
        )
    force, moment = (float((found.residual[part] ** 2).sum() ** 0.5) for part in _PARTS)
    click.echo(
        f"residual at the pelvis (root mean square): {force:.1f} N ({found.imbalance:.0%} of the "
        f"weight), {moment:.1f} N m"
    )
    rows = found.activation.n_rows
    click.echo(f"{output}: {rows} rows, {1e3 * found.seconds_a_frame:.1f} ms a frame")
