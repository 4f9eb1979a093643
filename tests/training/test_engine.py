"""Fitting many networks at once; `test_fifty_steps.py` compares it with plain Keras."""

import functools
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import keras
import numpy as np
import pytest
from support.tiny_cohort import tiny_cohort

from nem2e_tf import zoo
from nem2e_tf.errors import InputError
from nem2e_tf.training.chunk import Workshop
from nem2e_tf.training.engine import Sizes, Trainer
from nem2e_tf.training.plan import Settings, make_plan
from nem2e_tf.training.recipe import Recipe, recipe
from nem2e_tf.training.rows import Data, Rows, Task, thin
from nem2e_tf.zoo.layers import CounterpartMean

SAMPLES, CHANNELS, TARGETS = 6, 3, 2
RECIPE = Recipe(epochs=5, epochs_without_validation=5, batch_size=4, learning_rate=1e-2)
SIZES = Sizes(fits=3, training=8, validation=2, application=3)


def make(name, **options):
    known = zoo.entry(name).options
    small = {key: v for key, v in {"units": 4, "n_heads": 2}.items() if key in known}
    return zoo.create(
        name,
        n_samples=SAMPLES,
        n_channels=CHANNELS,
        n_targets=TARGETS,
        counterparts=[[0], [1, 2]],
        **small | options,
    )


@cache
def data():
    """Sixteen rows; the second muscle is absent from rows 1 and 2."""
    random = np.random.default_rng(2)
    x = random.random((16, SAMPLES, CHANNELS)).astype(np.float32)
    y = (0.5 * x[..., :TARGETS] + 0.2 * random.random((16, SAMPLES, TARGETS))).astype(np.float32)
    y[..., 1] *= 3
    present = np.ones((16, TARGETS), bool)
    present[[1, 2], 1] = False
    return x, np.where(present[:, None, :], y, np.float32(0)), present


def rows(*numbers):
    return Rows(np.array(numbers, int), np.array(numbers, int))


def task(training, validation=(), application=(13, 14, 15), *, seed=0, stream=1):
    return Task(seed, stream, rows(*training), rows(*validation), rows(*application))


LARGE = task(range(8), seed=0, stream=11)
SMALL = task((3, 9, 10), seed=1, stream=12)
MIDDLE = task((0, 1, 2, 11, 12), seed=0, stream=13)


@cache
def trainer(name, recipe=RECIPE, sizes=SIZES, **options):
    in_training = functools.partial(zoo.entry(name).in_training, **options)
    return Trainer(lambda: make(name, **options), recipe, sizes, in_training=in_training)


def fitted(name, tasks, recipe=RECIPE, *, x=None, y=None, **options):
    inputs, targets, present = data()
    rows = Data(inputs if x is None else x, targets if y is None else y, present)
    return trainer(name, recipe, **options).fit(rows, tasks)


def assert_same_bits(first, second):
    for value, other in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(value, other)
    np.testing.assert_array_equal(first.applied, second.applied)
    np.testing.assert_array_equal(first.history, second.history)
    assert first.epochs == second.epochs


def differ(first, second):
    return any(
        not np.array_equal(value, other)
        for value, other in zip(first.weights, second.weights, strict=True)
    )


def test_weight_decay_does_something():
    decayed = fitted("rnn", [LARGE], replace(RECIPE, weight_decay=0.1))[0]
    assert differ(decayed, fitted("rnn", [LARGE])[0])


@pytest.mark.parametrize("name", ["rnn", "transformer"])
def test_others_in_the_chunk_make_no_difference(name):
    """At the same place not one bit differs; at another place rounding may."""
    together = fitted(name, [LARGE, SMALL, MIDDLE])
    for place, others in enumerate(([LARGE], [MIDDLE, SMALL, LARGE], [SMALL, LARGE, MIDDLE])):
        assert_same_bits(fitted(name, others)[place], together[place])
    np.testing.assert_allclose(fitted(name, [SMALL])[0].applied, together[1].applied, atol=1e-5)


def test_repeats_bit_for_bit_in_a_new_trainer():
    again = Trainer(lambda: make("rnn"), RECIPE, SIZES).fit(Data(*data()), [LARGE])
    assert_same_bits(again[0], fitted("rnn", [LARGE])[0])


def test_inputs_too_large_for_the_graph_are_read_block_by_block(monkeypatch, tmp_path):
    """From a memory map, some steps and rows at a time: the same numbers but for rounding."""
    from nem2e_tf.training import engine

    tasks = [task(range(8), (9, 10)), task(range(5), (11,), stream=4)]
    expected = fitted("rnn", tasks)
    inputs, targets, present = data()
    np.save(tmp_path / "inputs.npy", inputs)
    mapped = np.load(tmp_path / "inputs.npy", mmap_mode="r")
    monkeypatch.setattr(engine, "LARGEST_IN_GRAPH", 0)
    row = 4 * SAMPLES * CHANNELS * SIZES.fits
    for block in (1, 2 * row, 1000 * row):
        monkeypatch.setattr(engine, "BLOCK", block)
        apart = Trainer(lambda: make("rnn"), RECIPE, SIZES).fit(
            Data(mapped, targets, present), tasks
        )
        for one, other in zip(expected, apart, strict=True):
            assert one.epochs == other.epochs
            np.testing.assert_allclose(other.history, one.history, rtol=1e-4)
            np.testing.assert_allclose(other.applied, one.applied, atol=1e-5)


def test_seeds_and_streams_differ():
    first, seeded, streamed = fitted(
        "rnn", [LARGE, replace(LARGE, seed=5), replace(LARGE, stream=99)]
    )
    assert differ(first, seeded)
    assert differ(first, streamed)


class TestEarlyStopping:
    RECIPE = replace(RECIPE, epochs=80, patience=3, learning_rate=5e-2)
    # The validation targets of the first are turned upside down: training makes it worse.
    SOON = task(range(7), (8, 9), seed=0, stream=21)
    LATE = task(range(7), (10, 11), seed=0, stream=22)
    NEVER = task(range(7), (), seed=0, stream=23)

    def fits(self, tasks):
        y = data()[1].copy()
        y[[8, 9]] = 2 * y.mean() - 3 * y[[8, 9]]
        return fitted("rnn", tasks, self.RECIPE, y=y)

    def test_each_stops_by_itself_and_keeps_its_best_epoch(self):
        soon, late, never = self.fits([self.SOON, self.LATE, self.NEVER])
        assert len(soon.history) < len(late.history)
        for found in (soon, late):
            validation = found.history[:, 1]
            assert found.epochs == np.argmin(validation) + 1
            assert len(found.history) == min(80, found.epochs + 3)
        assert (never.epochs, len(never.history)) == (5, 5)

    def test_a_fit_that_stopped_does_not_change(self):
        together = self.fits([self.SOON, self.LATE, self.NEVER])
        for place, one in enumerate([self.SOON, self.LATE, self.NEVER]):
            assert_same_bits(self.fits([one])[0], together[place])

    def test_weights_and_output_are_those_of_the_best_epoch(self):
        late = self.fits([self.SOON, self.LATE])[1]
        inputs, targets, present = data()
        model = make("rnn")
        model.set_weights(late.weights)
        applied = np.asarray(model(inputs[[13, 14, 15]], training=False))
        np.testing.assert_allclose(late.applied, applied, atol=1e-6)
        refined = np.asarray(model(inputs[[10, 11]], training=False))
        chosen = np.arange(7)
        error = np.mean(
            [
                np.mean((refined - targets[[10, 11]])[..., m] ** 2)
                / targets[chosen[present[chosen, m]]][..., m].var()
                for m in range(TARGETS)
            ]
        )
        assert late.history[late.epochs - 1, 1] == pytest.approx(error, rel=1e-4)

    def test_stopping_early_is_training_for_fewer_epochs(self):
        late = self.fits([self.LATE])[0]
        assert 1 < late.epochs < 70
        shorter = replace(self.RECIPE, epochs=late.epochs, patience=0)
        same = fitted("rnn", [self.LATE], shorter)[0]
        for value, other in zip(late.weights, same.weights, strict=True):
            np.testing.assert_array_equal(value, other)


class TestLeftOutRows:
    @pytest.mark.parametrize("validation", [(), (11, 12)])
    def test_never_influence_anything(self, validation):
        one = task(range(8), validation, seed=0)
        x, y = data()[0].copy(), data()[1].copy()
        clean = fitted("rnn", [one])[0]
        x[[13, 14, 15]] = 1e4
        y[[13, 14, 15]] = -1e4
        wild = fitted("rnn", [one], x=x, y=y)[0]
        assert clean.epochs == wild.epochs
        assert not differ(clean, wild)
        np.testing.assert_array_equal(clean.history[:, :2], wild.history[:, :2])
        assert (clean.history[:, 2] != wild.history[:, 2]).all()

    def test_validation_rows_change_no_weight_of_an_epoch(self):
        recipe = replace(RECIPE, epochs=1, epochs_without_validation=1)
        with_, without = fitted("rnn", [task(range(8), (9, 10)), task(range(8))], recipe)
        for value, other in zip(with_.weights, without.weights, strict=True):
            np.testing.assert_allclose(value, other, rtol=1e-5, atol=1e-6)

    def test_none_is_fine(self):
        found = fitted("rnn", [task(range(8), (), ())])[0]
        assert found.applied.shape == (0, SAMPLES, TARGETS)

    def test_losses_are_nan_where_there_are_no_rows(self):
        found = fitted("rnn", [task(range(8), (), ()), task(range(8), (9,), (13,))])
        assert np.isnan(found[0].history[:, 1:]).all()
        assert np.isfinite(found[1].history).all()


class TestDropout:
    FROZEN = replace(RECIPE, learning_rate=1e-12, batch_size=8)

    def test_others_in_the_chunk_make_no_difference(self):
        together = fitted("rnn", [LARGE, SMALL, MIDDLE], dropout=0.4)
        for place, one in enumerate([LARGE, SMALL, MIDDLE]):
            assert_same_bits(fitted("rnn", [one], dropout=0.4)[0], together[place])
        assert differ(together[0], fitted("rnn", [LARGE])[0])

    def test_every_step_and_every_fit_draws_its_own(self):
        """With weights that stand still only the mask can move the training loss."""
        other = replace(LARGE, stream=99)
        first, second = fitted("rnn", [LARGE, other], self.FROZEN, dropout=0.4)
        assert len(set(first.history[:, 0])) == 5
        assert not set(first.history[:, 0]) & set(second.history[:, 0])
        still = fitted("rnn", [LARGE], self.FROZEN)[0]
        np.testing.assert_allclose(still.history[:, 0], still.history[0, 0], rtol=1e-5)

    def test_is_off_where_a_fit_is_applied(self):
        """The left-out loss stands still as well, for nothing is dropped there."""
        found = fitted("rnn", [LARGE], self.FROZEN, dropout=0.4)[0]
        np.testing.assert_allclose(found.history[:, 2], found.history[0, 2], rtol=1e-5)


class TestFeeding:
    def ways(self):
        feedings = ("free", "teacher", "scheduled")
        return [fitted("seq2seq", [LARGE], feeding=feeding)[0] for feeding in feedings]

    def test_all_three_train_and_differ(self):
        free, teacher, scheduled = self.ways()
        for found in (free, teacher, scheduled):
            assert found.history[-1, 0] < found.history[0, 0]
            assert np.isfinite(found.applied).all()
            assert len(found.weights) == len(free.weights)
        assert differ(free, teacher)
        assert differ(free, scheduled)
        assert differ(teacher, scheduled)

    def test_scheduled_begins_as_teacher(self):
        """In the first epoch every previous target is supplied; later fewer and fewer."""
        _, teacher, scheduled = self.ways()
        first, second = teacher.history[:, 0], scheduled.history[:, 0]
        assert second[0] == pytest.approx(first[0], rel=1e-5)
        assert abs(second[-1] - first[-1]) > 1e-4

    def test_schedule_runs_over_the_epochs_of_the_fit(self, monkeypatch):
        """Without validation there are fewer: at their end the decoder runs free all the same."""
        expected = fitted("seq2seq", [LARGE], feeding="scheduled")[0]
        shared = trainer("seq2seq", RECIPE, feeding="scheduled")
        monkeypatch.setattr(shared, "recipe", replace(RECIPE, epochs=15))
        assert_same_bits(fitted("seq2seq", [LARGE], feeding="scheduled")[0], expected)


def test_training_loss_is_the_mean_over_the_rows_of_an_epoch():
    """Batches of unequal size count by their rows; checked where the weights stand still."""
    recipe = replace(RECIPE, learning_rate=1e-12)
    found = fitted("rnn", [MIDDLE], recipe)[0]
    inputs, targets, present = data()
    model = make("rnn")
    model.set_weights(found.weights)
    chosen = MIDDLE.training.inputs
    squared = (np.asarray(model(inputs[chosen])) - targets[chosen]) ** 2
    variance = [targets[chosen[present[chosen, m]], :, m].var() for m in range(TARGETS)]
    cells = (squared.mean(axis=1) / variance)[present[chosen]]
    assert found.history[0, 0] == pytest.approx(cells.mean(), rel=1e-4)


def leaning(
    *, n_samples: int, n_channels: int, n_targets: int, counterparts: Sequence[Sequence[int]]
):
    """A network that corrects the simulation's own estimate, as another package may offer it."""
    simulated = keras.Input((n_samples, n_channels))
    estimate = CounterpartMean(counterparts)(simulated)
    return keras.Model(simulated, keras.layers.Dense(n_targets)(estimate))


def test_a_network_is_trained_on_the_counterparts_of_its_own_muscle(monkeypatch):
    """What a fit gave must be what the model gives that is kept of it."""
    from nem2e_tf.zoo import registry

    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    zoo.register(outputs=("direct",))(leaning)
    settings = Settings(models=("leaning",), recipe=recipe("fast", epochs=1))
    cohort = tiny_cohort()
    plan = make_plan(cohort, settings)
    shop = Workshop(cohort, settings, plan)
    for result in (one for chunk in range(len(plan.chunks)) for one in shop.run(chunk)):
        model = shop.model(plan.configurations[0], cohort.muscle_names.index(result.fit.muscle))
        model.set_weights(result.weights)
        left_out = shop.folds[result.fit.group].test
        kept = np.asarray(model(thin(cohort.simulated)[left_out]))
        np.testing.assert_allclose(result.refined, kept, atol=1e-6)


def test_state_that_changes_in_training_is_refused():
    def normalised_by_batch():
        inputs = keras.Input((4, 2))
        return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.BatchNormalization()(inputs)))

    with pytest.raises(InputError, match="moving_mean: expected state that stays"):
        Trainer(normalised_by_batch, recipe("fast"), Sizes(1, 4, 0, 0))
