"""Attention over time (the paper's Figure 6), over channels (its Figure 7), and on the body.

The outline of the lower body was drawn for this project. Lengths are centimetres of a person of
180 cm: x is the distance from the midline, y the height above the floor. ``body.csv`` has the
position of each muscle: the middle of its belly as seen from the front or the back; a deep muscle
is drawn at the surface above it.
"""

import functools
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.report.figures.style import BLUE, SCALE, TEXT, WIDTH, new_figure, plain_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


FRONT, BACK = "front", "back"

_HALF = (
    *((0, 128), (15.5, 128), (14.6, 118), (14.4, 110), (16.2, 103), (18.6, 96), (20.2, 88)),
    *((20.2, 78), (19.2, 66), (17.3, 55), (16.2, 49), (16.6, 42), (17.0, 35), (15.6, 25)),
    *((13.6, 14), (13.4, 8), (15.4, 4), (17.4, 1.5), (16.6, 0), (9.6, 0), (8.4, 2), (8.8, 8)),
    *((8.4, 14), (7.2, 25), (6.4, 35), (7.2, 44), (7.4, 50), (5.6, 58), (3.0, 70), (1.0, 80)),
    *((0, 82),),
)


@functools.cache
def positions() -> dict[str, tuple[str, float, float]]:
    """View, x and y of every canonical muscle name, from ``body.csv``."""
    table = pd.read_csv(str(files("nem2e_tf.report.figures").joinpath("body.csv")))
    return {str(name): (str(view), float(x), float(y)) for name, view, x, y in table.to_numpy()}


def outline() -> NDArray[np.float64]:
    """Return the outline of the lower body, closed and with rounded corners.

    Returns
    -------
    float64 array [point, 2]
        x and y; the first point is repeated at the end.

    Examples
    --------
    >>> points = outline()
    >>> bool(np.allclose(points[0], points[-1])), float(points[:, 1].max())
    (True, 128.0)
    """
    half = np.array(_HALF, dtype=np.float64)
    points = np.concatenate([half, half[::-1] * (-1, 1)])
    for _ in range(3):
        following = np.roll(points, -1, axis=0)
        # Chaikin's algorithm: cut each corner at a quarter of its edges.
        cut = np.stack([0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following], axis=1)
        points = cut.reshape(-1, 2)
    return np.concatenate([points, points[:1]])


def place(channel: str) -> tuple[str, float, float] | None:
    """Return view, x and y of a channel; None if its position is unknown.

    The ipsilateral leg is drawn as the right one: on the left in the front view, on the right in
    the back view.

    Parameters
    ----------
    channel : str
        A canonical muscle name, with ``_ipsi`` (the default) or ``_contra``.

    Examples
    --------
    >>> place("tibant_ipsi"), place("soleus_contra"), place("lumbar_ext")
    (('front', -10.4, 36.0), ('back', -11.6, 29.0), None)
    """
    muscle, contra = channel.removesuffix("_ipsi"), False
    if channel.endswith("_contra"):
        muscle, contra = channel.removesuffix("_contra"), True
    if muscle not in positions():
        return None
    view, x, y = positions()[muscle]
    return view, -x if (view == FRONT) != contra else x, y


_LARGEST = 95.0
_APART = 46.0


def draw_body(panel: Any, values: Mapping[str, float], /, *, largest: float, top: int = 10) -> None:
    """Draw channels as discs on the body; area and colour increase with their value.

    Parameters
    ----------
    panel : matplotlib Axes
    values : mapping of str to float
        Values of 0 or more by channel name; see `place`.
    largest : float
        Value of the largest disc; above 0.
    top : int
        Number of the highest values that are labelled with their rank.
    """
    from matplotlib import colormaps

    panel.set_aspect("equal")
    panel.axis("off")
    points = outline()
    for view, shift in ((FRONT, 0.0), (BACK, _APART)):
        panel.fill(
            points[:, 0] + shift, points[:, 1], facecolor="#F2F2F2", edgecolor="#555555", lw=0.7
        )
        panel.text(shift, 131, view, ha="center", fontsize=TEXT)
        sides = ("ipsi", "contra") if view == FRONT else ("contra", "ipsi")
        for side, word in zip((-12, 12), sides, strict=True):
            panel.text(side + shift, -7, word, ha="center", fontsize=TEXT - 1.5)
    ranked = sorted(values, key=lambda name: -values[name])
    # Small discs are drawn last, so that large ones do not cover them.
    for rank, channel in enumerate(ranked, start=1):
        found = place(channel)
        if found is None or not values[channel] > 0:
            continue
        view, across, y = found
        share = min(values[channel] / largest, 1.0)
        x = across + (_APART if view == BACK else 0.0)
        panel.scatter(
            [x],
            [y],
            s=max(_LARGEST * share, 1.5),
            color=[colormaps[SCALE](share)],
            edgecolors="black",
            linewidths=0.4,
            zorder=2 + rank / 1000,
        )
        if rank <= top:
            panel.text(
                x,
                y,
                str(rank),
                ha="center",
                va="center_baseline",
                zorder=4,
                fontsize=TEXT - 2,
                color="black" if share > 0.5 else "white",
                fontweight="bold",
            )
    panel.set_xlim(-22, _APART + 22)
    panel.set_ylim(-10, 137)


PHASES = (0, 50, 100)
TOP = 10
_MAPPED = 24


def draw_temporal_attention(weights: ArrayLike, /, *, title: str = "") -> "Figure":
    """Draw temporal attention: the weight of each input sample for each output sample.

    Parameters
    ----------
    weights : array [output sample, input sample]
        Mean over cycles; the weights of each output sample sum to 1.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
        Weights below the dashed line are on earlier samples than the output, those above it on
        later ones.

    Raises
    ------
    InputError
        The weights do not have this shape or are not finite.
    """
    values = _checked(weights, "temporal attention", "[output sample, input sample]")
    figure = new_figure(3.6, 3.2)
    panel = figure.subplots()
    image = _map(panel, values.T, extent=(0, 100, 0, 100))
    panel.plot([0, 100], [0, 100], color="white", linewidth=1.0, linestyle=(0, (4, 3)))
    panel.set_xlabel("refined sample, % of the cycle", fontsize=TEXT + 1)
    panel.set_ylabel("simulated sample, % of the cycle", fontsize=TEXT + 1)
    panel.set_yticks([0, 50, 100])
    panel.set_title(title, fontsize=TEXT + 1, loc="left")
    _bar(figure, image, panel)
    return figure


def draw_spatial_attention(
    weights: ArrayLike, /, *, channels: Sequence[str], title: str = ""
) -> "Figure":
    """Draw spatial attention at 0, 50 and 100 % of the cycle: on the body and as bars.

    Parameters
    ----------
    weights : array [output sample, channel]
        Mean over cycles; the weights of each output sample sum to 1.
    channels : sequence of str
        Names such as ``soleus_ipsi``.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
        The bars are the ten highest weights; the numbers in the discs are their ranks. A channel
        that is not a known muscle is marked with * and is not on the body.

    Raises
    ------
    InputError
        The weights do not have this shape or are not finite.
    """
    values = _checked(weights, "spatial attention", f"[sample, {len(channels)} channels]")
    if values.shape[1] != len(channels):
        raise InputError(
            f"spatial attention: expected weights of {len(channels)} channels, found "
            f"{values.shape[1]}"
        )
    figure = new_figure(WIDTH, 5.4)
    # In separate subfigures, so that the labels of the bars do not displace the bodies.
    parts: Any = figure.subfigures(2, 1, height_ratios=(1.5, 1))
    bodies, bar_panels = (part.subplots(1, len(PHASES)) for part in parts)
    samples = [round(phase / 100 * (len(values) - 1)) for phase in PHASES]
    largest = float(values[samples].max())
    for column, (phase, sample) in enumerate(zip(PHASES, samples, strict=True)):
        row = values[sample]
        body, bars = bodies[column], bar_panels[column]
        body.set_title(f"{phase} % of the cycle", fontsize=TEXT + 1)
        draw_body(body, dict(zip(channels, row.tolist(), strict=True)), largest=largest, top=TOP)
        order = np.argsort(-row, kind="stable")[:TOP]
        names = [
            f"{channels[i]}{'' if place(channels[i]) else ' *'}  {rank}"
            for rank, i in enumerate(order, start=1)
        ]
        bars.barh(range(len(order)), row[order], color=BLUE, height=0.7)
        bars.axvline(1 / len(channels), color="black", linewidth=0.7, linestyle=(0, (2, 2)))
        bars.set_yticks(range(len(order)), names)
        bars.invert_yaxis()
        bars.set_xlim(0, 1.05 * largest)
        plain_axes(bars)
        bars.set_xlabel("weight (dashed: uniform)", fontsize=TEXT)
        bars.locator_params(axis="x", nbins=4)
    parts[0].suptitle(title, fontsize=TEXT + 1, x=0.01, ha="left")
    return figure


def draw_channel_map(
    weights: ArrayLike, /, *, channels: Sequence[str], title: str = ""
) -> "Figure":
    """Draw spatial attention over the whole cycle, for the channels with the highest weights.

    Parameters
    ----------
    weights, channels, title
        As for `draw_spatial_attention`.

    Returns
    -------
    matplotlib.figure.Figure
        At most 24 channels, by their largest weight; the title gives the number of all.

    Raises
    ------
    InputError
        The weights do not have this shape or are not finite.
    """
    values = _checked(weights, "spatial attention", f"[sample, {len(channels)} channels]")
    order = np.argsort(-values.max(axis=0), kind="stable")[:_MAPPED]
    figure = new_figure(4.4, 0.9 + 0.15 * len(order))
    panel = figure.subplots()
    image = _map(panel, values[:, order].T[::-1], extent=(0, 100, 0, len(order)))
    panel.set_yticks(np.arange(len(order)) + 0.5, [channels[i] for i in order[::-1]])
    panel.set_xlabel("refined sample, % of the cycle", fontsize=TEXT + 1)
    rest = len(channels) - len(order)
    more = f"{len(order)} of {len(channels)} channels" if rest else ""
    panel.set_title("\n".join(filter(None, (title, more))), fontsize=TEXT + 1, loc="left")
    _bar(figure, image, panel)
    return figure


def _checked(weights: ArrayLike, what: str, shape: str) -> NDArray[np.float64]:
    values = np.asarray(weights, dtype=np.float64)
    if values.ndim != 2 or not values.size or not np.isfinite(values).all():
        raise InputError(f"{what}: expected finite weights {shape}, found {values.shape}")
    return values


def _map(panel: Any, values: NDArray[np.float64], *, extent: tuple[float, ...]) -> Any:
    plain_axes(panel)
    panel.set_xticks([0, 50, 100])
    # Rectangles, because an embedded bitmap prints badly.
    x = np.linspace(extent[0], extent[1], values.shape[1] + 1)
    y = np.linspace(extent[2], extent[3], values.shape[0] + 1)
    return panel.pcolormesh(x, y, values, cmap=SCALE, vmin=0, linewidth=0, antialiased=False)


def _bar(figure: "Figure", image: Any, panel: Any) -> None:
    bar = figure.colorbar(image, ax=panel, shrink=0.8, aspect=25)
    # Matplotlib rasterises long colour bars; as vectors they need edges, or gaps show.
    if bar.solids is not None:
        bar.solids.set(rasterized=False, edgecolor="face")
    bar.set_label("weight", fontsize=TEXT)
    bar.ax.tick_params(labelsize=TEXT, length=2)
    bar.outline.set_linewidth(0.4)
