"""Fixtures of simulation: a stand-in for OpenSim, and the real one."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.tiny_motion import write_all

from nem2e_tf.cli.main import main
from nem2e_tf.simulate.opensim.process import PYTHON


class Trial:
    """Input files, and the calls of the stand-in for OpenSim."""

    def __init__(self, folder):
        self.folder = write_all(folder)
        self.calls_file = folder / "calls.txt"

    @property
    def calls(self):
        """Tools run so far."""
        return self.calls_file.read_text().split() if self.calls_file.exists() else []

    def chain(self, **more):
        """Arguments of a chain with these files."""
        given = {"model": "model.osim", "motion": "walk.trc", "forces": "forces.mot"}
        given |= {"mass": 30} | more
        return [
            part
            for name, value in given.items()
            for part in (
                f"--{name}",
                self.folder / value if name in ("model", "motion", "forces") else value,
            )
        ]

    def stages(self, out):
        """Contents of stage.json of each stage of a chain."""
        return {file.parent.name: json.loads(file.read_text()) for file in out.rglob("stage.json")}


@pytest.fixture
def trial(tmp_path, monkeypatch):
    """A trial, and a stand-in for a Python that has OpenSim."""
    python = tmp_path / "python"
    fake = Path(__file__).with_name("fake_opensim.py")
    tests = fake.parents[1]
    python.write_text(
        f'#!/bin/sh\nPYTHONPATH="{tests}:$PYTHONPATH" exec "{sys.executable}" "{fake}" "$@"\n'
    )
    python.chmod(0o755)
    folder = tmp_path / "trial"
    folder.mkdir()
    monkeypatch.setenv(PYTHON, str(python))
    monkeypatch.setenv("FAKE_CALLS", str(folder / "calls.txt"))
    return Trial(folder)


@pytest.fixture(scope="session")
def opensim():
    """Skip if OpenSim is not installed."""
    import os

    if find_spec("opensim") is None and not os.environ.get(PYTHON):
        pytest.skip("OpenSim is not installed: pip install 'nem2e-tf[opensim]'")


def call(capsys, *arguments):
    """Exit code, stdout and stderr of a command run in this process."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return caught.value.code, printed.out, printed.err


def refused(capsys, *arguments):
    """Line of an error; there must be only one."""
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "")
    errors = [line for line in err.splitlines() if not line.startswith("nem2e-tf: ik: ")]
    assert len(errors) == 1, err
    assert errors[0].startswith("nem2e-tf: error: ")
    return errors[0]


def said(what, *words):
    """Assert that an error is one line with all words."""
    text = str(what.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text
