"""``nem2e-tf estimate``: motion in, refined EMG-like activity out."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nem2e_tf.cli.options import PATH, json_option, output_option
from nem2e_tf.cli.simulate_options import StageProgress, gate_table
from nem2e_tf.cli.simulate_stages import chain_options, echo_notes, summary
from nem2e_tf.errors import InputError

if TYPE_CHECKING:
    from nem2e_tf.simulate.opensim.chain import Trial


MARKER = "estimate.json"
PICTURE = "refined.png"


@click.command()
@click.argument("motions", metavar="MOTION...", nargs=-1, required=True, type=PATH)
@click.option(
    "--refiner", required=True, type=PATH, help="Refiner folder, export folder or .tflite file."
)
@click.option("--side", type=click.Choice(["left", "right"]), required=True, help="Leg to refine.")
@click.option(
    "--forces",
    multiple=True,
    type=PATH,
    help="Ground reaction (.mot, .sto) or loads (.xml); one for each MOTION, in their order.",
)
@click.option(
    "--events",
    type=PATH,
    help="CSV with start and end of cycles, s, where that foot's plate does not show them.",
)
@click.option("--threshold", type=float, help="Vertical force of a contact, N; 30 if not given.")
@click.option("--emg", type=PATH, help="Measured EMG envelopes to compare with, of one MOTION.")
@chain_options
@click.option("--jobs", default=1, show_default=True, help="Trials at a time.")
@click.option("--strict", is_flag=True, help="Stop a trial at a quality gate not passed.")
@json_option("trials, gates and correlations")
@output_option("Folder to write.")
def command(
    motions: tuple[Path, ...],
    *,
    refiner: Path,
    side: str,
    forces: tuple[Path, ...],
    events: Path | None,
    threshold: float | None,
    emg: Path | None,
    jobs: int,
    strict: bool,
    as_json: bool,
    output: Path,
    **given: Any,
) -> None:
    """Estimate muscle activity from motion: simulate it, then refine it.

    MOTION is a marker file (.trc) or joint angles (.mot, .sto), one for each trial, or a project
    file (.toml, see 'simulate chain'). Each trial gets a folder with its stages, activation.sto and
    refined.sto; refined.png shows simulated and refined curves of all.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from nem2e_tf.export.runtime.load import load
    from nem2e_tf.io.files import output_folder, replacing, write_json
    from nem2e_tf.io.quiet import quiet_stderr
    from nem2e_tf.io.storage import read_storage
    from nem2e_tf.signals.gait import THRESHOLD
    from nem2e_tf.simulate.estimate import draw, find_cycles, refine_trial
    from nem2e_tf.simulate.opensim.chain import run_project

    trials = _trials(motions, forces, given)
    if emg is not None and len(trials) > 1:
        raise InputError(f"{emg}: expected EMG with one MOTION only, found {len(trials)}")
    contact = THRESHOLD if threshold is None else threshold
    cycles = [
        find_cycles(trial.settings, side=side[0], events=events, threshold=contact)
        for trial in trials
    ]
    envelopes = read_storage(emg) if emg is not None else None
    with quiet_stderr():
        loaded = load(refiner)
    with StageProgress() as progress:
        outcomes = run_project(
            trials, output, jobs=jobs, strict=strict, watch=progress.watch, marker=MARKER
        )
    for outcome in outcomes:
        if outcome.chain is None:
            raise InputError(f"{outcome.trial.title}: {outcome.error}")
    chains = [(o.trial.title, o.chain) for o in outcomes if o.chain is not None]
    echo_notes(chains)
    folder = output_folder(output, marker=MARKER)
    done = [
        refine_trial(title, chain, loaded, side=side[0], found=found, emg=envelopes)
        for (title, chain), found in zip(chains, cycles, strict=True)
    ]
    for one in done:
        for note in one.notes:
            click.echo(f"note: {one.title}: {note}", err=True)
    with replacing(folder / PICTURE) as temporary:
        draw(done, with_emg=emg is not None).savefig(temporary, format="png", dpi=200)
    told = {one.title: one.as_dict() for one in done}
    write_json(folder / MARKER, {"finished": True, "refiner": str(refiner), "trials": told})
    if as_json:
        click.echo(json.dumps(told, indent=1, allow_nan=False))
        return
    for line in gate_table([(title, result) for title, c in chains for result in c.stages]):
        click.echo(line)
    for one in done:
        for line in one.lines():
            click.echo(line)
    for one, (_, chain) in zip(done, chains, strict=True):
        count = f"{one.cycles} cycle{'s'[: one.cycles != 1]}"
        click.echo(f"{one.path}: {count}; {summary(chain)}")
    click.echo(f"{folder / PICTURE}: {len(done)} trial{'s'[: len(done) != 1]}")


def _trials(
    motions: tuple[Path, ...], forces: tuple[Path, ...], given: dict[str, Any]
) -> "list[Trial]":
    from nem2e_tf.simulate.opensim.chain import ChainSettings, Trial, read_project

    if len(motions) == 1 and motions[0].suffix.lower() == ".toml":
        if forces or given["model"]:
            raise click.UsageError("a project file says model and forces itself")
        return read_project(motions[0])
    if len(forces) != len(motions):
        raise click.UsageError(
            f"give --forces once for each MOTION: {len(motions)} motions, {len(forces)} forces"
        )
    if given["model"] is None:
        raise click.UsageError("give --model")
    names = [motion.stem for motion in motions]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(
            f"{twice[0]}: expected motions of different names, found two; use a project"
        )
    return [
        Trial("", motion.stem, ChainSettings(**given, motion=motion, forces=force))
        for motion, force in zip(motions, forces, strict=True)
    ]
