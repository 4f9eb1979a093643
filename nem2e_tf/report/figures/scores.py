"""Scores of entries: means with intervals, and box plots per muscle (the paper's Figure 4)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError
from nem2e_tf.report.figures.style import (
    BLACK,
    BLUE,
    SERIES,
    TEXT,
    WIDTH,
    new_figure,
    plain_axes,
    title_above,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_FURTHEST = 2.0


def draw_intervals(
    rows: pd.DataFrame,
    /,
    *,
    value: str,
    title: str = "",
    zero: str = "",
) -> "Figure":
    """Draw one line per entry: mean and interval; the dot is filled if the interval excludes 0.

    Parameters
    ----------
    rows : DataFrame
        Columns ``label``, `value`, ``<value>_low`` and ``<value>_high`` (NaN where there is no
        interval), in order from the top.
    value : str
        Name of the column and of the axis.
    title : str
    zero : str
        Meaning of 0.

    Returns
    -------
    matplotlib.figure.Figure
        An entry far below the others is an arrow at the left edge, with its value.

    Raises
    ------
    InputError
        There is no entry with a value.
    """
    known = rows[rows[value].notna()]
    if known.empty:
        raise InputError(f"intervals: expected entries with a {value}, found none")
    figure = new_figure(WIDTH, 0.9 + 0.2 * len(known))
    panel = figure.subplots()
    low = _lowest(known[value].to_numpy(float))
    for place, (_, row) in enumerate(known.iterrows()):
        mean, ends = float(row[value]), [float(row[f"{value}_{end}"]) for end in ("low", "high")]
        if mean < low:
            panel.annotate(
                f"◀ {mean:+.3g}", (low, place), va="center", ha="left", fontsize=TEXT, color=BLACK
            )
            continue
        away = ends[0] > 0 or ends[1] < 0
        if np.isfinite(ends).all():
            panel.plot([max(ends[0], low), ends[1]], [place, place], color=BLUE, linewidth=1.4)
        panel.plot(
            mean, place, "o", color=BLUE, mfc=BLUE if away else "white", ms=5, mew=1.2, zorder=3
        )
    panel.axvline(0, color=BLACK, linewidth=0.7, linestyle=(0, (3, 2)), zorder=1)
    plain_axes(panel)
    panel.set_yticks(range(len(known)), list(known["label"]), fontsize=TEXT + 1)
    panel.set_ylim(len(known) - 0.4, -0.6)
    if np.isfinite(low):
        panel.set_xlim(left=low)
    panel.set_xlabel(f"{value}{f' (0: {zero})' if zero else ''}", fontsize=TEXT + 1)
    panel.grid(axis="x", linewidth=0.3, color="#BBBBBB")
    panel.set_axisbelow(True)
    panel.set_title(title, fontsize=TEXT + 1, loc="left")
    return figure


def _lowest(values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> float:
    """Return the start of the axis: -inf unless some entries are far below the others."""
    usual = values[
        values >= np.median(values) - _FURTHEST * max(np.ptp(values[values > -1]), 0.2)
        if (values > -1).any()
        else slice(None)
    ]
    if len(usual) == len(values):
        return float("-inf")
    return float(min(usual.min(), 0.0) - 0.35 * max(np.ptp(usual), 0.2))


_ROW = 8
_WIDE = 0.8


def draw_boxes(
    scores: pd.DataFrame,
    /,
    *,
    value: str,
    title: str = "",
    zero: str = "",
    reference: "pd.Series[float] | None" = None,
    reference_label: str = "",
) -> "Figure":
    """Draw the spread of a score over groups: one cluster per muscle, one box per series.

    Parameters
    ----------
    scores : DataFrame
        Columns ``muscle``, ``series`` (at most five) and `value`; one row per group. NaN is left
        out; a box without values is replaced by a note.
    value : str
        Name of the column and of the vertical axis.
    title : str
    zero : str
        Meaning of 0, written at its line.
    reference : Series, optional
        Another value of each muscle, by name, drawn as a diamond.
    reference_label : str
        Its name in the legend.

    Returns
    -------
    matplotlib.figure.Figure
        Boxes span the quartiles, with the median; whiskers extend to the furthest group within 1.5
        interquartile ranges; each group is a dot. Eight muscles per row.

    Raises
    ------
    InputError
        There are no scores, or more than five series.
    """
    muscles = list(dict.fromkeys(scores["muscle"]))
    series = list(dict.fromkeys(scores["series"]))
    if not muscles:
        raise InputError("boxes: expected scores to draw, found none")
    if len(series) > len(SERIES):
        raise InputError(f"boxes: expected at most {len(SERIES)} series, found {len(series)}")
    rows = [muscles[start : start + _ROW] for start in range(0, len(muscles), _ROW)]
    figure = new_figure(WIDTH, 0.75 + 1.9 * len(rows))
    panels = figure.subplots(len(rows), 1, squeeze=False, sharey=True)[:, 0]
    widest = max(map(len, rows))
    for panel, names in zip(panels, rows, strict=True):
        for place, muscle in enumerate(names):
            of_muscle = scores[scores["muscle"] == muscle]
            for number, one in enumerate(series):
                known = of_muscle.loc[of_muscle["series"] == one, value].dropna().to_numpy(float)
                wide = _WIDE / len(series)
                x = place - _WIDE / 2 + wide * (number + 0.5)
                _box(panel, known, x=x, wide=wide, number=number)
            if reference is not None and np.isfinite(reference.get(muscle, np.nan)):
                left = place - _WIDE / 2 - 0.04
                panel.plot(left, reference[muscle], "D", color=BLACK, mfc="white", ms=4, zorder=5)
        plain_axes(panel)
        panel.axhline(0, color=BLACK, linewidth=0.6, linestyle=(0, (2, 2)), zorder=1)
        panel.set_xlim(-0.5, widest - 0.5)
        panel.set_xticks(range(len(names)), names, fontsize=TEXT + 1)
        panel.set_ylabel(value, fontsize=TEXT + 1)
    if zero:
        panels[0].annotate(
            zero,
            (widest - 0.5, 0),
            xytext=(3, 0),
            textcoords="offset points",
            ha="left",
            va="center",
            fontsize=TEXT - 1,
        )
    _legend(figure, series, title, reference_label if reference is not None else "")
    return figure


def _box(panel: Any, values: Any, *, x: float, wide: float, number: int) -> None:
    look = SERIES[number]
    if not len(values):
        # In the middle of the panel at any scale.
        where = {"transform": panel.get_xaxis_transform(), "ha": "center", "va": "center"}
        panel.text(x, 0.5, "no value", rotation=90, fontsize=TEXT - 1, **where)
        return
    line = {"color": BLACK, "linewidth": 0.7}
    panel.boxplot(
        [values],
        positions=[x],
        widths=0.8 * wide,
        showfliers=False,
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": look.colour, "hatch": look.hatch, "linewidth": 0.7},
        medianprops={"color": BLACK, "linewidth": 1.4},
        whiskerprops=line,
        capprops=line,
    )
    # Dots are spread evenly, not randomly, so that the figure is reproducible.
    spread = 0.16 * wide * np.linspace(-1, 1, len(values)) if len(values) > 1 else np.zeros(1)
    panel.plot(x + spread, values, look.marker, color=BLACK, mfc="white", ms=2.2, mew=0.5, zorder=4)


def _legend(figure: "Figure", series: Sequence[str], title: str, reference: str) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Patch(facecolor=look.colour, hatch=2 * look.hatch, edgecolor=BLACK, label=name)
        for name, look in zip(series, SERIES, strict=False)
    ]
    if reference:
        handles.append(
            Line2D([], [], marker="D", color=BLACK, mfc="white", ms=4, ls="", label=reference)
        )
    title_above(figure, [title], handles)
