"""The registry: every refiner by name, what it needs and how it is fitted."""

import fnmatch
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from nem2e_tf.errors import InputError, near
from nem2e_tf.names import OUTPUTS, PATTERNS

if TYPE_CHECKING:
    import keras


STRUCTURE = ("n_samples", "n_channels", "n_targets", "counterparts")
ENTRY_POINT_GROUP = "nem2e_tf.refiners"


@dataclass(frozen=True)
class Entry:
    """One refiner of the zoo.

    Attributes
    ----------
    name : str
        As in ``create(name, ...)``.
    make : callable
        Makes the Keras model.
    solve : callable or None
        Sets the weights in closed form, ``solve(model, x, y, present, groups)``; None for entries
        that are trained by gradient.
    training_model : callable or None
        ``training_model(model, **options)`` makes the model that is called in training instead of
        `make`'s: it shares all layers with weights, and takes the input and the measured activity
        (teacher forcing). It may return None: then training calls the model itself.
    refused : mapping
        Input patterns that make no sense for this entry, and why.
    outputs : tuple of str
        Which of ``direct`` and ``residual`` it offers.
    attention : {"", "temporal", "spatial"}
        What its attention weights are over, if it has them.
    """

    name: str
    make: Callable[..., "keras.Model"]
    solve: Callable[..., None] | None = None
    training_model: Callable[..., "keras.Model | None"] | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[str, ...] = OUTPUTS
    attention: str = ""

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return (inspect.getdoc(self.make) or "").split("\n")[0]

    @property
    def options(self) -> dict[str, Any]:
        """Options of the entry and their defaults."""
        parameters = inspect.signature(self.make).parameters.values()
        return {p.name: p.default for p in parameters if p.name not in STRUCTURE}

    @property
    def patterns(self) -> tuple[str, ...]:
        """Input patterns it runs under."""
        return tuple(pattern for pattern in PATTERNS if pattern not in self.refused)

    def in_training(self, model: "keras.Model", **options: Any) -> "keras.Model":
        """Return the model that training calls: `model` itself, or its training model."""
        if self.training_model is None:
            return model
        return self.training_model(model, **{**self.options, **options}) or model

    def check(self, *, pattern: str, output: str, targets: str) -> None:
        """Refuse a combination that makes no sense, saying why.

        Raises
        ------
        InputError
            The pattern, the output or the targets do not fit this entry.
        """
        if pattern not in PATTERNS:
            raise InputError(
                f"input pattern {pattern}: expected one of {', '.join(PATTERNS)}"
                f"{near(pattern, PATTERNS)}"
            )
        if pattern in self.refused:
            raise InputError(f"{self.name} does not run under {pattern}: {self.refused[pattern]}")
        if output not in self.outputs:
            raise InputError(
                f"{self.name} offers output {', '.join(self.outputs)}, not {output}: it has a "
                "closed form, for which a residual over the mean pattern changes nothing"
            )
        if output == "residual" and pattern == "one-quarter":
            raise InputError(
                "output residual does not go with one-quarter: the mean pattern would reveal which "
                "quarter the model sees"
            )
        if targets == "joint" and pattern != "all-entire":
            raise InputError(
                f"targets joint needs the pattern all-entire: under {pattern} a model sees the "
                "channel of one muscle"
            )

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Refuse options that the entry does not have, and values of another kind.

        A value is of the kind of the option's default; whole numbers are counts, from 1.

        Raises
        ------
        InputError
            An option is unknown, or its value is of another kind.
        """
        known = list(self.options)
        for option in options:
            if option not in known:
                raise InputError(
                    f"{self.name} has no option {option}: expected one of "
                    f"{', '.join(known) or 'none'}{near(option, known)}"
                )
            expected = _misfit(options[option], self.options[option])
            if expected:
                raise InputError(
                    f"{self.name}, option {option}: expected {expected}, found {options[option]!r}"
                )


def _misfit(value: Any, default: Any) -> str:
    """Say what was expected where a value is not of its default's kind."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    whole = number and isinstance(value, int) and value >= 1
    for kind, fits, expected in (
        (bool, isinstance(value, bool), "True or False"),
        (int, whole, "a whole number from 1"),
        (float, number, "a number"),
        (type(None), number or value is None, "a number or None"),
        (str, isinstance(value, str), "a word"),
        (
            (tuple, list),
            isinstance(value, (tuple, list)) and not any(_misfit(item, 1) for item in value),
            "whole numbers from 1, such as (1, 2)",
        ),
    ):
        if isinstance(default, kind):
            return "" if fits else expected
    return ""


_ENTRIES: dict[str, Entry] = {}
_FOUND: list[bool] = []


def register(
    *,
    solve: Callable[..., None] | None = None,
    training_model: Callable[..., "keras.Model | None"] | None = None,
    refused: Mapping[str, str] | None = None,
    outputs: Sequence[str] = OUTPUTS,
    attention: str = "",
) -> Callable[[Callable[..., "keras.Model"]], Callable[..., "keras.Model"]]:
    """Put a refiner into the zoo under its function's name, with hyphens.

    The function takes ``n_samples``, ``n_channels``, ``n_targets``, ``counterparts`` and its own
    options, all keyword-only, and returns a functional model [batch, n_samples, n_channels] ->
    [batch, n_samples, n_targets].

    Parameters
    ----------
    solve, training_model, refused, outputs, attention
        See `Entry`.
    """

    def decorate(make: Callable[..., "keras.Model"]) -> Callable[..., "keras.Model"]:
        name = make.__name__.strip("_").replace("_", "-")
        parameters = inspect.signature(make).parameters
        missing = [given for given in STRUCTURE if given not in parameters]
        if missing or any(p.kind is not p.KEYWORD_ONLY for p in parameters.values()):
            raise TypeError(
                f"Expected keyword-only arguments, {', '.join(STRUCTURE)} among them. "
                f"Received: {name}{inspect.signature(make)}"
            )
        if name in _ENTRIES and _ENTRIES[name].make.__module__ != make.__module__:
            raise ValueError(f"Expected a new name. Received: {name}, which is in the zoo already")
        _ENTRIES[name] = Entry(
            name=name,
            make=make,
            solve=solve,
            training_model=training_model,
            refused=dict(refused or {}),
            outputs=tuple(outputs),
            attention=attention,
        )
        return make

    return decorate


def list_models(pattern: str = "*") -> list[str]:
    """Names of the refiners that match a shell-style pattern, simplest first.

    Examples
    --------
    >>> list_models("stdr-*")
    ['stdr-net-temporal', 'stdr-net-spatial']
    """
    _find_third_parties()
    return [name for name in _ENTRIES if fnmatch.fnmatch(name, pattern)]


def entry(name: str) -> Entry:
    """Look a refiner up.

    Raises
    ------
    InputError
        There is none of that name; near ones are named.
    """
    _find_third_parties()
    if name not in _ENTRIES:
        hint = near(name, list(_ENTRIES)) or "; 'nem2e-tf zoo list' lists them"
        raise InputError(f"unknown model {name}{hint}")
    return _ENTRIES[name]


def create(
    name: str,
    *,
    n_samples: int,
    n_channels: int,
    n_targets: int,
    counterparts: Sequence[Sequence[int]],
    **options: Any,
) -> "keras.Model":
    """Make a refiner, untrained.

    Parameters
    ----------
    name : str
        One of `list_models`.
    n_samples : int
        Samples a row: 20 for a cycle, 5 for a quarter of one.
    n_channels : int
        Simulated channels.
    n_targets : int
        Measured muscles.
    counterparts : sequence of sequences of int
        Channel indices that each target is compared with.
    **options
        Options of the entry.

    Returns
    -------
    keras.Model
        Functional model [batch, n_samples, n_channels] -> [batch, n_samples, n_targets].

    Raises
    ------
    InputError
        Unknown name or option, a value that the entry refuses, or counterparts that are no
        channels.

    Examples
    --------
    >>> model = create("affine", n_samples=20, n_channels=3, n_targets=1, counterparts=[[0, 2]])
    >>> model.output_shape
    (None, 20, 1)
    """
    found = entry(name)
    found.check_options(options)
    pairs = tuple(tuple(int(channel) for channel in channels) for channels in counterparts)
    if len(pairs) != n_targets:
        raise InputError(f"counterparts: expected {n_targets}, one a target, found {len(pairs)}")
    for channels in pairs:
        if not channels or not all(0 <= channel < n_channels for channel in channels):
            raise InputError(
                f"counterparts: expected channel indices from 0 to {n_channels - 1}, "
                f"found {list(channels)}"
            )
    try:
        return found.make(
            n_samples=n_samples,
            n_channels=n_channels,
            n_targets=n_targets,
            counterparts=pairs,
            **options,
        )
    except InputError:
        raise
    except ValueError as error:
        given = ", ".join(f"{key}={value!r}" for key, value in options.items())
        raise InputError(f"{name} with {given}: {' '.join(str(error).split())}") from error


def _find_third_parties() -> None:
    """Import what other packages offer under the entry-point group, once."""
    if not _FOUND:
        _FOUND.append(True)
        for found in entry_points(group=ENTRY_POINT_GROUP):
            found.load()
