"""``nem2e-tf report -o``: a page, its tables and its figures.

Everything that a report shows, read from runs, their cohort and controls.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nem2e_tf.errors import InputError
from nem2e_tf.report.runs import (
    find_cohort,
    metrics_of,
    partial_results,
    read_held_out,
    read_history,
    traces_of,
)

if TYPE_CHECKING:
    import pandas as pd

    from nem2e_tf.report.page.page import Content, Control
    from nem2e_tf.report.pictures import Picture, Traces


Tell = Callable[[str], None]


def gather_content(
    runs: Sequence[Path],
    *,
    cohort: Path | None,
    controls: Sequence[Path],
    models: Sequence[str],
    tell: Tell,
) -> "Content":
    """Read and draw what a report shows.

    Parameters
    ----------
    runs, cohort, controls, models
        See `nem2e_tf.report.material.write_report`.
    tell : callable
        Told what was found beside the runs.

    Returns
    -------
    Content

    Raises
    ------
    InputError
        A folder that was given cannot be read. What is only found and cannot be read is told as
        missing.
    """
    from nem2e_tf.errors import near
    from nem2e_tf.evaluation.results import SETTINGS
    from nem2e_tf.report.evidence import gather, gather_further
    from nem2e_tf.report.figures.style import svg_text
    from nem2e_tf.report.notes import missing
    from nem2e_tf.report.page.page import Content
    from nem2e_tf.report.pictures import chosen, evidence_pictures, loss_pictures, trace_pictures
    from nem2e_tf.report.runs import read_runs, run_names

    lacking: list[str] = []
    found = cohort or find_cohort(runs, tell=tell)

    def unfinished(folder: Path) -> "pd.DataFrame | None":
        if found is None:
            lacking.append(
                f"{folder.name} is not finished and has no results; run the same 'nem2e-tf cv' "
                "again to finish it, or give --cohort to score what is finished"
            )
            return None
        lacking.append(f"{folder.name} is not finished: what is finished was scored")
        return partial_results(folder, found)

    results, references = read_runs(tuple(runs), of_unfinished=unfinished)
    headers = dict(zip(run_names(runs), map(_read_header, runs), strict=True))
    known = sorted(set(results["model"]))
    for name in models:
        if name not in known:
            raise InputError(
                f"--entry {name}: expected one of {', '.join(known)}{near(name, known)}"
            )
    evidence = gather(results, references)
    lacking += missing(results, list(headers.values()))
    pictures: list[Picture] = []
    shown = {}
    for by in evidence.kinds():
        shown[by] = chosen(evidence.summary[evidence.summary["by"] == by], models=models)
        pictures += evidence_pictures(evidence, results, shown[by], by=by)
    keys = [name for name in ("run", *SETTINGS) if name in results]
    wanted = [tuple(row[keys]) for rows in shown.values() for _, row in rows.iterrows()]
    traces: list[Traces] = []
    metrics: list[pd.DataFrame] = []
    unknown: list[str] = []
    if found is None:
        unknown.append(
            "No traces: the cohort is not beside the runs; give its folder with --cohort. "
            "Without it there are no metrics of the curves' size, shape and timing either"
        )
    else:
        for name, run in zip(headers, runs, strict=True):
            own = {key[-len(SETTINGS) :] for key in wanted if "run" not in keys or key[0] == name}
            curves, predictions, notes = read_held_out(run, found)
            unknown += notes
            if curves is not None:
                traces += traces_of(curves, predictions, wanted=own)
                several = {"run": name} if len(headers) > 1 else {}
                metrics.append(metrics_of(curves, predictions).assign(**several))
    lacking += unknown
    pictures += trace_pictures(traces)
    histories = [
        read_history(run, name=name if len(headers) > 1 else "")
        for name, run in zip(headers, runs, strict=True)
    ]
    lacking += [note for _, note in histories if note]
    pictures += loss_pictures(_together([table for table, _ in histories if table is not None]))
    read, drawn = _controls(runs, controls, tell, lacking, digest=_digest(headers))
    pictures += drawn
    return Content(
        evidence=evidence,
        results=results,
        headers=headers,
        further=gather_further(results, _curve_table(metrics), missing=unknown),
        pictures=[(p, svg_text(p.figure, name=p.name)) for p in pictures],
        controls=read,
        missing=tuple(dict.fromkeys(lacking)),
    )


def _curve_table(metrics: "list[pd.DataFrame]") -> "pd.DataFrame | None":
    from nem2e_tf.evaluation.curves import entry_curves

    together = _together(metrics)
    if together is None:
        return None
    if "run" in together:
        # What is held against the entries is the same in every run of a cohort.
        reference = together["pattern"] == ""
        together.loc[reference, "run"] = ""
        same = together.duplicated(["run", "by", "model", "seed", "group", "muscle"])
        together = together[~(reference & same)]
    return entry_curves(together)


def _together(tables: "list[pd.DataFrame]") -> "pd.DataFrame | None":
    import pandas as pd

    return pd.concat(tables, ignore_index=True) if tables else None


def _read_header(run: Path) -> Mapping[str, Any]:
    from nem2e_tf.io.files import read_json

    header: Mapping[str, Any] = read_json(run / "run.json")
    return header


def _digest(headers: Mapping[str, Mapping[str, Any]]) -> str:
    first = next(iter(headers.values()))
    return str(first.get("cohort", {}).get("digest") or first.get("digest") or "")


def _controls(
    runs: Sequence[Path], given: Sequence[Path], tell: Tell, lacking: list[str], *, digest: str
) -> "tuple[list[Control], list[Picture]]":
    """Read the controls that were given, and those beside the runs that are of them."""
    from nem2e_tf.controls.results import check_same_cohort, read_control
    from nem2e_tf.report.page.page import Control
    from nem2e_tf.report.pictures import attention_pictures

    names = {run.resolve().name for run in runs}
    folders = [folder.resolve() for folder in given]
    beside = sorted(
        {file.parent for run in runs for file in run.resolve().parent.glob("*/control.json")}
    )
    controls, pictures = [], []
    for folder in dict.fromkeys((*folders, *beside)):
        try:
            control = read_control(folder)
            if folder not in folders and not _is_of(control.header, names, digest):
                continue
            check_same_cohort(control, digest)
        except InputError as error:
            if folder in folders:
                raise
            lacking.append(f"Control left out: {error}")
            continue
        if folder not in folders:
            tell(f"control found beside the run: {folder.name}")
        controls.append(Control(control.name, control.header, control.tables["summary"]))
        pictures += attention_pictures(control.tables.get("weights"))
    return controls, pictures


def _is_of(header: Mapping[str, Any], names: set[str], digest: str) -> bool:
    """Whether a control is of one of these runs."""
    run, cohort = header.get("run") or {}, header.get("cohort") or {}
    return run.get("name") in names and cohort.get("digest") == digest


MARKER = "report.json"
PAGE = "report.html"
KIND = "nem2e-tf report"


def write_report(
    runs: Sequence[Path],
    output: Path,
    *,
    cohort: Path | None,
    controls: Sequence[Path],
    models: Sequence[str],
) -> None:
    """Write the page, tables and figures of runs into a folder, whole or not at all.

    Parameters
    ----------
    runs : sequence of Path
        Run folders of one cohort.
    output : Path
        The folder; an earlier report in it is replaced.
    cohort : Path, optional
        The cohort's folder, for traces; looked for beside the runs by default.
    controls : sequence of Path
        Folders of controls; those beside the runs are taken as well.
    models : sequence of str
        Entries whose curves are shown; by default the highest skill under each input pattern.

    Raises
    ------
    InputError
        A run cannot be read, or the folder holds something else.
    """
    from nem2e_tf.io.files import read_json, refuse_foreign, replacing_folder, write_json
    from nem2e_tf.report.page.page import page

    refuse_foreign(output, marker=MARKER, ours=lambda path: read_json(path).get("holds", []))
    content = gather_content(runs, cohort=cohort, controls=controls, models=models, tell=_tell)
    with replacing_folder(output, marker=MARKER) as folder:
        # Everything is drawn before anything is in its place.
        _write_figures(folder / "figures", content)
        _write_tables(folder / "tables", content)
        (folder / PAGE).write_text(page(content), encoding="utf-8", newline="\n")
        write_json(
            folder / MARKER,
            {
                "format": 1,
                "kind": KIND,
                "holds": [PAGE, "figures", "tables"],
                "runs": list(content.headers),
                "controls": [control.name for control in content.controls],
                "missing": list(content.missing),
            },
        )
    for line in content.missing:
        click.echo(line, err=True)
    click.echo(
        f"{output / PAGE}: {len(content.pictures)} figures, {len(content.controls)} controls"
    )


def _tell(text: str) -> None:
    click.echo(text, err=True)


def _write_figures(folder: Path, content: "Content") -> None:
    from nem2e_tf.report.figures.style import write_figure

    folder.mkdir()
    for picture, svg in content.pictures:
        # Drawn once: the file is what stands on the page.
        text = f'<?xml version="1.0" encoding="utf-8"?>\n{svg}\n'
        (folder / f"{picture.name}.svg").write_text(text, encoding="utf-8", newline="\n")
        write_figure(picture.figure, folder / f"{picture.name}.pdf")


def _write_tables(folder: Path, content: "Content") -> None:
    from nem2e_tf.report.page.page import pattern_table
    from nem2e_tf.report.tables import muscles_csv, muscles_latex

    folder.mkdir()
    files: dict[str, str] = {}
    for by in content.evidence.kinds():
        summary = content.evidence.summary
        summary = summary[summary["by"] == by]
        files[f"muscles-{by}.csv"] = muscles_csv(summary)
        files[f"muscles-{by}.tex"] = muscles_latex(summary, cohort=content.cohort)
    patterns = pattern_table(content.results)
    if not patterns.empty:
        files["patterns.csv"] = patterns.to_csv(index=False, lineterminator="\n")
    files |= content.further.files()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
