"""What each section of a page shows, as plain data for the template of the same name.

A function returns None where its section has nothing to show.
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
from nem2e_tf.report.notes import WORDS, differing, settings_of, shared
from nem2e_tf.report.page.columns import Column, Table, reasons, table, with_entry

Section = dict[str, Any]

ENTRY = Column("entry", "entry", "text")
MUSCLE = Column("muscle", "muscle", "text")
N = Column("n", "n", places=0)

VERDICTS = {
    "adds": "adds skill",
    "unclear": "not shown",
    "worse": "worse",
    "unknown": "unknown",
}
"""Words for a verdict of `nem2e_tf.controls.blind.input_blind`."""

METRICS = {
    "nrmse": ("RMSE / range", 3, "RMSE over the range of the measured curve; 0 is perfect"),
    "r2": ("R²", 2, "1 is perfect; below 0 the mean of the measured curve is nearer"),
    "r": ("r", 2, "Pearson's: shape alone"),
    "lag_ms": ("lag, ms", 0, "shift of best match of the whole curve; above 0 is late"),
    "peak_ms": ("peak, ms", 0, "above 0 is late"),
    "onset_ms": ("onset, ms", 0, "of the main burst, at a fifth of its height; above 0 is late"),
    "offset_ms": ("offset, ms", 0, "of the main burst, at a fifth of its height; above 0 is late"),
}
"""What is shown of `nem2e_tf.evaluation.curves.METRICS`: head, decimals, explanation."""

MEASURES = {"rate": "rate", "skill": "skill", "difference": "RMSE - OpenSim"}
# An entry is not compared with itself.
_ITSELF = {"opensim": ("rate", "difference"), "mean-pattern": ("skill",)}

QUESTIONS = {
    "blind": "What does the mean EMG pattern reach, which never looks at its input?",
    "oracle": "How much of the improvement is merely scaling? Each entry's gain over OpenSim, "
    "split into what the right amplitude, the right timing and the rest (shape) are worth.",
    "shortcut": "Inputs changed in frequency and phase (the paper's control): a refiner that uses "
    "its input gets worse; one that learned the mean pattern does not. In the paper 32 such inputs "
    "into the model of the walking soleus, one-entire, gave a mean rate of +0.48 (p = .001).",
    "wrong-subject": "Inputs of another subject: a refiner that uses what is particular to a "
    "person gets worse.",
    "shuffle": "EMG shuffled between cycles: nothing is left to learn, so skill must vanish. The "
    "share of tests that find skill all the same, beside the nominal one.",
    "attention": "Are attention weights faithful? Masking the most attended inputs should hurt "
    "more than masking as many at random.",
}
"""What a control asks, by its name."""

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
"""Numbers of a control, in this order, where it has them."""


class Link(NamedTuple):
    """A file that the page holds in itself."""

    label: str
    name: str
    href: str


def link(label: str, name: str, text: str, /, *, kind: str = "text/csv") -> Link:
    """Put a file into a link."""
    return Link(label, name, f"data:{kind};base64,{base64.b64encode(text.encode()).decode()}")


def leaderboard(evidence: Evidence, blind: pd.DataFrame, /, *, by: str) -> Table:
    """Every entry of one kind of groups with its evidence, the highest skill first.

    Parameters
    ----------
    evidence : Evidence
    blind : DataFrame
        See `nem2e_tf.controls.blind.input_blind`.
    by : str
        Which kind of groups.
    """
    rows = _together(evidence, blind, by=by)
    blocks = by == BLOCK
    between = "range of the blocks" if blocks else "95 % interval"
    settings = differing(rows)
    for name in settings:
        words = rows[name].astype(str)
        rows[name] = words.map(lambda word: WORDS.get(word, word) or "mean of seeds")
    tested = "t test against 0, Holm-adjusted"
    base = evidence.baseline
    columns = [
        Column("entry", "model", "text"),
        *(Column(name, name, "text") for name in settings),
        Column("n", "n", places=0, explain=f"{by}s left out with a result"),
        Column("rate", "rate", "interval", sign=True,
               explain=f"against OpenSim: below 0 is better; {between}"),
        Column("p rate", "rate_p_holm", "p", explain=tested),
        Column("mean pattern's share", "share", "percent", 0,
               explain="how much of the gain over OpenSim the mean EMG pattern alone reaches"),
        Column("skill", "skill", "interval", sign=True,
               explain=f"over the mean EMG pattern: above 0 is better; {between}"),
        Column("p skill", "skill_p_holm", "p", explain=tested),
        Column("skill is", "verdict_text", "text", style="verdict"),
        Column("RMSE", "rmse_refined", places=4),
        Column("r", "r", places=2, explain="mean of the cycles"),
        Column("lag, ms", "lag_ms", places=0, sign=True, explain="above 0 is late"),
        Column(f"RMSE - {base}", "difference_base", "interval", 4, sign=True,
               explain=f"below 0 is better than {base}"),
        Column("p", "difference_base_p_holm", "p", explain=f"of the difference from {base}"),
        Column("epochs", "epochs", places=0,
               explain="kept, mean of the fits; 0 for closed forms"),
        Column("fit, s", "seconds", places=1,
               explain="training time of a fit, which many share"),
    ]  # fmt: skip
    dropped = {"rate_p_holm", "skill_p_holm", "difference_base_p_holm"} if blocks else set()
    if rows["difference_base"].isna().all():
        dropped |= {"difference_base", "difference_base_p_holm"}
    n_muscles = evidence.summary.loc[evidence.summary["by"] == by, "muscle"].nunique() - 1
    caption = f"Leaderboard: {by}s left out in turn, mean over {n_muscles} muscles, {between}."
    same = shared(rows)
    return table(
        rows,
        [column for column in columns if column.name not in dropped],
        caption=f"{caption}{f' All entries: {same}.' if same else ''}",
    )


def _together(evidence: Evidence, blind: pd.DataFrame, /, *, by: str) -> pd.DataFrame:
    """Put the overall rows of all tables side by side, the highest skill first."""
    rows = evidence.summary
    rows = rows[(rows["by"] == by) & (rows["muscle"] == OVERALL)]
    keys = entry_columns(rows)
    verdicts = blind[blind["muscle"] == OVERALL][[*keys, "share", "verdict"]]
    rows = rows.merge(verdicts, on=keys, how="left", validate="one_to_one")
    reference = rows["model"] == "mean-pattern"
    rows["verdict_text"] = rows["verdict"].map(VERDICTS).where(~reference, "the reference")
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
    """Tables of every entry per muscle, and files with them, for each kind of groups."""
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
            caption = f"{label}: improvement rate and skill."
            tables.append((label, table(text, columns, caption=caption, sortable=False)))
        latex = muscles_latex(summary, cohort=cohort)
        files = [
            link("CSV", f"muscles-{by}.csv", csv_text(summary)),
            link("LaTeX", f"muscles-{by}.tex", latex, kind="application/x-tex"),
        ]
        found.append({"tables": tables, "files": files})
    return found


def pattern_table(results: pd.DataFrame, /) -> pd.DataFrame:
    """Compare the rates under each two input patterns; empty if there is only one.

    Entries of several runs are compared with one another if each pattern has a single one, as in
    the paper, and otherwise within their run.
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
               explain="as in the paper; takes the patterns for groups of different people"),
        Column("paired p", "paired_p", "p"),
        Column("paired p, Holm", "paired_p_holm", "p",
               explain="the same people under each pattern"),
        *([Column("note", "notes", "long")] if rows["notes"].any() else []),
    ]  # fmt: skip
    caption = "Mean rate under the first pattern minus that under the second."
    return {
        "table": table(rows, columns, caption=caption),
        "files": [link("CSV", "patterns.csv", csv_text(rows))],
    }


def curves(further: Further, /) -> Section | None:
    """Metrics of held-out curves, or why there are none."""
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
    between = "range of the blocks" if (found["by"] == BLOCK).all() else "95 % interval"
    return {
        "missing": further.missing,
        "table": table(
            overall, [ENTRY, N, *columns], caption=f"Curves, mean over muscles, {between}."
        ),
        "notes": reasons(overall),
        "muscles": table(
            rows[rows["muscle"] != OVERALL],
            [ENTRY, MUSCLE, N, *columns],
            caption=f"Curves by muscle, {between}.",
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
    """Notes of a row; one that all metrics share does not name them."""
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
    """Rows without those that compare an entry with itself, with what names them."""
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
        Column("SD", "sd", explain="over those left out"),
        Column("dz", "dz", places=2, sign=True, explain="Cohen's: mean / SD"),
        Column("gz", "gz", "interval", 2, sign=True,
               explain="Hedges': dz without its small-sample bias; 95 % interval"),
    ]  # fmt: skip
    power = [
        Column("power", "power", places=2,
               explain="of the t test with this n, if the true effect is gz"),
        Column("n needed", "n_needed", places=0, small=_at_least, infinite="> 100 000",
               explain="for a power of 0.8 if the true effect is gz; below it, at the end of gz's "
               "interval further from 0"),
    ]  # fmt: skip
    tests = [
        Column("p, t", "t_p", "p", explain="t test against 0, not adjusted"),
        Column("p, Wilcoxon", "wilcoxon_p", "p",
               explain="signed-rank test, which assumes no normal distribution; not adjusted"),
    ]  # fmt: skip
    adjusted = [
        Column("p, t, Holm", "t_p_holm", "p", explain="over the muscles of an entry"),
        Column("p, Wilcoxon, Holm", "wilcoxon_p_holm", "p", explain="over the muscles of an entry"),
    ]
    return {
        "table": table(
            overall, [ENTRY, _OF, *size, *tests, *power], caption="Effects, mean over muscles."
        ),
        "notes": reasons(overall, of=["measure"]),
        "muscles": table(
            rows[(rows["muscle"] != OVERALL) & (rows["measure"] != "difference")],
            [ENTRY, MUSCLE, _OF, *size, *adjusted, *power],
            caption="Effects by muscle.",
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
               explain="the same experiment with the same people again"),
        Column("SD, people", "group_sd", places=4,
               explain="between those left out, the seeds' part taken away"),
        Column("seeds' share", "seed_share", "percent", 0, explain="of the variance"),
    ]  # fmt: skip
    caption = "Spread of one fit, mean over muscles, taken apart by analysis of variance."
    return {
        "table": table(rows, columns, caption=caption),
        "notes": reasons(rows, of=["measure"]),
    }


def _mixed(rows: pd.DataFrame) -> Section | None:
    if rows.empty:
        return None
    notes = reasons(rows, of=["measure"])
    if rows["mean"].isna().all():
        return {"notes": notes}
    columns = [
        ENTRY,
        _OF,
        Column("groups", "n_groups", places=0),
        Column("muscles", "n_muscles", places=0),
        Column("mean", "mean", "interval", sign=True, explain="95 % interval"),
        Column("t", "t", places=2),
        Column("df", "df", places=0),
        Column("p", "p", "p", explain="against 0, not adjusted"),
        Column("SD, people", "group_sd", explain="what one's muscles have in common"),
        Column("SD, rest", "residual_sd"),
    ]
    caption = (
        "Restricted maximum likelihood: muscles fixed, those left out random. Uses also those of "
        "whom some muscles are missing."
    )
    return {"table": table(rows, columns, caption=caption), "notes": notes}


def control(found: ControlResults, /) -> Section:
    """One control: its question, its overall rows, those per muscle, and its notes."""
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
        "question": QUESTIONS.get(found.name, ""),
        "table": _control_table(rows, caption=f"{named}."),
        "muscles": _control_table(with_entry(per_muscle, settings), caption=f"{named}, by muscle.")
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
        # The adjusted p replaces it where there is one.
        return bool(rows[f"{name}_holm"].isna().all()) and bool(rows[name].notna().any())
    return bool(rows[name].any() if name == "inputs" else rows[name].notna().any())


def about_control(header: Mapping[str, Any], /) -> str:
    """Name a control's settings.

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
    """Cohort, settings and versions of a run, by name."""
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
