"""Cohorts of any size, written a part at a time: embedded ones, and repetitions of a small one."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nem2e_tf.cohort import POINTS, Cohort
from nem2e_tf.files import output_folder, replacing
from nem2e_tf.importers.distortion import Distortion
from nem2e_tf.importers.drawing import SubjectDraw, stored
from nem2e_tf.importers.gaits import CHANNELS, NORMALISATION, cycle_table, muscle_table
from nem2e_tf.importers.synthetic import gait_of


def write_synthetic(
    path: "str | os.PathLike[str]",
    name: str,
    *,
    seed: int | None = None,
    distortion: Distortion | None = None,
    n_subjects: int | None = None,
    speeds: Sequence[float] | None = None,
    n_cycles: int | None = None,
) -> Path:
    """Write an embedded cohort that need not fit the memory; one subject has to.

    Parameters
    ----------
    path : path-like
        The cohort folder.
    name, seed, distortion, n_subjects, speeds, n_cycles
        As for `nem2e_tf.importers.synthetic.make`, whose cohort has the same content.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        As `make`; or the folder holds something else.
    """
    gait, usual = gait_of(
        name,
        seed=seed,
        distortion=distortion,
        n_subjects=n_subjects,
        speeds=speeds,
        n_cycles=n_cycles,
    )
    draw = SubjectDraw(gait, usual=usual)
    folder = output_folder(path, marker="cohort.json")
    count = gait.n_subjects * len(draw.condition)
    durations = []

    def parts() -> Iterator[dict[str, NDArray[np.float32]]]:
        for subject in range(gait.n_subjects):
            drawn, _ = draw(subject)
            durations.append(drawn["duration"])
            yield {
                "simulated": stored(drawn["simulated"]),
                "measured": stored(drawn["measured"])[:, :, draw.columns],
            }

    widths = {"simulated": len(CHANNELS), "measured": len(draw.columns)}
    arrays = _write_arrays(folder, count, widths, parts())
    cohort = Cohort(
        name=name,
        cycles=cycle_table(gait, draw.condition, np.concatenate(durations)),
        channels=pd.DataFrame({"name": CHANNELS, "source": CHANNELS}),
        muscles=muscle_table(gait.electrodes),
        normalisation=NORMALISATION,
        **arrays,
    )
    cohort.save_tables(folder)
    return folder


def write_repeated(path: "str | os.PathLike[str]", cohort: Cohort, *, times: int) -> Path:
    """Write a cohort several times over, each time as other subjects: for benchmarks of size.

    Parameters
    ----------
    path : path-like
        The cohort folder.
    cohort : Cohort
    times : int
        Subject ``S01`` becomes ``S01-1``, ``S01-2``, ...

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        The folder holds something else.
    """
    folder = output_folder(path, marker="cohort.json")
    own = {"simulated": cohort.simulated, "measured": cohort.measured}
    arrays = _write_arrays(
        folder,
        len(cohort.cycles) * times,
        {key: array.shape[2] for key, array in own.items()},
        (own for _ in range(times)),
    )
    tables = [
        cohort.cycles.assign(
            subject=cohort.cycles["subject"] + f"-{time}", trial=cohort.cycles["trial"] + f"-{time}"
        )
        for time in range(1, times + 1)
    ]
    repeated = replace(
        cohort,
        simulated=arrays["simulated"],
        measured=arrays["measured"],
        cycles=pd.concat(tables, ignore_index=True),
    )
    repeated.save_tables(folder)
    return folder


def _write_arrays(
    folder: Path,
    count: int,
    widths: dict[str, int],
    parts: Iterator[dict[str, NDArray[np.float32]]],
) -> dict[str, NDArray[np.float32]]:
    """Write the arrays of so many cycles part after part; return them memory-mapped."""
    with ExitStack() as open_files:
        streams: dict[str, BinaryIO] = {}
        # Streams are closed before the files are put in their places.
        places = {key: open_files.enter_context(replacing(folder / f"{key}.npy")) for key in widths}
        for key, place in places.items():
            streams[key] = open_files.enter_context(place.open("wb"))
            _write_header(streams[key], (count, POINTS, widths[key]))
        for part in parts:
            for key, values in part.items():
                _write(streams[key], values)
    return {
        key: np.load(folder / f"{key}.npy", mmap_mode="r", allow_pickle=False) for key in widths
    }


def _write_header(stream: BinaryIO, shape: tuple[int, ...]) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)


def _write(stream: BinaryIO, values: NDArray[np.float32]) -> None:
    stream.write(np.ascontiguousarray(values, dtype="<f4").tobytes())
