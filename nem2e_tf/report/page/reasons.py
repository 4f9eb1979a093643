"""Why values of a table are missing, told below it."""

from collections.abc import Iterable

import pandas as pd

from nem2e_tf.report.labels import entry_label
from nem2e_tf.report.page.html import Markup, element


def reasons(rows: pd.DataFrame, settings: list[str], /, *, of: tuple[str, ...] = ()) -> list[str]:
    """Collect the notes of rows, each once with the entries that it is of.

    Parameters
    ----------
    rows : DataFrame
        With ``notes``, joined by "; ", and what names an entry.
    settings : list of str
        What tells entries apart; see `nem2e_tf.report.labels.differing`.
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
