"""Simulated and measured curves over the cycle: mean and spread, a panel a muscle and speed.

Curves over the cycle: mean and spread of several series, a panel a muscle and group.

Refined traces between the simulated and the measured ones: the paper's Figure 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.report.figures.style import (
    MEASURED,
    REFINED,
    SIMULATED,
    TEXT,
    Look,
    new_figure,
    percent_axis,
    plain_axes,
    title_above,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_PANEL = (1.65, 1.05)
_MARGIN = (0.95, 1.15)
_NARROWEST = 3.3
_SIDE_BY_SIDE = 3


@dataclass(frozen=True, eq=False)
class Series:
    """Curves of one kind.

    Attributes
    ----------
    label : str
        In the legend.
    curves : array [cycle, point, muscle]
        Points from 0 to 100 % of the cycle. A curve that holds NaN is left out.
    look : Look
    """

    label: str
    curves: ArrayLike
    look: Look


def draw_panels(
    series: Sequence[Series],
    /,
    *,
    muscles: Sequence[str],
    groups: Sequence[str],
    title: str = "",
    relative: bool = False,
) -> "Figure":
    """Draw mean and standard deviation over cycles, one row a muscle and one column a group.

    With a single group and many muscles there are three muscles a row.

    Parameters
    ----------
    series : sequence of Series
        In the order in which they are laid over one another.
    muscles : sequence of str
        Names.
    groups : sequence of str
        The group of each cycle, such as its speed; columns in order of first appearance.
    title : str
        Above the panels.
    relative : bool
        Draw each muscle's curves as shares of their own largest mean over all groups.

    Returns
    -------
    matplotlib.figure.Figure
        Not shown and not saved. Panels of one muscle share their scale. A panel states how many
        cycles remain where some hold NaN.

    Raises
    ------
    InputError
        The shapes do not fit, there is nothing to draw, or matplotlib is not installed.
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
    # With one group alone the muscles stand side by side as well.
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
                _draw(panel, percent, curve[of_group, :, row], one.look)
                for one, curve in zip(series, curves, strict=True)
            ]
            _dress(panel, f"n = {min(counts)}" if min(counts) < total else "")
            if not row and not wrapped:
                panel.set_title(f"{group} (n = {total})".strip(), fontsize=TEXT + 1, pad=3)
            if not column:
                panel.set_ylabel(muscle, fontsize=TEXT + 1)
            if row >= len(muscles) - (shape[1] if wrapped else 1):
                _name_percents(panel)
    # When all curves of a row are drawn: a limit that is set stays.
    for panel in panels.flat:
        panel.set_ylim(bottom=min(0, panel.get_ylim()[0]))
    for panel in panels.flat[len(muscles) :] if wrapped else ():
        panel.set_visible(False)
    titles = [title]
    if wrapped:
        titles.append(f"{columns[0]} (n = {len(groups)})".strip())
    figure.align_ylabels()
    _legend(figure, series, titles, relative=relative)
    return figure


def _draw(panel: Any, percent: NDArray[np.float64], curves: NDArray[np.float64], look: Look) -> int:
    whole = curves[~np.isnan(curves).any(axis=1)]
    if len(whole):
        mean = whole.mean(axis=0)
        panel.plot(percent, mean, **_line(look), markevery=max(1, len(percent) // 5), zorder=3)
        if len(whole) > 1:
            spread = whole.std(axis=0, ddof=1)
            panel.fill_between(
                percent, mean - spread, mean + spread, color=look.colour, alpha=0.18, linewidth=0
            )
    return len(whole)


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
    percent_axis(panel)
    panel.locator_params(axis="y", nbins=3)
    panel.text(0.98, 0.97, text, transform=panel.transAxes, ha="right", va="top", fontsize=TEXT - 1)


def _name_percents(panel: Any) -> None:
    panel.tick_params(labelbottom=True)
    panel.set_xlabel("cycle, %", fontsize=TEXT)
    first, *_, last = panel.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")


def _legend(
    figure: "Figure", series: Sequence[Series], titles: list[str], *, relative: bool
) -> None:
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], label=one.label, **_line(one.look)) for one in series]
    words = [
        *titles,
        "Mean and standard deviation over n cycles",
        "Each curve as a share of its largest mean" if relative else "",
    ]
    title_above(figure, words, lines)


def _shares(curves: NDArray[np.float64], groups: Sequence[str]) -> NDArray[np.float64]:
    """Curves over the largest mean of each muscle's groups."""
    members = np.asarray(groups, dtype=str)
    largest = np.full(curves.shape[2], np.nan)
    for group in dict.fromkeys(groups):
        for muscle in range(curves.shape[2]):
            of_group = curves[members == group, :, muscle]
            whole = of_group[~np.isnan(of_group).any(axis=1)]
            if len(whole):
                largest[muscle] = np.fmax(largest[muscle], whole.mean(axis=0).max())
    return np.asarray(curves / np.where(largest > 0, largest, np.nan))


def draw_traces(
    measured: ArrayLike,
    simulated: ArrayLike,
    refined: ArrayLike,
    /,
    *,
    muscles: Sequence[str],
    groups: Sequence[str],
    title: str = "",
) -> "Figure":
    """Draw what a refiner makes of cycles that it was not trained on.

    Parameters
    ----------
    measured, simulated, refined : array [cycle, sample, muscle]
        Of every cycle that was left out, in one order. A curve that holds NaN is left out; a panel
        states how many remain.
    muscles, groups, title
        See `nem2e_tf.report.figures.panels.draw_panels`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        The shapes do not fit, there is nothing to draw, or matplotlib is not installed.
    """
    return draw_panels(
        (
            Series("simulated activation", simulated, SIMULATED),
            Series("measured EMG", measured, MEASURED),
            Series("refined", refined, REFINED),
        ),
        muscles=muscles,
        groups=groups,
        title=title,
    )


def draw_curves(
    measured: ArrayLike,
    simulated: ArrayLike,
    /,
    *,
    muscles: Sequence[str],
    groups: Sequence[str],
    title: str = "",
    relative: bool = False,
) -> "Figure":
    """Draw mean and standard deviation over cycles, one row a muscle and one column a group.

    Parameters
    ----------
    measured, simulated : array [cycle, point, muscle]
        EMG, and the mean of the muscle's simulated counterparts; points from 0 to 100 % of the
        cycle. A curve that holds NaN is left out; a panel states how many remain.
    muscles, groups, title, relative
        See `nem2e_tf.report.figures.panels.draw_panels`. Relative is for EMG that is not
        normalised.

    Returns
    -------
    matplotlib.figure.Figure
        Not shown and not saved. Panels of one muscle share their scale.

    Raises
    ------
    InputError
        The shapes do not fit, there is nothing to draw, or matplotlib is not installed.
    """
    return draw_panels(
        (
            Series("simulated activation", simulated, SIMULATED),
            Series("measured EMG", measured, MEASURED),
        ),
        muscles=muscles,
        groups=groups,
        title=title,
        relative=relative,
    )
