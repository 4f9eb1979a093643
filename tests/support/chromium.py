"""Headless Chromium for tests, driven by selenium.

    @pytest.fixture(scope="module")
    def browser():
        with chromium.started() as running:     # skips, with the reason, where there is none
            yield running

    def test_page(browser, tmp_path):
        browser.open(tmp_path / "report.html")  # or "http://localhost:..."; see `served`
        assert browser.evaluate("document.title") == "Report"
        assert browser.evaluate("await pageIsReady()")
        assert browser.errors() == []           # console errors since the last `open`
        assert browser.requests() == [...]      # addresses requested since the last `open`
        browser.window(width=380, dark=True)
        browser.screenshot(tmp_path / "narrow.png")
        browser.drop("#files", tmp_path / "a.sto", tmp_path / "b.tflite")

`Browser.command` sends any other command of the DevTools protocol.
"""

import base64
import contextlib
import functools
import http.server
import json
import shutil
import tempfile
import threading
from collections.abc import Iterator
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
TIMEOUT = 120


class Browser:
    """A running Chromium with one page; see the module's docstring."""

    def __init__(self, driver: Any, downloads: Path) -> None:
        self.driver = driver
        self.downloads = downloads
        """Folder of downloaded files."""
        self._events: list[dict[str, Any]] = []
        self._console: list[str] = []
        self.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))

    def open(self, address: str | Path) -> None:
        """Open a page, or a file by its path, wait until it is loaded, and clear the logs."""
        self.driver.get("about:blank")
        self.driver.get_log("browser"), self.driver.get_log("performance")
        self._events, self._console = [], []
        self.driver.get(address.resolve().as_uri() if isinstance(address, Path) else address)
        # ChromeDriver may answer while the page before is still there.
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
            reason = details.get("exception", {}).get("description") or details["text"]
            raise AssertionError(f"JavaScript: {reason}")
        return answer["result"].get("value")

    def wait(self, expression: str, *, seconds: float = 60) -> Any:
        """Evaluate an expression until it is true; return its value."""
        from selenium.webdriver.support.ui import WebDriverWait

        waiting = WebDriverWait(self.driver, seconds, poll_frequency=0.05)
        return waiting.until(
            lambda _: self.evaluate(expression), f"not true within {seconds} s: {expression}"
        )

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
        """Press keys one after another, by name: ``Tab``, ``Enter``, ``a``, a space."""
        from selenium.webdriver import ActionChains, Keys

        actions = ActionChains(self.driver)
        for key in keys:
            named = {"ArrowDown": "ARROW_DOWN", "ArrowRight": "ARROW_RIGHT"}.get(key, key.upper())
            actions.send_keys(getattr(Keys, named) if len(key) > 1 else key)
        actions.perform()

    def window(self, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Set the inner size of the window, CSS pixels, and the preferred colour scheme."""
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
        """Write the whole page as PNG, also what lies outside the window."""
        size = self.command("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        answer = self.command("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(answer["data"]))

    def errors(self) -> list[str]:
        """Errors in the console since `open`, uncaught exceptions included."""
        log = self.driver.get_log("browser")
        self._console += [entry["message"] for entry in log if entry["level"] == "SEVERE"]
        return list(self._console)

    def requests(self) -> list[str]:
        """Addresses that the page requested since `open`, in order, its own included."""
        log = self.driver.get_log("performance")
        self._events += [json.loads(entry["message"])["message"] for entry in log]
        return [
            event["params"]["request"]["url"]
            for event in self._events
            if event["method"] == "Network.requestWillBeSent"
            and not event["params"]["documentURL"].startswith("chrome:")
        ]

    def command(self, name: str, /, **parameters: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol and return its answer."""
        return self.driver.execute_cdp_cmd(name, parameters)


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
    from selenium import webdriver

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        downloads = Path(scratch, "downloads")
        downloads.mkdir()
        options = webdriver.ChromeOptions()
        options.binary_location = found["Chromium"]
        for argument in (*ARGUMENTS, f"--user-data-dir={scratch}/profile"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        # With the driver's path given, selenium neither looks for drivers nor downloads one.
        driver = webdriver.Chrome(options, webdriver.ChromeService(found["ChromeDriver"]))
        driver.set_page_load_timeout(TIMEOUT)
        driver.set_script_timeout(TIMEOUT)
        try:
            yield Browser(driver, downloads)
        finally:
            driver.quit()


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine, as ``python -m http.server`` does; yields its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    make = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("localhost", 0), make) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://localhost:{server.server_address[1]}"
        finally:
            server.shutdown()
