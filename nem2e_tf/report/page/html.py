"""HTML elements of Python values; text is escaped unless it was made here."""

from collections.abc import Iterable
from html import escape
from typing import Any

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
