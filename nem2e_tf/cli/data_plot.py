"""``nem2e-tf data plot``: the picture of a cohort that is looked at first."""

from pathlib import Path

import click

from nem2e_tf.cli.options import output_option
from nem2e_tf.errors import InputError, near

_FORMATS = (".pdf", ".svg", ".png")
_DOTS_AN_INCH = 200
_MOST_GROUPS = 12


@click.command()
@click.argument("cohort", type=click.Path(path_type=Path))
@click.option(
    "--muscle", "muscles", multiple=True, help="Only this muscle; may be repeated.  [default: all]"
)
@click.option("--subject", "subjects", multiple=True, help="Only this subject; may be repeated.")
@click.option(
    "--by",
    default="condition",
    show_default=True,
    help="Column of the cycles that makes the columns of the picture: condition, subject, side.",
)
@click.option(
    "--relative",
    is_flag=True,
    help="Curves as shares of their largest mean, for EMG that is not normalised.",
)
@output_option("Picture to write: .pdf, .svg or .png.")
def plot(
    cohort: Path,
    *,
    muscles: tuple[str, ...],
    subjects: tuple[str, ...],
    by: str,
    relative: bool,
    output: Path,
) -> None:
    """Plot simulated and measured curves of COHORT: mean and spread over cycles, by speed."""
    import numpy as np

    from nem2e_tf.cohort import load_cohort
    from nem2e_tf.files import replacing
    from nem2e_tf.report.curves import draw_curves

    if output.suffix.lower() not in _FORMATS:
        raise InputError(f"{output}: expected a name that ends in {', '.join(_FORMATS)}")
    if not output.parent.is_dir():
        raise InputError(f"{output}: expected an existing folder {output.parent}, found none")
    loaded = load_cohort(cohort)
    names = loaded.muscle_names
    for kind, given, known in (
        ("muscle", muscles, names),
        ("subject", subjects, sorted(set(loaded.cycles["subject"]))),
        ("column", (by,), [str(column) for column in loaded.cycles.columns]),
    ):
        for name in given:
            if name not in known:
                raise InputError(
                    f"{cohort}: expected a {kind} of the cohort, found {name!r}{near(name, known)}"
                )
    if subjects:
        loaded = loaded.select(loaded.cycles["subject"].isin(subjects).to_numpy())
    # Speeds in order, where the columns have any.
    table = loaded.cycles
    order = table["speed"].to_numpy(dtype=float).argsort(kind="stable")
    groups = [str(value) for value in table[by].iloc[order]]
    if len(set(groups)) > _MOST_GROUPS:
        raise InputError(
            f"--by {by}: expected at most {_MOST_GROUPS} groups side by side, found "
            f"{len(set(groups))}; choose some with --subject, or another column"
        )
    chosen = [names.index(name) for name in muscles or names]
    simulated = np.stack(
        [
            np.asarray(loaded.simulated[:, :, list(loaded.counterparts[i])]).mean(axis=2)
            for i in chosen
        ],
        axis=2,
    )
    figure = draw_curves(
        np.asarray(loaded.measured[:, :, chosen])[order],
        simulated[order],
        muscles=[names[i] for i in chosen],
        groups=groups,
        title=f"{loaded.name}{': ' + ', '.join(subjects) if subjects else ''}",
        relative=relative,
    )
    with replacing(output) as temporary:
        figure.savefig(temporary, format=output.suffix[1:].lower(), dpi=_DOTS_AN_INCH)
    click.echo(f"{output}: {len(chosen)} muscles, {len(loaded.cycles)} cycles")
