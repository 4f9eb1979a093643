"""Fit one chunk of a plan: the unit of work of one process."""

import functools
import json
import os
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf import zoo
from nem2e_tf.cohorts.cohort import Cohort
from nem2e_tf.io.quiet import quiet_stderr
from nem2e_tf.refiners.patterns import Composition
from nem2e_tf.training.plan import Configuration, Fit, Plan, Settings, folds_of
from nem2e_tf.training.rows import (
    Problem,
    Store,
    Task,
    Thinned,
    build,
    composition_of,
    in_memory,
)
from nem2e_tf.training.run_folder import FitResult
from nem2e_tf.zoo.blocks import chosen, in_blocks
from nem2e_tf.zoo.models import all_layers


def set_up_tensorflow() -> None:
    """Make TensorFlow quiet, single-threaded and deterministic; call before it is imported.

    Several processes of one thread use the cores better than one process of several threads, and
    sums are computed in a fixed order. oneDNN is on: its matrix products are up to four times
    faster, and repeat bit for bit on one kind of CPU.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    # oneDNN announces itself before TensorFlow reads its log level.
    with quiet_stderr():
        import tensorflow as tf

    # This optimisation would fold transposed weights back into each of their products.
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
    # Keras' convolutions have no vectorised gradient, which the plan notes once.
    tf.get_logger().setLevel("ERROR")
    # Raises if TensorFlow has run an operation: its threads can no longer be changed then.
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


class Workshop:
    """Fits chunks; keeps rows and traced trainers between them.

    Parameters
    ----------
    cohort : Cohort
    settings : Settings
    plan : Plan
    store : Store
        For thinned cycles and rows; see `nem2e_tf.training.rows`.
    """

    def __init__(
        self, cohort: Cohort, settings: Settings, plan: Plan, store: Store = in_memory
    ) -> None:
        self.cohort = cohort
        self.settings = settings
        self.plan = plan
        self.store = store
        self.folds = {fold.group: fold for fold in folds_of(cohort, settings)[1]}
        self._problems: dict[tuple[str, str], Problem] = {}
        self._networks: dict[Any, str] = {}
        self._sizes: dict[str, Any] = {}
        self._trainer: tuple[Any, Any] | None = None

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
            Is called with the number of epochs done.
        keep_out : bool
            Leave the validation set out of closed forms too. They do not stop early, so in a
            cross-validation they are fitted on all training cycles.
        """
        fits = [self.plan.fits[index] for index in self.plan.chunks[number]]
        configuration = self.plan.configurations[fits[0].configuration]
        problem = self._problem(configuration)
        if zoo.entry(configuration.model).solve is not None:
            return self._solve(configuration, problem, fits, keep_out=keep_out)
        started = time.perf_counter()
        networks: dict[str, list[Fit]] = {}
        for fit in fits:
            networks.setdefault(self._network(configuration, problem, fit), []).append(fit)
        fitted: dict[Fit, Any] = {}
        for network, alike in networks.items():
            trainer = self._trainer_for(configuration, problem, network, alike[0])
            tasks = [self._task(problem, fit) for fit in alike]
            found = trainer.fit(problem, tasks, on_epoch=on_epoch)
            fitted |= dict(zip(alike, found, strict=True))
        seconds = (time.perf_counter() - started) / len(fits)
        return [
            FitResult(
                fit=fit,
                refined=self._cycles(problem, fit, fitted[fit].applied),
                history=fitted[fit].history,
                epochs=fitted[fit].epochs,
                seconds=seconds,
                weights=fitted[fit].weights,
            )
            for fit in fits
        ]

    def prepare(self) -> None:
        """Thin the cohort and build the rows of every configuration, to be found in the store."""
        for configuration in self.plan.configurations:
            self._problem(configuration)
        self._problems.clear()

    @functools.cached_property
    def thinned(self) -> Thinned:
        """The cohort's cycles, thinned."""
        return Thinned.of(self.cohort, store=self.store)

    def composition(self, configuration: Configuration) -> Composition:
        """How models, channels and muscles belong together in a configuration."""
        return composition_of(
            self.cohort,
            pattern=configuration.pattern,
            targets=configuration.targets,
            quarter_samples=self.settings.quarter_samples,
        )

    def model(self, configuration: Configuration, index: int) -> Any:
        """Create one of a configuration's models, untrained."""
        problem = self._problem(configuration)
        return zoo.create(
            configuration.model,
            n_samples=problem.inputs.shape[1],
            n_channels=problem.inputs.shape[2],
            n_targets=problem.targets.shape[2],
            counterparts=problem.counterparts[index],
            **configuration.options,
        )

    def _problem(self, configuration: Configuration) -> Problem:
        key = (configuration.pattern, configuration.targets)
        if key not in self._problems:
            self._problems[key] = build(
                self.thinned, self.composition(configuration), store=self.store
            )
        return self._problems[key]

    def _network(self, configuration: Configuration, problem: Problem, fit: Fit) -> str:
        """Architecture of a fit, as text.

        It is the same for every muscle, unless the entry builds the counterparts in.
        """
        index = problem.models.index(fit.muscle)
        key = (repr(configuration), problem.counterparts[index])
        if key not in self._networks:
            self._networks[key] = _architecture(self.model(configuration, index))
        return self._networks[key]

    def _trainer_for(
        self, configuration: Configuration, problem: Problem, network: str, fit: Fit
    ) -> Any:
        """Return a traced trainer; the last one is kept, since similar chunks follow each other."""
        from nem2e_tf.training.engine import Sizes, Trainer

        if repr(configuration) not in self._sizes:
            chunks = [
                [self.plan.fits[index] for index in chunk]
                for chunk in self.plan.chunks
                if self._configuration_of(chunk) == configuration
            ]
            splits = [
                self.folds[group].set_aside(seed)
                for group, seed in {(fit.group, fit.seed) for chunk in chunks for fit in chunk}
            ]
            n_cycles = (
                max(len(inner) for inner, _ in splits),
                max(len(outer) for _, outer in splits),
                max(len(fold.test) for fold in self.folds.values()),
            )
            rows = (problem.rows_per_cycle * number for number in n_cycles)
            self._sizes[repr(configuration)] = Sizes(max(map(len, chunks)), *rows)
        sizes = self._sizes[repr(configuration)]
        key = (repr(configuration), network, sizes)
        if self._trainer is None or self._trainer[0] != key:
            make = functools.partial(self.model, configuration, problem.models.index(fit.muscle))
            in_training = functools.partial(
                zoo.entry(configuration.model).in_training, **configuration.options
            )
            self._trainer = (
                key,
                Trainer(make, self.settings.recipe, sizes, in_training=in_training),
            )
        return self._trainer[1]

    def _configuration_of(self, chunk: Sequence[int]) -> Configuration:
        return self.plan.configurations[self.plan.fits[chunk[0]].configuration]

    def _task(self, problem: Problem, fit: Fit) -> Task:
        model, fold = problem.models.index(fit.muscle), self.folds[fit.group]
        training, validation = (
            problem.measured_rows(model, cycles) for cycles in fold.set_aside(fit.seed)
        )
        if not len(training.inputs):
            # Only the validation set has EMG of this muscle: train on it, without early stopping.
            training, validation = validation, training
        return Task(
            seed=fit.seed,
            stream=zlib.crc32(f"{fit.muscle}/{fit.group}".encode()),
            training=training,
            validation=validation,
            application=problem.rows(model, fold.test),
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
                model = self.model(configuration, index)
                made_for = problem.counterparts[index]
            fold = self.folds[fit.group]
            cycles = fold.set_aside(fit.seed)[0] if keep_out else fold.train
            rows = problem.measured_rows(index, cycles)
            cycle_of_row = (rows.targets // problem.rows_per_cycle) % problem.n_cycles
            solve(
                model,
                chosen(problem.inputs, rows.inputs),
                problem.targets[rows.targets],
                problem.present[rows.targets],
                fold.names[fold.codes[cycle_of_row]],
            )
            applied = chosen(problem.inputs, problem.rows(index, fold.test).inputs)
            refined = in_blocks(functools.partial(model, training=False), applied)
            results.append(
                FitResult(
                    fit=fit,
                    refined=self._cycles(problem, fit, refined),
                    history=np.zeros((0, 3), np.float32),
                    epochs=0,
                    seconds=time.perf_counter() - started,
                    weights=[np.array(value) for value in model.get_weights()],
                )
            )
        return results

    def _cycles(
        self, problem: Problem, fit: Fit, refined: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Join rows into cycles; NaN for muscles without EMG in all training cycles."""
        model, fold = problem.models.index(fit.muscle), self.folds[fit.group]
        seen = problem.present[problem.rows(model, fold.train).targets].any(axis=0)
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
