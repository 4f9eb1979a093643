"""Tables of a page, of columns that know how they are written and sorted."""

import base64
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.report.page.html import Markup, element

UNKNOWN = "–"


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes
    ----------
    head : str
    write : callable
        What a row shows: text, or `Markup`.
    key : callable or None
        What a row is sorted by, a number; None for text, which is sorted as it is read.
    explain : str
        What it is, shown when one rests on the head.
    long : bool
        Text of several words, which may be broken.
    """

    head: str
    write: Callable[["pd.Series[Any]"], Any]
    key: "Callable[[pd.Series[Any]], float] | None" = None
    explain: str = ""
    long: bool = False


def html_table(
    rows: pd.DataFrame, columns: Sequence[Column], /, *, caption: str, sortable: bool = False
) -> Markup:
    """Write a table; the first column names its rows.

    Parameters
    ----------
    rows : DataFrame
    columns : sequence of Column
    caption : str
        What it shows.
    sortable : bool
        By any column, by touching its head.
    """
    heads = []
    for column in columns:
        words = column.key is None
        heads.append(
            element(
                "th",
                element("button", column.head, type="button") if sortable else column.head,
                scope="col",
                class_="words" if words else None,
                title=column.explain or None,
                data_first=("ascending" if words else "descending") if sortable else None,
            )
        )
    body = []
    for _, row in rows.iterrows():
        cells = [element("th", columns[0].write(row), scope="row")]
        cells += [_cell(column, row) for column in columns[1:]]
        body.append(element("tr", cells))
    # Above the part that is scrolled, so that it is read whole on a narrow screen.
    named = f"table-{zlib.crc32(caption.encode()):08x}"
    table = element(
        "table",
        element("thead", element("tr", heads)),
        element("tbody", body),
        class_="sortable" if sortable else None,
        aria_labelledby=named,
    )
    said = element("p", role="status", class_="soft") if sortable else None
    # Wider than the page it is scrolled, also by the keyboard.
    wide = element("div", table, class_="wide", tabindex=0, role="region", aria_labelledby=named)
    return element("div", element("p", caption, class_="caption", id=named), wide, said)


def _cell(column: Column, row: "pd.Series[Any]") -> Markup:
    value = column.key(row) if column.key else None
    known = value is not None and np.isfinite(value)
    kind = "long" if column.long else "words" if column.key is None else None
    return element(
        "td", column.write(row), class_=kind, data_value=f"{value:.9g}" if known else None
    )


def number(value: Any, places: int, /, *, sign: bool = False) -> str:
    """Write a number, or that it is unknown.

    Examples
    --------
    >>> number(-0.0004, 3, sign=True), number(float("nan"), 2)
    ('+0.000', '–')
    """
    if value is None or not np.isfinite(value):
        return UNKNOWN
    return f"{value:{'+' if sign else ''}z.{places}f}"


def p_value(value: Any, /) -> str:
    """Write a p.

    Examples
    --------
    >>> p_value(0.0123), p_value(0.00001)
    ('.012', '<.001')
    """
    if value is None or not np.isfinite(value):
        return UNKNOWN
    return "<.001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def interval(row: "pd.Series[Any]", name: str, places: int = 3, *, sign: bool = True) -> Any:
    """Write a mean with its interval below it, where there is one."""
    low, high = row.get(f"{name}_low", np.nan), row.get(f"{name}_high", np.nan)
    mean = number(row[name], places, sign=sign)
    if not (np.isfinite(low) and np.isfinite(high)):
        return mean
    ends = f"[{number(low, places, sign=sign)}, {number(high, places, sign=sign)}]"
    return [mean, element("small", ends)]


def download(name: str, text: str, /, *, kind: str, label: str) -> Markup:
    """Link to a file that the page carries in itself."""
    content = base64.b64encode(text.encode()).decode()
    return element("a", label, download=name, href=f"data:{kind};base64,{content}")


def files_line(links: Sequence[Markup], /) -> Markup:
    """Write a line of links to files; not printed on paper."""
    parts: list[Any] = []
    for link in links:
        parts += [", " if parts else "Files: ", link]
    return element("p", *parts, ".", class_="files")
