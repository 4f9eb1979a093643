"""A converted file held against its refiner on real cycles, and sealed with what was found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import ExportError
from nem2e_tf.export import parity
from nem2e_tf.export.file.audit import Audit
from nem2e_tf.export.graph import further
from nem2e_tf.export.graph.pieces import Piece
from nem2e_tf.export.runtime.refiner_file import RefinerFile
from nem2e_tf.refiners.refiner import Refiner


@dataclass(frozen=True)
class Checked:
    """A converted file that passed every check.

    Attributes
    ----------
    content : bytes
        The sealed file.
    metadata : dict
        What is embedded in it.
    audit : Audit
        Its operators and signatures.
    parity : tuple of MuscleParity
        How it compares with the refiner.
    """

    content: bytes
    metadata: dict[str, Any]
    audit: Audit
    parity: tuple[parity.MuscleParity, ...]


def checked(
    content: bytes,
    refiner: Refiner,
    piece: Piece,
    *,
    name: str,
    found: Audit,
    what: dict[str, Any],
    embed: Callable[[bytes, dict[str, Any]], bytes],
    refined: NDArray[np.float32],
    limits: parity.Limits,
    signatures: Sequence[str] = (),
) -> Checked:
    """Compare an audited file with the refiner and embed what it is.

    Parameters
    ----------
    content : bytes
        From a converter.
    refiner : Refiner
        Where it came from.
    piece : Piece
        What of it was converted.
    name : str
        Of the file, for messages; its suffix says the format.
    found : Audit
        What it is made of.
    what : dict
        What it says of itself, from `nem2e_tf.export.file.metadata.describe`; completed here.
    embed : callable
        The format's: puts metadata into a file.
    refined : float32 array [cycle, 20, muscle]
        What the refiner gives for its reference cycles, all muscles.
    limits : Limits
        How far it may differ.
    signatures : sequence of str
        What it has beside ``refine``.

    Raises
    ------
    ExportError
        It differs by more.
    """
    reference, places = refiner.reference, list(piece.places)
    simulated = reference.simulated[:, :, list(piece.columns)]
    complete = {
        **what,
        "n_parameters": int(piece.model.count_params()),
        "operators": found.operators,
    }
    plain = RefinerFile(embed(content, complete), source=name)
    first = plain.predict(simulated)
    compared = parity.compare(
        refined[:, :, places],
        first,
        reference.measured[:, :, places],
        muscles=piece.composition.muscles,
        scored=reference.scored,
        mean_pattern=None if reference.mean_pattern is None else reference.mean_pattern[:, places],
    )
    parity.check(compared, limits, name=name)
    complete["parity"] = {
        "cycles": len(simulated),
        "held_out": bool(reference.held_out.any()),
        "muscles": [item.to_json() for item in compared],
    }
    if signatures:
        complete["parity"]["signatures"] = further.check(plain, refiner, signatures, limits=limits)
    sealed = embed(content, complete)
    last = RefinerFile(sealed, source=name)
    if not np.array_equal(last.predict(simulated), first):
        raise ExportError(f"{name}: expected the same output after embedding, found another")
    return Checked(sealed, last.metadata, found, compared)
