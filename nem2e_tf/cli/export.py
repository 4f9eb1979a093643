"""``nem2e-tf export``: write a trained refiner as files that run, each checked against it."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from nem2e_tf.cli.options import PATH, execute_source_option, json_option, output_option
from nem2e_tf.names import PRECISIONS

SIGNATURES = {
    "attention": "refine_with_attention",
    "raw": "refine_recording",
    "step": "step",
}


@click.command()
@click.argument("refiner", type=PATH)
@click.option("--saved-model", is_flag=True, help="Write TensorFlow SavedModels.")
@click.option("--tflite", is_flag=True, help="Write TFLite files (builtin operators).")
@click.option("--onnx", is_flag=True, help="Write ONNX files (extra: nem2e-tf[onnx]).")
@click.option(
    "--micro", is_flag=True, help="Write C source for a microcontroller (extra: nem2e-tf[micro])."
)
@click.option(
    "--arena-limit",
    type=click.IntRange(min=1),
    default=256,
    show_default=True,
    help="Limit of the working memory on a microcontroller, KB.",
)
@click.option(
    "--precision",
    "precisions",
    type=click.Choice(PRECISIONS),
    multiple=True,
    default=["float32"],
    show_default=True,
    help="Number format of TFLite files; may be repeated. dynamic: weights in 8 bits; int8: "
    "weights and activations in 8 bits.",
)
@click.option(
    "--io",
    type=click.Choice(["float32", "int8"]),
    default="float32",
    show_default=True,
    help="Type of inputs and outputs at precision int8.",
)
@click.option(
    "--recurrence",
    type=click.Choice(["auto", "loop", "unrolled", "fused"]),
    default="auto",
    show_default=True,
    help="Form of recurrences: loop is small, and fast with XNNPACK; unrolled is faster without "
    "XNNPACK, and fastest if its weights are shared; auto is loop, and unrolled for int8, which "
    "cannot have loops; fused is LiteRT's LSTM operator (entry lstm).",
)
@click.option("--combine", is_flag=True, help="One TFLite file for all muscles (targets each).")
@click.option("--attention", is_flag=True, help="Add a signature that returns attention weights.")
@click.option("--raw", is_flag=True, help="Add a signature for one cycle of any length.")
@click.option("--step", is_flag=True, help="Add a signature for one sample (causal models).")
@click.option(
    "--largest-difference",
    "difference",
    type=click.FloatRange(min=0),
    help="Largest difference of a sample from the refiner's, as a fraction of the muscle's range.  "
    "[default: by precision]",
)
@click.option(
    "--largest-change",
    "rmse",
    type=click.FloatRange(min=0),
    help="Largest relative change of the error against measured EMG.  [default: by precision]",
)
@click.option("--no-latency", is_flag=True, help="Do not measure the latency of the files.")
@execute_source_option
@json_option("the result")
@output_option("Folder to write.", name="out")
def command(
    refiner: Path,
    out: Path,
    precisions: tuple[str, ...],
    combine: bool,
    arena_limit: int,
    difference: float | None,
    rmse: float | None,
    no_latency: bool,
    execute_source: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Export REFINER, the folder of a trained refiner.

    Every file is audited and compared with the refiner on real cycles. If a check fails, the
    command fails and writes nothing. A model card, README.md, is written with the files.
    """
    names = ("saved_model", "tflite", "onnx", "micro")
    formats = [name.replace("_", "-") for name in names if given.pop(name)]
    if not formats:
        raise click.UsageError("give --saved-model, --tflite, --onnx, --micro or several of them")
    options = [name for name in SIGNATURES if given.pop(name)]
    only_tflite = [f"--{name}" for name in options]
    only_tflite += ["--combine"] if combine and "micro" not in formats else []
    only_tflite += ["--precision"] if tuple(precisions) != ("float32",) else []
    if only_tflite and "tflite" not in formats:
        raise click.UsageError(
            f"{only_tflite[0]} requires --tflite: files of other formats are float32, one per "
            "model, with the signature refine only"
        )
    from nem2e_tf.export.context import LIMITS
    from nem2e_tf.export.exporter import export
    from nem2e_tf.io.quiet import quiet_stderr
    from nem2e_tf.refiners.refiner import load_info, load_refiner

    load_info(refiner)  # before TensorFlow, which takes seconds to load
    own = {"difference": difference, "rmse": rmse}
    changed = {key: value for key, value in own.items() if value is not None}
    with quiet_stderr():
        result = export(
            load_refiner(refiner, execute_source=execute_source),
            out,
            formats=formats,
            precisions=precisions,
            combine=combine,
            signatures=[SIGNATURES[name] for name in options],
            limits={name: replace(limits, **changed) for name, limits in LIMITS.items()},
            arena_limit=arena_limit * 1024,
            timed=not no_latency,
            **given,
        )
    files = result.files
    for note in dict.fromkeys(note for item in files for note in item.notes):
        click.echo(note, err=True)
    if as_json:
        click.echo(json.dumps({"folder": str(out), "files": [asdict(item) for item in files]}))
        return
    click.echo(str(result))
    for item in files:
        if item.arena_bytes is not None:
            click.echo(f"{item.file}: {item.precision}, arena {item.arena_bytes / 1024:.1f} KB")
    click.echo(f"{out}: {len(files)} checked, listed in index.json and README.md")
