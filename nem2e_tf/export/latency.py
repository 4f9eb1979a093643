"""Latency and memory of exported files, each in a process of its own, on one thread.

Several files are measured in turns, so that other load on the machine affects all of them alike.
"""

import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nem2e_tf.errors import ExportError
from nem2e_tf.export.file.audit import SIGNATURE
from nem2e_tf.export.formats.converter import child_environment

WARM_UP = 10
TURNS = 10

_TFLITE = b"TFL3"
_SHARED = "--shared-weights"
_LIBRARY = {
    "tflite": "ai_edge_litert.interpreter",
    "compiled": "ai_edge_litert.compiled_model",
    "onnx": "onnxruntime",
}


@dataclass(frozen=True)
class Latency:
    """Latency and memory of one row on one thread.

    Attributes
    ----------
    median_ms, p99_ms : float
        Median and 99th percentile over the runs, ms.
    peak_mb : float or None
        Largest resident memory minus that before the file was read, in 10^6 bytes: includes the
        content of the file, but neither Python nor the runtime's library. None on systems that do
        not report it.
    """

    median_ms: float
    p99_ms: float
    peak_mb: float | None


def measure(content: bytes, *, runs: int = 200) -> Latency:
    """Measure one file; see `measure_together`."""
    return measure_together([content], runs=runs)[0]


def measure_together(
    contents: Sequence[bytes], *, runs: int = 200, shared_weights: Collection[int] = ()
) -> list[Latency]:
    """Measure files in turns, each in a child process of its own.

    Parameters
    ----------
    contents : sequence of bytes
        TFLite files, whose signature ``refine`` is run, or ONNX files.
    runs : int
        Runs per file, 10 or more, after a warm-up of 10.
    shared_weights : collection of int
        Indices in `contents` of TFLite files to run with one copy of each weight; see
        `nem2e_tf.export.runtime.interpreters.SharedWeights`.

    Returns
    -------
    list of Latency
        In the order of `contents`. The input is the same random numbers between 0 and 1 in every
        run; dimensions of any size are 1.

    Raises
    ------
    ExportError
        A file cannot be run, or its process ends early.
    """
    each = max(1, runs // TURNS)
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        children = []
        for number, content in enumerate(contents):
            file = Path(scratch) / str(number)
            file.write_bytes(content)
            # one after the other: loading must not disturb another file's runs
            options = (_SHARED,) if number in shared_weights else ()
            children.append(stack.enter_context(_Child(file, *options)))
            children[-1].ask(WARM_UP)
        times: list[list[float]] = [[] for _ in contents]
        for _ in range(TURNS):
            for found, child in zip(times, children, strict=True):
                found += child.ask(each)["ms"]
        peaks = [child.ask(1)["peak_mb"] for child in children]
    return [
        Latency(float(np.median(found)), float(np.percentile(found, 99)), peak)
        for found, peak in zip(times, peaks, strict=True)
    ]


class _Child:
    """A process that loads one file and runs it on request."""

    def __init__(self, file: Path, *options: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "nem2e_tf.export.latency", str(file), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=child_environment(one_thread=True),
        )

    def __enter__(self) -> "_Child":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, runs: int) -> dict[str, Any]:
        """Run the file; return the time of each run, ms, and the peak memory so far."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{runs}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the process has ended: the answer below is empty
        answer = self._process.stdout.readline()
        if not answer:
            _, errors = self._process.communicate()
            last = [line.strip() for line in errors.splitlines() if line.strip()][-1:]
            raise ExportError(
                "measuring latency: expected a file that runs, but its process ended with code "
                f"{self._process.returncode} ({''.join(last)[:200]})"
            )
        content: dict[str, Any] = json.loads(answer)
        return content


def main(file: str, *options: str) -> int:
    """Load a file, then run it as often as each line of standard input requests."""
    with Path(file).open("rb") as stream:
        kind = "tflite" if stream.read(8)[4:] == _TFLITE else "onnx"
    kind = "compiled" if _SHARED in options else kind
    # the memory of the library does not count
    importlib.import_module(_LIBRARY[kind])
    before = _memory("VmRSS")
    run = _load(kind, Path(file).read_bytes())
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            run()
            times.append(1e3 * (time.perf_counter() - start))
        peak = _memory("VmHWM")
        grown = None if peak is None or before is None else round(max(peak - before, 0.0), 2)
        print(json.dumps({"ms": times, "peak_mb": grown}), flush=True)  # noqa: T201
    return 0


def _load(kind: str, content: bytes) -> Callable[[], Any]:
    """Load a file; return a function that runs it on random numbers."""
    random, given = np.random.default_rng(0), {}
    if kind == "onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        for item in session.get_inputs():
            shape = [size if isinstance(size, int) else 1 for size in item.shape]
            given[item.name] = random.random(shape, dtype=np.float32)
        return lambda: session.run(None, given)
    if kind == "compiled":
        from nem2e_tf.export.runtime.interpreters import CompiledRunner

        runner: Any = CompiledRunner(content)
    else:
        from ai_edge_litert.interpreter import Interpreter

        runner = Interpreter(model_content=content, num_threads=1).get_signature_runner(SIGNATURE)
    for name, detail in runner.get_input_details().items():
        values = random.random(detail["shape"], dtype=np.float32)
        scale, zero = detail["quantization"]
        if scale:
            values = np.round(values / scale + zero)
        given[name] = values.astype(detail["dtype"])
    return lambda: runner(**given)


def _memory(kind: str) -> float | None:
    """Resident memory, MB: current (VmRSS) or peak (VmHWM).

    On Linux, ``getrusage`` would include the memory of the parent at the start of the child.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) * 1024 / 1e6
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
