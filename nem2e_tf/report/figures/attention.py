"""Where attention looks: over time (the paper's Figure 6) and over channels (its Figure 7)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.report.figures.anatomy import place
from nem2e_tf.report.figures.body import draw_body
from nem2e_tf.report.figures.style import BLUE, SCALE, TEXT, WIDTH, new_figure, plain_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PHASES = (0, 50, 100)
TOP = 10
_MAPPED = 24


def draw_temporal_attention(weights: ArrayLike, /, *, title: str = "") -> "Figure":
    """Draw temporal attention: which input samples each output sample looks at.

    Parameters
    ----------
    weights : array [sample out, sample in]
        Mean over cycles; each output sample's sum to 1.
    title : str
        Above.

    Returns
    -------
    matplotlib.figure.Figure
        Below the dashed line it looks at earlier samples than it emits, above it at later ones.

    Raises
    ------
    InputError
        Not such an array, or matplotlib is not installed.
    """
    values = _checked(weights, "temporal attention", "[sample out, sample in]")
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
    """Draw spatial attention at 0, 50 and 100 % of the cycle: on the body, and the ten highest.

    Parameters
    ----------
    weights : array [sample out, channel]
        Mean over cycles; each output sample's sum to 1.
    channels : sequence of str
        Names such as ``soleus_ipsi``.
    title : str
        Above.

    Returns
    -------
    matplotlib.figure.Figure
        The numbers in the discs are the ranks in the bars. A channel that is no known muscle is in
        the bars alone, marked with *.

    Raises
    ------
    InputError
        Not such an array, or matplotlib is not installed.
    """
    values = _checked(weights, "spatial attention", f"[sample, {len(channels)} channels]")
    if values.shape[1] != len(channels):
        raise InputError(
            f"spatial attention: expected weights of {len(channels)} channels, found "
            f"{values.shape[1]}"
        )
    figure = new_figure(WIDTH, 5.4)
    # Apart, so that the names beside the bars do not push the bodies aside.
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
        bars.set_xlabel("weight (dashed: all alike)", fontsize=TEXT)
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
        At most 24 channels, by their largest weight; the rest is counted in the title.

    Raises
    ------
    InputError
        As for `draw_spatial_attention`.
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
    # As few rectangles as values: a picture of pixels inside a drawing prints badly.
    x = np.linspace(extent[0], extent[1], values.shape[1] + 1)
    y = np.linspace(extent[2], extent[3], values.shape[0] + 1)
    return panel.pcolormesh(x, y, values, cmap=SCALE, vmin=0, linewidth=0, antialiased=False)


def _bar(figure: "Figure", image: Any, panel: Any) -> None:
    bar = figure.colorbar(image, ax=panel, shrink=0.8, aspect=25)
    # Matplotlib makes pixels of a scale of many colours; the edges close the gaps between vectors.
    if bar.solids is not None:
        bar.solids.set(rasterized=False, edgecolor="face")
    bar.set_label("weight", fontsize=TEXT)
    bar.ax.tick_params(labelsize=TEXT, length=2)
    bar.outline.set_linewidth(0.4)
