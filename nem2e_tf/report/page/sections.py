"""Sections of the page that need no more than a table: input patterns, and runs."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from nem2e_tf.evaluation.repeated import between_patterns
from nem2e_tf.evaluation.results import SETTINGS
from nem2e_tf.report.page.html import Markup, element
from nem2e_tf.report.page.tables import (
    Column,
    download,
    files_line,
    html_table,
    number,
    p_value,
)


def pattern_table(results: pd.DataFrame, /) -> pd.DataFrame:
    """Compare the rates under each two input patterns; empty where there is only one.

    Entries of several runs are compared with one another where each pattern has a single one, as in
    the paper, and otherwise within their run.
    """
    if "run" in results:
        entries = results[["run", *SETTINGS]].drop_duplicates()
        if entries["pattern"].is_unique:
            results = results.drop(columns="run")
    return between_patterns(results)


def pattern_section(results: pd.DataFrame, /) -> list[Markup]:
    """Write the comparison of input patterns; nothing where there is only one."""
    table = pattern_table(results)
    if table.empty:
        return []
    columns = [
        Column("muscle", lambda row: row["muscle"]),
        Column("first", lambda row: row["first"]),
        Column("second", lambda row: row["second"]),
        *([Column("entries", lambda row: row["family"])] if table["family"].nunique() > 1 else []),
        Column("n", lambda row: str(row["n"]), lambda row: row["n"]),
        Column("difference of rates", lambda row: number(row["difference"], 3, sign=True),
               lambda row: row["difference"]),
        Column("Tukey p", lambda row: p_value(row["tukey_p"]), lambda row: row["tukey_p"],
               "as in the paper; takes the patterns for groups of different people"),
        Column("paired p", lambda row: p_value(row["paired_p"]), lambda row: row["paired_p"]),
        Column("paired p, Holm", lambda row: p_value(row["paired_p_holm"]),
               lambda row: row["paired_p_holm"], "the same people under each pattern"),
        *([Column("note", lambda row: row["notes"], long=True)] if table["notes"].any() else []),
    ]  # fmt: skip
    return [
        html_table(
            table,
            columns,
            caption="Mean rate under the first pattern minus that under the second.",
            sortable=True,
        ),
        files_line(
            [
                download(
                    "patterns.csv",
                    table.to_csv(index=False, lineterminator="\n"),
                    kind="text/csv",
                    label="CSV",
                )
            ]
        ),
    ]


def run_section(headers: Mapping[str, Mapping[str, Any]], /) -> list[Markup]:
    """Write what each run was asked for, and with which versions it ran."""
    parts = []
    for name, header in headers.items():
        cohort, settings = header.get("cohort", {}), header.get("settings", {})
        facts = {
            "cohort": cohort.get("name"),
            "cohort, SHA-256": cohort.get("digest") or header.get("digest"),
            "seeds": settings.get("seeds"),
            **{f"recipe, {k}": v for k, v in settings.get("recipe", {}).items()},
            **{k: v for k, v in settings.items() if k not in ("recipe", "seeds")},
            **{f"version, {k}": v for k, v in header.get("versions", {}).items()},
        }
        rows = [
            [element("dt", key), element("dd", _plain(value))]
            for key, value in facts.items()
            if value not in (None, "", {}, [])
        ]
        parts += [element("h3", name), element("dl", rows)]
    return parts


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)
