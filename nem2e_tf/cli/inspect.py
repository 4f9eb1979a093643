"""``nem2e-tf inspect``: what an exported file is, without TensorFlow."""

import json
from pathlib import Path
from typing import Any

import click

from nem2e_tf.cli.options import json_option


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option("everything")
def command(file: Path, as_json: bool) -> None:
    """Print the metadata, the signatures and the operators of FILE, a .tflite or .onnx of nem2e-tf.

    The file's own SHA-256 is checked first.
    """
    from nem2e_tf.export.audit import audit
    from nem2e_tf.export.refiner_file import is_onnx, read_content, read_metadata

    content = read_content(file)
    metadata = read_metadata(content, source=file)
    if is_onnx(content, file):
        from nem2e_tf.export.onnx_audit import audit
    found = audit(content)
    signatures = [
        {"name": item.name, "inputs": item.inputs, "outputs": item.outputs}
        for item in found.signatures
    ]
    if as_json:
        click.echo(
            json.dumps(
                {"metadata": metadata, "signatures": signatures, "operators": found.operators}
            )
        )
        return
    for key, value in metadata.items():
        for line in _lines(key, value):
            click.echo(line)
    for item in found.signatures:
        takes = ", ".join(f"{name} {what}" for name, what in item.inputs.items())
        gives = ", ".join(f"{name} {what}" for name, what in item.outputs.items())
        click.echo(f"signature {item.name}: {takes} -> {gives}")
    listed = ", ".join(f"{name} {count}" for name, count in found.operators.items())
    click.echo(f"{found.n_operators} operators: {listed}")


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
