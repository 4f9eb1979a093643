"""The page of ``export/browser``, installed, opened in headless Chromium and used, for tests."""

import contextlib
import json
import shutil
import subprocess

import pytest
from support import chromium
from support.node import PAGE, program

from nem2e_tf.io.storage import read_storage

QUIET = "!document.body.hasAttribute('aria-busy')"
# The machine may have other work.
PATIENCE = 120


def installed(place):
    """Copy the page to a new folder, with what it needs from npm; skips where that fails."""
    npm = program("npm")
    shutil.copytree(PAGE, place, ignore=shutil.ignore_patterns("node_modules"))
    done = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reported = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        pytest.skip(f"npm ci cannot install @litertjs/core: {reported}")
    return place


@contextlib.contextmanager
def opened(browser, site):
    """Open the page; at the end it must have asked nobody else, and reported no errors."""
    with chromium.served(site) as address:
        browser.window(width=1400)
        browser.open(f"{address}/index.html")
        browser.wait("document.body.dataset.ready")
        yield browser
        foreign = [url for url in browser.requests() if not url.startswith(address)]
        assert [url for url in foreign if not url.startswith(("data:", "blob:"))] == []
        assert browser.errors() == []


def fill_in(page, *files, side="l", cycles=None, plate=None):
    """Drop files and answer the questions; then press the button."""
    page.drop("#drop", *files)
    page.wait(QUIET, seconds=PATIENCE)
    assert reported(page) == ""
    page.evaluate(f"document.querySelector('input[name=side][value={side}]').click()")
    if cycles:
        lines = "\n".join(f"{start} {end}" for start, end in cycles)
        page.evaluate(f"(document.querySelector('#times').value = {json.dumps(lines)}, 0)")
    if plate:
        page.evaluate(f"(document.querySelector('#plate').value = {json.dumps(plate)}, 0)")
    page.evaluate("document.querySelector('#refine').click()")
    page.wait(QUIET, seconds=PATIENCE)


def reported(page):
    return page.evaluate("document.querySelector('#message').textContent")


def downloaded(page):
    """Press the download button and read the file."""
    for old in page.downloads.iterdir():
        old.unlink()
    name = page.evaluate("(document.querySelector('#download').click(), download.download)")
    path = page.downloads / name
    page.wait("new Promise(resolve => setTimeout(resolve, 200, true))")
    for _ in range(100):
        if path.exists():
            return read_storage(path)
        page.wait("new Promise(resolve => setTimeout(resolve, 100, true))")
    raise AssertionError(f"no download: {list(page.downloads.iterdir())}")
