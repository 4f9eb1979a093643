"""The documentation: what pages hold, links, and the site that tools/docs builds of them."""

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

import nem2e_tf
from nem2e_tf.export.exporter import export

CHECKOUT = Path(__file__).resolve().parents[2]
DOCS = CHECKOUT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
NEEDED = ("mkdocs", "material", "mkdocstrings", "mkdocs_click", "nbclient", "ipykernel", "ezc3d")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
TUTORIALS = ("c3d", "export", "own-refiner", "recordings")


def text_of(page):
    return page.read_text(encoding="utf-8")


def prose(page):
    """A page without its code."""
    return re.sub(r"^```.*?^```", "", text_of(page), flags=re.M | re.S)


def test_every_page_is_in_the_menu():
    menu = text_of(CHECKOUT / "mkdocs.yml").split("\nnav:")[1]
    named = set(re.findall(r"([\w/-]+\.md)$", menu, re.M))
    assert named == {page.relative_to(DOCS).as_posix() for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_links_lead_to_files(page):
    """Anchors are checked where the site is built."""
    for target in re.findall(r"\]\(([^)]+)\)", prose(page)):
        if not re.match(r"\w+:", target) and (path := target.partition("#")[0]):
            assert (page.parent / path).is_file(), target


@pytest.mark.parametrize("name", TUTORIALS)
def test_tutorials_are_executed(name):
    assert text_of(DOCS / f"tutorials/{name}.md").startswith("---\nexecute: true\n---\n")


def test_the_glossary_is_in_order_and_defines_each_word_once():
    parts = re.split(r"^## .*$", text_of(DOCS / "glossary.md"), flags=re.M)[1:]
    words = [re.findall(r"^(\w.*)\n:   ", part, re.M) for part in parts]
    assert all(part == sorted(part, key=str.lower) for part in words)
    every = [word for part in words for word in part]
    assert len(every) == len(set(every)) >= 30


def test_the_reference_has_every_public_name():
    reference = text_of(DOCS / "reference/python.md")
    named = re.findall(r"^::: nem2e_tf\.(?:export\.exporter\.)?(\w+)$", reference, re.M)
    assert set(named) == set(nem2e_tf.__all__)


@pytest.mark.parametrize("name", sorted(set(nem2e_tf.__all__) - {"Run"}))
def test_public_names_have_an_example(name):
    """Importers need the data sets, estimate OpenSim; all others run as tests of the package."""
    shown = export if name == "export" else getattr(nem2e_tf, name)
    assert ">>>" in shown.__doc__
    if not name.startswith(("import_", "estimate")):
        assert "doctest: +SKIP" not in shown.__doc__


class Links(HTMLParser):
    """What a page links to and loads, and the anchors that it has."""

    def __init__(self):
        super().__init__()
        self.links, self.loads, self.anchors = [], [], set()

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.anchors |= {found.get("id"), found.get("name") if tag == "a" else None} - {None}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        elif tag in ("link", "script", "img", "iframe", "source"):
            self.loads += [found[name] for name in ("href", "src") if found.get(name)]


def read_site(site):
    pages = {}
    for path in site.rglob("*.html"):
        links = Links()
        links.feed(path.read_text(encoding="utf-8"))
        pages[path.resolve()] = links
    return pages


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}; extra docs")
def test_the_site_builds_and_every_link_works(tmp_path):
    """Also: no page loads anything from elsewhere, and every tutorial ran."""
    command = [sys.executable, CHECKOUT / "tools/documentation.py", tmp_path / "site"]
    environment = os.environ | {"NEM2E_TOOL_CACHE": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    pages = read_site(tmp_path / "site")
    assert len(pages) > len(PAGES)
    for path, page in pages.items():
        if path.name == "404.html":
            continue
        for load in page.loads:
            assert not re.match(r"(https?:)?//", load), f"{path.name} loads {load}"
        for link in page.links:
            if re.match(r"(https?|mailto|javascript):", link):
                continue
            target, anchor = urldefrag(link)
            file = (path.parent / unquote(target)).resolve() if target else path
            file = file / "index.html" if file.is_dir() else file
            assert file.exists(), f"{path.name}: {link}"
            if anchor and file.suffix == ".html":
                assert unquote(anchor) in pages[file].anchors, f"{path.name}: {link}"
    for name in TUTORIALS:
        page = (tmp_path / f"site/tutorials/{name}.html").read_text(encoding="utf-8")
        assert page.count('output highlight"') >= 3, name
        assert "<figure>" in page, name
        assert "scratch:" not in page
