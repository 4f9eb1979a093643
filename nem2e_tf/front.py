"""Runs and recordings as users of the Python package handle them; see `nem2e_tf`."""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nem2e_tf.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from nem2e_tf.cohorts.cohort import Cohort
    from nem2e_tf.refiners.recording import Refined, Refines

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
        if not self.path.is_dir():
            raise InputError(f"{self.path}: expected a run folder, found no such folder")

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @cached_property
    def _read(self) -> "tuple[pd.DataFrame, pd.DataFrame | None]":
        from nem2e_tf.report.runs import read_runs

        return read_runs((self.path,))

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
        from nem2e_tf.report.tables import print_report

        print_report(self.results, self.references, muscles=muscles)

    def report(
        self,
        out: "PathLike",
        *,
        cohort: "PathLike | None" = None,
        controls: "Sequence[PathLike]" = (),
        models: Sequence[str] = (),
    ) -> Path:
        """Write the evidence as one HTML page, with its tables and figures.

        Parameters
        ----------
        out : path-like
            Folder to write.
        cohort : path-like, optional
            The cohort of the run, for curves; by default where the run says that it is.
        controls : sequence of path-like
            Folders of controls.
        models : sequence of str
            Entries whose curves are drawn; by default the best ones.

        Returns
        -------
        Path
            The page.
        """
        from nem2e_tf.report.material import report

        return report([self.path], out, cohort=cohort, controls=controls, models=models).page

    def compare(self, other: "Run | PathLike") -> Any:
        """Compare with another run of the same cohort, paired by what was left out."""
        return compare(self, other)


def load_run(path: "PathLike") -> Run:
    """Open a run folder.

    Parameters
    ----------
    path : path-like
        A folder that `cross_validate` or ``nem2e-tf cv`` wrote.
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

    Returns
    -------
    Refined
        ``storage`` with one column per muscle, the ``cycles`` that were refined, and ``notes`` on
        what was left out. Rows outside complete cycles are left out, never NaN.

    Raises
    ------
    InputError
        A file is missing or damaged, a channel is missing, or there is no complete cycle.
    """
    from nem2e_tf.io.quiet import quiet_stderr
    from nem2e_tf.io.storage import read_storage, write_storage
    from nem2e_tf.refiners.recording import refine_recording as refine
    from nem2e_tf.signals.gait import THRESHOLD
    from nem2e_tf.signals.gait.bounds import cycles_of_plate, read_events

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

            refiner = load(refiner)
        refined = refine(refiner, recording, cycles, side=side[0])
    notes += [f"{activation}: {note}" for note in refined.notes]
    if out is not None:
        write_storage(out, refined.storage)
    return replace(refined, notes=tuple(notes))
