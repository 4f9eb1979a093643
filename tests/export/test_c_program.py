"""The C++ program of export/c: LiteRT's C API gives the same results as the Python runtime."""

import csv
import importlib.util
import os
import random
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support import small_refiners as small
from support.c_program import CHECKED, built, run, same_as_python

from nem2e_tf.export.exporter import export
from nem2e_tf.export.runtime.load import load
from nem2e_tf.io.storage import Storage, write_storage
from nem2e_tf.refiners.refiner import Refiner

CHECKOUT = Path(__file__).resolve().parents[2]
NAMES = list(small.CHANNELS)
# Compiling takes half a minute, on a busy machine up to ten times longer.
pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The program, built with address and undefined-behaviour checks."""
    place = tmp_path_factory.mktemp("build")
    return built(place, "-DSANITIZE=ON", "-DCMAKE_CXX_FLAGS=-Werror")


def fuzz_export():
    spec = importlib.util.spec_from_file_location("f", CHECKOUT / "tools" / "fuzz_export.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    place = tmp_path_factory.mktemp("exported")
    quarters = {"soleus": small.ramp(5), "glmed1": small.ramp(5)}
    refiners = {
        "entire": small.by_hand(),
        "quarters": Refiner(small.info("one-quarter", "each"), quarters, small.reference()),
        "joint": small.joint("stdr-net-temporal", units=8),
    }
    for name, refiner in refiners.items():
        export(refiner, place / name, formats=["tflite"], timed=False)
    return {
        "all-entire": place / "joint" / "joint.tflite",
        "one-entire": place / "entire" / "glmed1.tflite",
        "one-quarter": place / "quarters" / "soleus.tflite",
    }


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Two seconds of synthetic curves, labels in three styles."""
    time = np.linspace(1, 3, 101)
    phases = np.arange(4) * 0.7
    curves = 0.5 + 0.4 * np.sin(2 * np.pi * time[:, None] + phases)
    labels = ("soleus_l", "/forceset/glmed1_l/activation", "glmed2_l.activation", "soleus_r")
    path = tmp_path_factory.mktemp("recording") / "so.sto"
    write_storage(path, Storage("walk", labels, time, curves))
    return path


@pytest.mark.parametrize("pattern", ["all-entire", "one-entire", "one-quarter"])
def test_one_cycle_is_what_the_runtime_gives(program, files, tmp_path, pattern):
    cycle = np.random.default_rng(4).random((20, 4))
    path = tmp_path / "cycle.csv"
    text = [",".join(NAMES[::-1]), *(",".join(map(repr, row[::-1].tolist())) for row in cycle)]
    path.write_text("\n".join(text) + "\n")
    reported = run([program, files[pattern], "--cycle", path], expected=0)
    header, *rows = csv.reader(reported.stdout.splitlines())
    runtime = load(files[pattern])
    assert tuple(header) == runtime.muscles
    expected = runtime.refine(cycle, channels=NAMES)
    np.testing.assert_allclose(np.array(rows, float), expected, rtol=0, atol=1e-6)
    assert reported.stderr == ""


@pytest.mark.parametrize("pattern", ["all-entire", "one-quarter"])
def test_a_recording_is_what_the_runtime_gives(program, files, recording, tmp_path, pattern):
    events = tmp_path / "events.csv"
    events.write_text("start,end\n1.1,1.9\n1.9,2.75\n2.8,3.4\n")
    words = [program, files[pattern], recording, "--side", "left", "--events", events]
    reported = run([*words, "-o", tmp_path / "refined.sto"], expected=0)
    assert "cycle 2.8 to 3.4 s left out: not covered by the recording" in reported.stderr
    assert "2 of 3 cycles refined, 83 of 101 rows" in reported.stderr
    same_as_python(
        tmp_path / "refined.sto", files[pattern], recording, [(1.1, 1.9), (1.9, 2.75), (2.8, 3.4)]
    )
    times = ["--start", "1.1", "--end", "1.9"]
    reported = run([program, files[pattern], recording, "--side", "left", *times], expected=0)
    (tmp_path / "one.sto").write_text(reported.stdout)
    same_as_python(tmp_path / "one.sto", files[pattern], recording, [(1.1, 1.9)])


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        (["{model}"], "expected an activation file, or --cycle"),
        (["{model}", "{sto}"], "expected --side left or --side right"),
        (["{model}", "{sto}", "--side", "left"], "expected either --start and --end, or --events"),
        (["{model}", "{sto}", "--side"], "--side: expected a value after it"),
        (["{model}", "{sto}", "--leg", "left"], "--leg: no such option"),
        (["{model}", "{sto}", "--side", "left", "--start", "x", "--end", "2"], "found x"),
        (["{model}", "{sto}", "--side", "left", "--start", "2", "--end", "1"], "before the end"),
        (["{model}", "{sto}", "--side", "left", "--start", "0", "--end", "2"], "complete cycle"),
        (["{model}", "{sto}", "--side", "right", "--start", "1", "--end", "2"], "of glmed1_ipsi"),
        (["{model}", "absent.sto", "--side", "left", "--start", "1", "--end", "2"], "cannot read"),
        (["absent.tflite", "{sto}", "--side", "left", "--start", "1", "--end", "2"], "cannot read"),
        (["{sto}", "{sto}", "--side", "left", "--start", "1", "--end", "2"], "a TFLite file"),
        (
            ["{model}", "{model}", "--side", "left", "--start", "1", "--end", "2"],
            "no endheader line",
        ),
        (["{model}", "--cycle", "{sto}"], "expected"),
    ],
)
def test_wrong_use_gives_one_line(program, files, recording, words, reported):
    paths = {"model": files["all-entire"], "sto": recording}
    refused(run([program, *(word.format(**paths) for word in words)], expected=2), reported)


def refused(done, reported=""):
    assert done.stdout == ""
    assert done.stderr.startswith("refine_file: error: ")
    assert done.stderr.count("\n") == 1
    assert reported in done.stderr


def test_damaged_models_are_reported(program, files, recording, tmp_path):
    content = files["all-entire"].read_bytes()
    other = tmp_path / "other.tflite"
    cases = {
        "another project's": content.replace(b"nem2e-tf refiner file", b"some other kind of it"),
        f"expected {len(content)} bytes": content[:-1],
        "expected SHA-256": content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
        "TFLite": b"",
    }
    for reported, changed in cases.items():
        other.write_bytes(changed)
        words = [program, other, recording, "--side", "left", "--start", "1.1", "--end", "1.9"]
        refused(run(words, expected=2), reported)


@pytest.mark.parametrize("which", ["model", "recording", "cycle", "events"])
def test_damaged_files_never_harm(program, files, recording, tmp_path, which):
    """Fifty damaged files each: rejected in one line, or read; a memory error exits with 99."""
    model, cycle, events = tmp_path / "m.tflite", tmp_path / "c.csv", tmp_path / "e.csv"
    model.write_bytes(files["one-entire"].read_bytes())
    cycle.write_text("\n".join([",".join(NAMES), *(["0.1,0.2,0.3,0.4"] * 20)]) + "\n")
    events.write_text("start,end\n1.1,1.9\n1.9,2.75\n")
    activation = tmp_path / "a.sto"
    activation.write_bytes(recording.read_bytes())
    path = {"model": model, "recording": activation, "cycle": cycle, "events": events}[which]
    damage, draw, whole = fuzz_export().damage, random.Random(which), path.read_bytes()
    words = [program, model, activation, "--side", "left", "--events", events]
    if which == "cycle":
        words = [program, model, "--cycle", cycle]
    codes = set()
    for _ in range(50):
        path.write_bytes(damage(whole, draw))
        done = subprocess.run(
            list(map(str, words)),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            env=os.environ | CHECKED,
            check=False,
        )
        assert done.returncode in (0, 2), f"{done.returncode}: {done.stderr[:3000]}"
        if done.returncode == 2:
            refused(done)
        codes.add(done.returncode)
    assert 2 in codes
