"""What a check found."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["note", "wrong"]


@dataclass(frozen=True)
class Finding:
    """One thing a check found.

    Attributes
    ----------
    kind : str
        Which check, in a word or two: ``other leg``, ``dead``, ``range``.
    where : str
        The column, muscle or cycle it is about; empty for all.
    message : str
        One line: what was expected, what was found, what to do.
    severity : {"note", "wrong"}
        ``note``: odd, and may be right. ``wrong``: a result made of this would be wrong.
    rows : tuple of int
        Places of the cycles it is about, where it is about cycles of a cohort.
    """

    kind: str
    where: str
    message: str
    severity: Severity = "note"
    rows: tuple[int, ...] = ()
