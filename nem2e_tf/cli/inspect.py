"""``nem2e-tf bench``: latency, memory and size of exported files, side by side.

``nem2e-tf inspect``: what an exported file is, without TensorFlow.
"""

import importlib.util
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from nem2e_tf.cli.options import json_option
from nem2e_tf.errors import InputError


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option("everything")
def inspect_command(file: Path, as_json: bool) -> None:
    """Print the metadata, the signatures and the operators of FILE, a .tflite or .onnx of nem2e-tf.

    The file's own SHA-256 is checked first. Of a refiner folder or a SavedModel, the metadata are
    printed; of an export folder, everything of each of its files.
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
            takes = ", ".join(f"{name} {what}" for name, what in item["inputs"].items())
            gives = ", ".join(f"{name} {what}" for name, what in item["outputs"].items())
            click.echo(f"signature {item['name']}: {takes} -> {gives}")
        if one["operators"]:
            listed = ", ".join(f"{name} {count}" for name, count in one["operators"].items())
            click.echo(f"{sum(one['operators'].values())} operators: {listed}")


def _lines(key: str, value: Any) -> list[str]:
    if key == "operators":  # counted afresh below
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
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--runs",
    type=click.IntRange(min=10),
    default=1000,
    show_default=True,
    help="How often each file is run.",
)
@json_option("the result")
def bench_command(files: tuple[Path, ...], runs: int, as_json: bool) -> None:
    """Measure FILES, .tflite and .onnx (or export folders), in turns in one run.

    Each runs in a process of its own, on one thread; a row is a cycle, or a quarter of one under
    the pattern one-quarter. Memory is what the file adds to a process that has the runtime's
    library loaded. An unrolled .tflite is also measured with shared weights, as the runtime's
    load(..., shared_weights=True) runs it.
    """
    from nem2e_tf.export.file.metadata import read_content, read_metadata
    from nem2e_tf.export.latency import measure_together
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
        raise InputError("bench: expected a file that can be run here, found none")
    # a file whose graph reads each weight many times may also be run with one copy of it
    again = [item for item in rest if _shares(item[0], item[2])]
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
    for line in _table(rows):
        click.echo(line)


def _shares(file: Path, metadata: dict[str, Any]) -> bool:
    from nem2e_tf.export.runtime.interpreters import SHAREABLE

    return (
        file.suffix == ".tflite"
        and metadata.get("recurrence") == "unrolled"
        and metadata.get("precision") in SHAREABLE
    )


def _table(rows: list[dict[str, Any]]) -> list[str]:
    fastest = min(row["median_ms"] for row in rows)
    cells = [
        (
            "file",
            "precision",
            "recurrence",
            "KB",
            "ms a row",
            "99 %",
            "to the fastest",
            "memory, MB",
        )
    ]
    for row in rows:
        peak = row["peak_mb"]
        cells.append(
            (
                row["file"],
                str(row["precision"]),
                f"{row['recurrence']}{', weights shared' * row['shared_weights']}",
                f"{row['n_bytes'] / 1000:.0f}",
                f"{row['median_ms']:.4f}",
                f"{row['p99_ms']:.4f}",
                f"{row['median_ms'] / fastest:.2f}",
                "not known here" if peak is None else f"{peak:.1f}",
            )
        )
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    return ["  ".join(f"{c:<{w}}" for c, w in zip(r, widths, strict=True)).rstrip() for r in cells]
