"""Tables of the page: columns describe how the rows of a DataFrame are written and sorted."""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nem2e_tf.report.muscles import UNKNOWN, number, p_value
from nem2e_tf.report.notes import entry_label


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    head : str
    name : str
        Column of the DataFrame.
    kind : str
        How values are written: ``text`` (left-aligned), ``long`` (text that wraps), ``number``,
        ``interval`` and ``percent`` (with ``[low, high]`` under the value, from the columns
        ``<name>_low`` and ``<name>_high``), ``p``, or ``written`` (numbers as text). All but text
        are sorted by value.
    places : int
        Decimals.
    sign : bool
        Write + as well as -.
    explain : str
        Shown when the pointer is on the head.
    small : callable, optional
        From a row to the text under a value, instead of an interval.
    infinite : str
        Written for infinity.
    style : str
        Column of the DataFrame with the CSS class of a text.
    """

    head: str
    name: str
    kind: str = "number"
    places: int = 3
    sign: bool = False
    explain: str = ""
    small: "Callable[[Mapping[Any, Any]], str] | None" = None
    infinite: str = UNKNOWN
    style: str = ""

    @property
    def words(self) -> bool:
        """Aligned left, and sorted as text."""
        return self.kind in ("text", "long")

    def cell(self, row: Mapping[Any, Any], /) -> "Cell":
        """Write the value of a row."""
        value = row[self.name]
        if self.words or self.kind == "written":
            return Cell(str(value), style=row[self.style] if self.style else "")
        if not np.isfinite(value):
            return Cell(self.infinite if np.isinf(value) else UNKNOWN)
        scale = 100 if self.kind == "percent" else 1
        if self.kind == "p":
            text = p_value(value)
        else:
            text = number(scale * value, self.places, sign=self.sign)
        small = self.small(row) if self.small else ""
        if self.kind in ("interval", "percent"):
            ends = [row.get(f"{self.name}_{end}", np.nan) for end in ("low", "high")]
            if np.isfinite(ends).all():
                low, high = (number(scale * end, self.places, sign=self.sign) for end in ends)
                small = f"[{low}, {high}]"
        return Cell(f"{text} %" if self.kind == "percent" else text, small, f"{value:.9g}")


class Cell(NamedTuple):
    """Text of a value, smaller text under it, key that it is sorted by, and CSS class."""

    text: str
    small: str = ""
    key: str = ""
    style: str = ""


@dataclass(frozen=True)
class Table:
    """A table for the template; the first column names the rows."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    sortable: bool = True

    @property
    def id(self) -> str:
        """Id of the caption."""
        return f"table-{zlib.crc32(self.caption.encode()):08x}"


def table(
    rows: pd.DataFrame, columns: Sequence[Column], /, *, caption: str, sortable: bool = True
) -> Table:
    """Return the rows of a DataFrame, written in columns."""
    cells = [[column.cell(row) for column in columns] for row in rows.to_dict("records")]
    return Table(caption, columns, cells, sortable)


def with_entry(rows: pd.DataFrame, settings: Sequence[str], /) -> pd.DataFrame:
    """Add the column ``entry``: the model and the settings that distinguish entries."""
    return rows.assign(entry=[entry_label(row, settings) for _, row in rows.iterrows()])


def reasons(rows: pd.DataFrame, /, *, of: Sequence[str] = ()) -> list[str]:
    """Collect the notes of rows: each once, with the entries that it applies to.

    Parameters
    ----------
    rows : DataFrame
        With ``entry`` and ``notes``, which are separated by "; ".
    of : sequence of str
        Columns that are named in parentheses after an entry.

    Examples
    --------
    >>> reasons(pd.DataFrame({"entry": ["tcn", "lstm"], "notes": ["one group", "one group"]}))
    ['One group: tcn; lstm.']
    """
    found: dict[str, dict[str, list[str]]] = {}
    for row in rows.to_dict("records"):
        for reason in filter(None, str(row.get("notes") or "").split("; ")):
            named = found.setdefault(reason, {}).setdefault(row["entry"], [])
            named += [" ".join(str(row[name]) for name in of)] if of else []
    return [
        f"{reason[0].upper()}{reason[1:]}: {'; '.join(_named(entries))}."
        for reason, entries in found.items()
    ]


def _named(entries: Mapping[str, Sequence[str]]) -> Iterable[str]:
    for entry, parts in entries.items():
        yield f"{entry} ({', '.join(dict.fromkeys(parts))})" if parts else entry
