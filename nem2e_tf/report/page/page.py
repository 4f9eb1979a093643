"""The evidence as one HTML page that requires no network and no other file.

`nem2e_tf.report.page.sections` returns the data of each section; the templates lay them out, escape
every value, and include ``page.css`` and ``page.js``.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pandas as pd

from nem2e_tf.controls.blind import input_blind, sentences
from nem2e_tf.controls.results import ControlResults
from nem2e_tf.report.evidence import Evidence, Further
from nem2e_tf.report.methods import methods
from nem2e_tf.report.page import sections
from nem2e_tf.report.pictures import Picture

if TYPE_CHECKING:
    from jinja2 import Environment

PACKAGE = "nem2e_tf.report.page"


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
        Each with its SVG element.
    controls : sequence of ControlResults
    missing : sequence of str
        Missing results, and why they are missing.
    """

    evidence: Evidence
    results: pd.DataFrame
    headers: Mapping[str, Mapping[str, Any]]
    further: Further
    pictures: Sequence[tuple[Picture, str]] = ()
    controls: Sequence[ControlResults] = ()
    missing: Sequence[str] = ()

    @property
    def header(self) -> Mapping[str, Any]:
        """``run.json`` of the first run."""
        return next(iter(self.headers.values()), {})

    @property
    def cohort(self) -> str:
        """Name of the cohort."""
        return str(self.header.get("cohort", {}).get("name") or "unnamed cohort")


HEADS = {
    "missing": "Missing results",
    "in_short": "Summary",
    "leaderboard": "Leaderboard",
    "figures": "Figures",
    "muscles": "Results per muscle",
    "patterns": "Input patterns compared",
    "curves": "Amplitude, shape and timing of the curves",
    "further": "Further statistics",
    "controls": "Controls",
    "methods": "Methods",
    "runs": "Runs",
}
"""Heads of the sections, in their order; each is a macro of ``templates/sections.html.jinja``."""


def page(content: Content, /) -> str:
    """Return the page: a complete HTML document that loads no other file."""
    evidence = content.evidence
    blind = input_blind(content.results)
    shown: dict[str, Any] = {
        "missing": content.missing,
        "figures": content.pictures,
        "muscles": sections.muscles(evidence, cohort=content.cohort),
        "patterns": sections.patterns(content.results),
        "curves": sections.curves(content.further),
        "further": sections.further_statistics(content.further),
        "controls": {"all": [*map(sections.control, content.controls)]},
        "methods": methods(list(content.headers.values()), content.results),
        "runs": {name: sections.facts(header) for name, header in content.headers.items()},
    }
    per_group = {
        "in_short": lambda by: sentences(blind, by=by),
        "leaderboard": lambda by: sections.leaderboard(evidence, blind, by=by),
    }
    parts = []
    for kind, head in HEADS.items():
        if kind in per_group:
            name = kind.replace("_", "-")
            for by in evidence.kinds():
                which = f"{head}: {by}s left out" if len(evidence.kinds()) > 1 else head
                parts.append((kind, f"{name}-{by}", which, per_group[kind](by)))
        elif shown[kind]:
            parts.append((kind, kind, head, shown[kind]))
    return (
        templates()
        .get_template("page.html.jinja")
        .render(content=content, subtitle=_subtitle(content), sections=parts)
    )


def _subtitle(content: Content) -> str:
    cohort = content.header.get("cohort", {})
    counted = {"cycles": "cycles", "channels": "simulated channels"}
    facts = [f"{cohort[key]} {word}" for key, word in counted.items() if key in cohort]
    facts.append(f"{content.results['muscle'].nunique()} muscles")
    several = "s" if len(content.headers) > 1 else ""
    return f"{', '.join(facts)}. Run{several}: {', '.join(content.headers)}."


@functools.cache
def templates() -> "Environment":
    """Return the templates of the page, which escape every value."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader(PACKAGE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    for name in ("page.css", "page.js"):
        text = files(PACKAGE).joinpath(name).read_text("utf-8")
        environment.globals[name.replace(".", "_")] = Markup(text)
    return environment
