"""SavedModels: one folder per model, and its metadata as JSON."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.export.context import Export, ExportedFile
from nem2e_tf.export.file.audit import INPUT, OUTPUT, SIGNATURE
from nem2e_tf.export.file.index import SAVED_MODELS
from nem2e_tf.export.file.metadata import describe
from nem2e_tf.export.graph.pieces import pieces_of, write_saved_model
from nem2e_tf.export.parity import check_limits, compare_piece
from nem2e_tf.io.files import write_json
from nem2e_tf.refiners.patterns import compose


def write_saved_models(run: Export) -> list[ExportedFile]:
    """Write the SavedModels of a refiner and compare each with it.

    Raises
    ------
    ExportError
        One differs from the refiner by more than the limits of float32.
    """
    form, reference, files = run.choices.recurrence_for("float32"), run.refiner.reference, []
    (run.folder / SAVED_MODELS).mkdir()
    for piece in pieces_of(run.refiner):
        name = f"{SAVED_MODELS}/{piece.name}"
        folder = run.folder / name
        write_saved_model(piece.model, folder, recurrence=form)
        metadata = describe(
            run.refiner.info, piece.composition, recurrence=form, precision="float32"
        )
        write_json(run.folder / f"{name}.json", metadata)
        refined = compose(
            reference.simulated[:, :, list(piece.columns)],
            piece.composition,
            partial(_run, folder),
        )
        compared = compare_piece(run, piece, refined)
        check_limits(compared, run.choices.limits["float32"], name=name)
        files.append(ExportedFile.listed(run.folder, name, metadata, compared))
    return files


def _run(folder: Path, model: str, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run the signature ``refine`` of a SavedModel on rows [row, sample, input]."""
    import tensorflow as tf

    del model  # there is one
    loaded = tf.saved_model.load(str(folder))
    refine = loaded.signatures[SIGNATURE]
    return np.asarray(refine(**{INPUT: tf.constant(rows)})[OUTPUT])
