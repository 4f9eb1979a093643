"""OpenSim in a process of its own: its chatter into a file, its failures into one line."""

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

# Called with the time in the motion that a stage has come to, s.
Progress = Callable[[float], None]

_LOOK = 0.25
_TAIL = 20_000
# How the tools tell where they are: IK's "Frame 3 (t = 0.45)", static optimization's "time = 0.45".
_NOW = re.compile(rb"(?:\bt|\btime)\s*=\s*([0-9.]+(?:e[-+]?\d+)?)")
# What OpenSim says, and what to do about it.
_ADVICE = (
    (r"Failed to load the Xml|no document element", "get a whole copy of the file"),
    (
        r"infeasible|OPTIMIZATION FAILED|unsuitable|no solution|Infeasible",
        "the muscles cannot do "
        "this motion with these reserves: check masses, forces and feet, or raise --reserve",
    ),
    (
        r"column .* (not found|does not exist)|[Nn]o (such )?column",
        "check the labels of the files given",
    ),
    (r"singular|NaN|nan", "check the motion for jumps and the model for massless bodies"),
)


def opensim_python() -> str:
    """Find a Python that has OpenSim.

    The one that runs this program, or the one that ``NEM2E_OPENSIM_PYTHON`` names.

    Raises
    ------
    InputError
        There is none; says what to install.
    """
    named = os.environ.get(PYTHON)
    if named:
        found = shutil.which(named)
        if found is None:
            raise InputError(
                f"{PYTHON}: expected the Python of an OpenSim installation, found no "
                f"program {named}"
            )
        return found
    if importlib.util.find_spec("opensim") is None:
        raise InputError(
            "OpenSim is not installed; expected it from: pip install 'nem2e-tf[opensim]' (Linux "
            "x86_64, Windows, macOS arm64), or set "
            f"{PYTHON} to the Python of an OpenSim installation"
        )
    return sys.executable


def opensim_version() -> str:
    """Version of the OpenSim that would run, as its package states it.

    Raises
    ------
    InputError
        There is none; says what to install.
    """
    return _version(opensim_python())


def run_job(
    job: Mapping[str, Any], folder: Path, *, stage: str, progress: Progress | None = None
) -> dict[str, Any]:
    """Run a job of `nem2e_tf.simulate.opensim.worker` in a folder.

    Parameters
    ----------
    job : mapping
        What to run.
    folder : Path
        Where: setup files are in it, results go into it, and so does ``opensim.log``.
    stage : str
        Name of the stage, for messages.
    progress : callable, optional
        Called with the time reached within the motion, s.

    Returns
    -------
    dict
        The worker's answer.

    Raises
    ------
    InputError
        OpenSim failed or crashed; its own reason in one line, and what to do.
    """
    python = opensim_python()
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    log = folder / LOG
    with tempfile.TemporaryDirectory(prefix="nem2e-") as beside:
        question, answer = Path(beside, "job.json"), Path(beside, "answer.json")
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
            how = (
                f"signal {-child.returncode}"
                if child.returncode < 0
                else f"code {child.returncode}"
            )
            raise InputError(f"{stage}: OpenSim crashed ({how}); {_last(log)}")
        told: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    if "error" in told:
        reason = str(told["error"])
        errors = log_lines(log, r"^\[error\]")
        if "see messages window" in reason and errors:
            reason = errors[-1].removeprefix("[error] ")
        raise InputError(f"{stage}: OpenSim failed: {one_line(reason)}{_advice(reason)}")
    return told


def one_line(message: str) -> str:
    r"""Take the sense out of an OpenSim exception.

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
    """Find the lines of a log that match."""
    return [
        line.strip()
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
        if re.search(pattern, line)
    ]


@functools.cache
def _version(python: str) -> str:
    if python == sys.executable:
        return importlib.metadata.version("opensim")
    ask = "import importlib.metadata as m; print(m.version('opensim'))"
    done = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"{PYTHON}: expected a Python that has OpenSim, found {python} without it")
    return done.stdout.strip()


def _wait(child: "subprocess.Popen[bytes]", log: Path, progress: Progress | None) -> None:
    told = -1.0
    while True:
        try:
            child.wait(timeout=_LOOK)
            return
        except subprocess.TimeoutExpired:
            pass
        if progress is not None:
            with log.open("rb") as stream:
                stream.seek(max(os.fstat(stream.fileno()).st_size - _TAIL, 0))
                times = _NOW.findall(stream.read())
            if times and float(times[-1]) != told:
                told = float(times[-1])
                progress(told)


def _advice(message: str) -> str:
    found = [advice for pattern, advice in _ADVICE if re.search(pattern, message)]
    return f"; {found[0]}" if found else ""


def _last(log: Path) -> str:
    lines = log_lines(log, r"\[error\]|[Ee]xception|ERROR") or log_lines(log, r"\S")
    return f"its last word: {one_line(lines[-1])}" if lines else "it said nothing"
