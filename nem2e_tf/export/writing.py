"""Export a refiner to a folder: every file checked, the folder whole or absent."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.composition import compose
from nem2e_tf.errors import InputError
from nem2e_tf.export import parity, tflite
from nem2e_tf.export.runtime import INDEX, INDEX_FORMAT, INDEX_KIND
from nem2e_tf.export.saved_model import FORMS, run_saved_model, write_saved_model
from nem2e_tf.files import read_json, sha256, write_json
from nem2e_tf.folders import refuse_foreign, replacing_folder
from nem2e_tf.refiner import Refiner

FORMATS = ("saved-model", "tflite")
SAVED_MODELS = "saved_model"


@dataclass(frozen=True)
class ExportedFile:
    """One exported file (for a SavedModel: folder), as ``index.json`` lists it.

    Attributes
    ----------
    file : str
        Path within the export folder.
    format : {"saved-model", "tflite"}
    muscles : tuple of str
        What it gives.
    n_bytes : int
        Size; of all files together for a folder.
    sha256 : str
        Of the file; empty for a folder.
    recurrence, precision : str
        Form of the graph.
    operators : dict of str to int
        TFLite operators and how often each occurs; empty for a SavedModel.
    parity : tuple of dict
        For each muscle, how it compares with the refiner.
    """

    file: str
    format: str
    muscles: tuple[str, ...]
    n_bytes: int
    sha256: str
    recurrence: str
    precision: str
    operators: dict[str, int]
    parity: tuple[dict[str, Any], ...]


def export_refiner(
    refiner: Refiner,
    folder: "str | os.PathLike[str]",
    *,
    formats: Sequence[str],
    recurrence: str = "loop",
) -> tuple[ExportedFile, ...]:
    """Export every model of a refiner and check each against real cycles.

    Parameters
    ----------
    refiner : Refiner
        From `nem2e_tf.refiner.load_refiner`.
    folder : path-like
        Where; an earlier export is replaced whole.
    formats : sequence of {"saved-model", "tflite"}
        One or both.
    recurrence : {"loop", "unrolled"}
        Form of recurrences; see `nem2e_tf.export.saved_model.write_saved_model`.

    Returns
    -------
    tuple of ExportedFile

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
    if recurrence not in FORMS:
        raise InputError(f"recurrence: expected {' or '.join(FORMS)}, found {recurrence}")
    refuse_foreign(folder, marker=INDEX, ours=_written)
    refined = refiner.predict(refiner.reference.simulated)
    with replacing_folder(folder, marker=INDEX) as place:
        files: list[ExportedFile] = []
        if "saved-model" in formats:
            files += _saved_models(refiner, place, refined, recurrence)
        if "tflite" in formats:
            files += _tflite_files(refiner, place, refined, recurrence)
        write_json(place / INDEX, _index(refiner, files))
    return tuple(files)


def export_saved_model(
    refiner: Refiner, folder: "str | os.PathLike[str]", *, recurrence: str = "loop"
) -> tuple[ExportedFile, ...]:
    """Export to SavedModels; see `export_refiner`."""
    return export_refiner(refiner, folder, formats=["saved-model"], recurrence=recurrence)


def export_tflite(
    refiner: Refiner, folder: "str | os.PathLike[str]", *, recurrence: str = "loop"
) -> tuple[ExportedFile, ...]:
    """Export to TFLite files in float32; see `export_refiner`."""
    return export_refiner(refiner, folder, formats=["tflite"], recurrence=recurrence)


def _saved_models(
    refiner: Refiner, place: Path, refined: NDArray[np.float32], recurrence: str
) -> list[ExportedFile]:
    (place / SAVED_MODELS).mkdir()
    plan = refiner.info.composition
    for name in plan.models:
        write_saved_model(refiner.models[name], place / SAVED_MODELS / name, recurrence=recurrence)

    def apply(name: str, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return run_saved_model(place / SAVED_MODELS / name, rows)

    compared = parity.compare(
        refined,
        compose(refiner.reference.simulated, plan, apply),
        refiner.reference.measured,
        muscles=plan.muscles,
        scored=refiner.reference.scored,
    )
    parity.check(compared, parity.LIMITS["float32"], name=SAVED_MODELS)
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


def _tflite_files(
    refiner: Refiner, place: Path, refined: NDArray[np.float32], recurrence: str
) -> list[ExportedFile]:
    plan = refiner.info.composition
    files = []
    with tempfile.TemporaryDirectory() as scratch:
        pairs = []
        for name in plan.models:
            source = Path(scratch) / name
            write_saved_model(refiner.models[name], source, recurrence=recurrence, batch=1)
            pairs.append((source, Path(scratch) / f"{name}.tflite"))
        tflite.convert(pairs)
        for name, (_, converted) in zip(plan.models, pairs, strict=True):
            checked = tflite.finish(
                converted.read_bytes(), refiner, name, refined=refined, recurrence=recurrence
            )
            target = place / converted.name
            target.write_bytes(checked.content)
            write_json(place / f"{target.name}.json", checked.metadata)
            files.append(
                ExportedFile(
                    file=target.name,
                    format="tflite",
                    muscles=plan.muscles_of(name),
                    n_bytes=len(checked.content),
                    sha256=sha256(target),
                    recurrence=recurrence,
                    precision="float32",
                    operators=checked.audit.operators,
                    parity=tuple(item.to_json() for item in checked.parity),
                )
            )
    return files


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
    return [*names, *(f"{name}.json" for name in names)]
