"""Why values of a table are missing, told below it.

HTML elements of Python values; text is escaped unless it was made here.

Tables of a page, of columns that know how they are written and sorted.
"""

import base64
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.report.notes import entry_label

VOID = ("meta", "br", "hr", "col", "link")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(name: str, /, *content: Any, **attributes: Any) -> Markup:
    """Make an element.

    Parameters
    ----------
    name : str
        Of the element.
    content : str, number or iterable of these
        Escaped, unless it is `Markup`; None is left out.
    attributes : str, number, bool or None
        ``_`` becomes ``-``, and one at the end is dropped (``class_``). True gives the name alone;
        False and None leave it out.

    Examples
    --------
    >>> element("p", "a < b", element("br"), class_="note", hidden=False)
    '<p class="note">a &lt; b<br></p>'
    """
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        words.append(key if value is True else f'{key}="{escape(str(value), quote=True)}"')
    start = f"<{' '.join(words)}>"
    return Markup(start if name in VOID else f"{start}{join(content)}</{name}>")


def join(content: Any, /) -> Markup:
    """Put content together; see `element`."""
    if content is None:
        return Markup("")
    if isinstance(content, Markup):
        return content
    if not isinstance(content, str) and isinstance(content, Iterable):
        return Markup("".join(join(item) for item in content))
    return Markup(escape(str(content), quote=False))


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


def reasons(rows: pd.DataFrame, settings: list[str], /, *, of: tuple[str, ...] = ()) -> list[str]:
    """Collect the notes of rows, each once with the entries that it is of.

    Parameters
    ----------
    rows : DataFrame
        With ``notes``, joined by "; ", and what names an entry.
    settings : list of str
        What tells entries apart; see `nem2e_tf.report.notes.differing`.
    of : tuple of str
        Columns that are named with an entry.

    Examples
    --------
    >>> rows = pd.DataFrame({"model": ["tcn", "lstm"], "notes": ["one group", "one group"]})
    >>> reasons(rows, [])
    ['One group: tcn; lstm.']
    """
    found: dict[str, dict[str, list[str]]] = {}
    for _, row in rows.iterrows():
        for reason in filter(None, str(row.get("notes") or "").split("; ")):
            named = found.setdefault(reason, {}).setdefault(entry_label(row, settings), [])
            named += [" ".join(str(row[name]) for name in of)] if of else []
    return [
        f"{reason[0].upper()}{reason[1:]}: {'; '.join(_named(entries))}."
        for reason, entries in found.items()
    ]


def _named(entries: dict[str, list[str]]) -> Iterable[str]:
    for entry, parts in entries.items():
        yield f"{entry} ({', '.join(dict.fromkeys(parts))})" if parts else entry


def notes_list(lines: Iterable[str], /, *, kind: str = "soft") -> Markup | None:
    """Write notes as a list of a class, ``soft`` or ``missing``; None where there are none."""
    items = [element("li", line) for line in lines]
    return element("ul", items, class_=kind) if items else None
