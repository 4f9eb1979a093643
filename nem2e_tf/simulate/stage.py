"""What every stage does: run once for the same inputs, verify, judge, appear whole or not."""

import hashlib
import json
import math
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from nem2e_tf import __version__
from nem2e_tf.errors import InputError
from nem2e_tf.files import read_json, sha256, write_json
from nem2e_tf.folders import refuse_foreign, replacing_folder
from nem2e_tf.simulate.gates import Gate
from nem2e_tf.simulate.motion import SLACK, Span, require_cover
from nem2e_tf.simulate.process import LOG, Progress, opensim_version, run_job
from nem2e_tf.storage import Storage, read_storage, write_storage

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
        Writes setup files, calls `run` with a job of `nem2e_tf.simulate.worker`, which returns the
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
