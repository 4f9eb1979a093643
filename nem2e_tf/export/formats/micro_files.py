"""A refiner for a microcontroller: the form that fits, run there on real cycles, as C source."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import ExportError
from nem2e_tf.export import parity
from nem2e_tf.export.card import ExportedFile
from nem2e_tf.export.checked import Checked
from nem2e_tf.export.formats import c_array, micro
from nem2e_tf.export.formats.tflite_files import Choices, tflite_files
from nem2e_tf.export.graph.pieces import Piece, pieces_of
from nem2e_tf.io.files import sha256, write_text
from nem2e_tf.refiners.patterns import compose
from nem2e_tf.refiners.refiner import Refiner

MICRO = "micro"


def micro_files(
    refiner: Refiner,
    choices: Choices,
    *,
    refined: NDArray[np.float32],
    folder: Path,
    arena_limit: int,
) -> list[ExportedFile]:
    """Write C source for every model of a refiner.

    Models without recurrences are quantised fully, which is smallest and fastest there, and stay in
    float32 where that does not pass. Recurrences are float32 loops: unrolled they are larger, and
    join more tensors than a microcontroller's operator takes.

    Parameters
    ----------
    refiner : Refiner
    choices : Choices
        Its limits, and whether to combine, are followed.
    refined : float32 array [cycle, 20, muscle]
        What the refiner gives for its reference cycles.
    folder : Path
        Of the export; a folder ``micro`` is made in it.
    arena_limit : int
        Most bytes of arena.

    Returns
    -------
    list of ExportedFile
        One a model. `ExportedFile.n_bytes` is what it takes of flash, and the comparison is that of
        the microcontroller's interpreter.

    Raises
    ------
    ExportError
        No form of a model fits; the reason of each is told.
    """
    pieces = pieces_of(refiner, combine=choices.combine)
    recurrent = any(piece.has_recurrence for piece in pieces)
    notes: list[str] = []
    for precision in ("float32",) if recurrent else ("int8", "float32"):
        own = replace(
            choices, precisions=(precision,), io="float32", recurrence="auto", signatures=()
        )
        try:
            made = [checked for _, checked in tflite_files(refiner, own, refined=refined)]
            ran = [
                _run(refiner, piece, checked, arena_limit)
                for piece, checked in zip(pieces, made, strict=True)
            ]
        except ExportError as error:
            notes.append(f"{precision} does not fit a microcontroller: {error}")
            continue
        (folder / MICRO).mkdir()
        return [
            _write(refiner, piece, checked, result, curves, refined, own, folder, tuple(notes))
            for piece, checked, (result, curves) in zip(pieces, made, ran, strict=True)
        ]
    raise ExportError("; ".join(notes))


def _run(
    refiner: Refiner, piece: Piece, checked: Checked, arena_limit: int
) -> tuple[micro.MicroResult, NDArray[np.float32]]:
    """Refine the reference cycles there; the made-up cycle of the usage example comes last."""
    results = []

    def apply(name: str, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        example = micro.made_up(rows.shape[1:], count=1)
        result = micro.measure(
            checked.content, rows=np.concatenate([rows, example]), arena_limit=arena_limit
        )
        if result.outputs is None or not result.fits:
            raise ExportError(f"{name}: {result.reason}")
        results.append(result)
        return result.outputs[:-1]

    simulated = refiner.reference.simulated[:, :, list(piece.columns)]
    curves = compose(simulated, piece.composition, apply)
    return results[0], curves


def _write(
    refiner: Refiner,
    piece: Piece,
    checked: Checked,
    result: micro.MicroResult,
    curves: NDArray[np.float32],
    refined: NDArray[np.float32],
    choices: Choices,
    folder: Path,
    notes: tuple[str, ...],
) -> ExportedFile:
    reference, places = refiner.reference, list(piece.places)
    precision = choices.precisions[0]
    compared = parity.compare(
        refined[:, :, places],
        curves,
        reference.measured[:, :, places],
        muscles=piece.composition.muscles,
        scored=reference.scored,
        mean_pattern=None if reference.mean_pattern is None else reference.mean_pattern[:, places],
    )
    parity.check(compared, choices.limits[precision], name=f"{piece.name} on a microcontroller")
    texts, metadata = _texts(piece, checked, result), checked.metadata
    for name, text in texts.items():
        write_text(folder / MICRO / name, text)
    array = f"{MICRO}/{c_array.identifier(piece.name)}_model.c"
    return ExportedFile(
        file=array,
        format=MICRO,
        muscles=piece.composition.muscles,
        n_bytes=len(checked.content),
        sha256=sha256(folder / array),
        recurrence=metadata["recurrence"],
        precision=precision,
        operators=checked.audit.operators,
        parity=tuple(item.to_json() for item in compared),
        arena_bytes=result.arena_bytes,
        notes=notes,
    )


def _texts(piece: Piece, checked: Checked, result: micro.MicroResult) -> dict[str, str]:
    expected: Any = result.expected
    return c_array.sources(
        piece.name,
        checked.content,
        metadata=checked.metadata,
        arena_bytes=result.arena_bytes or 0,
        shape=(piece.composition.model_samples, piece.composition.n_inputs, expected.shape[2]),
        expected=expected[-1],
        tolerance=micro.limit_of(checked.content) * micro.value_range(expected),
    )
