"""The evidence as one HTML page that needs no network and no other file.

Sections are data (`nem2e_tf.report.page.sections`); ``templates/page.html.jinja`` lays them out,
with ``page.css`` and ``page.js`` inside. Values are escaped by the template.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pandas as pd

from nem2e_tf.controls import blind
from nem2e_tf.controls.results import ControlResults
from nem2e_tf.report.evidence import Evidence, Further
from nem2e_tf.report.methods import methods
from nem2e_tf.report.notes import notes
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
        Each with its ``<svg>``.
    controls : sequence of ControlResults
    missing : sequence of str
        What there are no numbers of, and why.
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


def page(content: Content, /) -> str:
    """Write the page.

    Returns
    -------
    str
        A complete HTML document that loads no other file.
    """
    table = blind.input_blind(content.results)
    kinds = content.evidence.kinds()
    heads = {by: f": {by}s left out" if len(kinds) > 1 else "" for by in kinds}
    parts = [
        ("missing", "missing", "What is missing", content.missing),
        *(
            ("in_short", f"in-short-{by}", f"In short{head}", blind.sentences(table, by=by))
            for by, head in heads.items()
        ),
        *(
            (
                "leaderboard",
                f"leaderboard-{by}",
                f"Leaderboard{head}",
                {
                    "table": sections.leaderboard(content.evidence, table, by=by),
                    "notes": notes(content.evidence, by=by),
                },
            )
            for by, head in heads.items()
        ),
        ("figures", "figures", "Figures", content.pictures),
        (
            "muscles",
            "muscles",
            "Muscle by muscle",
            sections.muscles(content.evidence, cohort=content.cohort),
        ),
        ("patterns", "patterns", "Between input patterns", sections.patterns(content.results)),
        (
            "curves",
            "curves",
            "Size, shape and timing of the curves",
            sections.curves(content.further),
        ),
        (
            "further",
            "further",
            "Further statistics",
            sections.further_statistics(content.further),
        ),
        ("controls", "controls", "Controls", {"all": [*map(sections.control, content.controls)]}),
        (
            "methods",
            "methods",
            "Methods",
            methods(list(content.headers.values()), content.results),
        ),
        (
            "runs",
            "runs",
            "Runs",
            {name: sections.facts(header) for name, header in content.headers.items()},
        ),
    ]
    return (
        templates()
        .get_template("page.html.jinja")
        .render(
            content=content,
            subtitle=_subtitle(content),
            sections=[part for part in parts if part[-1]],
        )
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
