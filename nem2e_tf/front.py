"""Runs and recordings as users of the Python package handle them; see `nem2e_tf`."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nem2e_tf.errors import InputError
from nem2e_tf.names import ALL_ENTIRE, DIRECT, EACH

if TYPE_CHECKING:
    import pandas as pd

    from nem2e_tf.cohorts.cohort import Cohort
    from nem2e_tf.refiners.recording import Refined, Refines
    from nem2e_tf.report.comparing import Comparison
    from nem2e_tf.report.report import Report
    from nem2e_tf.training.recipe import Recipe
    from nem2e_tf.zoo import AnyModel

    PathLike = str | os.PathLike[str]


class Run:
    """A finished cross-validation: its folder, its results, and what to do with them.

    Parameters
    ----------
    path : path-like
        The run folder, as `cross_validate` and ``nem2e-tf cv`` write it.

    Attributes
    ----------
    path : Path
        The run folder.

    Raises
    ------
    InputError
        The folder is missing or is not a finished run.
    """

    def __init__(self, path: "PathLike") -> None:
        self.path = Path(path)
        self._folder: Any = None
        if not self.path.is_dir():
            raise InputError(f"{self.path}: expected a run folder, found no such folder")

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @cached_property
    def _read(self) -> "tuple[pd.DataFrame, pd.DataFrame | None]":
        from nem2e_tf.report.runs import read_runs

        return read_runs(self.path)

    @property
    def results(self) -> "pd.DataFrame":
        """Rows of ``results.csv``: one per fit and muscle."""
        return self._read[0]

    @property
    def references(self) -> "pd.DataFrame | None":
        """Errors of the simulation and of the mean pattern, per muscle, group and condition."""
        return self._read[1]

    def table(self, *, muscles: bool = False) -> None:
        """Print the table that entries are chosen by.

        Parameters
        ----------
        muscles : bool
            Print a table per entry with one row per muscle as well.
        """
        from rich.console import Console

        from nem2e_tf.report.evidence import gather
        from nem2e_tf.report.tables import evidence_tables

        tables = evidence_tables(gather(self.results, self.references), muscles=muscles)
        Console(highlight=False).print(tables)

    def report(
        self,
        out: "PathLike",
        *,
        cohort: "Cohort | PathLike | None" = None,
        controls: "Sequence[PathLike]" = (),
        models: Sequence[str] = (),
    ) -> "Report":
        """Write the evidence as one HTML page, with its tables and figures.

        Parameters
        ----------
        out : path-like
            Folder to write.
        cohort : Cohort or path-like, optional
            The cohort of the run, for curves; by default searched for next to the run.
        controls : sequence of path-like
            Folders of controls; those next to the run are added.
        models : sequence of str
            Models whose curves are drawn; by default the best of each input pattern.

        Returns
        -------
        Report
            Its ``path`` is the page; its ``notes`` list what is missing and why.
        """
        from nem2e_tf.report.report import report

        return report(self, out, cohort=cohort, controls=controls, models=models)

    def compare(self, other: "Run | PathLike") -> "Comparison":
        """Compare this run with another one of the same cohort.

        Parameters
        ----------
        other : Run or path-like

        Returns
        -------
        Comparison
            ``results`` holds the differences (other - this) per entry and muscle; ``table()``
            prints them.
        """
        from nem2e_tf.report.comparing import compare

        return compare(self, other)


def cross_validate(
    cohort: "Cohort | PathLike",
    models: "AnyModel | Iterable[AnyModel]",
    *,
    out: "PathLike | None" = None,
    patterns: "str | Sequence[str]" = ALL_ENTIRE,
    targets: str = EACH,
    output: str = DIRECT,
    recipe: "str | Recipe" = "fast",
    by: str | None = None,
    blocks: int | None = None,
    seeds: int = 1,
    jobs: int | None = None,
    **more: Any,
) -> Run:
    """Cross-validate refiners on a cohort, leaving one group of cycles out at a time.

    Each refiner is fitted once per group on the cycles of all other groups, and scored on the
    cycles that were left out. An interrupted run continues where it was when the same call is
    repeated.

    Parameters
    ----------
    cohort : Cohort or path-like
        A cohort, or its folder.
    models : str or callable, or sequence of them
        Entries of the zoo, such as ``["linear", "seq2seq"]``, functions of your own that build a
        Keras model, or such functions in files, as ``"my_refiner.py:my_refiner"``.
    out : path-like, optional
        The run folder. By default a temporary folder that lives as long as the returned object.
    patterns : str or sequence of {"one-quarter", "one-entire", "all-entire"}
        Input patterns.
    targets : {"each", "joint"}
        One model per muscle (the paper's way), or one for all muscles (``all-entire`` only).
    output : {"direct", "residual"}
        Predict activity, or its difference from the mean pattern of the training cycles.
    recipe : {"fast", "paper"} or Recipe
        How networks are trained.
    by : str, optional
        Column of the cohort's cycles whose groups are left out; ``subject`` by default.
    blocks : int, optional
        For a cohort of one subject: number of blocks of consecutive cycles to leave out instead.
    seeds : int
        Fits of each network; with more than one, their ensemble too.
    jobs : int, optional
        Processes; by default one per core. Results do not depend on it.
    **more
        Settings of the recipe, such as ``epochs=50``, and the other options of
        `nem2e_tf.training.cross_validation.cross_validate`.

    Returns
    -------
    Run

    Raises
    ------
    InputError
        The cohort cannot be read, an option is wrong, or `out` holds something else.

    Examples
    --------
    >>> import nem2e_tf as nem2e
    >>> run = nem2e.cross_validate(nem2e.synthesise("walk"), ["opensim", "affine"], jobs=1)
    >>> round(float(run.results.groupby("model")["rate"].mean()["affine"]), 2)
    -0.4
    """
    from nem2e_tf.training.cross_validation import cross_validate as fit

    folder = fit(
        cohort,
        models,
        out=out,
        patterns=patterns,
        targets=targets,
        output=output,
        recipe=recipe,
        by=by,
        blocks=blocks,
        seeds=seeds,
        jobs=jobs,
        **more,
    )
    run = Run(folder.path)
    # A temporary folder is removed with the object that holds it.
    run._folder = folder
    return run


def load_run(path: "PathLike") -> Run:
    """Open a run folder.

    Parameters
    ----------
    path : path-like
        A folder that `cross_validate` or ``nem2e-tf cv`` wrote.

    Examples
    --------
    >>> import tempfile
    >>> import nem2e_tf as nem2e
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     done = nem2e.cross_validate(
    ...         nem2e.synthesise("walk"), "affine", out=f"{folder}/run", jobs=1
    ...     )
    ...     run = load_run(f"{folder}/run")
    ...     len(run.results)  # 8 subjects, 5 muscles
    40
    """
    return Run(path)


def refine_recording(
    refiner: "Refines | PathLike",
    activation: "PathLike",
    *,
    side: str,
    ground_reaction: "PathLike | None" = None,
    plate: str | None = None,
    threshold: float | None = None,
    events: "PathLike | None" = None,
    out: "PathLike | None" = None,
    execute_source: bool = False,
) -> "Refined":
    """Refine an activation file, cycle by cycle, on its own time grid.

    Parameters
    ----------
    refiner : refiner or path-like
        What `load` or `train` returned, or the path of a refiner of any kind.
    activation : path-like
        Storage file with one column per muscle and side, activation from 0 to 1.
    side : {"left", "right"}
        The leg to refine.
    ground_reaction : path-like, optional
        Ground-reaction file; cycles last from one contact of the foot to its next. Needs `plate`.
    plate : str, optional
        How the names of that leg's force columns begin, such as ``1_ground_force``.
    threshold : float, optional
        Vertical force that counts as contact, N; 30 by default.
    events : path-like, optional
        CSV table with the columns ``start`` and ``end``, s, instead of a ground-reaction file.
    out : path-like, optional
        Storage file to write.
    execute_source : bool
        Run the source in a refiner folder that defines layers of its own; see `load`.

    Returns
    -------
    Refined
        ``storage`` with one column per muscle, the ``cycles`` that were refined, and ``notes`` on
        what was left out. Rows outside complete cycles are left out, never NaN.

    Raises
    ------
    InputError
        A file is missing or damaged, a channel is missing, or there is no complete cycle.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import pandas as pd
    >>> import nem2e_tf as nem2e
    >>> from nem2e_tf.io.storage import Storage, write_storage
    >>> refiner = nem2e.train(nem2e.synthesise("walk"), "linear")
    >>> names = [name.replace("ipsi", "r").replace("contra", "l") for name in refiner.channels]
    >>> time = np.arange(0, 2.5, 0.01)
    >>> activation = Storage("walk", tuple(names), time, np.full((len(time), len(names)), 0.1))
    >>> events = pd.DataFrame({"start": [0.1, 1.1], "end": [1.1, 2.1]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_storage(f"{folder}/activation.sto", activation)
    ...     events.to_csv(f"{folder}/events.csv", index=False)
    ...     refined = refine_recording(
    ...         refiner, f"{folder}/activation.sto", side="right", events=f"{folder}/events.csv"
    ...     )
    >>> len(refined.cycles), refined.storage.labels[:2]
    (2, ('recfem_r', 'semimem_r'))
    """
    from nem2e_tf.io.quiet import quiet_stderr
    from nem2e_tf.io.storage import read_storage, write_storage
    from nem2e_tf.refiners.recording import refine_recording as refine
    from nem2e_tf.signals.gait import THRESHOLD, cycles_of_plate, read_events

    if side not in ("left", "right", "l", "r"):
        raise InputError(f"side: expected left or right, found {side!r}")
    if (ground_reaction is None) == (events is None):
        raise InputError(
            "ground_reaction and events: expected one of them, found "
            f"{'neither' if events is None else 'both'}"
        )
    if (ground_reaction is None) != (plate is None):
        raise InputError("plate and ground_reaction: expected both or neither, found one of them")
    if out is not None:
        target = Path(out)
        if target.exists() and Path(activation).exists() and target.samefile(activation):
            raise InputError(f"{target}: expected another file than the activation file")
        if not target.absolute().parent.is_dir():
            raise InputError(f"{target}: expected an existing folder {target.parent}, found none")
    if isinstance(refiner, str | os.PathLike):
        from nem2e_tf.export.runtime.load import locate

        locate(refiner)  # before TensorFlow, which takes seconds to load
    recording = read_storage(activation)
    notes = [f"{activation}: {note}" for note in recording.notes]
    if events is not None:
        cycles, found = read_events(events)
        notes += [f"{events}: {note}" for note in found]
    else:
        forces = read_storage(str(ground_reaction))
        cycles, found = cycles_of_plate(
            forces, plate=str(plate), threshold=THRESHOLD if threshold is None else threshold
        )
        notes += [f"{ground_reaction}: {note}" for note in (*forces.notes, *found)]
    with quiet_stderr():
        if isinstance(refiner, str | os.PathLike):
            from nem2e_tf.export.runtime.load import load

            refiner = load(refiner, execute_source=execute_source)
        refined = refine(refiner, recording, cycles, side=side[0])
    notes += [f"{activation}: {note}" for note in refined.notes]
    if out is not None:
        write_storage(out, refined.storage)
    return replace(refined, notes=tuple(notes))
