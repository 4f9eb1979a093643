"""Stages in a chain, with a stand-in for OpenSim: complete or absent, one-line errors, run once."""

import dataclasses
import importlib.util
import json

import click
import numpy as np
import pytest
from support.simulating import call, refused, trial
from support.tiny_motion import MUSCLES, write_angles, write_forces, write_markers, write_model

from nem2e_tf.cli import simulate_stages
from nem2e_tf.io.storage import read_storage
from nem2e_tf.simulate.opensim import chain
from nem2e_tf.simulate.opensim.chain import TOOLS, ChainSettings
from nem2e_tf.simulate.opensim.process import PYTHON
from nem2e_tf.simulate.opensim.stage import Result

__all__ = ["trial"]


def test_from_markers_to_activations(trial, tmp_path, capsys):
    out = tmp_path / "out"
    code, printed, err = call(capsys, "simulate", "chain", *trial.chain(end=1.5), "-o", out)
    assert code == 0
    table = read_storage(out / "activation.sto")
    assert table.labels == MUSCLES
    assert (table.time[0], table.time[-1]) == (0, 1.5)
    assert trial.calls == [
        "InverseKinematicsTool",
        "InverseDynamicsTool",
        "AnalyzeTool",
    ]
    lines = printed.splitlines()
    assert lines[0].split() == ["stage", "gate", "value", "limit", "unit", "where", "passed"]
    assert [line.split()[-1] for line in lines[1:-1]] == ["yes"] * 5
    assert "all quality gates passed" in lines[-1]
    assert "not scaled" in err
    stages = trial.stages(out)
    assert set(stages) == {"ik", "so"}
    assert stages["ik"]["gates"][0] | {"source": ""} == {
        "name": "largest marker error",
        "value": 1.0,
        "limit": 4.0,
        "unit": "cm",
        "where": "R.Heel",
        "source": "",
        "passed": True,
    }
    done = json.loads((out / "chain.json").read_text())
    assert done["finished"]
    assert [stage["stage"] for stage in done["stages"]] == ["ik", "so"]
    assert "marker error: RMS" in (out / "ik" / "opensim.log").read_text()
    # Room for the filter on both sides, within the recording.
    assert (stages["ik"]["span"], stages["so"]["span"]) == ([0, 1.6], [0, 1.5])


def test_finished_stages_are_not_run_again(trial, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ("simulate", "chain", *trial.chain(), "-o", out)
    call(capsys, *arguments)
    before = (out / "activation.sto").read_bytes()
    code, printed, _ = call(capsys, *arguments)
    assert code == 0
    assert len(trial.calls) == 3
    assert "ik, so (2 finished before)" in printed
    assert (out / "activation.sto").read_bytes() == before
    # First a setting of the second stage changes, then one of its files, then the markers.
    call(capsys, *arguments, "--cutoff", 8)
    assert trial.calls[3:] == ["InverseDynamicsTool", "AnalyzeTool"]
    (out / "so" / "id.sto").write_text("spoilt")
    call(capsys, *arguments, "--cutoff", 8)
    assert trial.calls[5:] == ["InverseDynamicsTool", "AnalyzeTool"]
    write_markers(trial.folder / "walk.trc", end=1.8)
    call(capsys, *arguments, "--cutoff", 8, "--end", 1.8)
    assert trial.calls[7] == "InverseKinematicsTool"


def test_joint_angles_need_no_inverse_kinematics(trial, tmp_path, capsys):
    code, _, _ = call(
        capsys, "simulate", "chain", *trial.chain(motion="angles.sto"), "-o", tmp_path / "out"
    )
    assert code == 0
    assert trial.calls == ["InverseDynamicsTool", "AnalyzeTool"]


@pytest.mark.parametrize(
    ("manner", "words"),
    [
        ("crash", ["OpenSim crashed (signal 11)", "the last thing it said", ".failed.log"]),
        ("error", ["OpenSim failed: No such column.", "check the labels", ".failed.log"]),
        ("messages", ["OpenSim failed: InverseKinematicsTool Failed: the file is odd.;"]),
        ("nothing", ["so: expected OpenSim to write", "activation.sto", "so.failed.log"]),
        ("short", ["ik, ik.mot: expected results from 0 to 2 s, found 0 to 1.5 s"]),
        ("empty", ["so: expected rows in so_StaticOptimization_activation.sto, found none"]),
    ],
)
def test_failures_of_opensim_are_one_line(trial, tmp_path, capsys, monkeypatch, manner, words):
    monkeypatch.setenv("FAKE_OPENSIM", manner)
    out = tmp_path / "out"
    line = refused(capsys, "simulate", "chain", *trial.chain(), "-o", out)
    for word in words:
        assert word in line
    stage = "so" if manner in ("nothing", "empty") else "ik"
    assert not (out / stage).exists()
    assert not (out / "activation.sto").exists()
    assert json.loads((out / "chain.json").read_text()) == {"finished": False}
    left = {path.name for path in out.iterdir()} - {"ik"}
    assert left == {"chain.json", f"{stage}.failed.log"}
    # Once OpenSim works, the chain continues from there.
    monkeypatch.setenv("FAKE_OPENSIM", "fine")
    assert call(capsys, "simulate", "chain", *trial.chain(), "-o", out)[0] == 0
    assert not list(out.glob("*.log"))
    assert trial.calls.count("InverseKinematicsTool") == (1 if stage == "so" else 2)


def test_a_damaged_table_is_repaired(trial, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FAKE_OPENSIM", "damaged")
    out = tmp_path / "out"
    assert call(capsys, "simulate", "chain", *trial.chain(), "-o", out)[0] == 0
    assert read_storage(out / "so" / "so_StaticOptimization_activation.sto").notes == ()


def test_failed_gates_are_shown_and_can_stop(trial, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FAKE_OPENSIM", "far")
    out = tmp_path / "out"
    code, printed, _ = call(capsys, "simulate", "chain", *trial.chain(), "-o", out)
    assert code == 0
    assert "5      4  cm" in printed
    assert "2 quality gates NOT passed" in printed
    line = refused(capsys, "simulate", "chain", *trial.chain(), "-o", out, "--strict")
    assert "ik: expected largest marker error of at most 4 cm, found 5 (R.Heel)" in line


def change(folder, what):
    """Damage one of the inputs."""
    if what == "marker":
        write_markers(folder / "walk.trc", names=("A", "B", "C"))
    elif what == "forces":
        write_forces(folder / "forces.mot", end=1.5)
    elif what == "model":
        text = (folder / "model.osim").read_text()
        (folder / "model.osim").write_text(text[: len(text) // 2])
    elif what == "muscles":
        write_model(folder / "model.osim", muscles=())
    elif what == "cut":
        text = (folder / "walk.trc").read_text()
        (folder / "walk.trc").write_text(text[: len(text) // 2])
    elif what == "angles":
        write_angles(folder / "walk.trc")


@pytest.mark.parametrize(
    ("what", "more", "words"),
    [
        ("marker", {}, ["walk.trc", "three or more markers", "found 0 of 3"]),
        (
            "forces",
            {},
            ["forces.mot: expected forces from 0 to 2 s, found 0 to 1.5 s", "end within"],
        ),
        ("model", {}, ["model.osim, line", "expected an OpenSim model"]),
        ("muscles", {}, ["expected a model with muscles"]),
        ("cut", {}, ["walk.trc", "expected"]),
        ("angles", {}, ["walk.trc", "expected a marker file"]),
        ("", {"load": "foot_r=ground_force_r_v"}, ["expected a body", "'foot_r'"]),
        ("", {"end": 2.5}, ["walk.trc: expected a recording from 0 to 2.5 s"]),
        ("", {"motion": "none.trc"}, ["none.trc", "no such file"]),
        ("", {"tasks": "model.osim"}, ["IKTaskSet"]),
        ("", {"height": 1.8}, ["height", "only one"]),
        ("", {"mass": -1}, ["mass: expected more than 0 kg"]),
    ],
)
def test_bad_input_is_refused_before_anything_runs(trial, tmp_path, capsys, what, more, words):
    change(trial.folder, what)
    if "tasks" in more:
        more = {"tasks": trial.folder / more["tasks"]}
    line = refused(capsys, "simulate", "chain", *trial.chain(**more), "-o", tmp_path / "out")
    for word in words:
        assert word in line
    assert trial.calls == []
    assert not (tmp_path / "out").exists()


def test_without_opensim_the_error_states_how_to_install_it(trial, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv(PYTHON)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "opensim" else find(name, *a)
    )
    out = tmp_path / "out"
    line = refused(capsys, "simulate", "chain", *trial.chain(), "-o", out)
    assert "pip install 'nem2e-tf[opensim]'" in line
    assert not out.exists()
    monkeypatch.setenv(PYTHON, "/nowhere/python")
    assert "/nowhere/python" in refused(capsys, "simulate", "chain", *trial.chain(), "-o", out)


def test_an_output_folder_of_others_is_left_alone(trial, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    assert "thesis.txt" in refused(capsys, "simulate", "chain", *trial.chain(), "-o", out)
    stage = tmp_path / "stage"
    arguments = ("simulate", "ik", "--model", trial.folder / "model.osim")
    arguments += ("--markers", trial.folder / "walk.trc", "-o", stage)
    assert call(capsys, *arguments)[0] == 0
    (stage / "notes.txt").write_text("mine")
    line = refused(capsys, *arguments, "--end", 1)
    assert "notes.txt" in line
    assert (stage / "notes.txt").read_text() == "mine"


def test_progress_shows_the_remaining_time(trial, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FAKE_OPENSIM", "slow")
    _, _, err = call(capsys, "simulate", "chain", *trial.chain(), "-o", tmp_path / "out")
    shares = [line for line in err.splitlines() if line.startswith("nem2e-tf: ik: ")]
    assert shares
    assert all(line.endswith(" s left") for line in shares)


PROJECT = """
model = "model.osim"
forces = "forces.mot"
[[subject]]
name = "S1"
[[subject.trial]]
name = "a"
motion = "walk.trc"
[[subject.trial]]
name = "b"
motion = "{motion}"
"""


def test_a_project_is_one_command(trial, tmp_path, capsys):
    project = trial.folder / "project.toml"
    project.write_text(PROJECT.format(motion="angles.sto"))
    out = tmp_path / "out"
    arguments = ("simulate", "chain", project, "--jobs", 2, "-o", out)
    code, printed, err = call(capsys, *arguments)
    assert code == 0
    assert printed.splitlines()[-1] == f"{out}: 2 of 2 trials finished"
    assert "nem2e-tf: S1/a: finished" in err
    tables = [read_storage(out / "S1" / name / "activation.sto") for name in "ab"]
    assert all(table.labels == MUSCLES for table in tables)
    assert np.isfinite(tables[0].data).all()
    done = json.loads((out / "project.json").read_text())
    assert done["finished"]
    assert set(done["trials"]) == {"S1/a", "S1/b"}
    count = len(trial.calls)
    assert call(capsys, *arguments)[0] == 0
    assert len(trial.calls) == count


def test_a_trial_that_fails_does_not_stop_the_others(trial, tmp_path, capsys):
    project = trial.folder / "project.toml"
    project.write_text(PROJECT.format(motion="none.trc"))
    out = tmp_path / "out"
    code, printed, err = call(capsys, "simulate", "chain", project, "-o", out)
    assert code == 2
    assert printed.splitlines()[-1] == f"{out}: 1 of 2 trials finished"
    assert "1 of 2 trials failed, first S1/b" in err.splitlines()[-1]
    assert (out / "S1" / "a" / "activation.sto").is_file()
    assert not (out / "S1" / "b").exists()
    assert not json.loads((out / "project.json").read_text())["finished"]


@pytest.mark.parametrize("method", ["so", "cmc", "moco"])
def test_every_stage_of_a_chain_gets_its_settings(trial, tmp_path, monkeypatch, method):
    calls = {}

    def stand_in(tool, settings, folder, *, watch):
        calls[tool.name] = settings
        outputs = {"model": settings.model, "motion": trial.folder / "angles.sto"}
        return Result(tool.name, folder, outputs, (), (), 0)

    monkeypatch.setattr(chain, "run_stage", stand_in)
    monkeypatch.setattr(chain, "activations", lambda *_: read_storage(trial.folder / "angles.sto"))
    files = {"model": "model.osim", "motion": "walk.trc", "forces": "forces.mot"}
    files = {name: str(trial.folder / file) for name, file in files.items()}
    size = {"mass": 40, "height": 1.8, "model_height": 1.7}
    common = {"cutoff": 7, "reserve": 3, "every": 2, "start": 0.5, "end": 1.5}
    settings = ChainSettings(**files, **size, **common, rra=True, method=method)
    chain.run_chain(settings, tmp_path / "out")
    assert list(calls) == ["scale", "ik", "rra", method]
    scale, ik, rra, last = calls.values()
    assert (scale.mass, scale.height, scale.start, scale.end) == (40, 1.8, None, None)
    assert scale.keep_mass_distribution
    assert (ik.start, ik.end) == (0.4, 1.6)
    # Residual reduction has no reserves; the stage after it has its motion, which is filtered.
    assert (rra.start, rra.end, rra.cutoff, rra.reserve) == (0.5, 1.5, 7, 1)
    assert last.motion == trial.folder / "angles.sto"
    assert (last.start, last.end, last.cutoff, last.reserve) == (0, 2, -1, 3)
    assert getattr(last, "every", 2) == 2


@pytest.mark.parametrize("name", [*TOOLS, "chain"])
def test_options_are_the_settings_and_all_have_a_help(name):
    command = getattr(simulate_stages, name)
    settings = ChainSettings if name == "chain" else TOOLS[name].settings
    hidden = () if name == "chain" else TOOLS[name].hidden
    fields = {field.name for field in dataclasses.fields(settings)}
    assert set(hidden) < fields
    options = {one.name: one for one in command.params if isinstance(one, click.Option)}
    assert fields - set(hidden) <= set(options)
    assert not options.keys() & set(hidden)
    for option in options.values():
        assert option.help, option.name


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("chain",), "give --model, or a PROJECT"),
        (("chain", "p.toml", "--cutoff", "8"), "--cutoff"),
        (("ik", "--model", "m.osim"), "give --markers, or a SETUP"),
        (("ik", "setup.xml", "--model", "m.osim"), "--model: expected no settings with setup.xml"),
        (("so", "setup.xml"), "no such file"),
        (
            ("cmc", "--weight", "knee=x", *(["--model", "m", "--motion", "m", "--forces", "f"])),
            "--weight",
        ),
        (("ikk",), "did you mean ik"),
    ],
)
def test_wrong_use_is_one_line(tmp_path, capsys, arguments, word):
    assert word in refused(capsys, "simulate", *arguments, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()
