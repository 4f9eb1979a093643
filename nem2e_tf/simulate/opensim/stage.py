"""Activations out of what a stage wrote: muscles alone, by their names, in uniform time.

Quality gates: what a stage's result is held against, with the limits the field accepts.

========================  ======================================================================
markers of IK             largest error under 4 cm, root mean square under 2 cm in every frame:
                          OpenSim's documentation, "Inverse Kinematics: best practices"
residuals                 peak force under 5 % of the peak net external force, peak moment under
                          1 % of that force times the height of the centre of mass: Hicks et al.
                          (2015), doi 10.1115/1.4029304
reserves                  peak under 5 % of the peak moment of its joint: Hicks et al. (2015)
tracking                  2 degrees and 2 cm, root mean square: OpenSim's documentation, "RRA: best
                          practices", and Hicks et al. (2015)
========================  ======================================================================

A gate that is not passed does not stop a stage: it is shown, kept, and decided on by a person.
Residuals come with marker data and masses as they are; they say how much of the force is not
explained, which residual reduction lowers.

What every stage does: run once for the same inputs, verify, judge, appear whole or not.
"""

import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf import __version__
from nem2e_tf.errors import InputError
from nem2e_tf.io.files import read_json, refuse_foreign, replacing_folder, sha256, write_json
from nem2e_tf.io.storage import Storage, read_storage, write_storage
from nem2e_tf.simulate.opensim.inputs import SHORTEST_STEP, SLACK, Span, require_cover
from nem2e_tf.simulate.opensim.process import LOG, Progress, opensim_version, run_job

HICKS = "Hicks et al. 2015, doi 10.1115/1.4029304"
GUIDE = "OpenSim documentation, best practices"
MARKER_MAX = 0.04
MARKER_RMS = 0.02
RESIDUAL_FORCE = 0.05
RESIDUAL_MOMENT = 0.01
RESERVE = 0.05
TRACKING_ANGLE = 2.0
TRACKING_DISTANCE = 0.02


@dataclass(frozen=True)
class Gate:
    """One thing measured and its limit.

    Attributes
    ----------
    name : str
    value, limit : float
        In `unit`.
    unit : str
    where : str
        The marker, coordinate or actuator that is worst.
    source : str
        Where the limit is from.
    """

    name: str
    value: float
    limit: float
    unit: str
    where: str
    source: str

    @property
    def passed(self) -> bool:
        """Whether the value is within the limit."""
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
        Largest and root mean squared error of a frame, m.
    where : str
        Name of the worst marker.
    """
    return [
        Gate(
            "largest marker error", 100 * float(largest.max()), 100 * MARKER_MAX, "cm", where, GUIDE
        ),
        Gate("marker error, RMS", 100 * float(rms.max()), 100 * MARKER_RMS, "cm", "", GUIDE),
    ]


def residual_gates(
    forces: Mapping[str, NDArray[np.float64]],
    moments: Mapping[str, NDArray[np.float64]],
    /,
    *,
    external: float,
    height: float,
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
    for name, curves, scale, limit in (
        ("residual force", forces, external, RESIDUAL_FORCE),
        ("residual moment", moments, external * height, RESIDUAL_MOMENT),
    ):
        if curves:
            worst, peak = _worst(curves)
            unit = "% of external force" if name.endswith("force") else "% of force x COM height"
            gates.append(Gate(name, _percent(peak, scale), 100 * limit, unit, worst, HICKS))
    return gates


def reserve_gate(
    reserves: Mapping[str, NDArray[np.float64]],
    moments: Mapping[str, NDArray[np.float64]],
    /,
    *,
    crossed: Sequence[str],
) -> list[Gate]:
    """Judge the reserve of each coordinate that muscles move by its joint's peak moment.

    Parameters
    ----------
    reserves, moments : mapping of coordinate to float64 array [row]
        N m.
    crossed : sequence of str
        Coordinates that muscles move; the others have nothing but their actuators.
    """
    shares = {
        name: _percent(float(np.abs(curve).max()), float(np.abs(moments[name]).max()))
        for name, curve in reserves.items()
        if name in crossed and name in moments
    }
    if not shares:
        return []
    worst = max(shares, key=lambda name: shares[name])
    return [Gate("reserve", shares[worst], 100 * RESERVE, "% of joint moment", worst, HICKS)]


def tracking_gates(
    angles: Mapping[str, NDArray[np.float64]], distances: Mapping[str, NDArray[np.float64]], /
) -> list[Gate]:
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
            sizes = {key: float(np.sqrt(np.mean(curve**2))) for key, curve in curves.items()}
            worst = max(sizes, key=lambda key: sizes[key])
            gates.append(Gate(name, scale * sizes[worst], limit, unit, worst, f"{GUIDE}; {HICKS}"))
    return gates


def _worst(curves: Mapping[str, NDArray[np.float64]]) -> tuple[str, float]:
    peaks = {name: float(np.abs(curve).max()) for name, curve in curves.items()}
    worst = max(peaks, key=lambda name: peaks[name])
    return worst, peaks[worst]


def _percent(value: float, of: float) -> float:
    """Share in percent; of nothing, 0 for nothing and a number far beyond any limit else."""
    if of > 0:
        return 100 * value / of
    return 0.0 if value == 0 else 1e9


MARKER = "stage.json"

# Called with the name of a stage and how much of it is done, 0..1.
Watch = Callable[[str, float], None]


@dataclass(frozen=True)
class Made:
    """What a stage made in its folder.

    Attributes
    ----------
    outputs : mapping of str to str
        File name of each thing made, by what it is: ``motion``, ``model``, ``activation``.
    gates : tuple of Gate
    notes : tuple of str
    """

    outputs: Mapping[str, str]
    gates: tuple[Gate, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A stage that is ready to run: its inputs are read and fit each other.

    Attributes
    ----------
    stage : str
    settings : mapping
        Plain values that decide the result, files aside.
    inputs : tuple of Path
        Files that decide the result.
    span : (float, float) or None
        What it goes over, s; None where it is no motion.
    make : callable (folder, run) -> Made
        Writes setup files, calls `run` with a job of `nem2e_tf.simulate.opensim.worker`, which
        returns the
        worker's answer, verifies and judges.
    notes : tuple of str
    """

    stage: str
    settings: Mapping[str, Any]
    inputs: tuple[Path, ...]
    span: Span | None
    make: "Callable[[Path, Run], Made]"
    notes: tuple[str, ...] = ()


Run = Callable[[Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Result:
    """A finished stage.

    Attributes
    ----------
    stage : str
    folder : Path
        With setup files, results, OpenSim's log and ``stage.json``.
    outputs : dict of str to Path
        Files by what they are.
    gates : tuple of Gate
    notes : tuple of str
    seconds : float
        What it took when it ran.
    reused : bool
        Whether it was there already, made from the same inputs with the same settings.
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


def perform(plan: Plan, output: Path, *, watch: Watch | None = None) -> Result:
    """Run a stage, or take it as it is where it ran before with the same inputs and settings.

    Parameters
    ----------
    plan : Plan
    output : Path
        Folder of the stage; appears whole or not at all.
    watch : callable, optional
        Told how far it is.

    Raises
    ------
    InputError
        OpenSim is not there, failed, or wrote no result. Its log is then beside the folder.
    """
    digest = _digest(plan)
    done = _finished(output, digest)
    if done is not None:
        return done
    refuse_foreign(output, marker=MARKER, ours=_ours)
    failed = output.with_name(f"{output.name}.failed.log")
    began = time.monotonic()
    with replacing_folder(output, marker=MARKER) as folder:
        try:
            made = plan.make(folder, _runner(plan, folder, watch))
            if watch is not None:
                watch(plan.stage, 1.0)
        except InputError as error:
            if (folder / LOG).is_file():
                shutil.copyfile(folder / LOG, failed)
                raise InputError(f"{error}; OpenSim's log: {failed}") from None
            raise
        seconds = round(time.monotonic() - began, 2)
        write_json(
            folder / MARKER,
            {
                "stage": plan.stage,
                "digest": digest,
                "opensim": opensim_version(),
                "settings": dict(plan.settings),
                "span": plan.span,
                "inputs": {str(path): sha256(path) for path in plan.inputs},
                "outputs": dict(made.outputs),
                "gates": [gate.as_dict() for gate in made.gates],
                "notes": [*plan.notes, *made.notes],
                "seconds": seconds,
                "files": {
                    path.name: sha256(path) for path in sorted(folder.iterdir()) if path.is_file()
                },
            },
        )
    failed.unlink(missing_ok=True)
    found = _finished(output, digest)
    assert found is not None
    return replace(found, reused=False)


def plain(settings: Any) -> dict[str, Any]:
    """Turn a dataclass of settings into plain values; files are told by their names alone.

    What is in the files is told by their digests.
    """
    return {field.name: _plain(getattr(settings, field.name)) for field in fields(settings)}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return value.name
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def verified(folder: Path, name: str, *, stage: str, span: Span, slack: float = SLACK) -> Storage:
    """Read a table that OpenSim promised; what it damaged is written again, whole.

    Raises
    ------
    InputError
        It is not there, cannot be read, has no rows or does not cover the span.
    """
    file = folder / name
    if not file.is_file():
        raise InputError(f"{stage}: expected OpenSim to write {name}, found no such file")
    try:
        table = read_storage(file)
    except InputError as error:
        raise InputError(f"{stage}: OpenSim wrote what cannot be read: {error}") from None
    if not table.n_rows:
        raise InputError(f"{stage}: expected rows in {name}, found none")
    if any("repaired" in note for note in table.notes):
        rising = np.concatenate([[True], np.diff(table.time) > 0])
        table = replace(table, time=table.time[rising], data=table.data[rising], path=None)
        write_storage(file, table)
    require_cover(table.time, span, where=f"{stage}, {name}", what="results", slack=slack)
    return table


def found_file(folder: Path, pattern: str, *, stage: str) -> str:
    """Name of the one file in a folder that fits a pattern.

    Raises
    ------
    InputError
        None fits.
    """
    names = sorted(path.name for path in folder.glob(pattern))
    if not names:
        raise InputError(f"{stage}: expected OpenSim to write {pattern}, found no such file")
    return names[0]


def _runner(plan: Plan, folder: Path, watch: Watch | None) -> Run:
    progress: Progress | None = None
    if watch is not None and plan.span is not None:
        start, end = plan.span

        def progress(now: float) -> None:
            watch(plan.stage, min(max((now - start) / (end - start), 0.0), 1.0))

    def run(job: Mapping[str, Any]) -> dict[str, Any]:
        return run_job(job, folder, stage=plan.stage, progress=progress)

    return run


def _digest(plan: Plan) -> str:
    known = [plan.stage, dict(plan.settings), plan.span, [sha256(path) for path in plan.inputs]]
    text = json.dumps([*known, opensim_version(), __version__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


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


def activations(result: Result, muscles: Sequence[str]) -> Storage:
    """Take the activations of all muscles from a finished stage.

    Parameters
    ----------
    result : Result
        Of static optimization, computed muscle control or MocoInverse.
    muscles : sequence of str
        Names of the model's muscles.

    Returns
    -------
    Storage
        A column a muscle in the model's order. Static optimization's rows are kept; the others',
        which lie at the steps of their solvers, are interpolated linearly every 5 ms.

    Raises
    ------
    InputError
        A muscle's activation is missing.
    """
    file = result.outputs.get("activation") or result.outputs["states"]
    table = read_storage(file)
    columns = [_column(table, name, file) for name in muscles]
    first = np.concatenate([[True], np.diff(table.time) > 0])
    time, data = table.time[first], table.data[first][:, columns]
    if "states" in result.outputs:
        count = max(int((time[-1] - time[0]) / SHORTEST_STEP + 1e-6), 1)
        grid = time[0] + SHORTEST_STEP * np.arange(count + 1)
        data = np.column_stack([np.interp(grid, time, column) for column in data.T])
        time = grid
    return Storage("Muscle activations", tuple(muscles), time, data, in_degrees=False)


def _column(table: Storage, muscle: str, file: Path) -> int:
    for label in (muscle, f"/forceset/{muscle}/activation", f"{muscle}.activation"):
        if label in table.labels:
            return table.labels.index(label)
    raise InputError(f"{file}: expected the activation of {muscle}, found none")
