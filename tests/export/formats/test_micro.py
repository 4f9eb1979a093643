"""Microcontrollers: what fits runs there and is written as C; what does not fit says why."""

import json
import os
import re
import shutil
import subprocess
import time

import numpy as np
import pytest
from click.testing import CliRunner
from support import small_refiners as small

from nem2e_tf.cli.export import command
from nem2e_tf.errors import ExportError, InputError
from nem2e_tf.export.context import Job
from nem2e_tf.export.exporter import export
from nem2e_tf.export.file import metadata as embedded
from nem2e_tf.export.formats import c_array, micro, tflite
from nem2e_tf.export.formats import micro_process as _micro
from nem2e_tf.export.graph.pieces import write_saved_model
from nem2e_tf.refiners.refiner import load_keras, save_refiner

pytestmark = pytest.mark.slow

HEADERS = "NEM2E_TFLITE_MICRO"


@pytest.fixture(scope="module", autouse=True)
def _needs_tflite_micro():
    pytest.importorskip("tflite_micro", reason="tflite-micro is not installed (Linux x86-64 only)")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """STDR-Net of one muscle and 16 channels at 64 units, exported through the command line."""
    place = tmp_path_factory.mktemp("micro")
    refiner = small.joint("stdr-net-temporal", units=64)
    save_refiner(place / "refiner", refiner.models, refiner.info, refiner.reference)
    reported = CliRunner().invoke(
        command, [str(place / "refiner"), "--micro", "-o", str(place / "x")]
    )
    assert reported.exit_code == 0, reported.output
    return place / "x", reported.stdout


def converted(model, place, **how):
    write_saved_model(model, place / "saved", batch=1, recurrence=how.pop("recurrence", "loop"))
    tflite.convert([Job(place / "saved", place / "x.tflite", **how)])
    return (place / "x.tflite").read_bytes()


def test_stdr_net_runs_in_under_128_kb(exported):
    folder, reported = exported
    (listed,) = json.loads((folder / "index.json").read_text())["files"]
    assert (listed["format"], listed["precision"], listed["recurrence"]) == (
        "micro",
        "float32",
        "loop",
    )
    assert listed["arena_bytes"] < 128 * 1024
    assert f"arena {listed['arena_bytes'] / 1024:.1f} KB" in reported
    for muscle in listed["parity"]:
        assert muscle["difference"] < 1e-5
    assert sorted(item.name for item in (folder / "micro").iterdir()) == [
        "joint_main.cc",
        "joint_model.c",
        "joint_model.h",
    ]


def test_the_array_equals_the_file_and_the_header_describes_it(exported):
    folder, _ = exported
    source = (folder / "micro/joint_model.c").read_text()
    content = bytes(int(byte, 16) for byte in re.findall(r"0x[0-9a-f]{2}", source))
    inside = embedded.read_tflite(content, source="joint_model.c")
    header = (folder / "micro/joint_model.h").read_text()
    assert f"#define JOINT_MODEL_BYTES {len(content)}\n" in header
    assert inside["content_sha256"] in header
    assert "4 channels: soleus_ipsi glmed1_ipsi glmed2_ipsi soleus_contra" in header
    assert "#define JOINT_SAMPLES 20\n#define JOINT_INPUTS 4\n#define JOINT_OUTPUTS 2\n" in header
    result = micro.measure_micro(content)
    assert f"#define JOINT_ARENA_BYTES {result.arena_bytes}\n" in header


def test_the_resolver_lists_exactly_the_operators_used(exported):
    folder, _ = exported
    (listed,) = json.loads((folder / "index.json").read_text())["files"]
    program = (folder / "micro/joint_main.cc").read_text()
    added = re.findall(r"operators\.(Add\w+)\(\)", program)
    assert added == [c_array.adder(name) for name in sorted(listed["operators"])]
    assert f"MicroMutableOpResolver<{len(listed['operators'])}>" in program


@pytest.mark.parametrize(
    "words",
    [
        ["cc", "-std=c99", "-Wpedantic"],
        ["cc", "-std=c11", "-Wpedantic"],
        ["c++", "-std=c++11", "-x", "c++"],
    ],
    ids=["c99", "c11", "c++11"],
)
def test_the_array_compiles(exported, tmp_path, words):
    if shutil.which(words[0]) is None:
        pytest.skip(f"no {words[0]}: the generated array is not compiled")
    compile_it([*words, exported[0] / "micro/joint_model.c", "-o", tmp_path / "joint.o"])
    assert (tmp_path / "joint.o").stat().st_size > 200_000


def test_the_usage_example_compiles(exported, tmp_path):
    """Against tflite-micro's own headers; the pip package brings none."""
    folders = os.environ.get(HEADERS)
    if not folders:
        pytest.skip(f"no headers of tflite-micro: set {HEADERS} to its include folders, with ':'")
    asked = [word for folder in folders.split(":") for word in ("-isystem", folder)]
    words = ["c++", "-std=c++17", "-DTF_LITE_STATIC_MEMORY", "-fsyntax-only", *asked]
    compile_it([*words, exported[0] / "micro/joint_main.cc"])


def compile_it(words):
    done = subprocess.run(
        [*map(str, words), "-Wall", "-Wextra", "-Werror", "-c"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[:3000]


def test_a_model_without_recurrence_is_quantised(tmp_path):
    refiner = small.by_hand()
    files = export(refiner, tmp_path / "x", formats=["micro"], timed=False).files
    assert [item.file for item in files] == ["micro/soleus_model.c", "micro/glmed1_model.c"]
    assert {item.precision for item in files} <= {"int8", "float32"}
    for item in files:
        assert item.arena_bytes < 8 * 1024
        # earlier attempts are reported
        assert bool(item.notes) == (item.precision == "float32")


def test_what_does_not_fit_states_the_reason(tmp_path):
    keras = load_keras()
    given = keras.Input((20, 4))
    gelu = keras.Model(given, keras.layers.Dense(2, activation="gelu")(given))
    result = micro.measure_micro(converted(gelu, tmp_path / "gelu"))
    assert (result.arena_bytes, result.fits) == (None, False)
    assert "is missing there" in result.reason or "is refused there" in result.reason
    plain = converted(small.affine(20, [[1], [2]], [0]), tmp_path / "plain")
    fitting = micro.measure_micro(plain)
    assert fitting.fits
    assert 500 < fitting.arena_bytes < 4000
    assert fitting.difference < 1e-6
    too_large = micro.measure_micro(plain, arena_limit=fitting.arena_bytes - 1)
    assert too_large.arena_bytes == fitting.arena_bytes
    assert re.fullmatch(r"its arena is \d\.\d KB, the limit is \d KB", too_large.reason)


def test_dynamic_quantisation_is_refused_there(tmp_path):
    wide = small.affine(20, np.ones((40, 64)), np.zeros(64))
    result = micro.measure_micro(converted(wide, tmp_path, precision="dynamic"))
    assert "FULLY_CONNECTED is refused there" in result.reason


def test_over_the_limit_nothing_is_written(tmp_path):
    with pytest.raises(ExportError, match=r"float32 does not fit .* the limit is 1 KB"):
        export(
            small.joint("stdr-net-temporal", units=8),
            tmp_path / "x",
            formats=["micro"],
            arena_limit=1024,
        )
    assert list(tmp_path.iterdir()) == []


def test_other_numbers_are_found(tmp_path, monkeypatch):
    content = converted(small.affine(20, [[1], [2]], [0]), tmp_path)
    given = micro.synthetic_rows((20, 2))

    def run(content, rows):
        return 1000, "", rows.sum(axis=2, keepdims=True)

    monkeypatch.setattr(micro, "_run", run)
    assert "it differs from LiteRT by" in micro.measure_micro(content, rows=given).reason
    monkeypatch.setattr(micro, "_run", lambda *_: (1000, "", np.full((3, 20, 1), np.nan)))
    assert "it differs from LiteRT by nan" in micro.measure_micro(content, rows=given).reason


@pytest.mark.parametrize(
    ("run", "reported"),
    [
        (lambda *_: os.kill(os.getpid(), 9), "its interpreter crashed (SIGKILL)"),
        (lambda *_: time.sleep(30), "it did not finish within 1 s"),
        (lambda *_: os.write(2, b"Didn't find op for builtin opcode 'GELU'\n") / 0, "GELU is miss"),
    ],
)
def test_an_interpreter_that_fails_takes_only_itself(tmp_path, monkeypatch, run, reported):
    monkeypatch.setattr(_micro, "_run", run)
    monkeypatch.setattr(_micro, "SECONDS_PER_ATTEMPT", 1)
    arena, reason = _micro._smallest_arena(tmp_path)
    assert arena is None
    assert reported in reason


def test_the_smallest_arena_is_looked_for_where_the_recorded_one_is_too_small(
    tmp_path, monkeypatch
):
    """As with models that borrow memory while they are prepared."""

    def run(folder, arena, first):
        assert first == 1
        if arena < 15_008:
            os.kill(os.getpid(), 9)
        os.write(2, b"Arena allocation total 13488 bytes\n")

    monkeypatch.setattr(_micro, "_run", run)
    arena, reason = _micro._smallest_arena(tmp_path)
    assert reason == ""
    assert 15_008 <= arena < 15_008 + _micro.ALIGNMENT


def test_a_missing_package_is_reported(monkeypatch, tmp_path):
    monkeypatch.setattr(micro.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"nem2e-tf\[micro\].*Linux on x86-64 only"):
        export(small.by_hand(), tmp_path / "x", formats=["micro"])


def test_text_of_others_does_not_end_a_comment():
    metadata = {
        "model": "x */ int main",
        "pattern": "all-entire",
        "channels": ["a */"],
        "muscles": [{"name": "soleus"}],
        "precision": "float32",
        "recurrence": "loop",
        "licence": "/* CC0 */",
        "content_sha256": "0" * 64,
        "operators": {"ADD": 1},
    }
    texts = c_array.sources(
        "soleus",
        b"abc",
        metadata=metadata,
        arena_bytes=100,
        shape=(20, 1, 1),
        expected=np.zeros((20, 1), np.float32),
        tolerance=1e-5,
    )
    comment = texts["soleus_model.h"].split("#ifndef")[0]
    assert comment.count("*/") == comment.count("/*") == 1
