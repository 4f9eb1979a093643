"""The model card of an export: what the files are, how to run them, how good they are, for what."""

from collections.abc import Sequence
from typing import Any

from nem2e_tf.export.exported import ExportedFile, table
from nem2e_tf.refiner_info import RefinerInfo

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
from nem2e_tf.export.runtime import load
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
