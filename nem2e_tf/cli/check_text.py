"""What ``nem2e-tf data check`` prints: tables for people, or plain values for programs."""

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from nem2e_tf.checks import Alignment, Checked

_WIDTH = 100


def as_plain(checked: "Checked") -> dict[str, Any]:
    """Return what was found as plain values for JSON; what is not known is None."""
    return {
        **checked.contents,
        "findings": [{"of": where, **asdict(finding)} for where, finding in checked.findings],
        "alignment": [{"of": where, **_plain(a)} for where, a in checked.alignments],
        "wrong": checked.wrong,
    }


def _plain(alignment: "Alignment") -> dict[str, Any]:
    a = alignment
    return {
        "mean_r": _known(a.mean_r),
        "mean_best_r": _known(a.mean_best_r),
        "mean_lag_ms": _known(1000 * a.mean_lag),
        "mean_other_leg_r": _known(a.mean_other_r),
        "muscles": [
            {
                "muscle": name,
                "r": _known(a.r[i]),
                "best_r": _known(a.best_r[i]),
                "lag_ms": _known(1000 * a.lag[i]),
                "other_leg_r": _known(a.other_r[i]),
            }
            for i, name in enumerate(a.muscles)
        ],
    }


def _known(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


def print_checked(checked: "Checked") -> None:
    """Print contents and alignments to stdout."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(_WIDTH, console.width))
    for key, value in checked.contents.items():
        if key != "notes" and not isinstance(value, list):
            console.print(f"{key.replace('_', ' ')}: {_text(value)}", markup=False)
    for key, value in checked.contents.items():
        if key != "notes" and isinstance(value, list):
            title = key.replace("_", " ")
            console.print(f"\n{title}:{'' if value else ' none'}", markup=False)
            if value:
                console.print(_table([*value[0]], [[*map(_text, row.values())] for row in value]))
    for where, a in checked.alignments:
        title = f"\nsimulation against EMG{f', {where}' if where else ''}:"
        console.print(title, markup=False)
        rows = [
            [name, *_cells(a.r[i], a.best_r[i], a.lag[i], a.other_r[i])]
            for i, name in enumerate(a.muscles)
        ]
        mean = _cells(a.mean_r, a.mean_best_r, a.mean_lag, a.mean_other_r)
        heads = ["muscle", "r", "best r", "simulation late, ms", "r, other leg"]
        console.print(_table(heads, [*rows, ["all together", *mean]]))


def _cells(r: float, best: float, lag: float, other: float) -> list[str]:
    own, at_best, contra = ("-" if math.isnan(v) else f"{v:+.2f}" for v in (r, best, other))
    return [own, at_best, "-" if math.isnan(lag) else f"{1000 * lag:+.0f}", contra]


def _table(heads: list[str], rows: list[list[str]]) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for head in heads:
        table.add_column(head.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    return table


def _text(value: Any) -> str:
    if value is None:
        return "not stated"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
