"""What a run will fit, decided before anything is fitted: folds, validation sets and chunks."""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nem2e_tf import zoo
from nem2e_tf.cohorts.cohort import Cohort
from nem2e_tf.errors import InputError, near
from nem2e_tf.evaluation.results import BLOCK
from nem2e_tf.names import ALL_ENTIRE, DIRECT, EACH, JOINT, OUTPUTS, PATTERNS
from nem2e_tf.refiners.patterns import Composition
from nem2e_tf.training.recipe import Recipe
from nem2e_tf.training.rows import composition_of

VALIDATION_SHARE = 0.2
FEWEST_GROUPS_TO_VALIDATE = 3
CYCLES_AT_A_TIME = 4096

FITS_TOGETHER = 16
"""Fits of 64 units over 20 tokens that are trained together; more of them exceed the cache."""


@dataclass(frozen=True, eq=False)
class Fold:
    """One group that is left out.

    Attributes
    ----------
    group : str
        Its name.
    test : int array
        Cycles of the group.
    names : str array [group]
        Names of all groups, in order.
    codes : int array [cycle]
        Index in `names` of the group of every cycle of the cohort. All folds share this array:
        there may be many folds of a long cohort.
    trains_on_all : bool
        Train on the group as well; then nothing is left out.
    """

    group: str
    test: NDArray[np.intp]
    names: NDArray[np.str_]
    codes: NDArray[np.intp]
    trains_on_all: bool = False

    @property
    def train(self) -> NDArray[np.intp]:
        """Training cycles: those outside the group."""
        kept = np.ones(len(self.codes), bool)
        if not self.trains_on_all:
            kept[self.test] = False
        return np.flatnonzero(kept)

    @property
    def groups(self) -> NDArray[np.str_]:
        """Group of each training cycle."""
        return self.names[self.codes[self.train]]

    def set_aside(self, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Training cycles to fit, and those of the validation set; see `set_aside`."""
        train = self.train
        inner, outer = set_aside(self.codes[train], seed=seed, name=self.group)
        return train[inner], train[outer]


def group_labels(
    cycles: pd.DataFrame, *, by: str = "subject", blocks: int | None = None
) -> tuple[str, NDArray[np.str_]]:
    """Label each cycle with its group.

    Parameters
    ----------
    cycles : DataFrame
        The cohort's table of cycles.
    by : str
        The column that names the groups.
    blocks : int, optional
        Cut the cycles of a single subject into this many blocks of consecutive cycles instead.

    Returns
    -------
    tuple
        What forms the groups (`by`, or ``block``) and the label of each cycle.

    Raises
    ------
    InputError
        No such column, fewer than two groups, or blocks of more than one subject.
    """
    if blocks is not None:
        subjects = cycles["subject"].unique()
        if len(subjects) > 1:
            raise InputError(
                f"blocks {blocks}: expected a cohort of one subject, found {len(subjects)}; "
                "leave out subjects instead"
            )
        if not 2 <= blocks <= len(cycles):
            raise InputError(
                f"blocks {blocks}: expected from 2 to {len(cycles)}, the number of cycles"
            )
        from sklearn.model_selection import KFold

        labels = np.empty(len(cycles), dtype=f"<U{len(str(blocks)) + 6}")
        width = len(str(blocks))
        for number, (_, test) in enumerate(KFold(blocks).split(np.zeros(len(cycles))), start=1):
            labels[test] = f"block-{number:0{width}d}"
        return BLOCK, labels
    if by not in cycles.columns:
        raise InputError(
            f"by {by}: expected a column of the cycles, one of {', '.join(cycles.columns)}"
            f"{near(by, list(cycles.columns))}"
        )
    labels = cycles[by].astype(str).to_numpy(dtype=np.str_)
    if len(np.unique(labels)) < 2:
        raise InputError(
            f"by {by}: expected at least two groups to leave out in turn, found one "
            f"({labels[0] if len(labels) else 'no cycles'}); "
            "for a single subject leave out blocks of cycles, such as 5"
        )
    return by, labels


def leave_one_group_out(labels: NDArray[np.str_]) -> list[Fold]:
    """Leave each group out once, in the order of their names.

    Examples
    --------
    >>> [fold.group for fold in leave_one_group_out(np.array(["b", "a", "b"]))]
    ['a', 'b']
    """
    names, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    tests = np.split(np.argsort(codes, kind="stable"), np.cumsum(counts)[:-1])
    return [Fold(str(name), test, names, codes) for name, test in zip(names, tests, strict=True)]


def set_aside(
    labels: NDArray[np.str_] | NDArray[np.intp], *, seed: int, name: str
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draw the validation set for early stopping: a fifth of the training groups, at least one.

    Parameters
    ----------
    labels : array [training cycle]
        Group of each training cycle; only the order of the groups matters.
    seed : int
        Of the fit.
    name : str
        Name of the group that is left out; each fold draws independently.

    Returns
    -------
    tuple of int array
        Positions of the cycles to fit and of the validation set, which is empty with fewer than
        three groups.
    """
    from sklearn.model_selection import GroupShuffleSplit

    n_groups = len(np.unique(labels))
    if n_groups < FEWEST_GROUPS_TO_VALIDATE:
        return np.arange(len(labels)), np.arange(0)
    aside = max(1, round(VALIDATION_SHARE * n_groups))
    state = np.random.RandomState([seed, zlib.crc32(name.encode())])
    splitter = GroupShuffleSplit(n_splits=1, test_size=aside, random_state=state)
    inner, outer = next(splitter.split(labels, groups=labels))
    return inner, outer


def refuse_both(**given: Any) -> None:
    """Refuse two parameters that exclude each other, if both are given."""
    if all(value is not None for value in given.values()):
        raise InputError(f"{' and '.join(given)}: expected one of them, found both")


@dataclass(frozen=True)
class Settings:
    """The options of a cross-validation; all are recorded with the run.

    Attributes
    ----------
    models, patterns : tuple of str
    targets, output, by, blocks, seeds, options, quarter_samples
        See `nem2e_tf.training.cross_validation.cross_validate`.
    recipe : Recipe
    sources : tuple of Source
        Where entries of the user's own are defined; worker processes run these texts.
    """

    models: tuple[str, ...]
    patterns: tuple[str, ...] = (ALL_ENTIRE,)
    targets: str = EACH
    output: str = DIRECT
    recipe: Recipe = field(default_factory=Recipe)
    by: str = "subject"
    blocks: int | None = None
    seeds: int = 1
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    quarter_samples: int = 5
    sources: tuple[zoo.Source, ...] = ()

    def __post_init__(self) -> None:
        if not self.models:
            raise InputError("models: expected at least one, found none")
        if self.seeds < 1:
            raise InputError(f"seeds {self.seeds}: expected 1 or more")
        for name in self.options:
            if name not in self.models:
                raise InputError(
                    f"options: expected options of {' or '.join(self.models)}, found some of {name}"
                )

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as JSON reads them back."""
        sources = [source.as_dict() for source in self.sources]
        value: dict[str, Any] = json.loads(json.dumps({**asdict(self), "sources": sources}))
        return value

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Settings":
        """Read settings from `as_dict`."""
        given = {**value, "recipe": Recipe(**value["recipe"])}
        for name in ("models", "patterns"):
            given[name] = tuple(given[name])
        given["sources"] = tuple(map(zoo.Source.from_dict, value.get("sources", ())))
        return cls(**given)


@dataclass(frozen=True)
class Configuration:
    """One entry under one input pattern."""

    model: str
    pattern: str
    targets: str
    output: str
    options: dict[str, Any]

    @property
    def words(self) -> dict[str, Any]:
        """Columns of ``results.csv`` that name the configuration."""
        return {name: getattr(self, name) for name in ("model", "pattern", "targets", "output")}

    def columns(self, fit: "Fit", muscles: Sequence[str]) -> list[int]:
        """Indices of the muscles that a fit predicts."""
        return list(range(len(muscles))) if self.targets == JOINT else [muscles.index(fit.muscle)]


@dataclass(frozen=True)
class Fit:
    """One fit: index of its configuration, its model (a muscle or ``joint``), its fold and seed."""

    configuration: int
    muscle: str
    group: str
    seed: int


@dataclass(frozen=True)
class Plan:
    """All fits of a run, and their division into chunks.

    Attributes
    ----------
    configurations : tuple of Configuration
    fits : tuple of Fit
    chunks : tuple of tuple of int
        Indices of the fits that are trained together. Results repeat bit for bit only in the same
        chunks, so resumed and distributed runs use the same plan.
    notes : tuple of str
        Combinations that are left out and muscles without results, with the reason.
    """

    configurations: tuple[Configuration, ...]
    fits: tuple[Fit, ...]
    chunks: tuple[tuple[int, ...], ...]
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the plan for JSON, without keys where there are many items."""
        return {
            "configurations": [asdict(item) for item in self.configurations],
            "fits": [[fit.configuration, fit.muscle, fit.group, fit.seed] for fit in self.fits],
            "chunks": [list(chunk) for chunk in self.chunks],
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Plan":
        """Read a plan from `as_dict`."""
        return cls(
            configurations=tuple(Configuration(**item) for item in value["configurations"]),
            fits=tuple(Fit(*item) for item in value["fits"]),
            chunks=tuple(tuple(chunk) for chunk in value["chunks"]),
            notes=tuple(value["notes"]),
        )


def folds_of(cohort: Cohort, settings: Settings) -> tuple[str, list[Fold]]:
    """Return what forms the groups, and the folds."""
    by, labels = group_labels(cohort.cycles, by=settings.by, blocks=settings.blocks)
    return by, leave_one_group_out(labels)


def make_plan(cohort: Cohort, settings: Settings) -> Plan:
    """Plan the fits of a cross-validation; independent of the number of processes.

    Raises
    ------
    InputError
        An option is wrong, or no combination of the given models and patterns is possible.
    """
    _, folds = folds_of(cohort, settings)
    configurations, notes = _configurations(settings)
    notes += _without_emg(cohort, folds)
    own = {source.entry for source in settings.sources}
    fits: list[Fit] = []
    chunks: list[tuple[int, ...]] = []
    for index, configuration in enumerate(configurations):
        composition = composition_of(
            cohort,
            pattern=configuration.pattern,
            targets=configuration.targets,
            quarter_samples=settings.quarter_samples,
        )
        solved = zoo.entry(configuration.model).solve is not None
        if configuration.model in own and not solved:
            notes += _slow(configuration, composition)
        first = len(fits)
        for seed in range(1 if solved else settings.seeds):
            for muscle in composition.models:
                fits += [Fit(index, muscle, fold.group, seed) for fold in folds]
        width = (
            len(folds) * len(composition.models)
            if solved
            else _width(configuration, n_channels=composition.n_inputs, n_fits=len(fits) - first)
        )
        chunks += [
            tuple(range(start, min(start + width, len(fits))))
            for start in range(first, len(fits), width)
        ]
    return Plan(tuple(configurations), tuple(fits), tuple(chunks), tuple(notes))


def _slow(configuration: Configuration, composition: Composition) -> list[str]:
    """Make a model of the user's own, so that errors in it come first; note slow layers."""
    from nem2e_tf.zoo.models import slow_layers

    n_targets = len(composition.muscles_of(composition.models[0]))
    model = zoo.create(
        configuration.model,
        n_samples=composition.model_samples,
        n_channels=composition.n_inputs,
        n_targets=n_targets,
        counterparts=[[0]] * n_targets,
        **configuration.options,
    )
    return [f"{configuration.model}: {slow}" for slow in slow_layers(model)]


def _without_emg(cohort: Cohort, folds: Sequence[Fold]) -> list[str]:
    """Note muscles without EMG, and those with EMG in a single group."""
    seen = np.zeros((len(cohort.cycles), len(cohort.muscles)), bool)
    for start in range(0, len(seen), CYCLES_AT_A_TIME):
        part = cohort.measured[start : start + CYCLES_AT_A_TIME]
        seen[start : start + len(part)] = np.isfinite(part).all(axis=1)
    notes = []
    for index, muscle in enumerate(cohort.muscle_names):
        n_seen = int(seen[:, index].sum())
        groups = [fold.group for fold in folds if seen[fold.test, index].sum() == n_seen]
        if groups:
            notes.append(
                f"{muscle}: no EMG outside {', '.join(groups)}, hence no training data and no "
                "result there"
            )
    return notes


def _configurations(settings: Settings) -> tuple[list[Configuration], list[str]]:
    configurations, notes = [], []
    refusal: InputError | None = None
    for pattern in settings.patterns:
        if pattern not in PATTERNS:
            raise InputError(
                f"pattern {pattern}: expected one of {', '.join(PATTERNS)}{near(pattern, PATTERNS)}"
            )
    for name in dict.fromkeys(settings.models):
        entry = zoo.entry(name)
        given = dict(settings.options.get(name, {}))
        entry.check_options(given)
        if "output" in given:
            raise InputError(
                f"options: expected no option output of {name}; output is chosen for all models"
            )
        output = settings.output
        if output not in entry.outputs:
            if output not in OUTPUTS:
                raise InputError(f"output {output}: expected one of {', '.join(OUTPUTS)}")
            output = entry.outputs[0]
            notes.append(f"{name}: fitted with output {output}, the only one it offers")
        options = {**settings.recipe.model_options(entry.options), **given}
        if "output" in entry.options:
            options["output"] = output
        for pattern in dict.fromkeys(settings.patterns):
            try:
                entry.check(pattern=pattern, output=output, targets=settings.targets)
            except InputError as error:
                refusal = error
                notes.append(f"left out: {error}")
                continue
            configurations.append(Configuration(name, pattern, settings.targets, output, options))
    if not configurations and refusal is not None:
        raise refusal
    return configurations, notes


def _width(configuration: Configuration, *, n_channels: int, n_fits: int) -> int:
    """Number of fits to train together: as many as the cache holds, in chunks of similar size."""
    units = int(configuration.options.get("units", 64))
    spatial = zoo.entry(configuration.model).attention == "spatial"
    tokens = 20 + (n_channels if spatial else 20)
    # States grow with units and tokens, weights with the square of the units.
    size = units * (tokens + units)
    most = max(1, min(FITS_TOGETHER, FITS_TOGETHER * 64 * (40 + 64) // size))
    n_chunks = max(-(-n_fits // most), 2 if n_fits > 1 else 1)
    return -(-n_fits // n_chunks)
