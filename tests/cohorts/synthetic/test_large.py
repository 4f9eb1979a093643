"""Cohorts written subject by subject."""

import json

import numpy as np
import pytest

from nem2e_tf.cli.main import main
from nem2e_tf.cohorts.cohort import load_cohort
from nem2e_tf.cohorts.synthetic.cohorts import (
    DIGESTS,
    make,
    synthesise,
    write_repeated,
)
from nem2e_tf.cohorts.synthetic.distortion import Distortion
from nem2e_tf.errors import InputError


@pytest.mark.parametrize("name", ["walk", "run"])
def test_the_fixed_cohorts_are_the_same(name, tmp_path):
    cohort = synthesise(name, out=tmp_path / name)
    assert cohort.digest == DIGESTS[name]
    assert (tmp_path / name / "cohort.json").read_text().count(DIGESTS[name]) == 1


def test_the_files_are_those_of_a_saved_cohort(tmp_path):
    changes = {"seed": 3, "distortion": Distortion.pure_lag(), "n_subjects": 3, "n_cycles": 2}
    synthesise("run", speeds=(2.5, 4.5), out=tmp_path / "one", **changes)
    make("run", speeds=(2.5, 4.5), **changes).cohort.save(tmp_path / "two")
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "two").iterdir())
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_nothing_is_left_of_what_failed(tmp_path, monkeypatch):
    def fails(*_):
        raise MemoryError

    monkeypatch.setattr("nem2e_tf.cohorts.synthetic.cohorts.SubjectDraw.__call__", fails)
    with pytest.raises(MemoryError):
        synthesise("walk", out=tmp_path / "cohort")
    assert list((tmp_path / "cohort").iterdir()) == []


def test_command_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(f"data synth walk --subjects 3 --cycles 2 -o {tmp_path / 'cohort'}".split())
    assert caught.value.code == 0
    assert "24 cycles of 3 subjects" in capsys.readouterr().out
    with pytest.raises(InputError, match="n_subjects: expected 1 or more, found 0"):
        synthesise("walk", n_subjects=0, out=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_repeated_cohort_has_other_subjects_and_the_same_cycles(tmp_path):
    small = make("walk", n_subjects=2, n_cycles=2).cohort
    cohort = load_cohort(write_repeated(tmp_path / "cohort", small, times=3))
    assert cohort.cycles["subject"].nunique() == 2 * 3
    assert cohort.cycles["trial"].nunique() == small.cycles["trial"].nunique() * 3
    assert cohort.cycles["subject"].iloc[len(small.cycles)] == "S01-2"
    for name in ("simulated", "measured"):
        np.testing.assert_array_equal(
            getattr(cohort, name), np.tile(getattr(small, name), (3, 1, 1))
        )
    recorded = json.loads((tmp_path / "cohort" / "cohort.json").read_text())
    assert (recorded["digest"], recorded["cycles"]) == (cohort.digest, 3 * len(small.cycles))


def test_synthesise_gives_the_same_cohort_in_memory_and_on_disk(tmp_path):
    settings = {"n_subjects": 2, "n_cycles": 2, "seed": 3, "distortion": "lag"}
    memory = synthesise("run", **settings)
    disk = synthesise("run", out=tmp_path / "cohort", **settings)
    assert memory.digest == disk.digest == load_cohort(str(tmp_path / "cohort")).digest
    assert repr(disk) == "<Cohort run: 16 cycles of 2 subjects, 92 channels, 16 muscles>"
    with pytest.raises(InputError, match=r"distortion: expected lag, gain, leak, none, found 'la'"):
        synthesise("run", distortion="la")
