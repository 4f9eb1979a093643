"""Runs OpenSim in its own process: its output goes to a file, its errors become one line.

Nothing else imports OpenSim, so that no crash, output or damage at its exit reaches the caller.
"""

import functools
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nem2e_tf.errors import InputError

PYTHON = "NEM2E_OPENSIM_PYTHON"
LOG = "opensim.log"

# Called with the time that a stage has reached within the motion, s.
Progress = Callable[[float], None]

_INTERVAL = 0.25
_TAIL = 20_000
# Current time in the log: "Frame 3 (t = 0.45)" of IK, "time = 0.45" of static optimization.
_NOW = re.compile(rb"(?:\bt|\btime)\s*=\s*([0-9.]+(?:e[-+]?\d+)?)")
# Patterns of OpenSim's messages, and the remedy.
_ADVICE = (
    (r"Failed to load the Xml|no document element", "get a complete copy of the file"),
    (
        r"infeasible|OPTIMIZATION FAILED|unsuitable|no solution|Infeasible",
        "the muscles cannot produce this motion with these reserves: check masses, forces and "
        "feet, or increase the reserve",
    ),
    (
        r"column .* (not found|does not exist)|[Nn]o (such )?column",
        "check the labels of the input files",
    ),
    (r"singular|NaN|nan", "check the motion for jumps and the model for massless bodies"),
)


def opensim_python() -> str:
    """Return the Python that has OpenSim.

    It is the one named in ``NEM2E_OPENSIM_PYTHON``, or the one that runs this program.

    Raises
    ------
    InputError
        There is none; the message says what to install.
    """
    named = os.environ.get(PYTHON)
    if named:
        found = shutil.which(named)
        if found is None:
            raise InputError(
                f"{PYTHON}: expected the Python of an OpenSim installation, found no program "
                f"{named}"
            )
        return found
    if importlib.util.find_spec("opensim") is None:
        raise InputError(
            "OpenSim is not installed: pip install 'nem2e-tf[opensim]' (Linux x86_64, Windows, "
            f"macOS arm64), or set {PYTHON} to the Python of an OpenSim installation"
        )
    return sys.executable


def opensim_version() -> str:
    """Return the version of the OpenSim package; an `InputError` if there is none."""
    return _version(opensim_python())


def run_job(
    job: Mapping[str, Any], folder: Path, *, stage: str, progress: Progress | None = None
) -> dict[str, Any]:
    """Run a job of `nem2e_tf.simulate.opensim.worker` in a folder.

    Parameters
    ----------
    job : mapping
    folder : Path
        Working folder with the setup files; results and ``opensim.log`` are written to it.
    stage : str
        Name of the stage, for messages.
    progress : callable (time), optional
        Called with the time reached within the motion, s.

    Returns
    -------
    dict
        The worker's answer.

    Raises
    ------
    InputError
        OpenSim failed or crashed; the message has its reason in one line and the remedy.
    """
    python = opensim_python()
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    log = folder / LOG
    with tempfile.TemporaryDirectory(prefix="nem2e-") as temporary:
        question, answer = Path(temporary, "job.json"), Path(temporary, "answer.json")
        question.write_text(json.dumps(job), encoding="utf-8")
        worker = Path(__file__).with_name("worker.py")
        with log.open("ab") as out:
            child = subprocess.Popen(
                [python, "-s", str(worker), str(question), str(answer)],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment,
            )
            try:
                _wait(child, log, progress)
            finally:
                if child.poll() is None:
                    child.kill()
                    child.wait()
        if not answer.is_file():
            code = child.returncode
            how = f"signal {-code}" if code < 0 else f"code {code}"
            lines = log_lines(log, r"\[error\]|[Ee]xception|ERROR") or log_lines(log, r"\S")
            last = f"its last message: {one_line(lines[-1])}" if lines else "without a message"
            raise InputError(f"{stage}: OpenSim crashed ({how}); {last}")
        result: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    if "error" in result:
        reason = str(result["error"])
        errors = log_lines(log, r"^\[error\]")
        if "see messages window" in reason and errors:
            reason = errors[-1].removeprefix("[error] ")
        advice = next((f"; {text}" for pattern, text in _ADVICE if re.search(pattern, reason)), "")
        raise InputError(f"{stage}: OpenSim failed: {one_line(reason)}{advice}")
    return result


def one_line(message: str) -> str:
    r"""Extract the reason from the message of an OpenSim exception.

    Examples
    --------
    >>> one_line("RuntimeError: std::exception in 'bool Tool::run()': No such file.\n\tThrown at x")
    'No such file.'
    """
    text = re.sub(r"^\w+(Error|Exception): ", "", message.strip())
    text = re.sub(r"std::exception in '[^\n]*?': ", "", text)
    text = re.split(r"\n\s*(?:Thrown at|In Object|In \S+\.cpp|\(Required condition)", text)[0]
    text = " ".join(text.split())
    return text if len(text) <= 300 else f"{text[:297]}..."


def log_lines(log: Path, pattern: str) -> list[str]:
    """Return the lines of a log that match a pattern."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line.strip() for line in lines if re.search(pattern, line)]


@functools.cache
def _version(python: str) -> str:
    if python == sys.executable:
        return importlib.metadata.version("opensim")
    ask = "import importlib.metadata as m; print(m.version('opensim'))"
    done = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"{PYTHON}: expected a Python with OpenSim, found {python} without it")
    return done.stdout.strip()


def _wait(child: "subprocess.Popen[bytes]", log: Path, progress: Progress | None) -> None:
    last = -1.0
    while True:
        try:
            child.wait(timeout=_INTERVAL)
            return
        except subprocess.TimeoutExpired:
            pass
        if progress is not None:
            with log.open("rb") as stream:
                stream.seek(max(os.fstat(stream.fileno()).st_size - _TAIL, 0))
                times = _NOW.findall(stream.read())
            if times and float(times[-1]) != last:
                last = float(times[-1])
                progress(last)
