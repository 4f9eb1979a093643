"""Fitting one chunk of a plan: the unit of work of one process."""

import functools
import json
import os
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf import zoo
from nem2e_tf.cohorts.cohort import Cohort
from nem2e_tf.io.quiet import quiet_stderr
from nem2e_tf.refiners.patterns import Composition
from nem2e_tf.training.plan import Configuration, Fit, Fold, Plan, Settings, folds_of, sizes_of
from nem2e_tf.training.rows import (
    Data,
    Fitted,
    Problem,
    Rows,
    Sizes,
    Store,
    Task,
    Thinned,
    build,
    composition_of,
    in_memory,
)
from nem2e_tf.training.run_folder import FitResult, weights_digest
from nem2e_tf.zoo.blocks import chosen, in_blocks
from nem2e_tf.zoo.models import all_layers


def set_up_tensorflow() -> None:
    """Make TensorFlow quiet, single-threaded and deterministic; call before it is imported.

    One thread a process: several processes use the cores better than several threads, and sums are
    taken in one order. oneDNN is on: its matrix products are up to four times faster, and on one
    kind of CPU they give the same bits again and again.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    # oneDNN announces itself before TensorFlow's own log level counts.
    with quiet_stderr():
        import tensorflow as tf

    # It would fold transposed weights back into each of the products that they were made for.
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
    # Keras' convolutions have no vectorised gradient, which the plan notes once.
    tf.get_logger().setLevel("ERROR")
    # Raises once TensorFlow has run something: then its threads were chosen by whoever did that.
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        return


def look_up(models: Iterable[zoo.AnyModel]) -> tuple[tuple[str, ...], tuple[zoo.Source, ...]]:
    """Return the names of refiners and the sources of the user's own, whose files are run."""
    given = list(models)
    if not all(isinstance(model, str) and model in zoo.list_models() for model in given):
        set_up_tensorflow()  # before a file imports Keras
    return zoo.names_and_sources(given)


@dataclass(eq=False)
class Workshop:
    """What a process keeps between chunks: rows and traced trainers.

    Attributes
    ----------
    cohort : Cohort
    settings : Settings
    plan : Plan
    store : Store
        Keeps thinned cycles and rows; see `nem2e_tf.training.rows`.
    """

    cohort: Cohort
    settings: Settings
    plan: Plan
    store: Store = in_memory
    folds: dict[str, Fold] = field(init=False)
    _thinned: Thinned | None = None
    _problems: dict[tuple[str, str], Problem] = field(default_factory=dict)
    _trainer: tuple[Any, Any] | None = None
    _networks: dict[Any, str] = field(default_factory=dict)
    _split_sizes: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folds = {fold.group: fold for fold in folds_of(self.cohort, self.settings)[1]}

    def run(
        self,
        number: int,
        *,
        on_epoch: Callable[[int], None] | None = None,
        keep_out: bool = False,
    ) -> list[FitResult]:
        """Fit a chunk.

        Parameters
        ----------
        number : int
            Of the chunk in the plan.
        on_epoch : callable, optional
            Told the number of epochs done.
        keep_out : bool
            Keep the cycles that were set aside out of closed forms too. They need none to decide
            when to stop, so a cross-validation gives them all training cycles.
        """
        fits = [self.plan.fits[index] for index in self.plan.chunks[number]]
        configuration = self.plan.configurations[fits[0].configuration]
        problem = self._problem(configuration)
        started = time.perf_counter()
        if zoo.entry(configuration.model).solve is not None:
            return self._solve(configuration, problem, fits, keep_out=keep_out)
        fitted: dict[Fit, Fitted] = {}
        for model, alike in self._by_network(configuration, problem, fits).items():
            trainer = self._trainer_for(configuration, problem, model, len(fits))
            found = trainer.fit(
                Data(problem.inputs, problem.targets, problem.present),
                [self._task(problem, fit) for fit in alike],
                on_epoch=on_epoch,
            )
            fitted |= dict(zip(alike, found, strict=True))
        seconds = (time.perf_counter() - started) / len(fits)
        return [
            FitResult(
                fit=fit,
                refined=self._known(problem, fit, fitted[fit].applied),
                history=fitted[fit].history,
                epochs=fitted[fit].epochs,
                seconds=seconds,
                digest=weights_digest(fitted[fit].weights),
                weights=fitted[fit].weights,
            )
            for fit in fits
        ]

    def _by_network(
        self, configuration: Configuration, problem: Problem, fits: Sequence[Fit]
    ) -> dict[int, list[Fit]]:
        """Sort fits by the network they train, told by the first model that has it.

        Networks of one entry are the same for every muscle, unless the entry builds the
        counterparts in.
        """
        networks: dict[str, int] = {}
        sorted_fits: dict[int, list[Fit]] = {}
        for fit in fits:
            index = problem.models.index(fit.muscle)
            key = (repr(configuration), problem.counterparts[index])
            if key not in self._networks:
                keras_model = self._make(configuration, problem, index)
                self._networks[key] = _architecture(keras_model)
            first = networks.setdefault(self._networks[key], index)
            sorted_fits.setdefault(first, []).append(fit)
        return sorted_fits

    def _problem(self, configuration: Configuration) -> Problem:
        key = (configuration.pattern, configuration.targets)
        if key not in self._problems:
            self._problems[key] = build(
                self.thinned, self.composition(configuration), store=self.store
            )
        return self._problems[key]

    @property
    def thinned(self) -> Thinned:
        """The cohort's cycles, thinned."""
        if self._thinned is None:
            self._thinned = Thinned.of(self.cohort, store=self.store)
        return self._thinned

    def prepare(self) -> None:
        """Thin the cohort and make the rows of every configuration, for others to find stored."""
        for configuration in self.plan.configurations:
            self._problem(configuration)
        self._problems.clear()

    def composition(self, configuration: Configuration) -> Composition:
        """How models, channels and muscles belong together in a configuration."""
        return composition_of(
            self.cohort,
            pattern=configuration.pattern,
            targets=configuration.targets,
            quarter_samples=self.settings.quarter_samples,
        )

    def model(self, configuration: Configuration, index: int) -> Any:
        """Make one of a configuration's models, untrained."""
        return self._make(configuration, self._problem(configuration), index)

    def _make(self, configuration: Configuration, problem: Problem, model: int = 0) -> Any:
        return zoo.create(
            configuration.model,
            n_samples=problem.inputs.shape[1],
            n_channels=problem.inputs.shape[2],
            n_targets=problem.targets.shape[2],
            counterparts=problem.counterparts[model],
            **configuration.options,
        )

    def _trainer_for(
        self, configuration: Configuration, problem: Problem, model: int, n_fits: int
    ) -> Any:
        """Return a traced trainer; the last one is kept, since chunks of a kind follow on."""
        from nem2e_tf.training.engine import Trainer

        chunks = [c for c in self.plan.chunks if self._configuration_of(c) == configuration]
        splits = {
            (fit.group, fit.seed)
            for chunk in chunks
            for fit in (self.plan.fits[index] for index in chunk)
        }
        rows = sizes_of(
            list(self.folds.values()),
            splits=[self._sizes_of_split(*split) for split in splits],
            rows=problem.rows_a_cycle,
        )
        sizes = Sizes(max([n_fits, *map(len, chunks)]), *rows)
        network = self._networks[(repr(configuration), problem.counterparts[model])]
        key = (repr(configuration), network, sizes)
        if self._trainer is None or self._trainer[0] != key:
            self._trainer = (
                key,
                Trainer(
                    lambda: self._make(configuration, problem, model),
                    self.settings.recipe,
                    sizes,
                    in_training=functools.partial(
                        zoo.entry(configuration.model).in_training, **configuration.options
                    ),
                ),
            )
        return self._trainer[1]

    def _configuration_of(self, chunk: Sequence[int]) -> Configuration:
        return self.plan.configurations[self.plan.fits[chunk[0]].configuration]

    def _sizes_of_split(self, group: str, seed: int) -> tuple[int, int]:
        if (group, seed) not in self._split_sizes:
            inner, outer = self.folds[group].set_aside(seed)
            self._split_sizes[group, seed] = len(inner), len(outer)
        return self._split_sizes[group, seed]

    def _task(self, problem: Problem, fit: Fit) -> Task:
        model = problem.models.index(fit.muscle)
        fold = self.folds[fit.group]
        inner, outer = fold.set_aside(fit.seed)
        stream = zlib.crc32("/".join((fit.muscle, fit.group)).encode())
        training = _rows(problem, model, inner, measured_only=True)
        validation = _rows(problem, model, outer, measured_only=True)
        if not len(training.inputs):
            # Only those who were set aside have this muscle's EMG: there is nobody to stop by.
            training, validation = validation, training
        return Task(
            seed=fit.seed,
            stream=stream,
            training=training,
            validation=validation,
            application=_rows(problem, model, fold.test),
        )

    def _solve(
        self, configuration: Configuration, problem: Problem, fits: Sequence[Fit], *, keep_out: bool
    ) -> list[FitResult]:
        solve = zoo.entry(configuration.model).solve
        assert solve is not None
        results = []
        model, made_for = None, None
        for fit in fits:
            started = time.perf_counter()
            index = problem.models.index(fit.muscle)
            if model is None or problem.counterparts[index] != made_for:
                model = self._make(configuration, problem, index)
                made_for = problem.counterparts[index]
            fold = self.folds[fit.group]
            cycles = fold.set_aside(fit.seed)[0] if keep_out else fold.train
            rows = _rows(problem, index, cycles, measured_only=True)
            solve(
                model,
                chosen(problem.inputs, rows.inputs),
                problem.targets[rows.targets],
                problem.present[rows.targets],
                _groups(problem, index, fold, cycles),
            )
            applied = _rows(problem, index, fold.test)
            refined = in_blocks(
                functools.partial(model, training=False), chosen(problem.inputs, applied.inputs)
            )
            weights = [np.array(value) for value in model.get_weights()]
            results.append(
                FitResult(
                    fit=fit,
                    refined=self._known(problem, fit, refined),
                    history=np.zeros((0, 3), np.float32),
                    epochs=0,
                    seconds=time.perf_counter() - started,
                    digest=weights_digest(weights),
                    weights=weights,
                )
            )
        return results

    def _known(
        self, problem: Problem, fit: Fit, refined: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Join the rows to cycles; NaN for muscles that no training cycle had the EMG of."""
        model, fold = problem.models.index(fit.muscle), self.folds[fit.group]
        seen = problem.present[problem.target_rows(model, fold.train)].any(axis=0)
        return np.where(seen, problem.joined(refined), np.float32(np.nan))


def _architecture(model: Any) -> str:
    """Describe a network without the names that Keras numbers anew for each one."""
    named = [model, *model.operations, *all_layers(model)]
    numbers = {part.name: f"part {number}" for number, part in enumerate(named)}

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: renamed(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [renamed(item) for item in value]
        return numbers.get(value, value) if isinstance(value, str) else value

    return json.dumps(renamed(model.get_config()), default=str)


def _groups(problem: Problem, model: int, fold: Fold, cycles: NDArray[np.intp]) -> NDArray[np.str_]:
    kept = problem.present[problem.target_rows(model, cycles)].any(axis=1)
    return np.repeat(fold.names[fold.codes[cycles]], problem.rows_a_cycle)[kept]


def _rows(
    problem: Problem, model: int, cycles: NDArray[np.intp], *, measured_only: bool = False
) -> Rows:
    inputs, targets = problem.input_rows(model, cycles), problem.target_rows(model, cycles)
    if measured_only:
        kept = problem.present[targets].any(axis=1)
        inputs, targets = inputs[kept], targets[kept]
    return Rows(inputs, targets)
