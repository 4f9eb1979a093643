"""The index of an export folder: which files of which format and precision are in it."""

from pathlib import Path

from nem2e_tf.errors import InputError
from nem2e_tf.io.files import read_json

INDEX = "index.json"
INDEX_KIND = "nem2e-tf export"
INDEX_FORMAT = 1
SAVED_MODELS = "saved_model"
FORMATS = ("tflite", "onnx", "saved-model")


def read_index(
    folder: Path, *, precision: str | None = None
) -> tuple[dict[str, list[str]], list[str]]:
    """Read the index of an export folder.

    Parameters
    ----------
    folder : Path
    precision : str, optional
        Which TFLite files of several precisions; default: float32, or the only one.

    Returns
    -------
    files of each format, in order, and the refiner's channels

    Raises
    ------
    InputError
        There is none, it is of another format or not whole, or has no such precision.
    """
    file = folder / INDEX
    if not file.is_file():
        raise InputError(
            f"{folder}: expected an export folder with {INDEX}, found none; "
            "make one with 'nem2e-tf export --tflite'"
        )
    index = read_json(file)
    if not isinstance(index, dict) or index.get("kind") != INDEX_KIND:
        raise InputError(f"{file}: expected the index of an export, found something else")
    if index.get("format") != INDEX_FORMAT:
        raise InputError(
            f"{file}: expected index format {INDEX_FORMAT}, found {index.get('format')}; "
            "export it again with this version"
        )
    listed: dict[str, list[str]] = {kind: [] for kind in FORMATS}
    precisions: dict[str, list[str]] = {}
    try:
        for item in index["files"]:
            listed.setdefault(str(item["format"]), []).append(str(item["file"]))
            if item["format"] == "tflite":
                own = precisions.setdefault(str(item.get("precision", "float32")), [])
                own.append(str(item["file"]))
        channels = [str(name) for name in index["channels"]]
    except (KeyError, TypeError) as error:
        raise InputError(f"{file}: expected a whole index, found no {error}") from None
    if precisions:
        listed["tflite"] = precisions[_precision(folder, list(precisions), precision)]
    return listed, channels


def _precision(folder: Path, there: list[str], asked: str | None) -> str:
    """Choose one of the precisions that a folder has."""
    wanted = asked or ("float32" if len(there) > 1 else there[0])
    if wanted not in there:
        raise InputError(
            f"{folder}: expected files of precision {wanted}, found {' and '.join(there)}; "
            f"choose one, such as precision={there[0]!r}"
        )
    return wanted
