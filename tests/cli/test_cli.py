"""Wrong use and bad input: one line, exit code 2, nothing written. What is light stays light."""

import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from support.tiny_cohort import changed, tiny_cohort

from nem2e_tf import zoo
from nem2e_tf.cli.main import COMMANDS, main
from nem2e_tf.cli.options import entry_options
from nem2e_tf.errors import InputError

HEAVY = ("tensorflow", "keras", "pandas", "scipy", "sklearn", "matplotlib", "ai_edge_litert")


def call(capsys, *arguments):
    """Exit code, stdout and stderr of a command run in this process."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return caught.value.code, printed.out, printed.err


def refused(capsys, *arguments):
    code, out, err = call(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("nem2e-tf: error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    tiny_cohort().save(folder / "cohort")
    tiny_cohort(subjects=1, cycles=2).save(folder / "alone")
    return folder


CV = ("cv", "{folder}/cohort", "--model", "lstm", "-o", "{out}")
TRAIN = ("train", "{folder}/cohort", "--model", "lstm", "-o", "{out}")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cvv",), ["no command 'cvv'", "did you mean cv"]),
        (("zoo", "lits"), ["lits", "list"]),
        (("--nonsense",), ["--nonsense"]),
        (("cv", "{folder}/cohort", "--model", "lstm"), ["'-o'", "cv --help"]),
        (("cv", "{folder}/cohort", "-o", "{out}"), ["'--model'"]),
        (("cv", "--model", "lstm", "-o", "{out}"), ["COHORT"]),
        (("cv", "{folder}/none", "--model", "lstm", "-o", "{out}"), ["none", "no such folder"]),
        (("cv", "{folder}", "--model", "lstm", "-o", "{out}"), ["cohort.json", "data synth"]),
        (
            ("cv", "{folder}/alone", "--model", "lstm", "-o", "{out}"),
            ["two groups", "cycles"],
        ),
        (("cv", "{folder}/cohort", "--model", "lsmt", "-o", "{out}"), ["lsmt", "mean lstm"]),
        (("cv", "{folder}/cohort", "--model", "qqq", "-o", "{out}"), ["qqq", "zoo list"]),
        ((*CV, "--pattern", "all-entre"), ["all-entre", "mean all-entire"]),
        ((*CV, "--pattern", "all-entire", "--pattern", "quarter"), ["quarter", "one-quarter"]),
        ((*CV, "--by", "subjct"), ["subjct", "mean subject"]),
        ((*CV, "--by", "side"), ["by side", "found one"]),
        ((*CV, "--blocks", "3"), ["one subject", "found 4"]),
        ((*CV, "--by", "subject", "--blocks", "3"), ["by and ", "blocks: expected one of them"]),
        ((*CV, "--targets", "both"), ["'--targets'", "joint"]),
        ((*CV, "--targets", "joint", "--pattern", "one-entire"), ["all-entire"]),
        ((*CV, "--output", "residual", "--pattern", "one-quarter"), ["reveal"]),
        ((*CV, "--recipe", "fats"), ["fats", "mean fast"]),
        ((*CV, "--units", "0"), ["units", "found 0"]),
        ((*CV, "--units", "many"), ["'--units'", "integer"]),
        ((*CV, "--epochs", "-3"), ["epochs", "found -3"]),
        ((*CV, "--learning-rate", "nan"), ["--learning-rate"]),
        ((*CV, "--pattern", "one-half"), ["--pattern one-half", "mean one-quarter"]),
        ((*CV, "--dropout", "1"), ["dropout"]),
        ((*CV, "--seeds", "0"), ["seeds 0"]),
        ((*CV, "--jobs", "0"), ["jobs 0"]),
        ((*CV, "--option", "lstm.untis=3"), ["untis", "mean units"]),
        ((*CV, "--option", "units"), ["MODEL.NAME=VALUE"]),
        ((*CV, "--option", "=3"), ["MODEL.NAME=VALUE"]),
        ((*CV, "--option", "tcn.units=3"), ["tcn", "lstm"]),
        ((*CV, "--option", "units=many"), ["units", "whole number", "'many'"]),
        ((*CV, "--option", "units=-1"), ["units", "whole number"]),
        ((*CV, "--option", "output=residual"), ["output is chosen for all models"]),
        (("cv", "{folder}/alone", "--model", "lstm", "--blocks", "1", "-o", "{out}"), ["2 to 4"]),
        (("train", "{folder}/none", "--model", "lstm", "-o", "{out}"), ["no such folder"]),
        (("train", "{folder}/cohort", "--model", "lsmt", "-o", "{out}"), ["mean lstm"]),
        ((*TRAIN, "--pattern", "all"), ["one-quarter"]),
        ((*TRAIN, "--by", "speeed"), ["mean speed"]),
        ((*TRAIN, "--option", "lstm.units=()"), ["whole number"]),
        (("zoo", "show", "lsmt"), ["mean lstm"]),
        (("zoo", "list", "nothing*"), ["nothing*"]),
        (("report", "{folder}/none"), ["none"]),
    ],
    ids=lambda value: " ".join(value).replace("{folder}/", "").replace("{out}", "OUT"),
)
def test_wrong_use(arguments, said, folder, tmp_path, capsys):
    out = tmp_path / "out"
    line = refused(capsys, *(word.format(folder=folder, out=out) for word in arguments))
    for words in said:
        assert words in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "file", ["cohort.json", "cycles.csv", "channels.csv", "muscles.csv", "simulated.npy"]
)
@pytest.mark.parametrize("name", ["cv", "train"])
def test_files_cut_in_half_are_named(name, file, folder, tmp_path, capsys):
    shutil.copytree(folder / "cohort", tmp_path / "cohort")
    broken = tmp_path / "cohort" / file
    content = broken.read_bytes()
    broken.write_bytes(content[: len(content) // 2])
    line = refused(capsys, name, tmp_path / "cohort", "--model", "affine", "-o", tmp_path / "out")
    assert str(tmp_path / "cohort") in line
    assert not (tmp_path / "out").exists()
    broken.unlink()
    line = refused(capsys, name, tmp_path / "cohort", "--model", "affine", "-o", tmp_path / "out")
    assert str(tmp_path / "cohort") in line


@pytest.mark.parametrize("name", ["cv", "train"])
def test_an_output_folder_that_holds_something_else_is_left_alone(name, folder, tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("years of work")
    arguments = (name, folder / "cohort", "--model", "affine", "-o")
    assert "thesis.tex" in refused(capsys, *arguments, tmp_path)
    assert "found a file" in refused(capsys, *arguments, tmp_path / "thesis.tex")
    refused(capsys, *arguments, tmp_path / "thesis.tex" / "below")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_muscle_measured_in_one_subject_only(folder, tmp_path, capsys):
    cohort = tiny_cohort()
    measured = cohort.measured.copy()
    measured[2:, :, 1] = float("nan")
    changed(cohort, measured=measured).save(tmp_path / "cohort")
    arguments = ("cv", tmp_path / "cohort", "--model", "affine", "--jobs", "1")
    code, _, err = call(capsys, *map(str, arguments), "-o", str(tmp_path / "out"))
    assert code == 0
    assert "glmed1: no EMG outside subject-1" in err
    results = pd.read_csv(tmp_path / "out" / "results.csv").set_index(["muscle", "group"])
    assert np.isnan(results.loc[("glmed1", "subject-1"), "rmse_refined"])
    assert results["rmse_refined"].notna().sum() == (results["n_cycles"] > 0).sum() - 1


@pytest.mark.parametrize("arguments", [(), ("zoo",), ("data",)])
def test_without_arguments_the_help_is_printed_as_it_is(arguments, capsys):
    code, out, err = call(capsys, *arguments)
    assert code == 2
    lines = (out + err).splitlines()
    assert lines[0].startswith("Usage: ")
    assert len(lines) > 5
    assert "error" not in err


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help(name, capsys):
    code, out, err = call(capsys, name, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: nem2e-tf {name} ")


def test_interrupting_prints_how_to_continue(monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("nem2e_tf.cli.main.group.invoke", interrupt)
    code, out, err = call(capsys, "cv")
    assert (code, out) == (130, "")
    assert err == "nem2e-tf: interrupted; run the same command again to go on\n"


def test_zoo_list_and_show(capsys):
    code, out, _ = call(capsys, "zoo", "list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == zoo.list_models()
    code, out, _ = call(capsys, "zoo", "show", "shift")
    assert code == 0
    assert "not one-quarter: a quarter is about as short as the lags" in out
    assert "boundary='periodic'" in out


@pytest.mark.parametrize(
    ("texts", "models", "found"),
    [
        (("causal=True",), ("tcn",), {"tcn": {"causal": True}}),
        (("a.b=8", "c.d=4"), ("c", "a"), {"a": {"b": 8}, "c": {"d": 4}}),
        (("shift.boundary=hold",), ("shift",), {"shift": {"boundary": "hold"}}),
        (("penalty=0.5",), ("linear",), {"linear": {"penalty": 0.5}}),
        ((), ("lstm",), {}),
    ],
)
def test_options_of_entries(texts, models, found):
    assert entry_options(texts, models) == found


def test_an_option_without_its_model_is_refused_among_several():
    with pytest.raises(InputError, match=r"MODEL\.NAME=VALUE|one of the models"):
        entry_options(("units=3",), ("tcn", "lstm"))


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--version",), ("zoo", "list"), ("cv", "--help"), ("zoo", "lits")]
)
def test_light_commands_load_nothing_heavy(arguments):
    code = (
        "import sys\n"
        "from nem2e_tf.cli.main import main\n"
        "try:\n"
        f"    main({list(arguments)!r})\n"
        "finally:\n"
        f"    print([n for n in {HEAVY!r} if n in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == "[]"
