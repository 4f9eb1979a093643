"""Build the documentation site; its tutorials are run while it is built.

    tools/docs [FOLDER] [--quick]      .cache/docs/site if not given; --quick runs no code

A block of code that fails, a missing picture, a broken link or any warning fails the build. The
site needs no server and no network: open ``FOLDER/index.html``.

This file is also the site's hook of MkDocs. A page with ``execute: true`` at its top is run as a
notebook, in a scratch folder of its own:

- ``console`` blocks: the lines after ``$ ``, in bash;
- ``python`` blocks: one after the other, in one kernel;
- any block with ``title="FILE"``: written to that file, not run;
- ``bash hidden`` and ``python hidden``: run, but neither they nor their output are shown.

A page with ``include: FILE`` is that file of the checkout.

The output follows each block. ``![caption](scratch:FILE)`` shows a picture from the scratch folder,
``![caption](screenshot:FILE.html)`` a page as a browser shows it.
"""

import argparse
import base64
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from html import escape, unescape
from pathlib import Path
from typing import Any

import nbclient
import nbformat
from mkdocs.exceptions import PluginError

BLOCK = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<code>.*?)^```$", re.M | re.S)
TITLE = re.compile(r'title="([^"]+)"')
COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# Types in docstrings are words ("path-like"), which are shown as if they were Python.
TYPE = re.compile(r"<code>[^<]*\w - \w[^<]*</code>")
IMAGE = re.compile(r'<img alt="([^"]*)" src="(scratch|screenshot):([^"]+)"\s*/?>')
SECONDS = 600
QUICK = "NEM2E_DOCS_QUICK"
# A kernel asks programs for colours, which a page cannot show.
PLAIN = "unset FORCE_COLOR CLICOLOR CLICOLOR_FORCE; export TERM=dumb NO_COLOR=1\n"
SHELL = f"set -euo pipefail; {PLAIN}"
CHECKOUT = str(Path(__file__).resolve().parents[1])
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
MIME = {".svg": "image/svg+xml", ".png": "image/png"}

scratch = Path()
folders: dict[str, Path] = {}


def on_startup(**_: Any) -> None:
    """Quiet libraries, plots without a screen, and the environment's own commands first."""
    os.environ["PATH"] = sysconfig.get_path("scripts") + os.pathsep + os.environ["PATH"]
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="1")
    os.environ.update(MPLBACKEND="agg", COLUMNS="100", checkout=CHECKOUT)
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # the debugger's warning on standard error


def on_pre_build(**_: Any) -> None:
    """Make the folder that pages run in."""
    global scratch
    scratch = Path(tempfile.mkdtemp(prefix="nem2e-docs-"))
    folders.clear()


def on_post_build(**_: Any) -> None:
    """Remove it again."""
    shutil.rmtree(scratch, ignore_errors=True)


def on_build_error(**_: Any) -> None:
    """Remove it also where the build failed."""
    shutil.rmtree(scratch, ignore_errors=True)


def commands(block: str) -> str:
    """Return the bash commands of a console block; their continued lines too."""
    lines, continued = [], False
    for line in block.splitlines():
        if continued or line.startswith("$ "):
            lines.append(line if continued else line[2:])
            continued = line.endswith("\\")
    return "\n".join(lines)


def notebook(markdown: str) -> tuple[nbformat.NotebookNode, list[re.Match[str]]]:
    """Return a page's code as a notebook, and the block of each cell."""
    cells, blocks = [], []
    for block in BLOCK.finditer(markdown):
        language, code = block["info"].split(" ")[0], block["code"]
        if file := TITLE.search(block["info"]):
            code = f"%%writefile {file[1]}\n{code}"
        elif language == "console":
            code = f"%%bash\n{SHELL}exec 2>&1\n{commands(code)}"
        elif block["info"] == "bash hidden":
            code = f"%%bash\n{SHELL}{code}"
        elif language != "python":
            continue
        cells.append(nbformat.v4.new_code_cell(code))
        blocks.append(block)
    return nbformat.v4.new_notebook(cells=cells), blocks


def printed(cell: nbformat.NotebookNode) -> str:
    """Return what a cell printed or showed, as text.

    Commands have both streams in one; in Python, standard error is for libraries' greetings.
    """
    parts = []
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stdout":
            parts.append(output.text)
        elif output.output_type in ("execute_result", "display_data"):
            parts.append(output.data.get("text/plain", "") + "\n")
    lines = COLOUR.sub("", "".join(parts)).splitlines()
    # A progress line that was overwritten ends in what stood there last.
    return "\n".join(line.split("\r")[-1].rstrip() for line in lines).strip("\n")


def run(markdown: str, folder: Path) -> str:
    """Run a page's blocks in a folder and return the page with their output."""
    book, blocks = notebook(markdown)
    client = nbclient.NotebookClient(
        book,
        timeout=SECONDS,
        kernel_name="python3",
        extra_arguments=["--IPKernelApp.log_level=40"],
        resources={"metadata": {"path": str(folder)}},
    )
    # Native libraries greet on the kernel's own stderr; what Python writes there comes as output.
    client.execute(stderr=subprocess.DEVNULL)
    page, end = [], 0
    for cell, block in zip(book.cells, blocks, strict=True):
        hidden = block["info"].endswith(" hidden")
        page.append(markdown[end : block.start() if hidden else block.end()])
        end = block.end()
        text = printed(cell)
        if text and not hidden and not TITLE.search(block["info"]):
            page.append(f"\n\n``` {{.text .output}}\n{text}\n```")
    return "".join([*page, markdown[end:]])


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Take in a document of the checkout, or run the page, if the page says so."""
    if document := page.meta.get("include"):
        return Path(CHECKOUT, document).read_text(encoding="utf-8").replace("](docs/", "](")
    if not page.meta.get("execute") or QUICK in os.environ:
        return markdown
    folder = scratch / Path(page.file.src_uri).with_suffix("")
    folder.mkdir(parents=True)
    folders[page.file.src_uri] = folder
    try:
        return run(markdown, folder)
    except nbclient.exceptions.CellExecutionError as error:
        raise PluginError(f"{page.file.src_uri}: {error}") from error


def browser() -> str | None:
    """Return the first browser that can make a screenshot."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def screenshot(file: Path) -> Path | None:
    """Make a picture of a page; None where there is no browser."""
    command = browser()
    if command is None:
        return None
    picture = file.with_suffix(".png")
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [command, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
             "--no-first-run", "--disable-background-networking", "--hide-scrollbars",
             f"--user-data-dir={profile}", "--window-size=1200,1000",
             f"--screenshot={picture}", file.as_uri()],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
    return picture


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """Put the pictures into the page itself; mend the types of the reference."""
    folder = folders.get(page.file.src_uri, Path())

    def embedded(match: re.Match[str]) -> str:
        caption, kind, name = match.groups()
        if QUICK in os.environ:
            return f"<em>{caption}</em>"
        file: Path | None = folder / name
        if kind == "screenshot":
            file = screenshot(folder / name)
            if file is None:
                print(f"{page.file.src_uri}: no browser, no picture of {name}", file=sys.stderr)
                return f"<em>{caption} (drawn where a browser is installed)</em>"
        if file is None or not file.is_file():
            raise PluginError(f"{page.file.src_uri}: expected {name} in the scratch folder")
        data = base64.b64encode(file.read_bytes()).decode()
        source = f"data:{MIME[file.suffix]};base64,{data}"
        label = escape(unescape(caption))
        return (
            f'<figure><img alt="{label}" src="{source}"><figcaption>{caption}</figcaption></figure>'
        )

    if page.file.src_uri == "reference/python.md":
        html = TYPE.sub(lambda match: match[0].replace(" - ", "-"), html)
    return IMAGE.sub(embedded, html)


def main() -> None:
    """Read the argument and build the site."""
    parser = argparse.ArgumentParser(description="Build the documentation site.")
    cache = Path(os.environ.get("NEM2E_TOOL_CACHE", ".cache/docs"))
    parser.add_argument("folder", type=Path, nargs="?", default=cache / "site")
    parser.add_argument("--quick", action="store_true", help="run no code; no pictures")
    arguments = parser.parse_args()
    folder = arguments.folder.absolute()
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}  # an advertisement
    if arguments.quick:
        environment[QUICK] = "1"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", folder],
        cwd=CHECKOUT,
        env=environment,
        check=False,
    )
    if done.returncode:
        sys.exit(done.returncode)
    print(folder / "index.html")


if __name__ == "__main__":
    main()
