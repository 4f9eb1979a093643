"""Simulated and measured curves over the cycle: mean and spread, a panel a muscle and speed.

Colours are two of Okabe & Ito's, which people with any colour vision tell apart; line styles differ
as well, so that a print without colour is read as easily.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEASURED = "#0072B2"
SIMULATED = "#D55E00"
_PANEL = (1.65, 1.05)
_MARGIN = (0.95, 1.15)
_EDGE = 0.08
_TEXT = 7


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
    muscles : sequence of str
        Names.
    groups : sequence of str
        The group of each cycle, such as its speed; columns in order of first appearance.
    title : str
        Above the panels.
    relative : bool
        Draw each muscle's curves as shares of their own largest mean over all groups, for EMG that
        is not normalised.

    Returns
    -------
    matplotlib.figure.Figure
        Not shown and not saved. Panels of one muscle share their scale.

    Raises
    ------
    InputError
        The shapes do not fit, there is nothing to draw, or matplotlib is not installed.
    """
    curves = [np.asarray(values, dtype=np.float64) for values in (simulated, measured)]
    expected = (len(groups), curves[0].shape[1] if curves[0].ndim == 3 else 0, len(muscles))
    if any(curve.shape != expected for curve in curves):
        raise InputError(
            f"curves: expected [cycle, point, muscle] of {len(groups)} cycles and {len(muscles)} "
            f"muscles, found {curves[0].shape} and {curves[1].shape}"
        )
    if not curves[0].size:
        raise InputError("curves: expected cycles and muscles to draw, found none")
    columns = list(dict.fromkeys(groups))
    figure = _figure(len(muscles), len(columns))
    if relative:
        curves = [_shares(curve, groups) for curve in curves]
    panels = figure.subplots(len(muscles), len(columns), sharex=True, sharey="row", squeeze=False)
    members = np.asarray(groups, dtype=str)
    percent = np.linspace(0, 100, expected[1])
    for row, muscle in enumerate(muscles):
        for column, group in enumerate(columns):
            panel = panels[row][column]
            of_group = members == group
            total = int(of_group.sum())
            counts = [
                _draw(panel, percent, curve[of_group, :, row], *style)
                for curve, style in zip(
                    curves, ((SIMULATED, (0, (4, 1.5))), (MEASURED, "-")), strict=True
                )
            ]
            _dress(panel, f"n = {min(counts)}" if min(counts) < total else "")
            if not row:
                panel.set_title(f"{group} (n = {total})", fontsize=_TEXT + 1, pad=3)
            if not column:
                panel.set_ylabel(muscle, fontsize=_TEXT + 1)
            if row == len(muscles) - 1:
                panel.set_xlabel("cycle, %", fontsize=_TEXT)
                first, *_, last = panel.get_xticklabels()
                first.set_horizontalalignment("left")
                last.set_horizontalalignment("right")
    for panel in panels[:, 0]:
        panel.set_ylim(bottom=min(0, panel.get_ylim()[0]))
    figure.align_ylabels()
    _legend(figure, title, relative=relative)
    return figure


def _figure(rows: int, columns: int) -> "Figure":
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError:
        raise InputError(
            "curves: expected matplotlib to draw with, found none; install it with "
            "'pip install matplotlib'"
        ) from None
    width = max(3.3, _MARGIN[0] + columns * _PANEL[0])
    layout = ConstrainedLayoutEngine(w_pad=_EDGE, h_pad=_EDGE)
    return Figure(figsize=(width, _MARGIN[1] + rows * _PANEL[1]), layout=layout)


def _draw(
    panel: Any, percent: NDArray[np.float64], curves: NDArray[np.float64], colour: str, line: Any
) -> int:
    whole = curves[~np.isnan(curves).any(axis=1)]
    if len(whole):
        mean = whole.mean(axis=0)
        panel.plot(percent, mean, color=colour, linestyle=line, linewidth=1.2, zorder=3)
        if len(whole) > 1:
            spread = whole.std(axis=0, ddof=1)
            panel.fill_between(
                percent, mean - spread, mean + spread, color=colour, alpha=0.2, linewidth=0
            )
    return len(whole)


def _dress(panel: Any, text: str) -> None:
    panel.set_xlim(0, 100)
    panel.set_xticks([0, 50, 100])
    panel.tick_params(labelsize=_TEXT, length=2, width=0.6)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        panel.spines[side].set_linewidth(0.6)
    panel.locator_params(axis="y", nbins=3)
    panel.text(
        0.98, 0.97, text, transform=panel.transAxes, ha="right", va="top", fontsize=_TEXT - 1
    )


def _legend(figure: "Figure", title: str, *, relative: bool) -> None:
    from matplotlib.lines import Line2D

    lines = [
        Line2D([], [], color=SIMULATED, linestyle=(0, (4, 1.5)), label="simulated activation"),
        Line2D([], [], color=MEASURED, label="measured EMG"),
    ]
    lines_above = [
        title,
        "Mean and standard deviation over n cycles",
        "Each curve as a share of its largest mean" if relative else "",
    ]
    figure.legend(
        handles=lines,
        loc="outside upper left",
        ncols=2,
        frameon=False,
        fontsize=_TEXT + 1,
        title="\n".join(filter(None, lines_above)),
        title_fontsize=_TEXT + 1,
        alignment="left",
    )


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
