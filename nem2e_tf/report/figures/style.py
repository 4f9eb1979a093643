"""Style of all figures (colours, lines, axes, titles), and writing them as files or SVG elements.

Colours are Okabe and Ito's, which people with any colour vision can distinguish; line styles,
markers and hatches differ as well, for prints without colour.
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
# Text stays text, which can be searched and read aloud. The fonts after the first are slightly
# narrower, so that labels still fit.
_FONTS = "'DejaVu Sans', Verdana, Arial, Helvetica, sans-serif"


def svg_text(figure: "Figure", /, *, name: str) -> str:
    """Return a figure as one ``<svg>`` element, identical every time.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    name : str
        Letters, digits and hyphens; prefix of every id, so that ids are unique on a page.
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
    """Write a figure in the format of the suffix; text in a PDF stays editable.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : Path
        Ends in ``.svg``, ``.pdf`` or ``.png``.
    dots : int
        Per inch, in a PNG.
    """
    import matplotlib

    kind = path.suffix[1:].lower()
    about = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind, {})
    with matplotlib.rc_context({**_SETTINGS, "svg.hashsalt": path.stem}):
        figure.savefig(path, format=kind, metadata=about, dpi=dots)


BLUE, VERMILION, GREEN, BLACK = "#0072B2", "#D55E00", "#009E73", "#000000"
ORANGE, SKY, PURPLE, GREY = "#E69F00", "#56B4E9", "#CC79A7", "#6B6B6B"
SCALE = "cividis"
"""Colour map of monotonic lightness, for any colour vision and for grey."""

TEXT = 7
WIDTH = 7.2
"""Width of a full-page figure, in inches."""
# Letters per inch in a legend, and the width of a handle in letters.
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
        Empty: no marker.
    hatch : str
        Hatch of a box.
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
    """Return an empty figure whose layout keeps all content inside its edges.

    Parameters
    ----------
    width, height : float
        In inches.

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
            "figures require matplotlib, which is not installed; run 'pip install matplotlib'"
        ) from None
    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08))


def plain_axes(panel: Any) -> None:
    """Reduce the axes of a panel to the left and the lower one, thin, with small ticks."""
    panel.tick_params(labelsize=TEXT, length=2, width=0.6)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        panel.spines[side].set_linewidth(0.6)


def title_above(figure: "Figure", lines: list[str], handles: list[Any]) -> None:
    """Add title lines and a legend above the panels, wrapped to the width of the figure."""
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
