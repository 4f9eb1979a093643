"""The C++ program of ``export/c``, built and run for tests."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nem2e_tf.export.runtime.load import load
from nem2e_tf.io.storage import read_storage
from nem2e_tf.refiners.recording import refine_recording

SOURCE = Path(__file__).resolve().parents[2] / "export" / "c"
# A compiler's run-time checks find what a wrong read would otherwise do in silence.
CHECKED = {"ASAN_OPTIONS": "exitcode=99:detect_leaks=1", "UBSAN_OPTIONS": "exitcode=99"}


def built(place, *options):
    """Build the program in a folder; skips, with the reason, where there is no compiler."""
    missing = [name for name in ("cmake", "c++") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)}: the C++ example is neither built nor run")
    asked = ["cmake", "-S", SOURCE, "-B", place, *options]
    run([*asked, f"-DPython3_EXECUTABLE={sys.executable}"], expected=0)
    run(["cmake", "--build", place, "--parallel", "2"], expected=0)
    return place / "refine_file"


def run(words, *, expected):
    done = subprocess.run(
        list(map(str, words)),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=800,
        env=os.environ | CHECKED,
        check=False,
    )
    assert done.returncode == expected, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def write_events(path, cycles):
    path.write_text("start,end\n" + "".join(f"{start!r},{end!r}\n" for start, end in cycles))


def same_as_python(written, model, recording, cycles):
    """Hold what the program wrote to what the Python runtime gives; gives what it wrote."""
    found = read_storage(written)
    expected = refine_recording(load(model), read_storage(recording), cycles, side="l").storage
    assert found.notes == ()
    assert found.labels == expected.labels
    np.testing.assert_array_equal(found.time, expected.time)
    np.testing.assert_allclose(found.data, expected.data, rtol=0, atol=1e-6)
    return found
