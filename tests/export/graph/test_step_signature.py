"""Streaming: sample by sample gives what the whole cycle gives, for every causal entry."""

import numpy as np
import pytest
from click.testing import CliRunner
from support import small_refiners as small

from nem2e_tf import zoo
from nem2e_tf.cli.export import command as export
from nem2e_tf.errors import ExportError, InputError
from nem2e_tf.export.exporter import export as export_refiner
from nem2e_tf.export.graph.signatures import looks_ahead, step_signature
from nem2e_tf.export.runtime.load import load
from nem2e_tf.refiners.refiner import Refiner, load_keras, save_refiner

NAMES = list(small.CHANNELS)
LOOK_AHEAD = {
    "shift": 19,
    "linear": 19,
    "bilstm": 19,
    "tcn": 14,
    "transformer": 19,
    "seq2seq": 19,
    "stdr-net-temporal": 19,
    "stdr-net-spatial": 19,
}
CAUSAL_OPTIONS = {
    "tcn": {"causal": True, "kernel_size": 2},
    "lstm": {"n_layers": 2},
}


def model_of(name, *, more=False):
    """A small one with weights that are all at work, the offset of each sample its own."""
    options = dict(CAUSAL_OPTIONS.get(name, {})) if more else {}
    if "units" in zoo.entry(name).options:
        options["units"] = 4
    if more and "residual" in zoo.entry(name).outputs:
        options["output"] = "residual"
    model = small.joint(name, **options).models["joint"]
    random = np.random.default_rng(1)
    weights = []
    for variable in model.weights:
        noise = 0.3 * random.normal(size=variable.shape).astype(np.float32)
        same_offset = variable.name == "offset" and options.get("output") != "residual"
        weights.append(variable.numpy() + (noise.ravel()[0] if same_offset else noise))
    model.set_weights(weights)
    return model


def streamed(signature, cycle):
    names = list(signature.inputs)
    states = {name: np.zeros(signature.inputs[name], np.float32) for name in names[1:]}
    refined = []
    for sample in cycle:
        states = signature.function(sample[None], *(states[name] for name in names[1:]))
        refined.append(np.asarray(states.pop("refined"))[0])
    return np.array(refined)


@pytest.mark.parametrize("name", zoo.list_models())
def test_every_entry_streams_or_states_the_reason(name):
    model = model_of(name)
    found = looks_ahead(model)
    if name in LOOK_AHEAD:
        assert found.looks_at - found.sample == LOOK_AHEAD[name]
        with pytest.raises(ExportError, match=f"x: expected a causal model .* {found}"):
            step_signature(model, name="x")
        return
    assert found is None
    cycle = np.random.default_rng(2).random((20, 4)).astype(np.float32)
    whole = np.asarray(model(cycle[None], training=False))[0]
    signature = step_signature(model, name="x")
    np.testing.assert_allclose(streamed(signature, cycle), whole, atol=1e-5 * np.ptp(whole))


@pytest.mark.parametrize("name", sorted(CAUSAL_OPTIONS))
def test_options_and_residual_output_stream_as_well(name):
    model = model_of(name, more=True)
    cycle = np.random.default_rng(2).random((20, 4)).astype(np.float32)
    whole = np.asarray(model(cycle[None], training=False))[0]
    signature = step_signature(model, name="x")
    assert "position" in signature.inputs
    np.testing.assert_allclose(streamed(signature, cycle), whole, atol=1e-5 * np.ptp(whole))


def test_causality_is_asked_of_every_sample():
    keras = load_keras()
    given = keras.Input((20, 1))
    mixed = keras.layers.Dense(20, use_bias=False)
    model = keras.Model(given, keras.layers.Reshape((20, 1))(mixed(keras.layers.Flatten()(given))))
    matrix = np.triu(np.ones((20, 20), np.float32))  # [input, output]: earlier inputs only
    mixed.set_weights([matrix])
    assert looks_ahead(model) is None
    matrix[12, 11] = 1e-4
    mixed.set_weights([matrix])
    found = looks_ahead(model)
    assert (found.sample, found.looks_at) == (11, 12)
    # causal, and yet no layer of it can be taken sample by sample
    mixed.set_weights([np.triu(np.ones((20, 20), np.float32))])
    with pytest.raises(ExportError, match="found one among Dense, Flatten, Reshape that cannot"):
        step_signature(model, name="x")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    refiner = small.joint("lstm", units=4, output="residual")
    folder = tmp_path_factory.mktemp("step")
    save_refiner(folder / "refiner", refiner.models, refiner.info, refiner.reference)
    given = [str(folder / "refiner"), "--tflite", "--step", "--no-latency"]
    reported = CliRunner().invoke(export, [*given, "-o", str(folder / "export")])
    assert reported.exit_code == 0, reported.output
    return refiner, folder


def test_a_stream_gives_what_refine_gives(exported):
    refiner, folder = exported
    runtime = load(folder / "export")
    stream = runtime.stream()
    for cycle in refiner.reference.simulated[:2]:
        expected = runtime.refine(cycle, channels=NAMES)
        stream.reset()
        found = np.array([stream.step(sample, channels=NAMES) for sample in cycle])
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert stream.position == 20
    stream.reset()
    by_name = [stream.step(dict(zip(NAMES[::-1], s[::-1], strict=True))) for s in cycle]
    np.testing.assert_array_equal(by_name, found)
    assert stream.notes == ("channels reordered by name",)


def test_a_stream_refuses(exported):
    stream = load(exported[1] / "export").stream()
    with pytest.raises(InputError, match=r"sample 0: .* found nan or infinity in channel glmed1"):
        stream.step([0, np.nan, 0, 0])
    assert stream.position == 0
    with pytest.raises(InputError, match="expected soleus_contra, not found"):
        stream.step(np.zeros(3), channels=NAMES[:3])
    with pytest.raises(InputError, match=r"expected \[channel\], found \[1, 4\]"):
        stream.step(np.zeros((1, 4)))
    for _ in range(20):
        stream.step(np.zeros(4))
    with pytest.raises(InputError, match=r"at most 20 samples per cycle.*reset\(\)"):
        stream.step(np.zeros(4))


def test_the_step_has_no_loop(exported):
    from ai_edge_litert import schema_py_generated as schema

    content = (exported[1] / "export/joint.tflite").read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    graphs = {item.signatureKey.decode(): item.subgraphIndex for item in model.signatureDefs}
    codes = [code.builtinCode for code in model.operatorCodes]

    def loops(name):
        graph = model.subgraphs[graphs[name]]
        return sum(
            codes[operator.opcodeIndex] == schema.BuiltinOperator.WHILE
            for operator in graph.operators
        )

    assert (loops("refine"), loops("step")) == (1, 0)


@pytest.mark.parametrize(
    ("option", "reported"),
    [("--attention", "expected a refiner with attention .* found lstm, which has none")],
)
def test_the_command_reports_what_a_model_does_not_support(exported, tmp_path, option, reported):
    folder = exported[1] / "refiner"
    given = [str(folder), "--tflite", option, "-o", str(tmp_path / "out")]
    found = CliRunner().invoke(export, given)
    assert isinstance(found.exception, ExportError)
    with pytest.raises(ExportError, match=reported):
        raise found.exception
    assert list(tmp_path.iterdir()) == []


def test_wrong_wishes_are_reported_before_anything_is_converted(exported, tmp_path):
    refiner, _ = exported
    for wishes, reported in (
        ({"signatures": ["walk"]}, "signatures: expected refine_with_attention .* found walk"),
        (
            {"signatures": ["step"], "precisions": ["int8"]},
            "none besides refine with precision int8",
        ),
        ({"signatures": ["step"], "formats": ["onnx"]}, "the format tflite for step"),
    ):
        given = {"formats": ["tflite"], **wishes}
        with pytest.raises(InputError, match=reported):
            export_refiner(refiner, tmp_path / "out", **given)
    models = {"soleus": small.ramp(20), "glmed1": small.ramp(20)}
    info = small.info("one-quarter", "each", model_samples=20)
    quarters = Refiner(info, models, small.reference())
    with pytest.raises(ExportError, match="found quarters resampled to 20"):
        export_refiner(quarters, tmp_path / "out", formats=["tflite"], signatures=["step"])
    assert list(tmp_path.iterdir()) == []


def test_quarters_start_anew(tmp_path):
    keras = load_keras()
    from nem2e_tf.zoo.layers import SimpleRNN

    given = keras.Input((5, 1))
    layer = SimpleRNN(1, name="recurrence")
    model = keras.Model(given, layer(given)[0])
    layer.set_weights([np.ones((1, 1)), np.ones((1, 1)), np.zeros(1)])
    refiner = Refiner(
        small.info("one-quarter", "each"), {"soleus": model, "glmed1": model}, small.reference()
    )
    export_refiner(refiner, tmp_path / "out", formats=["tflite"], signatures=["step"], timed=False)
    stream = load(tmp_path / "out").stream()
    cycle = refiner.reference.simulated[0][:, :3]
    found = np.array([stream.step(sample) for sample in cycle])
    expected = refiner.predict(refiner.reference.simulated[:1])[0]
    np.testing.assert_allclose(found, expected, atol=1e-6)
