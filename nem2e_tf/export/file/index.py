"""The index of an export folder, ``index.json``: its files, by format and precision."""

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
        Precision of the TFLite files; default: float32, or the only one.

    Returns
    -------
    dict of str to list of str, list of str
        Files of each format, in order, and the refiner's channels.

    Raises
    ------
    InputError
        The index is missing, incomplete or of another format, or has no such precision.
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
        raise InputError(f"{file}: expected a complete index, found one without {error}") from None
    if precisions:
        listed["tflite"] = precisions[_precision(folder, list(precisions), precision)]
    return listed, channels


def _precision(folder: Path, there: list[str], asked: str | None) -> str:
    """Choose a precision among those in a folder."""
    wanted = asked or ("float32" if len(there) > 1 else there[0])
    if wanted not in there:
        raise InputError(
            f"precision {wanted}: expected {' or '.join(there)}, the precisions in {folder}"
        )
    return wanted
