"""``nem2e-tf zoo show`` and ``zoo check`` on a refiner in a file."""

import json

import pytest

from nem2e_tf.cli.main import main
from nem2e_tf.zoo import registry

FILE = '''
import keras
from nem2e_tf.zoo import framed_input, framed_model


def mine(*, n_samples, n_channels, n_targets, counterparts, units=3):
    """Keras' LSTM, with dropout."""
    simulated, features = framed_input(n_samples, n_channels)
    features = keras.layers.LSTM(units, return_sequences=True)(features)
    return framed_model(simulated, keras.layers.Dropout(0.1)(features), n_targets)


def raw(*, n_samples, n_channels, n_targets, counterparts):
    """A dense layer without normalisation."""
    simulated = keras.Input((n_samples, n_channels))
    return keras.Model(simulated, keras.layers.Dense(n_targets)(simulated))
'''


@pytest.fixture(autouse=True)
def _file(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    (tmp_path / "mine.py").write_text(FILE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


def called(*arguments):
    with pytest.raises(SystemExit) as caught:
        main(["zoo", *arguments])
    return caught.value.code


def test_show(capsys):
    assert called("show", "mine.py:mine") == 0
    out = capsys.readouterr().out
    assert "Keras' LSTM, with dropout." in out
    assert "units=3" in out


def test_check_passes_what_conforms_and_notes_slow_layers(capsys):
    assert called("check", "mine.py:mine") == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == "mine: 15 of 15 checks passed"
    together = "Fits that are trained together equal fits that Keras trains one by one."
    assert f"pass  {together}" in printed.out
    assert "pass  It exports to a .tflite of builtin operators" in printed.out
    assert "nem2e_tf.zoo.layers.LSTM trains faster than Keras' LSTM" in printed.err


def test_check_names_what_fails(capsys):
    assert called("check", "mine.py:raw", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["model"] == "raw"
    failed = [one["check"] for one in found["outcomes"] if one["passed"] is False]
    assert failed == ["normalises inside"]
    assert called("check", "mine.py:raw") == 1
    printed = capsys.readouterr().out
    assert "FAIL  The units of the channels make no difference" in printed
    assert "normalise in the model, with nem2e_tf.zoo.framed_input" in printed
