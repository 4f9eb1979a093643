"""The conformance suite: what every refiner promises, checked on small models.

The package's own entries and those of users pass the same checks: a new refiner needs no test of
its own. A check is a function of a `Trial`; it raises `NotMet` with what was expected and found,
and `DoesNotApply` where an entry has nothing to check.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.names import ALL_ENTIRE, ONE_ENTIRE, ONE_QUARTER, RESIDUAL
from nem2e_tf.zoo.models import all_layers, calibrate, set_recurrence_form, with_attention
from nem2e_tf.zoo.registry import STRUCTURE, AnyModel, Entry, create, entry

SAMPLES, CHANNELS, TARGETS, ROWS = 6, 4, 2, 7
SHAPES = {
    ONE_QUARTER: [(5, 1, 1)],
    ONE_ENTIRE: [(SAMPLES, 1, 1)],
    ALL_ENTIRE: [(SAMPLES, 6, 1), (SAMPLES, 6, 3), (20, 3, 2)],
}
"""Samples, channels and targets of models under each input pattern."""
SMALL = {"units": 4, "n_heads": 2}
"""Options of the models that are checked, where an entry has them."""


class NotMet(AssertionError):  # noqa: N818 (a finding)
    """A check failed; the message states what was expected and found."""


class DoesNotApply(Exception):  # noqa: N818 (not an error)
    """A check does not apply to an entry; the message states the reason."""


@dataclass(frozen=True)
class Outcome:
    """Result of one check.

    Attributes
    ----------
    check : str
        Name of the check.
    promise : str
        What is checked, in a sentence.
    passed : bool or None
        None where the check does not apply.
    found : str
        What was found where it is not met, or why it does not apply.
    """

    check: str
    promise: str
    passed: bool | None
    found: str = ""


def expect(condition: Any, found: str) -> None:
    """Raise `NotMet` with what was found unless a condition holds."""
    if not condition:
        raise NotMet(found)


@dataclass(frozen=True, eq=False)
class Trial:
    """Small models of an entry, and data for them.

    Parameters
    ----------
    entry : Entry
    options : mapping
        Options of the models, besides `SMALL`.
    """

    entry: Entry
    options: Mapping[str, Any] = field(default_factory=dict)

    def make(
        self,
        *,
        n_samples: int = SAMPLES,
        n_channels: int = CHANNELS,
        n_targets: int = TARGETS,
        **options: Any,
    ) -> Any:
        """Make a model; its initial weights are the same each time."""
        import keras

        keras.utils.set_random_seed(5)
        known = self.entry.options
        small = {key: value for key, value in SMALL.items() if key in known}
        return create(
            self.entry.make,
            n_samples=n_samples,
            n_channels=n_channels,
            n_targets=n_targets,
            counterparts=[[i % n_channels, (i + 1) % n_channels] for i in range(n_targets)],
            **{**small, **self.options, **options},
        )

    @cached_property
    def fitted(self) -> Any:
        """A model with all weights set: solved, or calibrated with random weights."""
        model = self.make()
        self.fit(model, *data())
        return model

    def fit(self, model: Any, x: Any, y: Any, present: Any, groups: Any = None) -> None:
        """Solve a model, or set its normalisation."""
        if self.entry.solve is None:
            calibrate(model, x, y, present)
        else:
            groups = np.arange(len(x)) // 2 if groups is None else groups
            self.entry.solve(model, x, y, present, groups)

    def refitted(self, x: Any, y: Any, present: Any) -> Any:
        """Make a model with the weights of `fitted`, then fit it to other data."""
        model = self.make()
        model.set_weights(self.fitted.get_weights())
        self.fit(model, x, y, present)
        return model


def data(
    n_channels: int = CHANNELS, n_targets: int = TARGETS, *, n_samples: int = SAMPLES
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Make simulated and measured activity, and which targets were measured in which row."""
    random = np.random.default_rng(11)
    x = random.random((ROWS, n_samples, n_channels)).astype(np.float32)
    y = random.random((ROWS, n_samples, n_targets)).astype(np.float32)
    present = np.ones((ROWS, n_targets), bool)
    present[0, -1] = False
    return x, y, present


def refine(model: Any, x: Any) -> NDArray[np.float32]:
    """Apply a model."""
    return np.asarray(model(x, training=False))


def _close(found: Any, expected: Any, tolerance: float, what: str) -> None:
    difference = float(np.max(np.abs(np.asarray(found) - np.asarray(expected)), initial=0.0))
    expect(difference <= tolerance, f"{what}: expected at most {tolerance}, found {difference:.2g}")


def is_called_by_keyword(trial: Trial) -> None:
    """The function takes keyword-only arguments: first the shape of the model, then options."""
    parameters = signature(trial.entry.make).parameters
    first = ", ".join(STRUCTURE)
    expect(
        tuple(parameters)[: len(STRUCTURE)] == STRUCTURE,
        f"expected the arguments {first} first, found {', '.join(parameters)}",
    )
    expect(
        all(p.kind is p.KEYWORD_ONLY for p in parameters.values()),
        "expected keyword-only arguments: put * first",
    )
    for name, parameter in parameters.items():
        expect(
            name in STRUCTURE or parameter.default is not parameter.empty,
            f"expected a default of the option {name}, found none",
        )


def is_described(trial: Trial) -> None:
    """The first line of the docstring describes the refiner."""
    expect(
        trial.entry.summary.endswith((".", ":")),
        f"expected a sentence as first line of the docstring, found {trial.entry.summary!r}",
    )


def is_functional(trial: Trial) -> None:
    """It is a functional Keras model with one input and one output."""
    model, kind = trial.fitted, type(trial.fitted).__name__
    expect(kind == "Functional", f"expected keras.Model(inputs, outputs), found {kind}")
    counts = len(model.inputs), len(model.outputs)
    expect(counts == (1, 1), f"expected 1 input and 1 output, found {counts[0]} and {counts[1]}")


def has_the_shape_asked_for(trial: Trial) -> None:
    """Output is [batch, n_samples, n_targets] and finite under every input pattern."""
    for pattern in trial.entry.patterns:
        for n_samples, n_channels, n_targets in SHAPES[pattern]:
            model = trial.make(n_samples=n_samples, n_channels=n_channels, n_targets=n_targets)
            where = (
                f"under {pattern}, n_samples={n_samples}, n_channels={n_channels}, "
                f"n_targets={n_targets}"
            )
            shapes = tuple(model.input_shape), tuple(model.output_shape)
            wanted = (None, n_samples, n_channels), (None, n_samples, n_targets)
            expect(
                shapes == wanted,
                f"{where}: expected {wanted[0]} to {wanted[1]}, found {shapes[0]} to {shapes[1]}",
            )
            x, _, _ = data(n_channels, n_targets, n_samples=n_samples)
            refined = refine(model, x[:2])
            expect(
                refined.shape == (2, n_samples, n_targets) and np.isfinite(refined).all(),
                f"{where}: expected finite numbers, found NaN or infinity",
            )


def trains_or_is_solved(trial: Trial) -> None:
    """Networks have weights to train, closed forms have none."""
    count = len(trial.fitted.trainable_variables)
    if trial.entry.solve is None:
        expect(count, "expected weights to train, found none")
    else:
        expect(not count, f"expected no weights to train in a closed form, found {count}")


def has_finite_gradients(trial: Trial) -> None:
    """Every trained weight has a finite gradient."""
    if trial.entry.solve is not None:
        raise DoesNotApply("closed forms are not trained")
    import tensorflow as tf

    x, y, present = data()
    model = trial.make()
    calibrate(model, x, y, present)
    training_model = trial.entry.in_training(model, **trial.options)
    given = [x, y] if len(training_model.inputs) > 1 else x
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((training_model(given, training=True) - y) ** 2)
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        expect(gradient is not None, f"{variable.path}: expected a gradient, found none")
        finite = np.isfinite(np.asarray(tf.convert_to_tensor(gradient))).all()
        expect(finite, f"{variable.path}: expected a finite gradient, found NaN or infinity")


def normalises_inside(trial: Trial) -> None:
    """The units of the channels make no difference: the model normalises its input."""
    if trial.entry.solve is not None:
        raise DoesNotApply("closed forms may keep the units of the simulation")
    x, y, present = data()
    other = x * np.array([10, 0.5, 3, 1], "f4") + np.array([-2, 0.25, 5, 0], "f4")
    _close(
        refine(trial.refitted(other, y, present), other),
        refine(trial.fitted, x),
        2e-4,
        "normalise in the model, with nem2e_tf.zoo.framed_input: difference in other units",
    )


def calibrates_its_normalisation_only(trial: Trial) -> None:
    """Calibration sets the weights of the normalisation and leaves trained weights unchanged."""
    model = trial.make()
    layers = [layer for layer in all_layers(model) if hasattr(layer, "statistics")]
    if not layers:
        raise DoesNotApply("no normalisation")
    x, y, present = data()
    before = [np.asarray(v) for v in model.trainable_variables]
    calibrate(model, x, y, present)
    for layer in layers:
        wanted = layer.statistics(x, y, present)
        for value, one in zip(layer.get_weights(), wanted, strict=True):
            _close(value, one, 0.0, f"{layer.name}: difference from the training rows' statistics")
    for value, old in zip(model.trainable_variables, before, strict=True):
        _close(value, old, 0.0, f"{value.path}: change by calibration")


def stays_finite(trial: Trial) -> None:
    """A constant channel and a muscle without EMG give finite output."""
    x, y, present = data()
    x[..., 1] = 0.25
    present[:, 1] = False
    y = np.where(present[:, None, :], y, np.float32(0))
    model = trial.make()
    trial.fit(model, x, y, present, np.arange(len(x)))
    expect(np.isfinite(refine(model, x)).all(), "expected finite numbers, found NaN or infinity")


def treats_rows_alone(trial: Trial) -> None:
    """The output of a row does not depend on the other rows of the batch."""
    x, _, _ = data()
    alone, together = refine(trial.fitted, x[3:4]), refine(trial.fitted, x)[3:4]
    _close(alone, together, 1e-6, "difference of a row alone and in a batch")


def repeats_itself(trial: Trial) -> None:
    """The same input gives the same output, and the same seed the same initial weights."""
    x, _, _ = data()
    _close(refine(trial.fitted, x), refine(trial.fitted, x), 0.0, "difference of two calls")
    both = zip(trial.make().weights, trial.make().weights, strict=True)
    for first, second in both:
        _close(first, second, 0.0, f"{first.path}: difference of two models of one seed")


def comes_back_from_its_file(trial: Trial) -> None:
    """Saved as .keras and loaded again, it has the same weights and output."""
    import keras

    x, _, _ = data()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.keras"
        trial.fitted.save(file)
        try:
            loaded = keras.saving.load_model(file)
        except Exception as error:
            raise NotMet(
                "expected layers of Keras or nem2e_tf.zoo.layers, or layers decorated with "
                f"keras.saving.register_keras_serializable, found {str(error).splitlines()[0]}"
            ) from error
    _close(refine(loaded, x), refine(trial.fitted, x), 0.0, "difference after loading")
    for value, wanted in zip(loaded.get_weights(), trial.fitted.get_weights(), strict=True):
        _close(value, wanted, 0.0, "difference of weights after loading")


def has_layers_with_configurations(trial: Trial) -> None:
    """Every layer can be rebuilt from its configuration."""
    import keras

    for layer in trial.fitted.layers:
        config = layer.get_config()
        again = type(layer).from_config(config).get_config()
        expect(
            keras.saving.serialize_keras_object(again)
            == keras.saving.serialize_keras_object(config),
            f"{layer.name}: expected the same configuration from from_config, found another",
        )


def has_equal_recurrence_forms(trial: Trial) -> None:
    """Looped and unrolled recurrences give the same output."""
    model = trial.make()
    if not any(hasattr(layer, "form") for layer in all_layers(model)):
        raise DoesNotApply("no recurrence of the zoo")
    model.set_weights(trial.fitted.get_weights())
    x, _, _ = data()
    set_recurrence_form(model, "loop")
    _close(refine(model, x), refine(trial.fitted, x), 1e-6, "difference of the two forms")


def gives_attention_weights(trial: Trial) -> None:
    """Attention weights are shares over tokens, and depend on the input."""
    kind = trial.entry.attention
    if not kind:
        raise DoesNotApply("no attention")
    x, _, _ = data()
    refined, weights = (np.asarray(value) for value in with_attention(trial.fitted)(x))
    wanted = (len(x), SAMPLES, {"temporal": SAMPLES, "spatial": CHANNELS}[kind])
    expect(weights.shape == wanted, f"expected weights {wanted}, found {weights.shape}")
    expect((weights >= 0).all(), "expected weights from 0, found some below")
    _close(weights.sum(axis=-1), 1, 1e-6, "difference of the sum of the weights from 1")
    _close(refined, refine(trial.fitted, x), 0.0, "difference of the output")
    expect(np.ptp(weights, axis=0).max() > 1e-6, "expected weights that depend on the input")


def adds_the_mean_pattern(trial: Trial) -> None:
    """With output residual, a network output of 0 gives the mean pattern of the training rows."""
    from nem2e_tf.zoo.layers import TargetScaling

    if RESIDUAL not in trial.entry.outputs:
        raise DoesNotApply("offers output direct only")
    x, y, present = data()
    model = trial.make(output=RESIDUAL)
    calibrate(model, x, y, present)
    found = [layer for layer in all_layers(model) if isinstance(layer, TargetScaling)]
    expect(found, "expected a layer TargetScaling at the end: see nem2e_tf.zoo.framed_model")
    offset, scale = found[-1].get_weights()
    found[-1].set_weights([offset, np.zeros_like(scale)])
    for target in range(TARGETS):
        pattern = y[present[:, target], :, target].mean(axis=0)
        difference = refine(model, x)[:, :, target]
        _close(difference, np.broadcast_to(pattern, difference.shape), 1e-6, "difference from it")


Check = Callable[[Trial], None]

CHECKS: tuple[Check, ...] = (
    is_called_by_keyword,
    is_described,
    is_functional,
    has_the_shape_asked_for,
    trains_or_is_solved,
    has_finite_gradients,
    normalises_inside,
    calibrates_its_normalisation_only,
    stays_finite,
    treats_rows_alone,
    repeats_itself,
    comes_back_from_its_file,
    has_layers_with_configurations,
    has_equal_recurrence_forms,
    gives_attention_weights,
    adds_the_mean_pattern,
)
"""All checks that need nothing but Keras, in the order in which they are reported."""


def check_conformance(model: AnyModel, *, further: tuple[Check, ...] = ()) -> list[Outcome]:
    """Check that a refiner does what every refiner promises.

    Parameters
    ----------
    model : str or callable
        As in `nem2e_tf.zoo.entry`.
    further : tuple of callable
        More checks, such as that of the export.

    Returns
    -------
    list of Outcome
        One per check.

    Examples
    --------
    >>> [outcome.check for outcome in check_conformance("opensim") if outcome.passed is False]
    []
    """
    trial = Trial(entry(model))
    return [_outcome(trial, check) for check in (*CHECKS, *further)]


def _outcome(trial: Trial, check: Check) -> Outcome:
    passed: bool | None = True
    found = ""
    try:
        check(trial)
    except DoesNotApply as reason:
        passed, found = None, str(reason)
    except NotMet as finding:
        passed, found = False, str(finding)
    except Exception as error:
        passed, found = False, f"{type(error).__name__}: {' '.join(str(error).split())}"
    promise = (check.__doc__ or "").splitlines()[0]
    return Outcome(check.__name__.replace("_", " "), promise, passed, found)
