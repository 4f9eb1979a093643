"""One refiner in every format: the same recording comes out, and each format's own messages."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from support import small_refiners as small
from support.exporting import started

from nem2e_tf.cli.export import command as export
from nem2e_tf.cli.inspect import bench_command as bench
from nem2e_tf.cli.inspect import inspect_command as inspect
from nem2e_tf.cli.refine import command as refine
from nem2e_tf.errors import ExportError, InputError
from nem2e_tf.export import latency
from nem2e_tf.export.context import Job
from nem2e_tf.export.file import metadata
from nem2e_tf.export.file.audit import Audit, Signature, check_onnx
from nem2e_tf.export.formats import onnx, tflite
from nem2e_tf.export.graph.pieces import pieces_of, write_saved_model
from nem2e_tf.export.runtime.load import load
from nem2e_tf.io.storage import Storage, read_storage, write_storage
from nem2e_tf.refiners.refiner import save_refiner

NAMES = list(small.CHANNELS)
SOURCES = ("refiner", "export/saved_model", "export/joint.tflite", "export/joint.onnx", "export")
# as a share of the refiner's range; writing a storage file rounds to about 1e-9
LIMIT = 1e-5


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    refiner = small.joint("stdr-net-temporal", units=8)
    folder = tmp_path_factory.mktemp("formats")
    save_refiner(folder / "refiner", refiner.models, refiner.info, refiner.reference)
    given = [str(folder / "refiner"), "--saved-model", "--tflite", "--onnx", "--no-latency"]
    reported = CliRunner().invoke(export, [*given, "-o", str(folder / "export")])
    assert reported.exit_code == 0, reported.output
    assert [line.split()[0] for line in reported.stdout.splitlines()[1:4]] == [
        "saved_model/joint",
        "joint.tflite",
        "joint.onnx",
    ]
    return folder


def refined_by_each(place, tmp_path, *given):
    found = {}
    for source in SOURCES:
        file = tmp_path / "refined.sto"
        reported = CliRunner().invoke(refine, [str(place / source), *given, "-o", str(file)])
        assert reported.exit_code == 0, (reported.output, reported.exception)
        found[source] = read_storage(file)
        file.unlink()
    return found


def hold_to_the_first(found):
    first = found[SOURCES[0]]
    for source, table in found.items():
        assert table.labels == first.labels == ("soleus_l", "glmed1_l")
        np.testing.assert_array_equal(table.time, first.time)
        for theirs, ours in zip(table.data.T, first.data.T, strict=True):
            assert np.abs(theirs - ours).max() < LIMIT * np.ptp(ours), source


def test_every_format_refines_a_recording_alike(place, tmp_path):
    time = np.arange(201) / 50
    labels = ("soleus_l", "glmed1_l", "glmed2_l", "soleus_r")
    curves = 0.5 + 0.4 * np.sin(2 * np.pi * time[:, None] * 0.9 + np.arange(4))
    write_storage(tmp_path / "walk.sto", Storage("walk", labels, time, curves))
    (tmp_path / "events.csv").write_text("start,end\n0.5,1.6\n1.6,2.75\n")
    events = ["--side", "left", "--events", str(tmp_path / "events.csv")]
    found = refined_by_each(place, tmp_path, str(tmp_path / "walk.sto"), *events)
    assert found["refiner"].n_rows == 113
    hold_to_the_first(found)


def test_onnx_files_contain_their_metadata(place):
    file = place / "export/joint.onnx"
    inside = metadata.read_onnx(file.read_bytes(), source="")
    assert inside == json.loads((place / "export/joint.onnx.json").read_text())
    assert inside["channels"] == NAMES
    assert set(inside["versions"]) >= {"tf2onnx", "onnx", "onnxruntime"}
    reported = CliRunner().invoke(inspect, [str(file)])
    assert reported.exit_code == 0, reported.output
    assert "licence: CC0-1.0" in reported.stdout
    one = "signature refine: simulated float32 [1, 20, 4] -> refined float32 [1, 20, 2]"
    assert one in reported.stdout
    listed = json.loads(CliRunner().invoke(inspect, [str(file), "--json"]).stdout)
    assert listed["operators"] == inside["operators"]
    assert {"Loop", "Tanh"} <= set(inside["operators"])  # those within the loop too


def test_onnx_metadata_is_an_ordinary_property(place):
    import onnxruntime

    session = onnxruntime.InferenceSession(place / "export/joint.onnx")
    ours = session.get_modelmeta().custom_metadata_map["NEM2E_METADATA"]
    assert json.loads(ours)["muscles"][0]["name"] == "soleus"


def test_onnx_refuses_and_reorders_by_name(place):
    runtime = load(place / "export/joint.onnx")
    cycle = np.random.default_rng(0).random((20, 4))
    expected = runtime.refine(cycle, channels=NAMES)
    assert expected.shape == (20, 2)
    np.testing.assert_array_equal(runtime.refine(cycle[:, ::-1], channels=NAMES[::-1]), expected)
    assert runtime.notes == ("channels reordered by name",)
    with pytest.raises(InputError, match="expected soleus_contra, not found"):
        runtime.refine(cycle, channels=[*NAMES[:3], "soleus_contraa"])
    with pytest.raises(InputError, match=r"joint\.onnx: expected the signature step, found refine"):
        runtime.stream()


def test_damaged_onnx_files_are_reported(place, tmp_path):
    content = (place / "export/joint.onnx").read_bytes()
    file = tmp_path / "x.onnx"
    for length in (0, 1, 100, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"x\.onnx: expected") as caught:
            load(file)
        assert "\n" not in str(caught.value)
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="found a truncated one"):
        load(file)
    random = np.random.default_rng(0)
    for where in random.integers(0, len(content), 50):
        changed = bytearray(content)
        changed[where] ^= int(random.integers(1, 256))
        file.write_bytes(changed)
        with pytest.raises(InputError):
            load(file)


def test_other_peoples_onnx_files_are_reported(place, tmp_path):
    import onnx as library

    model = library.load(place / "export/joint.onnx")
    del model.metadata_props[:]
    file = tmp_path / "x.onnx"
    file.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="another project's"):
        load(file)
    file.write_text("not a model")
    with pytest.raises(InputError, match=r"an ONNX file with NEM2E_METADATA, found something else"):
        load(file)
    file.unlink()
    with pytest.raises(InputError, match="expected an ONNX file, found no such file"):
        load(file)
    # a TFLite file by another name is read as what it is
    file.write_bytes((place / "export/joint.tflite").read_bytes())
    assert load(file).muscles == ("soleus", "glmed1")


def test_a_changed_onnx_weight_is_found(tmp_path):
    import onnx as library

    refiner = small.by_hand()
    (piece, _) = pieces_of(refiner)
    graph = library.helper.make_graph(
        [library.helper.make_node("Mul", ["simulated", "gain"], ["refined"])],
        "twice",
        [library.helper.make_tensor_value_info("simulated", 1, [1, 20, 1])],
        [library.helper.make_tensor_value_info("refined", 1, [1, 20, 1])],
        [library.helper.make_tensor("gain", 1, [1], [2.0])],
    )
    opset = [library.helper.make_opsetid("", 15)]
    model = library.helper.make_model(graph, opset_imports=opset, ir_version=8)
    run, job = started(refiner, tmp_path), Job(tmp_path, tmp_path / "soleus.onnx")

    def finish():
        job.target.write_bytes(model.SerializeToString())
        onnx.finish(run, piece, job)

    finish()
    model.graph.initializer[0].float_data[0] = 2.001
    with pytest.raises(ExportError, match=r"soleus\.onnx: .*muscle soleus, reference cycle"):
        finish()
    model.graph.node[0].domain = "com.mine"
    with pytest.raises(ExportError, match=r"found com\.mine\.Mul: a custom operator"):
        finish()


def test_onnx_audit_refuses_other_tensors():
    found = Audit({"Mul": 1}, (Signature("refine", {"x": ""}, {"refined": ""}),))
    with pytest.raises(
        ExportError, match=r"from simulated to refined, found refine \(x to refined\)"
    ):
        check_onnx(found, name="x.onnx")


def test_without_the_extra_it_is_named(place, tmp_path, monkeypatch):
    from nem2e_tf.cli import inspect as bench_module

    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"joint\.onnx: requires onnxruntime.*nem2e-tf\[onnx\]"):
        load(place / "export/joint.onnx")
    monkeypatch.setattr(bench_module.importlib.util, "find_spec", lambda name: None)
    given = [str(place / "refiner"), "--onnx", "-o", str(tmp_path / "out")]
    reported = CliRunner().invoke(export, given)
    assert isinstance(reported.exception, InputError)
    assert "pip install 'nem2e-tf[onnx]'" in str(reported.exception)
    files = [str(place / "export" / name) for name in ("joint.tflite", "joint.onnx")]
    reported = CliRunner().invoke(bench, ["--runs", "10", *files])
    assert reported.exit_code == 0
    assert "joint.onnx: not measured: onnxruntime is not installed" in reported.stderr
    assert "joint.onnx" not in reported.stdout
    reported = CliRunner().invoke(bench, ["--runs", "10", files[1]])
    assert isinstance(reported.exception, InputError)


def test_saved_models_are_loaded_in_order(place, tmp_path):
    runtime = load(place / "export/saved_model")
    alone = load(place / "export/saved_model/joint")
    cycle = np.random.default_rng(0).random((20, 4))
    np.testing.assert_array_equal(alone.refine(cycle), runtime.refine(cycle))
    assert (runtime.channels, runtime.muscles) == (tuple(NAMES), ("soleus", "glmed1"))
    assert runtime.files[0].interpreter.shapes("refine") == {"simulated": (0, 20, 4)}
    with pytest.raises(InputError, match=r"export folder with index\.json"):
        load(tmp_path)
    index = json.loads((place / "export/index.json").read_text())
    index["files"] = index["files"][1:]
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match="format saved-model, found other formats only"):
        load(tmp_path / "saved_model")


def test_every_kind_of_refiner_has_one_interface(place):
    cycles = np.random.default_rng(0).random((2, 20, 4))
    expected = load(place / "refiner").refine(cycles)
    for source in SOURCES:
        refiner = load(place / source)
        assert refiner.muscles == ("soleus", "glmed1")
        np.testing.assert_allclose(refiner.refine(cycles), expected, atol=1e-5)
        one = pd.DataFrame(cycles[1], columns=NAMES)[NAMES[::-1]]
        for given in (cycles[1], one, dict(one)):
            np.testing.assert_allclose(refiner.refine(given), expected[1], atol=1e-5)
    with pytest.raises(InputError, match=r"a \.tflite to share weights in, found a refiner"):
        load(place / "refiner", shared_weights=True)


def test_inspect_and_bench_take_folders(place):
    for source, count in (("refiner", 1), ("export", 1), ("export/saved_model/joint", 1)):
        reported = CliRunner().invoke(inspect, [str(place / source)])
        assert reported.exit_code == 0, reported.output
        assert reported.stdout.count("licence: CC0-1.0") == count
    reported = CliRunner().invoke(bench, ["--runs", "10", "--json", str(place / "export")])
    (row,) = json.loads(reported.stdout)["files"]
    assert row["file"] == str(place / "export/joint.tflite")


def test_bench_measures_side_by_side(place):
    files = [str(place / "export" / name) for name in ("joint.tflite", "joint.onnx")]
    reported = CliRunner().invoke(bench, ["--runs", "50", "--json", *files])
    assert reported.exit_code == 0, reported.output
    listed = json.loads(reported.stdout)
    assert (listed["runs"], listed["threads"]) == (50, 1)
    for row, file in zip(listed["files"], files, strict=True):
        assert row["file"] == file
        assert 0 < row["median_ms"] <= row["p99_ms"]
        assert row["peak_mb"] is None or 0 < row["peak_mb"] < 80
        assert (row["precision"], row["recurrence"]) == ("float32", "loop")
    lines = CliRunner().invoke(bench, ["--runs", "10", *files]).stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["file", *files]


def test_bench_refuses_what_is_not_ours(tmp_path):
    (tmp_path / "x.tflite").write_text("not a model")
    reported = CliRunner().invoke(bench, [str(tmp_path / "x.tflite")])
    assert isinstance(reported.exception, InputError)
    assert CliRunner().invoke(bench, []).exit_code == 2


def test_a_file_that_ends_its_process_is_reported():
    with pytest.raises(ExportError, match="a file that runs, but its process ended with"):
        latency.measure(b"\0\0\0\0TFL3" + bytes(100), runs=10)


@pytest.mark.slow
def test_every_entry_converts_to_onnx(tmp_path):
    from nem2e_tf import zoo

    made = {}
    for name in zoo.list_models():
        options = {"units": 4} if "units" in zoo.entry(name).options else {}
        refiner = small.joint(name, **options)
        write_saved_model(refiner.models["joint"], tmp_path / name, recurrence="loop", batch=1)
        made[name] = refiner, Job(tmp_path / name, tmp_path / f"{name}.onnx")
    tflite.convert([job for _, job in made.values()])
    for refiner, job in made.values():
        (piece,) = pieces_of(refiner)
        checked = onnx.finish(started(refiner, tmp_path), piece, job)
        assert max(item.difference for item in checked.parity) < LIMIT
