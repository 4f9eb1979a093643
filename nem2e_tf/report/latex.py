"""Tables for LaTeX, with the package booktabs."""

from collections.abc import Sequence

import pandas as pd

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
}


def escape(text: object, /) -> str:
    r"""Write text so that LaTeX prints it as it is.

    Examples
    --------
    >>> escape("add_mag1 < 5 %")
    'add\\_mag1 \\textless{} 5 \\%'
    """
    return "".join(_SPECIAL.get(letter, letter) for letter in str(text))


def latex_table(rows: pd.DataFrame, /, *, caption: str, label: str, words: Sequence[str]) -> str:
    """Write a table of text that is ready to print.

    Parameters
    ----------
    rows : DataFrame
        Text in every cell; column names are the heads.
    caption, label : str
        Of the table.
    words : sequence of str
        Columns to align left; the others are aligned right.
    """
    form = "".join("l" if name in words else "r" for name in rows.columns)
    lines = [
        r"\begin{table}",
        rf"\caption{{{escape(caption)}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{{form}}}",
        r"\toprule",
        " & ".join(escape(name) for name in rows.columns) + r" \\",
        r"\midrule",
        *(" & ".join(map(_cell, row)) + r" \\" for row in rows.itertuples(index=False)),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def _cell(text: object) -> str:
    value = escape(text)
    # A hyphen before a number is a minus.
    return f"${value}$" if value[:1] in "+-" and value[1:2].isdigit() else value
