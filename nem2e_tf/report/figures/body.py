"""Values of muscles on the outline of a body, from the front and from behind."""

from collections.abc import Mapping
from typing import Any

from nem2e_tf.report.figures.anatomy import BACK, FRONT, outline, place
from nem2e_tf.report.figures.style import SCALE, TEXT

_LARGEST = 95.0
_APART = 46.0


def draw_body(panel: Any, values: Mapping[str, float], /, *, largest: float, top: int = 10) -> None:
    """Draw channels as discs, the area and the colour of which grow with their value.

    Parameters
    ----------
    panel : matplotlib Axes
    values : mapping of str to float
        0 or above, by channel name (see `nem2e_tf.report.figures.anatomy.place`).
    largest : float
        The value of the largest disc; above 0.
    top : int
        How many of the highest values bear their rank.
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
    # The small ones last, so that large ones do not hide them.
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
