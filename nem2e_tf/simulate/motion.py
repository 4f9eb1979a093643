"""Joint angles and markers that go into a stage: do they fit the model, do they cover the span."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError, near
from nem2e_tf.simulate.model_file import ModelFile
from nem2e_tf.storage import Storage, read_storage
from nem2e_tf.trc import Markers, read_trc

# What is asked for and what is there may differ by this, s: clocks are rounded.
SLACK = 1e-3
# Stamps further from even ones than this share of a step are no uniform time; nearer is rounding.
_UNIFORM = 0.1
# Non-uniform time is made uniform at steps of this or of its own median, whichever is longer, s.
# RRA's own steps are down to 1e-8 s, which no filter in OpenSim survives.
SHORTEST_STEP = 0.005

Span = tuple[float, float]


def read_motion(
    path: "str | os.PathLike[str]", model: ModelFile
) -> tuple[Storage, tuple[str, ...]]:
    """Read joint angles and make their time uniform.

    Parameters
    ----------
    path : path-like
        Storage file with a column a coordinate, by name or by OpenSim's path to its value.
    model : ModelFile

    Returns
    -------
    motion : Storage
        With the path of the file where it can be used as it is, else without.
    notes : tuple of str
        Coordinates the file lacks, and what was done to time.

    Raises
    ------
    InputError
        No column is one of the model's coordinates, or a needed one holds NaN.
    """
    motion = read_storage(path)
    columns = coordinate_columns(motion)
    free = [name for name in model.free if name in columns]
    missing = [name for name in model.free if name not in columns]
    if not free or motion.n_rows < 2:
        raise InputError(
            f"{path}: expected two rows or more of joint angles of {model.path.name} "
            f"({', '.join(model.free[:3])}, ...), found {motion.n_rows} rows of "
            f"{', '.join(motion.labels[:3])}"
        )
    for name in free:
        values = motion.data[:, columns[name]]
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise InputError(
                f"{path}, column {name}: expected finite numbers, found {values[bad[0]]} at "
                f"{motion.time[bad[0]]:.6g} s; fill or cut it first"
            )
    notes = [f"{path}: {note}" for note in motion.notes]
    if missing:
        notes.append(
            f"{path}: no column for {len(missing)} of {len(model.free)} coordinates, such as "
            f"{missing[0]}; OpenSim holds them at their defaults"
        )
    if any("/" in label for label in motion.labels):
        motion = replace(
            motion,
            labels=tuple(columns),
            data=motion.data[:, list(columns.values())],
            notes=(),
            path=None,
        )
        columns = {name: index for index, name in enumerate(columns)}
    step = np.diff(motion.time)
    even = np.linspace(motion.time[0], motion.time[-1], motion.n_rows)
    if (np.abs(motion.time - even) > _UNIFORM * step.mean()).any():
        motion = _uniform(motion, [columns[name] for name in columns], path)
        notes.append(
            f"{path}: time steps from {step.min():.3g} to {step.max():.3g} s; resampled to "
            f"{1 / np.diff(motion.time[:2])[0]:.5g} Hz"
        )
    return motion, tuple(notes)


def coordinate_columns(motion: Storage) -> dict[str, int]:
    """Find the column of each coordinate, by bare name or OpenSim's path to its value.

    Examples
    --------
    >>> labels = ("/jointset/hip_r/hip_flexion_r/value", "knee_angle_r")
    >>> coordinate_columns(Storage("", labels, np.zeros(1), np.zeros((1, 2))))
    {'hip_flexion_r': 0, 'knee_angle_r': 1}
    """
    found: dict[str, int] = {}
    for index, label in enumerate(motion.labels):
        name = label
        if "/" in label:
            *_, name, quantity = label.split("/")
            if quantity != "value":
                continue
        found.setdefault(name, index)
    return found


def read_markers(
    path: "str | os.PathLike[str]", model: ModelFile, *, wanted: Sequence[str] = ()
) -> tuple[Markers, tuple[str, ...]]:
    """Read markers and compare their names with the model's.

    Parameters
    ----------
    wanted : sequence of str
        Markers that have to be there; those of the model that the file has, if none are named.

    Returns
    -------
    markers : Markers
    names : tuple of str
        Markers of both the model and the file, or those wanted.

    Raises
    ------
    InputError
        A wanted marker is missing in file or model, or fewer than three are in both.
    """
    markers = read_trc(path)
    known = {name.lower(): name for name in model.markers}
    for name in wanted:
        if name not in markers.names:
            raise InputError(
                f"{path}: expected a marker {name!r}, found none{near(name, markers.names)}; "
                "rename it in the file, or leave it out (tasks, --skip-missing)"
            )
        if name not in model.markers:
            raise InputError(
                f"{model.path}: expected a marker {name!r}, found none{near(name, model.markers)}"
            )
    both = tuple(wanted) or tuple(name for name in markers.names if name in model.markers)
    if len(both) < 3:
        unlike = [(name, known[name.lower()]) for name in markers.names if name.lower() in known]
        hint = f"; {unlike[0][0]!r} is {unlike[0][1]!r} in the model" if unlike else ""
        raise InputError(
            f"{path}: expected three markers or more of {model.path.name}, found {len(both)} of "
            f"{len(markers.names)} ({', '.join(markers.names[:3])}, ...); the model has "
            f"{', '.join(model.markers[:3]) or 'none'}{hint}"
        )
    return markers, both


def span_of(
    asked: "tuple[float | None, float | None]", /, time: NDArray[np.float64], *, where: object
) -> Span:
    """Make the span to go over of what is asked for and what is there.

    Raises
    ------
    InputError
        The span is empty or goes beyond the recording.
    """
    first, last = float(time[0]), float(time[-1])
    start = first if asked[0] is None else asked[0]
    end = last if asked[1] is None else asked[1]
    if not start < end:
        raise InputError(f"expected a start before the end, found {start:.6g} to {end:.6g} s")
    require_cover(time, (start, end), where=where, what="a recording")
    return max(start, first), min(end, last)


def require_cover(
    time: NDArray[np.float64], span: Span, *, where: object, what: str, slack: float = SLACK
) -> None:
    """Refuse a file that does not cover a span.

    Raises
    ------
    InputError
        The message gives the span that would do.
    """
    if not len(time) or time[0] > span[0] + slack or time[-1] < span[1] - slack:
        has = f"{time[0]:.6g} to {time[-1]:.6g} s" if len(time) else "no rows"
        raise InputError(
            f"{where}: expected {what} from {span[0]:.6g} to {span[1]:.6g} s, found {has}; give "
            "--start and --end within it"
        )


def _uniform(motion: Storage, columns: list[int], path: "str | os.PathLike[str]") -> Storage:
    """Resample angles to uniform time; monotone cubics do not ring where steps change by 1e5."""
    from scipy.interpolate import PchipInterpolator

    if motion.in_degrees is None:
        raise InputError(
            f"{path}: expected a header that says inDegrees=yes or no, since its time is to be "
            "made uniform, found none; add it"
        )
    first = np.concatenate([[True], np.diff(motion.time) > 0])
    time, data = motion.time[first], motion.data[first]
    step = max(float(np.median(np.diff(time))), SHORTEST_STEP)
    count = max(round((time[-1] - time[0]) / step), 1)
    grid = np.linspace(time[0], time[-1], count + 1)
    return replace(
        motion,
        labels=tuple(motion.labels[column] for column in columns),
        time=grid,
        data=PchipInterpolator(time, data[:, columns])(grid),
        notes=(),
        path=None,
    )


def motion_file(motion: Storage, folder: Path) -> Path:
    """Give the file of a motion, written to a folder where it was resampled."""
    if motion.path is not None:
        return motion.path.absolute()
    from nem2e_tf.storage import write_storage

    write_storage(folder / "motion.sto", motion)
    return Path("motion.sto")
