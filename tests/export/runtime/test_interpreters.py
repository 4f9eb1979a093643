"""Unrolled files with one copy of each weight: the same numbers, and refused where they cannot."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from support import small_refiners as small

from nem2e_tf.cli.inspect import bench_command as bench
from nem2e_tf.errors import InputError
from nem2e_tf.export.context import LIMITS
from nem2e_tf.export.exporter import export
from nem2e_tf.export.runtime.interpreters import SHAREABLE, CompiledRunner, SharedWeights
from nem2e_tf.export.runtime.load import load
from nem2e_tf.refiners.refiner import Refiner

# of an untrained network, whose error against EMG says nothing
LOOSE = {name: replace(limits, rmse=1.0) for name, limits in LIMITS.items()}
NAMES = list(small.CHANNELS)


@pytest.fixture(scope="module")
def refiner():
    made = small.joint("stdr-net-temporal", units=8)
    calibration = np.random.default_rng(1).random((12, 20, 4), dtype=np.float32)
    return Refiner(made.info, made.models, replace(made.reference, calibration=calibration))


def exported(refiner, folder, **options):
    more = {"formats": ["tflite"], "recurrence": "unrolled", "limits": LOOSE, "timed": False}
    export(refiner, folder, **(more | options))
    return folder


@pytest.fixture(scope="module")
def folder(refiner, tmp_path_factory):
    precisions = ["float32", "float16", "dynamic", "int8"]
    place = tmp_path_factory.mktemp("shared")
    return exported(refiner, place / "unrolled", precisions=precisions)


def test_floats_give_the_same_bits(refiner, folder):
    for precision in SHAREABLE:
        plain = load(folder, precision=precision)
        shared = load(folder, precision=precision, shared_weights=True)
        for cycles in (refiner.reference.simulated, refiner.reference.simulated[:1] * 3):
            np.testing.assert_array_equal(
                shared.refine(cycles, channels=NAMES), plain.refine(cycles, channels=NAMES)
            )
        assert np.ptp(shared.refine(refiner.reference.simulated, channels=NAMES)) > 0


def test_other_numbers_are_refused(folder):
    """The cache takes products with the same integers, but other scales, for the same."""
    content = (folder / "joint.int8.tflite").read_bytes()
    with pytest.raises(InputError, match=r"x\.tflite: refined differs by up to .*; load it with"):
        SharedWeights(content, source="x.tflite")


def test_other_signatures_run_beside_it(refiner, tmp_path):
    cycles = refiner.reference.simulated
    place = exported(refiner, tmp_path / "attention", signatures=["refine_with_attention"])
    plain, shared = load(place), load(place, shared_weights=True)
    for _ in range(2):
        np.testing.assert_array_equal(
            *(one.refine_with_attention(cycles, channels=NAMES)[1][0] for one in (plain, shared))
        )
        np.testing.assert_array_equal(
            *(one.refine(cycles, channels=NAMES) for one in (plain, shared))
        )


def test_bench_measures_them_both_ways(folder):
    given = [str(folder / "joint.tflite"), "--runs", "10", "--json"]
    done = CliRunner().invoke(bench, given, catch_exceptions=False)
    rows = json.loads(done.stdout)["files"]
    assert [row["shared_weights"] for row in rows] == [False, True]
    assert all(row["median_ms"] > 0 for row in rows)
    reported = CliRunner().invoke(bench, given[:-1], catch_exceptions=False).stdout
    assert reported.count("unrolled, weights shared") == 1


def test_a_wrong_shape_is_reported(folder):
    runner = CompiledRunner((folder / "joint.tflite").read_bytes())
    with pytest.raises(ValueError, match=r"input simulated: expected \(1, 20, 4\), found \(1, 3"):
        runner(simulated=np.zeros((1, 3, 4), np.float32))
    with pytest.raises(ValueError, match=r"input simulated: expected .*, found none"):
        runner()


def test_what_cannot_share_is_refused(refiner, folder, tmp_path):
    exported(refiner, tmp_path / "onnx", formats=["onnx"])
    with pytest.raises(InputError, match=r"expected a \.tflite to share weights in, found ONNX"):
        load(tmp_path / "onnx", shared_weights=True)
    for precision in ("dynamic", "int8"):
        with pytest.raises(InputError, match=f"float32 or float16 to share.*found {precision}"):
            load(folder, precision=precision, shared_weights=True)
    integers = exported(refiner, tmp_path / "integers", precisions=["int8"], io="int8")
    content = (integers / "joint.int8.tflite").read_bytes()
    with pytest.raises(InputError, match=r"x\.tflite.* inputs and outputs are float32, found int8"):
        SharedWeights(content, source="x.tflite")
    with pytest.raises(ValueError, match="expected the signature step, found"):
        CompiledRunner((folder / "joint.tflite").read_bytes(), "step")
