"""Data of each section of the page, for the macro of the same name in the templates.

Tables are described by columns (`nem2e_tf.report.page.columns`). A function returns None if its
section is empty.
"""

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nem2e_tf.controls.results import ControlResults
from nem2e_tf.evaluation.paper import between_patterns
from nem2e_tf.evaluation.results import BLOCK, SETTINGS, entry_columns
from nem2e_tf.evaluation.statistics import OVERALL
from nem2e_tf.report.evidence import Evidence, Further
from nem2e_tf.report.muscles import csv_text, entries, muscles_latex, printed
from nem2e_tf.report.notes import WORDS, differing, notes, settings_of, shared
from nem2e_tf.report.page.columns import Column, Table, reasons, table, with_entry

Section = dict[str, Any]

ENTRY = Column("entry", "entry", "text")
MUSCLE = Column("muscle", "muscle", "text")
N = Column("n", "n", places=0)

VERDICTS = {"adds": "above 0", "unclear": "unclear", "worse": "below 0", "unknown": "unknown"}
"""Words for the verdicts of `nem2e_tf.controls.blind.input_blind`."""

METRICS = {
    "nrmse": ("RMSE / range", 3, "RMSE divided by the range of the measured curve; 0 is perfect"),
    "r2": ("R²", 2, "1 is perfect; below 0: worse than the mean of the measured curve"),
    "r": ("r", 2, "Pearson's correlation: shape only"),
    "lag_ms": ("lag, ms", 0, "shift of the best match of the whole curve; above 0: late"),
    "peak_ms": ("peak, ms", 0, "error of the time of the peak; above 0: late"),
    "onset_ms": ("onset, ms", 0, "of the main burst, at 20 % of its height; above 0: late"),
    "offset_ms": ("offset, ms", 0, "of the main burst, at 20 % of its height; above 0: late"),
}
"""Metrics shown, of `nem2e_tf.evaluation.curves.METRICS`: head, decimals, explanation."""

MEASURES = {"rate": "rate", "skill": "skill", "difference": "RMSE - OpenSim"}
# An entry is not compared with itself.
_ITSELF = {"opensim": ("rate", "difference"), "mean-pattern": ("skill",)}

CONTROL_COLUMNS = (
    N,
    Column("tests", "tests", places=0),
    Column("false positives", "false_positives", places=0),
    Column("skill", "skill", sign=True),
    Column("inputs", "inputs", places=0),
    Column("rate, mean over inputs", "inputs_rate", sign=True),
    Column("masked", "n_masked", places=0),
    Column("amplitude", "amplitude_share", "percent", 1),
    Column("timing", "timing_share", "percent", 1),
    Column("shape", "shape_share", "percent", 1),
    Column("share", "share", "percent", 1),
    Column("nominal", "nominal", "percent", 1),
    Column("gain", "gain", "interval", 4, sign=True),
    Column("rate", "rate_own", "interval", sign=True),
    Column("rate, changed", "rate_changed", "interval", sign=True),
    Column("skill", "skill_own", "interval", sign=True),
    Column("skill, changed", "skill_changed", "interval", sign=True),
    Column("difference of RMSE", "difference", "interval", 4, sign=True),
    Column("p rate, changed", "rate_changed_p", "p"),
    Column("p rate, changed (Holm)", "rate_changed_p_holm", "p"),
    Column("p difference", "difference_p", "p"),
    Column("p difference (Holm)", "difference_p_holm", "p"),
    Column("p over inputs", "inputs_p", "p"),
)
"""Columns of controls, in this order; a control has some of them."""


class Link(NamedTuple):
    """A file embedded in the page."""

    label: str
    name: str
    href: str


def link(label: str, name: str, text: str, /, *, kind: str = "text/csv") -> Link:
    """Return a link that contains a file."""
    return Link(label, name, f"data:{kind};base64,{base64.b64encode(text.encode()).decode()}")


def leaderboard(evidence: Evidence, blind: pd.DataFrame, /, *, by: str) -> Section:
    """Table of every entry, the highest skill first, and notes on how to read it.

    Parameters
    ----------
    evidence : Evidence
    blind : DataFrame
        See `nem2e_tf.controls.blind.input_blind`.
    by : str
        Kind of groups.
    """
    rows = _together(evidence, blind, by=by)
    blocks = by == BLOCK
    between = "range over blocks" if blocks else "95 % interval"
    settings = differing(rows)
    for name in settings:
        words = rows[name].astype(str)
        rows[name] = words.map(lambda word: WORDS.get(word, word) or "mean of seeds")
    tested = "t test against 0, Holm-adjusted"
    base = evidence.baseline
    columns = [
        Column("entry", "model", "text"),
        *(Column(name, name, "text") for name in settings),
        Column("n", "n", places=0, explain=f"number of {by}s with a result"),
        Column("rate", "rate", "interval", sign=True,
               explain=f"improvement rate; below 0: better than OpenSim; {between}"),
        Column("p (rate)", "rate_p_holm", "p", explain=tested),
        Column("mean pattern's share", "share", "percent", 0,
               explain="share of the gain over OpenSim that the mean EMG pattern reaches as well"),
        Column("skill", "skill", "interval", sign=True,
               explain=f"above 0: better than the mean EMG pattern; {between}"),
        Column("p (skill)", "skill_p_holm", "p", explain=tested),
        Column("skill is", "verdict_text", "text", style="verdict"),
        Column("RMSE", "rmse_refined", places=4),
        Column("r", "r", places=2, explain="Pearson's correlation, mean over cycles"),
        Column("lag, ms", "lag_ms", places=0, sign=True, explain="above 0: late"),
        Column(f"RMSE - {base}", "difference_base", "interval", 4, sign=True,
               explain=f"below 0: better than {base}"),
        Column("p (RMSE)", "difference_base_p_holm", "p",
               explain=f"paired t test of the difference from {base}, Holm-adjusted"),
        Column("epochs", "epochs", places=0,
               explain="epoch kept, mean over fits; 0 for closed forms"),
        Column("fit, s", "seconds", places=1,
               explain="training time per fit; fits of a chunk share it equally"),
    ]  # fmt: skip
    dropped = {"rate_p_holm", "skill_p_holm", "difference_base_p_holm"} if blocks else set()
    if rows["difference_base"].isna().all():
        dropped |= {"difference_base", "difference_base_p_holm"}
    n_muscles = evidence.summary.loc[evidence.summary["by"] == by, "muscle"].nunique() - 1
    caption = f"Leave one {by} out, mean over {n_muscles} muscles, {between}."
    same = shared(rows)
    return {
        "table": table(
            rows,
            [column for column in columns if column.name not in dropped],
            caption=f"{caption}{f' All entries: {same}.' if same else ''}",
        ),
        "notes": notes(evidence, by=by),
    }


def _together(evidence: Evidence, blind: pd.DataFrame, /, *, by: str) -> pd.DataFrame:
    """Join the overall rows of all tables, the highest skill first."""
    rows = evidence.summary
    rows = rows[(rows["by"] == by) & (rows["muscle"] == OVERALL)]
    keys = entry_columns(rows)
    verdicts = blind[blind["muscle"] == OVERALL][[*keys, "share", "verdict"]]
    rows = rows.merge(verdicts, on=keys, how="left", validate="one_to_one")
    reference = rows["model"] == "mean-pattern"
    rows["verdict_text"] = rows["verdict"].map(VERDICTS).where(~reference, "reference")
    rows["verdict"] = rows["verdict"].where(~reference, "")
    names = ["difference", "difference_low", "difference_high", "difference_p_holm"]
    new = [name.replace("difference", "difference_base") for name in names]
    if evidence.comparison.empty:
        rows = rows.assign(**dict.fromkeys(new, np.nan))
    else:
        base = evidence.comparison
        base = base[base["muscle"] == OVERALL][[*keys, *names]]
        base = base.rename(columns=dict(zip(names, new, strict=True)))
        rows = rows.merge(base, on=keys, how="left", validate="one_to_one")
    return rows.sort_values("skill", ascending=False, kind="stable").reset_index(drop=True)


def muscles(evidence: Evidence, /, *, cohort: str) -> list[Section]:
    """One table per entry with one row per muscle, and files with them, per kind of groups."""
    found = []
    for by in evidence.kinds():
        summary = evidence.summary[evidence.summary["by"] == by]
        tables = []
        for label, rows in entries(summary):
            text = printed(rows)
            columns = [
                MUSCLE,
                *(Column(name, name, "written") for name in map(str, list(text)[1:])),
            ]
            caption = f"{label}: improvement rate and skill per muscle."
            tables.append((label, table(text, columns, caption=caption, sortable=False)))
        latex = muscles_latex(summary, cohort=cohort)
        files = [
            link("CSV", f"muscles-{by}.csv", csv_text(summary)),
            link("LaTeX", f"muscles-{by}.tex", latex, kind="application/x-tex"),
        ]
        found.append({"tables": tables, "files": files})
    return found


def pattern_table(results: pd.DataFrame, /) -> pd.DataFrame:
    """Compare the rates of each two input patterns; empty if there is only one pattern.

    Entries of different runs are compared with each other only if each pattern has a single entry,
    as in the paper; otherwise entries are compared within their run.
    """
    if "run" in results:
        known = results[["run", *SETTINGS]].drop_duplicates()
        if known["pattern"].is_unique:
            results = results.drop(columns="run")
    return between_patterns(results)


def patterns(results: pd.DataFrame, /) -> Section | None:
    """Comparison of the input patterns."""
    rows = pattern_table(results)
    if rows.empty:
        return None
    columns = [
        MUSCLE,
        Column("first", "first", "text"),
        Column("second", "second", "text"),
        *([Column("entries", "family", "text")] if rows["family"].nunique() > 1 else []),
        N,
        Column("difference of rates", "difference", sign=True),
        Column("Tukey p", "tukey_p", "p",
               explain="as in the paper; treats the patterns as independent groups"),
        Column("paired p", "paired_p", "p"),
        Column("paired p, Holm", "paired_p_holm", "p",
               explain="paired t test: the same subjects under each pattern"),
        *([Column("note", "notes", "long")] if rows["notes"].any() else []),
    ]  # fmt: skip
    caption = "Mean improvement rate of the first pattern minus that of the second."
    return {
        "table": table(rows, columns, caption=caption),
        "files": [link("CSV", "patterns.csv", csv_text(rows))],
    }


def curves(further: Further, /) -> Section | None:
    """Metrics of the curves of test cycles, or why there are none."""
    found = further.curves
    if found.empty:
        return {"missing": further.missing} if further.missing else None
    rows = with_entry(
        _metrics_side_by_side(found[found["metric"].isin(METRICS)]), settings_of(found)
    )
    overall = rows[rows["muscle"] == OVERALL]
    columns = [
        Column(head, name, "interval", places, sign=name.endswith("_ms"), explain=explain)
        for name, (head, places, explain) in METRICS.items()
    ]
    between = "range over blocks" if (found["by"] == BLOCK).all() else "95 % interval"
    return {
        "missing": further.missing,
        "table": table(
            overall,
            [ENTRY, N, *columns],
            caption=f"Metrics of the curves, mean over muscles, {between}.",
        ),
        "notes": reasons(overall),
        "muscles": table(
            rows[rows["muscle"] != OVERALL],
            [ENTRY, MUSCLE, N, *columns],
            caption=f"Metrics of the curves per muscle, {between}.",
        ),
        "files": [link("CSV", "curves.csv", further.files()["curves.csv"])],
    }


def _metrics_side_by_side(found: pd.DataFrame) -> pd.DataFrame:
    """One row per entry and muscle, with every metric and its interval."""
    keys = [*entry_columns(found), "muscle"]
    rows = []
    for key, part in found.groupby(keys, sort=False):
        row: dict[str, Any] = dict(zip(keys, key, strict=True))
        row["n"] = int(part["n"].max())
        row["notes"] = "; ".join(_notes(part, most=row["n"]))
        for one in part.to_dict("records"):
            name = str(one["metric"])
            row |= {name: one["mean"], f"{name}_low": one["low"], f"{name}_high": one["high"]}
        rows.append(row)
    return pd.DataFrame(rows)


def _notes(part: pd.DataFrame, *, most: int) -> list[str]:
    """Notes of a row; a note that all metrics share does not name them."""
    noted = part[part["notes"] != ""]
    if len(noted) == len(part) and noted["notes"].nunique() == 1:
        return [str(noted["notes"].iloc[0])]
    lines = [f"{METRICS[row['metric']][0]}: {row['notes']}" for _, row in noted.iterrows()]
    few = part[(part["n"] < most) & (part["notes"] == "")]
    return lines + [f"{METRICS[r['metric']][0]} of {r['n']} of {most}" for _, r in few.iterrows()]


def further_statistics(further: Further, /) -> Section | None:
    """Effect sizes, rank tests, power, seeds and mixed-effects models."""
    effects, seeds, mixed = map(_compared, (further.effects, further.seeds, further.mixed))
    if effects.empty:
        return None
    files = further.files()
    return {
        "effects": _effects(effects),
        "seeds": _seeds(seeds),
        "mixed": _mixed(mixed),
        "files": [
            link(label, name, files[name])
            for name, label in (
                ("effects.csv", "effects and power, CSV"),
                ("seeds.csv", "seeds, CSV"),
                ("mixed-models.csv", "mixed-effects models, CSV"),
            )
            if name in files
        ],
    }


def _compared(rows: pd.DataFrame) -> pd.DataFrame:
    """Leave out rows that compare an entry with itself; add the columns that name the others."""
    if rows.empty:
        return rows
    itself = [row["measure"] in _ITSELF.get(row["model"], ()) for _, row in rows.iterrows()]
    rows = rows[~np.array(itself, dtype=bool)]
    return with_entry(rows, settings_of(rows)).assign(of=rows["measure"].map(MEASURES))


_OF = Column("of", "of", "text")


def _effects(rows: pd.DataFrame) -> Section:
    overall = rows[rows["muscle"] == OVERALL]
    size = [
        N,
        Column("mean", "mean", sign=True),
        Column("SD", "sd", explain="standard deviation over groups"),
        Column("dz", "dz", places=2, sign=True, explain="Cohen's dz: mean / SD"),
        Column("gz", "gz", "interval", 2, sign=True,
               explain="Hedges' gz: dz corrected for small-sample bias; 95 % interval"),
    ]  # fmt: skip
    power = [
        Column("power", "power", places=2,
               explain="power of the t test with this n if the true effect is gz"),
        Column("n needed", "n_needed", places=0, small=_at_least, infinite="> 100 000",
               explain="n required for a power of 0.8 if the true effect is gz; at least: if it is "
               "the end of the interval of gz further from 0"),
    ]  # fmt: skip
    tests = [
        Column("p (t)", "t_p", "p", explain="t test against 0, not adjusted"),
        Column("p (Wilcoxon)", "wilcoxon_p", "p",
               explain="signed-rank test, which does not assume normality; not adjusted"),
    ]  # fmt: skip
    over = "adjusted over the muscles of an entry"
    adjusted = [
        Column("p (t), Holm", "t_p_holm", "p", explain=over),
        Column(
            "p (Wilcoxon), Holm",
            "wilcoxon_p_holm",
            "p",
            explain=over,
        ),
    ]
    return {
        "table": table(
            overall, [ENTRY, _OF, *size, *tests, *power], caption="Effect sizes, mean over muscles."
        ),
        "notes": reasons(overall, of=["measure"]),
        "muscles": table(
            rows[(rows["muscle"] != OVERALL) & (rows["measure"] != "difference")],
            [ENTRY, MUSCLE, _OF, *size, *adjusted, *power],
            caption="Effect sizes per muscle.",
        ),
    }


def _at_least(row: Mapping[Any, Any]) -> str:
    least = row["n_needed_at_least"]
    return f"at least {least:.0f}" if np.isfinite(least) else ""


def _seeds(rows: pd.DataFrame) -> Section | None:
    if rows.empty:
        return None
    rows = rows[rows["muscle"] == OVERALL]
    if rows.empty or rows["seed_sd"].isna().all():
        return None if rows.empty else {}
    columns = [
        ENTRY,
        _OF,
        Column("groups", "n_groups", places=0),
        Column("seeds", "n_seeds", places=0),
        Column("mean", "mean", sign=True),
        Column("SD, seeds", "seed_sd", places=4,
               explain="between fits of the same groups with different seeds"),
        Column("SD, groups", "group_sd", places=4,
               explain="between groups, without the part that is due to seeds"),
        Column("seeds' share", "seed_share", "percent", 0, explain="of the total variance"),
    ]  # fmt: skip
    caption = "Variance components of single fits, mean over muscles (analysis of variance)."
    return {
        "table": table(rows, columns, caption=caption),
        "notes": reasons(rows, of=["measure"]),
    }


def _mixed(rows: pd.DataFrame) -> Section | None:
    if rows.empty:
        return None
    noted = reasons(rows, of=["measure"])
    if rows["mean"].isna().all():
        return {"notes": noted}
    columns = [
        ENTRY,
        _OF,
        Column("groups", "n_groups", places=0),
        Column("muscles", "n_muscles", places=0),
        Column("mean", "mean", "interval", sign=True, explain="95 % interval"),
        Column("t", "t", places=2),
        Column("df", "df", places=0),
        Column("p", "p", "p", explain="against 0, not adjusted"),
        Column("SD, groups", "group_sd", explain="common to the muscles of a group"),
        Column("SD, residual", "residual_sd"),
    ]
    caption = (
        "Restricted maximum likelihood: muscles are fixed effects, groups random effects. Groups "
        "with missing muscles are included."
    )
    return {"table": table(rows, columns, caption=caption), "notes": noted}


def control(found: ControlResults, /) -> Section:
    """Tables of one control, overall and per muscle, and its notes."""
    rows = found.tables["summary"]
    per_muscle = rows.head(0)
    if "muscle" in rows and (rows["muscle"] == OVERALL).any():
        per_muscle = rows[rows["muscle"] != OVERALL]
        rows = rows[rows["muscle"] == OVERALL]
    settings = settings_of(rows)
    rows = with_entry(rows, settings)
    about = about_control(found.header)
    named = f"Control {found.name}{f': {about}' if about else ''}"
    return {
        "name": found.name,
        "table": _control_table(rows, caption=f"{named}."),
        "muscles": _control_table(with_entry(per_muscle, settings), caption=f"{named}, per muscle.")
        if len(per_muscle)
        else None,
        "notes": [*found.notes, *reasons(rows)],
    }


def _control_table(rows: pd.DataFrame, *, caption: str) -> Table:
    columns = [ENTRY, *([Column("level", "level", "text")] if "level" in rows else [])]
    if "muscle" in rows and rows["muscle"].nunique() > 1:
        columns.append(MUSCLE)
    numbers = [column for column in CONTROL_COLUMNS if column.name in rows]
    rows = rows.assign(**{c.name: pd.to_numeric(rows[c.name], errors="coerce") for c in numbers})
    columns += [c for c in numbers if _has_values(rows, c.name)]
    return table(rows, columns, caption=caption)


def _has_values(rows: pd.DataFrame, name: str) -> bool:
    if name in ("rate_changed_p", "difference_p") and f"{name}_holm" in rows:
        # The adjusted p is shown instead.
        return bool(rows[f"{name}_holm"].isna().all()) and bool(rows[name].notna().any())
    return bool(rows[name].any() if name == "inputs" else rows[name].notna().any())


def about_control(header: Mapping[str, Any], /) -> str:
    """List a control's settings in words.

    Examples
    --------
    >>> about_control({"settings": {"inputs": 32, "seed": 0}})
    'inputs 32, seed 0'
    """
    settings = header.get("settings") or {}
    return ", ".join(
        f"{name} {value}"
        for name, value in settings.items()
        if isinstance(value, (str, int, float))
    )


def facts(header: Mapping[str, Any], /) -> dict[str, str]:
    """Cohort, settings and versions of a run, as name and text."""
    cohort, settings = header.get("cohort", {}), header.get("settings", {})
    found = {
        "cohort": cohort.get("name"),
        "cohort, SHA-256": cohort.get("digest") or header.get("digest"),
        "seeds": settings.get("seeds"),
        **{f"recipe, {k}": v for k, v in settings.get("recipe", {}).items()},
        **{k: v for k, v in settings.items() if k not in ("recipe", "seeds")},
        **{f"version, {k}": v for k, v in header.get("versions", {}).items()},
    }
    return {
        name: ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        for name, value in found.items()
        if value not in (None, "", {}, [])
    }
