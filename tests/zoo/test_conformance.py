"""What every refiner of the zoo promises; a new entry needs no test of its own.

The checks that refiners of users pass too are those of `nem2e_tf.zoo.conformance`.
"""

import inspect
import re
from collections.abc import Sequence
from functools import cache

import keras
import numpy as np
import pytest

from nem2e_tf import zoo
from nem2e_tf.errors import InputError
from nem2e_tf.zoo import conformance, registry
from nem2e_tf.zoo import layers as zoo_layers
from nem2e_tf.zoo.models import calibrate
from nem2e_tf.zoo.registry import STRUCTURE

SAMPLES = 6
SMALL = {"units": 4, "n_heads": 2}
BUILT_IN = tuple(zoo.list_models())


def _third_party_solve(model, x, y, present, groups):
    """Set the one gain to the ratio of the means."""
    calibrate(model, x, y, present)
    seen = y[present.all(axis=1)]
    model.get_layer("gain").set_weights([np.array([[seen.mean() / max(x.mean(), 1e-6)]], "f4")])


@zoo.register()
def third_party_trained(
    *,
    n_samples: int,
    n_channels: int,
    n_targets: int,
    counterparts: Sequence[Sequence[int]],
    units: int = 8,
    output: str = "direct",
):
    """A plain network over single samples, as another package may offer it.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    units : int
        Hidden features.
    output : {"direct", "residual"}
        As for all networks.
    """
    from nem2e_tf.zoo.models import framed_input, framed_model

    simulated, features = framed_input(n_samples, n_channels)
    features = keras.layers.Dense(units, activation="relu")(features)
    return framed_model(simulated, features, n_targets, output)


@zoo.register(solve=_third_party_solve, outputs=("direct",), refused={"one-quarter": "a whim"})
def third_party_solved(
    *, n_samples: int, n_channels: int, n_targets: int, counterparts: Sequence[Sequence[int]]
):
    """One gain for all muscles, as another package may offer it.

    Parameters
    ----------
    n_samples, n_channels, n_targets, counterparts
        See `nem2e_tf.zoo.create`.
    """
    from nem2e_tf.zoo.layers import ChannelNormalisation, CounterpartMean

    simulated = keras.Input((n_samples, n_channels))
    unused = ChannelNormalisation(name="channel_normalisation")(simulated)
    scaled = keras.layers.Dense(1, use_bias=False, name="gain", trainable=False)(
        keras.ops.expand_dims(CounterpartMean(counterparts)(simulated), -1)
    )
    blind = 0 * keras.ops.mean(unused, axis=-1, keepdims=True)
    return keras.Model(simulated, keras.ops.squeeze(scaled, -1) + blind)


THIRD_PARTIES = ("third-party-trained", "third-party-solved")
ENTRIES = (*BUILT_IN, *THIRD_PARTIES)


@pytest.fixture(autouse=True, scope="module")
def _third_parties():
    registry._ENTRIES.update(_KEPT)
    yield
    for name in THIRD_PARTIES:
        registry._ENTRIES.pop(name)


def small(name, **more):
    known = zoo.entry(name).options
    return {key: value for key, value in SMALL.items() if key in known} | more


def create(name, *, n_samples=SAMPLES, n_channels=4, n_targets=2, **options):
    counterparts = [[i % n_channels, (i + 1) % n_channels] for i in range(n_targets)]
    keras.utils.set_random_seed(5)
    return zoo.create(
        name,
        n_samples=n_samples,
        n_channels=n_channels,
        n_targets=n_targets,
        counterparts=counterparts,
        **small(name, **options),
    )


def rows(n_channels=4, n_targets=2, *, n_samples=SAMPLES, count=7):
    random = np.random.default_rng(11)
    x = random.random((count, n_samples, n_channels)).astype(np.float32)
    y = random.random((count, n_samples, n_targets)).astype(np.float32)
    present = np.ones((count, n_targets), bool)
    present[0, -1] = False
    return x, y, present


@cache
def fitted(name, **options):
    """An entry with all its weights set: solved for, or calibrated and random."""
    model = create(name, **options)
    x, y, present = rows()
    solve = zoo.entry(name).solve
    if solve is None:
        calibrate(model, x, y, present)
    else:
        solve(model, x, y, present, np.arange(len(x)) // 2)
    return model


def outputs(model, x):
    return np.asarray(model(x, training=False))


@cache
def trial(name):
    return conformance.Trial(zoo.entry(name))


@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", ENTRIES)
def test_promise(name, check):
    if (name, check.__name__) == ("third-party-solved", "stays_finite"):
        pytest.skip("takes all muscles together")
    try:
        check(trial(name))
    except conformance.DoesNotApply as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("name", ENTRIES)
class TestEntry:
    def test_docstring_describes_the_entry_and_advises_on_every_option(self, name):
        text = inspect.getdoc(zoo.entry(name).make)
        assert zoo.entry(name).summary.endswith((".", ":"))
        section = text.split("Parameters\n----------\n")[1]
        described = {
            option.strip()
            for line in re.findall(r"^(\S[^:\n]*)(?: :|$)", section, re.MULTILINE)
            for option in line.split(",")
        }
        assert described == {*STRUCTURE, *zoo.entry(name).options}

    def test_normalisation_is_inside_linear_too(self, name):
        """Channels in other units make no difference to it either, a closed form."""
        if name != "linear":
            pytest.skip("among the checks, or keeps the units of the simulation")
        x, y, present = rows()
        factor, shift = np.array([10, 0.5, 3, 1], "f4"), np.array([-2, 0.25, 5, 0], "f4")
        other = create(name)
        zoo.entry(name).solve(other, x * factor + shift, y, present, np.arange(len(x)) // 2)
        np.testing.assert_allclose(
            outputs(other, x * factor + shift), outputs(fitted(name), x), atol=2e-4
        )

    def test_unknown_forms_are_refused(self, name):
        with pytest.raises(ValueError, match="unrolled"):
            zoo.set_recurrence_form(fitted(name), "rolled")

    def test_without_attention_there_are_no_weights_to_ask_for(self, name):
        if not zoo.entry(name).attention:
            with pytest.raises(ValueError, match="which has none"):
                zoo.with_attention(fitted(name))

    def test_attention_of_a_loaded_model(self, name, tmp_path):
        if not zoo.entry(name).attention:
            pytest.skip(f"{name} has no attention")
        x, _, _ = rows()
        fitted(name).save(tmp_path / "model.keras")
        loaded = zoo.with_attention(keras.models.load_model(tmp_path / "model.keras"))
        for value, wanted in zip(loaded(x), zoo.with_attention(fitted(name))(x), strict=True):
            np.testing.assert_array_equal(value, wanted)

    def test_refused_patterns_state_the_reason(self, name):
        entry = zoo.entry(name)
        for pattern, why in entry.refused.items():
            with pytest.raises(InputError, match=re.escape(why)) as caught:
                entry.check(pattern=pattern, output="direct", targets="each")
            assert name in str(caught.value)
            assert "\n" not in str(caught.value)
        for pattern in entry.patterns:
            entry.check(pattern=pattern, output="direct", targets="each")
        with pytest.raises(InputError, match="expected one of one-quarter"):
            entry.check(pattern="one-qarter", output="direct", targets="each")

    def test_refused_outputs(self, name):
        entry = zoo.entry(name)
        if entry.outputs == ("direct",):
            with pytest.raises(InputError, match="closed form"):
                entry.check(pattern="all-entire", output="residual", targets="each")
            assert "output" not in entry.options
        else:
            entry.check(pattern="all-entire", output="residual", targets="each")
            assert entry.options["output"] == "direct"
            if "one-quarter" in entry.patterns:
                with pytest.raises(InputError, match="reveal"):
                    entry.check(pattern="one-quarter", output="residual", targets="each")

    def test_joint_targets_need_all_channels(self, name):
        entry = zoo.entry(name)
        entry.check(pattern="all-entire", output="direct", targets="joint")
        if "one-entire" in entry.patterns:
            with pytest.raises(InputError, match="all-entire"):
                entry.check(pattern="one-entire", output="direct", targets="joint")

    def test_unknown_options_are_refused(self, name):
        with pytest.raises(InputError, match=f"{name} has no option untis"):
            create(name, untis=3)

    def test_unknown_names_get_near_ones(self, name):
        with pytest.raises(InputError, match=f"did you mean .*{name}"):
            create_unknown(f"{name}x")


def create_unknown(name):
    return zoo.create(name, n_samples=3, n_channels=1, n_targets=1, counterparts=[[0]])


FED = [n for n in ENTRIES if "feeding" in zoo.entry(n).options]


@pytest.mark.parametrize("name", FED)
@pytest.mark.parametrize("feeding", ["teacher", "scheduled"])
def test_a_training_model_shares_the_weights_and_adds_none(name, feeding, tmp_path):
    free, fed = create(name), create(name, feeding=feeding)
    training_model = zoo.entry(name).in_training(fed, feeding=feeding)
    assert training_model is not fed
    assert zoo.entry(name).in_training(free) is free
    assert [w.shape for w in fed.weights] == [w.shape for w in free.weights]
    assert {id(v) for v in training_model.trainable_variables} == {
        id(v) for v in fed.trainable_variables
    }
    x, y, present = rows()
    calibrate(fed, x, y, present)
    np.testing.assert_array_equal(
        [np.shape(v) for v in training_model([x, y])], [np.shape(v) for v in y]
    )
    fed.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(outputs(loaded, x), outputs(fed, x))


@pytest.mark.parametrize("name", FED)
def test_teacher_forced_with_its_own_output_it_repeats_itself(name):
    """Also through the normalisation of what is fed."""
    x, y, present = rows()
    model = create(name, feeding="teacher")
    calibrate(model, x, y, present)
    free = outputs(model, x)
    training_model = zoo.entry(name).in_training(model, feeding="teacher")
    np.testing.assert_allclose(training_model([x, free]), free, atol=1e-5)


@pytest.mark.parametrize("name", FED)
def test_unknown_feeding_is_refused(name):
    with pytest.raises(InputError, match="did you mean teacher"):
        create(name, feeding="teaher")


def test_unknown_models_and_counterparts():
    with pytest.raises(InputError, match="zoo list"):
        create_unknown("qqqq")
    for wrong in ([[1]], [[-1]], [[]], [[0], [0]]):
        with pytest.raises(InputError, match="counterparts"):
            zoo.create("lstm", n_samples=3, n_channels=1, n_targets=1, counterparts=wrong)


def test_heads_must_divide_units():
    with pytest.raises(InputError, match="multiple of n_heads"):
        create("transformer", units=5)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("lstm", {"units": 0}),
        ("lstm", {"units": "many"}),
        ("gru", {"n_layers": 0}),
        ("rnn", {"dropout": 1.5}),
        ("tcn", {"kernel_size": 0}),
        ("tcn", {"dilations": 3}),
        ("tcn", {"causal": "maybe"}),
        ("transformer", {"n_heads": 0}),
        ("lstm", {"output": "residul"}),
        ("linear", {"penalty": "small"}),
    ],
    ids=str,
)
def test_options_out_of_range_are_input_errors(name, wrong):
    with pytest.raises(InputError, match=next(iter(wrong))) as caught:
        create(name, **wrong)
    assert "\n" not in str(caught.value)


def _failing(**changes):
    """Refiners that break a promise each, as users might write them."""
    parts = {
        "input": "framed_input(n_samples, n_channels)",
        "features": "features",
        "end": "framed_model(simulated, features, n_targets)",
        "doc": "Wrong.",
        "more": "",
    } | changes
    text = f"""
import keras, numpy as np
from nem2e_tf.zoo import framed_input, framed_model
class Undecorated(keras.layers.Layer):
    def call(self, x):
        return x
def wrong(*, n_samples, n_channels, n_targets, counterparts{parts["more"]}):
    "{parts["doc"]}"
    simulated, features = {parts["input"]}
    features = {parts["features"]}
    return {parts["end"]}
"""
    return zoo.Source("wrong.py", "wrong", text)


RAW = "[keras.Input((n_samples, n_channels))] * 2"
WRONG = {
    "is described": {"doc": ""},
    "has the shape asked for": {"end": "framed_model(simulated, features, 2)"},
    "is functional": {"end": "keras.Sequential([keras.layers.Dense(n_targets)])"},
    "normalises inside": {"input": RAW},
    "treats rows alone": {"features": "features - keras.ops.mean(features, axis=0, keepdims=True)"},
    "has finite gradients": {"features": "keras.ops.sqrt(0 * keras.layers.Dense(2)(features))"},
    "comes back from its file": {"features": "Undecorated()(features)"},
    "adds the mean pattern": {
        "more": ", output='direct'",
        "end": "keras.Model(simulated, keras.layers.Dense(n_targets)(features))",
    },
}


@pytest.mark.parametrize("check", WRONG)
def test_broken_promises_are_found(check, monkeypatch):
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    found = zoo.add_source(_failing(**WRONG[check]))
    outcomes = {one.check: one for one in conformance.check_conformance(found.make)}
    assert outcomes[check].passed is False
    assert outcomes[check].found
    if check not in ("is functional", "has the shape asked for"):
        failed = [name for name, one in outcomes.items() if one.passed is False]
        assert failed == [check]


def test_register_refuses_what_would_not_work():
    def positional(n_samples, n_channels, n_targets, counterparts):
        """No."""

    def lacking(*, n_samples, n_channels, n_targets):
        """No."""

    for make in (positional, lacking):
        with pytest.raises(TypeError, match="keyword-only"):
            zoo.register()(make)

    def lstm(*, n_samples, n_channels, n_targets, counterparts):
        """No."""

    with pytest.raises(ValueError, match="in the zoo already"):
        zoo.register()(lstm)


def test_list_takes_shell_patterns():
    assert zoo.list_models("*lstm*") == ["lstm", "bilstm"]
    assert zoo.list_models("nothing-*") == []
    assert set(ENTRIES) <= set(zoo.list_models())


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("LSTM", {"units": 3, "backwards": True, "form": "loop"}),
        ("GRU", {"units": 3, "backwards": True}),
        ("SimpleRNN", {"units": 2, "form": "loop"}),
        ("DilatedConvolution", {"filters": 3, "kernel_size": 2, "dilation": 5, "causal": True}),
        (
            "LuongDecoder",
            {"units": 3, "n_targets": 2, "n_samples": 4, "attention": False, "form": "loop"},
        ),
        ("CounterpartMean", {"counterparts": [[0], [1, 2]]}),
        ("GainAndOffset", {"gain": 0.5}),
        ("SampleMixing", {"kind": "hold"}),
        ("Regression", {"units": 3, "penalty": 0.1}),
        ("Dropout", {"rate": 0.25}),
        ("TargetScaling", {"output": "residual"}),
        ("ChannelNormalisation", {}),
        ("PositionEncoding", {}),
        ("Dense", {"units": 3, "activation": "tanh", "use_bias": False}),
        ("SelfAttention", {"n_heads": 3}),
        ("LayerNormalisation", {"epsilon": 1e-3}),
    ],
)
def test_layers_come_back_from_their_config(kind, arguments):
    layer = getattr(zoo_layers, kind)(**arguments)
    config = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(layer)
    assert keras.saving.serialize_keras_object(again) == config
    for key, value in arguments.items():
        assert again.get_config()[key] == value


def test_every_layer_of_the_zoo_is_covered_above():
    marks = test_layers_come_back_from_their_config.pytestmark
    covered = {kind for kind, _ in marks[0].args[1]}
    assert {n for n in zoo_layers.__all__ if inspect.isclass(getattr(zoo_layers, n))} == covered


# Other test modules that are collected after this one must not find them in the zoo.
_KEPT = {name: registry._ENTRIES.pop(name) for name in THIRD_PARTIES}
