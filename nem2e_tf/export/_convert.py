"""The child process that converts SavedModels to TFLite: a converter that crashes takes only it.

Reads a JSON list of [SavedModel folder, file to write] from its input. A failed conversion writes
its reason to the file's name with ``.error`` added.
"""

import json
import os
import sys
from pathlib import Path

from nem2e_tf.export.audit import SIGNATURE


def main() -> int:
    """Convert what standard input asks for; returns the exit code."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    pairs = json.load(sys.stdin)
    import tensorflow as tf

    for folder, target in pairs:
        try:
            converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
            # builtin operators only: a graph that needs others must fail here, not on the device
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
            content = converter.convert()
        except Exception as error:  # the converter raises many kinds; the parent tells one line
            Path(f"{target}.error").write_text(_reason(error))
            return 1
        unfinished = Path(f"{target}.part")
        unfinished.write_bytes(content)
        unfinished.replace(target)
    return 0


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    missing = [line for line in lines if line.startswith(("TF Select ops:", "Custom ops:"))]
    if missing:
        return f"it needs operators that TFLite does not have ({'; '.join(missing)})"
    return lines[0] if lines else type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
