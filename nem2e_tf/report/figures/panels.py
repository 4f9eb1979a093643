"""Small multiples: activity over the cycle (the paper's Figure 3), loss over epochs (its Figure 5).

Panels of curves show mean and standard deviation over cycles, one row per muscle and one column per
group; panels of losses show median and quartiles over fits, one panel per entry.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.report.figures.style import (
    BLACK,
    BLUE,
    MEASURED,
    REFINED,
    SIMULATED,
    TEXT,
    VERMILION,
    Look,
    new_figure,
    plain_axes,
    title_above,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Sizes in inches: width and height.
_PANEL = (1.65, 1.05)
_MARGIN = (0.95, 1.15)
_NARROWEST = 3.3
_SIDE_BY_SIDE = 3

LOSSES = {
    "training": Look(BLUE),
    "validation": Look(VERMILION, (0, (4, 1.5))),
    "left_out": Look(BLACK, (0, (1, 1.2))),
}
"""Losses in the history of a fit; that of the test cycles is only recorded."""
_LOSS_COLUMNS = 4
_LOSS_PANEL = (1.75, 1.5)
_LOSS_MARGIN = (0.6, 1.2)
_LOSS_NARROWEST = 5.6
# Letters of a title per inch.
_LETTERS = 15


@dataclass(frozen=True, eq=False)
class Series:
    """Curves of one kind.

    Attributes
    ----------
    label : str
        In the legend.
    curves : array [cycle, point, muscle]
        Points from 0 to 100 % of the cycle. Curves with NaN are left out.
    look : Look
    """

    label: str
    curves: ArrayLike
    look: Look


def draw_curves(
    measured: ArrayLike,
    simulated: ArrayLike,
    refined: "ArrayLike | None" = None,
    /,
    *,
    muscles: Sequence[str],
    groups: Sequence[str],
    title: str = "",
    relative: bool = False,
) -> "Figure":
    """Draw measured and simulated curves, and refined ones if there are any.

    Parameters
    ----------
    measured, simulated, refined : array [cycle, point, muscle]
        EMG, the mean of the muscle's simulated counterparts, and the output of a refiner; points
        from 0 to 100 % of the cycle. Curves with NaN are left out.
    muscles, groups, title, relative
        See `draw_panels`. Relative is for EMG that is not normalised.

    Raises
    ------
    InputError
        The shapes do not match, or there are no cycles or muscles.
    """
    series = [
        Series("simulated activation", simulated, SIMULATED),
        Series("measured EMG", measured, MEASURED),
    ]
    if refined is not None:
        series.append(Series("refined", refined, REFINED))
    return draw_panels(series, muscles=muscles, groups=groups, title=title, relative=relative)


def draw_panels(
    series: Sequence[Series],
    /,
    *,
    muscles: Sequence[str],
    groups: Sequence[str],
    title: str = "",
    relative: bool = False,
) -> "Figure":
    """Draw mean and standard deviation over cycles, one row per muscle and one column per group.

    With a single group and more than three muscles there are three muscles per row.

    Parameters
    ----------
    series : sequence of Series
        Later ones are drawn on top.
    muscles : sequence of str
    groups : sequence of str
        Group of each cycle, such as its speed; columns in order of first appearance.
    title : str
    relative : bool
        Divide each muscle's curves by their largest mean over all groups.

    Returns
    -------
    matplotlib.figure.Figure
        Panels of one muscle share their scale. A panel gives the number of its cycles if some have
        NaN.

    Raises
    ------
    InputError
        The shapes do not match, or there are no cycles or muscles.
    """
    curves = [np.asarray(one.curves, dtype=np.float64) for one in series]
    expected = (len(groups), curves[0].shape[1] if curves[0].ndim == 3 else 0, len(muscles))
    if any(curve.shape != expected for curve in curves):
        raise InputError(
            f"curves: expected [cycle, point, muscle] of {len(groups)} cycles and {len(muscles)} "
            f"muscles, found {' and '.join(str(curve.shape) for curve in curves)}"
        )
    if not curves[0].size:
        raise InputError("curves: expected cycles and muscles to draw, found none")
    columns = list(dict.fromkeys(groups))
    wrapped = len(columns) == 1 and len(muscles) > _SIDE_BY_SIDE
    shape = (
        (-(-len(muscles) // _SIDE_BY_SIDE), _SIDE_BY_SIDE)
        if wrapped
        else (len(muscles), len(columns))
    )
    figure = new_figure(
        max(_NARROWEST, _MARGIN[0] + shape[1] * _PANEL[0] * (1.2 if wrapped else 1.0)),
        _MARGIN[1] + shape[0] * _PANEL[1],
    )
    if relative:
        curves = [_shares(curve, groups) for curve in curves]
    panels = figure.subplots(*shape, sharex=True, sharey=False if wrapped else "row", squeeze=False)
    members = np.asarray(groups, dtype=str)
    percent = np.linspace(0, 100, expected[1])
    for row, muscle in enumerate(muscles):
        for column, group in enumerate(columns):
            panel = panels.flat[row] if wrapped else panels[row][column]
            of_group = members == group
            total = int(of_group.sum())
            counts = [
                _draw_mean(panel, percent, curve[of_group, :, row], one.look)
                for one, curve in zip(series, curves, strict=True)
            ]
            _dress(panel, f"n = {min(counts)}" if min(counts) < total else "")
            if not row and not wrapped:
                panel.set_title(f"{group} (n = {total})".strip(), fontsize=TEXT + 1, pad=3)
            if not column:
                panel.set_ylabel(muscle, fontsize=TEXT + 1)
            if row >= len(muscles) - (shape[1] if wrapped else 1):
                _name_percents(panel)
    # Only after all curves are drawn: setting a limit turns automatic scaling off.
    for panel in panels.flat:
        panel.set_ylim(bottom=min(0, panel.get_ylim()[0]))
    for panel in panels.flat[len(muscles) :] if wrapped else ():
        panel.set_visible(False)
    figure.align_ylabels()
    from matplotlib.lines import Line2D

    lines = [
        title,
        f"{columns[0]} (n = {len(groups)})".strip() if wrapped else "",
        "Mean and standard deviation over n cycles",
        "Each curve as a share of its largest mean" if relative else "",
    ]
    handles = [Line2D([], [], label=one.label, **_line(one.look)) for one in series]
    title_above(figure, lines, handles)
    return figure


def _draw_mean(
    panel: Any, percent: NDArray[np.float64], curves: NDArray[np.float64], look: Look
) -> int:
    """Draw mean and standard deviation of the complete curves; return their number."""
    complete = curves[~np.isnan(curves).any(axis=1)]
    if len(complete):
        mean = complete.mean(axis=0)
        panel.plot(percent, mean, **_line(look), markevery=max(1, len(percent) // 5), zorder=3)
        if len(complete) > 1:
            spread = complete.std(axis=0, ddof=1)
            panel.fill_between(
                percent, mean - spread, mean + spread, color=look.colour, alpha=0.18, linewidth=0
            )
    return len(complete)


def _line(look: Look) -> dict[str, Any]:
    return {
        "color": look.colour,
        "linestyle": look.line,
        "linewidth": 1.2,
        "marker": look.marker or None,
        "markersize": 2.2,
    }


def _dress(panel: Any, text: str) -> None:
    plain_axes(panel)
    panel.set_xlim(0, 100)
    panel.set_xticks([0, 50, 100])
    panel.locator_params(axis="y", nbins=3)
    panel.text(0.98, 0.97, text, transform=panel.transAxes, ha="right", va="top", fontsize=TEXT - 1)


def _name_percents(panel: Any) -> None:
    panel.tick_params(labelbottom=True)
    panel.set_xlabel("cycle, %", fontsize=TEXT)
    first, *_, last = panel.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")


def _shares(curves: NDArray[np.float64], groups: Sequence[str]) -> NDArray[np.float64]:
    """Divide the curves of each muscle by the largest of its groups' means."""
    members = np.asarray(groups, dtype=str)
    largest = np.full(curves.shape[2], np.nan)
    for group in dict.fromkeys(groups):
        for muscle in range(curves.shape[2]):
            of_group = curves[members == group, :, muscle]
            complete = of_group[~np.isnan(of_group).any(axis=1)]
            if len(complete):
                largest[muscle] = np.fmax(largest[muscle], complete.mean(axis=0).max())
    return np.asarray(curves / np.where(largest > 0, largest, np.nan))


def draw_losses(history: pd.DataFrame, /, *, title: str = "") -> "Figure":
    """Draw training, validation and test loss: median and quartiles of the fits of each entry.

    Parameters
    ----------
    history : DataFrame
        Columns ``entry``, ``fit``, ``epoch``, ``training``, ``validation``, ``left_out`` (NaN where
        unknown) and ``kept``, the epoch whose weights are kept.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
        Because of early stopping fits end at different epochs: a line ends where half of them have
        stopped. The triangle is the median of the epochs kept.

    Raises
    ------
    InputError
        The history is empty.
    """
    entries = list(dict.fromkeys(history["entry"]))
    if not entries:
        raise InputError("losses: expected fits with a history, found none")
    columns = min(_LOSS_COLUMNS, len(entries))
    rows = -(-len(entries) // columns)
    width = max(_LOSS_NARROWEST, _LOSS_MARGIN[0] + columns * _LOSS_PANEL[0])
    letters = int(_LETTERS * (width - _LOSS_MARGIN[0]) / columns)
    figure = new_figure(width, _LOSS_MARGIN[1] + rows * _LOSS_PANEL[1])
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for panel in panels.flat[len(entries) :]:
        panel.set_visible(False)
    for place, (panel, entry) in enumerate(zip(panels.flat, entries, strict=False)):
        one = history[history["entry"] == entry]
        _draw_fits(panel, one)
        name = textwrap.fill(f"{entry} ({one['fit'].nunique()} fits)", letters)
        panel.set_title(name, fontsize=TEXT, pad=3)
        if place % columns == 0:
            panel.set_ylabel("squared error", fontsize=TEXT)
        if place + columns >= len(entries):
            panel.set_xlabel("epoch", fontsize=TEXT)
    from matplotlib.lines import Line2D

    handles: list[Any] = [
        Line2D([], [], color=look.colour, ls=look.line, lw=1.2, label=name.replace("_", " "))
        for name, look in LOSSES.items()
    ]
    handles.append(Line2D([], [], marker="^", ls="", color=BLACK, ms=4, label="epoch kept, median"))
    lines = [title, "Median and quartiles over the fits still training, while at least half are"]
    title_above(figure, lines, handles)
    return figure


def _draw_fits(panel: Any, one: pd.DataFrame) -> None:
    by_epoch = one.groupby("epoch")
    enough = by_epoch["fit"].nunique() >= max(1, one["fit"].nunique() / 2)
    for name, look in LOSSES.items():
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
