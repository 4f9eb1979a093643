"""Stages: OpenSim's tools, each described once as a `Tool` and run by `run_stage`.

A stage reads and checks its inputs, runs OpenSim, verifies the tables it wrote, and judges them by
quality gates. Its folder appears complete or not at all. A stage that ran before with the same
inputs and settings is not run again.

Quality gates compare a result with the limits accepted in the field:

========================  ======================================================================
markers of IK             largest error below 4 cm, root mean square below 2 cm in every frame:
                          OpenSim's documentation, "Inverse Kinematics: best practices"
residuals                 peak force below 5 % of the peak net external force, peak moment below
                          1 % of that force times the height of the centre of mass: Hicks et al.
                          (2015), doi 10.1115/1.4029304
reserves                  peak below 5 % of the peak moment of the joint: Hicks et al. (2015)
tracking                  2 degrees and 2 cm, root mean square: OpenSim's documentation, "RRA: best
                          practices", and Hicks et al. (2015)
========================  ======================================================================

A failed gate does not stop a stage: it is reported and stored, and the user decides. Residuals are
usual with measured markers and scaled masses: they are the part of the force that the model does
not explain, and residual reduction lowers them.
"""

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf import __version__
from nem2e_tf.errors import InputError
from nem2e_tf.io.files import read_json, refuse_foreign, replacing_folder, sha256, write_json
from nem2e_tf.io.storage import Storage, read_storage, write_storage
from nem2e_tf.simulate.opensim.files import OwnSetup, take_over, write_document
from nem2e_tf.simulate.opensim.inputs import SLACK, Span, require_cover
from nem2e_tf.simulate.opensim.process import LOG, opensim_version, run_job

HICKS = "Hicks et al. 2015, doi 10.1115/1.4029304"
GUIDE = "OpenSim documentation, best practices"
MARKER_MAX = 0.04
MARKER_RMS = 0.02
RESIDUAL_FORCE = 0.05
RESIDUAL_MOMENT = 0.01
RESERVE = 0.05
TRACKING_ANGLE = 2.0
TRACKING_DISTANCE = 0.02

Curves = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Gate:
    """A quality measure and its limit.

    Attributes
    ----------
    name : str
    value, limit : float
        In `unit`.
    unit : str
    where : str
        Marker, coordinate or actuator with the largest value.
    source : str
        Source of the limit.
    """

    name: str
    value: float
    limit: float
    unit: str
    where: str
    source: str

    @property
    def passed(self) -> bool:
        """True if the value is within the limit."""
        return bool(self.value <= self.limit)

    def as_dict(self) -> dict[str, Any]:
        """Return the gate as plain values for JSON."""
        return {**asdict(self), "passed": self.passed}


def marker_gates(
    largest: NDArray[np.float64], rms: NDArray[np.float64], /, *, where: str = ""
) -> list[Gate]:
    """Judge marker errors.

    Parameters
    ----------
    largest, rms : float64 array [frame]
        Largest and root mean square error of each frame, m.
    where : str
        Name of the marker with the largest error.
    """
    peak, mean = 100 * float(largest.max()), 100 * float(rms.max())
    return [
        Gate("largest marker error", peak, 100 * MARKER_MAX, "cm", where, GUIDE),
        Gate("marker error, RMS", mean, 100 * MARKER_RMS, "cm", "", GUIDE),
    ]


def residual_gates(
    forces: Curves, moments: Curves, /, *, external: float, height: float
) -> list[Gate]:
    """Judge residual forces and moments.

    Parameters
    ----------
    forces, moments : mapping of name to float64 array [row]
        N and N m.
    external : float
        Peak net external force, N.
    height : float
        Height of the centre of mass, m.

    Examples
    --------
    >>> gates = residual_gates({"FX": np.array([3.0, -40.0])}, {}, external=1000.0, height=1.0)
    >>> gates[0].value, gates[0].passed, gates[0].where
    (4.0, True, 'FX')
    """
    gates = []
    for name, curves, scale, limit, unit in (
        ("residual force", forces, external, RESIDUAL_FORCE, "% of external force"),
        ("residual moment", moments, external * height, RESIDUAL_MOMENT, "% of force x COM height"),
    ):
        if curves:
            worst, peak = _largest({key: np.abs(curve).max() for key, curve in curves.items()})
            gates.append(Gate(name, _percent(peak, scale), 100 * limit, unit, worst, HICKS))
    return gates


def reserve_gate(reserves: Curves, moments: Curves, /, *, crossed: Sequence[str]) -> list[Gate]:
    """Judge the reserve of each coordinate crossed by muscles, relative to its peak joint moment.

    Parameters
    ----------
    reserves, moments : mapping of coordinate to float64 array [row]
        N m.
    crossed : sequence of str
        Coordinates crossed by muscles; the others are driven by their actuators alone.
    """
    shares = {
        name: _percent(float(np.abs(curve).max()), float(np.abs(moments[name]).max()))
        for name, curve in reserves.items()
        if name in crossed and name in moments
    }
    if not shares:
        return []
    worst, share = _largest(shares)
    return [Gate("reserve", share, 100 * RESERVE, "% of joint moment", worst, HICKS)]


def tracking_gates(angles: Curves, distances: Curves, /) -> list[Gate]:
    """Judge how closely a motion is tracked.

    Parameters
    ----------
    angles, distances : mapping of coordinate to float64 array [row]
        Errors in degrees and m.
    """
    gates = []
    for name, curves, scale, limit, unit in (
        ("tracking of angles, RMS", angles, 1.0, TRACKING_ANGLE, "degrees"),
        ("tracking of distances, RMS", distances, 100.0, 100 * TRACKING_DISTANCE, "cm"),
    ):
        if curves:
            worst, size = _largest({key: np.sqrt(np.mean(c**2)) for key, c in curves.items()})
            gates.append(Gate(name, scale * size, limit, unit, worst, f"{GUIDE}; {HICKS}"))
    return gates


def _largest(values: Mapping[str, float]) -> tuple[str, float]:
    name = max(values, key=lambda key: values[key])
    return name, float(values[name])


def _percent(value: float, of: float) -> float:
    """Share in percent; relative to 0: 0 or a number far above any limit."""
    if of > 0:
        return 100 * value / of
    return 0.0 if value == 0 else 1e9


MARKER = "stage.json"

# Called with the name of a stage and the finished share of it, 0 to 1.
Watch = Callable[[str, float], None]


@dataclass(frozen=True, eq=False, kw_only=True)
class Inputs:
    """Inputs of a stage, read and consistent with each other.

    Attributes
    ----------
    files : tuple of Path
        Every file that determines the result.
    span : (float, float) or None
        Simulated span, s; None where the stage has no motion.
    notes : tuple of str
    settings : dataclass or None
        The settings, with defaults that depend on the model; None with a setup file of the user.
    own : OwnSetup or None
        The user's setup file.
    """

    files: tuple[Path, ...]
    span: Span | None
    notes: tuple[str, ...] = ()
    settings: Any = None
    own: OwnSetup | None = None


@dataclass(frozen=True, eq=False)
class Finished:
    """Files that OpenSim wrote for a stage, before they are judged.

    Attributes
    ----------
    inputs : Inputs
    folder : Path
    outputs : dict of str to str
        File name of each output.
    tables : dict of str to Storage
        Content of the outputs that are tables, verified.
    facts : dict
        Answer of `nem2e_tf.simulate.opensim.worker.facts`, if the stage asks for it.
    """

    inputs: Any
    folder: Path
    outputs: dict[str, str]
    tables: dict[str, Storage]
    facts: dict[str, Any]


@dataclass(frozen=True)
class Judged:
    """Quality gates and notes of a stage, and outputs that not every run has."""

    gates: Sequence[Gate] = ()
    notes: Sequence[str] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Tool:
    """Description of a stage.

    Attributes
    ----------
    name : str
        Name of the stage and of its command, such as ``so``.
    kind : str
        OpenSim's class, which is also the root of its setup file, such as ``AnalyzeTool``.
    title : str
        Purpose, in one sentence.
    hint : str
        Requirements on a user's setup file, appended to its description.
    settings : type
        Dataclass of the settings.
    hidden : tuple of str
        Settings without an option on the command line.
    read : callable (settings) -> Inputs
        Read the inputs and check that they are consistent.
    read_own : callable (OwnSetup) -> Inputs
        The same for a setup file of the user.
    setup : callable (inputs, folder) -> Element or None
        Generate the setup from ``inputs.settings``; files that it names are written to the folder.
        None if the worker needs no setup file.
    replaced : mapping of str to object
        Elements of a user's setup file that are replaced, so that results go to the folder.
    job : callable (tool, inputs, folder) -> dict
        Job for the worker.
    outputs : mapping of str to str
        File name pattern of each output.
    delay : float
        Time at the start of the span without results, s; inverse dynamics (``moments``) has none.
    slack : callable (inputs) -> float
        Tolerance between the span and the results, s.
    judge : callable (Finished) -> Judged
    """

    name: str
    kind: str
    title: str
    hint: str = ""
    settings: type
    hidden: tuple[str, ...] = ()
    read: Callable[[Any], Inputs]
    read_own: Callable[[OwnSetup], Inputs]
    setup: "Callable[[Any, Path], Any]"
    replaced: Mapping[str, object] = field(default_factory=lambda: {"results_directory": "."})
    job: "Callable[[Tool, Any, Path], dict[str, Any]]" = lambda tool, _inputs, _folder: {
        "tools": [[tool.kind, tool.setup_file]]
    }
    outputs: Mapping[str, str]
    delay: float = 0.0
    slack: Callable[[Any], float] = lambda _inputs: SLACK
    judge: Callable[[Finished], Judged]

    @property
    def setup_file(self) -> str:
        """Name of the setup file in the stage's folder."""
        return f"setup_{self.name}.xml"


@dataclass(frozen=True)
class Result:
    """A finished stage.

    Attributes
    ----------
    stage : str
    folder : Path
        Setup files, results, OpenSim's log and ``stage.json``.
    outputs : dict of str to Path
        Files by content: ``motion``, ``model``, ``activation``, ...
    gates : tuple of Gate
    notes : tuple of str
    seconds : float
        Duration of the run.
    reused : bool
        True if the result of an earlier run with the same inputs and settings was used.
    """

    stage: str
    folder: Path
    outputs: dict[str, Path]
    gates: tuple[Gate, ...]
    notes: tuple[str, ...]
    seconds: float
    reused: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain values for JSON."""
        return {
            "stage": self.stage,
            "folder": str(self.folder),
            "outputs": {name: str(path) for name, path in self.outputs.items()},
            "gates": [gate.as_dict() for gate in self.gates],
            "notes": list(self.notes),
            "seconds": self.seconds,
            "reused": self.reused,
        }


def run_stage(
    tool: Tool,
    settings: Any,
    output: "str | os.PathLike[str]",
    *,
    watch: Watch | None = None,
) -> Result:
    """Run a stage, or reuse its result if the inputs and settings are the same.

    Parameters
    ----------
    tool : Tool
        One of `nem2e_tf.simulate.opensim.chain.TOOLS`.
    settings : dataclass or path-like
        An instance of ``tool.settings``, or a setup file of the user.
    output : path-like
        Folder to write; it appears complete or not at all.
    watch : callable (stage, share), optional
        Called with the finished share, 0 to 1.

    Raises
    ------
    InputError
        Inputs are missing or inconsistent, OpenSim is not installed or failed, or a result is
        missing. OpenSim's log is then next to the folder.
    """
    output = Path(output)
    if isinstance(settings, str | os.PathLike):
        own = take_over(Path(settings), tool=tool.kind)
        inputs = tool.read_own(own)
        known = {"own": own.path.name}
    else:
        inputs = tool.read(with_paths(settings))
        known = plain(inputs.settings)
    digest = _digest([tool.name, known, inputs.span], inputs.files)
    done = _finished(output, digest)
    if done is not None:
        return done
    refuse_foreign(output, marker=MARKER, ours=_ours)
    failed = output.with_name(f"{output.name}.failed.log")
    began = time.monotonic()
    with replacing_folder(output, marker=MARKER) as folder:
        try:
            outputs, judged = _compute(tool, inputs, folder, watch)
            if watch is not None:
                watch(tool.name, 1.0)
        except InputError as error:
            if (folder / LOG).is_file():
                shutil.copyfile(folder / LOG, failed)
                raise InputError(f"{error}; OpenSim's log: {failed}") from None
            raise
        written = sorted(path for path in folder.iterdir() if path.is_file())
        write_json(
            folder / MARKER,
            {
                "stage": tool.name,
                "digest": digest,
                "opensim": opensim_version(),
                "settings": known,
                "span": inputs.span,
                "inputs": {str(path): sha256(path) for path in inputs.files},
                "outputs": outputs,
                "gates": [gate.as_dict() for gate in judged.gates],
                "notes": [*inputs.notes, *judged.notes],
                "seconds": round(time.monotonic() - began, 2),
                "files": {path.name: sha256(path) for path in written},
            },
        )
    failed.unlink(missing_ok=True)
    found = _finished(output, digest)
    assert found is not None
    return replace(found, reused=False)


def _compute(
    tool: Tool, inputs: Inputs, folder: Path, watch: Watch | None
) -> tuple[dict[str, str], Judged]:
    """Write the setup, run OpenSim, verify and judge its results."""
    if inputs.own is not None:
        inputs.own.write(folder / tool.setup_file, tool.replaced)
    else:
        setup = tool.setup(inputs, folder)
        if setup is not None:
            write_document(folder / tool.setup_file, setup)
    progress = None
    if watch is not None and inputs.span is not None:
        start, end = inputs.span

        def progress(now: float) -> None:
            watch(tool.name, min(max((now - start) / (end - start), 0.0), 1.0))

    job = tool.job(tool, inputs, folder)
    answer = run_job(job, folder, stage=tool.name, progress=progress)
    outputs = {
        what: found_file(folder, pattern, stage=tool.name) for what, pattern in tool.outputs.items()
    }
    tables = {}
    for what, name in outputs.items():
        if inputs.span is not None and name.endswith((".sto", ".mot")):
            start = inputs.span[0] + (0.0 if what == "moments" else tool.delay)
            span = start, inputs.span[1]
            tables[what] = verified(
                folder, name, stage=tool.name, span=span, slack=tool.slack(inputs)
            )
    judged = tool.judge(Finished(inputs, folder, outputs, tables, answer.get("facts", {})))
    return {**outputs, **judged.outputs}, judged


def plain(settings: Any) -> dict[str, Any]:
    """Settings as plain values; files by name only, since their digests identify the content."""
    return {one.name: _plain(getattr(settings, one.name)) for one in fields(settings)}


def with_paths(settings: Any) -> Any:
    """Settings with all file names as paths."""
    names = [one.name for one in fields(settings) if "Path" in str(one.type)]
    texts = {name: getattr(settings, name) for name in names}
    return replace(settings, **{n: Path(text) for n, text in texts.items() if text is not None})


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return value.name
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def verified(folder: Path, name: str, *, stage: str, span: Span, slack: float = SLACK) -> Storage:
    """Read a table written by OpenSim; a damaged one is repaired and written again.

    Raises
    ------
    InputError
        It is missing or unreadable, has no rows, or does not cover the span.
    """
    file = folder / found_file(folder, name, stage=stage)
    try:
        table = read_storage(file)
    except InputError as error:
        raise InputError(f"{stage}: OpenSim wrote an unreadable file: {error}") from None
    if not table.n_rows:
        raise InputError(f"{stage}: expected rows in {name}, found none")
    if any("repaired" in note for note in table.notes):
        rising = np.concatenate([[True], np.diff(table.time) > 0])
        table = replace(table, time=table.time[rising], data=table.data[rising], path=None)
        write_storage(file, table)
    require_cover(table.time, span, where=f"{stage}, {name}", what="results", slack=slack)
    return table


def found_file(folder: Path, pattern: str, *, stage: str) -> str:
    """Name of the first file that matches a pattern; an `InputError` if there is none."""
    names = sorted(path.name for path in folder.glob(pattern))
    if not names:
        raise InputError(f"{stage}: expected OpenSim to write {pattern}, found no such file")
    return names[0]


def _digest(known: list[Any], files: Sequence[Path]) -> str:
    parts = [*known, [sha256(path) for path in files], opensim_version(), __version__]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _finished(output: Path, digest: str) -> Result | None:
    if not (output / MARKER).is_file():
        return None
    stated = read_json(output / MARKER)
    files: dict[str, str] = stated.get("files", {})
    if stated.get("digest") != digest or not all(
        (output / name).is_file() and sha256(output / name) == content
        for name, content in files.items()
    ):
        return None
    return Result(
        stage=stated["stage"],
        folder=output,
        outputs={name: output / file for name, file in stated["outputs"].items()},
        gates=tuple(
            Gate(**{key: value for key, value in gate.items() if key != "passed"})
            for gate in stated["gates"]
        ),
        notes=tuple(stated["notes"]),
        seconds=stated["seconds"],
        reused=True,
    )


def _ours(marker: Path) -> Iterable[str]:
    return read_json(marker).get("files", {})
