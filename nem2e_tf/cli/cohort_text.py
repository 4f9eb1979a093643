"""What commands that make cohorts say of them."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nem2e_tf.cohort import Cohort
    from nem2e_tf.importers.manifest import Report

_NAMES_SHOWN = 8
_LONGEST_LINE = 400


def size(cohort: "Cohort") -> str:
    """Say how large a cohort is, in a line."""
    names = cohort.muscle_names
    shown = ", ".join(names[:_NAMES_SHOWN])
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return (
        f"{len(cohort.cycles)} cycles of {cohort.cycles['subject'].nunique()} subjects, "
        f"{len(cohort.channels)} simulated channels, {len(names)} muscles ({shown}{more})"
    )


def echo_report(report: "Report") -> None:
    """Print what became of recordings to stderr; long lists of columns are shortened."""
    for line in (*report.notes, *report.columns_left_out):
        click.echo(f"note: {_short(line)}", err=True)
    for line in report.odd_cycles:
        click.echo(f"odd: {line}", err=True)
    for line in report.cycles_left_out:
        click.echo(f"left out: {line}", err=True)


def echo_checks(cohort: "Cohort") -> None:
    """Print what is odd to stderr; what must be wrong is called a warning."""
    from nem2e_tf.checks import check_alignment, check_cohort

    for finding in [*check_cohort(cohort), *check_alignment(cohort)]:
        mark = "WARNING" if finding.severity == "wrong" else "note"
        click.echo(": ".join(filter(None, (mark, finding.where, finding.message))), err=True)


def _short(line: str) -> str:
    if len(line) <= _LONGEST_LINE:
        return line
    kept = line[:_LONGEST_LINE].rpartition(", ")[0] or line[:_LONGEST_LINE]
    return f"{kept} and {line[len(kept) :].count(', ')} more"
