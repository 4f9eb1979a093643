"""The whole page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from nem2e_tf.evaluation import blind
from nem2e_tf.report.evidence import Evidence
from nem2e_tf.report.further import Further
from nem2e_tf.report.methods import methods
from nem2e_tf.report.muscle_table import entries, muscles_csv, muscles_latex, printed
from nem2e_tf.report.notes import notes
from nem2e_tf.report.page.controls import about_control, control_section
from nem2e_tf.report.page.curves import curve_section
from nem2e_tf.report.page.further import further_section
from nem2e_tf.report.page.html import Markup, element, join
from nem2e_tf.report.page.leaderboard import leaderboard
from nem2e_tf.report.page.script import JAVASCRIPT
from nem2e_tf.report.page.sections import pattern_section, run_section
from nem2e_tf.report.page.style import CSS
from nem2e_tf.report.page.tables import Column, download, files_line, html_table
from nem2e_tf.report.pictures import Picture


@dataclass(frozen=True, eq=False)
class Control:
    """A control that was run: its name, ``control.json`` and ``summary.csv``."""

    name: str
    header: Mapping[str, Any]
    summary: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Content:
    """Everything that a page shows.

    Attributes
    ----------
    evidence : Evidence
    results : DataFrame
        Rows of ``results.csv`` of all runs.
    headers : mapping of str to mapping
        ``run.json`` by the name of the run.
    further : Further
        Further statistics, and metrics of the curves.
    pictures : sequence of (Picture, str)
        Each with its ``<svg>``.
    controls : sequence of Control
    missing : sequence of str
        What there are no numbers of, and why; and figures that could not be drawn.
    """

    evidence: Evidence
    results: pd.DataFrame
    headers: Mapping[str, Mapping[str, Any]]
    further: Further
    pictures: Sequence[tuple[Picture, str]] = ()
    controls: Sequence[Control] = ()
    missing: Sequence[str] = field(default_factory=tuple)

    @property
    def cohort(self) -> str:
        """Name of the cohort."""
        first = next(iter(self.headers.values()), {})
        return str(first.get("cohort", {}).get("name") or "unnamed cohort")


def page(content: Content, /) -> str:
    """Write the page.

    Parameters
    ----------
    content : Content

    Returns
    -------
    str
        A whole HTML document that asks for no other file.
    """
    table = blind.input_blind(content.results)
    kinds = content.evidence.kinds()
    sections = [
        ("missing", "What is missing", _missing(content)),
        *(
            (f"in-short-{by}", _named("In short", by, kinds), _in_short(table, by=by))
            for by in kinds
        ),
        *(
            (
                f"leaderboard-{by}",
                _named("Leaderboard", by, kinds),
                [leaderboard(content.evidence, table, by=by), _reading(content, by)],
            )
            for by in kinds
        ),
        ("figures", "Figures", _figures(content)),
        ("muscles", "Muscle by muscle", [_muscles(content, by) for by in kinds]),
        ("patterns", "Between input patterns", pattern_section(content.results)),
        ("curves", "Size, shape and timing of the curves", curve_section(content.further)),
        ("further", "Further statistics", further_section(content.further)),
        ("controls", "Controls", _controls(content)),
        ("methods", "Methods", _methods(content)),
        ("runs", "Runs", run_section(content.headers)),
    ]
    there = [(name, head, join(body)) for name, head, body in sections if join(body)]
    links = [element("li", element("a", head, href=f"#{name}")) for name, head, _ in there]
    title = f"Evidence: {content.cohort}"
    body = element(
        "body",
        element("a", "To the evidence", class_="skip", href="#evidence"),
        element("header", element("h1", title), _subtitle(content)),
        element(
            "main",
            element("nav", element("ul", links), aria_label="Sections"),
            [element("section", element("h2", head), text, id=name) for name, head, text in there],
            id="evidence",
        ),
        element("footer", "Made by nem2e-tf report. This page needs no network."),
        element("script", Markup(JAVASCRIPT)),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(CSS)),
        # A browser would ask for a picture of the page otherwise.
        element("link", rel="icon", href="data:,"),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _named(head: str, by: str, kinds: Sequence[str]) -> str:
    return head if len(kinds) == 1 else f"{head}: {by}s left out"


def _subtitle(content: Content) -> Markup:
    first = next(iter(content.headers.values()), {})
    cohort = first.get("cohort", {})
    counted = {"cycles": "cycles", "channels": "simulated channels"}
    facts = [f"{cohort[key]} {word}" for key, word in counted.items() if key in cohort]
    facts.append(f"{content.results['muscle'].nunique()} muscles")
    names = ", ".join(content.headers)
    several = "s" if len(content.headers) > 1 else ""
    return element("p", f"{', '.join(facts)}. Run{several}: {names}.", class_="soft")


def _in_short(table: pd.DataFrame, *, by: str) -> list[Markup]:
    first, *rest = blind.sentences(table, by=by)
    return [
        element("p", element("strong", first), class_="plain"),
        *(element("p", sentence) for sentence in rest),
    ]


def _reading(content: Content, by: str) -> Markup:
    lines = notes(content.evidence, by=by)
    return element(
        "details",
        element("summary", "How to read this"),
        element("ul", [element("li", line) for line in lines]),
    )


def _missing(content: Content) -> Markup | None:
    if not content.missing:
        return None
    return element("ul", [element("li", line) for line in content.missing], class_="missing")


def _figures(content: Content) -> list[Markup]:
    return [
        element(
            "figure",
            element(
                "div",
                Markup(svg),
                class_="wide",
                tabindex=0,
                role="img",
                aria_label=picture.caption,
            ),
            element("figcaption", picture.caption),
        )
        for picture, svg in content.pictures
    ]


def _muscles(content: Content, by: str) -> list[Markup]:
    summary = content.evidence.summary
    summary = summary[summary["by"] == by]
    tables = []
    for place, (label, rows) in enumerate(entries(summary)):
        text = printed(rows)
        columns = [Column(name, _cell(name)) for name in text.columns]
        columns = [
            Column(c.head, c.write, _as_number(c.head) if c.head not in _WORDS else None)
            for c in columns
        ]
        tables.append(
            element(
                "details",
                element("summary", label),
                html_table(text, columns, caption=f"{label}: improvement rate and skill."),
                open=place == 0,
            )
        )
    links = [
        download(f"muscles-{by}.csv", muscles_csv(summary), kind="text/csv", label="CSV"),
        download(
            f"muscles-{by}.tex",
            muscles_latex(summary, cohort=content.cohort),
            kind="application/x-tex",
            label="LaTeX",
        ),
    ]
    return [*tables, files_line(links)]


_WORDS = ("muscle",)


def _cell(name: str) -> Any:
    return lambda row: row[name]


def _as_number(name: str) -> Any:
    return lambda row: float(pd.to_numeric(row[name], errors="coerce"))


def _controls(content: Content) -> list[Markup]:
    if not content.controls:
        return [
            element(
                "p",
                "No control was given or found beside the runs; see ",
                element("code", "nem2e-tf control --help"),
                ".",
            )
        ]
    return [
        control_section(
            control.name,
            control.summary,
            notes=[str(note) for note in control.header.get("notes", [])],
            about=about_control(control.header),
        )
        for control in content.controls
    ]


def _methods(content: Content) -> list[Markup]:
    paragraphs = methods(list(content.headers.values()), content.results)
    return [
        element("blockquote", [element("p", text) for text in paragraphs], id="methods-text"),
        element(
            "button", "Copy", class_="copy", type="button", data_of="methods-text", hidden=True
        ),
    ]
