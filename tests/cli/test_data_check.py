"""``data check`` and ``data plot`` as a user calls them."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from nem2e_tf.cli.data import plot
from nem2e_tf.cli.data_check import check
from nem2e_tf.cohorts.synthetic.cohorts import make
from nem2e_tf.errors import InputError
from nem2e_tf.io.storage import Storage, write_storage
from nem2e_tf.report.figures.panels import draw_curves

TIME = np.arange(0, 10, 0.01)


def burst(place, *, late=0.0):
    phase = np.mod(TIME - late, 1.1) / 1.1
    return 0.05 + np.exp(-0.5 * ((phase - place) / 0.08) ** 2) / 2


def run(command, *arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path):
    """A simulation of both legs, EMG of the right one, and a manifest with its channel map."""
    labels = ("soleus_r", "tibant_r", "soleus_l", "tibant_l", "knee_angle_r_reserve")
    data = np.stack([burst(0.3), burst(0.7), burst(0.8), burst(0.2), 0 * TIME], axis=1)
    write_storage(tmp_path / "sim.sto", Storage("sim", labels, TIME, data))
    emg = np.stack([burst(0.3), burst(0.7)], axis=1)
    write_storage(tmp_path / "emg.sto", Storage("emg", ("soleus", "tibant"), TIME, emg))
    write_storage(tmp_path / "late.sto", Storage("emg", ("soleus", "tibant"), TIME + 0.2, emg))
    (tmp_path / "channels.csv").write_text("column,muscle\nsoleus,soleus\ntibant,tibant\n")
    head = "subject,condition,speed,side,simulated,emg,start,end\n"
    (tmp_path / "right.csv").write_text(f"{head}s1,free,1.2,r,sim.sto,emg.sto,1.1,2.2\n")
    (tmp_path / "left.csv").write_text(f"{head}s1,free,1.2,l,sim.sto,emg.sto,1.1,2.2\n")
    return tmp_path


def test_file_alone_and_with_its_emg(folder):
    result = run(check, folder / "sim.sto")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "activations: 4" in result.stdout
    result = run(check, folder / "sim.sto", "--emg", folder / "emg.sto", "--side", "right")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "all muscles" in result.stdout


def test_wrong_leg_and_shifted_clock_exit_1_and_state_which(folder):
    result = run(check, folder / "sim.sto", "--emg", folder / "emg.sto", "--side", "left")
    assert result.exit_code == 1
    assert "OTHER LEG" in result.stderr
    assert result.stderr.endswith("wrong: other leg\n")
    result = run(check, folder / "sim.sto", "--emg", folder / "late.sto", "--side", "right")
    assert result.exit_code == 1
    assert "the simulation is 200 ms early" in result.stderr


def test_manifest(folder):
    assert run(check, folder / "right.csv").exit_code == 0
    result = run(check, folder / "left.csv", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (found["trials"], found["wrong"]) == (1, ["other leg"])
    assert found["alignment"][0]["muscles"][0]["muscle"] == "soleus"
    assert found["alignment"][0]["mean_other_leg_r"] > 0.9


def test_broken_files_exit_as_the_worst_of_them(folder):
    data = np.stack([burst(0.3), 700 * burst(0.7), 12 * burst(0.7)], axis=1)
    labels = ("soleus_r", "tibant_r", "knee_angle_r_reserve")
    write_storage(folder / "forces.sto", Storage("", labels, TIME, data))
    result = run(check, folder / "forces.sto", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["wrong"] == ["range", "reserve"]
    text = (folder / "sim.sto").read_text()
    (folder / "damaged.sto").write_text(text.replace("endheader\n", "endheader\ntime\nheader\n"))
    result = run(check, folder / "damaged.sto")
    assert result.exit_code == 0
    assert result.stderr.count("damaged header repaired") == 1
    (folder / "half.sto").write_text(text[: len(text) // 2])
    for path in (folder / "half.sto", folder / "absent.sto", folder):
        assert isinstance(run(check, path).exception, InputError)


def test_cohort_and_its_picture(tmp_path):
    cohort = make("walk", seed=3, n_subjects=4).cohort
    cohort.save(tmp_path / "walk")
    result = run(check, tmp_path / "walk", "--json")
    assert result.exit_code == 0, result.stderr
    assert len(json.loads(result.stdout)["alignment"]) == 4
    other = cohort.channels["name"].map(
        lambda name: {"ipsi": "x", "contra": "ipsi"}[name.rpartition("_")[2]]
    )
    swapped = np.argsort(other == "x", kind="stable")
    replaced = type(cohort)(
        "wrong",
        cohort.simulated[:, :, swapped],
        cohort.measured,
        cohort.cycles,
        cohort.channels,
        cohort.muscles,
    )
    replaced.save(tmp_path / "wrong")
    assert run(check, tmp_path / "wrong").exit_code == 1
    for ending, start in ((".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")):
        picture = tmp_path / f"curves{ending}"
        result = run(plot, tmp_path / "walk", "-o", picture)
        assert result.exit_code == 0, result.output
        assert picture.read_bytes().startswith(start)
    for arguments, message in (
        (("-o", tmp_path / "curves.gif"), "ends in .pdf, .svg, .png"),
        (("-o", tmp_path / "no" / "curves.pdf"), "existing folder"),
        (("-o", tmp_path / "c.pdf", "--muscle", "tibamt"), "did you mean tibant"),
        (("-o", tmp_path / "c.pdf", "--by", "speeds"), "did you mean speed"),
        (("-o", tmp_path / "c.pdf", "--by", "end"), "at most 12 groups"),
    ):
        error = run(plot, tmp_path / "walk", *arguments).exception
        assert isinstance(error, InputError)
        assert message in str(error)
    assert not (tmp_path / "c.pdf").exists()


def test_panels_show_mean_and_spread_of_their_group():
    rng = np.random.default_rng(0)
    measured, simulated = rng.random((2, 10, 101, 2))
    measured[0, 3, 1] = np.nan
    groups = ["slow"] * 4 + ["fast"] * 6
    figure = draw_curves(measured, simulated, muscles=["a", "b"], groups=groups)
    panels = figure.axes
    assert [panel.get_title() for panel in panels[:2]] == ["slow (n = 4)", "fast (n = 6)"]
    dashed, solid = (line.get_ydata() for line in panels[1].lines)
    np.testing.assert_allclose(dashed, simulated[4:, :, 0].mean(axis=0))
    np.testing.assert_allclose(solid, measured[4:, :, 0].mean(axis=0))
    assert [panel.texts[0].get_text() for panel in panels] == ["", "", "n = 3", ""]
    band = panels[1].collections[1].get_paths()[0].vertices
    spread = measured[4:, :, 0].std(axis=0, ddof=1)
    assert band[:, 1].max() == pytest.approx((solid + spread).max())
    relative = draw_curves(
        100 * measured, simulated, muscles=["a", "b"], groups=groups, relative=True
    )
    assert max(max(p.lines[1].get_ydata()) for p in relative.axes[:2]) == pytest.approx(1.0)
    with pytest.raises(InputError, match="2 muscles"):
        draw_curves(measured[:, :, :1], simulated, muscles=["a", "b"], groups=groups)
