"""The child process that converts SavedModels to TFLite or ONNX, so that a crash ends only it.

It reads a JSON list of `nem2e_tf.export.context.Job` from standard input. If a conversion fails, it
writes the reason to the target's name with ``.error`` appended, and continues with the next job.
"""

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import nem2e_tf

LOOPS = {"While", "StatelessWhile"}
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def child_environment(*, one_thread: bool = False) -> dict[str, str]:
    """Environment in which a child process imports this same package, installed or not."""
    places = [str(Path(nem2e_tf.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, places)),
        **dict.fromkeys(_ONE_THREAD if one_thread else (), "1"),
    }


def main() -> int:
    """Run the jobs on standard input; return the exit code."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    jobs = json.load(sys.stdin)
    import tensorflow as tf

    failed = False
    for job in jobs:
        target = job["target"]
        try:
            content = _converted(tf, job)
        except Exception as error:  # the converter raises many kinds
            Path(f"{target}.error").write_text(_reason(error))
            failed = True
            continue
        unfinished = Path(f"{target}.part")
        unfinished.write_bytes(content)
        unfinished.replace(target)
    return int(failed)


def _converted(tf: Any, job: dict[str, Any]) -> bytes:
    signatures, precision = job["signatures"], job["precision"]
    if job["target"].endswith(".onnx"):
        return _to_onnx(job["saved_model"], signatures[0], job["target"])
    converter = tf.lite.TFLiteConverter.from_saved_model(
        job["saved_model"], signature_keys=signatures
    )
    # a graph that needs other operators must fail here, not on the device
    operators = tf.lite.OpsSet.TFLITE_BUILTINS
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8":
        loaded = tf.saved_model.load(job["saved_model"])
        for name in signatures:
            if _has_loop(loaded.signatures[name].graph.as_graph_def()):
                raise ValueError(
                    "full quantisation crashes on loops, and this graph has one; "
                    "export the unrolled recurrence"
                )
        converter.representative_dataset = _representative(job["representative"], signatures)
        operators = tf.lite.OpsSet.TFLITE_BUILTINS_INT8
        if job["io"] == "int8":
            converter.inference_input_type = converter.inference_output_type = tf.int8
    converter.target_spec.supported_ops = [operators]
    return bytes(converter.convert())


def _has_loop(graph: Any) -> bool:
    nodes = [
        *graph.node,
        *(node for function in graph.library.function for node in function.node_def),
    ]
    return any(node.op in LOOPS for node in nodes)


def _representative(file: str, signatures: list[str]) -> Callable[[], Iterator[Any]]:
    """Read the representative data set row by row; its arrays are named like the inputs."""
    with np.load(file, allow_pickle=False) as content:
        arrays = {name: content[name] for name in content.files}

    def rows() -> Iterator[Any]:
        for name in signatures:
            for index in range(len(next(iter(arrays.values())))):
                row = {key: values[index : index + 1] for key, values in arrays.items()}
                yield (name, row) if len(signatures) > 1 else row

    return rows


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    missing = [line for line in lines if line.startswith(("TF Select ops:", "Custom ops:"))]
    if missing:
        return f"it needs operators that TFLite does not have ({'; '.join(missing)})"
    return lines[0] if lines else type(error).__name__


# Covers every entry of the zoo, and is supported by runtimes since 2021.
OPSET = 15


def _to_onnx(saved_model: str, signature: str, target: str) -> bytes:
    """Convert one signature by tf2onnx's command line, which keeps the names of its tensors."""
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


if __name__ == "__main__":
    sys.exit(main())
