"""Nothing of a left-out subject may reach the fit that is judged on it.

One subject's simulation and EMG are replaced by wild numbers before cross-validation. The fit that
leaves this subject out must come out the same to the last bit; those of other folds must not.
"""

import csv
from collections.abc import Sequence

import keras
import numpy as np
import pytest
from support.tiny_cohort import poisoned, tiny_cohort

from nem2e_tf import zoo
from nem2e_tf.training.chunk import Workshop
from nem2e_tf.training.cross_validation import write_results
from nem2e_tf.training.plan import Settings, leave_one_group_out, make_plan, set_aside
from nem2e_tf.training.recipe import recipe
from nem2e_tf.training.run_folder import create_run
from nem2e_tf.zoo.layers import ChannelNormalisation, CounterpartMean, GainAndOffset

SUBJECTS = np.array([f"subject-{number}" for number in range(1, 6)])
SUBJECT = "subject-2"
ENTRIES = tuple(zoo.list_models())
NOT_FITTED = ("opensim",)
"""Nothing in it is fitted: it has no weights, so that its digest is the same in every fold."""


def cross_validated(folder, settings):
    """Cross-validate the clean and the poisoned cohort.

    Returns for each the results of the fits, by (model, group), and the mean patterns by group.

    Trainers hold no data, so both cohorts share each one: tracing takes most of the time.
    """
    cohorts = {"clean": tiny_cohort(subjects=5, conditions=("slow",)), "poisoned": None}
    cohorts["poisoned"] = poisoned(cohorts["clean"], SUBJECT)
    plan = make_plan(cohorts["clean"], settings)
    runs = {name: create_run(folder / name, c, settings, plan) for name, c in cohorts.items()}
    shops = {name: Workshop(c, settings, plan) for name, c in cohorts.items()}
    trainer = None
    for chunk in range(len(plan.chunks)):
        for name, shop in shops.items():
            Peek.rows = cohorts[name].simulated
            shop._trainer = trainer
            runs[name].write_chunk(chunk, shop.run(chunk))
            trainer = shop._trainer
    found = {}
    for name, run in runs.items():
        write_results(run, cohorts[name])
        fits = {}
        for chunk in range(len(plan.chunks)):
            fits |= run.read_chunk(chunk)
            with run.history_file(chunk).open() as lines:
                for row in csv.DictReader(lines):
                    losses = fits[int(row["fit"])].setdefault("validation", [])
                    losses.append(row["validation"])
        with np.load(run.path / "mean_patterns.npz") as arrays:
            patterns = dict(zip(arrays["groups"].tolist(), arrays["patterns"], strict=True))
        by_name = {}
        for index, one in fits.items():
            fit = plan.fits[index]
            by_name[plan.configurations[fit.configuration].model, fit.group] = one
        found[name] = (by_name, patterns)
    return found


def leaks(found, model):
    """What of the fit that leaves the poisoned subject out differs."""
    clean, wild = (found[name][0][model, SUBJECT] for name in ("clean", "poisoned"))
    keys = ("digest", "epochs", "validation")
    return [key for key in keys if clean.get(key) != wild.get(key)]


def settings(models, **more):
    small = recipe("fast", units=4, epochs=6, patience=2, batch_size=4)
    return Settings(models=models, targets="joint", recipe=small, **more)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    options = {"seq2seq": {"feeding": "scheduled"}}
    return cross_validated(tmp_path_factory.mktemp("leaks"), settings(ENTRIES, options=options))


@pytest.mark.parametrize("model", ENTRIES)
def test_the_fold_that_leaves_the_subject_out_is_untouched(found, model):
    """Weights, normalisation among them, and the epoch whose weights are kept."""
    assert leaks(found, model) == []


@pytest.mark.parametrize("model", ENTRIES)
def test_the_other_folds_are_not(found, model):
    """If the subject is in the validation set, only the validation changes."""
    clean, wild = (found[name][0] for name in ("clean", "poisoned"))
    others = [fold for fold in leave_one_group_out(SUBJECTS) if fold.group != SUBJECT]
    assert len(others) == 4
    for fold in others:
        aside = set(fold.groups[set_aside(fold.groups, seed=0, name=fold.group)[1]])
        network = zoo.entry(model).solve is None
        key = "validation" if network and SUBJECT in aside else "digest"
        same = clean[model, fold.group][key] == wild[model, fold.group][key]
        assert same == (model in NOT_FITTED), (fold.group, key)


@pytest.mark.parametrize("model", ENTRIES)
def test_the_subject_is_what_the_fit_was_applied_on(found, model):
    clean, wild = (found[name][0][model, SUBJECT]["refined"] for name in ("clean", "poisoned"))
    assert np.isfinite(wild).all()
    assert np.array_equal(clean, wild) == (model == "mean-pattern")


def test_mean_patterns(found):
    clean, wild = (found[name][1] for name in ("clean", "poisoned"))
    for group in clean:
        assert np.array_equal(clean[group], wild[group]) == (group == SUBJECT)


def test_there_were_epochs_to_choose_from(found):
    fits = [one for (model, _), one in found["clean"][0].items() if not zoo.entry(model).solve]
    assert all(1 <= one["epochs"] <= len(one["validation"]) <= 6 for one in fits)
    assert len({one["epochs"] for one in fits}) > 1


class Peek:
    """All rows of the cohort, which no fit should see; for the planted leaks below."""

    rows = np.zeros((1, 1, 1), np.float32)


def _peeking_solve(model, x, y, present, groups):
    offset = np.full(y.shape[2], Peek.rows.mean(), np.float32)
    model.get_layer("gain_and_offset").set_weights([np.ones_like(offset), offset])


def peeking_solution(
    *, n_samples: int, n_channels: int, n_targets: int, counterparts: Sequence[Sequence[int]]
):
    """A closed form that looks at the mean of all rows."""
    simulated = keras.Input((n_samples, n_channels))
    estimate = CounterpartMean(counterparts)(simulated)
    return keras.Model(simulated, GainAndOffset(name="gain_and_offset")(estimate))


class PeekingNormalisation(ChannelNormalisation):
    """Takes its statistics from all rows: the classic leak."""

    def statistics(self, simulated, measured, present):
        return super().statistics(np.asarray(Peek.rows), measured, present)


def peeking_network(
    *, n_samples: int, n_channels: int, n_targets: int, counterparts: Sequence[Sequence[int]]
):
    """A network normalised over all rows."""
    simulated = keras.Input((n_samples, n_channels))
    features = PeekingNormalisation()(simulated)
    return keras.Model(simulated, keras.layers.Dense(n_targets)(features))


def honest_network(
    *, n_samples: int, n_channels: int, n_targets: int, counterparts: Sequence[Sequence[int]]
):
    """The same without the leak."""
    simulated = keras.Input((n_samples, n_channels))
    features = ChannelNormalisation()(simulated)
    return keras.Model(simulated, keras.layers.Dense(n_targets)(features))


def test_planted_leaks_are_caught(tmp_path, monkeypatch):
    from nem2e_tf.zoo import registry

    monkeypatch.setattr(registry, "_ENTRIES", dict(registry._ENTRIES))
    zoo.register(solve=_peeking_solve, outputs=("direct",))(peeking_solution)
    for make in (peeking_network, honest_network):
        zoo.register(outputs=("direct",))(make)
    models = ("peeking-solution", "peeking-network", "honest-network")
    found = cross_validated(tmp_path, settings(models))
    assert "digest" in leaks(found, "peeking-solution")
    assert "digest" in leaks(found, "peeking-network")
    assert leaks(found, "honest-network") == []
