"""Controls on a page: what each asks, and its rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.evaluation.statistics import OVERALL
from nem2e_tf.report.notes import entry_label, settings_of
from nem2e_tf.report.page.html import (
    UNKNOWN,
    Column,
    Markup,
    element,
    html_table,
    interval,
    notes_list,
    number,
    p_value,
    reasons,
)

QUESTIONS = {
    "blind": "What does the mean EMG pattern reach, which never looks at its input?",
    "oracle": "How much of the improvement is merely scaling? Each entry's gain over OpenSim, "
    "split into what the right amplitude, the right timing and the rest (shape) are worth.",
    "shortcut": "Inputs changed in frequency and phase (the paper's control): a refiner that uses "
    "its input gets worse; one that learned the mean pattern does not. In the paper 32 such inputs "
    "into the model of the walking soleus, one-entire, gave a mean rate of +0.48 (p = .001).",
    "wrong-subject": "Inputs of another subject: a refiner that uses what is particular to a "
    "person gets worse.",
    "shuffle": "EMG shuffled between cycles: nothing is left to learn, so skill must vanish. The "
    "share of tests that find skill all the same, beside the nominal one.",
    "attention": "Are attention weights faithful? Masking the most attended inputs should hurt "
    "more than masking as many at random.",
}
"""What a control asks, by its name."""

# Values with an interval, then plain numbers, then p: what is shown where a control has it.
_INTERVALS = {
    "gain": "gain",
    "rate_own": "rate",
    "rate_changed": "rate, changed",
    "skill_own": "skill",
    "skill_changed": "skill, changed",
    "difference": "difference of RMSE",
}
_SHARES = {
    "amplitude_share": "amplitude",
    "timing_share": "timing",
    "shape_share": "shape",
    "share": "share",
    "nominal": "nominal",
}
_NUMBERS = {
    "n": ("n", 0),
    "tests": ("tests", 0),
    "false_positives": ("false positives", 0),
    "skill": ("skill", 3),
    "inputs": ("inputs", 0),
    "inputs_rate": ("rate, mean over inputs", 3),
    "n_masked": ("masked", 0),
}
_TESTS = {
    "rate_changed_p": "p rate, changed",
    "rate_changed_p_holm": "p rate, changed (Holm)",
    "difference_p": "p difference",
    "difference_p_holm": "p difference (Holm)",
    "inputs_p": "p over inputs",
}


def control_section(
    name: str, summary: pd.DataFrame, /, *, notes: Sequence[str] = (), about: str = ""
) -> Markup:
    """Write one control: its question, its overall rows, those by muscle folded, and its notes.

    Parameters
    ----------
    name : str
        Such as ``shortcut``.
    summary : DataFrame
        Its ``summary.csv``.
    notes : sequence of str
        What it says of itself.
    about : str
        Where it is from and with what settings.
    """
    rows, muscles = summary, summary.head(0)
    if "muscle" in rows and (rows["muscle"] == OVERALL).any():
        muscles = rows[rows["muscle"] != OVERALL]
        rows = rows[rows["muscle"] == OVERALL]
    settings = settings_of(rows)
    said = f"Control {name}{f': {about}' if about else ''}"
    return element(
        "section",
        element("h3", f"Control: {name}"),
        element("p", QUESTIONS.get(name, "")),
        _table(rows, settings, caption=f"{said}."),
        element(
            "details",
            element("summary", "Muscle by muscle"),
            _table(muscles, settings, caption=f"{said}, by muscle."),
        )
        if len(muscles)
        else None,
        notes_list([*notes, *reasons(rows, settings)]),
    )


def _table(rows: pd.DataFrame, settings: list[str], *, caption: str) -> Markup:
    columns = [Column("entry", lambda row: entry_label(row, settings))]
    if "level" in rows:
        columns.append(Column("level", lambda row: str(row["level"])))
    if "muscle" in rows and rows["muscle"].nunique() > 1:
        columns.append(Column("muscle", lambda row: str(row["muscle"])))
    table = _known(rows)
    columns += [
        Column(head, _plain(key, places), _key(key))
        for key, (head, places) in _NUMBERS.items()
        if key in table
    ]
    columns += [
        Column(head, _percent(key), _key(key)) for key, head in _SHARES.items() if key in table
    ]
    columns += [
        Column(head, _between(key, 4 if key in ("gain", "difference") else 3), _key(key))
        for key, head in _INTERVALS.items()
        if key in table
    ]
    columns += [Column(head, _p(key), _key(key)) for key, head in _TESTS.items() if key in table]
    return html_table(table, columns, caption=caption, sortable=True)


def _known(rows: pd.DataFrame) -> pd.DataFrame:
    """Numbers as numbers; columns that hold none, or only 0 inputs, are left out."""
    names = [name for name in (*_SHARES, *_INTERVALS, *_NUMBERS, *_TESTS) if name in rows]
    table = rows.assign(**{name: pd.to_numeric(rows[name], errors="coerce") for name in names})
    empty = [name for name in names if table[name].isna().all()]
    if "inputs" in names and not table["inputs"].any():
        empty.append("inputs")
    # Adjusted where there is anything to adjust for.
    empty += [n for n in ("rate_changed_p", "difference_p") if n in names and _any(table, n)]
    return table.drop(columns=empty)


def _any(table: pd.DataFrame, name: str) -> bool:
    return f"{name}_holm" in table and bool(table[f"{name}_holm"].notna().any())


def _key(name: str) -> Any:
    return lambda row: float(row[name])


def _plain(name: str, places: int) -> Any:
    return lambda row: number(row[name], places, sign=places > 0)


def _percent(name: str) -> Any:
    def write(row: "pd.Series[Any]") -> Any:
        low, high = (row.get(f"{name}_{end}", np.nan) for end in ("low", "high"))
        mean = f"{number(100 * row[name], 1)} %"
        if not (pd.notna(row[name]) and pd.notna(low) and pd.notna(high)):
            return mean if pd.notna(row[name]) else UNKNOWN
        return [mean, element("small", f"[{number(100 * low, 1)}, {number(100 * high, 1)}]")]

    return write


def _between(name: str, places: int) -> Any:
    return lambda row: interval(row, name, places)


def _p(name: str) -> Any:
    return lambda row: p_value(row[name])


def about_control(header: Mapping[str, Any], /) -> str:
    """Name a control's settings.

    Examples
    --------
    >>> about_control({"settings": {"inputs": 32, "seed": 0}})
    'inputs 32, seed 0'
    """
    settings = header.get("settings") or {}
    return ", ".join(
        f"{name} {value}"
        for name, value in settings.items()
        if isinstance(value, (str, int, float))
    )
