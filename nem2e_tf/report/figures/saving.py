"""Figures as vector files, and as pieces of a page."""

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
