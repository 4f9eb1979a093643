"""LSTMs as one operator that starts every cycle anew, and graphs of integers alone."""

from dataclasses import replace

import numpy as np
import pytest
from support import small_refiners as small
from support.exporting import started

from nem2e_tf.errors import InputError
from nem2e_tf.export.context import LIMITS
from nem2e_tf.export.exporter import export
from nem2e_tf.export.formats import tflite
from nem2e_tf.export.graph import recurrences
from nem2e_tf.export.graph.pieces import pieces_of
from nem2e_tf.export.runtime.interpreters import LiteRT
from nem2e_tf.export.runtime.refiner_file import RefinerFile
from nem2e_tf.names import PRECISIONS
from nem2e_tf.refiners.refiner import Refiner

pytestmark = pytest.mark.slow

# of an untrained network, whose error against EMG says nothing
LOOSE = {name: replace(limits, rmse=1.0) for name, limits in LIMITS.items()}
OPERATOR = "UNIDIRECTIONAL_SEQUENCE_LSTM"


def refiner_of(entry, **options):
    made = small.joint(entry, **options)
    calibration = np.random.default_rng(1).random((12, 20, 4), dtype=np.float32)
    return Refiner(made.info, made.models, replace(made.reference, calibration=calibration))


def jobs(refiner, folder, **choices):
    folder.mkdir()
    (piece,) = pieces_of(refiner)
    return tflite.write_graphs(started(refiner, folder, limits=LOOSE, **choices), piece)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two layers of LSTM in every way that is looked at here, converted in one child process."""
    place = tmp_path_factory.mktemp("forms")
    refiner = refiner_of("lstm", units=6, n_layers=2)
    whole = {"precisions": ("int8",), "io": "int8"}
    ways = {
        "fused": jobs(
            *(refiner, place / "fused"), precisions=PRECISIONS, recurrence="fused", io="int8"
        ),
        "unrolled": jobs(refiner, place / "unrolled", **whole),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recurrences, "RESETS", 0)
        ways["no resets"] = jobs(refiner, place / "none", recurrence="fused")
    tflite.convert([job for own in ways.values() for job in own])
    return refiner, ways


@pytest.fixture(scope="module")
def fused(files):
    """By precision: the checked file."""
    refiner, ways = files
    (piece,) = pieces_of(refiner)
    run = started(refiner, ways["fused"][0].target.parent, limits=LOOSE)
    return {job.precision: tflite.finish(run, piece, job) for job in ways["fused"]}


def float_operators(content):
    """Names of the operators that take or give float numbers."""
    from ai_edge_litert import schema_py_generated as schema

    names = {value: name for name, value in vars(schema.BuiltinOperator).items()}
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    kinds = (schema.TensorType.FLOAT32, schema.TensorType.FLOAT16)
    return [
        names[model.operatorCodes[operator.opcodeIndex].builtinCode]
        for graph in model.subgraphs
        for operator in graph.operators
        if any(
            graph.tensors[place].type in kinds
            for place in (*operator.inputs, *operator.outputs)
            if place >= 0
        )
    ]


def unseen_parts(content):
    """How many outputs of splits nothing reads: calibration knows no range for them."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    unseen = 0
    for graph in model.subgraphs:
        read = {place for operator in graph.operators for place in operator.inputs}
        unseen += sum(
            place not in read
            for operator in graph.operators
            if model.operatorCodes[operator.opcodeIndex].builtinCode == schema.BuiltinOperator.SPLIT
            for place in operator.outputs
        )
    return unseen


def test_every_precision_has_the_operator_and_stays_within_its_limits(fused):
    assert tuple(fused) == PRECISIONS
    for checked in fused.values():
        assert checked.metadata["recurrence"] == "fused"
        assert checked.audit.operators[OPERATOR] == 2
        assert not {"WHILE", "SPLIT"} & set(checked.audit.operators)
    assert max(item.difference for item in fused["float32"].parity) < 1e-5


@pytest.mark.parametrize("precision", PRECISIONS)
def test_nothing_of_a_call_remains(files, fused, precision):
    file = RefinerFile(fused[precision].content, source="x.tflite")
    cycle = files[0].reference.simulated[:1]
    first = file.predict(cycle)
    for value in (0, 1, 30, -30, 1e4, -1e4, 1e30, np.inf, np.nan):
        given = np.full((1, 20, 4), value, np.float32)
        # all of a cycle, and one value at its end
        for before in (given, np.concatenate([cycle[:, :19], given[:, :1]], axis=1)):
            with np.errstate(invalid="ignore"):
                reported = file.interpreter.run("refine", simulated=before)["refined"]
            np.testing.assert_array_equal(file.predict(cycle), first)
            if precision != "int8":
                assert np.isfinite(reported).all() == (abs(value) <= 1e4)
                assert np.isnan(reported).all() == (not abs(value) <= 1e4)


def test_without_resets_it_would(files):
    (job,) = files[1]["no resets"]
    file = LiteRT(job.target.read_bytes(), source="x.tflite")
    cycle = files[0].reference.simulated[:1]
    first, second = (file.run("refine", simulated=cycle)["refined"] for _ in range(2))
    assert np.abs(second - first).max() > 1e-3 * np.ptp(first)


def test_integers_in_and_out_are_integers_throughout(files, fused):
    (unrolled,) = files[1]["unrolled"]
    assert float_operators(unrolled.target.read_bytes()) == []
    assert float_operators(fused["int8"].content) == []
    assert OPERATOR in float_operators(fused["float32"].content)


@pytest.mark.slow
def test_every_entry_is_integers_throughout(tmp_path):
    from nem2e_tf import zoo

    made = {}
    for name in zoo.list_models():
        options = {"units": 4} if "units" in zoo.entry(name).options else {}
        refiner = refiner_of(name, **options)
        (made[name],) = jobs(refiner, tmp_path / name, precisions=("int8",), io="int8")
    tflite.convert(list(made.values()))
    for name, job in made.items():
        assert float_operators(job.target.read_bytes()) == [], name
        # the former holds by chance while there are such
        assert unseen_parts(job.target.read_bytes()) == 0, name


@pytest.mark.parametrize(
    ("entry", "has"),
    [
        ("gru", "GRU"),
        ("bilstm", "backwards LSTM"),
        ("stdr-net-temporal", "LuongDecoder"),
        ("linear", "no recurrence"),
    ],
)
def test_other_entries_are_refused(tmp_path, entry, has):
    refiner = refiner_of(entry, **({} if entry == "linear" else {"units": 4}))
    with pytest.raises(InputError, match=f"the entry lstm.*, found {entry}, which has {has};"):
        export(refiner, tmp_path / "out", formats=["tflite"], recurrence="fused")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wishes", "reported"),
    [
        (
            {"formats": ["tflite", "onnx"]},
            "recurrence fused: expected the format tflite alone, .* found onnx",
        ),
        ({"signatures": ["step"]}, "one file per model with the signature refine, found step"),
        ({"combine": True}, "one file per model with the signature refine, found combine"),
    ],
)
def test_what_does_not_go_with_it_is_refused(tmp_path, wishes, reported):
    given = {"formats": ["tflite"], "recurrence": "fused", **wishes}
    with pytest.raises(InputError, match=reported):
        export(small.by_hand(), tmp_path / "out", **given)
    assert list(tmp_path.iterdir()) == []
