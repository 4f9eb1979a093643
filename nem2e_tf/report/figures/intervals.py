"""Every entry's score with its interval, in one picture."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError
from nem2e_tf.report.figures.style import BLACK, BLUE, TEXT, WIDTH, new_figure, plain_axes

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
    """Draw one line an entry: its mean and its interval; full where the interval leaves out 0.

    Parameters
    ----------
    rows : DataFrame
        Columns ``label``, `value`, ``<value>_low`` and ``<value>_high`` (NaN where there is no
        interval), in the order of drawing, the first above.
    value : str
        The column, and the name of the axis.
    title : str
        Above.
    zero : str
        What 0 means.

    Returns
    -------
    matplotlib.figure.Figure
        An entry so far below the others that they could not be told apart stands at the edge, with
        its value in words.

    Raises
    ------
    InputError
        Nothing to draw, or matplotlib is not installed.
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
    """Where the axis begins: -inf unless some entries lie far below the others."""
    usual = values[
        values >= np.median(values) - _FURTHEST * max(np.ptp(values[values > -1]), 0.2)
        if (values > -1).any()
        else slice(None)
    ]
    if len(usual) == len(values):
        return float("-inf")
    return float(min(usual.min(), 0.0) - 0.35 * max(np.ptp(usual), 0.2))
