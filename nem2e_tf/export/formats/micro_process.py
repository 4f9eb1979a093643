"""The child process that runs a file in TensorFlow Lite for Microcontrollers.

Its interpreter crashes or hangs on some files, and if the arena is too small. Each attempt is
therefore a forked process with an alarm. ``python -m nem2e_tf.export.formats.micro_process FOLDER``
reads ``model.tflite`` and ``rows.npy`` there and writes ``result.json`` and ``outputs.npy``.
"""

import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Enough for any model that fits a microcontroller; unused memory is never touched.
LARGEST_ARENA = 64 * 2**20
ALIGNMENT = 16
# Search range above the recorded arena: preparing a model borrows memory temporarily.
MOST_BORROWED = 2**16
SECONDS_PER_ATTEMPT = 60

_TOTAL = re.compile(r"Arena allocation total (\d+) bytes")
_MISSING = re.compile(r"Didn't find op for builtin opcode '(\w+)'")
_REFUSED = re.compile(r"Node (\w+) \(number \d+\) failed to (prepare|invoke)")


def main() -> int:
    """Measure and run the model in the folder given as argument; return the exit code."""
    folder = Path(sys.argv[1])
    arena, reason = _smallest_arena(folder)
    if arena is not None:
        reason, _ = _try(folder, arena, first=None)
    (folder / "result.json").write_text(json.dumps({"arena_bytes": arena, "reason": reason}))
    return 0


def _smallest_arena(folder: Path) -> tuple[int | None, str]:
    """Find the smallest arena in which the first row runs, or the reason why there is none."""
    ending, log = _try(folder, LARGEST_ARENA)
    recorded = _TOTAL.search(log)
    if ending or recorded is None:
        return None, ending or "it runs, but does not report how much memory it uses"
    lowest = int(recorded[1])
    if not _try(folder, lowest)[0]:
        return lowest, ""
    highest = lowest + MOST_BORROWED
    if _try(folder, highest)[0]:
        return None, f"it runs in {LARGEST_ARENA} bytes of arena, but not in {highest}"
    while highest - lowest > ALIGNMENT:
        middle = (lowest + highest) // 2 // ALIGNMENT * ALIGNMENT
        if _try(folder, middle)[0]:
            lowest = middle
        else:
            highest = middle
    return highest, ""


def _try(folder: Path, arena: int, *, first: int | None = 1) -> tuple[str, str]:
    """Run the first rows (None: all) in an arena; return the failure, if any, and the log."""
    log = folder / "log.txt"
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(SECONDS_PER_ATTEMPT)
            with log.open("wb") as stream:
                os.dup2(stream.fileno(), 1)
                os.dup2(stream.fileno(), 2)
            _run(folder, arena, first)
            code = 0
        except BaseException as error:  # the forked process must not continue
            os.write(2, f"{error}\n".encode())
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    output = log.read_text(errors="replace")
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number == signal.SIGALRM:
            return f"it did not finish within {SECONDS_PER_ATTEMPT} s", output
        return f"its interpreter crashed ({signal.Signals(number).name})", output
    return ("" if os.WEXITSTATUS(status) == 0 else _reason(output)), output


def _run(folder: Path, arena: int, first: int | None) -> None:
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(
        (folder / "model.tflite").read_bytes(), arena_size=arena
    )
    given, gives = interpreter.get_input_details(0), interpreter.get_output_details(0)
    outputs = []
    for row in np.load(folder / "rows.npy")[:first]:
        interpreter.set_input(_to_tensor(row[None], given), 0)
        interpreter.invoke()
        outputs.append(_from_tensor(interpreter.get_output(0), gives))
    interpreter.print_allocations()
    np.save(folder / "outputs.npy", np.concatenate(outputs))


def _to_tensor(values: NDArray[np.float32], details: dict[str, Any]) -> NDArray[Any]:
    """Quantise values for an input tensor, if it holds integers."""
    kind = np.dtype(details["dtype"])
    if kind == np.float32:
        return values
    scale, zero = _quantization(details)
    limits = np.iinfo(kind)
    return np.clip(np.round(values / scale) + zero, limits.min, limits.max).astype(kind)


def _from_tensor(values: NDArray[Any], details: dict[str, Any]) -> NDArray[np.float32]:
    if values.dtype == np.float32:
        return values
    scale, zero = _quantization(details)
    return (values.astype(np.float32) - zero) * scale


def _quantization(details: dict[str, Any]) -> tuple[np.float32, np.float32]:
    found = details["quantization_parameters"]
    return np.float32(found["scales"][0]), np.float32(found["zero_points"][0])


def _reason(log: str) -> str:
    """Extract the first cause of a failure from the log, without source paths."""
    missing = _MISSING.search(log)
    if missing:
        return f"operator {missing[1]} is missing there"
    lines = [re.sub(r"^\S+\.(cc|h):\d+ ", "", line.strip()) for line in log.splitlines()]
    lines = [line for line in lines if line]
    refused = [_REFUSED.match(line) for line in lines]
    for number, match in enumerate(refused):
        if match:
            cause = lines[number - 1] if number else "no reason logged"
            return f"operator {match[1]} is refused there: {cause[:160]}"
    return lines[-1][:200] if lines else "it failed without a message"


if __name__ == "__main__":
    sys.exit(main())
