"""Reports of runs in which something is missing: they build, and say what and why."""

import re

import numpy as np
import pytest
from support.made_runs import (
    ENTRIES,
    fitted_run,
    made,
    report,
    said_by_report,
    text_of,
    without,
    write_run,
)
from support.tiny_cohort import changed, tiny_cohort

from nem2e_tf.errors import InputError
from nem2e_tf.report.notes import missing
from nem2e_tf.training.plan import Settings
from nem2e_tf.training.recipe import recipe

SMALL = recipe("fast", units=4, epochs=2)
TWO = {name: ENTRIES[name] for name in ("opensim", "seq2seq")}


def test_one_subject_a_muscle_without_emg_and_a_crashed_fit(tmp_path):
    """Missing values are reported with the reason; the rest is shown."""
    cohort = tiny_cohort(subjects=1, cycles=3)
    measured = cohort.measured.copy()
    measured[..., 1] = np.nan
    cohort = changed(cohort, measured=measured)
    cohort.save(tmp_path / "cohort")
    settings = Settings(models=("mean-pattern", "affine"), blocks=3, recipe=SMALL)
    run = tmp_path / "run"
    fitted_run(run, cohort, settings)
    report(run, "-o", tmp_path / "whole")
    said = text_of(tmp_path / "whole" / "report.html")
    assert "glmed1: no EMG in any group, so there is no score." in said
    assert "No traces" not in said
    assert "blocks allow no inference" in said.replace("Blocks of one person", "blocks")

    last = sorted((run / "predictions").iterdir())[-1]
    last.unlink()
    (run / "results.csv").unlink()
    with pytest.raises(InputError, match="to finish it"):
        report(run)
    done = report(run, "-o", tmp_path / "part", "--cohort", tmp_path / "cohort")
    said = text_of(tmp_path / "part" / "report.html")
    for reported in (
        "run is not finished: only its finished fits were scored",
        "affine (all-entire, seed 0), left out block-",
        "the fit diverged or was not finished",
        "glmed1: no EMG in any group",
    ):
        assert reported in said
        assert reported in done.stderr
    assert "mean-pattern" in said

    for file in (run / "predictions").iterdir():
        file.unlink()
    with pytest.raises(InputError, match="expected finished fits, found none"):
        report(run, "-o", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_made_up_runs_without_plan_or_cohort_still_give_a_page(tmp_path):
    results = made()
    diverged = (results["model"] == "seq2seq") & (results["muscle"] == "tibant")
    results = without(results, diverged & (results["group"] == "s2"))
    results = without(results, results["muscle"] == "semimem", cycles=0)
    one = write_run(tmp_path / "one", results)
    said = said_by_report(one, tmp_path / "report")
    assert "seq2seq (one-quarter, seed 0), left out s2, tibant: no finite" in said
    assert "semimem: no EMG in any group" in said
    assert "No loss curves" in said
    assert "No traces, and no metrics of the curves' size, shape and timing: the cohort" in said
    assert "Groups with missing muscles are included" in said


def test_one_group_has_neither_interval_nor_test(tmp_path):
    results = made(groups=1, entries=TWO)
    said = said_by_report(write_run(tmp_path / "run", results), tmp_path / "report")
    assert "one group: no interval, no test" in said.lower()
    assert (
        "no effect size, no test: opensim, one-entire, direct (skill); seq2seq, one-quarter" in said
    )
    assert "no model: it requires 4 groups and 2 muscles, found 1 and 4" in said.lower()
    assert "Every entry has one seed" in said


def test_an_earlier_report_is_replaced_and_other_folders_are_not(tmp_path):
    run = write_run(tmp_path / "run", made(groups=3, entries=TWO))
    report(run, "-o", tmp_path / "report")
    first = (tmp_path / "report" / "report.html").read_bytes()
    report(run, "-o", tmp_path / "report")
    assert (tmp_path / "report" / "report.html").read_bytes() == first, "the same every time"
    (tmp_path / "report" / "mine.txt").touch()
    with pytest.raises(InputError, match=r"mine\.txt"):
        report(run, "-o", tmp_path / "report")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").touch()
    with pytest.raises(InputError, match=r"mine\.txt"):
        report(run, "-o", tmp_path / "other")


def test_missing_states_the_reason_in_one_sentence_each():
    results = made(groups=9)
    results = without(results, results["model"] == "stdr-net-spatial")
    header = {"plan": {"notes": ["affine: fitted with output direct, the only one it offers"]}}
    lines = missing(results, [header])
    assert lines[0] == "Affine: fitted with output direct, the only one it offers."
    assert "s0, s1, s2, s3, s4, s5 and 3 more" in lines[1]
    assert missing(made(), [{}]) == []


@pytest.mark.shared_data
def test_the_treadmill_walk_reports_the_gain_of_the_mean_pattern_alone(shared_data, tmp_path):
    from nem2e_tf.cohorts.manifest.build import build_cohort

    source = shared_data / "treadmill_walk"
    files = ",".join(str(source / name) for name in ("so_activation.sto", "emg.sto", "grf.mot"))
    (tmp_path / "manifest.csv").write_text(
        "subject,condition,speed,side,simulated,emg,ground_reaction,plate\n"
        f"S1,treadmill,,l,{files},1_ground_force\n"
    )
    muscles = ("soleus", "gasmed", "gaslat", "vasmed", "vaslat", "recfem")
    rows = "".join(f"{muscle}_{{side}}_activation,{muscle}\n" for muscle in muscles)
    (tmp_path / "channels.csv").write_text(f"column,muscle\n{rows}")
    cohort = build_cohort(tmp_path / "manifest.csv", name="treadmill")
    cohort.save(tmp_path / "cohort")
    settings = Settings(
        models=("opensim", "mean-pattern", "affine", "linear"), targets="joint", blocks=5
    )
    fitted_run(tmp_path / "run", cohort, settings)
    said = said_by_report(tmp_path / "run", tmp_path / "report")
    assert "The mean EMG pattern, which does not depend on its input, has a rate of -0.84" in said
    # Also the entries' shares of the gain, and who adds skill.
    assert re.search(r"linear 9[678] %", said)
    assert "Skill over the mean pattern in every block: linear." in said
    assert "Worse than the mean pattern in every block: opensim, affine." in said
    assert (tmp_path / "report" / "report.html").stat().st_size < 5_000_000
