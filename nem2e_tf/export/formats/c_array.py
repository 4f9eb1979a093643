"""An exported file as C source: the array, its header, and a usage example.

Their templates are the files in ``micro_source``.
"""

import re
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SOURCE = Path(__file__).with_name("micro_source")
_BYTES_PER_LINE = 16
# tflite-micro's spelling of operators whose names are not capitalised word by word
_SPELLED = {
    "AVERAGE_POOL_2D": "AveragePool2D",
    "BATCH_MATMUL": "BatchMatMul",
    "CONV_2D": "Conv2D",
    "CUMSUM": "CumSum",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2D",
    "L2_POOL_2D": "L2Pool2D",
    "MAX_POOL_2D": "MaxPool2D",
    "PADV2": "PadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTM",
}


def sources(
    model: str,
    content: bytes,
    *,
    metadata: dict[str, Any],
    arena_bytes: int,
    shape: tuple[int, int, int],
    expected: NDArray[np.float32],
    tolerance: float,
) -> dict[str, str]:
    """Write the C and C++ source of a file: array, header and usage example.

    Parameters
    ----------
    model : str
        Name of the model: a muscle, or ``joint``.
    content : bytes
        The sealed file.
    metadata : dict
        Its embedded metadata.
    arena_bytes : int
        From `nem2e_tf.export.formats.micro.measure_micro`.
    shape : tuple
        Samples, inputs and outputs of a call.
    expected : float32 array [sample, output]
        LiteRT's output for the first of `nem2e_tf.export.formats.micro.synthetic_rows`.
    tolerance : float
        Largest accepted difference of a microcontroller's output from it, in the same units.

    Returns
    -------
    dict of str to str
        Text by file name: ``<name>_model.h``, ``<name>_model.c`` (C99 with GCC or Clang, C11 or
        C++11 with any compiler) and ``<name>_main.cc`` (C++17, tflite-micro).
    """
    name = identifier(model)
    samples, inputs, outputs = shape
    operators = sorted(metadata["operators"])
    words = {
        "name": name,
        "macro": name.upper(),
        "title": f"{metadata['model']}, {model}",
        "samples": samples,
        "inputs": inputs,
        "outputs": outputs,
        "pattern": metadata["pattern"],
        "inputs_list": _wrapped(metadata["channels"], what="channel"),
        "outputs_list": _wrapped([item["name"] for item in metadata["muscles"]], what="muscle"),
        "form": f"{metadata['precision']}, recurrence {metadata['recurrence']}",
        "licence": metadata["licence"],
        "sha256": metadata["content_sha256"],
        "arena": arena_bytes,
        "size": len(content),
        "bytes": _hexadecimal(content),
        "n_operators": len(operators),
        "operators": "".join(
            f"  TF_LITE_ENSURE_STATUS(operators.{adder(operator)}());\n" for operator in operators
        ),
        "expected": _numbers(expected),
        "tolerance": np.format_float_scientific(np.float32(tolerance), trim="-"),
    }
    # metadata come from users: they must not end the comment
    safe = {key: str(word).replace("*/", "* /").replace("/*", "/ *") for key, word in words.items()}
    return {
        f"{name}_{file}": Template((_SOURCE / file).read_text(encoding="utf-8")).substitute(safe)
        for file in ("model.h", "model.c", "main.cc")
    }


def identifier(name: str) -> str:
    """Make a C identifier of a model's name.

    Examples
    --------
    >>> identifier("glmed1"), identifier("vastus lat."), identifier("1st")
    ('glmed1', 'vastus_lat_', 'model_1st')
    """
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    return plain if plain[:1].isalpha() else f"model_{plain}"


def adder(operator: str) -> str:
    """Name the method of tflite-micro's resolver that adds an operator.

    Examples
    --------
    >>> adder("FULLY_CONNECTED"), adder("BATCH_MATMUL"), adder("SELECT_V2")
    ('AddFullyConnected', 'AddBatchMatMul', 'AddSelectV2')
    """
    words = operator.split("_")
    return "Add" + _SPELLED.get(operator, "".join(word.capitalize() for word in words))


def _wrapped(names: list[str], *, what: str) -> str:
    """Wrap a list of names over several lines of a comment."""
    lines = [f"{len(names)} {what}{'s'[: len(names) > 1]}:"]
    for name in names:
        word = " ".join(name.split())
        if len(lines[-1]) + len(word) > 90:
            lines.append(f"     {word}")
        else:
            lines[-1] += f" {word}"
    return "\n".join(lines)


def _hexadecimal(content: bytes) -> str:
    rows = (
        content[start : start + _BYTES_PER_LINE]
        for start in range(0, len(content), _BYTES_PER_LINE)
    )
    return "\n".join("    " + " ".join(f"0x{byte:02x}," for byte in row) for row in rows)


def _numbers(values: NDArray[np.float32]) -> str:
    return "\n".join(
        "    " + " ".join(f"{np.format_float_scientific(value, trim='0')}f," for value in row)
        for row in values
    )
