"""What a control is about: a finished run and its cohort."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nem2e_tf.cohort import Cohort, load_cohort
from nem2e_tf.errors import InputError, near
from nem2e_tf.training.predictions import check_cohort
from nem2e_tf.training.run_folder import RunFolder, open_run


@dataclass(frozen=True, eq=False)
class Source:
    """A run, its cohort, and which of its models are asked about.

    Attributes
    ----------
    run : RunFolder
    cohort : Cohort
    cohort_path : Path
    models : tuple of str
    """

    run: RunFolder
    cohort: Cohort
    cohort_path: Path
    models: tuple[str, ...]

    @property
    def about(self) -> dict[str, Any]:
        """What it is, for ``control.json``."""
        return {
            "run": {"name": self.run.path.resolve().name, "settings": self.run.settings.as_dict()},
            "cohort": {"name": self.cohort.name, "digest": self.cohort.digest},
        }

    def fits(self) -> list[int]:
        """Fits of the models asked about, in the order of the plan."""
        configurations = self.run.plan.configurations
        return [
            index
            for index, fit in enumerate(self.run.plan.fits)
            if configurations[fit.configuration].model in self.models
        ]


def open_source(
    run_path: "str | os.PathLike[str]",
    cohort_path: "str | os.PathLike[str]",
    *,
    models: Iterable[str] = (),
) -> Source:
    """Open a run and the cohort it was made with.

    Parameters
    ----------
    run_path, cohort_path : path-like
    models : iterable of str
        Which of the run's; all by default.

    Raises
    ------
    InputError
        One is missing, they do not belong together, the run is not finished, or it has no such
        model.
    """
    run = open_run(run_path)
    cohort = load_cohort(cohort_path)
    check_cohort(run, cohort)
    missing = len(run.unfinished())
    if missing:
        raise InputError(
            f"{run.path}: expected a finished run, found {missing} of {len(run.plan.chunks)} "
            "chunks without predictions; run the same 'nem2e-tf cv' again to finish it"
        )
    present = list(dict.fromkeys(c.model for c in run.plan.configurations))
    chosen = tuple(dict.fromkeys(models)) or tuple(present)
    for model in chosen:
        if model not in present:
            raise InputError(
                f"{run.path}: expected a run with {model}, found {', '.join(present)}"
                f"{near(model, present)}"
            )
    return Source(run, cohort, Path(cohort_path), chosen)
