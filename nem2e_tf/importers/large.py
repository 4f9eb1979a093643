"""Embedded cohorts of any size, written subject by subject."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

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
    widths = {"simulated": len(CHANNELS), "measured": len(draw.columns)}
    durations = []
    with ExitStack() as open_files:
        streams: dict[str, BinaryIO] = {}
        # Streams are closed before the files are put in their places.
        places = {key: open_files.enter_context(replacing(folder / f"{key}.npy")) for key in widths}
        for key, place in places.items():
            streams[key] = open_files.enter_context(place.open("wb"))
            _write_header(streams[key], (count, POINTS, widths[key]))
        for subject in range(gait.n_subjects):
            drawn, _ = draw(subject)
            durations.append(drawn["duration"])
            _write(streams["simulated"], stored(drawn["simulated"]))
            _write(streams["measured"], stored(drawn["measured"])[:, :, draw.columns])
    arrays: dict[str, Any] = {
        key: np.load(folder / f"{key}.npy", mmap_mode="r", allow_pickle=False) for key in widths
    }
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


def _write_header(stream: BinaryIO, shape: tuple[int, ...]) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)


def _write(stream: BinaryIO, values: NDArray[np.float32]) -> None:
    stream.write(np.ascontiguousarray(values, dtype="<f4").tobytes())
