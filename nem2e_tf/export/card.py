"""The model card of an export: what the files are, how to run them, how good they are, for what.

What an export tells of each file it wrote.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nem2e_tf.export.checked import Checked
from nem2e_tf.export.latency import measure
from nem2e_tf.io.files import sha256, write_json
from nem2e_tf.refiners.info import RefinerInfo


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
        Form of the graph; see `nem2e_tf.export.formats.tflite.Job`.
    operators : dict of str to int
        Operators and how often each occurs; empty for a SavedModel.
    parity : tuple of dict
        For each muscle, how it compares with the refiner.
    latency : dict or None
        ``median_ms``, ``p99_ms`` and ``peak_mb`` of one row on one thread of the machine that
        exported it; None where it was not measured.
    arena_bytes : int or None
        Working memory on a microcontroller; see `nem2e_tf.export.formats.micro`.
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


@dataclass(frozen=True)
class ExportResult:
    """What `nem2e_tf.export.exporter.export` wrote.

    Attributes
    ----------
    folder : Path
        The export folder.
    files : tuple of ExportedFile
        One per file, in the order of ``index.json``.
    """

    folder: Path
    files: tuple[ExportedFile, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """Paths of the files (for SavedModels: folders)."""
        return tuple(self.folder / item.file for item in self.files)

    @property
    def parity(self) -> dict[str, tuple[dict[str, Any], ...]]:
        """For each file, how each muscle compares with the refiner."""
        return {item.file: item.parity for item in self.files}

    def table(self) -> str:
        """Lay the files out as a table of text: size, operators, parity, latency."""
        rows = table(self.files)
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )


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


CARD = "README.md"


def card(info: RefinerInfo, files: Sequence[ExportedFile]) -> str:
    """Write the card, in Markdown.

    Parameters
    ----------
    info : RefinerInfo
        The refiner.
    files : sequence of ExportedFile
        What was exported.
    """
    return (
        "\n\n".join(
            [
                f"# Refiner {info.model}",
                "It turns muscle activity that OpenSim simulated into muscle activity as EMG would "
                "have measured it, cycle by cycle.",
                *_running(files),
                *_what_goes_in(info),
                *_evidence(info),
                "## The files, compared with the refiner they were made from",
                _markdown(table(files)),
                _legend(files),
                *_origin(info),
                *_limits(),
            ]
        ).rstrip()
        + "\n"
    )


def _running(files: Sequence[ExportedFile]) -> list[str]:
    runnable = [item for item in files if item.format != "saved-model"]
    if not runnable:
        return []
    several = len({item.precision for item in runnable if item.format == "tflite"}) > 1
    which = f', precision="{runnable[0].precision}"' if several else ""
    return [
        "## Running it",
        "With numpy and ai-edge-litert alone; `activation` is [20, channel] or [cycle, 20, "
        "channel], `channels` the names of its columns, in any order:",
        f"""```python
from nem2e_tf.export.runtime.load import load
runtime = load("FOLDER"{which})
emg = runtime.refine(activation, channels=channels)  # muscles: runtime.muscles
```""",
        f"Or on a recording: `nem2e-tf refine {runnable[0].file} activation.sto --side left ...`",
    ]


def _what_goes_in(info: RefinerInfo) -> list[str]:
    whole = info.composition
    muscles = [
        f"| {muscle.name} | {' '.join(muscle.counterparts)} | {muscle.electrode} |"
        for muscle in info.muscles
    ]
    return [
        "## What goes in, what comes out",
        f"In: activation, 0 to 1, of {len(whole.needed)} channels at {info.samples} equally "
        "spaced samples of a cycle, from foot contact to the next contact of that foot, both ends "
        "included. `_ipsi` is the leg of that foot, `_contra` the other. Normalisation is inside "
        "the model.",
        f"Out: {info.normalisation or 'EMG, normalised in a way that was not recorded'}, of "
        f"{len(info.muscles)} muscles at the same samples.",
        "\n".join(["| muscle | simulated counterparts | electrode |", "|---|---|---|", *muscles]),
        f"Channels, in the files' order: {', '.join(f'`{name}`' for name in whole.needed)}.",
    ]


def _evidence(info: RefinerInfo) -> list[str]:
    found = info.metrics.get("muscles")
    if not found:
        return ["## Evidence", "No cycles were set aside in training, so there is none here."]
    rows = [
        [name, *(_number(values.get(key)) for key in ("n_cycles", "rate", "skill", "r", "lag_ms"))]
        for name, values in found.items()
    ]
    return [
        "## Evidence",
        f"On {info.metrics.get('cycles_set_aside')} cycles of groups that were not fitted on, but "
        "that the training stopped by; for a verdict see a cross-validation (`nem2e-tf cv`). "
        "Rate: change of the error from the simulation's, negative is better. Skill: 1 - error / "
        "error of the mean EMG pattern, positive is better; without it a small error says little.",
        _markdown([["muscle", "cycles", "rate", "skill", "r", "lag, ms"], *rows]),
    ]


def _legend(files: Sequence[ExportedFile]) -> str:
    counted = max((muscle["n_cycles"] for item in files for muscle in item.parity), default=0)
    return (
        f"Change of error: of the error against measured EMG on {counted} reference cycles, the "
        "muscle of which it changes most; skill: mean over muscles, of the refiner and of the "
        "file. Time and memory: one thread of the machine that exported it, the runtime's library "
        "not counted. `index.json` has every muscle."
    )


def _origin(info: RefinerInfo) -> list[str]:
    recipe = ", ".join(f"{key} {value}" for key, value in info.recipe.items())
    versions = ", ".join(f"{name} {value}" for name, value in info.versions.items())
    options = ", ".join(f"{key}={value}" for key, value in info.options.items())
    return [
        "## Where it comes from",
        "\n".join(
            [
                f"- entry of the zoo: {info.model}{f' ({options})' if options else ''}, "
                f"{info.n_parameters} weights, output {info.output}",
                f"- input pattern {info.pattern}, targets {info.targets}",
                f"- cohort: {info.cohort or 'not recorded'}, digest "
                f"`{info.cohort_digest or 'not recorded'}`",
                f"- recipe: {recipe or 'not recorded'}; seed {info.seed}",
                f"- licence of the weights: {info.licence or 'not stated; ask who trained it'}",
                f"- versions: {versions or 'not recorded'}",
            ]
        ),
    ]


def _limits() -> list[str]:
    return [
        "## Limits of use",
        "\n".join(
            [
                "- It knows the people, speeds and movements of its cohort; elsewhere nothing is "
                "promised.",
                "- It wants activations of the model and the method (CMC, static optimization) "
                "that the cohort was simulated with.",
                "- Its unit is the cohort's EMG normalisation, not force and not activation.",
                "- A refined curve is an estimate and no measurement: not for diagnosis.",
            ]
        ),
    ]


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    heading, *rest = ([str(cell) for cell in row] for row in rows)
    lines = [heading, ["---"] * len(heading), *rest]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def _number(value: Any) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:+z.3f}"
