"""Headless Chromium for tests, driven by ChromeDriver over HTTP with the standard library alone.

    @pytest.fixture(scope="module")
    def browser():
        with chromium.started() as running:     # skips, with the reason, where there is none
            yield running

    def test_page(browser, tmp_path):
        browser.open(tmp_path / "report.html")  # or "http://localhost:..."; see `served`
        assert browser.evaluate("document.title") == "Report"
        assert browser.evaluate("await pageIsReady()")
        assert browser.errors() == []           # console errors since the last `open`
        assert browser.requests() == [...]      # addresses asked for since the last `open`
        browser.window(width=380, dark=True)
        browser.screenshot(tmp_path / "narrow.png")
        browser.drop("#files", tmp_path / "a.sto", tmp_path / "b.tflite")

`Browser.command` reaches the rest of the DevTools protocol.
"""

import base64
import contextlib
import functools
import http.server
import json
import re
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# No sandbox: tests run as root in containers. The rest keeps Chromium from calling home.
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
)
START_SECONDS = 120
ANSWER_SECONDS = 120


class Browser:
    """A running Chromium with one page; see the module's text."""

    def __init__(self, session: str, downloads: Path) -> None:
        self._session = session
        self.downloads = downloads
        """Folder that what a page offers for download goes to."""
        self._events: list[dict[str, Any]] = []
        self._console: list[str] = []
        self.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))

    def open(self, address: str | Path) -> None:
        """Open a page, a file by its path, and wait until it is loaded; forget what was before."""
        self._post("/url", {"url": "about:blank"})
        self._log("browser"), self._log("performance")
        self._events, self._console = [], []
        url = address.resolve().as_uri() if isinstance(address, Path) else address
        self._post("/url", {"url": url})
        # ChromeDriver may answer while the page before is still there
        self.wait("document.readyState === 'complete' && document.URL !== 'about:blank'")

    def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression, which may hold ``await``, as JSON allows."""
        answer = self.command(
            "Runtime.evaluate",
            expression=f"(async () => ({expression}))()",
            awaitPromise=True,
            returnByValue=True,
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            told = details.get("exception", {}).get("description") or details["text"]
            raise AssertionError(f"JavaScript: {told}")
        return answer["result"].get("value")

    def wait(self, expression: str, *, seconds: float = 60) -> Any:
        """Evaluate an expression again and again until it is true; give its value."""
        end = time.monotonic() + seconds
        while not (value := self.evaluate(expression)):
            if time.monotonic() > end:
                raise AssertionError(f"not true within {seconds} s: {expression}")
            time.sleep(0.05)
        return value

    def drop(self, selector: str, *files: Path) -> None:
        """Drop files onto the middle of an element, as a user does from the desktop."""
        x, y = self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            " return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        paths = [str(file.resolve()) for file in files]
        for kind in ("dragEnter", "dragOver", "drop"):
            self.command(
                "Input.dispatchDragEvent",
                type=kind,
                x=x,
                y=y,
                data={"items": [], "files": paths, "dragOperationsMask": 1},
            )

    def press(self, *keys: str) -> None:
        """Press keys one after another, by their names: ``Tab``, ``Enter``, ``a``, a space."""
        texts = {"Enter": "\r"}
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowDown": 40, "ArrowRight": 39}
        for key in keys:
            text = texts.get(key, key if len(key) == 1 else "")
            more = {"text": text} if text else {}
            code = codes.get(key, ord(key.upper()) if key.isalnum() and len(key) == 1 else 0)
            named = {"key": key, "windowsVirtualKeyCode": code}
            self.command("Input.dispatchKeyEvent", type="keyDown", **named, **more)
            self.command("Input.dispatchKeyEvent", type="keyUp", **named)

    def window(self, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Set the window's inner size in CSS pixels, and the colours that the user prefers."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = "dark" if dark else "light"
        self.command(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )

    def screenshot(self, path: Path) -> None:
        """Write the whole page, beyond the window's end too, as PNG."""
        size = self.command("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        answer = self.command("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(answer["data"]))

    def errors(self) -> list[str]:
        """What went to the console as an error since `open`, uncaught exceptions included."""
        self._console += [
            entry["message"] for entry in self._log("browser") if entry["level"] == "SEVERE"
        ]
        return list(self._console)

    def requests(self) -> list[str]:
        """Addresses that the page asked for since `open`, in order, its own included."""
        self._events += [json.loads(e["message"])["message"] for e in self._log("performance")]
        return [
            event["params"]["request"]["url"]
            for event in self._events
            if event["method"] == "Network.requestWillBeSent"
            and not event["params"]["documentURL"].startswith("chrome:")
        ]

    def command(self, name: str, /, **parameters: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol and give its answer."""
        return self._post("/goog/cdp/execute", {"cmd": name, "params": parameters})

    def _log(self, kind: str) -> list[dict[str, Any]]:
        return self._post("/se/log", {"type": kind})

    def _post(self, path: str, content: dict[str, Any]) -> Any:
        return _ask(f"{self._session}{path}", content)


@contextlib.contextmanager
def started() -> Iterator[Browser]:
    """Start headless Chromium; skip the test, with the reason, where there is none."""
    programs = {
        "Chromium": ("chromium", "chromium-browser", "google-chrome"),
        "ChromeDriver": ("chromedriver",),
    }
    found = {
        what: next(filter(None, map(shutil.which, names)), None) for what, names in programs.items()
    }
    for what, path in found.items():
        if path is None:
            pytest.skip(f"no {what} here; on Debian: apt-get install chromium chromium-driver")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        process = subprocess.Popen(
            [str(found["ChromeDriver"]), "--port=0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            base = f"http://localhost:{_port(process)}"
            downloads = Path(scratch, "downloads")
            downloads.mkdir()
            arguments = [*ARGUMENTS, f"--user-data-dir={scratch}/profile"]
            options = {"binary": found["Chromium"], "args": arguments}
            wanted = {
                "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            }
            answer = _ask(f"{base}/session", {"capabilities": {"alwaysMatch": wanted}})
            session = f"{base}/session/{answer['sessionId']}"
            try:
                yield Browser(session, downloads)
            finally:
                _ask(session, None, method="DELETE")
        finally:
            process.terminate()
            process.wait(10)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine, as ``python -m http.server`` does; gives its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    make: Callable[..., Quiet] = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("localhost", 0), make) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://localhost:{server.server_address[1]}"
        finally:
            server.shutdown()


def _port(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    timer = threading.Timer(START_SECONDS, process.terminate)
    timer.start()
    told = ""
    for line in process.stdout:
        told += line
        if matched := re.search(r"started successfully on port (\d+)", line):
            timer.cancel()
            return int(matched[1])
    raise AssertionError(f"ChromeDriver did not start: {told}")


def _ask(url: str, content: "dict[str, Any] | None", *, method: str = "POST") -> Any:
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        value = json.load(error)["value"]
        raise AssertionError(f"{url.rsplit('/', 1)[1]}: {value['message']}") from None
