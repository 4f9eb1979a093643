"""What the evidence says of the real recording: most of the gain needs no refiner."""

import pytest
from support.made_runs import fitted_run

from nem2e_tf.cohorts.manifest.build import build_cohort
from nem2e_tf.controls.blind import input_blind, sentences
from nem2e_tf.evaluation.results import read_results
from nem2e_tf.training.plan import Settings

MUSCLES = ("soleus", "gasmed", "gaslat", "vasmed", "vaslat", "recfem")


@pytest.mark.shared_data
def test_the_mean_pattern_alone_reaches_nearly_all_of_the_gain(shared_data, tmp_path):
    source = shared_data / "treadmill_walk"
    files = ",".join(str(source / name) for name in ("so_activation.sto", "emg.sto", "grf.mot"))
    (tmp_path / "manifest.csv").write_text(
        "subject,condition,speed,side,simulated,emg,ground_reaction,plate\n"
        f"S1,treadmill,,l,{files},1_ground_force\n"
    )
    rows = "".join(f"{muscle}_{{side}}_activation,{muscle}\n" for muscle in MUSCLES)
    (tmp_path / "channels.csv").write_text(f"column,muscle\n{rows}")
    cohort = build_cohort(tmp_path / "manifest.csv", name="treadmill")
    settings = Settings(models=("affine", "linear"), targets="joint", blocks=5)
    run = fitted_run(tmp_path / "run", cohort, settings)
    table = input_blind(read_results(run.path / "results.csv"))
    overall = table[table["muscle"] == "overall"].set_index("model")
    assert overall["mean_pattern_rate"].tolist() == pytest.approx([-0.84] * 2, abs=0.01)
    assert overall.loc["linear", "share"] == pytest.approx(0.98, abs=0.01)
    assert overall.loc["affine", "share"] > 1
    assert overall["verdict"].to_dict() == {"affine": "worse", "linear": "adds"}
    assert overall["skill_p"].isna().all()
    reported = "\n".join(sentences(table, by="block"))
    assert "has a rate of -0.84" in reported
    assert "Skill over the mean pattern in every block: linear." in reported
    assert "linear 98 %, affine 110 %" in reported
