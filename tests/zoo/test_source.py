"""Refiners of the user's own: functions in files, scripts and elsewhere."""

import inspect
import subprocess
import sys
import textwrap

import pytest

from nem2e_tf import zoo
from nem2e_tf.errors import InputError
from nem2e_tf.zoo import registry
from nem2e_tf.zoo.source import Source, source_of

FILE = '''
"""Two refiners."""
import keras

from nem2e_tf.zoo import framed_input, framed_model, register


def plain(*, n_samples, n_channels, n_targets, counterparts, units=3):
    """Two dense layers."""
    simulated, features = framed_input(n_samples, n_channels)
    features = keras.layers.Dense(units, activation="relu")(features)
    return framed_model(simulated, features, n_targets)


@register(refused={"one-quarter": "a whim"})
def decorated(*, n_samples, n_channels, n_targets, counterparts, output="direct"):
    """A dense layer."""
    return framed_model(*framed_input(n_samples, n_channels), n_targets, output)
'''
SHAPE = {"n_samples": 4, "n_channels": 2, "n_targets": 1, "counterparts": [[0]]}


@pytest.fixture(autouse=True)
def _registry(monkeypatch):
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "two.py"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_a_plain_and_a_decorated_function_of_a_file(file):
    plain, decorated = zoo.entry(f"{file}:plain"), zoo.entry(f"{file}:decorated")
    assert (plain.name, plain.options, plain.outputs) == ("plain", {"units": 3}, ("direct",))
    assert decorated.refused == {"one-quarter": "a whim"}
    assert decorated.outputs == ("direct", "residual")
    assert zoo.entry("plain") is plain
    assert zoo.create(f"{file}:plain", **SHAPE, units=5).output_shape == (None, 4, 1)
    for one in (plain, decorated):
        assert not one.installed
        assert one.source == Source(str(file), one.make.__name__, FILE)


def test_the_source_makes_the_same_entry_in_another_place(file):
    source = Source.from_dict(zoo.entry(f"{file}:decorated").source.as_dict())
    assert zoo.add_source(source).refused == {"one-quarter": "a whim"}
    changed = source.as_dict() | {"text": source.text + "\n"}
    with pytest.raises(InputError, match="source of decorated: expected SHA-256"):
        Source.from_dict(changed)


def test_a_changed_file_is_another_source_and_going_back_keeps_what_was_registered(file):
    before = zoo.entry(f"{file}:decorated")
    file.write_text(FILE.replace("a whim", "another whim"), encoding="utf-8")
    assert zoo.entry(f"{file}:decorated").refused == {"one-quarter": "another whim"}
    file.write_text(FILE, encoding="utf-8")
    assert zoo.entry(f"{file}:decorated") is before


@pytest.mark.parametrize(
    ("text", "function", "message"),
    [
        (FILE, "plian", "expected a function plian, found none; did you mean plain"),
        ("import nowhere_to_be_found", "f", "line 1: .* ModuleNotFoundError"),
        ("def f(:", "f", "line 1: .* SyntaxError"),
        ("def f(n_samples): pass", "f", "Expected keyword-only arguments"),
        (
            "def f(*, n_samples, n_channels, n_targets, counterparts, units): pass",
            "f",
            "Expected options with defaults",
        ),
        (
            "def lstm(*, n_samples, n_channels, n_targets, counterparts): pass",
            "lstm",
            "in the zoo already",
        ),
    ],
)
def test_files_that_define_no_entry_are_refused(tmp_path, text, function, message):
    path = tmp_path / "wrong.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        zoo.entry(f"{path}:{function}")
    assert "wrong.py" in str(caught.value)


def test_missing_files_and_functions_are_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"missing\.py: expected a Python file with a function, cannot read it"
    ):
        zoo.entry(f"{tmp_path / 'missing.py'}:f")
    with pytest.raises(InputError, match=r"expected FILE\.py:function"):
        zoo.entry("missing.py")


def test_errors_in_a_function_name_the_entry(tmp_path):
    path = tmp_path / "fails.py"
    text = "def fails(*, n_samples, n_channels, n_targets, counterparts):\n    return 1 / 0\n"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="fails with its defaults: ZeroDivisionError"):
        zoo.create(f"{path}:fails", **SHAPE)


def test_functions_inside_functions_have_no_source_of_their_own():
    def inside(*, n_samples, n_channels, n_targets, counterparts):
        """No."""

    for function in (inside, lambda: None):
        with pytest.raises(InputError, match="top level of a file"):
            source_of(function)


def test_two_functions_of_one_name_are_refused(tmp_path):
    (tmp_path / "a").mkdir()
    for folder in (tmp_path, tmp_path / "a"):
        (folder / "same.py").write_text(f"# {folder}\n{FILE}", encoding="utf-8")
    with pytest.raises(InputError, match="two called plain"):
        zoo.names_and_sources([f"{tmp_path}/same.py:plain", f"{tmp_path}/a/same.py:plain"])
    names, sources = zoo.names_and_sources([f"{tmp_path}/same.py:plain", "lstm"])
    assert names == ("plain", "lstm")
    assert [source.entry for source in sources] == ["plain"]


SCRIPT = """
import numpy as np
from keras import layers
from nem2e_tf import zoo

WIDTH, NEVER = 3, open(__file__)

class Wide:
    width = WIDTH

def widen(features):
    return layers.Dense(Wide.width)(features)

@zoo.register(attention="")
def mine(*, n_samples, n_channels, n_targets, counterparts, share=float(np.sqrt(4))):
    '''Mine.'''
    NEVER = 1
    simulated, features = zoo.framed_input(n_samples, n_channels)
    return zoo.framed_model(simulated, widen(features), n_targets)

print(zoo.entry(mine).source.text)
"""


def test_a_function_of_a_script_takes_what_it_uses_with_it(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    found = Source("script.py", "mine", done.stdout)
    assert "NEVER = 3" not in found.text
    assert "WIDTH = 3" in found.text
    assert zoo.add_source(found).options == {"share": 2.0}
    assert zoo.create("mine", **SHAPE).output_shape == (None, 4, 1)
    assert "framed_model" in inspect.getsource(found.load())


def test_what_cannot_be_taken_along_is_named(tmp_path):
    text = SCRIPT.replace("    NEVER = 1\n", "    print(NEVER)\n")
    (tmp_path / "script.py").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert "found NEVER, a TextIOWrapper; put the function into a file" in done.stderr


def test_a_function_from_standard_input_has_no_source():
    text = textwrap.dedent(SCRIPT).replace("open(__file__)", "None")
    done = subprocess.run(
        [sys.executable, "-"], input=text, capture_output=True, text=True, check=False
    )
    assert "put the function into a file" in done.stderr or "def mine" in done.stdout
