"""The model card of an export: how to run the files, their evidence, parity and limits of use."""

from collections.abc import Sequence
from typing import Any

from nem2e_tf.export.context import ExportedFile
from nem2e_tf.refiners.info import RefinerInfo

CARD = "README.md"


def table(files: Sequence[ExportedFile]) -> list[list[str]]:
    """Arrange files as rows of text, with a heading, for the terminal and the card."""
    heading = (
        "file|KB|operators|largest difference|change of error|skill|ms per row (99 %)|memory, MB"
    )
    rows = [heading.split("|")]
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


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Align rows of text in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _skills(item: ExportedFile) -> str:
    """Mean skill over muscles, of the refiner and of the file."""
    pairs = [
        (muscle["skill_refiner"], muscle["skill_file"])
        for muscle in item.parity
        if muscle.get("skill_refiner") is not None
    ]
    if not pairs:
        return "-"
    before, after = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
    return f"{before:+z.4f} to {after:+z.4f}"


def card(info: RefinerInfo, files: Sequence[ExportedFile]) -> str:
    """Write the card of a refiner and its exported files, in Markdown."""
    return (
        "\n\n".join(
            [
                f"# Refiner {info.model}",
                "This refiner turns muscle activity simulated by OpenSim into muscle activity as "
                "EMG would have measured it, cycle by cycle.",
                *_running(files),
                *_inputs_and_outputs(info),
                *_evidence(info),
                "## Files, compared with the refiner",
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
        "This requires numpy and ai-edge-litert only. `activation` is an array [20, channel] or "
        "[cycle, 20, channel], and `channels` the names of its columns, in any order.",
        f"""```python
import nem2e_tf as nem2e
refiner = nem2e.load("FOLDER"{which})
emg = refiner.refine(activation, channels=channels)  # [..., muscle], as in refiner.muscles
```""",
        f"For a recording: `nem2e-tf refine {runnable[0].file} activation.sto --side left ...`",
    ]


def _inputs_and_outputs(info: RefinerInfo) -> list[str]:
    whole = info.composition
    muscles = [
        f"| {muscle.name} | {' '.join(muscle.counterparts)} | {muscle.electrode} |"
        for muscle in info.muscles
    ]
    return [
        "## Inputs and outputs",
        f"Input: activation (0 to 1) of {len(whole.needed)} channels at {info.samples} equally "
        "spaced samples of a cycle, from foot contact to the next contact of that foot, both ends "
        "included. `_ipsi` denotes the leg of that foot, `_contra` the other leg. The model "
        "normalises its input.",
        f"Output: {info.normalisation or 'EMG, normalisation not recorded'}, of "
        f"{len(info.muscles)} muscles at the same samples.",
        "\n".join(["| muscle | simulated counterparts | electrode |", "|---|---|---|", *muscles]),
        f"Channels, in the order of the files: {', '.join(f'`{name}`' for name in whole.needed)}.",
    ]


def _evidence(info: RefinerInfo) -> list[str]:
    found = info.metrics.get("muscles")
    if not found:
        return [
            "## Evidence",
            "The refiner was trained without a validation set, so there is none here.",
        ]
    rows = [
        [name, *(_number(values.get(key)) for key in ("n_cycles", "rate", "skill", "r", "lag_ms"))]
        for name, values in found.items()
    ]
    return [
        "## Evidence",
        f"On the {info.metrics.get('cycles_set_aside')} cycles of the validation set, which "
        "decided when to stop training. A cross-validation (`nem2e-tf cv`) gives an unbiased "
        "estimate. "
        "Rate: (error - error of the simulation) / error of the simulation; negative is better. "
        "Skill: 1 - error / error of the mean EMG pattern; positive is better.",
        _markdown([["muscle", "cycles", "rate", "skill", "r", "lag, ms"], *rows]),
    ]


def _legend(files: Sequence[ExportedFile]) -> str:
    counted = max((muscle["n_cycles"] for item in files for muscle in item.parity), default=0)
    return (
        f"Change of error: change of the error against measured EMG on {counted} reference cycles, "
        "for the muscle with the largest change. Skill: mean over muscles, of the refiner and of "
        "the file. Time and memory: on one thread of the machine that exported the files, without "
        "the runtime's library. `index.json` lists every muscle."
    )


def _origin(info: RefinerInfo) -> list[str]:
    recipe = ", ".join(f"{key} {value}" for key, value in info.recipe.items())
    versions = ", ".join(f"{name} {value}" for name, value in info.versions.items())
    options = ", ".join(f"{key}={value}" for key, value in info.options.items())
    return [
        "## Origin",
        "\n".join(
            [
                f"- entry of the zoo: {info.model}{f' ({options})' if options else ''}, "
                f"{info.n_parameters} weights, output {info.output}",
                f"- input pattern {info.pattern}, targets {info.targets}",
                f"- cohort: {info.cohort or 'not recorded'}, digest "
                f"`{info.cohort_digest or 'not recorded'}`",
                f"- recipe: {recipe or 'not recorded'}; seed {info.seed}",
                f"- licence of the weights: {info.licence or 'not stated; ask whoever trained it'}",
                f"- versions: {versions or 'not recorded'}",
            ]
        ),
    ]


def _limits() -> list[str]:
    return [
        "## Limits of use",
        "\n".join(
            [
                "- The evidence holds for the subjects, speeds and movements of the cohort only.",
                "- The activations must come from the musculoskeletal model and the method (CMC, "
                "static optimization) that the cohort was simulated with.",
                "- The output is in units of the cohort's EMG normalisation. It is neither force "
                "nor activation.",
                "- A refined curve is an estimate, not a measurement. Not for diagnosis.",
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
