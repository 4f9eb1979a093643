"""Exports in every precision: what they keep, what they refuse, what they are calibrated on."""

import itertools
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from support import small_refiners as small

from nem2e_tf.cli.export import command
from nem2e_tf.errors import ExportError, InputError
from nem2e_tf.export.context import LIMITS, Job, Limits
from nem2e_tf.export.exporter import export
from nem2e_tf.export.file import metadata
from nem2e_tf.export.file.audit import audit_tflite, check_tflite
from nem2e_tf.export.formats import tflite
from nem2e_tf.export.formats.tflite import calibration_rows, write_calibration
from nem2e_tf.export.graph.pieces import pieces_of, write_saved_model
from nem2e_tf.export.runtime.load import load
from nem2e_tf.names import PRECISIONS
from nem2e_tf.refiners.patterns import compose
from nem2e_tf.refiners.refiner import Refiner, load_refiner, save_refiner

NAMES = list(small.CHANNELS)
# untrained networks lose more than trained ones, whose default limits these are not
LOOSE = ["--largest-difference", "0.5", "--largest-change", "0.5"]


def saved(refiner, folder):
    save_refiner(folder, refiner.models, refiner.info, refiner.reference)
    return folder


def invoke(*arguments):
    return CliRunner().invoke(command, [str(word) for word in arguments])


def refused(*arguments):
    """What the command, run as a user would, says when it fails."""
    run = invoke(*arguments)
    assert run.exit_code != 0
    assert isinstance(run.exception, (InputError, SystemExit)), run.exception
    reported = str(run.exception) if isinstance(run.exception, InputError) else run.stderr
    assert "\n" not in reported or "Usage" in reported
    return reported


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A refiner's folder with a recurrence, and everything the command makes of it."""
    place = tmp_path_factory.mktemp("precision")
    saved(small.with_training_cycles(small.joint("lstm", units=16)), place / "refiner")
    wanted = [word for name in PRECISIONS for word in ("--precision", name)]
    run = invoke(place / "refiner", "--tflite", *wanted, *LOOSE, "-o", place / "out")
    assert run.exit_code == 0, run.output
    assert "joint.int8.tflite" in run.stdout
    return place


def test_every_precision_lands_in_one_folder(folder):
    index = json.loads((folder / "out/index.json").read_text())
    listed = {item["precision"]: item for item in index["files"]}
    assert tuple(listed) == PRECISIONS
    assert [item["file"] for item in index["files"]] == [
        "joint.tflite",
        "joint.float16.tflite",
        "joint.dynamic.tflite",
        "joint.int8.tflite",
    ]
    for name, item in listed.items():
        inside = metadata.read_tflite((folder / "out" / item["file"]).read_bytes(), source="")
        assert inside["precision"] == name
        assert ("WHILE" in item["operators"]) == (name != "int8")
        assert inside["recurrence"] == ("unrolled" if name == "int8" else "loop")
        for muscle in item["parity"]:
            assert muscle["skill_refiner"] == pytest.approx(
                1 - muscle["rmse_refiner"] / muscle["rmse_mean_pattern"]
            )
        assert 0 < item["latency"]["median_ms"] <= item["latency"]["p99_ms"]
    largest = [max(m["difference"] for m in listed[name]["parity"]) for name in PRECISIONS]
    assert largest[0] < 1e-5 < largest[1] < largest[2], "fewer bits, more difference"
    assert largest[3] > largest[1]


def test_the_runtime_chooses_a_precision(folder):
    refiner = load_refiner(folder / "refiner")
    cycles = refiner.reference.simulated
    expected = refiner.refine(cycles, channels=NAMES)
    assert load(folder / "out").metadata[0]["precision"] == "float32"
    for name in PRECISIONS:
        runtime = load(folder / "out", precision=name)
        assert runtime.metadata[0]["precision"] == name
        found = runtime.refine(cycles, channels=NAMES)
        assert np.abs(found - expected).max() < 0.5 * np.ptp(refiner.reference.measured)
    with pytest.raises(
        InputError, match=r"precision int4: expected float32 or .* or int8, the precisions in"
    ):
        load(folder / "out", precision="int4")
    with pytest.raises(InputError, match="precision int8: expected an export folder"):
        load(folder / "out/joint.tflite", precision="int8")


def test_a_folder_of_two_precisions_without_float32_is_reported(folder, tmp_path):
    index = json.loads((folder / "out/index.json").read_text())
    index["files"] = index["files"][2:]
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(
        InputError, match=r"precision float32: expected dynamic or int8, the precisions in"
    ):
        load(tmp_path)


def test_the_card_describes_the_file(folder):
    text = (folder / "out/README.md").read_text()
    for reported in (
        "# Refiner lstm",
        'refiner = nem2e.load("FOLDER"',
        "| joint.int8.tflite |",
        "EMG over the subject's maximum, of 2 muscles",
        "| glmed1 | glmed1_ipsi glmed2_ipsi | glmed |",
        "licence of the weights: CC0-1.0",
        f"digest `{'ab' * 32}`",
        "Not for diagnosis",
    ):
        assert reported in text, reported
    example = text.split("```python\n")[1].split("```")[0]
    program = example.replace("FOLDER", str(folder / "out"))
    names = {"activation": np.zeros((20, 4)), "channels": NAMES}
    exec(program, names)
    assert names["emg"].shape == (20, 2)


def test_the_card_shows_rate_and_skill():
    from nem2e_tf.export.card import card

    row = {"n_cycles": 24, "rate": -0.5, "skill": 0.25, "r": 0.9, "lag_ms": None}
    metrics = {"cycles_set_aside": 24, "muscles": {"soleus": row}}
    text = card(small.info("all-entire", "joint", metrics=metrics), [])
    assert "| soleus | 24 | -0.500 | +0.250 | +0.900 | - |" in text


def test_integers_in_and_out_give_the_same(folder, tmp_path):
    run = invoke(
        *(folder / "refiner", "--tflite", "--precision", "int8", "--io", "int8"),
        *(*LOOSE, "--no-latency", "-o", tmp_path / "out"),
    )
    assert run.exit_code == 0, run.output
    cycles = load_refiner(folder / "refiner").reference.simulated
    numbers, integers = load(folder / "out", precision="int8"), load(tmp_path / "out")
    (signature,) = audit_tflite((tmp_path / "out/joint.int8.tflite").read_bytes()).signatures
    assert signature.inputs == {"simulated": "int8 [1, 20, 4]"}
    assert signature.outputs == {"refined": "int8 [1, 20, 2]"}
    inside = integers.metadata[0]
    assert (inside["io"], inside["precision"]) == ("int8", "int8")
    ours, theirs = (one.refine(cycles, channels=NAMES) for one in (integers, numbers))
    step = np.unique(np.diff(np.unique(theirs)))[0]
    # numpy rounds halves to even, TFLite away from zero: a step of the input at most
    assert np.abs(ours - theirs).max() <= 2 * step
    assert (ours == theirs).mean() > 0.95


def test_calibration_never_sees_what_is_held_out(tmp_path):
    refiner = small.with_training_cycles(small.joint("linear"))
    refiner.reference.simulated[refiner.reference.held_out] = 777.0  # the marker
    refiner.reference.simulated[~refiner.reference.held_out] = 555.0
    (piece,) = pieces_of(refiner)
    with np.load(write_calibration(piece, refiner.reference, tmp_path)) as content:
        rows = content["simulated"]
    np.testing.assert_array_equal(rows, refiner.reference.calibration)
    assert rows.max() <= 1


def test_training_keeps_cycles_that_it_fitted_on(tmp_path):
    from support.tiny_cohort import tiny_cohort

    from nem2e_tf.evaluation.scoring import mean_pattern
    from nem2e_tf.training.plan import group_labels, set_aside
    from nem2e_tf.training.rows import thin
    from nem2e_tf.training.train import train

    cohort = tiny_cohort()
    made = train(cohort, "affine", out=tmp_path / "refiner")
    _, labels = group_labels(cohort.cycles)
    inner, outer = set_aside(np.unique(labels, return_inverse=True)[1], seed=0, name="everything")
    assert len(outer)
    again = load_refiner(tmp_path / "refiner").reference
    np.testing.assert_array_equal(again.calibration, thin(cohort.simulated[inner]))
    held_out = {curve.tobytes() for curve in thin(cohort.simulated[outer])}
    assert not held_out & {curve.tobytes() for curve in again.calibration}
    np.testing.assert_allclose(
        again.mean_pattern, mean_pattern(thin(cohort.measured[inner])), rtol=1e-6
    )
    np.testing.assert_array_equal(again.calibration, made.reference.calibration)


def test_refiners_of_earlier_versions_must_be_trained_again(tmp_path):
    place = saved(small.joint("linear"), tmp_path / "refiner")
    reported = refused(place, "--tflite", "--precision", "int8", "-o", tmp_path / "out")
    assert "found none (an earlier version trained it); train it again" in reported
    assert not (tmp_path / "out").exists()
    run = invoke(place, "--tflite", "--no-latency", "-o", tmp_path / "out")
    assert run.exit_code == 0, "other precisions need no calibration"
    assert json.loads((tmp_path / "out/index.json").read_text())["files"][0]["latency"] is None


@pytest.mark.parametrize(
    ("options", "reported"),
    [
        (["--precision", "int8", "--recurrence", "loop"], "full quantisation crashes on loops"),
        (["--io", "int8"], "io int8: expected int8 among the precisions"),
        (["--precision", "int8", "--raw"], "expected none besides refine with precision int8"),
        (["--combine"], r"found one model \(joint\), whose file gives all"),
        (["--combine", "--raw"], "combine: expected the signature refine alone"),
        (["--precision", "float16", "--precision", "float16"], "expected once, found twice"),
        (["--precision", "int4"], "'int4' is not one of"),
    ],
)
def test_what_does_not_go_together_is_refused(folder, tmp_path, options, reported):
    message = refused(folder / "refiner", "--tflite", *options, "-o", tmp_path / "out")
    assert re.search(reported, message), message
    assert list(tmp_path.iterdir()) == []


def test_a_precision_of_another_format_is_refused(folder, tmp_path):
    reported = refused(
        folder / "refiner", "--saved-model", "--precision", "int8", "-o", tmp_path / "out"
    )
    assert "--precision requires --tflite" in reported


def test_over_a_limit_the_worst_muscle_and_cycle_are_named(folder, tmp_path):
    message = refused(
        *(folder / "refiner", "--tflite", "--precision", "int8", "--largest-difference", 0),
        *("-o", tmp_path / "out"),
    )
    assert re.search(r"joint\.int8\.tflite: .*\(muscle \w+, reference cycle \d\)", message)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """A loop that was to be quantised, then a graph that keeps a variable, in one child process."""
    import tensorflow as tf

    place = tmp_path_factory.mktemp("converted")
    refiner = small.with_training_cycles(small.joint("lstm", units=4))
    (piece,) = pieces_of(refiner)
    write_saved_model(piece.model, place / "loop", recurrence="loop", batch=1)
    module = tf.Module()
    module.gain = tf.Variable(2.0)

    @tf.function(input_signature=[tf.TensorSpec((1, 20, 1), tf.float32, name="simulated")])
    def refine(simulated):
        module.gain.assign_add(1.0)
        return {"refined": simulated * module.gain}

    module.refine = refine
    tf.saved_model.save(module, str(place / "variable"), signatures={"refine": refine})
    rows = write_calibration(piece, refiner.reference, place)
    jobs = [
        Job(place / "loop", place / "loop.tflite", precision="int8", representative=rows),
        Job(place / "variable", place / "variable.tflite"),
    ]
    with pytest.raises(ExportError) as caught:
        tflite.convert(jobs)
    return str(caught.value), place


def test_a_loop_is_refused_before_the_converter_crashes(converted):
    reported, place = converted
    assert reported.startswith(
        "loop.tflite: conversion to TFLite failed: full quantisation crashes on"
    )
    assert not (place / "loop.tflite").exists()


def test_a_graph_that_reads_a_variable_is_refused(converted):
    """It converts, also after a job that failed, and would start from nothing on a device."""
    found = audit_tflite((converted[1] / "variable.tflite").read_bytes())
    with pytest.raises(ExportError, match="so the weights were not frozen into the file"):
        check_tflite(found, name="variable.tflite")


def quarters(samples):
    models = {"soleus": small.ramp(samples), "glmed1": small.ramp(samples)}
    info = small.info("one-quarter", "each", model_samples=samples)
    return Refiner(info, models, small.reference())


@pytest.mark.parametrize("kind", ["one-entire", "one-quarter", "resampled", "all-entire"])
def test_combined_is_the_same_as_one_by_one(kind):
    if kind == "all-entire":
        mixing = [small.affine(20, [[w], [1], [2], [0.5]], [w]) for w in (3, 4)]
        models = dict(zip(("soleus", "glmed1"), mixing, strict=True))
        refiner = Refiner(small.info("all-entire", "each"), models, small.reference())
    else:
        refiner = {
            "one-entire": small.by_hand,
            "one-quarter": lambda: quarters(5),
            "resampled": lambda: quarters(20),
        }[kind]()
    cycles = refiner.reference.simulated
    (piece,) = pieces_of(refiner, combine=True)

    def apply(name, rows):
        return np.asarray(piece.model(rows))

    found = compose(cycles[:, :, list(piece.columns)], piece.composition, apply)
    np.testing.assert_allclose(found, refiner.predict(cycles), rtol=1e-5, atol=1e-6)


def test_combined_file(tmp_path):
    refiner = small.with_training_cycles(small.by_hand())
    place = saved(refiner, tmp_path / "refiner")
    run = invoke(
        *(place, "--tflite", "--combine", "--precision", "float32", "--precision", "int8"),
        *(*LOOSE[:2], "--largest-change", "2", "--no-latency", "-o", tmp_path / "out"),
    )
    assert run.exit_code == 0, run.output
    runtime = load(tmp_path / "out")
    assert runtime.muscles == ("soleus", "glmed1")
    assert runtime.channels == tuple(NAMES[:3])
    cycles = refiner.reference.simulated
    expected = refiner.refine(cycles, channels=NAMES)
    np.testing.assert_allclose(runtime.refine(cycles, channels=NAMES), expected, rtol=1e-5)
    inside = runtime.metadata[0]
    assert inside["trained"] == {"pattern": "one-entire", "targets": "each"}
    assert [muscle["name"] for muscle in inside["muscles"]] == ["soleus", "glmed1"]
    rough = load(tmp_path / "out", precision="int8").refine(cycles, channels=NAMES)
    assert np.abs(rough - expected).max() < 0.05


def test_calibration_rows_are_what_a_model_takes_in():
    refiner = small.with_training_cycles(small.by_hand())
    soleus, glmed1 = pieces_of(refiner)
    cycles = refiner.reference.calibration
    np.testing.assert_array_equal(calibration_rows(soleus, cycles), cycles[:, :, :1])
    np.testing.assert_allclose(
        calibration_rows(glmed1, cycles)[:, :, 0], cycles[:, :, 1:3].mean(axis=2), rtol=1e-6
    )


def test_limits_grow_with_fewer_bits():
    kept = [LIMITS[name] for name in PRECISIONS]
    for one, next_one in itertools.pairwise(kept):
        assert one.difference < next_one.difference
        assert one.rmse < next_one.rmse


def test_stdr_net_for_one_muscle_is_small(tmp_path):
    small.load_keras().utils.set_random_seed(1)
    from nem2e_tf import zoo

    model = zoo.create(
        "stdr-net-temporal", n_samples=20, n_channels=1, n_targets=1, counterparts=[[0]], units=64
    )
    info = replace(small.info("one-entire", "each"), muscles=small.MUSCLES[:1])
    reference = small.reference()
    reference = replace(reference, measured=reference.measured[:, :, :1])
    refiner = Refiner(info, {"soleus": model}, reference)
    result = export(
        *(refiner, tmp_path / "out"),
        formats=["tflite"],
        precisions=["float32", "dynamic"],
        limits=dict.fromkeys(PRECISIONS, Limits(difference=0.1, rmse=0.1)),
        timed=False,
    )
    assert [item.recurrence for item in result.files] == ["loop", "loop"]
    full, dynamic = (item.n_bytes for item in result.files)
    assert full < 250_000
    assert dynamic < 100_000
