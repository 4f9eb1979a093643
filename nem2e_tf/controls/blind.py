"""The input-blind control: what the mean EMG pattern alone reaches.

The input-blind control: what the mean EMG pattern alone reaches, and who reaches more.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.controls.results import refuse_foreign_files, write_control
from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.results import BLOCK, SEEDS_MEAN, read_results
from nem2e_tf.evaluation.statistics import OVERALL, summarise
from nem2e_tf.io.files import read_json
from nem2e_tf.training.run_folder import MARKER

ADDS, WORSE, UNCLEAR, UNKNOWN = "adds", "worse", "unclear", "unknown"
COPIED = ("n", "interval", "rate", "mean_pattern_rate", "skill", "skill_low", "skill_high")


def input_blind(results: pd.DataFrame) -> pd.DataFrame:
    """Hold every entry against the mean EMG pattern, which never looks at its input.

    Parameters
    ----------
    results : DataFrame
        Rows of ``results.csv``.

    Returns
    -------
    DataFrame
        One row an entry, variant and muscle, then ``overall``: the entry; ``muscle``, ``n``,
        ``interval``; ``rate`` and ``mean_pattern_rate``; ``gain`` and ``mean_pattern_gain`` over
        the simulation, in RMSE; ``share`` of the entry's gain that the mean pattern reaches
        without looking (above 1 where it reaches more; NaN where the entry gains nothing);
        ``skill`` with its interval (or range over blocks), ``skill_p``, ``skill_p_holm``;
        ``verdict``: whether the entry ``adds`` to the mean pattern (interval above 0), is
        ``worse``, ``unclear``, or ``unknown`` where there is no interval; ``notes``.
    """
    summary = summarise(results)
    if summary.empty:
        return summary
    table = summary.drop(columns=[c for c in summary if c not in _kept(summary)])
    table["gain"] = summary["rmse_simulated"] - summary["rmse_refined"]
    table["mean_pattern_gain"] = summary["rmse_simulated"] - summary["rmse_mean_pattern"]
    table["share"] = table["mean_pattern_gain"] / table["gain"].where(table["gain"] > 0)
    table["verdict"] = [_verdict(row) for row in table.to_dict("records")]
    table["notes"] = table.pop("notes")
    return table


def sentences(table: pd.DataFrame, *, by: str) -> list[str]:
    """Say plainly what the mean pattern alone reaches and which entries add to it.

    Parameters
    ----------
    table : DataFrame
        See `input_blind`.
    by : str
        Which kind of groups.
    """
    rows = table[(table["by"] == by) & (table["muscle"] == OVERALL)]
    if rows.empty or rows["mean_pattern_rate"].isna().all():
        return ["What the mean EMG pattern alone reaches is unknown."]
    lowest, highest = rows["mean_pattern_rate"].min(), rows["mean_pattern_rate"].max()
    value = f"{lowest:+z.2f}"
    if f"{highest:+z.2f}" != value:
        value = f"{value} to {highest:+z.2f} (entries were scored on different cycles)"
    lines = [
        f"The mean EMG pattern alone, which never looks at its input, has a rate of {value}: that "
        "much improvement over the simulation needs no refiner."
    ]
    others = rows[(rows["model"] != "mean-pattern") & rows["share"].notna()]
    if len(others):
        told = [
            f"{_name(row, rows)} {100 * row['share']:.0f} %"
            for row in others.sort_values("share").to_dict("records")
        ]
        lines.append(
            "Share of an entry's gain over the simulation that the mean pattern reaches as well "
            f"(100 %: all of it): {', '.join(told)}."
        )
    certain = "in every block" if by == BLOCK else "with a 95 % interval above 0"
    for verdict, text in (
        (ADDS, f"Skill over the mean pattern {certain}"),
        (UNCLEAR, "Neither better nor worse than the mean pattern beyond doubt"),
        (WORSE, f"Worse than the mean pattern {certain.replace('above', 'below')}"),
        (UNKNOWN, "Nothing can be said (too few groups, or no spread)"),
    ):
        # The mean pattern has no skill over itself: that is no finding.
        found = rows[(rows["verdict"] == verdict) & (rows["model"] != "mean-pattern")]
        if len(found):
            names = [_name(row, rows) for row in found.to_dict("records")]
            lines.append(f"{text}: {', '.join(names)}.")
        elif verdict == ADDS:
            lines.append(f"{text}: no entry.")
    return lines


def _kept(summary: pd.DataFrame) -> list[str]:
    before = list(summary.columns[: list(summary.columns).index("n")])
    return [*before, *COPIED, "skill_p", "skill_p_holm", "notes"]


def _verdict(row: Mapping[Any, Any]) -> str:
    low, high = row["skill_low"], row["skill_high"]
    if np.isnan(low) or np.isnan(high):
        return UNKNOWN
    if low > 0:
        return ADDS
    return WORSE if high < 0 else UNCLEAR


def _name(row: Mapping[Any, Any], rows: pd.DataFrame) -> str:
    """The model, and as many of its settings as tell it from the others."""
    name = str(row["model"])
    if row["variant"] != SEEDS_MEAN:
        name += f" {row['variant']}"
    same = rows[rows["model"] == row["model"]]
    told = [c for c in ("pattern", "targets", "output", "recipe") if same[c].nunique() > 1]
    if "run" in rows and same.duplicated([*told, "variant"]).any():
        told.insert(0, "run")
    differing = [str(row[c]) for c in told]
    return f"{name} ({', '.join(differing)})" if differing else name


def control_blind(
    run_path: "str | os.PathLike[str]", path: "str | os.PathLike[str]"
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Hold every entry of a run against the mean EMG pattern, and write the folder of the control.

    Nothing is trained and no cohort is needed: the results of the run tell.

    Parameters
    ----------
    run_path : path-like
        A finished run.
    path : path-like
        Where to write.

    Returns
    -------
    tables : dict of str to DataFrame
        ``summary``: `nem2e_tf.controls.blind.input_blind`.
    notes : list of str
        The same in words.

    Raises
    ------
    InputError
        There is no finished run, or the output folder holds something else.
    """
    refuse_foreign_files(path)
    folder = Path(run_path)
    if not (folder / MARKER).exists():
        raise InputError(f"{folder}: expected a run folder with {MARKER}, found none")
    table = input_blind(read_results(folder / "results.csv"))
    if table.empty:
        raise InputError(f"{folder / 'results.csv'}: expected rows of results, found none")
    notes = [line for by in table["by"].unique() for line in sentences(table, by=str(by))]
    tables = {"summary": table}
    write_control(path, "blind", about=_about(folder), settings={}, notes=notes, tables=tables)
    return tables, notes


def _about(folder: Path) -> dict[str, Any]:
    header = read_json(folder / MARKER)
    try:
        cohort = {name: header["cohort"][name] for name in ("name", "digest")}
        return {
            "run": {"name": folder.resolve().name, "settings": header["settings"]},
            "cohort": cohort,
        }
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{folder / MARKER}: expected a run of this version, found one without {error}"
        ) from None
