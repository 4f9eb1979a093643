"""The browser page of ``export/browser``: the same numbers as the library, in headless Chromium."""

import re

import numpy as np
import pytest
from support import chromium
from support import small_refiners as small
from support.browser_page import PATIENCE, QUIET, downloaded, fill_in, installed, opened, reported
from support.node import in_node

from nem2e_tf.export.exporter import export
from nem2e_tf.export.runtime.load import load
from nem2e_tf.io.storage import Storage, read_storage, write_storage
from nem2e_tf.refiners.recording import _samples, refine_recording
from nem2e_tf.refiners.refiner import Refiner

pytestmark = pytest.mark.slow

LABELS = ("soleus_l", "/forceset/glut_med1_l/activation", "glmed2_l.activation", "soleus_r")
CYCLES = [(0.51, 1.6), (1.6, 2.73)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return installed(tmp_path_factory.mktemp("site") / "browser")


@pytest.fixture(scope="module")
def browser():
    with chromium.started() as running:
        yield running


@pytest.fixture
def page(browser, site):
    with opened(browser, site) as ready:
        yield ready


@pytest.fixture(scope="module")
def joint(tmp_path_factory):
    place = tmp_path_factory.mktemp("joint") / "export"
    export(small.joint("lstm", units=8), place, formats=["tflite"], timed=False)
    return place / "joint.tflite"


@pytest.fixture(scope="module")
def each(tmp_path_factory):
    """One file per muscle, four calls per cycle."""
    models = {"soleus": small.ramp(5), "glmed1": small.ramp(5)}
    made = Refiner(small.info("one-quarter", "each"), models, small.reference())
    place = tmp_path_factory.mktemp("each") / "export"
    export(made, place, formats=["tflite"], timed=False)
    return place


@pytest.fixture(scope="module")
def activation(tmp_path_factory):
    time = np.round(np.arange(151) / 50, 9)
    curves = 0.5 + 0.4 * np.sin(2 * np.pi * time[:, None] + 0.7 * np.arange(4))
    path = tmp_path_factory.mktemp("recording") / "so.sto"
    write_storage(path, Storage("walk", LABELS, time, curves))
    return path


def assert_same(found, expected, *, limit=1e-5):
    assert found.labels == expected.labels
    np.testing.assert_array_equal(found.time, expected.time)
    np.testing.assert_allclose(found.data, expected.data, rtol=0, atol=limit)


def test_dropped_files_are_refined_and_drawn(page, joint, activation):
    fill_in(page, joint, activation, cycles=CYCLES)
    assert reported(page) == ""
    recording = read_storage(activation)
    expected = refine_recording(load(joint), recording, CYCLES, side="l")
    assert np.ptp(expected.storage.data, axis=0).min() > 0.01
    assert_same(downloaded(page), expected.storage)
    for index, muscle in enumerate(("soleus", "glmed1")):
        figure = f"document.querySelectorAll('#charts figure')[{index}]"
        assert page.evaluate(f"{figure}.querySelector('figcaption').textContent") == muscle
        path = page.evaluate(f"{figure}.querySelector('.refined .curve').getAttribute('d')")
        drawn = np.array(re.findall(r"([\d.-]+) ([\d.-]+)", path), float)
        samples = np.stack([_samples(recording.time, recording.data, *cycle) for cycle in CYCLES])
        refined = load(joint).refine(samples, channels=small.CHANNELS)[..., index].mean(axis=0)
        assert len(drawn) == 20
        # the drawing's axis points down: a straight line from values to places
        slope, offset = np.polyfit(refined, drawn[:, 1], 1)
        assert slope < 0
        np.testing.assert_allclose(drawn[:, 1], slope * refined + offset, atol=0.01)
    assert page.evaluate("document.querySelectorAll('.simulated .band').length") == 2
    notes = page.evaluate("document.querySelector('#notes').textContent")
    assert "40 of 151 rows left out: outside complete cycles" in notes


def test_files_of_single_muscles_and_a_force_plate(page, each, activation, tmp_path):
    time = np.round(np.arange(301) / 100, 9)
    force = np.where((time > 0.305) & ((time - 0.305) % 1.1 < 0.7), 700.0, 0.0)
    forces = Storage("grf", ("2_vy", "1_vy"), time, np.stack([0 * force, force], axis=1))
    write_storage(tmp_path / "grf.mot", forces)
    files = [each / "soleus.tflite", each / "glmed1.tflite", tmp_path / "grf.mot"]
    fill_in(page, *files, activation, plate="1_vy")
    assert reported(page) == ""
    cycles = [(0.31, 1.41), (1.41, 2.51)]
    expected = refine_recording(load(each), read_storage(activation), cycles, side="l")
    assert_same(downloaded(page), expected.storage)
    # the other leg requires columns that are missing: an error names them
    page.evaluate("document.querySelector('input[name=side][value=r]').click()")
    assert page.evaluate("document.querySelector('#results').hidden")
    page.evaluate("document.querySelector('#refine').click()")
    page.wait(QUIET)
    assert "activation of glmed1_ipsi and glmed2_ipsi (right leg ipsilateral)" in reported(page)


def foreign(content):
    """The file without nem2e-tf metadata, like a file of another project."""
    from ai_edge_litert import schema_py_generated as schema
    from flatbuffers import Builder

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    model.metadata = []
    builder = Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def test_what_is_wrong_is_reported_in_one_line(page, joint, activation, tmp_path):
    content = joint.read_bytes()
    changed = bytearray(content)
    changed[len(content) // 2] ^= 1
    files = {
        "cut.tflite": (content[:-100], f"expected {len(content)} bytes, found"),
        "half.tflite": (content[: len(content) // 2], "half.tflite: expected"),
        "changed.tflite": (bytes(changed), "the file was changed since its export"),
        "foreign.tflite": (foreign(content), "found one without (another project's)"),
        "text.tflite": (b"not a model", "expected a TFLite file, found something else"),
        "cut.sto": (activation.read_bytes()[:-30], "the file seems cut, get a whole copy"),
        "angles.sto": (b"x\nendheader\ntime\tknee\n0\t1\n", "columns of muscle activation"),
    }
    for name, (wrong, message) in files.items():
        (tmp_path / name).write_bytes(wrong)
        page.drop("#drop", tmp_path / name)
        page.wait(QUIET, seconds=PATIENCE)
        assert message in reported(page), name
        assert "\n" not in reported(page)
    assert page.evaluate("document.querySelectorAll('#files li').length") == 0

    recording = read_storage(activation)
    labels = ("soleus_l", "glmed1_l", "glmad2_l", "soleus_r")
    write_storage(tmp_path / "so.sto", Storage("x", labels, recording.time, recording.data))
    fill_in(page, joint, tmp_path / "so.sto", cycles=CYCLES)
    assert "so.sto: expected a column with the activation of glmed2_ipsi" in reported(page)
    assert page.evaluate("document.querySelector('#results').hidden")


def test_keyboard_alone(page, joint, activation):
    """Except for choosing files, every step works with the keyboard alone."""
    page.drop("#drop", joint, activation)
    page.wait(QUIET, seconds=PATIENCE)
    page.evaluate("document.querySelector('#choose').focus()")
    asked = "document.activeElement.id || document.activeElement.textContent"
    reached = []
    for _ in range(2):
        page.press("Tab")
        reached.append(page.evaluate(asked))
    assert reached == ["Remove", "Remove"]
    page.press("Tab", " ", "Tab", "Tab")
    assert page.evaluate(asked) == "times"
    page.press(*"0.51 1.6", "Tab", "Enter")
    page.wait(QUIET, seconds=PATIENCE)
    assert reported(page) == ""
    assert page.evaluate("document.querySelectorAll('#charts figure').length") == 2
    assert page.evaluate("document.querySelector('#band-meaning').textContent") == ""


def test_fits_narrow_and_wide_windows(page, joint, activation, tmp_path):
    fill_in(page, joint, activation, cycles=CYCLES)
    for dark in (False, True):
        backgrounds = set()
        for width in (380, 1400):
            page.window(width=width, dark=dark)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            beyond = (
                "Array.from(document.querySelectorAll('main *')).filter(e => "
                "e.getBoundingClientRect().right > innerWidth + 1).length"
            )
            assert page.evaluate(beyond) == 0
            backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
            page.screenshot(tmp_path / "shot.png")
            assert (tmp_path / "shot.png").read_bytes().startswith(b"\x89PNG")
        assert backgrounds == {"rgb(21, 24, 28)" if dark else "rgb(246, 247, 248)"}


def test_every_damaged_model_is_refused_in_one_line(joint):
    code = (
        "import { readFileSync } from 'node:fs';"
        "import { InputError } from './errors.js';"
        "import { readMetadata } from './metadata.js';"
        "const { file, changes } = JSON.parse(readFileSync(0));"
        "const content = new Uint8Array(readFileSync(file));"
        "const reported = [(await readMetadata(content, 'x')).kind];"
        "for (const [length, place, value] of changes) {"
        "  const damaged = content.slice(0, length);"
        "  damaged[place] ^= value;"
        "  try { await readMetadata(damaged, 'x'); reported.push(null); }"
        "  catch (error) { if (!(error instanceof InputError)) throw error;"
        "    reported.push(error.message); } }"
        "console.log(JSON.stringify(reported));"
    )
    size = joint.stat().st_size
    random = np.random.default_rng(0)
    changes = [(size, place, 1 << bit) for place in range(64) for bit in range(8)]
    changes += [
        (size, int(random.integers(size)), int(random.integers(1, 256))) for _ in range(500)
    ]
    changes += [(int(length), 0, 0) for length in random.integers(0, size, 300)]
    first, *rest = in_node(code, {"file": str(joint), "changes": changes})
    assert first == "nem2e-tf refiner file"
    assert len(rest) == len(changes)
    for message in rest:
        assert message.startswith("x: expected ")
        assert "\n" not in message
