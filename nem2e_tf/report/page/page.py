"""The whole page.

What the page does when it is touched: sort a table by a column, copy a paragraph.

The page's style: light and dark, screen, telephone and print.

Sections of the page that need no more than a table: input patterns, and runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from nem2e_tf.controls import blind
from nem2e_tf.controls.results import ControlResults
from nem2e_tf.evaluation.paper import between_patterns
from nem2e_tf.evaluation.results import SETTINGS
from nem2e_tf.report.evidence import Evidence, Further
from nem2e_tf.report.methods import methods
from nem2e_tf.report.notes import notes
from nem2e_tf.report.page.controls import about_control, control_section
from nem2e_tf.report.page.html import (
    Column,
    Markup,
    download,
    element,
    files_line,
    html_table,
    join,
    number,
    p_value,
)
from nem2e_tf.report.page.leaderboard import leaderboard
from nem2e_tf.report.page.statistics import curve_section, further_section
from nem2e_tf.report.pictures import Picture
from nem2e_tf.report.tables import entries, muscles_csv, muscles_latex, printed

JAVASCRIPT = """
'use strict';
for (const table of document.querySelectorAll('table.sortable')) {
  const heads = [...table.tHead.rows[0].cells];
  const said = table.parentElement.parentElement.querySelector('[role=status]');
  heads.forEach((head, column) => head.querySelector('button').addEventListener('click', () => {
    const up = head.getAttribute('aria-sort') === 'descending' ||
      (head.getAttribute('aria-sort') === null && head.dataset.first === 'ascending');
    const body = table.tBodies[0];
    const key = row => {
      const cell = row.cells[column];
      if (head.dataset.first === 'ascending' && cell.dataset.value === undefined)
        return cell.textContent.trim();
      return cell.dataset.value === undefined ? NaN : Number(cell.dataset.value);
    };
    const empty = value => Number.isNaN(value) || value === '';
    // What is unknown stands last, whichever way it is sorted.
    const rows = [...body.rows].map((row, place) => ({ row, place, value: key(row) }));
    rows.sort((a, b) => {
      if (empty(a.value) || empty(b.value))
        return empty(a.value) - empty(b.value) || a.place - b.place;
      const order = typeof a.value === 'string'
        ? a.value.localeCompare(b.value) : a.value - b.value;
      return (up ? order : -order) || a.place - b.place;
    });
    body.append(...rows.map(item => item.row));
    heads.forEach(other => other.removeAttribute('aria-sort'));
    head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    if (said) said.textContent = 'Sorted by ' + head.textContent + (up ? ', rising' : ', falling');
  }));
}
for (const button of document.querySelectorAll('button.copy')) {
  button.hidden = false;
  button.addEventListener('click', () => {
    const text = document.getElementById(button.dataset.of);
    const range = document.createRange();
    range.selectNodeContents(text);
    const chosen = window.getSelection();
    chosen.removeAllRanges();
    chosen.addRange(range);
    // Files opened from a disk may not use the newer clipboard; the text stays selected.
    button.textContent = document.execCommand('copy') ? 'Copied' : 'Selected';
  });
}
"""


CSS = """
:root { color-scheme: light dark;
  --ink: #1b1f24; --soft: #57606a; --paper: #ffffff; --shade: #f3f5f7; --line: #d4d9de;
  --link: #0b5cad; --good: #0a6e4d; --bad: #a33b00; }
@media (prefers-color-scheme: dark) { :root {
  --ink: #e6e9ec; --soft: #a2abb4; --paper: #15191d; --shade: #1f252b; --line: #3a424a;
  --link: #7cb7f2; --good: #57c79c; --bad: #f0956a; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; overflow-wrap: anywhere; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main, header, footer { max-width: 84rem; margin: 0 auto; padding: 0 1rem; }
header { padding-top: 1.5rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 .6rem; padding-top: .6rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1.02rem; margin: 1.4rem 0 .4rem; }
p, ul { max-width: 46rem; margin: .5rem 0; }
li { margin: .2rem 0; }
a { color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.soft { color: var(--soft); }
.plain { font-size: 1.08rem; }
nav ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1rem;
  max-width: none; }
.skip { position: absolute; left: -999px; }
.skip:focus { position: static; }
.wide { overflow-x: auto; max-width: 100%; margin: .6rem 0; position: relative; }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; }
.caption { color: var(--soft); font-size: .9rem; margin: .6rem 0 -.3rem; max-width: none; }
th, td { padding: .28rem .6rem; border-bottom: 1px solid var(--line); text-align: right;
  vertical-align: top; white-space: nowrap; }
th { font-weight: 600; }
thead th { vertical-align: bottom; border-bottom: 2px solid var(--soft); }
th.words, td.words { text-align: left; }
td.long { white-space: normal; min-width: 12rem; text-align: left; }
tbody th { text-align: left; background: var(--paper); }
tbody tr:hover > * { background: var(--shade); }
td small { display: block; color: var(--soft); }
.adds { color: var(--good); font-weight: 600; }
.worse { color: var(--bad); }
thead button { all: unset; cursor: pointer; font: inherit; font-weight: 600; }
thead button:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
thead button::after { content: "\\2195"; color: var(--soft); font-weight: 400; margin-left: .25em; }
th[aria-sort=ascending] button::after { content: "\\2191"; color: var(--ink); }
th[aria-sort=descending] button::after { content: "\\2193"; color: var(--ink); }
figure { margin: 1rem 0 1.6rem; }
figure .wide { background: #ffffff; border: 1px solid var(--line); border-radius: 4px;
  padding: .4rem; width: fit-content; }
figure svg { display: block; height: auto; max-width: 100%; }
figcaption { max-width: 46rem; font-size: .9rem; color: var(--soft); }
blockquote { margin: .6rem 0; padding: .8rem 1rem; background: var(--shade); border-radius: 4px;
  max-width: 50rem; }
code { font: .86em ui-monospace, "SFMono-Regular", Menlo, Consolas, monospace;
  white-space: normal; }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .2rem 1rem;
  font-size: .9rem; }
dt { color: var(--soft); }
dd { margin: 0; }
.missing { border-left: 3px solid var(--bad); padding-left: .8rem; }
button.copy { font: inherit; font-size: .9rem; padding: .2rem .7rem; cursor: pointer;
  background: var(--shade); color: var(--ink); border: 1px solid var(--line); border-radius: 4px; }
footer { color: var(--soft); font-size: .85rem; padding-top: 2rem; padding-bottom: 2rem; }
@media (max-width: 600px) {
  h1 { font-size: 1.35rem; }
  figure svg { max-width: none; }
  tbody th { white-space: normal; min-width: 8rem; }
  dl { grid-template-columns: 1fr; }
  dd { margin-bottom: .4rem; }
}
@media print {
  :root { --ink: #000; --soft: #333; --paper: #fff; --shade: #fff; --line: #999; --link: #000; }
  body { font-size: 10pt; }
  nav, button.copy, .files, thead button::after { display: none; }
  .wide { overflow: visible; }
  table { font-size: 7.5pt; }
  th, td { padding: .15rem .3rem; white-space: normal; }
  figure, tr { break-inside: avoid; }
  h2, h3, .caption { break-after: avoid; }
}
"""


def pattern_table(results: pd.DataFrame, /) -> pd.DataFrame:
    """Compare the rates under each two input patterns; empty where there is only one.

    Entries of several runs are compared with one another where each pattern has a single one, as in
    the paper, and otherwise within their run.
    """
    if "run" in results:
        entries = results[["run", *SETTINGS]].drop_duplicates()
        if entries["pattern"].is_unique:
            results = results.drop(columns="run")
    return between_patterns(results)


def pattern_section(results: pd.DataFrame, /) -> list[Markup]:
    """Write the comparison of input patterns; nothing where there is only one."""
    table = pattern_table(results)
    if table.empty:
        return []
    columns = [
        Column("muscle", lambda row: row["muscle"]),
        Column("first", lambda row: row["first"]),
        Column("second", lambda row: row["second"]),
        *([Column("entries", lambda row: row["family"])] if table["family"].nunique() > 1 else []),
        Column("n", lambda row: str(row["n"]), lambda row: row["n"]),
        Column("difference of rates", lambda row: number(row["difference"], 3, sign=True),
               lambda row: row["difference"]),
        Column("Tukey p", lambda row: p_value(row["tukey_p"]), lambda row: row["tukey_p"],
               "as in the paper; takes the patterns for groups of different people"),
        Column("paired p", lambda row: p_value(row["paired_p"]), lambda row: row["paired_p"]),
        Column("paired p, Holm", lambda row: p_value(row["paired_p_holm"]),
               lambda row: row["paired_p_holm"], "the same people under each pattern"),
        *([Column("note", lambda row: row["notes"], long=True)] if table["notes"].any() else []),
    ]  # fmt: skip
    return [
        html_table(
            table,
            columns,
            caption="Mean rate under the first pattern minus that under the second.",
            sortable=True,
        ),
        files_line(
            [
                download(
                    "patterns.csv",
                    table.to_csv(index=False, lineterminator="\n"),
                    kind="text/csv",
                    label="CSV",
                )
            ]
        ),
    ]


def run_section(headers: Mapping[str, Mapping[str, Any]], /) -> list[Markup]:
    """Write what each run was asked for, and with which versions it ran."""
    parts = []
    for name, header in headers.items():
        cohort, settings = header.get("cohort", {}), header.get("settings", {})
        facts = {
            "cohort": cohort.get("name"),
            "cohort, SHA-256": cohort.get("digest") or header.get("digest"),
            "seeds": settings.get("seeds"),
            **{f"recipe, {k}": v for k, v in settings.get("recipe", {}).items()},
            **{k: v for k, v in settings.items() if k not in ("recipe", "seeds")},
            **{f"version, {k}": v for k, v in header.get("versions", {}).items()},
        }
        rows = [
            [element("dt", key), element("dd", _plain(value))]
            for key, value in facts.items()
            if value not in (None, "", {}, [])
        ]
        parts += [element("h3", name), element("dl", rows)]
    return parts


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)


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
    controls : sequence of ControlResults
    missing : sequence of str
        What there are no numbers of, and why; and figures that could not be drawn.
    """

    evidence: Evidence
    results: pd.DataFrame
    headers: Mapping[str, Mapping[str, Any]]
    further: Further
    pictures: Sequence[tuple[Picture, str]] = ()
    controls: Sequence[ControlResults] = ()
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
            control.tables["summary"],
            notes=control.notes,
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
