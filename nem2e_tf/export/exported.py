"""What an export tells of each file it wrote."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nem2e_tf.export.checked import Checked
from nem2e_tf.export.latency import measure
from nem2e_tf.files import sha256, write_json


@dataclass(frozen=True)
class ExportedFile:
    """One exported file (for a SavedModel: folder), as ``index.json`` lists it.

    Attributes
    ----------
    file : str
        Path within the export folder.
    format : {"saved-model", "tflite", "onnx", "micro"}
    muscles : tuple of str
        What it gives.
    n_bytes : int
        Size; of all files together for a folder.
    sha256 : str
        Of the file; empty for a folder.
    recurrence, precision, io : str
        Form of the graph; see `nem2e_tf.export.tflite.Job`.
    operators : dict of str to int
        Operators and how often each occurs; empty for a SavedModel.
    parity : tuple of dict
        For each muscle, how it compares with the refiner.
    latency : dict or None
        ``median_ms``, ``p99_ms`` and ``peak_mb`` of one row on one thread of the machine that
        exported it; None where it was not measured.
    arena_bytes : int or None
        Working memory on a microcontroller; see `nem2e_tf.export.micro`.
    notes : tuple of str
        What was tried before and did not do.
    """

    file: str
    format: str
    muscles: tuple[str, ...]
    n_bytes: int
    sha256: str
    recurrence: str
    precision: str
    operators: dict[str, int]
    parity: tuple[dict[str, Any], ...]
    io: str = "float32"
    latency: dict[str, float | None] | None = None
    arena_bytes: int | None = None
    notes: tuple[str, ...] = ()


def put(checked: Checked, target: Path, *, timed: bool) -> ExportedFile:
    """Write a checked file and its metadata beside it.

    Parameters
    ----------
    checked : Checked
    target : Path
        The file; its suffix says the format.
    timed : bool
        Whether to measure its latency.
    """
    target.write_bytes(checked.content)
    what = checked.metadata
    write_json(target.with_name(f"{target.name}.json"), what)
    return ExportedFile(
        file=target.name,
        format=target.suffix[1:],
        muscles=tuple(muscle["name"] for muscle in what["muscles"]),
        n_bytes=len(checked.content),
        sha256=sha256(target),
        recurrence=what["recurrence"],
        precision=what["precision"],
        operators=checked.audit.operators,
        parity=tuple(item.to_json() for item in checked.parity),
        io=what.get("io", "float32"),
        latency=asdict(measure(checked.content)) if timed else None,
    )


def table(files: Sequence[ExportedFile]) -> list[list[str]]:
    """Lay files out as rows of text, a heading first: for the terminal and for the card."""
    rows = [
        [
            "file",
            "KB",
            "operators",
            "largest difference",
            "change of error",
            "skill",
            "ms a row (99 %)",
            "memory, MB",
        ]
    ]
    for item in files:
        worst = max(item.parity, key=lambda muscle: muscle["difference"])
        change = max((muscle["rmse_change"] for muscle in item.parity), key=abs)
        times = item.latency
        rows.append(
            [
                item.file,
                f"{item.n_bytes / 1000:.0f}",
                str(sum(item.operators.values())) if item.operators else "-",
                f"{worst['difference']:.1e} of range ({worst['muscle']})",
                f"{change:+.5%}",
                _skills(item),
                f"{times['median_ms']:.3f} ({times['p99_ms']:.3f})" if times else "-",
                f"{times['peak_mb']:.1f}" if times and times["peak_mb"] is not None else "-",
            ]
        )
    return rows


def _skills(item: ExportedFile) -> str:
    """Mean skill over muscles, the refiner's and the file's."""
    pairs = [
        (muscle["skill_refiner"], muscle["skill_file"])
        for muscle in item.parity
        if muscle.get("skill_refiner") is not None
    ]
    if not pairs:
        return "-"
    before, after = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
    return f"{before:+z.4f} to {after:+z.4f}"
