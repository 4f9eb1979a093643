"""The registry: every refiner by name, what it needs and how it is fitted.

Entries come from the package, from other packages through the entry-point group
``nem2e_tf.refiners``, and from functions of the user's own.
"""

import fnmatch
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from nem2e_tf.errors import InputError, near
from nem2e_tf.names import DIRECT, OUTPUTS, PATTERNS
from nem2e_tf.zoo.source import (
    Source,
    entry_name,
    is_file_and_function,
    read_source,
    source_of,
)

if TYPE_CHECKING:
    import keras

STRUCTURE = ("n_samples", "n_channels", "n_targets", "counterparts")
ENTRY_POINT_GROUP = "nem2e_tf.refiners"

Make = Callable[..., "keras.Model"]
AnyModel = str | Make
"""An entry's name, ``FILE.py:function``, or a function that makes a model."""


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
        Sets the weights in closed form, ``solve(model, x, y, present, groups)``: inputs
        [row, sample, channel], measured activity [row, sample, target], which targets were measured
        [row, target], and the group of each row. None for entries that are trained by gradient.
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
    make: Make
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

    @property
    def installed(self) -> bool:
        """True for entries of packages, which other processes find by their name."""
        module = self.make.__module__
        return module.startswith("nem2e_tf.") or module in _third_party_modules()

    @property
    def source(self) -> Source | None:
        """Source of an entry of the user's own; None for those of packages.

        Raises
        ------
        InputError
            Other processes cannot be given the function.
        """
        return None if self.installed else source_of(self.make)

    def in_training(self, model: "keras.Model", **options: Any) -> "keras.Model":
        """Return the model that training calls: `model` itself, or its training model."""
        if self.training_model is None:
            return model
        return self.training_model(model, **{**self.options, **options}) or model

    def check(self, *, pattern: str, output: str, targets: str) -> None:
        """Refuse a combination that makes no sense, with the reason.

        Raises
        ------
        InputError
            The pattern, the output or the targets do not fit this entry.
        """
        if pattern not in PATTERNS:
            raise InputError(
                f"pattern {pattern}: expected one of {', '.join(PATTERNS)}{near(pattern, PATTERNS)}"
            )
        if pattern in self.refused:
            raise InputError(f"{self.name} does not run under {pattern}: {self.refused[pattern]}")
        if output not in self.outputs:
            reason = "its function has no option output"
            if self.solve is not None:
                reason = (
                    "it has a closed form, for which a residual over the mean pattern changes "
                    "nothing"
                )
            raise InputError(
                f"{self.name} offers output {', '.join(self.outputs)}, not {output}: {reason}"
            )
        if output == "residual" and pattern == "one-quarter":
            raise InputError(
                "output residual: expected another pattern than one-quarter, where the mean "
                "pattern would reveal which quarter the model sees"
            )
        if targets == "joint" and pattern != "all-entire":
            raise InputError(
                f"targets joint: expected the pattern all-entire, found {pattern}, under which a "
                "model sees the channels of one muscle"
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
    """Return what was expected where a value is not of its default's kind."""
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
_BY_FUNCTION: dict[Make, Entry] = {}
_FOUND: list[bool] = []


def register(
    *,
    solve: Callable[..., None] | None = None,
    training_model: Callable[..., "keras.Model | None"] | None = None,
    refused: Mapping[str, str] | None = None,
    outputs: Sequence[str] | None = None,
    attention: str = "",
) -> Callable[[Make], Make]:
    """Put a refiner into the zoo under its function's name, with hyphens.

    The function takes ``n_samples``, ``n_channels``, ``n_targets``, ``counterparts`` and options
    with defaults, all keyword-only, and returns a functional model [batch, n_samples, n_channels]
    -> [batch, n_samples, n_targets].

    Parameters
    ----------
    solve, training_model, refused, attention
        See `Entry`.
    outputs : sequence of {"direct", "residual"}, optional
        By default both where the function has an option ``output``, and ``direct`` elsewhere.

    Raises
    ------
    TypeError, ValueError
        The function has other arguments, or the name of an entry of a package.

    Examples
    --------
    >>> from nem2e_tf.zoo import framed_input, framed_model
    >>> @register()
    ... def pointwise(*, n_samples, n_channels, n_targets, counterparts, units=64):
    ...     "Two dense layers over each sample: learns amplitudes, cannot shift in time."
    ...     import keras
    ...
    ...     simulated, features = framed_input(n_samples, n_channels)
    ...     features = keras.layers.Dense(units, activation="relu")(features)
    ...     return framed_model(simulated, features, n_targets)
    >>> list_models("point*")
    ['pointwise']
    >>> del _ENTRIES["pointwise"]  # only an example
    """

    def decorate(make: Make) -> Make:
        name = entry_name(make.__name__)
        parameters = inspect.signature(make).parameters
        missing = [given for given in STRUCTURE if given not in parameters]
        if missing or any(p.kind is not p.KEYWORD_ONLY for p in parameters.values()):
            raise TypeError(
                f"Expected keyword-only arguments, {', '.join(STRUCTURE)} among them. "
                f"Received: {name}{inspect.signature(make)}"
            )
        for option, parameter in parameters.items():
            if option not in STRUCTURE and parameter.default is parameter.empty:
                raise TypeError(f"Expected options with defaults. Received: {name}, {option}")
        before = _ENTRIES.get(name)
        if before and before.installed and before.make.__module__ != make.__module__:
            raise ValueError(f"Expected a new name. Received: {name}, which is in the zoo already")
        offered = OUTPUTS if "output" in parameters else (DIRECT,)
        _ENTRIES[name] = _BY_FUNCTION[make] = Entry(
            name=name,
            make=make,
            solve=solve,
            training_model=training_model,
            refused=dict(refused or {}),
            outputs=tuple(outputs or offered),
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


def entry(model: AnyModel) -> Entry:
    """Look a refiner up.

    Parameters
    ----------
    model : str or callable
        The name of an entry; ``FILE.py:function``, whose file is run; or a function of one's own,
        decorated with `register` or not.

    Raises
    ------
    InputError
        There is none of that name, with similar names; or the function cannot be an entry.
    """
    _find_third_parties()
    if not isinstance(model, str):
        return _entry_of(model, str(getattr(model, "__name__", model)))
    if model in _ENTRIES:
        return _ENTRIES[model]
    if is_file_and_function(model):
        return add_source(read_source(model))
    if model.endswith(".py"):
        raise InputError(f"model {model}: expected FILE.py:function, found no function")
    raise InputError(
        f"model {model}: expected an entry of 'nem2e-tf zoo list', or FILE.py:function for one of "
        f"your own{near(model, list(_ENTRIES))}"
    )


def add_source(source: Source) -> Entry:
    """Run the source of a refiner of the user's own and return its entry."""
    return _entry_of(source.load(), f"{source.file}:{source.function}")


def _entry_of(make: Make, what: str) -> Entry:
    name = entry_name(make.__name__)
    if make not in _BY_FUNCTION:
        try:
            register()(make)
        except (TypeError, ValueError) as error:
            raise InputError(f"model {what}: {error}") from None
    _ENTRIES[name] = _BY_FUNCTION[make]
    return _ENTRIES[name]


def names_and_sources(models: Iterable[AnyModel]) -> tuple[tuple[str, ...], tuple[Source, ...]]:
    """Look refiners up; return their names and the sources of the user's own.

    Raises
    ------
    InputError
        As `entry`; or two functions have the same name.
    """
    found: dict[str, Entry] = {}
    for model in models:
        one = entry(model)
        if found.setdefault(one.name, one).make is not one.make:
            raise InputError(
                f"models: expected functions of different names, found two called {one.name}"
            )
    sources = (one.source for one in found.values())
    return tuple(found), tuple(source for source in sources if source is not None)


def create(
    model: AnyModel,
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
    model : str or callable
        One of `list_models`, ``FILE.py:function``, or a function of one's own.
    n_samples : int
        Samples per row: 20 for a cycle, 5 for a quarter of one.
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
        Unknown name or option, a value that the entry refuses, or counterparts that are not
        channels.

    Examples
    --------
    >>> model = create("affine", n_samples=20, n_channels=3, n_targets=1, counterparts=[[0, 2]])
    >>> model.output_shape
    (None, 20, 1)
    """
    found = entry(model)
    found.check_options(options)
    pairs = tuple(tuple(int(channel) for channel in channels) for channels in counterparts)
    if len(pairs) != n_targets:
        raise InputError(f"counterparts: expected {n_targets}, one per target, found {len(pairs)}")
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
    except Exception as error:
        if found.installed and not isinstance(error, ValueError):
            raise
        given = ", ".join(f"{key}={value!r}" for key, value in options.items()) or "its defaults"
        what = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise InputError(
            f"{found.name} with {given}: {what}{' '.join(str(error).split())}"
        ) from error


def _find_third_parties() -> None:
    """Import what other packages offer under the entry-point group, once."""
    if not _FOUND:
        _FOUND.append(True)
        for found in entry_points(group=ENTRY_POINT_GROUP):
            found.load()


@cache
def _third_party_modules() -> frozenset[str]:
    return frozenset(found.module for found in entry_points(group=ENTRY_POINT_GROUP))
