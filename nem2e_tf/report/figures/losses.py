"""Loss over the epochs: the paper's Figure 5."""

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError
from nem2e_tf.report.figures.style import (
    BLACK,
    BLUE,
    TEXT,
    VERMILION,
    Look,
    new_figure,
    plain_axes,
    title_above,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


LINES = {
    "training": Look(BLUE),
    "validation": Look(VERMILION, (0, (4, 1.5))),
    "left_out": Look(BLACK, (0, (1, 1.2))),
}
"""Losses in the history of a fit; the last is never used."""
_COLUMNS = 4
_PANEL = (1.75, 1.5)
_NARROWEST = 5.6
_MARGIN = (0.6, 1.2)
# Of a title, an inch of its panel.
_LETTERS = 15


def draw_losses(history: pd.DataFrame, /, *, title: str = "") -> "Figure":
    """Draw training, validation and left-out loss, a panel an entry: median and quartiles of fits.

    Parameters
    ----------
    history : DataFrame
        Columns ``entry``, ``fit``, ``epoch``, ``training``, ``validation``, ``left_out`` (NaN where
        unknown) and ``kept``, the epoch whose weights are kept.
    title : str
        Above the panels.

    Returns
    -------
    matplotlib.figure.Figure
        Fits stop early at different epochs: lines end where half of them have stopped. The triangle
        is the median of the epochs kept.

    Raises
    ------
    InputError
        Nothing to draw, or matplotlib is not installed.
    """
    entries = list(dict.fromkeys(history["entry"]))
    if not entries:
        raise InputError("losses: expected fits with a history, found none")
    columns = min(_COLUMNS, len(entries))
    rows = -(-len(entries) // columns)
    width = max(_NARROWEST, _MARGIN[0] + columns * _PANEL[0])
    letters = int(_LETTERS * (width - _MARGIN[0]) / columns)
    figure = new_figure(width, _MARGIN[1] + rows * _PANEL[1])
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for place, panel in enumerate(panels.flat):
        if place >= len(entries):
            panel.set_visible(False)
            continue
        one = history[history["entry"] == entries[place]]
        _draw(panel, one)
        n_fits = one["fit"].nunique()
        name = textwrap.fill(f"{entries[place]} ({n_fits} fits)", letters)
        panel.set_title(name, fontsize=TEXT, pad=3)
        if place % columns == 0:
            panel.set_ylabel("squared error", fontsize=TEXT)
        if place + columns >= len(entries):
            panel.set_xlabel("epoch", fontsize=TEXT)
    from matplotlib.lines import Line2D

    handles: list[Any] = [
        Line2D([], [], color=look.colour, ls=look.line, lw=1.2, label=name.replace("_", " "))
        for name, look in LINES.items()
    ]
    handles.append(Line2D([], [], marker="^", ls="", color=BLACK, ms=4, label="epoch kept, median"))
    words = [title, "Median and quartiles of the fits that still train, while half of them do"]
    title_above(figure, words, handles)
    return figure


def _draw(panel: Any, one: pd.DataFrame) -> None:
    by_epoch = one.groupby("epoch")
    enough = by_epoch["fit"].nunique() >= max(1, one["fit"].nunique() / 2)
    for name, look in LINES.items():
        quartiles = by_epoch[name].quantile(np.array([0.25, 0.5, 0.75])).unstack()[enough]
        known = quartiles.dropna()
        if known.empty:
            continue
        panel.plot(known.index, known[0.5], color=look.colour, linestyle=look.line, linewidth=1.2)
        panel.fill_between(
            known.index, known[0.25], known[0.75], color=look.colour, alpha=0.15, linewidth=0
        )
    panel.set_yscale("log")
    plain_axes(panel)
    panel.tick_params(which="minor", length=1, width=0.4, labelsize=TEXT - 1)
    kept = float(one.groupby("fit")["kept"].first().median())
    panel.plot(kept, 0.03, "^", color=BLACK, ms=4, transform=panel.get_xaxis_transform())
