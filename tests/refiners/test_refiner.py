"""A refiner folder: saving and loading preserves it, and damage is reported."""

import json

import numpy as np
import pytest
from support import small_refiners as small

from nem2e_tf.errors import InputError
from nem2e_tf.refiners.info import Muscle, Reference, RefinerInfo
from nem2e_tf.refiners.patterns import Composition, arrange, model_input, resample
from nem2e_tf.refiners.refiner import Refiner, load_info, load_refiner, save_refiner


def test_one_entire_takes_the_mean_of_the_counterparts():
    refiner = small.by_hand()
    simulated = refiner.reference.simulated
    refined = refiner.predict(simulated)
    assert refined.shape == (7, 20, 2)
    assert refined.dtype == np.float32
    np.testing.assert_allclose(refined[..., 0], 2 * simulated[..., 0], rtol=1e-6)
    np.testing.assert_allclose(refined[..., 1], 1 + simulated[..., 1:3].mean(axis=2), rtol=1e-6)


def test_one_quarter_joins_four_rows_in_order():
    models = {"soleus": small.ramp(5), "glmed1": small.ramp(5)}
    refiner = Refiner(small.info("one-quarter", "each"), models, small.reference())
    refined = refiner.predict(np.zeros((2, 20, 4)))
    np.testing.assert_allclose(refined[1, :, 0], [0, 1, 2, 3, 4] * 4)


def test_one_quarter_resampled_to_20_comes_back_to_5():
    models = {"soleus": small.ramp(20), "glmed1": small.ramp(20)}
    refiner = Refiner(
        small.info("one-quarter", "each", model_samples=20), models, small.reference()
    )
    line = np.linspace(0, 19, 20)[None, :, None] * np.ones(4)
    expected = line[0, :, 0] + np.tile([0, 4.75, 9.5, 14.25, 19], 4)
    np.testing.assert_allclose(refiner.predict(line)[0, :, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("targets", ["each", "joint"])
def test_all_entire_sees_every_channel(targets):
    weights = np.array([[1, 0], [0, 2], [0, 0], [3, -1]])
    models = {"joint": small.affine(20, weights, [0.5, 0])}
    if targets == "each":
        models = {
            name: small.affine(20, weights[:, [i]], [[0.5, 0][i]])
            for i, name in enumerate(["soleus", "glmed1"])
        }
    refiner = Refiner(small.info("all-entire", targets), models, small.reference())
    simulated = refiner.reference.simulated
    expected = simulated @ weights + [0.5, 0]
    np.testing.assert_allclose(refiner.predict(simulated), expected, rtol=1e-5)


def test_no_cycle_gives_no_cycle():
    assert small.by_hand().predict(np.empty((0, 20, 4))).shape == (0, 20, 2)


@pytest.mark.parametrize(
    ("simulated", "reported"),
    [
        (np.zeros((1, 19, 4)), "20 samples"),
        (np.zeros((1, 20, 3)), "4 channels"),
        (np.zeros((20, 4)), "found \\[20, 4\\]"),
        (np.where(np.arange(4) == 2, np.nan, np.zeros((1, 20, 4))), "channel glmed2_ipsi"),
    ],
)
def test_wrong_input_is_refused(simulated, reported):
    with pytest.raises(InputError, match=reported):
        small.by_hand().predict(simulated)


def test_refine_needs_only_the_channels_that_are_used():
    refiner = small.by_hand()
    assert refiner.channels == ("soleus_ipsi", "glmed1_ipsi", "glmed2_ipsi")
    simulated = refiner.reference.simulated
    shuffled = simulated[:, :, [2, 0, 1]]
    refined = refiner.refine(shuffled, channels=["glmed2_ipsi", "soleus_ipsi", "glmed1_ipsi"])
    np.testing.assert_array_equal(refined, refiner.predict(simulated))


def test_saved_and_loaded_is_the_same(tmp_path):
    made = small.joint("seq2seq", units=4)
    saved = save_refiner(tmp_path / "refiner", made.models, made.info, made.reference)
    loaded = load_refiner(tmp_path / "refiner")
    assert loaded.info == saved.info == load_info(tmp_path / "refiner")
    assert loaded.info.n_parameters == made.models["joint"].count_params()
    assert set(loaded.info.versions) == {"nem2e-tf", "keras", "tensorflow", "numpy", "python"}
    np.testing.assert_array_equal(loaded.reference.measured, made.reference.measured)
    simulated = made.reference.simulated
    np.testing.assert_array_equal(loaded.predict(simulated), made.predict(simulated))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "refiner"
    refiner = small.by_hand()
    save_refiner(folder, refiner.models, refiner.info, refiner.reference)
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    for item in saved.iterdir():
        (folder / item.name).write_bytes(item.read_bytes())
    return folder


def test_saving_again_replaces_the_folder_whole(copy):
    refiner = small.by_hand(seed=5)
    save_refiner(copy, refiner.models, refiner.info, refiner.reference)
    assert load_info(copy).seed == 5
    assert sorted(item.name for item in copy.parent.iterdir()) == ["copy"]


def test_a_failed_save_leaves_nothing(tmp_path, monkeypatch):
    refiner = small.by_hand()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(refiner.models["glmed1"], "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save_refiner(tmp_path / "refiner", refiner.models, refiner.info, refiner.reference)
    assert list(tmp_path.iterdir()) == []


def test_files_of_others_are_never_replaced(copy):
    (copy / "thesis.txt").write_text("years of work")
    refiner = small.by_hand()
    with pytest.raises(InputError, match=r"found also thesis\.txt"):
        save_refiner(copy, refiner.models, refiner.info, refiner.reference)
    assert (copy / "thesis.txt").read_text() == "years of work"


def test_wrong_models_and_reference_are_refused(tmp_path):
    refiner = small.by_hand()
    with pytest.raises(InputError, match="expected one for glmed1"):
        save_refiner(tmp_path / "r", {"soleus": small.ramp(20)}, refiner.info, refiner.reference)
    wrong = {**refiner.models, "glmed1": small.ramp(5)}
    with pytest.raises(InputError, match=r"model glmed1: expected \[20, 1\]"):
        save_refiner(tmp_path / "r", wrong, refiner.info, refiner.reference)
    less = Reference(
        refiner.reference.simulated[..., :3],
        refiner.reference.measured,
        refiner.reference.held_out,
    )
    with pytest.raises(InputError, match="expected 4 channels"):
        save_refiner(tmp_path / "r", refiner.models, refiner.info, less)


def test_what_is_no_refiner_is_reported(tmp_path, copy):
    with pytest.raises(InputError, match="no such folder"):
        load_refiner(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="nem2e-tf train"):
        load_refiner(tmp_path / "empty")
    with pytest.raises(InputError, match="found a file"):
        load_refiner(copy / "refiner.json")


def flip_a_byte(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "reported"),
    [
        (lambda f: flip_a_byte(f / "soleus.keras"), r"soleus\.keras: expected SHA-256"),
        (lambda f: (f / "glmed1.keras").unlink(), "expected a model, found no such file"),
        (lambda f: (f / "reference.npz").write_bytes(b"PK"), "expected reference cycles"),
        (lambda f: (f / "reference.npz").unlink(), "expected reference cycles"),
        (lambda f: (f / "refiner.json").write_text("{"), "expected JSON"),
        (lambda f: (f / "refiner.json").write_text("{}"), "found something else"),
    ],
)
def test_damage_is_reported_in_one_line(copy, damage, reported):
    damage(copy)
    with pytest.raises(InputError, match=reported) as caught:
        load_refiner(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "reported"),
    [
        ("format", 99, "refiner format 1, found 99"),
        ("pattern", "one-half", "found 'one-half'"),
        ("targets", "joint", "targets joint"),
        ("channels", ["soleus_ipsi"], "counterpart glmed1_ipsi of glmed1"),
        ("files", {}, "a file for soleus"),
    ],
)
def test_contradictions_are_reported(copy, key, value, reported):
    content = json.loads((copy / "refiner.json").read_text())
    (copy / "refiner.json").write_text(json.dumps({**content, key: value}))
    with pytest.raises(InputError, match=reported):
        load_info(copy)


def test_info_survives_json():
    made = small.info("all-entire", "joint", options={"units": 8})
    files = {"joint": {"file": "joint.keras", "sha256": "0"}}
    again = RefinerInfo.from_json({**made.to_json(), "files": files})
    assert again.muscles[1] == Muscle("glmed1", ("glmed1_ipsi", "glmed2_ipsi"), "glmed")
    assert again.options == {"units": 8}


def test_resample_is_linear():
    rows = np.array([[[0.0], [10.0]]])
    np.testing.assert_allclose(resample(rows, 5)[0, :, 0], [0, 2.5, 5, 7.5, 10])
    assert resample(rows, 2) is rows


def test_part_holds_only_what_a_model_needs():
    plan = small.info("one-entire", "each").composition
    assert plan.part("glmed1").channels == ("glmed1_ipsi", "glmed2_ipsi")
    assert plan.needed == ("soleus_ipsi", "glmed1_ipsi", "glmed2_ipsi")
    whole = small.info("all-entire", "each").composition
    assert whole.part("glmed1").channels == small.CHANNELS
    values = np.random.default_rng(0).random((3, 20, 4))
    np.testing.assert_allclose(
        model_input(values, plan, muscle="glmed1"),
        model_input(values[..., 1:3], plan.part("glmed1"), muscle="glmed1"),
        rtol=1e-6,
    )


def test_a_muscle_without_counterpart_cannot_be_one_entire():
    with pytest.raises(InputError, match="expected a counterpart"):
        Composition("one-entire", "each", ("a",), ("b",), ((),))


def test_arrange_states_what_is_wrong_by_name():
    values = np.zeros((20, 2))
    with pytest.raises(InputError, match=r"expected soleus_ipsi.*did you mean soleos_ipsi"):
        arrange(values, ["soleos_ipsi", "b"], needed=["soleus_ipsi"])
    with pytest.raises(InputError, match="channel b: expected once, found 2 times"):
        arrange(values, ["b", "b"], needed=["b"])
    with pytest.raises(InputError, match="expected 2 names"):
        arrange(values, ["b"], needed=["b"])
    with pytest.raises(InputError, match="expected 3 channels, found 2"):
        arrange(values, None, needed=["a", "b", "c"])
    with pytest.raises(InputError, match="curves of one shape"):
        arrange({"a": np.zeros(20), "b": np.zeros(19)}, None, needed=["a"])


def test_arrange_reorders_with_a_note():
    values = np.arange(40.0).reshape(20, 2)
    ordered, notes = arrange(values, ["b", "a"], needed=["a", "b"])
    np.testing.assert_array_equal(ordered, values[:, ::-1])
    assert notes == ("channels reordered by name",)
    by_name, notes = arrange({"a": values[:, 1], "b": values[:, 0]}, None, needed=["a", "b"])
    np.testing.assert_array_equal(by_name, ordered)
    assert notes == ()
