"""Tables and cards of the published zoo: ``zoo/results/*.csv`` rendered as Markdown.

The CSV files are

=====================  ============================================================================
``<cohort>.csv``       rows of ``results.csv`` of every cross-validation: one per fold and muscle
``costs.csv``          weights, size and latency of the exported files, one row per entry
``summary.csv``        both combined: one row per entry, mean over muscles
``planted_truth.csv``  results of ``tools/planted-truth``
``about.csv``          versions and machine
=====================  ============================================================================
"""

from pathlib import Path

import pandas as pd
from zoo_cards import estimate, milliseconds, render_cards, whole

from nem2e_tf.evaluation.results import BLOCK, read_results
from nem2e_tf.evaluation.statistics import OVERALL, summarise

ZOO = Path(__file__).resolve().parents[1] / "zoo"
COHORTS = {
    "walk": "Embedded cohort `walk`: 8 synthetic walkers, 4 speeds, 5 muscles, 92 channels; leave "
    "one subject out.",
    "run": "Embedded cohort `run`: 10 synthetic runners, 4 speeds, 16 muscles (11 electrodes), 92 "
    "channels; leave one subject out.",
    "treadmill": "A real recording: one person walking on a treadmill, 53 cycles, 6 muscles, 80 "
    "channels; five blocks of consecutive cycles, each left out in turn. Mean over the blocks and "
    "[lowest, highest block]. Blocks of one person say nothing about other people, so there are no "
    "intervals and no tests.",
}
KEY = ["cohort", "model", "pattern", "targets", "output"]
COSTS = ["parameters", "tflite_bytes"]
LATENCY = ["latency_ms", "latency_p99_ms", "peak_mb"]
NUMBERS = ["rate", "rate_low", "rate_high", "skill", "skill_low", "skill_high"]
DIGITS = 6
START, END = "<!-- results: written by tools/regenerate_zoo -->", "<!-- end of results -->"


def summary(folder: Path) -> pd.DataFrame:
    """Combine results and costs: one row per entry, mean over muscles."""
    tables = []
    for cohort in COHORTS:
        if (folder / f"{cohort}.csv").exists():
            table = summarise(read_results(folder / f"{cohort}.csv"))
            tables.append(table[table["muscle"] == OVERALL].assign(cohort=cohort))
    if not tables:
        return pd.DataFrame(columns=[*KEY, "recipe", "by", "n", *NUMBERS, *COSTS, *LATENCY])
    costs = pd.read_csv(folder / "costs.csv", dtype=dict.fromkeys(KEY, str))
    costs = costs.reindex(columns=[*KEY, *COSTS, *LATENCY])
    rows = pd.concat(tables).merge(costs, on=KEY, how="left", validate="one_to_one")
    rows[NUMBERS] = rows[NUMBERS].map(rounded)
    rows[COSTS] = rows[COSTS].astype("Int64")
    return rows[[*KEY, "recipe", "by", "n", *NUMBERS, *COSTS, *LATENCY]]


def rounded(value: float) -> float:
    """Round to the digits of the CSV files; a negative zero loses its sign."""
    return round(float(value), DIGITS) + 0.0


def render(folder: Path) -> str:
    """Render the tables of ``summary.csv`` and ``about.csv`` as Markdown."""
    if not (folder / "summary.csv").exists():
        return "No results yet.\n"
    rows = pd.read_csv(folder / "summary.csv", dtype=dict.fromkeys(KEY, str))
    lines = []
    for cohort, text in COHORTS.items():
        for pattern, part in rows[rows["cohort"] == cohort].groupby("pattern", sort=False):
            one = part.iloc[0]
            settings = f"Targets {one['targets']}, output {one['output']}, recipe {one['recipe']}."
            lines += [f"### {cohort}, {pattern}", "", text, settings, ""]
            lines += _table(part)
    if (folder / "planted_truth.csv").exists():
        lines += _planted(pd.read_csv(folder / "planted_truth.csv"))
    about = pd.read_csv(folder / "about.csv", dtype=str)
    listed = ", ".join(f"{name} {value}" for name, value in about.itertuples(index=False))
    return "\n".join([*lines, f"Computed with: {listed}.", ""])


def _planted(rows: pd.DataFrame) -> list[str]:
    """Render the results of ``tools/planted-truth``."""
    lines = [
        "### Planted truth",
        "",
        "Embedded cohorts whose simulation is distorted in one way only; subjects left out.",
        "p: paired t over subjects, two-sided, Holm-adjusted over the rows that have one.",
        "In `run`: one muscle an electrode, and of those every third.",
        "",
        "| cohort | planted | entry | measure | value | p |",
        "|---|---|---|---|---:|---:|",
    ]
    for _, row in rows.iterrows():
        entry = f"{row['model']} ({row['pattern']})"
        p = "" if pd.isna(row["p_holm"]) else f"{row['p_holm']:.2g}"
        cells = [row["cohort"], row["planted"], entry, row["measure"], f"{row['value']:+.3g}", p]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return [*lines, ""]


def _table(rows: pd.DataFrame) -> list[str]:
    between = "range of blocks" if rows.iloc[0]["by"] == BLOCK else "95 % interval"
    lines = [
        f"| entry | n | rate [{between}] | skill [{between}] | weights | `.tflite`, KB | ms |",
        "|---|---:|---|---|---:|---:|---:|",
    ]
    for _, row in rows.sort_values("skill", ascending=False, kind="stable").iterrows():
        cells = [
            f"[{row['model']}](cards/{row['model']}.md)",
            row["n"],
            estimate(row, "rate"),
            estimate(row, "skill"),
            whole(row["parameters"]),
            whole(row["tflite_bytes"] / 1000),
            milliseconds(row["latency_ms"]),
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return [*lines, ""]


def write(zoo: Path = ZOO) -> None:
    """Write ``summary.csv``, the tables in ``README.md`` and the cards."""
    results = zoo / "results"
    if any((results / f"{cohort}.csv").exists() for cohort in COHORTS):
        (results / "summary.csv").write_text(_csv(summary(results)), encoding="utf-8")
    readme = zoo / "README.md"
    before, _, after = _split(readme)
    text = f"{before}{START}\n\n{render(results)}\n{END}{after}"
    readme.write_text(text, encoding="utf-8")
    cards = render_cards(zoo, COHORTS)
    folder = zoo / "cards"
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.md"):
        if path.name not in cards:
            path.unlink()
    for name, card in cards.items():
        (folder / name).write_text(card, encoding="utf-8")


def check(zoo: Path = ZOO) -> list[str]:
    """List disagreements between results, ``summary.csv``, tables and cards."""
    results = zoo / "results"
    summed = results / "summary.csv"
    stated = summed.read_text(encoding="utf-8") if summed.exists() else ""
    computed = summary(results)
    if stated != ("" if computed.empty else _csv(computed)):
        return ["zoo/results/summary.csv does not agree with the results it sums up"]
    if _split(zoo / "README.md")[1].strip() != render(results).strip():
        return ["zoo/README.md does not agree with zoo/results/summary.csv"]
    cards = render_cards(zoo, COHORTS)
    there = {path.name: path.read_text(encoding="utf-8") for path in (zoo / "cards").glob("*.md")}
    return [
        f"zoo/cards/{name} does not agree with its entry and zoo/results"
        for name in sorted({*cards, *there})
        if cards.get(name) != there.get(name)
    ]


def _csv(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, lineterminator="\n")


def _split(readme: Path) -> tuple[str, str, str]:
    text = readme.read_text(encoding="utf-8")
    before, start, rest = text.partition(START)
    tables, end, after = rest.partition(END)
    if not (start and end):
        raise SystemExit(f"{readme}: expected the lines {START} and {END}, found not both")
    return before, tables, after
