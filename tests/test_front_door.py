"""The Python package as its users see it: names, laziness, and the lines of the documentation."""

import subprocess
import sys

import pytest

import nem2e_tf as nem2e

CODE = """
import nem2e_tf as nem2e
import keras

def my_refiner(*, n_samples, n_channels, n_targets, counterparts, units=8):
    "A GRU over the cycle."
    simulated = keras.Input((n_samples, n_channels))
    states = keras.layers.GRU(units, return_sequences=True)(simulated)
    return keras.Model(simulated, keras.layers.Dense(n_targets)(states))

if __name__ == "__main__":
    cohort = nem2e.load_cohort("folder")
    run = nem2e.cross_validate(cohort, ["linear", "lstm"], targets="joint", epochs=2, out="run")
    print(run.results.shape[0] > 0)
    run.table()
    run.report("evidence")
    refiner = nem2e.train(cohort, "lstm", targets="joint", epochs=2, out="refiner")
    nem2e.export(refiner, "exported", formats=["tflite"], precisions=["float32", "int8"])
    frame = nem2e.load("exported/joint.tflite").refine(
        {name: cohort.simulated[0, :20, i] for i, name in enumerate(cohort.channel_names)}
    )
    print(frame.shape)
"""


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
    assert set(nem2e.__all__) <= set(dir(nem2e))
    assert dir(nem2e) == sorted(nem2e.__all__)
    for name in nem2e.__all__:
        assert (getattr(nem2e, name).__doc__ or "").strip(), name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'crossvalidate'"):
        nem2e.crossvalidate  # noqa: B018
