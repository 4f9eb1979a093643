"""Export every entry of the zoo in every format and write a table of the results.

One row per entry and format, without gaps: a cell without a value states the reason. Entries are
trained briefly on an embedded cohort, one model for all muscles. Existing refiners and rows are
reused, so an interrupted run can be continued. Writes CSV and Markdown.

    tools/export-table [--entry NAME]... [--cohort NAME] [--units N] [--epochs N] [-o FOLDER]
"""

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
# name of the format: form of the recurrences, precision
TFLITE = {
    "TFLite float32, loop": ("loop", "float32"),
    "TFLite float32, unrolled": ("unrolled", "float32"),
    "TFLite float16": ("loop", "float16"),
    "TFLite dynamic": ("loop", "dynamic"),
    "TFLite int8": ("unrolled", "int8"),
}
FORMATS = ("SavedModel", *TFLITE, "ONNX")
COLUMNS = [
    "entry",
    "format",
    "converts",
    "operators",
    "difference",
    "rmse_change",
    "skill_refiner",
    "skill_file",
    "bytes",
    "median_ms",
    "p99_ms",
    "peak_mb",
    "arena_kb",
]
IN_TENSORFLOW = "runs in TensorFlow"
Row = dict[str, Any]


def main() -> int:
    """Compute the missing rows and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entry", action="append", help="entry of the zoo; all by default")
    parser.add_argument("--cohort", default="run", help="embedded cohort (default: run)")
    parser.add_argument("--units", type=int, default=16, help="of networks (default: 16)")
    parser.add_argument("--epochs", type=int, default=40, help="at most (default: 40)")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / ".cache" / "export-table")
    given = parser.parse_args()
    from nem2e_tf.zoo import list_models

    known = list_models()
    wrong = [name for name in given.entry or [] if name not in known]
    if wrong:
        parser.error(f"--entry {wrong[0]}: expected one of {', '.join(known)}")
    place = given.out / f"{given.cohort}-{given.units}-{given.epochs}"
    rows = []
    for name in given.entry or known:
        kept = place / f"{name}.json"
        if not kept.exists():
            print(f"{name}: training and exporting", file=sys.stderr)
            refiner = trained(name, place, given)
            kept.write_text(json.dumps(list(rows_of(name, refiner))), encoding="utf-8")
        rows += json.loads(kept.read_text(encoding="utf-8"))
    title = (
        f"Every entry on the embedded cohort `{given.cohort}`, all muscles in one model, "
        f"{given.units} units, at most {given.epochs} epochs: enough to compare a file with its "
        "refiner, not to compare entries."
    )
    table = pd.DataFrame(rows)[COLUMNS]
    table.to_csv(given.out / "exports.csv", index=False, lineterminator="\n")
    (given.out / "exports.md").write_text(f"{title}\n\n{markdown(table)}", encoding="utf-8")
    print(f"{given.out}: exports.csv and exports.md, {len(table)} rows")
    return 0


def trained(name: str, place: Path, given: argparse.Namespace) -> Any:
    """Train an entry, or load its trained refiner."""
    from nem2e_tf.cohorts.synthetic.cohorts import make
    from nem2e_tf.refiners.refiner import load_refiner
    from nem2e_tf.training.train import train

    folder = place / "refiners" / name
    if not (folder / "refiner.json").exists():
        if not (place / "cohort" / "cohort.json").exists():
            make(given.cohort).cohort.save(place / "cohort")
        sizes = {"units": given.units, "epochs": given.epochs}
        train(place / "cohort", name, out=folder, targets="joint", **sizes)
    return load_refiner(folder)


def rows_of(name: str, refiner: Any) -> Iterator[Row]:
    """Export a refiner in every format; one row per format."""
    for form, row in zip(FORMATS, _rows(refiner), strict=True):
        yield {"entry": name, "format": form, **row}


def _rows(refiner: Any) -> Iterator[Row]:
    from nem2e_tf.export.exporter import export

    with tempfile.TemporaryDirectory() as scratch:
        yield attempt(
            lambda: listed(
                export(
                    refiner, Path(scratch) / "saved", formats=["saved-model"], timed=False
                ).files[0]
            )
        )
        yield from tflite_rows(refiner, Path(scratch))
        yield attempt(
            lambda: listed(export(refiner, Path(scratch) / "onnx", formats=["onnx"]).files[0])
        )


def tflite_rows(refiner: Any, scratch: Path) -> Iterator[Row]:
    """Convert all TFLite formats in one child process; one row each, in the order of `TFLITE`."""
    from nem2e_tf.errors import InputError
    from nem2e_tf.export.context import Choices, Export
    from nem2e_tf.export.formats import tflite
    from nem2e_tf.export.graph.pieces import pieces_of

    (piece,) = pieces_of(refiner)
    refined = refiner.predict(refiner.reference.simulated)
    jobs = {}
    for form in ("loop", "unrolled"):
        precisions = tuple(p for own, p in TFLITE.values() if own == form)
        choices = Choices(precisions=precisions, recurrence=form)
        folder = scratch / form
        folder.mkdir()
        run = Export(refiner, choices, folder, folder, refined)
        for job in tflite.write_graphs(run, piece):
            jobs[form, job.precision] = run, job
    with contextlib.suppress(InputError):  # each file that is missing tells its own reason below
        tflite.convert([job for _, job in jobs.values()])
    for form, precision in TFLITE.values():
        if form == "unrolled" and precision == "float32" and not piece.has_recurrence:
            yield refused("no recurrence: the same as loop")
            continue
        run, job = jobs[form, precision]
        yield attempt(lambda run=run, job=job: checked_row(run, piece, job))


def checked_row(run: Any, piece: Any, job: Any) -> Row:
    """Check one converted file, time it, and run it in the interpreter for microcontrollers."""
    from nem2e_tf.export.formats import tflite
    from nem2e_tf.export.latency import measure

    # once more for those that failed, alone: says why
    if not job.target.is_file():
        tflite.convert([job])
    checked = tflite.finish(run, piece, job)
    return {
        **compared([item.to_json() for item in checked.parity]),
        "operators": checked.audit.n_operators,
        "bytes": len(checked.content),
        **asdict(measure(checked.content)),
        "arena_kb": arena(checked.content),
    }


def arena(content: bytes) -> "float | str":
    """Arena in TensorFlow Lite for Microcontrollers, KB, or the reason why it does not run."""
    from nem2e_tf.errors import InputError
    from nem2e_tf.export.formats import micro

    try:
        found = micro.measure_micro(content)
    except InputError as error:
        return str(error)
    if not found.fits or found.arena_bytes is None:
        return found.reason
    return round(found.arena_bytes / 1024, 1)


def listed(item: Any) -> Row:
    """Row of a file of another format, from the export's result."""
    timed = item.latency or dict.fromkeys(("median_ms", "p99_ms", "peak_mb"), IN_TENSORFLOW)
    return {
        **compared(item.parity),
        "operators": sum(item.operators.values()) or IN_TENSORFLOW,
        "bytes": item.n_bytes,
        **timed,
        "arena_kb": "not TFLite",
    }


def compared(parity: Any) -> Row:
    """Largest difference and change of error over muscles; mean skill."""
    skills = [(one["skill_refiner"], one["skill_file"]) for one in parity]
    known = [pair for pair in skills if None not in pair]
    before, after = (
        (sum(column) / len(known) for column in zip(*known, strict=True))
        if known
        else ("no mean pattern",) * 2
    )
    return {
        "converts": "yes",
        "difference": max(one["difference"] for one in parity),
        "rmse_change": max((one["rmse_change"] for one in parity), key=abs),
        "skill_refiner": before,
        "skill_file": after,
    }


def attempt(make: Callable[[], Row]) -> Row:
    """Compute a row, or one that states why there is none."""
    from nem2e_tf.errors import InputError

    try:
        return make()
    except InputError as error:
        return refused(str(error))


def refused(reason: str) -> Row:
    """Row of a file that could not be exported."""
    rest = dict.fromkeys(COLUMNS[3:], "-")
    return {"converts": reason, **rest}


def markdown(table: pd.DataFrame) -> str:
    """Render the table as Markdown, with few digits."""
    heading = [
        *("entry", "format", "converts, operators all builtin", "operators"),
        *("difference, of range", "change of error", "skill, refiner", "skill, file", "KB"),
        *("ms", "ms, 99 %", "memory, MB", "arena, KB"),
    ]
    shown = {
        "difference": "{:.1e}",
        "rmse_change": "{:+.3%}",
        "skill_refiner": "{:+.3f}",
        "skill_file": "{:+.3f}",
        "median_ms": "{:.3f}",
        "p99_ms": "{:.3f}",
        "peak_mb": "{:.1f}",
    }
    lines = [f"| {' | '.join(heading)} |", f"|{'---|' * len(heading)}"]
    for _, row in table.iterrows():
        cells = []
        for column in COLUMNS:
            value = row[column] / 1000 if _is_size(column, row[column]) else row[column]
            form = "{:.0f}" if column == "bytes" else shown.get(column, "{}")
            cells.append(str(value) if isinstance(value, str) else form.format(value))
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join([*lines, ""])


def _is_size(column: str, value: Any) -> bool:
    return column == "bytes" and not isinstance(value, str)


if __name__ == "__main__":
    sys.exit(main())
