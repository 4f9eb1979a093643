"""Export a refiner to a folder: every file is checked, and a failed export writes nothing.

For each format, the models of the refiner pass these steps (for TFLite, see
`nem2e_tf.export.formats.tflite.tflite_files`):

1. pieces: one model per file, or all combined (`nem2e_tf.export.graph.pieces`)
2. graphs: a SavedModel of each, with its signatures (`nem2e_tf.export.graph`)
3. conversion, in a child process (`nem2e_tf.export.formats.converter`)
4. audit: operators and signatures that every runtime has (`nem2e_tf.export.file.audit`)
5. parity with the refiner on real cycles (`nem2e_tf.export.parity`)
6. metadata and checksum, embedded in the file (`nem2e_tf.export.file.metadata`)
7. model card and index of the folder (`nem2e_tf.export.card`)
"""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nem2e_tf.errors import InputError
from nem2e_tf.export.card import CARD, aligned, card, table
from nem2e_tf.export.context import ARENA_LIMIT, LIMITS, Choices, Export, ExportedFile, Limits
from nem2e_tf.export.file.index import INDEX, INDEX_FORMAT, INDEX_KIND
from nem2e_tf.export.formats import micro, onnx
from nem2e_tf.export.formats.saved_model import write_saved_models
from nem2e_tf.export.formats.tflite import write_tflite
from nem2e_tf.io.files import read_json, refuse_foreign, replacing_folder, write_json, write_text
from nem2e_tf.refiners.refiner import Refiner, load_refiner

WRITERS: dict[str, Callable[[Export], list[ExportedFile]]] = {
    "saved-model": write_saved_models,
    "tflite": write_tflite,
    "onnx": onnx.write_onnx,
    "micro": micro.write_micro,
}


@dataclass(frozen=True)
class ExportResult:
    """The files that `export` wrote.

    Attributes
    ----------
    folder : Path
        The export folder.
    files : tuple of ExportedFile
        In the order of ``index.json``.
    """

    folder: Path
    files: tuple[ExportedFile, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """Paths of the files (for SavedModels: folders)."""
        return tuple(self.folder / item.file for item in self.files)

    @property
    def parity(self) -> dict[str, tuple[dict[str, Any], ...]]:
        """For each file, how each muscle compares with the refiner."""
        return {item.file: item.parity for item in self.files}

    def __str__(self) -> str:
        """Size, operators, parity, skill and latency of the files, as a table of text."""
        return aligned(table(self.files))

    def table(self) -> None:
        """Print size, operators, parity, skill and latency of the files."""
        print(self)  # noqa: T201


def export(
    refiner: "Refiner | str | os.PathLike[str]",
    out: "str | os.PathLike[str]",
    *,
    formats: Sequence[str] = ("tflite",),
    precisions: Sequence[str] = ("float32",),
    io: str = "float32",
    recurrence: str = "auto",
    combine: bool = False,
    signatures: Sequence[str] = (),
    limits: Mapping[str, Limits] | None = None,
    arena_limit: int = ARENA_LIMIT,
    timed: bool = True,
) -> ExportResult:
    """Export every model of a refiner, and compare each file with the refiner on real cycles.

    Parameters
    ----------
    refiner : Refiner or path-like
        A trained refiner, or its folder.
    out : path-like
        Folder to write; an earlier export in it is replaced.
    formats : sequence of {"tflite", "onnx", "saved-model", "micro"}
        ``micro`` is C source for a microcontroller. ``onnx`` and ``micro`` require the extra of the
        same name.
    precisions : sequence of {"float32", "float16", "dynamic", "int8"}
        Number formats of ``.tflite`` files, each a file of its own. ``dynamic`` stores weights in 8
        bits; ``int8`` also computes in 8 bits. Other formats are float32.
    io : {"float32", "int8"}
        Type of the inputs and outputs at precision int8.
    recurrence : {"auto", "loop", "unrolled", "fused"}
        Form of recurrences. ``loop`` is small, and fast with XNNPACK; ``unrolled`` is faster
        without XNNPACK, and fastest if its weights are shared (`load(..., shared_weights=True)`).
        ``fused`` is LiteRT's LSTM operator (entry lstm). ``auto`` is loop, except for int8, which
        requires unrolled.
    combine : bool
        Write one ``.tflite`` for all muscles of a refiner that has one model per muscle.
    signatures : sequence of {"refine_with_attention", "refine_recording", "step"}
        Signatures of ``.tflite`` files in addition to ``refine``: with attention weights, for one
        cycle of any length, sample by sample (causal models); see
        `nem2e_tf.export.graph.signatures`.
    limits : mapping of str to Limits, optional
        Largest differences from the refiner, by precision; default:
        `nem2e_tf.export.context.LIMITS`.
    arena_limit : int
        Limit of the working memory on a microcontroller, bytes.
    timed : bool
        Measure the latency of ``.tflite`` and ``.onnx`` files.

    Returns
    -------
    ExportResult
        Paths, parity and latency of the files.

    Raises
    ------
    ExportError
        A file could not be made or failed a check; nothing is written.
    InputError
        An argument is wrong, or the folder contains other files.

    Examples
    --------
    >>> import tempfile
    >>> import nem2e_tf as nem2e
    >>> refiner = nem2e.train(nem2e.synthesise("walk"), "linear")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = export(refiner, f"{folder}/exported", timed=False)
    >>> [path.name for path in result.paths]
    ['joint.tflite']
    """
    choices = Choices(
        formats=tuple(formats),
        precisions=tuple(precisions),
        io=io,
        recurrence=recurrence,
        combine=combine,
        signatures=tuple(signatures),
        limits=LIMITS if limits is None else limits,
        arena_limit=arena_limit,
        timed=timed,
    )
    if "onnx" in formats:
        onnx.require()
    if "micro" in formats:
        micro.require()
    refuse_foreign(out, marker=INDEX, ours=_written)
    if not isinstance(refiner, Refiner):
        refiner = load_refiner(refiner)
    refined = refiner.predict(refiner.reference.simulated)
    with replacing_folder(out, marker=INDEX) as folder, tempfile.TemporaryDirectory() as scratch:
        run = Export(refiner, choices, folder, Path(scratch), refined)
        files = [file for name in WRITERS if name in formats for file in WRITERS[name](run)]
        write_json(folder / INDEX, _index(refiner, files))
        write_text(folder / CARD, card(refiner.info, files))
    return ExportResult(Path(out), tuple(files))


def _index(refiner: Refiner, files: Sequence[ExportedFile]) -> dict[str, Any]:
    return {
        "kind": INDEX_KIND,
        "format": INDEX_FORMAT,
        "model": refiner.info.model,
        "pattern": refiner.info.pattern,
        "targets": refiner.info.targets,
        "channels": list(refiner.channels),
        "muscles": list(refiner.muscles),
        "cohort": refiner.info.cohort,
        "cohort_digest": refiner.info.cohort_digest,
        "licence": refiner.info.licence,
        "files": [asdict(item) for item in files],
    }


def _written(marker: Path) -> list[str]:
    """List the names that an earlier export wrote, which may be replaced."""
    index = read_json(marker)
    if not isinstance(index, dict) or index.get("kind") != INDEX_KIND:
        raise InputError(f"{marker}: expected the index of an export, found something else")
    names = {str(item["file"]).split("/")[0] for item in index.get("files", [])}
    return [CARD, *names, *(f"{name}.json" for name in names)]
