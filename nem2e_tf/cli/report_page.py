"""``nem2e-tf report -o``: a page, its tables and its figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nem2e_tf.report.page.page import Content

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
    from nem2e_tf.cli.report_material import gather_content
    from nem2e_tf.files import read_json, write_json
    from nem2e_tf.folders import refuse_foreign, replacing_folder
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
    from nem2e_tf.report.figures.saving import write_figure

    folder.mkdir()
    for picture, svg in content.pictures:
        # Drawn once: the file is what stands on the page.
        text = f'<?xml version="1.0" encoding="utf-8"?>\n{svg}\n'
        (folder / f"{picture.name}.svg").write_text(text, encoding="utf-8", newline="\n")
        write_figure(picture.figure, folder / f"{picture.name}.pdf")


def _write_tables(folder: Path, content: "Content") -> None:
    from nem2e_tf.report.muscle_table import muscles_csv, muscles_latex
    from nem2e_tf.report.page.sections import pattern_table

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
