"""``nem2e-tf export``: from a trained refiner to files that run, each checked."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import click

from nem2e_tf.cli.options import execute_source_option, json_option, output_option

SIGNATURES = {
    "--attention": "refine_with_attention",
    "--raw": "refine_recording",
    "--step": "step",
}


@click.command()
@click.argument("refiner", type=click.Path(path_type=Path))
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
    help="Most KB of working memory on a microcontroller.",
)
@click.option(
    "--precision",
    "precisions",
    type=click.Choice(["float32", "float16", "dynamic", "int8"]),
    multiple=True,
    default=["float32"],
    show_default=True,
    help="Of TFLite files; may be given several times. dynamic: weights in 8 bits; int8: all.",
)
@click.option(
    "--io",
    type=click.Choice(["float32", "int8"]),
    default="float32",
    show_default=True,
    help="What goes in and out at precision int8.",
)
@click.option(
    "--recurrence",
    type=click.Choice(["auto", "loop", "unrolled", "fused"]),
    default="auto",
    show_default=True,
    help="Form of recurrences: loop is small, and fast with XNNPACK; unrolled is faster without "
    "XNNPACK, and fastest of all where its weights are shared; auto is loop, and unrolled for "
    "int8, which cannot have loops; fused is LiteRT's one operator for LSTMs (entry lstm).",
)
@click.option("--combine", is_flag=True, help="One TFLite file for all muscles (targets each).")
@click.option("--attention", is_flag=True, help="TFLite files can also give attention weights.")
@click.option("--raw", is_flag=True, help="TFLite files also take one cycle of any length.")
@click.option("--step", is_flag=True, help="TFLite files also go sample by sample (causal models).")
@click.option(
    "--largest-difference",
    type=click.FloatRange(min=0),
    help="Instead of each precision's own: most that a sample may differ from the refiner's, as a "
    "share of the muscle's range.",
)
@click.option(
    "--largest-change",
    type=click.FloatRange(min=0),
    help="Instead of each precision's own: most that the error against measured EMG may change, "
    "as a share of it.",
)
@click.option("--no-latency", is_flag=True, help="Do not time the files.")
@execute_source_option
@json_option("the result")
@output_option("Folder to write.")
def command(
    refiner: Path,
    saved_model: bool,
    tflite: bool,
    onnx: bool,
    micro: bool,
    arena_limit: int,
    precisions: tuple[str, ...],
    io: str,
    recurrence: str,
    combine: bool,
    attention: bool,
    raw: bool,
    step: bool,
    largest_difference: float | None,
    largest_change: float | None,
    no_latency: bool,
    execute_source: bool,
    as_json: bool,
    output: Path,
) -> None:
    """Export REFINER, a trained refiner's folder.

    Every file is audited and compared with the refiner on real cycles; if a check fails, the
    command fails and writes nothing. A model card, README.md, is written with the files.
    """
    asked = {"saved-model": saved_model, "tflite": tflite, "onnx": onnx, "micro": micro}
    formats = [name for name, wanted in asked.items() if wanted]
    if not formats:
        raise click.UsageError("give --saved-model, --tflite, --onnx, --micro or several of them")
    further = {"--attention": attention, "--raw": raw, "--step": step}
    options = [name for name, wanted in further.items() if wanted]
    only_tflite = [*options, *(["--combine"] if combine and not micro else [])]
    only_tflite += ["--precision"] if tuple(precisions) != ("float32",) else []
    if only_tflite and not tflite:
        raise click.UsageError(
            f"{only_tflite[0]} needs --tflite: files of other formats are float32, one a model, "
            "with refine alone"
        )
    from nem2e_tf.export.context import LIMITS
    from nem2e_tf.export.exporter import export
    from nem2e_tf.io.quiet import quiet_stderr
    from nem2e_tf.refiners.refiner import load_info, load_refiner

    load_info(refiner)  # before TensorFlow, which takes seconds to load
    own = {"difference": largest_difference, "rmse": largest_change}
    given = {key: value for key, value in own.items() if value is not None}
    with quiet_stderr():
        result = export(
            load_refiner(refiner, execute_source=execute_source),
            output,
            formats=formats,
            precisions=precisions,
            io=io,
            recurrence=recurrence,
            combine=combine,
            signatures=[SIGNATURES[option] for option in options],
            limits={name: replace(limits, **given) for name, limits in LIMITS.items()},
            arena_limit=arena_limit * 1024,
            timed=not no_latency,
        )
    files = result.files
    for note in dict.fromkeys(note for item in files for note in item.notes):
        click.echo(note, err=True)
    if as_json:
        click.echo(json.dumps({"folder": str(output), "files": [asdict(item) for item in files]}))
        return
    click.echo(result.table())
    for item in files:
        if item.arena_bytes is not None:
            click.echo(f"{item.file}: {item.precision}, arena {item.arena_bytes / 1024:.1f} KB")
    click.echo(f"{output}: {len(files)} checked, listed in index.json and README.md")
