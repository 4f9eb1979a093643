"""Whether a file runs on a microcontroller, in how much memory, and with which numbers.

Asked of the interpreter of TensorFlow Lite for Microcontrollers itself (package ``tflite-micro``,
on Linux x86-64 only), in a child process: it crashes or hangs on some files.

The arena is the working memory that a program sets aside for the interpreter; weights stay in
flash. It is measured on a 64-bit machine. Pointers are half as long on a 32-bit microcontroller,
which therefore needs a little less.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import nem2e_tf
from nem2e_tf.errors import InputError
from nem2e_tf.export.file.audit import INPUT, OUTPUT, SIGNATURE
from nem2e_tf.export.runtime.interpreters import LiteRT

ARENA_LIMIT = 256 * 1024
SECONDS = 900

# Largest difference from LiteRT, as a share of the output's range: rounding for float32; for
# integers a few steps, as the two round products differently.
LIMITS = {"float32": 1e-5, "integer": 2e-2}
_ROWS = 3


@dataclass(frozen=True, eq=False)
class MicroResult:
    """What came of a file in TensorFlow Lite for Microcontrollers.

    Attributes
    ----------
    arena_bytes : int or None
        Smallest arena in which it runs; None where it does not run.
    reason : str
        Why it does not fit; empty where it does.
    difference : float or None
        Largest difference from LiteRT on the rows, as a share of the output's range.
    outputs, expected : float32 array [row, sample, muscle] or None
        What it and LiteRT give for the rows.
    """

    arena_bytes: int | None
    reason: str
    difference: float | None = None
    outputs: NDArray[np.float32] | None = field(default=None, repr=False)
    expected: NDArray[np.float32] | None = field(default=None, repr=False)

    @property
    def fits(self) -> bool:
        """Whether it runs within the limits."""
        return not self.reason


def require() -> None:
    """Make sure that tflite-micro is there.

    Raises
    ------
    InputError
        It is not installed.
    """
    if importlib.util.find_spec("tflite_micro") is None:
        raise InputError(
            "tflite-micro is not installed; install it with: pip install 'nem2e-tf[micro]' "
            "(it exists for Linux on x86-64 only)"
        )


def measure(
    content: bytes, *, rows: "NDArray[Any] | None" = None, arena_limit: int = ARENA_LIMIT
) -> MicroResult:
    """Run a file on a microcontroller's interpreter and compare it with LiteRT.

    Parameters
    ----------
    content : bytes
        A TFLite file with the signature ``refine``, of one input and fixed shapes; sealed or not.
    rows : array [row, sample, input], optional
        What goes in, one call a row; default: three made-up rows of activations.
    arena_limit : int
        Most bytes of arena.

    Returns
    -------
    MicroResult
        It fits, or the reason says why not: an operator that is missing there, an arena over the
        limit, other numbers than LiteRT's, a crash or no end.

    Raises
    ------
    InputError
        tflite-micro is not installed.

    Examples
    --------
    >>> from nem2e_tf.export.formats.micro import measure
    >>> measure(content).arena_bytes  # doctest: +SKIP
    110080
    """
    require()
    reason, shape = _row_shape(content)
    if reason:
        return MicroResult(None, reason)
    given = made_up(shape) if rows is None else np.asarray(rows, np.float32)
    if given.shape[1:] != shape:
        raise InputError(f"rows: expected [row, {shape[0]}, {shape[1]}], found {list(given.shape)}")
    arena, reason, outputs = _run(content, given)
    if outputs is None:
        return MicroResult(None, reason)
    library = LiteRT(content, source="the file")
    expected = np.concatenate(
        [library.run(SIGNATURE, **{INPUT: row[None]})[OUTPUT] for row in given]
    )
    found = float(np.abs(outputs - expected).max()) / value_range(expected)
    limit = limit_of(content)
    # written so that NaN is over the limit
    if not found <= limit:
        reason = f"it differs from LiteRT by {found:.1e} of the range, the limit is {limit:.0e}"
    elif arena is not None and arena > arena_limit:
        reason = f"its arena is {arena / 1024:.1f} KB, the limit is {arena_limit / 1024:.0f} KB"
    return MicroResult(arena, reason, found, outputs, expected)


def value_range(values: NDArray[Any]) -> float:
    """Give what differences of an output are a share of: its range, or else its size, or 1."""
    return float(np.ptp(values)) or float(np.abs(values).max()) or 1.0


def made_up(shape: tuple[int, ...], *, count: int = _ROWS) -> NDArray[np.float32]:
    """Make up rows of activations, 0.1 to 0.9, nobody's: the same for everybody who repeats it.

    Parameters
    ----------
    shape : tuple
        Samples and inputs of a row.
    count : int
        How many rows.

    Returns
    -------
    float32 array [row, sample, input]

    Examples
    --------
    >>> made_up((3, 2), count=1)[0, :, 0].astype(float).round(2).tolist()
    [0.5, 0.82, 0.88]
    """
    phase = np.arange(count)[:, None, None] + np.arange(shape[1])
    return (0.5 + 0.4 * np.sin(np.arange(shape[0])[:, None] * 0.93 + 1.7 * phase)).astype(
        np.float32
    )


def _row_shape(content: bytes) -> tuple[str, tuple[int, int]]:
    """Give why a file has no rows that could be run there, or samples and inputs of a row."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    places = {
        model.SignatureDefs(i).SignatureKey(): model.SignatureDefs(i).SubgraphIndex()
        for i in range(model.SignatureDefsLength())
    }
    if places.get(SIGNATURE.encode()) != 0:
        return f"its first subgraph is not {SIGNATURE}, and no other is reached there", (0, 0)
    graph = model.Subgraphs(0)
    tensors = [graph.Tensors(graph.Inputs(i)) for i in range(graph.InputsLength())]
    if len(tensors) != 1:
        return f"it takes {len(tensors)} tensors, expected {INPUT} alone", (0, 0)
    tensor = tensors[0]
    fixed = [tensor.Shape(i) for i in range(tensor.ShapeLength())]
    shape = [tensor.ShapeSignature(i) for i in range(tensor.ShapeSignatureLength())] or fixed
    if len(shape) != 3 or shape[0] != 1 or min(shape) < 1:
        return f"its input has shape {shape}, expected fixed sizes of one row", (0, 0)
    return "", (shape[1], shape[2])


def limit_of(content: bytes) -> float:
    """Give how far a file may be from LiteRT, as a share of the output's range."""
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.Model.GetRootAs(content, 0).Subgraphs(0)
    steps = (schema.TensorType.INT8, schema.TensorType.INT16)
    integer = any(
        graph.Tensors(graph.Operators(i).Outputs(0)).Type() in steps
        for i in range(graph.OperatorsLength())
        if graph.Operators(i).OutputsLength()
    )
    return LIMITS["integer" if integer else "float32"]


def _run(
    content: bytes, rows: NDArray[np.float32]
) -> tuple[int | None, str, "NDArray[np.float32] | None"]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "model.tflite").write_bytes(content)
        np.save(folder / "rows.npy", rows)
        try:
            child = subprocess.run(
                [sys.executable, "-m", "nem2e_tf.export.formats.micro_process", str(folder)],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=SECONDS,
                env=_child_environment(),
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None, f"its interpreter did not finish within {SECONDS} s", None
        if child.returncode != 0:
            last = (child.stderr.strip().splitlines() or ["no reason given"])[-1]
            return None, f"its interpreter stopped with code {child.returncode}: {last[:200]}", None
        result = json.loads((folder / "result.json").read_text())
        if result["reason"]:
            return None, str(result["reason"]), None
        return int(result["arena_bytes"]), "", np.load(folder / "outputs.npy")


def _child_environment() -> dict[str, str]:
    """Give an environment in which a child finds the same package as we did, installed or not."""
    places = [str(Path(nem2e_tf.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    # a process that is copied must not have threads
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, places)),
        "OPENBLAS_NUM_THREADS": "1",
    }
