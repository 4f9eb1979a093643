"""Export: the file does what the refiner does, or there is no file."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from support import small_refiners as small
from support.exporting import started

from nem2e_tf.cli.export import command
from nem2e_tf.errors import ExportError, InputError
from nem2e_tf.export import parity
from nem2e_tf.export.context import Job, Limits
from nem2e_tf.export.exporter import export
from nem2e_tf.export.file import metadata
from nem2e_tf.export.file.audit import Audit, Signature, audit_tflite, check_tflite
from nem2e_tf.export.formats import tflite
from nem2e_tf.export.graph.pieces import layer_by_layer, pieces_of, write_saved_model
from nem2e_tf.refiners.refiner import save_refiner


def export_tflite(refiner, folder, **more):
    return export(refiner, folder, formats=["tflite"], timed=False, **more).files


REFINE = Signature("refine", {"simulated": "float32"}, {"refined": "float32"})


@pytest.fixture(scope="module")
def refiner():
    return small.joint("stdr-net-temporal", units=8)


@pytest.fixture(scope="module")
def exported(refiner, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "export"
    return folder, export(refiner, folder, formats=["saved-model", "tflite"]).files


def test_both_formats_do_what_the_refiner_does(exported):
    _, files = exported
    assert [item.format for item in files] == ["saved-model", "tflite"]
    for item in files:
        assert [muscle["muscle"] for muscle in item.parity] == ["soleus", "glmed1"]
        for muscle in item.parity:
            assert muscle["difference"] < 1e-5
            assert abs(muscle["rmse_change"]) < 1e-4
            assert muscle["n_cycles"] == 4  # the cycles held out


def test_the_index_lists_what_is_there(exported):
    folder, files = exported
    index = json.loads((folder / "index.json").read_text())
    assert [item["file"] for item in index["files"]] == ["saved_model/joint", "joint.tflite"]
    assert index["channels"] == list(small.CHANNELS)
    assert index["muscles"] == ["soleus", "glmed1"]
    assert files[1].n_bytes == (folder / "joint.tflite").stat().st_size
    assert sorted(item.name for item in folder.iterdir()) == [
        "README.md",
        "index.json",
        "joint.tflite",
        "joint.tflite.json",
        "saved_model",
    ]


def test_the_file_contains_all_required_metadata(exported):
    folder, files = exported
    content = (folder / "joint.tflite").read_bytes()
    inside = metadata.read_tflite(content, source="joint.tflite")
    assert inside == json.loads((folder / "joint.tflite.json").read_text())
    assert inside["channels"] == list(small.CHANNELS)
    assert inside["muscles"][1]["counterparts"] == ["glmed1_ipsi", "glmed2_ipsi"]
    assert inside["samples"] == inside["model_samples"] == 20
    assert inside["units"]["refined"] == "EMG over the subject's maximum"
    assert (inside["licence"], inside["cohort_digest"]) == ("CC0-1.0", "ab" * 32)
    assert inside["metrics"] == {"skill": 0.25}
    assert inside["operators"] == files[1].operators
    assert inside["parity"]["muscles"] == list(files[1].parity)
    assert inside["content_bytes"] == len(content)


def test_loop_and_unrolled_hold_the_same_weights(refiner, exported, tmp_path):
    (item,) = export_tflite(refiner, tmp_path / "unrolled", recurrence="unrolled")
    assert exported[1][1].operators["WHILE"] == 2
    assert "WHILE" not in item.operators
    assert max(muscle["difference"] for muscle in item.parity) < 1e-5
    forms = [layer.form for layer in refiner.models["joint"].layers if hasattr(layer, "form")]
    assert forms
    assert set(forms) == {"unrolled"}, "exporting must leave the model as it was"


def test_buffers_are_aligned(exported):
    from ai_edge_litert import schema_py_generated as schema

    content = (exported[0] / "joint.tflite").read_bytes()
    model = schema.Model.GetRootAs(content, 0)
    places = []
    for index in range(model.BuffersLength()):
        array = model.Buffers(index).DataAsNumpy()
        if isinstance(array, np.ndarray) and array.size:
            places.append(array.__array_interface__["data"][0])
    start = np.frombuffer(content, np.uint8).__array_interface__["data"][0]
    assert len(places) > 5
    assert {(place - start) % 16 for place in places} == {0}


def test_each_model_gets_a_file(tmp_path):
    files = export_tflite(small.by_hand(), tmp_path / "export")
    assert [item.file for item in files] == ["soleus.tflite", "glmed1.tflite"]
    inside = metadata.read_tflite((tmp_path / "export/glmed1.tflite").read_bytes(), source="")
    assert inside["channels"] == ["glmed1_ipsi", "glmed2_ipsi"]
    assert [muscle["name"] for muscle in inside["muscles"]] == ["glmed1"]
    assert inside["n_parameters"] == 2


def test_a_file_that_differs_is_not_written(refiner, tmp_path):
    limits = {"float32": Limits(difference=0.0, rmse=1.0)}
    with pytest.raises(ExportError, match=r"of the range, found .*\(muscle \w+, reference cycle"):
        export_tflite(refiner, tmp_path / "export", limits=limits)
    assert list(tmp_path.iterdir()) == []


def test_a_changed_weight_is_found(tmp_path):
    refiner = small.by_hand()
    write_saved_model(refiner.models["soleus"], tmp_path / "saved", batch=1)
    job = Job(tmp_path / "saved", tmp_path / "soleus.tflite")
    tflite.convert([job])
    run, piece = started(refiner, tmp_path), pieces_of(refiner)[0]
    tflite.finish(run, piece, job)
    content = job.target.read_bytes()
    assert content.count(struct.pack("<f", 2.0)) == 1
    job.target.write_bytes(content.replace(struct.pack("<f", 2.0), struct.pack("<f", 2.001)))
    with pytest.raises(ExportError, match=r"soleus\.tflite: .*muscle soleus, reference cycle"):
        tflite.finish(run, piece, job)


def test_flex_operators_are_found(tmp_path):
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((1, 20, 1), tf.float32, name="simulated")])
    def refine(simulated):
        square = tf.matmul(simulated, simulated, transpose_b=True) + tf.eye(20)
        return {"refined": tf.matmul(tf.linalg.inv(square), simulated)}

    module = tf.Module()
    module.refine = refine
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures={"refine": refine})
    with pytest.raises(
        ExportError, match=r"x\.tflite: conversion .* \(TF Select ops: MatrixInverse\)"
    ) as caught:
        tflite.convert([Job(tmp_path / "saved", tmp_path / "x.tflite")])
    assert "\n" not in str(caught.value)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved"))
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS,
        tf.lite.OpsSet.SELECT_TF_OPS,
    ]
    found = audit_tflite(converter.convert())
    with pytest.raises(ExportError, match="found FlexMatrixInverse"):
        check_tflite(found, name="x.tflite")


@pytest.mark.parametrize(
    ("found", "reported"),
    [
        (Audit({"ADD": 1, "VAR_HANDLE": 1}, (REFINE,)), "VAR_HANDLE: an operator on a variable"),
        (Audit({"READ_VARIABLE": 1}, (REFINE,)), "not frozen"),
        (Audit({"MyOwn": 1}, (REFINE,)), "MyOwn: a custom operator"),
        (Audit({"ADD": 1}, ()), "expected a signature refine"),
        (Audit({"ADD": 1}, (replace(REFINE, inputs={"x": ""}),)), "from simulated to refined"),
    ],
)
def test_audit_refuses(found, reported):
    with pytest.raises(ExportError, match=reported):
        check_tflite(found, name="x.tflite")


def test_audit_accepts_builtin_operators():
    check_tflite(Audit({"ADD": 3, "WHILE": 1}, (REFINE,)), name="x.tflite")


@pytest.mark.parametrize(
    ("script", "reported"),
    [
        ("kill -SEGV $$", "the converter crashed \\(SIGSEGV\\)"),
        ("echo some reason >&2; exit 3", "stopped with code 3 \\(some reason\\)"),
        ("exec sleep 60", "did not finish within 1 s"),
    ],
)
def test_a_converter_that_fails_takes_only_itself(tmp_path, monkeypatch, script, reported):
    stub = tmp_path / "python"
    stub.write_text(f"#!/bin/sh\n{script}\n")
    stub.chmod(0o755)
    monkeypatch.setattr(tflite.sys, "executable", str(stub))
    monkeypatch.setattr(tflite, "SECONDS_TO_START", 1)
    monkeypatch.setattr(tflite, "SECONDS_PER_MODEL", 0)
    with pytest.raises(ExportError, match=reported):
        tflite.convert([Job(tmp_path / "saved", tmp_path / "x.tflite")])


def test_parity_by_hand():
    refiner = np.array([[0.0, 1.0], [2.0, 1.0]])[:, :, None]
    file = refiner + np.array([[0.0, 0.0], [0.0, 0.2]])[:, :, None]
    measured = np.array([[np.nan, 0.0], [1.0, 1.0]])[:, :, None]
    (found,) = parity.compare(
        refiner, file, measured, muscles=["soleus"], scored=np.array([True, True])
    )
    assert found.range == 2
    assert found.difference == pytest.approx(0.1)
    assert found.rms_difference == pytest.approx(0.05)
    assert (found.worst_cycle, found.n_cycles) == (1, 1)  # the first cycle has no EMG
    assert found.rmse_refiner == pytest.approx(np.sqrt(0.5))
    assert found.rmse_file == pytest.approx(np.sqrt((1 + 0.04) / 2))
    assert found.rmse_change == pytest.approx(np.sqrt(1.04) - 1)
    assert found.skill_refiner is None
    with pytest.raises(ExportError, match=r"at most 1e-02 of the range, found 1\.0e-01"):
        parity.check_limits([found], Limits(difference=0.01, rmse=0.1), name="x")
    small_change = replace(found, difference=0.001)
    with pytest.raises(ExportError, match=r"at most 1\.00%, found \+1\.98%.* cycle 1"):
        parity.check_limits([small_change], Limits(difference=0.001, rmse=0.01), name="x")
    passes = Limits(difference=0.11, rmse=0.01, negligible=0.11)
    parity.check_limits([found], passes, name="rounding passes")


def test_parity_without_measured_cycles_and_with_nan():
    curves = np.ones((2, 3, 1))
    (found,) = parity.compare(
        curves, curves, curves * np.nan, muscles=["a"], scored=np.ones(2, bool)
    )
    assert (found.rmse_refiner, found.rmse_change, found.n_cycles) == (None, 0.0, 0)
    bad = curves.copy()
    bad[1, 2, 0] = np.inf
    with pytest.raises(ExportError, match="NaN or infinity in cycle 1"):
        parity.compare(curves, bad, curves, muscles=["a"], scored=np.ones(2, bool))


texts = st.text(max_size=20)


@given(st.dictionaries(texts, st.one_of(texts, st.integers(-9, 9), st.lists(texts, max_size=3))))
@settings(max_examples=30, deadline=None)
def test_any_metadata_comes_back(plain, more):
    sealed = metadata.embed_tflite(plain, more)
    inside = metadata.read_tflite(sealed, source="x")
    own = {"kind", "format", "content_bytes", "content_sha256"}
    assert {key: inside[key] for key in inside if key not in own} == {
        key: value for key, value in more.items() if key not in own
    }
    assert sealed == metadata.embed_tflite(plain, more)
    assert metadata.read_tflite(metadata.embed_tflite(sealed, {"new": 1}), source="x")["new"] == 1


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    place = tmp_path_factory.mktemp("plain")
    write_saved_model(small.affine(20, [[2]], [0]), place / "saved", batch=1)
    tflite.convert([Job(place / "saved", place / "x.tflite")])
    return (place / "x.tflite").read_bytes()


def test_wrong_arguments_and_folders_are_refused(refiner, tmp_path):
    with pytest.raises(InputError, match="found coreml"):
        export(refiner, tmp_path / "x", formats=["coreml"])
    with pytest.raises(InputError, match="expected auto or loop or unrolled or fused, found gru"):
        export_tflite(refiner, tmp_path / "x", recurrence="gru")
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"found thesis\.txt"):
        export_tflite(refiner, tmp_path)
    (tmp_path / "index.json").write_text("{}")
    with pytest.raises(InputError, match="expected the index of an export"):
        export_tflite(refiner, tmp_path)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["index.json", "thesis.txt"]


def test_command(tmp_path):
    refiner = small.by_hand()
    save_refiner(tmp_path / "refiner", refiner.models, refiner.info, refiner.reference)
    given = [str(tmp_path / "refiner"), "-o", str(tmp_path / "out")]
    run = CliRunner().invoke(command, given)
    assert run.exit_code == 2
    assert "give --saved-model, --tflite, --onnx" in run.stderr
    assert not (tmp_path / "out").exists()
    run = CliRunner().invoke(command, [*given, "--tflite"])
    assert run.exit_code == 0, run.output
    assert "soleus.tflite" in run.stdout
    assert (tmp_path / "out/index.json").is_file()
    run = CliRunner().invoke(command, [*given, "--saved-model", "--json"])
    listed = json.loads(run.stdout)
    assert [item["format"] for item in listed["files"]] == ["saved-model"] * 2
    assert not (tmp_path / "out/soleus.tflite").exists()


def test_a_folder_is_exported_and_the_result_lists_its_files(tmp_path, capsys):
    refiner = small.by_hand()
    save_refiner(tmp_path / "refiner", refiner.models, refiner.info, refiner.reference)
    result = export(tmp_path / "refiner", tmp_path / "out", formats=["saved-model"])
    names = ["saved_model/soleus", "saved_model/glmed1"]
    assert result.paths == tuple(tmp_path / "out" / name for name in names)
    assert [muscle["muscle"] for muscle in result.parity[names[1]]] == ["glmed1"]
    result.table()
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["file", *names]


def test_layers_are_called_one_by_one_also_within_models():
    keras = small.load_keras()
    inner = small.affine(20, [[2]], [1])
    given = keras.Input((20, 1))
    model = keras.Model(given, keras.layers.Dense(1)(inner(given)))
    called = []

    def call(layer, *inputs, **options):
        called.append(type(layer).__name__)
        return layer(*inputs, **options)

    rows = np.random.default_rng(0).random((3, 20, 1)).astype(np.float32)
    found = layer_by_layer(model)(rows, call)
    np.testing.assert_allclose(found, model(rows), rtol=1e-6)
    assert called == ["Dense", "Dense"]
