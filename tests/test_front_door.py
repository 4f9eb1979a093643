"""The Python package as its users see it: names, laziness, and the ten lines that show it."""

import os
import re
import shutil
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from support.laboratory import PLATE, write_laboratory

import nem2e_tf as nem2e
from nem2e_tf.io.storage import read_storage

# A refiner of one's own, and what the ten lines take for granted.
BEFORE = """\

import numpy as np
import pandas as pd

def my_refiner(*, n_samples, n_channels, n_targets, counterparts, units=4):
    import keras

    simulated = keras.Input((n_samples, n_channels))
    states = keras.layers.GRU(units, return_sequences=True)(simulated)
    return keras.Model(simulated, keras.layers.Dense(n_targets)(states))

other = "other"
"""

TEN_LINES = """\
import nem2e_tf as nem2e

cohort = nem2e.build_cohort("manifest.csv")
run = nem2e.cross_validate(cohort, ["seq2seq", "linear", my_refiner], targets="joint", out="run")
run.results; run.table(); run.report("evidence"); run.compare(other)
refiner = nem2e.train(cohort, "lstm", out="refiner")
nem2e.export(refiner, "exported", formats=["tflite"], precisions=["float32", "int8"])
loaded = nem2e.load("exported/joint.tflite")
frame = pd.DataFrame(np.full((20, len(loaded.channels)), 0.3), columns=loaded.channels)
refined = loaded.refine(frame)
recording = nem2e.refine_recording(refiner, "activation.sto", side="left",
                                   ground_reaction="grf.mot", plate="1_ground_force")
"""

AFTER = """
print("models:", *sorted(run.results["model"].unique()))
print("shapes:", refined.shape, recording.storage.data.shape)
"""


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory):
    """A folder with recordings and an earlier run to compare with."""
    folder = write_laboratory(tmp_path_factory.mktemp("a laboratory"))
    cohort = nem2e.build_cohort(folder / "manifest.csv")
    nem2e.cross_validate(cohort, "linear", targets="joint", out=folder / "other", jobs=1)
    return folder


def clean(folder):
    for name in ("run", "evidence", "refiner", "exported"):
        shutil.rmtree(folder / name, ignore_errors=True)
    return folder


def outcome(text):
    return [line for line in text.splitlines() if line.startswith(("models:", "shapes:"))]


EXPECTED = ["models: linear my-refiner seq2seq", "shapes: (20, 2) (901, 2)"]


def test_the_ten_lines_run_from_a_file(laboratory):
    folder = clean(laboratory)
    (folder / "ten lines.py").write_text(
        "if __name__ == '__main__':\n"
        + "".join(f"    {line}\n" for line in (BEFORE + TEN_LINES + AFTER).splitlines() if line)
    )
    done = subprocess.run(
        [sys.executable, "ten lines.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert outcome(done.stdout) == EXPECTED, done.stderr
    # Quiet: warnings of ours may come, log lines of TensorFlow and LiteRT do not.
    assert not re.findall("oneDNN|cuda|XNNPACK|absl", done.stderr)
    assert (folder / "evidence" / "report.html").is_file()


def from_standard_input(folder, code):
    return subprocess.run(
        [sys.executable, "-"], input=code, cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_ten_lines_run_from_standard_input(laboratory):
    """Python keeps no source of what it reads from standard input: the refiner is imported."""
    folder = clean(laboratory)
    (folder / "my_refiners.py").write_text(BEFORE)
    code = "from my_refiners import *\n" + TEN_LINES + AFTER
    done = from_standard_input(folder, code)
    assert outcome(done.stdout) == EXPECTED, done.stderr


def test_a_function_typed_into_standard_input_is_refused_with_advice(laboratory):
    code = (
        f"{BEFORE}\nimport nem2e_tf as nem2e\n"
        "nem2e.cross_validate(nem2e.build_cohort('manifest.csv'), my_refiner, targets='joint')\n"
    )
    done = from_standard_input(laboratory, code)
    assert done.returncode == 1
    assert "put the function into a file and give FILE.py:function" in done.stderr


@pytest.mark.slow
def test_the_ten_lines_run_in_a_notebook(laboratory):
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        nbformat.v4.new_code_cell(source) for source in (BEFORE, *TEN_LINES.split("\n\n"), AFTER)
    ]
    client = NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(clean(laboratory))}}
    )
    client.execute()
    printed = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])
    )
    assert outcome(printed) == EXPECTED


def test_importing_is_quick_and_light():
    code = (
        "import sys, time; start = time.perf_counter(); import nem2e_tf; "
        "print(time.perf_counter() - start); "
        "print([n for n in ('tensorflow', 'keras', 'numpy', 'pandas') if n in sys.modules])"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(3)
    ]
    assert min(float(done.stdout.split()[0]) for done in runs) < 0.15
    assert {done.stdout.split(maxsplit=1)[1].strip() for done in runs} == {"[]"}


def test_every_public_name_is_there_and_documented():
    assert set(dir(nem2e)) == set(nem2e.__all__)
    for name in nem2e.__all__:
        assert (getattr(nem2e, name).__doc__ or "").strip(), name


def test_export_is_a_function_and_a_package():
    import nem2e_tf.export.parity

    assert nem2e.export is nem2e_tf.export
    assert callable(nem2e.export)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'crossvalidate'"):
        nem2e.crossvalidate  # noqa: B018


def test_errors_name_parameters(laboratory):
    with pytest.raises(nem2e.InputError, match=r"^side: expected left or right, found 'both'"):
        nem2e.refine_recording("refiner", laboratory / "activation.sto", side="both")
    with pytest.raises(nem2e.InputError, match=r"^ground_reaction and events: expected one"):
        nem2e.refine_recording("refiner", laboratory / "activation.sto", side="left")
    with pytest.raises(nem2e.InputError, match=r"^plate and ground_reaction: expected both"):
        nem2e.refine_recording(
            "refiner",
            laboratory / "activation.sto",
            side="left",
            ground_reaction=laboratory / "grf.mot",
        )
    with pytest.raises(nem2e.InputError, match=r"^jobs 0: expected"):
        nem2e.cross_validate(laboratory / "manifest.csv", "linear", jobs=0)


def test_a_cohort_does_not_depend_on_the_number_of_threads(laboratory):
    code = "import nem2e_tf as nem2e; print(nem2e.build_cohort('manifest.csv').digest)"
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=laboratory,
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "4")
    }
    assert len(digests) == 1


def test_the_delay_of_the_electrodes_is_undone(laboratory):
    """A planted distortion, late by 0.1 s and half as strong, is undone for a new person."""
    cohort = nem2e.build_cohort(laboratory / "manifest.csv")
    run = nem2e.cross_validate(cohort, ["opensim", "linear"], targets="joint", jobs=1)
    assert run.results.groupby("model")["rate"].mean()["linear"] < -0.5
    refined = nem2e.refine_recording(
        nem2e.train(cohort, "linear"),
        laboratory / "activation.sto",
        side="left",
        ground_reaction=laboratory / "grf.mot",
        plate=PLATE,
        out=laboratory / "refined.sto",
    )
    time, data = refined.storage.time, refined.storage.data[:, 0]
    simulated = read_storage(laboratory / "activation.sto")
    soleus = simulated.data[:, simulated.labels.index("soleus_l")]
    undone = np.interp(time - 0.1, simulated.time, soleus) / 2
    assert refined.storage.labels[0] == "soleus_l"
    assert np.sqrt(np.mean((data - undone) ** 2)) < 0.03
    assert (laboratory / "refined.sto").is_file()


def test_a_run_in_a_temporary_folder_lives_as_long_as_its_object(laboratory):
    cohort = nem2e.build_cohort(laboratory / "manifest.csv")
    run = nem2e.cross_validate(cohort, "affine", targets="joint", jobs=1)
    path = run.path
    assert nem2e.load_run(path).results.equals(run.results)
    del run
    assert not path.exists()
    with pytest.raises(nem2e.InputError, match="expected a run folder"):
        nem2e.load_run(path)
