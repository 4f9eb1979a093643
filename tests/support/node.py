"""Modules of JavaScript run in Node.js, for tests of the browser page."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "export" / "browser"


def program(name):
    """Path of a program; skips where it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} here; install Node.js 20 or later")
    return found


def in_node(code, given=None):
    """Run a module of JavaScript in the page's folder; gives the JSON that it prints."""
    done = subprocess.run(
        [program("node"), "--input-type=module", "-e", code],
        input=json.dumps(given),
        cwd=PAGE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
