"""Refiners on a microcontroller: the form that fits, run on its interpreter, as C source.

The interpreter of TensorFlow Lite for Microcontrollers (package ``tflite-micro``, Linux x86-64
only) runs each file in a child process, because it crashes or hangs on some.

The arena is the working memory that a program reserves for the interpreter; weights stay in flash.
It is measured on a 64-bit machine. On a 32-bit microcontroller pointers are half as long, and the
arena is slightly smaller.
"""

import importlib.util
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import ExportError, InputError
from nem2e_tf.export.context import ARENA_LIMIT, Export, ExportedFile
from nem2e_tf.export.file.audit import INPUT, OUTPUT, SIGNATURE
from nem2e_tf.export.formats import c_array
from nem2e_tf.export.formats.converter import child_environment
from nem2e_tf.export.formats.tflite import tflite_files
from nem2e_tf.export.graph.pieces import Piece, pieces_of
from nem2e_tf.export.parity import Checked, check_limits, compare_piece
from nem2e_tf.export.runtime.interpreters import LiteRT
from nem2e_tf.io.files import write_text
from nem2e_tf.refiners.patterns import compose

MICRO = "micro"
SECONDS = 900

# Largest difference from LiteRT, as a fraction of the output's range: rounding for float32; for
# integers a few steps, because the two round products differently.
LIMITS = {"float32": 1e-5, "integer": 2e-2}
_ROWS = 3


def write_micro(run: Export) -> list[ExportedFile]:
    """Write C source for every model of a refiner, into the folder ``micro``.

    Models without recurrences are quantised fully, which is smallest and fastest there, or stay in
    float32 if int8 fails a check. Recurrences are float32 loops: unrolled, they are larger and join
    more tensors than the microcontroller's operator accepts.

    Returns
    -------
    list of ExportedFile
        One per model. ``n_bytes`` is its size in flash; parity is that of the microcontroller's
        interpreter.

    Raises
    ------
    ExportError
        No form of a model fits; the message names the reason for each.
    """
    pieces = pieces_of(run.refiner, combine=run.choices.combine)
    recurrent = any(piece.has_recurrence for piece in pieces)
    notes: list[str] = []
    for precision in ("float32",) if recurrent else ("int8", "float32"):
        choices = replace(
            run.choices,
            formats=("tflite",),
            precisions=(precision,),
            io="float32",
            recurrence="auto",
            signatures=(),
        )
        own = replace(run, choices=choices, scratch=run.scratch / MICRO / precision)
        own.scratch.mkdir(parents=True)
        try:
            ran = [
                (piece, checked, *_run_reference(own, piece, checked))
                for piece, _, checked in tflite_files(own)
            ]
        except ExportError as error:
            notes.append(f"{precision} does not fit a microcontroller: {error}")
            continue
        (run.folder / MICRO).mkdir()
        return [_write(own, *item, tuple(notes)) for item in ran]
    raise ExportError("; ".join(notes))


def _run_reference(
    run: Export, piece: Piece, checked: Checked
) -> tuple["MicroResult", NDArray[np.float32]]:
    """Refine the reference cycles, and after them the synthetic cycle of the usage example."""
    results = []

    def apply(name: str, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        example = synthetic_rows(rows.shape[1:], count=1)
        result = measure_micro(
            checked.content,
            rows=np.concatenate([rows, example]),
            arena_limit=run.choices.arena_limit,
        )
        if result.outputs is None or not result.fits:
            raise ExportError(f"{name}: {result.reason}")
        results.append(result)
        return result.outputs[:-1]

    simulated = run.refiner.reference.simulated[:, :, list(piece.columns)]
    curves = compose(simulated, piece.composition, apply)
    return results[0], curves


def _write(
    run: Export,
    piece: Piece,
    checked: Checked,
    result: "MicroResult",
    curves: NDArray[np.float32],
    notes: tuple[str, ...],
) -> ExportedFile:
    precision, metadata = run.choices.precisions[0], checked.metadata
    compared = compare_piece(run, piece, curves)
    check_limits(compared, run.choices.limits[precision], name=f"{piece.name} on a microcontroller")
    expected: Any = result.expected
    texts = c_array.sources(
        piece.name,
        checked.content,
        metadata=metadata,
        arena_bytes=result.arena_bytes or 0,
        shape=(piece.composition.model_samples, piece.composition.n_inputs, expected.shape[2]),
        expected=expected[-1],
        tolerance=limit_of(checked.content) * value_range(expected),
    )
    for name, text in texts.items():
        write_text(run.folder / MICRO / name, text)
    return ExportedFile.listed(
        run.folder,
        f"{MICRO}/{c_array.identifier(piece.name)}_model.c",
        metadata,
        compared,
        format=MICRO,
        n_bytes=len(checked.content),
        arena_bytes=result.arena_bytes,
        notes=notes,
    )


@dataclass(frozen=True, eq=False)
class MicroResult:
    """Result of running a file in TensorFlow Lite for Microcontrollers.

    Attributes
    ----------
    arena_bytes : int or None
        Smallest arena in which it runs; None if it does not run.
    reason : str
        Why it does not fit; empty if it does.
    difference : float or None
        Largest difference from LiteRT, as a fraction of the output's range.
    outputs, expected : float32 array [row, sample, muscle] or None
        Its output and that of LiteRT.
    """

    arena_bytes: int | None
    reason: str
    difference: float | None = None
    outputs: NDArray[np.float32] | None = field(default=None, repr=False)
    expected: NDArray[np.float32] | None = field(default=None, repr=False)

    @property
    def fits(self) -> bool:
        """True if it runs within the limits."""
        return not self.reason


def require() -> None:
    """Check that tflite-micro is installed.

    Raises
    ------
    InputError
        It is not.
    """
    if importlib.util.find_spec("tflite_micro") is None:
        raise InputError(
            "tflite-micro is not installed; install it with: pip install 'nem2e-tf[micro]' "
            "(available for Linux on x86-64 only)"
        )


def measure_micro(
    content: bytes, *, rows: "NDArray[Any] | None" = None, arena_limit: int = ARENA_LIMIT
) -> MicroResult:
    """Run a file on the microcontroller's interpreter and compare it with LiteRT.

    Parameters
    ----------
    content : bytes
        A TFLite file with the signature ``refine``, of one input and fixed shapes; sealed or not.
    rows : array [row, sample, input], optional
        Input, one call per row; default: three synthetic rows of activation.
    arena_limit : int
        Limit of the arena, bytes.

    Returns
    -------
    MicroResult
        If it does not fit, with the reason: a missing operator, an arena above the limit, a
        different output from LiteRT's, a crash or a timeout.

    Raises
    ------
    InputError
        tflite-micro is not installed.

    Examples
    --------
    >>> measure_micro(content).arena_bytes  # doctest: +SKIP
    110080
    """
    require()
    reason, shape = _row_shape(content)
    if reason:
        return MicroResult(None, reason)
    given = synthetic_rows(shape) if rows is None else np.asarray(rows, np.float32)
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
    # also true for NaN
    if not found <= limit:
        reason = f"it differs from LiteRT by {found:.1e} of the range, the limit is {limit:.0e}"
    elif arena is not None and arena > arena_limit:
        reason = f"its arena is {arena / 1024:.1f} KB, the limit is {arena_limit / 1024:.0f} KB"
    return MicroResult(arena, reason, found, outputs, expected)


def value_range(values: NDArray[Any]) -> float:
    """Return the scale for differences of an output: its range, or its size, or 1."""
    return float(np.ptp(values)) or float(np.abs(values).max()) or 1.0


def synthetic_rows(shape: tuple[int, ...], *, count: int = _ROWS) -> NDArray[np.float32]:
    """Compute rows of synthetic activation, 0.1 to 0.9; the usage example repeats the first.

    Parameters
    ----------
    shape : tuple
        Samples and inputs of a row.
    count : int
        Number of rows.

    Returns
    -------
    float32 array [row, sample, input]

    Examples
    --------
    >>> synthetic_rows((3, 2), count=1)[0, :, 0].astype(float).round(2).tolist()
    [0.5, 0.82, 0.88]
    """
    phase = np.arange(count)[:, None, None] + np.arange(shape[1])
    return (0.5 + 0.4 * np.sin(np.arange(shape[0])[:, None] * 0.93 + 1.7 * phase)).astype(
        np.float32
    )


def _row_shape(content: bytes) -> tuple[str, tuple[int, int]]:
    """Return samples and inputs of a row, or the reason why the file cannot run there."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    places = {
        model.SignatureDefs(i).SignatureKey(): model.SignatureDefs(i).SubgraphIndex()
        for i in range(model.SignatureDefsLength())
    }
    if places.get(SIGNATURE.encode()) != 0:
        return f"its first subgraph is not {SIGNATURE}, the only one that runs there", (0, 0)
    graph = model.Subgraphs(0)
    tensors = [graph.Tensors(graph.Inputs(i)) for i in range(graph.InputsLength())]
    if len(tensors) != 1:
        return f"it has {len(tensors)} inputs, expected {INPUT} alone", (0, 0)
    tensor = tensors[0]
    fixed = [tensor.Shape(i) for i in range(tensor.ShapeLength())]
    shape = [tensor.ShapeSignature(i) for i in range(tensor.ShapeSignatureLength())] or fixed
    if len(shape) != 3 or shape[0] != 1 or min(shape) < 1:
        return f"its input has shape {shape}, expected fixed sizes of one row", (0, 0)
    return "", (shape[1], shape[2])


def limit_of(content: bytes) -> float:
    """Return the largest accepted difference from LiteRT, as a fraction of the output's range."""
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
                env=child_environment(one_thread=True),  # a process that forks must have one thread
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None, f"its interpreter did not finish within {SECONDS} s", None
        if child.returncode != 0:
            last = (child.stderr.strip().splitlines() or ["no message"])[-1]
            return None, f"its interpreter stopped with code {child.returncode}: {last[:200]}", None
        result = json.loads((folder / "result.json").read_text())
        if result["reason"]:
            return None, str(result["reason"]), None
        return int(result["arena_bytes"]), "", np.load(folder / "outputs.npy")
