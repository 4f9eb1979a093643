"""What all figures share: colours, line styles, sizes, and plain axes.

Colours are Okabe & Ito's, which people with any colour vision tell apart; line styles, markers and
hatches differ as well, so that a print without colour is read as easily.

Figures as vector files, and as pieces of a page.
"""

import io
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nem2e_tf.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_SETTINGS: dict[Any, Any] = {"svg.fonttype": "none", "pdf.fonttype": 42}
# Text is kept as text: it can be searched and read aloud. The fonts after the first are a little
# narrower, so that what fitted still fits.
_FONTS = "'DejaVu Sans', Verdana, Arial, Helvetica, sans-serif"


def svg_text(figure: "Figure", /, *, name: str) -> str:
    """Draw a figure as one ``<svg>`` element, the same every time.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    name : str
        Letters, digits and hyphens; put before every id, so that several stand on one page.
    """
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({**_SETTINGS, "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    _, start, rest = buffer.getvalue().partition("<svg")
    text = re.sub(r"<metadata>.*?</metadata>", "", start + rest, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(url\(#|xlink:href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r"font:([^;\"]*?)'DejaVu Sans'[^;\"]*", rf"font:\1{_FONTS}", text)
    return text.strip()


def write_figure(figure: "Figure", path: Path, /, *, dots: int = 200) -> None:
    """Write a figure as the suffix of its name says; PDF holds fonts that editors can edit.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : Path
        Ends in ``.svg``, ``.pdf`` or ``.png``.
    dots : int
        An inch, of a PNG.
    """
    import matplotlib

    kind = path.suffix[1:].lower()
    about = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind, {})
    with matplotlib.rc_context({**_SETTINGS, "svg.hashsalt": path.stem}):
        figure.savefig(path, format=kind, metadata=about, dpi=dots)


BLUE, VERMILION, GREEN, BLACK = "#0072B2", "#D55E00", "#009E73", "#000000"
ORANGE, SKY, PURPLE, GREY = "#E69F00", "#56B4E9", "#CC79A7", "#6B6B6B"
SCALE = "cividis"
"""Colour map whose lightness rises evenly, for any colour vision and in grey."""

TEXT = 7
WIDTH = 7.2
"""Of a whole page's figure, inches."""
# Letters an inch in a legend, and what a handle takes of them.
_LETTERS = 14
_HANDLE = 8


@dataclass(frozen=True)
class Look:
    """How one series is drawn.

    Attributes
    ----------
    colour : str
    line : str or tuple
        Line style of matplotlib.
    marker : str
        Empty for none.
    hatch : str
        Of a box.
    """

    colour: str
    line: Any = "-"
    marker: str = ""
    hatch: str = ""


MEASURED = Look(BLUE)
SIMULATED = Look(VERMILION, (0, (4, 1.5)))
REFINED = Look(BLACK, "-", "o")
SERIES = (
    Look(SKY, "-", "o"),
    Look(ORANGE, (0, (4, 1.5)), "s", "////"),
    Look(GREEN, (0, (1, 1)), "^", "...."),
    Look(PURPLE, (0, (4, 1, 1, 1)), "D", "xxxx"),
    Look(GREY, (0, (6, 2)), "v", "----"),
)


def new_figure(width: float, height: float, /) -> "Figure":
    """Make an empty figure that keeps everything in it inside its edges.

    Parameters
    ----------
    width, height : float
        Inches.

    Raises
    ------
    InputError
        matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError:
        raise InputError(
            "figure: expected matplotlib to draw with, found none; install it with "
            "'pip install matplotlib'"
        ) from None
    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08))


def plain_axes(panel: Any) -> None:
    """Leave a panel its left and lower axis, thin, with small ticks."""
    panel.tick_params(labelsize=TEXT, length=2, width=0.6)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        panel.spines[side].set_linewidth(0.6)


def percent_axis(panel: Any) -> None:
    """Make the horizontal axis one of 0 to 100 % of the cycle."""
    panel.set_xlim(0, 100)
    panel.set_xticks([0, 50, 100])


def title_above(figure: "Figure", lines: list[str], handles: list[Any]) -> None:
    """Put a title and a legend above the panels, at the left, as wide as the figure allows."""
    letters = int(_LETTERS * figure.get_figwidth())
    longest = max(len(str(handle.get_label())) for handle in handles) + _HANDLE
    wrapped = [part for line in lines for part in textwrap.wrap(line, letters)]
    figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=min(len(handles), max(1, letters // longest)),
        frameon=False,
        fontsize=TEXT + 1,
        title="\n".join(wrapped),
        title_fontsize=TEXT + 1,
        alignment="left",
        handlelength=2.6,
    )
