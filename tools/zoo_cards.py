"""Cards of the published zoo: ``zoo/cards/<entry>.md``, from docstrings and results."""

import inspect
import re
from pathlib import Path
from typing import Any

import pandas as pd

from nem2e_tf import zoo as entries
from nem2e_tf.controls.blind import input_blind
from nem2e_tf.evaluation.results import BLOCK, read_results
from nem2e_tf.evaluation.statistics import OVERALL
from nem2e_tf.zoo.registry import Entry

VERDICTS = {
    "adds": "better than the mean EMG pattern",
    "unclear": "not shown to differ from the mean EMG pattern",
    "worse": "worse than the mean EMG pattern",
    "unknown": "nothing can be said against the mean EMG pattern",
}
PICTURED = {
    "temporal": "Attention of a model trained on the cohort `walk`, over cycles set aside: which "
    "simulated samples each refined sample looks at.",
    "spatial": "Attention of a model trained on the cohort `walk`, over cycles set aside: the "
    "channels with the highest weight at three moments of the cycle.",
    "": "Coefficients of a model solved on the cohort `walk`: each channel's share of their "
    "absolute values, at three moments of the cycle.",
}


def render_cards(zoo: Path, cohorts: dict[str, str]) -> dict[str, str]:
    """Render a card for every entry that has results.

    Parameters
    ----------
    zoo : Path
        The folder with ``results`` and ``pictures``.
    cohorts : dict
        Descriptions by name.

    Returns
    -------
    dict
        Text by file name.
    """
    results = zoo / "results"
    if not (results / "summary.csv").exists():
        return {}
    summary = pd.read_csv(results / "summary.csv", dtype={"model": str})
    blind = {}
    for cohort in cohorts:
        if (results / f"{cohort}.csv").exists():
            found = input_blind(read_results(results / f"{cohort}.csv"))
            blind[cohort] = found[found["muscle"] == OVERALL].set_index("model")
    about = dict(pd.read_csv(results / "about.csv", dtype=str).itertuples(index=False))
    cards = {}
    for name in summary["model"].unique():
        rows = summary[summary["model"] == name]
        pictures = sorted((zoo / "pictures").glob(f"{name}.*"))
        cards[f"{name}.md"] = _card(
            entries.entry(name), rows, blind, cohorts, about, [path.name for path in pictures]
        )
    return cards


def _card(
    entry: Entry,
    rows: pd.DataFrame,
    blind: dict[str, pd.DataFrame],
    cohorts: dict[str, str],
    about: dict[str, str],
    pictures: list[str],
) -> str:
    prose, _, rest = (inspect.getdoc(entry.make) or "").partition("Parameters\n---")
    lines = [f"# {entry.name}", "", prose.strip(), ""]
    lines += ["## Source", "", _source(entry, prose), ""]
    lines += ["## Options", "", *_options(entry, rest), ""]
    lines += ["## Results", "", *_results(rows, blind), ""]
    lines += [f"![{entry.name}](../pictures/{name})\n\n{_caption(entry)}\n" for name in pictures]
    lines += ["## Limits", "", *_limits(entry, rows, blind), ""]
    lines += ["## What it was trained on", ""]
    lines += [
        f"- `{name}`: {text}" for name, text in cohorts.items() if name in set(rows["cohort"])
    ]
    settings = rows.iloc[0]
    lines += [
        "",
        f"Recipe {settings['recipe']}, targets {settings['targets']}, output {settings['output']}, "
        "seed 0; everything fitted saw the training groups of its fold alone. Size and latency are "
        "of a float32 `.tflite`, one row on one thread.",
        "",
        f"Computed with: {', '.join(f'{key} {value}' for key, value in about.items())}.",
    ]
    return "\n".join(lines) + "\n"


def _source(entry: Entry, prose: str) -> str:
    cited = re.findall(r"\(([A-Z][^()]*?\b(?:19|20)\d\d)\)", " ".join(prose.split()))
    module = entry.make.__module__.replace(".", "/")
    code = f"[{module}.py](../../{module}.py)"
    return f"{'; '.join(dict.fromkeys(cited))}. Code: {code}." if cited else f"Code: {code}."


def _options(entry: Entry, documented: str) -> list[str]:
    if not entry.options:
        return ["None."]
    reported = {}
    text = documented.partition("\n")[2]
    for found in re.finditer(r"^(\w[\w, ]*?)(?: : (.*))?\n((?:    .*\n?)+)", text, re.MULTILINE):
        for name in found[1].split(", "):
            reported[name] = (found[2] or "", " ".join(found[3].split()))
    lines = []
    for name, default in entry.options.items():
        kind, advice = reported.get(name, ("", ""))
        kind = kind.removesuffix(", optional")
        about = f" ({kind})" if kind else ""
        lines.append(f"- `{name}={default!r}`{about}: {advice or 'see the code.'}")
    return lines


def _results(rows: pd.DataFrame, blind: dict[str, pd.DataFrame]) -> list[str]:
    lines = [
        "| cohort | n | rate | skill | gain that the mean pattern reaches as well | weights | "
        "`.tflite`, KB | ms |",
        "|---|---:|---|---|---:|---:|---:|---:|",
    ]
    for _, row in rows.iterrows():
        share = blind[row["cohort"]].loc[row["model"], "share"]
        cells = [
            row["cohort"],
            f"{row['n']}{' blocks' if row['by'] == BLOCK else ''}",
            estimate(row, "rate"),
            estimate(row, "skill"),
            "-" if pd.isna(share) else f"{100 * share:.0f} %",
            whole(row["parameters"]),
            whole(row["tflite_bytes"] / 1000),
            milliseconds(row["latency_ms"]),
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return [*lines, "", "Rate: below 0 is better than OpenSim. Skill: above 0 is better than the "
            "mean EMG pattern. Means over muscles; [95 % interval over subjects, or range over "
            "blocks]."]  # fmt: skip


def _limits(entry: Entry, rows: pd.DataFrame, blind: dict[str, pd.DataFrame]) -> list[str]:
    lines = []
    if entry.name not in ("opensim", "mean-pattern"):
        for cohort in rows["cohort"]:
            verdict = VERDICTS[blind[cohort].loc[entry.name, "verdict"]]
            lines.append(f"- On `{cohort}` it is {verdict}.")
    lines += [f"- Not under {pattern}: {why}." for pattern, why in entry.refused.items()]
    if len(entry.outputs) == 1:
        lines.append(f"- Output {entry.outputs[0]} alone.")
    fitted = "in closed form" if entry.solve else "by gradient, with one seed here"
    lines.append(f"- It was fitted {fitted}.")
    if set(rows["cohort"]) - {"treadmill"}:
        lines.append(
            "- `walk` and `run` are synthetic: they say whether it can undo a distortion of known "
            "kind, not how well it does on people."
        )
    if "treadmill" in set(rows["cohort"]):
        lines.append("- `treadmill` is one person: it says nothing about other people.")
    return lines


def _caption(entry: Entry) -> str:
    return PICTURED[entry.attention]


def estimate(row: "pd.Series[Any]", name: str) -> str:
    """Format a mean with its interval, if there is one."""
    if pd.isna(row[name]):
        return "-"
    # Entries that are the reference themselves have no spread and no interval.
    if pd.isna(row[f"{name}_low"]):
        return f"{row[name]:+z.3f}"
    return f"{row[name]:+z.3f} [{row[f'{name}_low']:+.3f}, {row[f'{name}_high']:+.3f}]"


def whole(value: float) -> str:
    """Format an integer, if it is known."""
    return "-" if pd.isna(value) else f"{value:.0f}"


def milliseconds(value: float) -> str:
    """Format a latency, if it was measured."""
    return "-" if pd.isna(value) else f"{value:.3g}"
