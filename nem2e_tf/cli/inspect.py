"""``nem2e-tf inspect``: metadata, signatures and operators of refiners, without running them.

``nem2e-tf bench``: latency, memory and size of exported files, side by side.
"""

import importlib.util
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from nem2e_tf.cli.options import PATH, json_option
from nem2e_tf.errors import InputError


@click.command()
@click.argument("file", type=PATH)
@json_option("everything")
def inspect_command(file: Path, as_json: bool) -> None:
    """Print the metadata, signatures and operators of FILE, a .tflite or .onnx of nem2e-tf.

    The checksum of the file is verified first. For a refiner folder or a SavedModel, only the
    metadata are printed; for an export folder, each of its files.
    """
    from nem2e_tf.export.runtime.load import inspect

    described = inspect(file)
    if as_json:
        click.echo(json.dumps(described[0] if len(described) == 1 else described))
        return
    for one in described:
        for key, value in one["metadata"].items():
            for line in _lines(key, value):
                click.echo(line)
        for item in one["signatures"]:
            inputs, outputs = (
                ", ".join(f"{name} {tensor}" for name, tensor in item[side].items())
                for side in ("inputs", "outputs")
            )
            click.echo(f"signature {item['name']}: {inputs} -> {outputs}")
        if one["operators"]:
            listed = ", ".join(f"{name} {count}" for name, count in one["operators"].items())
            click.echo(f"{sum(one['operators'].values())} operators: {listed}")


def _lines(key: str, value: Any) -> list[str]:
    if key == "operators":  # counted in the file itself
        return []
    if key == "muscles":
        return [
            f"muscle {item['name']}: compared with {' '.join(item['counterparts'])}"
            for item in value
        ]
    if key == "parity":
        return [
            f"parity {item['muscle']}: differs by {item['difference']:.1e} of the range, "
            f"error against EMG by {item['rmse_change']:+.5%} ({item['n_cycles']} cycles)"
            for item in value["muscles"]
        ]
    if isinstance(value, dict):
        return [f"{key}.{name}: {item}" for name, item in value.items()]
    if isinstance(value, list):
        return [f"{key}: {len(value)}: {' '.join(map(str, value))}"]
    return [f"{key}: {value}"]


@click.command()
@click.argument("files", type=PATH, nargs=-1, required=True)
@click.option(
    "--runs",
    type=click.IntRange(min=10),
    default=1000,
    show_default=True,
    help="Runs per file.",
)
@json_option("the result")
def bench_command(files: tuple[Path, ...], runs: int, as_json: bool) -> None:
    """Measure FILES (.tflite, .onnx or export folders) in turns, in one run.

    Each file runs in a process of its own, on one thread. A row is a cycle, or a quarter of a
    cycle for the pattern one-quarter. Memory is what the file adds to a process that has loaded
    the runtime's library. An unrolled .tflite is also measured with shared weights, as
    load(..., shared_weights=True) runs it.
    """
    from nem2e_tf.export.card import aligned
    from nem2e_tf.export.file.metadata import read_content, read_metadata
    from nem2e_tf.export.latency import measure_together
    from nem2e_tf.export.runtime.interpreters import SHAREABLE
    from nem2e_tf.export.runtime.load import locate

    known = []
    for file in (file for path in files for file in locate(path).paths):
        content = read_content(file)
        known.append((file, content, read_metadata(content, source=file)))
    rest = known
    if importlib.util.find_spec("onnxruntime") is None:
        rest = [item for item in known if item[0].suffix != ".onnx"]
        for file in (item[0] for item in known if item not in rest):
            click.echo(
                f"{file}: not measured: onnxruntime is not installed; install it with: "
                "pip install 'nem2e-tf[onnx]'",
                err=True,
            )
    if not rest:
        raise InputError("files: expected one that can run here, found none")
    again = [
        item
        for item in rest
        if (item[0].suffix, item[2].get("recurrence")) == (".tflite", "unrolled")
        and item[2].get("precision") in SHAREABLE
    ]
    shared = range(len(rest), len(rest) + len(again))
    rest = rest + again
    measured = measure_together(
        [content for _, content, _ in rest], runs=runs, shared_weights=shared
    )
    rows = [
        {
            "file": str(file),
            "format": file.suffix[1:],
            "model": metadata.get("model"),
            "precision": metadata.get("precision"),
            "recurrence": metadata.get("recurrence"),
            "shared_weights": place in shared,
            "n_bytes": len(content),
            **asdict(found),
        }
        for place, ((file, content, metadata), found) in enumerate(zip(rest, measured, strict=True))
    ]
    if as_json:
        click.echo(json.dumps({"runs": runs, "threads": 1, "files": rows}))
        return
    click.echo(aligned(_cells(rows)))


def _cells(rows: list[dict[str, Any]]) -> list[list[str]]:
    fastest = min(row["median_ms"] for row in rows)
    heading = "file|precision|recurrence|KB|ms per row|99 %|relative to fastest|memory, MB"
    cells = [heading.split("|")]
    for row in rows:
        peak = row["peak_mb"]
        cells.append(
            [
                row["file"],
                str(row["precision"]),
                f"{row['recurrence']}{', weights shared' * row['shared_weights']}",
                f"{row['n_bytes'] / 1000:.0f}",
                f"{row['median_ms']:.4f}",
                f"{row['p99_ms']:.4f}",
                f"{row['median_ms'] / fastest:.2f}",
                "unknown" if peak is None else f"{peak:.1f}",
            ]
        )
    return cells
