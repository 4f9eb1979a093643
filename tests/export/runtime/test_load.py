"""The runtime: exported files without TensorFlow, and what is refused before it could crash."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from support import small_refiners as small

from nem2e_tf.cli.inspect import inspect_command as inspect
from nem2e_tf.errors import InputError
from nem2e_tf.export.exporter import export
from nem2e_tf.export.runtime.interpreters import _numbers
from nem2e_tf.export.runtime.load import load
from nem2e_tf.io.storage import Storage, read_storage, write_storage
from nem2e_tf.refiners.recording import refine_recording
from nem2e_tf.refiners.refiner import Refiner

EXAMPLE = Path(__file__).parents[3] / "export" / "python" / "refine_file.py"
NAMES = list(small.CHANNELS)


@pytest.fixture(scope="module")
def refiner():
    return small.by_hand()


@pytest.fixture(scope="module")
def folder(refiner, tmp_path_factory):
    place = tmp_path_factory.mktemp("exported") / "export"
    export(refiner, place, formats=["tflite"])
    return place


@pytest.fixture(scope="module")
def quarters(tmp_path_factory):
    models = {"soleus": small.ramp(5), "glmed1": small.ramp(5)}
    made = Refiner(small.info("one-quarter", "each"), models, small.reference())
    place = tmp_path_factory.mktemp("quarters") / "export"
    export(made, place, formats=["tflite"])
    return made, place


def test_a_folder_gives_all_muscles(refiner, folder):
    runtime = load(folder)
    simulated = refiner.reference.simulated
    refined = runtime.refine(simulated, channels=NAMES)
    np.testing.assert_allclose(refined, refiner.predict(simulated), rtol=1e-6)
    assert runtime.muscles == ("soleus", "glmed1")
    assert runtime.channels == tuple(NAMES[:3])
    assert runtime.notes == ("1 channel not used: soleus_contra",)
    assert [item["model"] for item in runtime.metadata] == ["by-hand"] * 2


def test_a_file_gives_its_muscle(refiner, folder):
    runtime = load(folder / "glmed1.tflite")
    cycle = refiner.reference.simulated[0]
    refined = runtime.refine(cycle[:, 1:3])
    np.testing.assert_allclose(refined[:, 0], 1 + cycle[:, 1:3].mean(axis=1), rtol=1e-6)
    assert runtime.notes == ("channels not named: taken in the refiner's own order",)


def test_channels_are_put_in_order(refiner, folder):
    runtime = load(folder)
    cycle = refiner.reference.simulated[0]
    expected = runtime.refine(cycle, channels=NAMES)
    np.testing.assert_array_equal(runtime.refine(cycle[:, ::-1], channels=NAMES[::-1]), expected)
    assert "channels reordered by name" in runtime.notes
    by_name = dict(zip(NAMES, cycle.T, strict=True))
    np.testing.assert_array_equal(runtime.refine(by_name), expected)
    cycles = {name: np.stack([curve, curve]) for name, curve in by_name.items()}
    np.testing.assert_array_equal(runtime.refine(cycles)[1], expected)


def test_quarters(quarters):
    made, place = quarters
    simulated = made.reference.simulated
    refined = load(place).refine(simulated, channels=NAMES)
    np.testing.assert_allclose(refined, made.predict(simulated), rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "channels", "reported"),
    [
        ((20, 4), ["soleus_ipsi", "glmed1_ipsi", "glmed2", "x"], "expected glmed2_ipsi"),
        ((20, 2), None, "expected 3 channels, found 2"),
        ((19, 3), None, "expected \\[20, channel\\]"),
        ((2, 2, 20, 3), None, "expected \\[20, channel\\]"),
    ],
)
def test_wrong_channels_are_refused(folder, shape, channels, reported):
    with pytest.raises(InputError, match=reported):
        load(folder).refine(np.zeros(shape), channels=channels)


def test_nan_is_refused(folder):
    cycle = np.zeros((20, 3))
    cycle[4, 0] = np.nan
    with pytest.raises(InputError, match="found nan in cycle 0, sample 4, channel soleus_ipsi"):
        load(folder).refine(cycle)


def test_truncated_files_are_reported(folder, tmp_path):
    content = (folder / "soleus.tflite").read_bytes()
    for length in (0, 4, 8, 100, len(content) // 2, len(content) - 1):
        cut = tmp_path / "cut.tflite"
        cut.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"cut\.tflite: expected"):
            load(cut)
    cut.write_bytes(content[:-1])
    with pytest.raises(InputError, match=f"expected {len(content)} bytes, found"):
        load(cut)


def test_every_changed_byte_is_reported(folder, tmp_path):
    content = (folder / "soleus.tflite").read_bytes()
    random = np.random.default_rng(0)
    for place in [*range(12), *random.integers(0, len(content), 200)]:
        changed = bytearray(content)
        changed[place] ^= int(random.integers(1, 256))
        (tmp_path / "x.tflite").write_bytes(changed)
        with pytest.raises(InputError) as caught:
            load(tmp_path / "x.tflite")
        assert "\n" not in str(caught.value)


def test_other_peoples_files_are_reported(tmp_path, folder):
    from ai_edge_litert import schema_py_generated as schema
    from flatbuffers import Builder

    content = (folder / "soleus.tflite").read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    for entry in model.metadata:
        if entry.name == b"NEM2E_METADATA":
            model.buffers[entry.buffer].data = None
    model.metadata = []
    builder = Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    foreign = tmp_path / "foreign.tflite"
    foreign.write_bytes(builder.Output())
    with pytest.raises(InputError, match="another project's"):
        load(foreign)
    foreign.write_bytes(builder.Output()[:400])
    with pytest.raises(InputError, match="found a damaged one"):
        load(foreign)
    foreign.write_text("not a model")
    with pytest.raises(InputError, match="expected a TFLite file, found something else"):
        load(foreign)
    with pytest.raises(InputError, match="no such file"):
        load(tmp_path / "absent.tflite")


def test_wrong_folders_are_reported(tmp_path, folder):
    with pytest.raises(InputError, match=r"export folder with index\.json"):
        load(tmp_path)
    index = json.loads((folder / "index.json").read_text())
    for change, reported in (
        ({"kind": "x"}, "found something else"),
        ({"format": 2}, "index format 1, found 2"),
        ({"files": []}, "other formats only"),
        ({"files": [{"format": "tflite"}]}, "a complete index"),
        ({"files": [{"format": "tflite", "file": "gone.tflite"}]}, "no such file"),
    ):
        (tmp_path / "index.json").write_text(json.dumps({**index, **change}))
        with pytest.raises(InputError, match=reported):
            load(tmp_path)


def test_numbers_that_integers_cannot_hold_are_reported(folder):
    steps = {"quantization": (0.1, -5), "dtype": np.int8}
    runtime = load(folder / "glmed1.tflite")
    interpreter = runtime.files[0].interpreter
    whole = interpreter._integers(np.array([0.0, 1.0, 99.0, -99.0]), steps)
    assert whole.dtype == np.int8
    assert whole.tolist() == [-5, 5, 127, -128]
    assert interpreter.clipped == 2
    np.testing.assert_allclose(_numbers(whole[:2], steps), [0, 1])

    def run(signature, /, **inputs):
        interpreter._integers(inputs["simulated"], steps)
        return {"refined": inputs["simulated"]}

    interpreter.run = run
    cycle = np.zeros((20, 2))
    cycle[3] = 50
    runtime.refine(cycle)
    assert runtime.notes[-1] == "1 value clipped to the range of the quantised input"


ONLY_THESE = """
import sys, time
class Others:
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        if top not in {*sys.stdlib_module_names, "numpy", "ai_edge_litert", "nem2e_tf"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Others())
before = time.process_time()
from nem2e_tf.export.runtime.load import load
print(time.process_time() - before)
from nem2e_tf.refiners.recording import refine_recording
from nem2e_tf.io.storage import read_storage, write_storage
refined = refine_recording(load(sys.argv[1]), read_storage(sys.argv[2]), [(0.5, 1.5)], side="l")
write_storage(sys.argv[3], refined.storage)
"""


def test_numpy_and_litert_are_enough(refiner, folder, tmp_path):
    """As in an environment with nothing else in it; processor time, as others use the machine."""
    time = np.arange(101) / 50
    curves = 0.5 + 0.4 * np.sin(2 * np.pi * time[:, None] + np.arange(4))
    labels = ("soleus_l", "glmed1_l", "glmed2_l", "soleus_r")
    recording = Storage("walk", labels, time, curves)
    write_storage(tmp_path / "so.sto", recording)
    files = [str(folder), str(tmp_path / "so.sto"), str(tmp_path / "refined.sto")]
    seconds = []
    for _ in range(3):
        run = subprocess.run(
            [sys.executable, "-c", ONLY_THESE, *files], capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr
        seconds.append(float(run.stdout))
    assert min(seconds) < 0.3
    expected = refine_recording(refiner, recording, [(0.5, 1.5)], side="l").storage
    found = read_storage(tmp_path / "refined.sto")
    assert found.labels == expected.labels
    np.testing.assert_allclose(found.data, expected.data, atol=1e-6)


def test_nothing_heavy_is_imported(folder):
    program = (
        "import sys, numpy\n"
        "from nem2e_tf.export.runtime.load import load\n"
        "load(sys.argv[1]).refine(numpy.zeros((20, 3)))\n"
        "print(*(m for m in ('tensorflow', 'keras', 'pandas', 'scipy') if m in sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == ""


def test_inspect(folder):
    file = str(folder / "glmed1.tflite")
    reported = CliRunner().invoke(inspect, [file])
    assert reported.exit_code == 0, reported.output
    for line in (
        "channels: 2: glmed1_ipsi glmed2_ipsi",
        "muscle glmed1: compared with glmed1_ipsi glmed2_ipsi",
        "licence: CC0-1.0",
        "signature refine: simulated float32 [1, 20, 1] -> refined float32 [1, 20, 1]",
    ):
        assert line in reported.stdout
    content = json.loads(CliRunner().invoke(inspect, [file, "--json"]).stdout)
    assert content["metadata"]["cohort"] == "walk"
    assert content["operators"] == content["metadata"]["operators"]
    assert content["signatures"][0]["name"] == "refine"


@pytest.mark.parametrize("which", ["soleus", "glmed1", "quarters"])
def test_example_needs_nothing_of_ours(which, folder, quarters, tmp_path):
    model = (quarters[1] / "soleus.tflite") if which == "quarters" else folder / f"{which}.tflite"
    time = np.linspace(1, 2, 51)
    phases = np.arange(4) * 0.7
    curves = 0.5 + 0.4 * np.sin(2 * np.pi * time[:, None] + phases)
    labels = ("soleus_l", "/forceset/glmed1_l/activation", "glmed2_l.activation", "soleus_r")
    write_storage(tmp_path / "so.sto", Storage("walk", labels, time, curves))
    program = (
        "import runpy, sys\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "assert not {'nem2e_tf', 'tensorflow', 'keras', 'pandas'} & set(sys.modules)"
    )
    given = ["--side", "left", "--start", "1.1", "--end", "1.9"]
    run = subprocess.run(
        [sys.executable, "-c", program, str(EXAMPLE), str(model), str(tmp_path / "so.sto"), *given],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    header, *rows = csv.reader(run.stdout.splitlines())
    assert header == ["time", "glmed1" if which == "glmed1" else "soleus"]
    table = np.array(rows, dtype=float)
    np.testing.assert_allclose(table[:, 0], np.linspace(1.1, 1.9, 20), atol=1e-6)
    from nem2e_tf.refiners.recording import _samples

    runtime = load(model)
    order = [NAMES.index(name) for name in runtime.channels]
    expected = runtime.refine(_samples(time, curves[:, order], 1.1, 1.9))
    np.testing.assert_allclose(table[:, 1], expected[:, 0], atol=1e-6)
