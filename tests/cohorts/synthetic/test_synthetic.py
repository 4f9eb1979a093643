"""The embedded cohorts: fixed, as published sets are built, and true to what was planted."""

from dataclasses import replace

import numpy as np
import pytest
from support.oracle import oracle_skill

from nem2e_tf.cohorts.synthetic.activity import FUNCTIONS, RUN, SYNERGISTS, WALK, normal
from nem2e_tf.cohorts.synthetic.cohorts import DIGESTS, make
from nem2e_tf.cohorts.synthetic.distortion import Distortion, distort, shift, undo
from nem2e_tf.cohorts.synthetic.gaits import GAITS
from nem2e_tf.errors import InputError
from nem2e_tf.muscles import ELECTRODES_RUN, ELECTRODES_WALK, GAIT2392

AT_20 = np.linspace(0.0, 100.0, 20)


@pytest.fixture(scope="module")
def fixed():
    return {name: make(name) for name in GAITS}


def thin(values):
    grid = np.arange(101.0)
    return np.stack(
        [
            [np.interp(AT_20, grid, curve) for curve in np.moveaxis(cycle, 1, 0)]
            for cycle in np.asarray(values, dtype=float)
        ]
    ).transpose(0, 2, 1)


def skill(cohort, predict, muscles=slice(None)):
    """Mean skill over subjects of `predict(x, y, subject, x_test)`, each muscle."""
    x, y = thin(cohort.simulated), thin(cohort.measured)
    subject = cohort.cycles["subject"].to_numpy()
    total = []
    for name in dict.fromkeys(subject):
        test = subject == name
        refined = predict(x[~test], y[~test], subject[~test], x[test])
        errors = [
            np.sqrt(np.mean((guess - y[test][..., muscles]) ** 2, axis=1)).mean(axis=0)
            for guess in (refined, y[~test][..., muscles].mean(axis=0))
        ]
        total.append(1.0 - errors[0] / errors[1])
    return np.array(total)


def ridge(columns=slice(None), targets=slice(None)):
    """Ridge regression on flattened cycles; the penalty by leaving out training subjects."""
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut

    def predict(x, y, subject, x_test):
        x, x_test, y = x[..., columns], x_test[..., columns], y[..., targets]
        mean, spread = x.mean(axis=0), x.std(axis=(0, 1))
        flat, flat_test = (((part - mean) / spread).reshape(len(part), -1) for part in (x, x_test))
        search = GridSearchCV(
            Ridge(),
            {"alpha": 10.0 ** np.arange(0, 4)},
            cv=LeaveOneGroupOut(),
            scoring="neg_mean_squared_error",
        )
        search.fit(flat, y.reshape(len(y), -1), groups=subject)
        return search.predict(flat_test).reshape(len(x_test), *y.shape[1:])

    return predict


def counterpart_mean(cohort, x):
    return np.stack([x[..., list(index)].mean(axis=-1) for index in cohort.counterparts], axis=-1)


@pytest.mark.parametrize("name", GAITS)
def test_the_fixed_cohorts_are_what_they_were(fixed, name):
    assert fixed[name].cohort.digest == DIGESTS[name]


def test_structure_of_walk(fixed):
    cohort = fixed["walk"].cohort
    assert cohort.simulated.shape == (32, 101, 92)
    assert cohort.measured.shape == (32, 101, 5)
    assert cohort.cycles.groupby("subject").size().tolist() == [4] * 8
    assert cohort.cycles["condition"].unique().tolist() == ["very-slow", "slow", "free", "fast"]
    assert set(cohort.muscles["electrode"]) == set(ELECTRODES_WALK)
    for electrode, counterparts in zip(
        cohort.muscles["electrode"], cohort.muscles["counterparts"], strict=True
    ):
        assert counterparts.split() == [f"{name}_ipsi" for name in ELECTRODES_WALK[electrode]]


def test_structure_of_run(fixed):
    cohort = fixed["run"].cohort
    assert cohort.simulated.shape == (120, 101, 92)
    assert cohort.measured.shape == (120, 101, 16)
    assert cohort.cycles.groupby(["subject", "speed"]).size().tolist() == [3] * 40
    assert sorted(cohort.cycles["speed"].unique()) == [2.0, 3.0, 4.0, 5.0]
    by_electrode = cohort.muscles.groupby("electrode")["name"].agg(tuple).to_dict()
    assert by_electrode == ELECTRODES_RUN


@pytest.mark.parametrize("name", GAITS)
def test_channels_and_ranges(fixed, name):
    cohort, truth = fixed[name].cohort, fixed[name].truth
    assert cohort.channel_names == [f"{m}_{leg}" for leg in ("ipsi", "contra") for m in GAIT2392]
    assert cohort.simulated.dtype == cohort.measured.dtype == truth.oracle.dtype == np.float32
    assert cohort.simulated.min() > 0.0
    assert cohort.simulated.max() < 1.0
    assert truth.cut < 0.002
    assert cohort.measured.min() >= 0.0
    np.testing.assert_array_equal(cohort.simulated[:, 0], cohort.simulated[:, 100])
    for subject in cohort.cycles["subject"].unique():
        own = (cohort.cycles["subject"] == subject).to_numpy()
        np.testing.assert_array_equal(cohort.measured[own].max(axis=(0, 1)), 1.0)
        np.testing.assert_allclose(truth.latent[own].max(axis=(0, 1)), 1.0)
    assert (cohort.cycles["end"] > cohort.cycles["start"]).all()


def test_columns_of_one_electrode_are_copies(fixed):
    cohort = fixed["run"].cohort
    where = {name: i for i, name in enumerate(cohort.muscle_names)}
    for names in ELECTRODES_RUN.values():
        for name in names[1:]:
            first, other = (cohort.measured[..., where[n]] for n in (names[0], name))
            assert first.tobytes() == other.tobytes()
    distinct = {cohort.measured[..., i].tobytes() for i in range(16)}
    assert len(distinct) == 11


def test_tables_cover_every_muscle():
    muscles = set(GAIT2392)
    assert set(WALK) == set(RUN) == set(SYNERGISTS) == muscles
    members = [name for parts in FUNCTIONS.values() for part in parts for name in part]
    assert sorted(members) == sorted(muscles)
    for bursts in (WALK, RUN):
        for rows in bursts.values():
            for on, peak, off, amplitude, _ in rows:
                assert 0 < peak - on < 45
                assert 0 < off - peak < 45
                assert amplitude > 0


def test_what_leaks_into_a_first_part_comes_from_a_second():
    first = {name for parts in FUNCTIONS.values() for name in parts[0]}
    for name in first - {"ercspn"}:
        assert first.isdisjoint(SYNERGISTS[name]), name


@pytest.mark.parametrize(
    ("name", "muscle", "low", "high"),
    [
        ("walk", "soleus", 38, 50),
        ("walk", "vaslat", 3, 12),
        ("run", "gasmed", 8, 18),
        ("run", "vaslat", 3, 12),
    ],
)
def test_muscles_peak_when_published(fixed, name, muscle, low, high):
    mean = fixed[name].truth.latent.mean(axis=0)
    ipsi = GAIT2392.index(muscle)
    assert low <= np.argmax(mean[:100, ipsi]) <= high
    assert low + 50 <= np.argmax(mean[:100, ipsi + 46]) <= high + 50


def test_same_seed_same_bits_other_seed_other_bits():
    assert make("walk", seed=3).cohort.digest == make("walk", seed=3).cohort.digest
    assert make("walk", seed=3).cohort.digest != make("walk", seed=4).cohort.digest


def test_distortions_of_one_seed_share_their_activity(fixed):
    other = make("walk", distortion=Distortion.none())
    np.testing.assert_array_equal(other.cohort.measured, fixed["walk"].cohort.measured)
    np.testing.assert_array_equal(other.truth.latent, fixed["walk"].truth.latent)
    np.testing.assert_allclose(other.cohort.simulated, other.truth.latent, atol=1e-6)


def test_sizes_can_be_chosen(fixed):
    few = make("walk", n_subjects=2, speeds=(0.6, 1.0, 1.5), n_cycles=2).cohort
    assert few.simulated.shape == (12, 101, 92)
    assert few.cycles["cycle"].tolist() == [1, 2] * 6
    assert few.cycles["condition"].tolist()[::2][:3] == ["speed-0.6", "speed-1", "speed-1.5"]
    more = make("walk", n_subjects=9).cohort
    np.testing.assert_array_equal(more.simulated[:32], fixed["walk"].cohort.simulated)
    lasts = (few.cycles["end"] - few.cycles["start"]).to_numpy()
    assert lasts[few.cycles["speed"] == 0.6].min() > lasts[few.cycles["speed"] == 1.5].max()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "wolk"}, "did you mean walk"),
        ({"name": "walk", "n_subjects": 0}, "n_subjects: expected 1 or more, found 0"),
        ({"name": "walk", "speeds": (3.0,)}, "0.54 to 1.56 m/s"),
        ({"name": "walk", "speeds": (1.0, 1.0)}, "different speeds"),
    ],
)
def test_wrong_use_is_an_error_of_one_line(options, message):
    with pytest.raises(InputError, match=message) as caught:
        make(**options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "strengths", [{"leak": 0.5}, {"gain": 0.9, "gain_spread": 0.2}, {"gain": 0.1}, {"floor": 1.0}]
)
def test_impossible_strengths_are_refused(strengths):
    with pytest.raises(InputError, match="expected"):
        Distortion(**strengths)


def measured_lag(reference, late):
    """Lag in percent at the peak of the circular cross-correlation, by a parabola."""
    reference, late = reference[:100] - reference[:100].mean(), late[:100] - late[:100].mean()
    spectrum = np.fft.rfft(late) * np.conj(np.fft.rfft(reference))
    correlation = np.fft.irfft(spectrum, 100)
    best = int(np.argmax(correlation))
    before, at, after = correlation[[best - 1, best, (best + 1) % 100]]
    lag = best + 0.5 * (before - after) / (before - 2 * at + after)
    return (lag + 50.0) % 100.0 - 50.0


@pytest.mark.parametrize("percent", [8.0, -5.3])
def test_a_planted_pure_lag_can_be_measured(percent):
    synthetic = make("walk", distortion=Distortion.pure_lag(percent=percent))
    cohort, truth = synthetic.cohort, synthetic.truth
    np.testing.assert_allclose(truth.lag, percent)
    for cycle in range(0, 32, 5):
        for channel in range(0, 92, 7):
            lag = measured_lag(truth.latent[cycle, :, channel], cohort.simulated[cycle, :, channel])
            assert lag == pytest.approx(percent, abs=0.1)
    simulated = counterpart_mean(cohort, cohort.simulated)
    for muscle in range(5):
        lags = [
            measured_lag(cohort.measured[i, :, muscle], simulated[i, :, muscle]) for i in range(32)
        ]
        assert np.mean(lags) == pytest.approx(percent, abs=0.5)


def test_running_simulations_are_about_75_ms_late(fixed):
    cohort, truth = fixed["run"].cohort, fixed["run"].truth
    lasts = (cohort.cycles["end"] - cohort.cycles["start"]).to_numpy()
    milliseconds = truth.lag * 10.0 * lasts[:, None]
    assert milliseconds.mean() == pytest.approx(75.0, abs=6.0)
    muscle = milliseconds.mean(axis=0)
    assert muscle.std() > milliseconds.std(axis=0).mean()


@pytest.mark.parametrize(
    "distortion",
    [
        Distortion.none(),
        Distortion.pure_lag(percent=8.3),
        Distortion.pure_gain(),
        Distortion.pure_leak(noise=0.0),
        replace(Distortion(), noise=0.0),
    ],
)
@pytest.mark.parametrize("name", GAITS)
def test_without_noise_the_oracle_finds_the_true_emg(name, distortion):
    truth = make(name, distortion=distortion, n_subjects=3).truth
    assert truth.cut < 0.002
    error = np.sqrt(np.mean((truth.oracle - truth.emg) ** 2))
    assert error < 0.004


def test_pure_distortions_plant_nothing_else():
    lag = make("walk", distortion=Distortion.pure_lag(percent=8.0)).truth
    np.testing.assert_array_equal(lag.gain, 1.0)
    np.testing.assert_array_equal(lag.leak, np.eye(92))
    gain = make("walk", distortion=Distortion.pure_gain())
    np.testing.assert_allclose(
        gain.cohort.simulated, gain.truth.latent * gain.truth.gain[:, None], atol=2e-6
    )
    assert gain.truth.gain.std() > 0.1
    leak = make("walk", distortion=Distortion.pure_leak(noise=0.0))
    np.testing.assert_allclose(
        leak.cohort.simulated, leak.truth.latent @ leak.truth.leak.T, atol=2e-6
    )
    np.testing.assert_allclose(leak.truth.leak.sum(axis=1), 1.0)
    assert not leak.truth.lag.any()


def test_distort_by_hand():
    latent = np.full((1, 101, 2), 0.5)
    latent[..., 1] = 0.25
    strengths = replace(Distortion.none(), floor=0.1, saturation=0.5, noise=0.2, leak=0.25)
    parameters = {
        "lag": np.zeros((1, 2)),
        "gain": np.array([[1.0, 0.8]]),
        "leak": np.array([[0.75, 0.25], [0.0, 1.0]]),
    }
    values, cut = distort(latent, strengths, noise=np.ones((1, 101, 2)), **parameters)
    # Channel 0: .75 * .5 + .25 * .2 = .425; / (1 + .5 * .425); .1 + .9 of it; and 20 % more.
    assert values[0, 7, 0] == pytest.approx((0.1 + 0.9 * 0.425 / 1.2125) * 1.2)
    assert values[0, 7, 1] == pytest.approx((0.1 + 0.9 * 0.2 / 1.1) * 1.2)
    assert cut == 0.0
    quiet = replace(strengths, noise=0.0)
    clean, _ = distort(latent, quiet, noise=np.ones((1, 101, 2)), **parameters)
    np.testing.assert_allclose(undo(clean, quiet, **parameters), latent, atol=1e-12)


def test_shift_goes_round_and_back():
    curve = normal(np.random.default_rng(1), 1, 101, 1)
    curve[:, 100] = curve[:, 0]
    whole = shift(curve, np.array([[30.0]]))
    np.testing.assert_allclose(whole[0, 35], curve[0, 5])
    np.testing.assert_allclose(shift(whole, np.array([[-30.0]])), curve)
    straight = np.minimum(np.arange(101.0), 100.0 - np.arange(101.0))[None, :, None]
    np.testing.assert_allclose(shift(straight, np.array([[2.5]]))[0, 20], 17.5)


def test_normal_is_normal():
    draws = normal(np.random.default_rng(0), 200_000)
    assert draws.mean() == pytest.approx(0.0, abs=0.01)
    assert draws.std() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("name", GAITS)
def test_variation_is_visible_in_the_simulation(fixed, name):
    cohort = fixed[name].cohort
    subject = cohort.cycles["subject"].to_numpy()

    def within_subject(values):
        means = {name: values[subject == name].mean(axis=0) for name in set(subject)}
        return values - np.stack([means[name] for name in subject])

    simulated = within_subject(cohort.simulated.mean(axis=1))
    measured = within_subject(cohort.measured.mean(axis=1))
    for muscle in range(measured.shape[1]):
        related = [np.corrcoef(measured[:, muscle], channel)[0, 1] for channel in simulated.T]
        assert np.abs(related).max() > 0.6


@pytest.mark.parametrize("name", GAITS)
def test_oracle_skill_is_a_ceiling_well_above_nothing(fixed, name):
    cohort = fixed[name].cohort
    ceiling = np.array(list(oracle_skill(fixed[name]).values()))
    assert (ceiling > 0.3).all()
    assert (ceiling < 0.75).all()
    reached = skill(cohort, ridge()).mean(axis=0)
    assert reached.mean() > 0.2
    assert reached.mean() < ceiling.mean() - 0.1


def test_oracle_skill_by_another_way(fixed):
    cohort, truth = fixed["walk"].cohort, fixed["walk"].truth
    y, oracle = thin(cohort.measured)[..., 3], thin(truth.oracle)[..., 3]
    skills = []
    for subject in range(8):
        own = np.arange(32) // 4 == subject
        pattern = y[~own].mean(axis=0)
        refined = np.mean([np.sqrt(np.mean((oracle[i] - y[i]) ** 2)) for i in np.flatnonzero(own)])
        blind = np.mean([np.sqrt(np.mean((pattern - y[i]) ** 2)) for i in np.flatnonzero(own)])
        skills.append(1.0 - refined / blind)
    assert oracle_skill(fixed["walk"])["tibant"] == pytest.approx(np.mean(skills))


@pytest.mark.parametrize("name", GAITS)
def test_the_simulation_as_is_is_worse_than_the_mean_pattern(fixed, name):
    cohort = fixed[name].cohort
    as_is = skill(cohort, lambda x, y, subject, x_test: counterpart_mean(cohort, x_test))
    assert (as_is.mean(axis=0) < -0.2).all()


@pytest.mark.parametrize("name", GAITS)
def test_a_leak_is_undone_by_all_channels_not_by_the_muscles_own(name):
    from scipy.stats import ttest_rel

    cohort = make(name, distortion=Distortion.pure_leak()).cohort
    muscles = {"walk": range(5), "run": (2, 3, 9, 12)}[name]

    def own(x, y, subject, x_test):
        parts = []
        for muscle in muscles:
            predict = ridge(list(cohort.counterparts[muscle]), [muscle])
            parts.append(predict(x, y, subject, x_test))
        return np.concatenate(parts, axis=-1)

    everything = skill(cohort, ridge(targets=muscles), muscles).mean(axis=1)
    alone = skill(cohort, own, muscles).mean(axis=1)
    assert everything.mean() > alone.mean() + 0.08
    assert ttest_rel(everything, alone).pvalue < 0.02
