"""Write the report of runs: a page, its tables and its figures, in one folder.

`gather_content` reads and draws what the page shows; what is missing is not an error but a note.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from nem2e_tf.cohorts.cohort import Cohort, load_cohort
from nem2e_tf.controls.results import ControlResults, check_same_cohort, read_control
from nem2e_tf.errors import InputError, near
from nem2e_tf.evaluation.curves import entry_curves
from nem2e_tf.evaluation.results import SETTINGS
from nem2e_tf.io.files import read_json, refuse_foreign, replacing_folder, write_json
from nem2e_tf.report.evidence import gather, gather_further
from nem2e_tf.report.figures.style import svg_text, write_figure
from nem2e_tf.report.muscles import csv_text, muscles_latex
from nem2e_tf.report.notes import missing
from nem2e_tf.report.page.page import Content, page
from nem2e_tf.report.page.sections import pattern_table
from nem2e_tf.report.pictures import (
    Picture,
    Traces,
    attention_pictures,
    chosen,
    evidence_pictures,
    loss_pictures,
    trace_pictures,
)
from nem2e_tf.report.runs import (
    Run,
    cohort_digest,
    concatenated,
    find_cohort,
    metrics_of,
    partial_results,
    read_header,
    read_held_out,
    read_history,
    read_runs,
    run_names,
    run_paths,
    traces_of,
)

if TYPE_CHECKING:
    import os

MARKER = "report.json"
PAGE = "report.html"


@dataclass(frozen=True)
class Report:
    """A report that was written.

    Attributes
    ----------
    path : Path
        The page, ``report.html``; tables and figures are next to it.
    figures : int
        Number of figures.
    controls : tuple of str
        Names of the controls in it.
    found : tuple of str
        Cohort and controls that were not given but found next to the runs.
    missing : tuple of str
        What the report has no numbers of, and why.
    """

    path: Path
    figures: int
    controls: tuple[str, ...]
    found: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found, then what is missing, one sentence each."""
        return (*self.found, *self.missing)


def report(
    runs: "Run | Sequence[Run]",
    out: "str | os.PathLike[str]",
    *,
    cohort: "Cohort | str | os.PathLike[str] | None" = None,
    controls: "Sequence[str | os.PathLike[str]]" = (),
    models: Sequence[str] = (),
) -> Report:
    """Write the page, tables and figures of runs into a folder, completely or not at all.

    Parameters
    ----------
    runs : path-like or run, or a sequence of them
        Runs of one cohort.
    out : path-like
        The folder; an earlier report in it is replaced.
    cohort : Cohort or path-like, optional
        The cohort of the runs, for traces and metrics of the curves. By default it is searched for
        in the folders next to the runs.
    controls : sequence of path-like
        Folders of controls; those next to the runs are added.
    models : sequence of str
        Models whose curves are drawn; by default the highest skill under each input pattern.

    Returns
    -------
    Report
        Its ``path`` is the page.

    Raises
    ------
    InputError
        A run, the cohort or a given control cannot be read, or the folder holds other files.
    """
    output = Path(out)
    refuse_foreign(output, marker=MARKER, ours=lambda path: read_json(path).get("holds", []))
    content, found = gather_content(runs, cohort=cohort, controls=controls, models=models)
    names = tuple(control.name for control in content.controls)
    with replacing_folder(output, marker=MARKER) as folder:
        _write_figures(folder / "figures", content)
        _write_tables(folder / "tables", content)
        (folder / PAGE).write_text(page(content), encoding="utf-8", newline="\n")
        write_json(
            folder / MARKER,
            {
                "format": 1,
                "kind": "nem2e-tf report",
                "holds": [PAGE, "figures", "tables"],
                "runs": list(content.headers),
                "controls": list(names),
                "missing": list(content.missing),
            },
        )
    return Report(
        path=output / PAGE,
        figures=len(content.pictures),
        controls=names,
        found=found,
        missing=tuple(content.missing),
    )


def gather_content(
    runs: "Run | Sequence[Run]",
    *,
    cohort: "Cohort | str | os.PathLike[str] | None" = None,
    controls: "Sequence[str | os.PathLike[str]]" = (),
    models: Sequence[str] = (),
) -> tuple[Content, tuple[str, ...]]:
    """Read and draw what a report shows.

    Parameters
    ----------
    runs, cohort, controls, models
        See `report`.

    Returns
    -------
    content : Content
    found : tuple of str
        What was found next to the runs.

    Raises
    ------
    InputError
        A folder that was given cannot be read. One that was only found and cannot be read is listed
        as missing.
    """
    paths = run_paths(runs)
    headers = dict(zip(run_names(paths), map(read_header, paths), strict=True))
    digest = cohort_digest(next(iter(headers.values()), {}))
    found: list[str] = []
    lacking: list[str] = []
    if cohort is None and (beside := find_cohort(paths, digest=digest)):
        found.append(f"cohort found next to the run: {beside.name}")
        cohort = beside
    known = cohort if cohort is None or isinstance(cohort, Cohort) else load_cohort(cohort)

    def unfinished(folder: Path) -> "pd.DataFrame | None":
        if known is None:
            lacking.append(
                f"{folder.name} is not finished and has no results; run the same 'nem2e-tf cv' "
                "again to finish it, or give its cohort to score the finished fits"
            )
            return None
        lacking.append(f"{folder.name} is not finished: only its finished fits were scored")
        return partial_results(folder, known)

    results, references = read_runs(paths, of_unfinished=unfinished)
    present = sorted(set(results["model"]))
    for name in models:
        if name not in present:
            raise InputError(
                f"models {name}: expected one of {', '.join(present)}{near(name, present)}"
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
    without_curves: list[str] = []
    if known is None:
        without_curves.append(
            "No traces, and no metrics of the curves' size, shape and timing: the cohort is not "
            "next to the runs; give its folder"
        )
    for name, path in zip(headers, paths, strict=True):
        if known is None:
            break
        own = {key[-len(SETTINGS) :] for key in wanted if "run" not in keys or key[0] == name}
        curves, predictions, notes = read_held_out(path, known)
        without_curves += notes
        if curves is not None:
            traces += traces_of(curves, predictions, wanted=own)
            several = {"run": name} if len(headers) > 1 else {}
            metrics.append(metrics_of(curves, predictions).assign(**several))
    lacking += without_curves
    pictures += trace_pictures(traces)
    histories = [
        read_history(path, name=name if len(headers) > 1 else "")
        for name, path in zip(headers, paths, strict=True)
    ]
    lacking += [note for _, note in histories if note]
    pictures += loss_pictures(concatenated([table for table, _ in histories if table is not None]))
    read, drawn = _controls(paths, controls, found, lacking, digest=digest)
    pictures += drawn
    content = Content(
        evidence=evidence,
        results=results,
        headers=headers,
        further=gather_further(results, _curve_table(metrics), missing=without_curves),
        pictures=[(p, svg_text(p.figure, name=p.name)) for p in pictures],
        controls=read,
        missing=tuple(dict.fromkeys(lacking)),
    )
    return content, tuple(found)


def _curve_table(metrics: list[pd.DataFrame]) -> "pd.DataFrame | None":
    table = concatenated(metrics)
    if table is None:
        return None
    if "run" in table:
        # The references are the same in every run of a cohort.
        reference = table["pattern"] == ""
        table.loc[reference, "run"] = ""
        same = table.duplicated(["run", "by", "model", "seed", "group", "muscle"])
        table = table[~(reference & same)]
    return entry_curves(table)


def _controls(
    runs: Sequence[Path],
    given: "Sequence[str | os.PathLike[str]]",
    found: list[str],
    lacking: list[str],
    *,
    digest: str,
) -> tuple[list[ControlResults], list[Picture]]:
    """Read the controls that were given, and those next to the runs that are of these runs."""
    names = {run.resolve().name for run in runs}
    folders = [Path(folder).resolve() for folder in given]
    beside = sorted(
        {file.parent for run in runs for file in run.resolve().parent.glob("*/control.json")}
    )
    controls, pictures = [], []
    for folder in dict.fromkeys((*folders, *beside)):
        try:
            control = read_control(folder)
            run, cohort = (control.header.get(name) or {} for name in ("run", "cohort"))
            ours = run.get("name") in names and cohort.get("digest") == digest
            if folder not in folders and not ours:
                continue
            check_same_cohort(control, digest)
        except InputError as error:
            if folder in folders:
                raise
            lacking.append(f"Control left out: {error}")
            continue
        if folder not in folders:
            found.append(f"control found next to the run: {folder.name}")
        controls.append(control)
        pictures += attention_pictures(control.tables.get("weights"))
    return controls, pictures


def _write_figures(folder: Path, content: Content) -> None:
    folder.mkdir()
    for picture, svg in content.pictures:
        text = f'<?xml version="1.0" encoding="utf-8"?>\n{svg}\n'
        (folder / f"{picture.name}.svg").write_text(text, encoding="utf-8", newline="\n")
        write_figure(picture.figure, folder / f"{picture.name}.pdf")


def _write_tables(folder: Path, content: Content) -> None:
    folder.mkdir()
    files: dict[str, str] = {}
    for by in content.evidence.kinds():
        summary = content.evidence.summary
        summary = summary[summary["by"] == by]
        files[f"muscles-{by}.csv"] = csv_text(summary)
        files[f"muscles-{by}.tex"] = muscles_latex(summary, cohort=content.cohort)
    patterns = pattern_table(content.results)
    if not patterns.empty:
        files["patterns.csv"] = csv_text(patterns)
    files |= content.further.files()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
