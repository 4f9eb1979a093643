"""``nem2e-tf data``: cohorts made from recordings or from nothing, and files looked into."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

if TYPE_CHECKING:
    from nem2e_tf.cohort import Cohort

_NAMES_SHOWN = 8


@click.group(name="data")
def command() -> None:
    """Make cohorts, and look into cohorts and storage files."""


@command.command()
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option(
    "--map",
    "map_path",
    type=click.Path(path_type=Path),
    help="Channel map for rows that name none; channels.csv beside the manifest by default.",
)
@click.option(
    "--normalise",
    type=click.Choice(["none", "subject-maximum"]),
    default="none",
    show_default=True,
    help="none keeps the EMG as in the files; subject-maximum divides each muscle by the "
    "subject's largest value over all conditions.",
)
@click.option("--name", help="Name of the cohort; the manifest's file name by default.")
@click.option(
    "--shortest", default=0.4, show_default=True, help="Shortest cycle between two contacts, s."
)
@click.option(
    "--longest", default=3.0, show_default=True, help="Longest cycle between two contacts, s."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option(
    "-o",
    "--out",
    "output",
    required=True,
    type=click.Path(path_type=Path),
    help="Cohort folder to write.",
)
def build(
    manifest: Path,
    *,
    map_path: Path | None,
    normalise: Any,
    name: str | None,
    shortest: float,
    longest: float,
    as_json: bool,
    output: Path,
) -> None:
    """Build a cohort from the trials in MANIFEST, a CSV table with one row a trial.

    Columns: subject, condition, speed, side (r or l), simulated, emg (storage files), and either
    ground_reaction and plate (such as 1_ground_force) or start and end (s); optional threshold (N),
    trial, map. The channel map is a CSV table with the columns column, muscle and, optional,
    electrode and counterparts.
    """
    from nem2e_tf.importers.manifest import build as build_cohort

    cohort, report = build_cohort(
        manifest,
        map_path=map_path,
        name=name,
        normalise=normalise,
        shortest=shortest,
        longest=longest,
    )
    folder = cohort.save(output)
    for line in (*report.notes, *report.columns_left_out):
        click.echo(f"note: {line}", err=True)
    for line in report.cycles_left_out:
        click.echo(f"left out: {line}", err=True)
    if as_json:
        found = {"folder": str(folder), "digest": cohort.digest, **report.as_dict()}
        click.echo(json.dumps(found, indent=1, allow_nan=False))
    else:
        click.echo(f"{folder}: {_size(cohort)}; {len(report.cycles_left_out)} cycles left out")


@command.command()
@click.argument("name", type=click.Choice(["walk", "run"]))
@click.option("--seed", type=int, help="Another draw than the fixed cohort.")
@click.option(
    "--planted",
    type=click.Choice(["lag", "gain", "leak", "none"]),
    help="Distort the simulation in this one way only; by default in all of them.",
)
@click.option("--subjects", type=int, help="How many; 8 walk and 10 run by default.")
@click.option(
    "--cycles", type=int, help="Cycles a subject and speed; 1 walking and 3 running by default."
)
@click.option(
    "-o",
    "--out",
    "output",
    required=True,
    type=click.Path(path_type=Path),
    help="Cohort folder to write.",
)
def synth(
    name: str,
    *,
    seed: int | None,
    planted: str | None,
    subjects: int | None,
    cycles: int | None,
    output: Path,
) -> None:
    """Make the embedded cohort NAME, a synthetic one with the structure of a public data set.

    walk: 8 subjects at 4 speeds, 5 muscles, 92 simulated channels. run: 10 subjects at 4 speeds,
    16 muscles that are 11 electrodes. The same seed gives the same cohort. With --subjects and
    --cycles it may be larger than the memory; one subject has to fit.
    """
    from nem2e_tf.cohort import load_cohort
    from nem2e_tf.importers.distortion import Distortion
    from nem2e_tf.importers.large import write_synthetic

    distortions = {
        "lag": Distortion.pure_lag(),
        "gain": Distortion.pure_gain(),
        "leak": Distortion.pure_leak(),
        "none": Distortion.none(),
    }
    distortion = distortions[planted] if planted else None
    folder = write_synthetic(
        output, name, seed=seed, distortion=distortion, n_subjects=subjects, n_cycles=cycles
    )
    click.echo(f"{folder}: {_size(load_cohort(folder))}; synthetic")


@command.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def check(path: Path, *, as_json: bool) -> None:
    """Say what is in PATH, a storage file or a cohort folder: sizes, ranges, gaps, notes."""
    found = describe_cohort(path) if path.is_dir() else describe_storage(path)
    for note in found["notes"]:
        click.echo(f"note: {note}", err=True)
    if as_json:
        click.echo(json.dumps(found, indent=1, allow_nan=False))
        return
    for key, value in found.items():
        if key != "notes" and not isinstance(value, list):
            click.echo(f"{key.replace('_', ' ')}: {_text(value)}")
    for key, value in found.items():
        if key != "notes" and isinstance(value, list):
            _echo_table(key.replace("_", " "), value)


def describe_storage(path: Path) -> dict[str, Any]:
    """Describe a storage file.

    Returns
    -------
    dict
        Plain values: rows, time span, step, gaps, muscles recognised, a row a column, notes.

    Raises
    ------
    InputError
        The file is missing or no storage file.
    """
    from nem2e_tf.muscles import try_parse_label
    from nem2e_tf.storage import read_storage

    storage = read_storage(path)
    steps = np.diff(storage.time)
    usual = float(np.median(steps)) if len(steps) else None
    gaps = [
        {"start": float(storage.time[i]), "end": float(storage.time[i + 1])}
        for i in np.flatnonzero(steps > 2.5 * (usual or 0))
    ]
    recognised = [label for label in map(try_parse_label, storage.labels) if label]
    return {
        "file": str(path),
        "name": storage.name,
        "rows": storage.n_rows,
        "columns": len(storage.labels),
        "in_degrees": storage.in_degrees,
        "start_s": float(storage.time[0]) if storage.n_rows else None,
        "end_s": float(storage.time[-1]) if storage.n_rows else None,
        "usual_step_s": usual,
        "smallest_step_s": float(steps.min()) if len(steps) else None,
        "largest_step_s": float(steps.max()) if len(steps) else None,
        "activations": sum(label.quantity == "activation" for label in recognised),
        "excitations": sum(label.quantity == "excitation" for label in recognised),
        "gaps": gaps,
        "ranges": [
            {"column": label, **_range(storage.data[:, i])}
            for i, label in enumerate(storage.labels)
        ],
        "notes": list(storage.notes),
    }


def describe_cohort(path: Path) -> dict[str, Any]:
    """Describe a cohort folder.

    Returns
    -------
    dict
        Plain values: sizes, who and how fast, ranges, cycles without EMG, notes.

    Raises
    ------
    InputError
        The folder is no cohort.
    """
    from nem2e_tf.cohort import load_cohort
    from nem2e_tf.files import read_json

    cohort = load_cohort(path)
    notes = []
    if read_json(path / "cohort.json").get("digest") != cohort.digest:
        notes.append("the content is not what cohort.json's digest says; it was changed or damaged")
    simulated = np.asarray(cohort.simulated)
    outside = int(((simulated < 0) | (simulated > 1)).sum())
    if outside:
        notes.append(f"{outside} of {simulated.size} simulated values are outside 0..1")
    if np.isnan(simulated).any():
        notes.append(f"{int(np.isnan(simulated).sum())} simulated values are nan")
    table = cohort.cycles
    duration = (table["end"] - table["start"]).to_numpy(dtype=float)
    groups = table.groupby(["subject", "condition"], sort=False, dropna=False)
    return {
        "folder": str(path),
        "name": cohort.name,
        "digest": cohort.digest,
        "cycles": len(table),
        "subjects": int(table["subject"].nunique()),
        "conditions": int(table["condition"].nunique()),
        "sides": " ".join(sorted(set(table["side"]))),
        "shortest_cycle_s": _finite(duration.min()) if len(duration) else None,
        "longest_cycle_s": _finite(duration.max()) if len(duration) else None,
        "channels": len(cohort.channels),
        "simulated_lowest": _range(simulated)["lowest"],
        "simulated_highest": _range(simulated)["highest"],
        "muscles": [
            {
                "muscle": row["name"],
                "electrode": row["electrode"],
                "counterparts": row["counterparts"],
                **_range(np.asarray(cohort.measured[:, :, i])),
                "cycles_without": int(np.isnan(cohort.measured[:, :, i]).any(axis=1).sum()),
            }
            for i, row in enumerate(cohort.muscles.to_dict("records"))
        ],
        "recordings": [
            {
                "subject": subject,
                "condition": condition,
                "speed": _finite(rows["speed"].iloc[0]),
                "cycles": len(rows),
            }
            for (subject, condition), rows in groups
        ],
        "notes": notes,
    }


def _range(values: np.ndarray) -> dict[str, Any]:
    finite = values[np.isfinite(values)]
    return {
        "lowest": float(finite.min()) if finite.size else None,
        "highest": float(finite.max()) if finite.size else None,
        "not_finite": int(values.size - finite.size),
    }


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _size(cohort: "Cohort") -> str:
    names = cohort.muscle_names
    shown = ", ".join(names[:_NAMES_SHOWN])
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return (
        f"{len(cohort.cycles)} cycles of {cohort.cycles['subject'].nunique()} subjects, "
        f"{len(cohort.channels)} simulated channels, {len(names)} muscles ({shown}{more})"
    )


def _text(value: Any) -> str:
    if value is None:
        return "not stated"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _echo_table(title: str, rows: list[dict[str, Any]]) -> None:
    click.echo(f"\n{title}:{'' if rows else ' none'}")
    if not rows:
        return
    cells = [[key.replace("_", " ") for key in rows[0]]]
    cells += [[_text(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        click.echo(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        )
