"""Raw recordings in: the graph resamples as the package does, whatever the length."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from support import small_refiners as small

from nem2e_tf.cli.export import command as export
from nem2e_tf.errors import InputError
from nem2e_tf.export.graph.signatures import recording_signature
from nem2e_tf.export.runtime.load import load
from nem2e_tf.io.storage import read_storage
from nem2e_tf.refiners.recording import channel_columns, refine_recording
from nem2e_tf.refiners.refiner import Refiner, save_refiner
from nem2e_tf.signals.gait import cycles_of_plate, resample_cycle
from nem2e_tf.training.rows import thin

NAMES = list(small.CHANNELS)
LENGTHS = (20, 21, 59, 60, 100, 101, 237, 500)


def by_package(refiner, recording):
    """What `nem2e_tf.refiners.recording` does for one cycle whose rows are evenly spaced."""
    n_rows = len(recording)
    points = resample_cycle(np.linspace(0, 1, n_rows), recording, start=0, end=1)
    samples = thin(points[None].astype(np.float32))
    refined = refiner.refine(samples, channels=NAMES)[0]
    place = np.linspace(0, 19, n_rows)
    return np.stack([np.interp(place, np.arange(20), curve) for curve in refined.T], axis=1)


def recordings(*, seed=0):
    random = np.random.default_rng(seed)
    for n_rows in LENGTHS:
        yield random.random((n_rows, 4)).astype(np.float32)


def quarters(samples):
    models = {"soleus": small.ramp(samples), "glmed1": small.ramp(samples)}
    info = small.info("one-quarter", "each", model_samples=samples)
    return Refiner(info, models, small.reference())


@pytest.mark.parametrize("pattern", ["one-entire", "quarters of 5", "quarters of 20"])
def test_every_pattern_in_the_graph_is_what_the_package_does(pattern):
    made = {"quarters of 5": 5, "quarters of 20": 20}
    refiner = quarters(made[pattern]) if pattern in made else small.by_hand()
    whole = refiner.info.composition
    for recording in recordings():
        expected = by_package(refiner, recording)
        for place, muscle in enumerate(whole.muscles):
            part = whole.part(muscle)
            signature = recording_signature(refiner.models[muscle], part)
            own = recording[:, [NAMES.index(name) for name in part.channels]]
            found = np.asarray(signature.function(own)["refined"])[:, 0]
            np.testing.assert_allclose(found, expected[:, place], atol=1e-5)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    refiner = small.joint("stdr-net-temporal", units=8)
    folder = tmp_path_factory.mktemp("raw")
    save_refiner(folder / "refiner", refiner.models, refiner.info, refiner.reference)
    given = [str(folder / "refiner"), "--tflite", "--raw", "--attention", "--no-latency", "--json"]
    reported = CliRunner().invoke(export, [*given, "-o", str(folder / "export")])
    assert reported.exit_code == 0, reported.output
    assert json.loads(reported.stdout)["files"][0]["file"] == "joint.tflite"
    return refiner, folder / "export"


def test_the_file_takes_cycles_of_any_length(exported):
    refiner, folder = exported
    runtime = load(folder)
    for recording in recordings(seed=1):
        expected = by_package(refiner, recording)
        found = runtime.refine_recording(recording, channels=NAMES)
        assert found.shape == (len(recording), 2)
        assert np.abs(found - expected).max() < 1e-5 * np.ptp(expected)
    backwards = runtime.refine_recording(recording[:, ::-1], channels=NAMES[::-1])
    np.testing.assert_array_equal(backwards, found)
    assert runtime.notes == ("channels reordered by name",)


def test_metadata_of_the_recording_signature(exported):
    (inside,) = load(exported[1]).metadata
    found = inside["parity"]["signatures"]
    assert set(found) == {"refine_recording", "refine_with_attention"}
    assert max(found.values()) < 1e-5


def test_a_row_that_is_not_finite_makes_everything_nan(exported):
    (file,) = load(exported[1]).files
    for bad in (np.nan, np.inf, -np.inf):
        recording = next(recordings())
        recording[7, 3] = bad
        assert np.isnan(file.refine_recording(recording)).all()


@pytest.mark.parametrize(
    ("change", "reported"),
    [
        ((slice(10), None), r"of 11 rows or more, found \[10, 4\]"),
        ((5, 1), "found nan in row 5, channel glmed1_ipsi"),
    ],
)
def test_the_runtime_refuses(exported, change, reported):
    rows, channel = change
    recording = next(recordings())
    if channel is None:
        recording = recording[rows]
    else:
        recording[rows, channel] = np.nan
    with pytest.raises(InputError, match=reported):
        load(exported[1]).refine_recording(recording)


def test_attention_weights_come_with_the_curves(exported):
    refiner, folder = exported
    runtime = load(folder)
    simulated = refiner.reference.simulated
    refined, (weights,) = runtime.refine_with_attention(simulated, channels=NAMES)
    np.testing.assert_allclose(refined, runtime.refine(simulated, channels=NAMES), atol=1e-6)
    assert weights.shape == (7, 20, 20)
    np.testing.assert_allclose(weights.sum(axis=2), 1, atol=1e-5)
    from nem2e_tf.zoo import with_attention

    _, expected = with_attention(refiner.models["joint"])(simulated, training=False)
    np.testing.assert_allclose(weights, np.asarray(expected), atol=1e-6)
    one, _ = runtime.refine_with_attention(simulated[0], channels=NAMES)
    np.testing.assert_array_equal(one, refined[0])


def test_a_file_without_them_states_how_to_get_them(exported):
    with pytest.raises(
        InputError, match=r"expected the signature step, found .* with signatures=\['step'\]"
    ):
        load(exported[1]).stream()


def test_twenty_rows_are_resampled_like_any_other():
    """By way of 101 points, as the package does, and so not quite to themselves."""
    refiner = small.by_hand()
    recording = next(recordings())
    samples = refiner.refine(recording[None], channels=NAMES)[0]
    difference = np.abs(by_package(refiner, recording) - samples).max()
    assert 1e-3 * np.ptp(samples) < difference < 0.1 * np.ptp(samples)


@pytest.mark.shared_data
def test_a_real_recording_comes_out_as_refine_gives_it(exported, shared_data):
    folder = shared_data / "treadmill_walk"
    recording = read_storage(folder / "so_activation.sto")
    cycles, _ = cycles_of_plate(read_storage(folder / "grf.mot"), plate="1_ground_force")
    runtime = load(exported[1])
    columns, _ = channel_columns(recording, needed=runtime.channels, side="l")
    signals = recording.data[:, [columns[name] for name in runtime.channels]]
    size = np.ptp(refine_recording(runtime, recording, cycles, side="l").storage.data, axis=0)
    for cycle in cycles:
        expected = refine_recording(runtime, recording, [cycle], side="l").storage
        rows = np.isin(recording.time, expected.time)
        found = runtime.refine_recording(signals[rows], channels=runtime.channels)
        # time stamps are rounded to single precision there, so rows are not quite even
        assert (np.abs(found - expected.data) / size).max() < 5e-5
