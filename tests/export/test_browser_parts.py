"""Parts of the browser page that run in Node: same files, names and samples as the library."""

import functools
import re
import subprocess

import numpy as np
import pytest
from support.node import PAGE, in_node, program

from nem2e_tf import muscles
from nem2e_tf.errors import InputError
from nem2e_tf.io.storage import read_storage
from nem2e_tf.refiners.recording import _samples


def test_pure_parts_in_node():
    done = subprocess.run(
        [program("node"), "--test", *sorted(map(str, (PAGE / "tests").glob("*.test.js")))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"pass (\d+)", done.stdout)[1]) >= 16


def test_names_of_muscles_are_ours():
    code = "import { MUSCLES } from './muscles.js'; console.log(JSON.stringify(MUSCLES));"
    ours = {name: list(muscles._ALIASES.get(name, ())) for name in muscles.known()}
    assert in_node(code) == ours


def test_samples_are_ours():
    random = np.random.default_rng(0)
    time = np.cumsum(random.uniform(0.005, 0.03, 200))
    curves = random.random((200, 3))
    cases = [(0.3, 1.4), (time[20], time[90]), (1.0001, 3.2)]
    code = (
        "import { readFileSync } from 'node:fs';"
        "import { cycleSamples } from './resampling.js';"
        "const { time, curves, cases } = JSON.parse(readFileSync(0));"
        "console.log(JSON.stringify(cases.map(([start, end]) => curves.map("
        "  (curve) => Array.from(cycleSamples(time, curve, start, end))))));"
    )
    found = in_node(code, {"time": time.tolist(), "curves": curves.T.tolist(), "cases": cases})
    for (start, end), curve in zip(cases, found, strict=True):
        expected = _samples(time, curves, start, end)
        np.testing.assert_allclose(np.array(curve).T, expected, rtol=0, atol=2e-7)


@pytest.mark.shared_data
def test_real_storage_files_are_read_alike_or_refused(shared_data):
    """The numbers equal those of the library's reader."""
    files = sorted((shared_data / "storage_corpus").glob("*.[sm]*o*"))
    assert len(files) > 10
    code = (
        "import { readFileSync } from 'node:fs';"
        "import { InputError } from './errors.js';"
        "import { readStorage } from './storage.js';"
        "const read = (file) => { try {"
        "  const { labels, time, columns } = readStorage(readFileSync(file), file);"
        "  return { labels, time: Array.from(time), columns: columns.map((c) => Array.from(c)) };"
        "} catch (error) { if (!(error instanceof InputError)) throw error;"
        "  return { refused: error.message }; } };"
        "console.log(JSON.stringify(JSON.parse(readFileSync(0)).map(read)));"
    )
    found = in_node(code, list(map(str, files)))
    read = functools.partial(np.array, dtype=float)
    alike = 0
    for file, theirs in zip(files, found, strict=True):
        if "refused" in theirs:
            assert "\n" not in theirs["refused"]
            continue
        try:
            ours = read_storage(file)
        except InputError as error:
            raise AssertionError(f"{file.name} is refused here: {error}") from None
        alike += 1
        assert tuple(theirs["labels"]) == ours.labels
        np.testing.assert_array_equal(read(theirs["time"]), ours.time)
        np.testing.assert_array_equal(read(theirs["columns"]).T, ours.data)
    assert alike > len(files) / 2
