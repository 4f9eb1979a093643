"""A refiner of the user's own through cross-validation, training, export and refining."""

import json

import keras
import numpy as np
import pytest
from support.tiny_cohort import tiny_cohort

from nem2e_tf import zoo
from nem2e_tf.controls import control
from nem2e_tf.errors import InputError
from nem2e_tf.export.exporter import export
from nem2e_tf.export.runtime.load import load
from nem2e_tf.refiners.refiner import load_refiner
from nem2e_tf.training.chunk import Workshop
from nem2e_tf.training.cross_validation import cross_validate
from nem2e_tf.training.engine import Sizes, Trainer
from nem2e_tf.training.plan import Settings, make_plan
from nem2e_tf.training.recipe import recipe
from nem2e_tf.training.rows import Data, Rows, Task
from nem2e_tf.training.run_folder import open_run
from nem2e_tf.training.train import train
from nem2e_tf.zoo import registry

FILE = '''
import keras

from nem2e_tf.zoo import framed_input, framed_model


class Doubled(keras.layers.Layer):
    def call(self, features):
        return 2 * features


def plain(*, n_samples, n_channels, n_targets, counterparts, units=3, output="direct"):
    """A dense layer with dropout."""
    simulated, features = framed_input(n_samples, n_channels)
    features = keras.layers.Dense(units, activation="relu")(features)
    return framed_model(simulated, keras.layers.Dropout(0.2)(features), n_targets, output)


def custom(*, n_samples, n_channels, n_targets, counterparts):
    """A layer of its own."""
    simulated, features = framed_input(n_samples, n_channels)
    return framed_model(simulated, Doubled()(features), n_targets)
'''


@pytest.fixture(autouse=True)
def _registry(monkeypatch):
    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_worker_processes_know_it_and_a_changed_source_is_refused(file, tmp_path):
    def run(**more):
        return cross_validate(
            tiny_cohort(), [f"{file}:plain", "opensim"], out=tmp_path / "run", epochs=1, **more
        )

    found = run(jobs=2)
    assert set(found.results["model"]) == {"plain", "opensim"}
    recorded = json.loads((tmp_path / "run" / "run.json").read_text())["settings"]["sources"]
    source = zoo.entry("plain").source
    assert recorded == [source.as_dict()]
    assert open_run(tmp_path / "run").settings.sources == (source,)
    assert run(jobs=1).results.equals(found.results)
    file.write_text(FILE.replace("units=3", "units=4"), encoding="utf-8")
    with pytest.raises(InputError, match=r"mine\.py: changed since .* was started"):
        run()


def test_controls_need_the_source_that_the_run_recorded(file, tmp_path):
    cohort = tiny_cohort()
    run = cross_validate(cohort, [f"{file}:plain"], out=tmp_path / "run", epochs=1, jobs=1)
    known = control(run, "shortcut", cohort=cohort, models=[f"{file}:plain"], draws=1, jobs=1)
    assert set(known.summary["model"]) >= {"plain"}
    registry._ENTRIES.pop("plain")
    assert len(control(run, "oracle", cohort=cohort).summary)
    with pytest.raises(InputError, match=r"model plain: expected .* FILE\.py:function"):
        control(run, "shortcut", cohort=cohort, draws=1, jobs=1)
    file.write_text(FILE.replace("units=3", "units=4"), encoding="utf-8")
    with pytest.raises(InputError, match=r"mine\.py: changed since"):
        control(run, "shortcut", cohort=cohort, models=[f"{file}:plain"], draws=1, jobs=1)


def test_models_of_all_muscles_train_together_whatever_keras_names_their_layers(file):
    names, sources = zoo.names_and_sources([f"{file}:plain"])
    settings = Settings(models=names, sources=sources, recipe=recipe("fast", epochs=1))
    cohort = tiny_cohort()
    plan = make_plan(cohort, settings)
    shop = Workshop(cohort, settings, plan)
    for chunk in range(len(plan.chunks)):
        shop.run(chunk)
    assert len(set(shop._networks.values())) == 1 < len(cohort.muscles)


def test_trained_exported_and_refined(file, tmp_path):
    refiner = train(tiny_cohort(), f"{file}:plain", out=tmp_path / "r", targets="joint", epochs=1)
    source = zoo.entry("plain").source
    assert refiner.info.source == {
        "file": str(file),
        "function": "plain",
        "sha256": source.sha256,
    }
    assert not (tmp_path / "r" / "source.py").exists()
    export(tmp_path / "r", tmp_path / "e", timed=False)
    cycles = refiner.reference.simulated
    refined = load(tmp_path / "e").refine(cycles, channels=refiner.channels)
    np.testing.assert_allclose(refined, refiner.refine(cycles), atol=1e-5)


def test_layers_of_its_own_are_loaded_on_request_only(file, tmp_path):
    folder = tmp_path / "r"
    refiner = train(tiny_cohort(), f"{file}:custom", out=folder, targets="joint", epochs=1)
    assert (folder / "source.py").read_text() == FILE
    with pytest.raises(InputError, match=r"source\.py: expected permission .* execute_source=True"):
        load_refiner(folder)
    loaded = load_refiner(folder, execute_source=True)
    cycles = refiner.reference.simulated
    np.testing.assert_array_equal(loaded.refine(cycles), refiner.refine(cycles))
    loaded.save(tmp_path / "again")
    assert load_refiner(tmp_path / "again", execute_source=True).info.source["copy"] == "source.py"
    train(tiny_cohort(), "linear", out=folder, targets="joint")
    assert not (folder / "source.py").exists()
    with (tmp_path / "again" / "source.py").open("a") as stream:
        stream.write("# changed\n")
    with pytest.raises(InputError, match="expected the source that the refiner was trained with"):
        load_refiner(tmp_path / "again", execute_source=True)


LAYERS = {
    "GRU": lambda x: keras.layers.GRU(3, return_sequences=True)(x),
    "LSTM": lambda x: keras.layers.LSTM(3, return_sequences=True)(x),
    "Bidirectional": lambda x: keras.layers.Bidirectional(
        keras.layers.GRU(3, return_sequences=True)
    )(x),
    "Conv1D": lambda x: keras.layers.Conv1D(3, 3, padding="same")(x),
    "MultiHeadAttention": lambda x: keras.layers.MultiHeadAttention(2, 2)(x, x),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_layers_of_keras_train_vectorised_as_one_by_one(kind):
    """Two epochs of three fits together, against Keras' own training of each."""

    def make():
        inputs = keras.Input((5, 2))
        return keras.Model(inputs, keras.layers.Dense(1)(LAYERS[kind](inputs)))

    random = np.random.default_rng(0)
    x = random.random((8, 5, 2)).astype("f4")
    y = (x[..., :1] - 0.5 * x[..., 1:]).astype("f4")
    settings = recipe("fast", batch_size=8, epochs=2, epochs_without_validation=2)
    every, none = Rows(np.arange(8), np.arange(8)), Rows(np.arange(0), np.arange(0))
    trainer = Trainer(make, settings, Sizes(3, 8, 0, 8))
    tasks = [Task(seed, 0, every, none, every) for seed in range(3)]
    fitted = trainer.fit(Data(x, y, np.ones((8, 1), bool)), tasks)
    for task, fit in zip(tasks, fitted, strict=True):
        keras.utils.set_random_seed(task.seed)
        model = make()
        optimizer = (
            keras.optimizers.AdamW(weight_decay=settings.weight_decay)
            if settings.weight_decay
            else keras.optimizers.Adam()
        )
        model.compile(optimizer, lambda true, out: keras.ops.mean((true - out) ** 2) / y.var())
        for epoch in range(2):
            optimizer.learning_rate = settings.learning_rate_at(epoch, 2)
            model.train_on_batch(x, y)
        np.testing.assert_allclose(fit.applied, np.asarray(model(x)), atol=2e-5)


def test_no_layer_is_given_what_it_does_not_take(file, recwarn):
    names, sources = zoo.names_and_sources([f"{file}:plain"])
    settings = Settings(models=names, sources=sources, recipe=recipe("fast", epochs=1))
    cohort = tiny_cohort()
    Workshop(cohort, settings, make_plan(cohort, settings)).run(0)
    assert not [one for one in recwarn if "structure of `inputs`" in str(one.message)]


def test_what_changes_in_training_is_named():
    inputs = keras.Input((4, 2))
    noisy = keras.layers.GaussianNoise(0.1, name="noisy")(inputs)
    with pytest.raises(InputError, match=r"layer noisy, a GaussianNoise, .* layer Dropout"):
        Trainer(
            lambda: keras.Model(inputs, keras.layers.Dense(1)(noisy)),
            recipe("fast"),
            Sizes(1, 4, 0, 0),
        )
