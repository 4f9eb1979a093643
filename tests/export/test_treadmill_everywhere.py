"""One refiner, a minute of real walking, and every way to run it: the same refined file."""

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from support import browser_page, c_program, chromium
from support import small_refiners as small

from nem2e_tf.cli.refine import command as refine
from nem2e_tf.export.context import LIMITS
from nem2e_tf.export.exporter import export
from nem2e_tf.export.formats.tflite import file_name
from nem2e_tf.io.storage import read_storage
from nem2e_tf.names import PRECISIONS
from nem2e_tf.refiners.recording import _samples, channel_columns
from nem2e_tf.refiners.refiner import Refiner, save_refiner
from nem2e_tf.signals.gait import cycles_of_plate

pytestmark = [pytest.mark.shared_data, pytest.mark.timeout(900), pytest.mark.slow]
PLATE = "1_ground_force"
# by source: at most how far from Keras, as a share of the muscle's range
DIFFERENCES = {
    "export/saved_model": LIMITS["float32"].difference,
    "export/joint.onnx": LIMITS["float32"].difference,
    **{f"export/{file_name('joint', name)}": LIMITS[name].difference for name in PRECISIONS},
}
# an untrained network has no error against EMG that could be kept
LOOSE = {name: replace(limits, rmse=1.0) for name, limits in LIMITS.items()}


@pytest.fixture(scope="module")
def walk(shared_data):
    return shared_data / "treadmill_walk"


@pytest.fixture(scope="module")
def cycles(walk):
    found, _ = cycles_of_plate(read_storage(walk / "grf.mot"), plate=PLATE)
    assert len(found) == 53
    return found


@pytest.fixture(scope="module")
def place(walk, cycles, tmp_path_factory):
    """STDR-Net, quantised on a dozen of the recording's cycles, and every file made of it."""
    place = tmp_path_factory.mktemp("everywhere")
    made = small.joint("stdr-net-temporal", units=8)
    recording = read_storage(walk / "so_activation.sto")
    columns, _ = channel_columns(recording, needed=small.CHANNELS, side="l")
    signals = recording.data[:, [columns[name] for name in small.CHANNELS]]
    curves = [_samples(recording.time, signals, *cycle) for cycle in cycles[:12]]
    reference = replace(made.reference, calibration=np.float32(curves))
    refiner = Refiner(made.info, made.models, reference)
    save_refiner(place / "refiner", refiner.models, refiner.info, reference)
    formats, how = ["saved-model", "tflite", "onnx"], {"limits": LOOSE, "timed": False}
    export(refiner, place / "export", formats=formats, precisions=PRECISIONS, **how)
    return place


def by_command(source, walk, file):
    plate = ["--ground-reaction", str(walk / "grf.mot"), "--plate", PLATE]
    given = [str(source), str(walk / "so_activation.sto"), "--side", "left", *plate]
    done = CliRunner().invoke(refine, [*given, "-o", str(file)])
    assert done.exit_code == 0, (done.output, done.exception)
    return read_storage(file)


@pytest.fixture(scope="module")
def by_keras(place, walk):
    found = by_command(place / "refiner", walk, place / "keras.sto")
    assert found.n_rows == 2950
    assert np.ptp(found.data, axis=0).min() > 0.01
    return found


def hold(found, expected, limit):
    assert found.labels == expected.labels == ("soleus_l", "glmed1_l")
    np.testing.assert_array_equal(found.time, expected.time)
    share = np.abs(found.data - expected.data).max(axis=0) / np.ptp(expected.data, axis=0)
    assert share.max() < limit


@pytest.mark.parametrize("source", DIFFERENCES)
def test_the_command(place, walk, by_keras, tmp_path, source):
    hold(by_command(place / source, walk, tmp_path / "x.sto"), by_keras, DIFFERENCES[source])


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return c_program.built(tmp_path_factory.mktemp("build"))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_c_program(program, place, walk, cycles, by_keras, tmp_path, precision):
    model, recording = place / "export" / file_name("joint", precision), walk / "so_activation.sto"
    events, refined = tmp_path / "events.csv", tmp_path / "refined.sto"
    c_program.write_events(events, cycles)
    words = [program, model, recording, "--side", "left", "--events", events, "-o", refined]
    reported = c_program.run(words, expected=0)
    assert "53 of 53 cycles refined, 2950 of" in reported.stderr
    found = c_program.same_as_python(refined, model, recording, cycles)
    hold(found, by_keras, DIFFERENCES[f"export/{model.name}"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return browser_page.installed(tmp_path_factory.mktemp("site") / "browser")


@pytest.fixture(scope="module")
def browser():
    with chromium.started() as running:
        yield running


@pytest.fixture
def page(browser, site):
    with browser_page.opened(browser, site) as ready:
        yield ready


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_browser_page(page, place, walk, by_keras, tmp_path, precision):
    file = place / "export" / file_name("joint", precision)
    recording, forces = walk / "so_activation.sto", walk / "grf.mot"
    browser_page.fill_in(page, file, recording, forces, plate=f"{PLATE}_vy")
    status = page.evaluate("document.querySelector('#status').textContent")
    assert status == "2950 rows, 53 cycles, 2 muscles"
    found = browser_page.downloaded(page)
    here = by_command(file, walk, tmp_path / "here.sto")
    np.testing.assert_allclose(found.data, here.data, rtol=0, atol=1e-5)
    hold(found, by_keras, DIFFERENCES[f"export/{file.name}"])
