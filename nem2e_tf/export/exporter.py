"""Export a refiner to a folder: every file checked, the folder whole or absent."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.export import parity
from nem2e_tf.export.card import CARD, ExportedFile, ExportResult, card, put
from nem2e_tf.export.file.index import INDEX, INDEX_FORMAT, INDEX_KIND, SAVED_MODELS
from nem2e_tf.export.file.metadata import describe
from nem2e_tf.export.formats import micro, onnx
from nem2e_tf.export.formats.micro_files import micro_files
from nem2e_tf.export.formats.saved_model import run_saved_model, write_saved_model
from nem2e_tf.export.formats.tflite_files import Choices, recurrence_for, tflite_files
from nem2e_tf.export.graph.tracing import FUSED
from nem2e_tf.io.files import read_json, refuse_foreign, replacing_folder, write_json, write_text
from nem2e_tf.names import FORMATS
from nem2e_tf.refiners.patterns import compose
from nem2e_tf.refiners.refiner import Refiner, load_refiner


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
    limits: Mapping[str, parity.Limits] | None = None,
    arena_limit: int = micro.ARENA_LIMIT,
    timed: bool = True,
) -> ExportResult:
    """Export every model of a refiner and check each against real cycles.

    Parameters
    ----------
    refiner : Refiner or path-like
        A trained refiner, or its folder.
    out : path-like
        Folder to write; an earlier export in it is replaced.
    formats : sequence of {"saved-model", "tflite", "onnx", "micro"}
        One or more.
    precisions, io, recurrence, combine, signatures, limits
        How TFLite files are made: see `nem2e_tf.export.formats.tflite_files.Choices`. Other
        formats follow
        `recurrence` and the limits of float32.
    arena_limit : int
        Most bytes of working memory on a microcontroller.
    timed : bool
        Whether to measure the files' latency.

    Returns
    -------
    ExportResult
        Paths, parity and latency of the files; ``table()`` shows them side by side.

    Raises
    ------
    ExportError
        A file could not be made or did not pass a check; nothing is written.
    InputError
        Wrong arguments, or the folder holds something else.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        found = unknown[0] if unknown else "none"
        raise InputError(f"formats: expected {' or '.join(FORMATS)}, found {found}")
    choices = Choices(
        precisions=tuple(precisions),
        io=io,
        recurrence=recurrence,
        combine=combine,
        signatures=tuple(signatures),
        limits=parity.LIMITS if limits is None else limits,
    )
    if choices.signatures and "tflite" not in formats:
        raise InputError(f"signatures: expected the format tflite for {choices.signatures[0]}")
    others = [name for name in formats if name != "tflite"]
    if choices.recurrence == FUSED and others:
        raise InputError(
            f"recurrence fused: expected the format tflite alone, found {others[0]}; it is an "
            "operator of LiteRT's"
        )
    if "onnx" in formats:
        onnx.require()
    if "micro" in formats:
        micro.require()
    refuse_foreign(out, marker=INDEX, ours=_written)
    if not isinstance(refiner, Refiner):
        refiner = load_refiner(refiner)
    refined = refiner.predict(refiner.reference.simulated)
    form = recurrence_for("float32", asked=choices.recurrence, has_recurrence=True)
    with replacing_folder(out, marker=INDEX) as place:
        files: list[ExportedFile] = []
        if "saved-model" in formats:
            files += _saved_models(refiner, place, refined, form, choices)
        if "tflite" in formats:
            made = tflite_files(refiner, choices, refined=refined)
            files += [put(checked, place / name, timed=timed) for name, checked in made]
        if "onnx" in formats:
            converted = onnx.onnx_files(refiner, refined=refined, recurrence=form)
            files += [
                put(checked, place / f"{name}.onnx", timed=timed) for name, checked in converted
            ]
        if "micro" in formats:
            files += micro_files(
                refiner, choices, refined=refined, folder=place, arena_limit=arena_limit
            )
        write_json(place / INDEX, _index(refiner, files))
        write_text(place / CARD, card(refiner.info, files))
    return ExportResult(Path(out), tuple(files))


def _saved_models(
    refiner: Refiner,
    place: Path,
    refined: NDArray[np.float32],
    recurrence: str,
    choices: Choices,
) -> list[ExportedFile]:
    (place / SAVED_MODELS).mkdir()
    plan = refiner.info.composition
    for name in plan.models:
        write_saved_model(refiner.models[name], place / SAVED_MODELS / name, recurrence=recurrence)
        what = describe(refiner.info, plan.part(name), recurrence=recurrence, precision="float32")
        write_json(place / SAVED_MODELS / f"{name}.json", what)

    def apply(name: str, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return run_saved_model(place / SAVED_MODELS / name, rows)

    compared = parity.compare(
        refined,
        compose(refiner.reference.simulated, plan, apply),
        refiner.reference.measured,
        muscles=plan.muscles,
        scored=refiner.reference.scored,
        mean_pattern=refiner.reference.mean_pattern,
    )
    parity.check(compared, choices.limits["float32"], name=SAVED_MODELS)
    by_muscle = {item.muscle: item for item in compared}
    return [
        ExportedFile(
            file=f"{SAVED_MODELS}/{name}",
            format="saved-model",
            muscles=plan.muscles_of(name),
            n_bytes=sum(
                item.stat().st_size
                for item in (place / SAVED_MODELS / name).rglob("*")
                if item.is_file()
            ),
            sha256="",
            recurrence=recurrence,
            precision="float32",
            operators={},
            parity=tuple(by_muscle[muscle].to_json() for muscle in plan.muscles_of(name)),
        )
        for name in plan.models
    ]


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
    index = read_json(marker)
    if not isinstance(index, dict) or index.get("kind") != INDEX_KIND:
        raise InputError(f"{marker}: expected the index of an export, found something else")
    names = {str(item["file"]).split("/")[0] for item in index.get("files", [])}
    return [CARD, *names, *(f"{name}.json" for name in names)]
