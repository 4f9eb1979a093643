"""The input-blind control: the mean EMG pattern against every entry.

The mean pattern of the training cycles does not depend on its input. The part of an entry's gain
that it reaches as well is no evidence that the entry uses its input.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.controls.results import ControlResults, check_output, results_of
from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.results import BLOCK, SEEDS_MEAN, read_results
from nem2e_tf.evaluation.statistics import OVERALL, summarise
from nem2e_tf.io.files import read_json
from nem2e_tf.training.run_folder import MARKER, RunFolder

ADDS, WORSE, UNCLEAR, UNKNOWN = "adds", "worse", "unclear", "unknown"
COPIED = (
    *("n", "interval", "rate", "mean_pattern_rate", "skill", "skill_low", "skill_high"),
    *("skill_p", "skill_p_holm"),
)


def blind(
    run: "str | os.PathLike[str] | RunFolder", *, out: "str | os.PathLike[str] | None" = None
) -> ControlResults:
    """Compare every entry of a run with the mean EMG pattern.

    Nothing is trained and no cohort is needed: the results of the run suffice.

    Parameters
    ----------
    run : path-like
        A finished run.
    out : path-like, optional
        Folder to write.

    Returns
    -------
    ControlResults
        ``summary``: `input_blind`; its notes are `sentences`.

    Raises
    ------
    InputError
        There is no finished run, or the output folder holds something else.
    """
    check_output(out)
    folder = run.path if isinstance(run, RunFolder) else Path(run)
    if not (folder / MARKER).exists():
        raise InputError(f"{folder}: expected a run folder with {MARKER}, found none")
    table = input_blind(read_results(folder / "results.csv"))
    if table.empty:
        raise InputError(f"{folder / 'results.csv'}: expected rows of results, found none")
    notes = [line for by in table["by"].unique() for line in sentences(table, by=str(by))]
    return results_of(
        "blind", about=_about(folder), settings={}, notes=notes, tables={"summary": table}, out=out
    )


def input_blind(results: pd.DataFrame) -> pd.DataFrame:
    """Compare every entry with the mean EMG pattern, which does not depend on its input.

    Parameters
    ----------
    results : DataFrame
        Rows of ``results.csv``.

    Returns
    -------
    DataFrame
        One row per entry, variant and muscle, then ``overall``: the entry; ``muscle``, ``n``,
        ``interval``; ``rate`` and ``mean_pattern_rate``; ``gain`` and ``mean_pattern_gain`` over
        the simulation, in RMSE; ``share`` of the entry's gain that the mean pattern reaches (above
        1 where it reaches more; NaN where the entry gains nothing); ``skill`` with its interval (or
        range over blocks), ``skill_p``, ``skill_p_holm``; ``verdict``: the entry ``adds`` to the
        mean pattern (interval above 0), is ``worse``, ``unclear``, or ``unknown`` where there is no
        interval; ``notes``.
    """
    summary = summarise(results)
    if summary.empty:
        return summary
    entry = list(summary)[: list(summary).index("n")]
    table = summary[[column for column in summary if column in (*entry, *COPIED)]].copy()
    table["gain"] = summary["rmse_simulated"] - summary["rmse_refined"]
    table["mean_pattern_gain"] = summary["rmse_simulated"] - summary["rmse_mean_pattern"]
    # The simulation itself differs from its own reference by the rounding of float32.
    gained = table["gain"] > 1e-6 * summary["rmse_simulated"]
    table["share"] = table["mean_pattern_gain"] / table["gain"].where(gained)
    low, high = table["skill_low"], table["skill_high"]
    cases = [low.isna() | high.isna(), low > 0, high < 0]
    table["verdict"] = np.select(cases, [UNKNOWN, ADDS, WORSE], UNCLEAR)
    return table.assign(notes=summary["notes"])


def sentences(table: pd.DataFrame, *, by: str) -> list[str]:
    """Describe in sentences what the mean pattern reaches and which entries add to it.

    Parameters
    ----------
    table : DataFrame
        See `input_blind`.
    by : str
        Kind of groups, such as ``subject``.
    """
    rows = table[(table["by"] == by) & (table["muscle"] == OVERALL)]
    if rows.empty or rows["mean_pattern_rate"].isna().all():
        return ["The rate of the mean EMG pattern is unknown."]
    lowest, highest = rows["mean_pattern_rate"].min(), rows["mean_pattern_rate"].max()
    value = f"{lowest:+z.2f}"
    if f"{highest:+z.2f}" != value:
        value = f"{value} to {highest:+z.2f} (entries were scored on different cycles)"
    lines = [
        f"The mean EMG pattern, which does not depend on its input, has a rate of {value}: this "
        "improvement over the simulation requires no refiner."
    ]
    others = rows[(rows["model"] != "mean-pattern") & rows["share"].notna()]
    if len(others):
        shares = [
            f"{_name(row, rows)} {100 * row['share']:.0f} %"
            for row in others.sort_values("share").to_dict("records")
        ]
        lines.append(
            "Share of an entry's gain over the simulation that the mean pattern reaches as well "
            f"(100 %: all of it): {', '.join(shares)}."
        )
    certain = "in every block" if by == BLOCK else "with a 95 % interval above 0"
    for verdict, text in (
        (ADDS, f"Skill over the mean pattern {certain}"),
        (UNCLEAR, "No clear difference from the mean pattern"),
        (WORSE, f"Worse than the mean pattern {certain.replace('above', 'below')}"),
        (UNKNOWN, "No conclusion (too few groups, or no spread)"),
    ):
        # The mean pattern has no skill over itself: that is no result.
        found = rows[(rows["verdict"] == verdict) & (rows["model"] != "mean-pattern")]
        if len(found):
            names = [_name(row, rows) for row in found.to_dict("records")]
            lines.append(f"{text}: {', '.join(names)}.")
        elif verdict == ADDS:
            lines.append(f"{text}: no entry.")
    return lines


def _name(row: Mapping[Any, Any], rows: pd.DataFrame) -> str:
    """The model, and the settings in which its entries differ."""
    name = str(row["model"])
    if row["variant"] != SEEDS_MEAN:
        name += f" {row['variant']}"
    same = rows[rows["model"] == row["model"]]
    differing = [c for c in ("pattern", "targets", "output", "recipe") if same[c].nunique() > 1]
    if "run" in rows and same.duplicated([*differing, "variant"]).any():
        differing.insert(0, "run")
    settings = ", ".join(str(row[c]) for c in differing)
    return f"{name} ({settings})" if settings else name


def _about(folder: Path) -> dict[str, Any]:
    header = read_json(folder / MARKER)
    try:
        run = {"name": folder.resolve().name, "settings": header["settings"]}
        return {"run": run, "cohort": {name: header["cohort"][name] for name in ("name", "digest")}}
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{folder / MARKER}: expected a run of this version, found one without {error}"
        ) from None
