"""A project file: the trials of many subjects, simulated by one command.

TOML. A key given above holds for all below it that do not give it again; file names are relative to
the project file::

    model = "generic.osim"
    method = "so"

    [[subject]]
    name = "S01"
    mass = 72.6
    static = "S01/static.trc"
    measurements = "measurements.xml"

    [[subject.trial]]
    name = "walk1"
    motion = "S01/walk1.trc"
    forces = "S01/walk1_grf.mot"
    start = 0.5
    end = 1.9

Keys are those of `nem2e_tf.simulate.chain.ChainSettings`. Results go to ``S01/walk1`` below the
output folder.
"""

import dataclasses
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nem2e_tf.errors import InputError, near
from nem2e_tf.files import output_folder, write_json
from nem2e_tf.simulate.chain import Chain, ChainSettings, run_chain
from nem2e_tf.simulate.process import opensim_version
from nem2e_tf.simulate.stage import Watch

MARKER = "project.json"
_FIELDS = {field.name: str(field.type) for field in dataclasses.fields(ChainSettings)}
_NEEDED = ("model", "motion", "forces")
_KINDS: dict[str, tuple[type, ...]] = {
    "float": (int, float),
    "int": (int,),
    "bool": (bool,),
    "tuple": (list,),
}


@dataclass(frozen=True)
class Trial:
    """One trial of a project.

    Attributes
    ----------
    subject, name : str
        The subject may be empty.
    settings : ChainSettings
    """

    subject: str
    name: str
    settings: ChainSettings

    @property
    def title(self) -> str:
        """Subject and name."""
        return f"{self.subject}/{self.name}" if self.subject else self.name


@dataclass(frozen=True)
class Outcome:
    """What became of a trial: its chain, or why there is none."""

    trial: Trial
    chain: Chain | None
    error: str = ""


def read_project(path: "str | os.PathLike[str]") -> list[Trial]:
    """Read a project file.

    Raises
    ------
    InputError
        It is missing or no TOML, a key is unknown or of the wrong kind, or a trial lacks one.
    """
    file = Path(path)
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{file}: expected a project file, found no such file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            f"{file}: expected a project file (TOML), cannot read it ({error})"
        ) from None
    common = _keys(table, file, "the top", below=("subject",))
    trials = []
    for number, subject in enumerate(_tables(table, "subject", file), start=1):
        name = _name(subject, file, f"subject {number}")
        shared = common | _keys(subject, file, f"subject {name}", below=("name", "trial"))
        for count, trial in enumerate(_tables(subject, "trial", file, f"subject {name}"), start=1):
            title = f"{name}/{_name(trial, file, f'trial {count} of subject {name}')}"
            given = shared | _keys(trial, file, f"trial {title}", below=("name",))
            missing = [key for key in _NEEDED if key not in given]
            if missing:
                raise InputError(f"{file}, trial {title}: expected {missing[0]}, found none")
            trials.append(Trial(name, title.partition("/")[2], ChainSettings(**given)))
    titles = [trial.title for trial in trials]
    twice = [title for title in titles if titles.count(title) > 1]
    if twice:
        raise InputError(f"{file}: expected each trial once, found {twice[0]} again")
    return trials


def run_project(
    trials: list[Trial],
    output: Path,
    *,
    jobs: int = 1,
    strict: bool = False,
    watch: Callable[[str], Watch] | None = None,
    finished: Callable[[Outcome], None] | None = None,
    marker: str = MARKER,
) -> list[Outcome]:
    """Simulate all trials, several at a time; one that fails does not stop the others.

    Parameters
    ----------
    trials : list of Trial
    output : Path
        Folder to write.
    jobs : int
        How many trials at a time, each with OpenSim in a process of its own.
    strict : bool
        A trial ends at the first quality gate that it does not pass.
    watch : callable (title) -> watch, optional
        Gives what is told how far a trial is.
    finished : callable, optional
        Told of each trial when it has ended.
    marker : str
        File that holds the results and tells a folder of ours.

    Returns
    -------
    list of Outcome
        In the order of the trials.

    Raises
    ------
    InputError
        OpenSim is not there, or the folder holds something else.
    """
    if jobs < 1:
        raise InputError(f"jobs: expected 1 or more, found {jobs}")
    opensim_version()
    folder = output_folder(output, marker=marker)
    write_json(folder / marker, {"finished": False})

    def one(trial: Trial) -> Outcome:
        place = folder / trial.subject / trial.name
        try:
            told = watch(trial.title) if watch is not None else None
            outcome = Outcome(trial, run_chain(trial.settings, place, watch=told, strict=strict))
        except InputError as error:
            outcome = Outcome(trial, None, str(error))
        if finished is not None:
            finished(outcome)
        return outcome

    pool = ThreadPoolExecutor(jobs)
    try:
        outcomes = list(pool.map(one, trials))
    finally:
        pool.shutdown(cancel_futures=True)
    write_json(
        folder / marker,
        {
            "finished": all(outcome.chain is not None for outcome in outcomes),
            "trials": {
                outcome.trial.title: outcome.chain.as_dict()
                if outcome.chain is not None
                else {"error": outcome.error}
                for outcome in outcomes
            },
        },
    )
    return outcomes


def _keys(
    table: Mapping[str, Any], file: Path, where: str, *, below: tuple[str, ...]
) -> dict[str, Any]:
    """Settings of one level, checked; files relative to the project's folder."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        if key in below:
            continue
        if key not in _FIELDS:
            known = [*_FIELDS, *below]
            raise InputError(f"{file}, {where}: no key {key!r}{near(key, known)}")
        kind = _FIELDS[key]
        wanted = next((types for name, types in _KINDS.items() if name in kind), (str,))
        if not isinstance(value, wanted) or (bool not in wanted and isinstance(value, bool)):
            name = {str: "a text", list: "a list", bool: "true or false"}.get(wanted[0], "a number")
            raise InputError(f"{file}, {where}, {key}: expected {name}, found {value!r}")
        if "Path" in kind:
            found[key] = file.parent / str(value)
        else:
            found[key] = tuple(value) if isinstance(value, list) else value
    return found


def _tables(
    table: Mapping[str, Any], key: str, file: Path, where: str = "the top"
) -> Iterator[Mapping[str, Any]]:
    rows = table.get(key)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{file}, {where}: expected [[{key}]] tables, found none")
    yield from rows


def _name(table: Mapping[str, Any], file: Path, where: str) -> str:
    name = table.get("name")
    if not isinstance(name, str) or not name or set(name) & set("/\\") or name.startswith("."):
        raise InputError(f"{file}, {where}: expected a name that can be a folder's, found {name!r}")
    return name
