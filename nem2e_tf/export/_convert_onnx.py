"""A SavedModel to ONNX, within the child process that converts; see `nem2e_tf.export._convert`."""

import logging
import sys
from pathlib import Path

# has all that the zoo needs, and runtimes of 2021 know it
OPSET = 15


def converted(saved_model: str, signature: str, target: str) -> bytes:
    """Convert one signature by tf2onnx's command line, which keeps the names of its tensors.

    Parameters
    ----------
    saved_model : str
        Folder.
    signature : str
        The only one that the file will have.
    target : str
        Where the file will be written; the converter's own goes beside it.
    """
    from tf2onnx import convert

    unfinished = Path(f"{target}.onnx")
    given = {
        "--saved-model": saved_model,
        "--tag": "serve",
        "--signature_def": signature,
        "--opset": str(OPSET),
        "--output": str(unfinished),
    }
    before = sys.argv
    sys.argv = ["tf2onnx", *(word for pair in given.items() for word in pair)]
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    try:
        convert.main()
    except SystemExit as stopped:
        raise ValueError(f"tf2onnx stopped with code {stopped.code}") from None
    finally:
        sys.argv = before
    content = unfinished.read_bytes()
    unfinished.unlink()
    return content
