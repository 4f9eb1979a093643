"""Damaged exported files: rejected in one line, or the same results, never a crash."""

import importlib.util
import os
import random
from pathlib import Path

import numpy as np
import pytest
from support import small_refiners as small

from nem2e_tf.errors import InputError
from nem2e_tf.export.exporter import export
from nem2e_tf.export.file import metadata
from nem2e_tf.export.runtime.load import load

pytestmark = pytest.mark.slow

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("fuzz_export", TOOLS / "fuzz_export.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    place = tmp_path_factory.mktemp("exported")
    export(small.by_hand(), place / "each", formats=["tflite"], timed=False)
    loop = small.joint("stdr-net-temporal", units=8)
    export(loop, place / "loop", formats=["tflite"], timed=False)
    return [place / "each" / "soleus.tflite", place / "loop" / "joint.tflite"]


def test_two_hundred_damaged_files(tool, files, tmp_path):
    verdicts, findings = tool.fuzz(files, count=200, seed=20250301, folder=tmp_path)
    assert findings == []
    assert {kind: sum(counts.values()) for kind, counts in verdicts.items()} == {
        "sealed": 100,
        "forged": 100,
    }
    # damage is real: nearly all is found by the seal, and forged seals get past it
    assert verdicts["sealed"][tool.REFUSED] > 80
    assert verdicts["forged"][tool.RAN] > 20


def test_every_damage_changes_files(tool, files):
    content = files[0].read_bytes()
    for one in tool.DAMAGES:
        draw = random.Random(1)
        assert any(one(content, draw) != content for _ in range(20)), one
        one(b"", draw)
        one(b"TFL3", draw)


def test_a_forged_seal_fits(tool, files):
    content, draw = files[0].read_bytes(), random.Random(3)
    changed = [tool.forged(content, draw) for _ in range(20)]
    for file in changed:
        assert isinstance(metadata.read_tflite(file, source="x"), dict)
    assert len({*changed, content}) > 15


@pytest.mark.parametrize(
    ("happens", "verdict"),
    [
        (lambda *_: os.kill(os.getpid(), 9), ("crashed", "SIGKILL")),
        (lambda *_: 1 / 0, ("WRONG", "ZeroDivisionError: division by zero")),
        (lambda *_: (_ for _ in ()).throw(InputError("no file\nsecond line")), None),
        (lambda *_: (_ for _ in ()).throw(InputError("another file")), None),
    ],
)
def test_what_harms_is_found(tool, files, monkeypatch, happens, verdict):
    monkeypatch.setattr(tool, "load", happens)
    found = tool.try_one(files[0], np.zeros(1), np.zeros((1, 20, 1)))
    if verdict is None:
        assert found[0] == "WRONG"
        assert "message of several lines or without the file" in found[1]
    else:
        assert found == verdict


def test_other_numbers_and_no_end_are_found(tool, files, monkeypatch):
    cycles = np.random.default_rng(0).random((2, 20, 1)).astype(np.float32)
    expected = load(files[0]).refine(cycles)
    assert tool.try_one(files[0], expected, cycles) == ("same numbers", "")
    assert tool.try_one(files[0], expected + 1e-6, cycles) == ("other numbers", "")
    monkeypatch.setattr(tool, "SECONDS", 1)
    monkeypatch.setattr(tool, "load", lambda *_: __import__("time").sleep(30))
    assert tool.try_one(files[0], expected, cycles) == ("crashed", "no end within 1 s")


def test_a_crash_under_the_files_own_seal_is_a_finding(tool, files, monkeypatch, tmp_path):
    monkeypatch.setattr(tool, "try_one", lambda *_: ("crashed", "SIGSEGV"))
    _, findings = tool.fuzz(files, count=4, seed=0, folder=tmp_path)
    assert len(findings) == 2
    assert all("sealed): crashed: SIGSEGV" in line for line in findings)
    assert len(list(tmp_path.iterdir())) == 2
