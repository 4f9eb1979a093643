"""``nem2e-tf export``: from a trained refiner to files that run, each checked."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nem2e_tf.cli.options import json_option, output_option

if TYPE_CHECKING:
    from nem2e_tf.export.writing import ExportedFile


@click.command()
@click.argument("refiner", type=click.Path(path_type=Path))
@click.option("--saved-model", is_flag=True, help="Write TensorFlow SavedModels.")
@click.option("--tflite", is_flag=True, help="Write TFLite files (float32, builtin operators).")
@click.option(
    "--recurrence",
    type=click.Choice(["loop", "unrolled"]),
    default="loop",
    show_default=True,
    help="Form of recurrences: loop is small, unrolled is faster up to about 64 units.",
)
@json_option("the result")
@output_option("Folder to write.")
def command(
    refiner: Path, saved_model: bool, tflite: bool, recurrence: str, as_json: bool, output: Path
) -> None:
    """Export REFINER, a trained refiner's folder.

    Every file is audited and compared with the refiner on real cycles; if a check fails, the
    command fails and writes nothing.
    """
    formats = [
        name for name, wanted in (("saved-model", saved_model), ("tflite", tflite)) if wanted
    ]
    if not formats:
        raise click.UsageError("give --saved-model, --tflite or both")
    from nem2e_tf.refiner import load_info, load_refiner

    load_info(refiner)  # bad input is told before TensorFlow is loaded, which takes seconds
    from nem2e_tf.export.writing import export_refiner
    from nem2e_tf.quiet import quiet_stderr

    with quiet_stderr():
        files = export_refiner(
            load_refiner(refiner), output, formats=formats, recurrence=recurrence
        )
    if as_json:
        click.echo(json.dumps({"folder": str(output), "files": [asdict(item) for item in files]}))
        return
    for line in _table(files):
        click.echo(line)
    click.echo(f"{output}: {len(files)} checked, listed in index.json")


def _table(files: "Sequence[ExportedFile]") -> list[str]:
    rows = [("file", "KB", "operators", "largest difference", "change of error")]
    for item in files:
        worst = max(item.parity, key=lambda muscle: muscle["difference"])
        change = max((muscle["rmse_change"] for muscle in item.parity), key=abs)
        rows.append(
            (
                item.file,
                f"{item.n_bytes / 1000:.0f}",
                str(sum(item.operators.values())) if item.operators else "-",
                f"{worst['difference']:.1e} of range ({worst['muscle']})",
                f"{change:+.5%}",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(f"{c:<{w}}" for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]
