"""Motion in, refined activity out, with a stand-in for OpenSim and once with OpenSim."""

import json

import numpy as np
import pytest
from support.simulating import call, opensim, refused, said, trial
from support.small_refiners import by_hand

from nem2e_tf.errors import InputError
from nem2e_tf.export.runtime.load import load
from nem2e_tf.io.storage import Storage, read_storage, write_storage
from nem2e_tf.refiners.refiner import save_refiner
from nem2e_tf.simulate.estimate import estimate

__all__ = ["opensim", "trial"]

LINEAR = ("--model", "linear", "--pattern", "all-entire", "--targets", "joint")


@pytest.fixture(scope="module")
def refiner(tmp_path_factory):
    """Soleus is twice its channel, glmed1 the mean of two channels plus one."""
    folder = tmp_path_factory.mktemp("refiner") / "refiner"
    made = by_hand()
    save_refiner(folder, made.models, made.info, made.reference)
    return folder


def arguments(trial, refiner, out, *motions, **more):
    motions = motions or ("walk.trc",)
    given = ["estimate", *(trial.folder / motion for motion in motions)]
    for _ in motions:
        given += ["--forces", trial.folder / "forces.mot"]
    given += ["--model", trial.folder / "model.osim", "--refiner", refiner, "--side", "right"]
    for name, value in more.items():
        given += [f"--{name}", value]
    return [*given, "-o", out]


def test_motion_in_refined_activity_out(trial, refiner, tmp_path, capsys):
    out = tmp_path / "out"
    code, printed, err = call(capsys, *arguments(trial, refiner, out))
    assert code == 0
    simulated = read_storage(out / "walk" / "activation.sto")
    refined = read_storage(out / "walk" / "refined.sto")
    assert refined.labels == ("soleus_r", "glmed1_r")
    # the one right cycle, from contact at 0.2 s to contact at 1.2 s
    assert refined.time[[0, -1]] == pytest.approx([0.2, 1.2])
    rows = np.isin(simulated.time, refined.time)
    wanted = 2 * simulated.column("soleus_r")[rows]
    assert np.corrcoef(refined.column("soleus_r"), wanted)[0, 1] > 0.99
    np.testing.assert_allclose(refined.column("soleus_r"), wanted, atol=0.08)
    assert (out / "refined.png").read_bytes()[:4] == b"\x89PNG"
    reported = json.loads((out / "estimate.json").read_text())
    assert reported["finished"]
    assert reported["trials"]["walk"]["cycles"] == 1
    assert len(reported["trials"]["walk"]["gates"]) == 5
    assert printed.splitlines()[0].startswith("stage")
    assert "all quality gates passed" in printed
    assert "outside complete cycles" in err


def test_it_is_compared_with_emg(trial, refiner, tmp_path, capsys):
    """The EMG equals the simulation: r is 1 before refining and about 1 after."""
    out = tmp_path / "out"
    call(capsys, *arguments(trial, refiner, out))
    simulated = read_storage(out / "walk" / "activation.sto")
    emg = Storage("emg", ("soleus",), simulated.time, simulated.column("soleus_r")[:, None])
    write_storage(tmp_path / "emg.sto", emg)
    count = len(trial.calls)
    code, printed, _ = call(capsys, *arguments(trial, refiner, out, emg=tmp_path / "emg.sto"))
    assert code == 0
    assert len(trial.calls) == count
    reported = json.loads((out / "estimate.json").read_text())["trials"]["walk"]
    assert reported["r_simulated"] == {"soleus": pytest.approx(1, abs=1e-6)}
    assert 0.98 < reported["r_refined"]["soleus"] <= 1
    assert "r simulated  r refined" in printed


def test_several_motions_in_parallel(trial, refiner, tmp_path, capsys):
    out = tmp_path / "out"
    given = arguments(trial, refiner, out, "walk.trc", "angles.sto", jobs=2)
    code, printed, _ = call(capsys, *given)
    assert code == 0
    assert (out / "walk" / "refined.sto").is_file()
    assert (out / "angles" / "refined.sto").is_file()
    assert "refined.png: 2 trials" in printed


def test_a_project_of_trials(trial, refiner, tmp_path, capsys):
    project = trial.folder / "project.toml"
    project.write_text(
        'model = "model.osim"\nforces = "forces.mot"\n[[subject]]\nname = "S1"\n'
        '[[subject.trial]]\nname = "a"\nmotion = "angles.sto"\n'
    )
    given = ("estimate", project, "--refiner", refiner, "--side", "left", "-o", tmp_path / "out")
    assert call(capsys, *given)[0] == 0
    refined = read_storage(tmp_path / "out" / "S1" / "a" / "refined.sto")
    assert refined.labels == ("soleus_l", "glmed1_l")
    assert refined.time[[0, -1]] == pytest.approx([0.7, 1.7], abs=0.011)


def test_wrong_use_is_one_line(trial, refiner, tmp_path, capsys):
    out = tmp_path / "out"
    whole = arguments(trial, refiner, out)
    cases = [
        (arguments(trial, tmp_path / "none", out), "none: expected a refiner folder"),
        (arguments(trial, refiner, out, events=tmp_path / "no.csv"), "no.csv"),
        (arguments(trial, refiner, out, emg=tmp_path / "no.sto"), "no.sto"),
        (arguments(trial, refiner, out, end=1), "expected a cycle of the right foot up to 1 s"),
        ([*whole[:1], trial.folder / "angles.sto", *whole[1:]], "2 motions, 1 forces"),
    ]
    for given, word in cases:
        assert word in refused(capsys, *given)
    assert trial.calls == []
    assert not out.exists()


def test_from_python_with_names_of_files_and_a_loaded_refiner(trial, refiner, tmp_path):
    folder, shares = trial.folder, []
    done = estimate(
        str(folder / "walk.trc"),
        forces=str(folder / "forces.mot"),
        model=str(folder / "model.osim"),
        refiner=load(refiner),
        side="right",
        out=str(tmp_path / "out"),
        watch=lambda title: lambda stage, share: shares.append((title, stage, share)),
        mass=30,
    )
    (one,) = done.trials
    assert (one.title, one.cycles, one.muscles) == ("walk", 1, ("soleus_r", "glmed1_r"))
    assert one.refined.shape == (1, 101, 2)
    assert np.isnan(one.measured).all()
    assert [result.stage for result in one.chain.stages] == ["ik", "so"]
    assert done.table() == ""
    assert done.picture.is_file()
    assert json.loads((done.folder / "estimate.json").read_text())["trials"] == done.as_dict()
    assert ("walk", "so", 1.0) in shares


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"side": "r"}, "side: expected left or right, found 'r'"),
        ({"forces": ()}, "forces: expected one file per motion, found 1 motions, 0 forces"),
        ({"model": None}, "model: expected an OpenSim model"),
        ({"motion": "project.toml"}, "forces: expected none with a project"),
        ({"motion": ["a/w.trc", "b/w.trc"], "forces": ["f", "f"]}, "found two w; use a project"),
    ],
)
def test_wrong_use_from_python_names_the_parameter(trial, refiner, tmp_path, changed, message):
    given = {"motion": trial.folder / "walk.trc", "forces": trial.folder / "forces.mot"}
    given |= {"model": trial.folder / "model.osim", "refiner": refiner, "side": "right"}
    given |= changed
    with pytest.raises(InputError) as error:
        estimate(given.pop("motion"), **given, out=tmp_path / "out")
    said(error, message)
    assert trial.calls == []


@pytest.mark.opensim
@pytest.mark.shared_data
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("opensim")
def test_a_walk_from_markers_to_refined_emg(shared_data, tmp_path, capsys):
    """A refiner trained on the left leg of another person improves the right leg."""
    treadmill, walk = shared_data / "treadmill_walk", shared_data / "opensim_walk3d"
    (tmp_path / "manifest.csv").write_text(
        "subject,condition,speed,side,simulated,emg,ground_reaction,plate\n"
        f"S1,walk,1.2,l,{treadmill / 'so_activation.sto'},{treadmill / 'emg.sto'},"
        f"{treadmill / 'grf.mot'},1_ground_force\n"
    )
    muscles = ("soleus", "gasmed", "gaslat", "vasmed", "vaslat", "recfem")
    lines = ["column,muscle", *(f"{name}_l_activation,{name}" for name in muscles)]
    (tmp_path / "channels.csv").write_text("\n".join(lines) + "\n")
    for given in (
        ("data", "build", tmp_path / "manifest.csv", "-o", tmp_path / "cohort"),
        ("train", tmp_path / "cohort", *LINEAR, "-o", tmp_path / "refiner"),
    ):
        assert call(capsys, *given)[0] == 0
    given = ["estimate", walk / "markers_walk.trc", "--forces", walk / "grf_walk.mot"]
    given += ["--model", walk / "subject_walk_scaled.osim", "--mass", 85.27, "--side", "right"]
    given += ["--start", 0.27, "--end", 1.42, "--every", 2, "--emg", walk / "electromyography.sto"]
    given += ["--tasks", walk / "ik_tasks_walk.xml", "--skip-missing"]
    given += ["--refiner", tmp_path / "refiner", "-o", tmp_path / "out"]
    code, printed, _ = call(capsys, *given)
    assert code == 0
    reported = json.loads((tmp_path / "out" / "estimate.json").read_text())["trials"][
        "markers_walk"
    ]
    before, after = (
        np.mean(list(reported[f"r_{which}"].values())) for which in ("simulated", "refined")
    )
    assert before > 0.5
    assert after > before + 0.1
    # The left foot is off its plate until 0.45 s, which the gate shows.
    (residual,) = (gate for gate in reported["gates"] if gate["name"] == "residual force")
    assert residual["value"] > 50
    assert "NO" in printed
