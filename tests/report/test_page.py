"""The report as a page: what it says, that it works in a browser, and what it does with gaps."""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support import chromium
from support.made_runs import ENTRIES, MUSCLES, fitted_run, made, report, text_of, write_run
from support.tiny_cohort import tiny_cohort

from nem2e_tf.cohorts.cohort import load_cohort
from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.results import read_results
from nem2e_tf.report.evidence import gather_further
from nem2e_tf.report.methods import methods
from nem2e_tf.report.muscles import latex_table
from nem2e_tf.report.page.columns import Column
from nem2e_tf.report.page.columns import table as make_table
from nem2e_tf.report.page.page import templates
from nem2e_tf.report.page.sections import further_statistics, pattern_table
from nem2e_tf.report.report import report as written
from nem2e_tf.training.plan import Settings
from nem2e_tf.training.recipe import recipe

SMALL = recipe("fast", units=4, epochs=2)
EVIL = "<img src=x onerror=window.hacked=1>"
WIDTHS = (380, 1400)


def control(folder, *, digest, run, name="shortcut", **tables):
    """A control folder as 'nem2e-tf control' writes it."""
    folder.mkdir()
    about = {"format": 1, "kind": "nem2e-tf control", "control": name, "notes": ["A note."]}
    about |= {"run": {"name": run}, "cohort": {"digest": digest}, "settings": {"inputs": 32}}
    entry = {"by": "subject", "model": "affine", "pattern": "all-entire", "targets": "joint"}
    entry |= {"output": "direct", "recipe": "fast+", "variant": "seeds-mean"}
    numbers = {"n": 4, "rate_changed": 0.48, "rate_changed_low": 0.2, "rate_changed_high": 0.7}
    numbers |= {"rate_changed_p": 0.012, "notes": ""}
    rows = [entry | numbers | {"muscle": "soleus", "rate_changed_p_holm": 0.024, "inputs_p": 0.031}]
    tables["summary"] = pd.DataFrame([*rows, entry | numbers | {"muscle": "overall"}])
    for file, table in tables.items():
        table.to_csv(folder / f"{file}.csv", index=False)
    files = [f"{file}.csv" for file in tables]
    (folder / "control.json").write_text(json.dumps(about | {"files": files}))
    return folder


def attention_weights():
    """Every sample attends to itself and, half as much, to the one before."""
    percent = np.linspace(0, 100, 20)
    entry = {"model": "stdr-net-temporal", "pattern": "one-entire", "targets": "joint"}
    entry |= {"output": "direct", "recipe": "fast+", "muscle": "joint", "attention": "temporal"}
    weights = (2 * np.eye(20) + np.eye(20, k=-1)) / 3
    return pd.DataFrame(
        [
            {**entry, "sample": i, "percent": percent[i], "token": f"{at:.1f}", "weight": weight}
            for i, row in enumerate(weights)
            for at, weight in zip(percent, row, strict=True)
        ]
    )


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A folder with a cohort, a run of it under two patterns, a control and the report."""
    folder = tmp_path_factory.mktemp("real")
    cohort = tiny_cohort()
    cohort.save(folder / "cohort")
    settings = Settings(
        models=("opensim", "mean-pattern", "affine"),
        patterns=("one-entire", "all-entire"),
        recipe=SMALL,
        seeds=2,
    )
    fitted_run(folder / "run", cohort, settings)
    # Closed forms have no losses; as if one had been trained by gradient:
    lines = [f"{fit},{epoch},{1 / epoch},{2 / epoch}," for fit in (0, 1) for epoch in (1, 2, 3)]
    history = "\n".join(["fit,epoch,training,validation,left_out", *lines, ""])
    (folder / "run" / "histories" / "00000.csv").write_text(history)
    control(folder / "shortcut", digest=cohort.digest, run="run")
    control(folder / "foreign", digest=cohort.digest, run="another run")
    weights = attention_weights()
    control(folder / "looks", digest=cohort.digest, run="run", name="attention", weights=weights)
    report(folder / "run", "-o", folder / "report")
    return folder


@pytest.fixture(scope="module")
def browser():
    with chromium.started() as running:
        yield running


def test_a_report_is_written_from_python(real, tmp_path):
    again = written(
        SimpleNamespace(path=real / "run"), tmp_path / "again", cohort=load_cohort(real / "cohort")
    )
    assert again.path == tmp_path / "again" / "report.html"
    assert again.path.read_bytes() == (real / "report" / "report.html").read_bytes()
    assert again.found == tuple(
        f"control found next to the run: {n}" for n in ("looks", "shortcut")
    )
    assert again.notes == (*again.found, *again.missing)
    with pytest.raises(InputError, match="models seq2seq: expected one of affine"):
        written(real / "run", tmp_path / "no", models=["seq2seq"])


def test_folder_holds_page_tables_and_figures(real):
    report = real / "report"
    assert {path.name for path in report.iterdir()} == {
        *("report.html", "report.json", "figures", "tables")
    }
    names = {path.name for path in (report / "figures").iterdir()}
    for name in ("skill-subject", "rate-by-muscle-subject", "losses", "traces-1", "traces-2"):
        assert {f"{name}.svg", f"{name}.pdf"} <= names
    table = pd.read_csv(report / "tables" / "muscles-subject.csv")
    assert {"soleus", "glmed1", "overall"} == set(table["muscle"])
    latex = (report / "tables" / "muscles-subject.tex").read_text()
    assert latex.count(r"\begin{tabular}") == table.groupby(["model", "pattern", "variant"]).ngroups
    patterns = pd.read_csv(report / "tables" / "patterns.csv")
    assert set(patterns["first"]) == {"one-entire"}


def test_page_states_the_gain_of_the_mean_pattern_and_of_the_entries(real):
    results = read_results(real / "run" / "results.csv")
    blind = results[results["model"] == "mean-pattern"]
    rate = blind[blind["pattern"] == "all-entire"].groupby("group")["rate"].mean().mean()
    said = text_of(real / "report" / "report.html")
    assert "The mean EMG pattern, which does not depend on its input, has a rate of" in said
    assert f"has a rate of {rate:+.2f}" in said
    assert "Share of an entry's gain over the simulation" in said
    assert "Skill over the mean pattern" in said
    assert "Control: shortcut" in said
    assert said.count("Control: ") == 2, "a control of another run is not taken"
    assert "inputs 32" in said
    assert "+0.480 [+0.200, +0.700]" in said
    assert "A note." in said
    by_muscle = said[said.index("Control shortcut: inputs 32, per muscle.") :]
    assert ".024 .031" in by_muscle, "Holm's p, and the paper's over inputs"


def test_attention_of_a_control_is_drawn(real):
    svg = (real / "report" / "figures" / "attention-1.svg").read_text()
    assert svg.startswith("<?xml")
    assert "stdr-net-temporal" in svg
    page = (real / "report" / "report.html").read_text()
    assert "Temporal attention of stdr-net-temporal, one-entire" in page
    assert svg.split("\n", 1)[1].strip() in page, "the file is what stands on the page"


def test_effect_sizes_and_curves_are_on_the_page_and_beside_it(real):
    said = text_of(real / "report" / "report.html")
    tables = {path.stem: pd.read_csv(path) for path in (real / "report/tables").glob("*.csv")}
    results = read_results(real / "run" / "results.csv")
    for head in (
        "Effect sizes, rank tests and power",
        "Variance between seeds",
        "Mixed-effects models",
    ):
        assert head in said
    entry = "model == 'affine' and pattern == 'all-entire' and muscle == 'soleus'"
    own = results.query(f"{entry} and seed != 'ensemble'")
    effect = tables["effects"].query(f"{entry} and measure == 'skill' and variant == 'seeds-mean'")
    skill = own.groupby("group")["skill"].mean()
    assert effect["t_p"].item() == pytest.approx(stats.ttest_1samp(skill, 0).pvalue)
    assert effect["wilcoxon_p"].item() == pytest.approx(stats.wilcoxon(skill).pvalue)
    assert f"{effect['dz'].item():+.2f}" in said
    assert tables["seeds"]["seed_sd"].isna().all()
    assert "Every entry has one seed" in said, "closed forms know no other"
    assert set(tables["mixed-models"]["measure"]) == {"rate", "skill"}
    curves = tables["curves"].query(f"{entry} and variant == 'seeds-mean'").set_index("metric")
    for metric, column in (("rmse", "rmse_refined"), ("r", "r"), ("lag_ms", "lag_ms")):
        mean = own.groupby("group")[column].mean().mean()
        assert curves.loc[metric, "mean"] == pytest.approx(mean, rel=1e-4), metric
    overall = tables["curves"].query(
        "model == 'opensim' and pattern == 'all-entire' and muscle == 'overall'"
    )
    peak = overall.set_index("metric").loc["peak_ms"]
    assert f"{peak['mean']:+z.0f} [{peak['low']:+z.0f}, {peak['high']:+z.0f}]" in said


def test_seeds_are_separate_from_people_where_there_are_several():
    entries = {"seq2seq": ENTRIES["seq2seq"]}
    results = pd.concat([made(entries=entries), made(entries=entries, seed=1).assign(seed="1")])
    skills = results.groupby(["group", "seed"])["skill"].mean().unstack()
    seeds = further_statistics(gather_further(results))["seeds"]["table"]
    said = [cell.text for row in seeds.rows for cell in row]
    within = skills.var(axis=1).mean()
    assert f"{within**0.5:.4f}" in said
    between = skills.mean(axis=1).var() - within / 2
    assert f"{max(between, 0) ** 0.5:.4f}" in said


def test_methods_name_versions_digests_and_seeds(real):
    header = json.loads((real / "run" / "run.json").read_text())
    text = " ".join(methods([header], read_results(real / "run" / "results.csv")))
    for word in (
        header["cohort"]["digest"],
        f"Keras {header['versions']['keras']}",
        "seeds 0 to 1",
        "4 subjects was left out in turn",
        "4 units",
        "one-entire, all-entire",
    ):
        assert word in text
    assert text.split(". ")[0] in text_of(real / "report" / "report.html")


def test_the_page_works_in_a_browser(real, browser):
    page = real / "report" / "report.html"
    for width in WIDTHS:
        browser.window(width=width)
        browser.open(page)
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        browser.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        assert browser.evaluate("document.documentElement.scrollWidth") <= width, "unfolded"
        assert browser.evaluate(
            "[...document.querySelectorAll('figure svg')].map(f => f.getBoundingClientRect())"
            ".every(box => box.width > 150 && box.height > 100)"
        )
    svg = "figure svg path, figure svg use"
    assert browser.evaluate(f"document.querySelectorAll('{svg}').length") > 100
    n_figures = len(list((real / "report" / "figures").glob("*.svg")))
    assert browser.evaluate("document.querySelectorAll('figure svg').length") == n_figures
    assert browser.requests() == [page.resolve().as_uri()], "nothing else is asked for"
    ids = browser.evaluate("[...document.querySelectorAll('[id]')].map(item => item.id)")
    assert len(ids) == len(set(ids))
    named = browser.evaluate(
        "[...document.querySelectorAll('table')].every(table => document.getElementById("
        "table.getAttribute('aria-labelledby')).textContent && table.tHead"
        " && [...table.querySelectorAll('th')].every(head => head.scope))"
    )
    assert named
    browser.command("Emulation.setEmulatedMedia", media="print")
    browser.window(width=700)
    assert browser.evaluate("document.documentElement.scrollWidth") <= 700
    browser.command("Emulation.setEmulatedMedia", media="")
    assert browser.errors() == []


def test_the_leaderboard_sorts_by_any_column(real, browser):
    browser.window(width=1400)
    browser.open(real / "report" / "report.html")
    heads = browser.evaluate(
        "[...document.querySelectorAll('table.sortable thead')][0].innerText.split('\\t')"
        ".map(text => text.trim())"
    )
    assert {"entry", "rate", "skill", "epochs"} <= set(heads)
    body = "document.querySelector('table.sortable').tBodies[0]"
    button = "document.querySelector('table.sortable').tHead.rows[0].cells[{}]"
    before = browser.evaluate(f"{body}.rows.length")
    for column in range(len(heads)):
        seen = []
        for _ in range(2):
            browser.evaluate(f"{button.format(column)}.querySelector('button').click()")
            direction = browser.evaluate(f"{button.format(column)}.getAttribute('aria-sort')")
            values = browser.evaluate(
                f"[...{body}.rows].map(row => row.cells[{column}]).map(cell => "
                "cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value))"
            )
            numbers = [value for value in values if not isinstance(value, str)]
            # What is unknown stands last, whichever way.
            assert values[: len(numbers)] == numbers
            words = [value.lower() for value in values] if not numbers else []
            ordered = sorted(numbers or words, reverse=direction == "descending")
            assert (numbers or words) == ordered, (heads[column], direction)
            seen.append(direction)
        assert set(seen) == {"ascending", "descending"}
    assert browser.evaluate(f"{body}.rows.length") == before
    browser.evaluate(f"{button.format(0)}.querySelector('button').focus()")
    browser.press("Enter")
    assert browser.evaluate(f"{button.format(0)}.getAttribute('aria-sort')") == "ascending"
    assert browser.errors() == []


def test_every_other_table_sorts_by_its_last_column(real, browser):
    browser.open(real / "report" / "report.html")
    sorted_values = browser.evaluate(
        "[...document.querySelectorAll('table.sortable')].map(table => {"
        "  const head = [...table.tHead.rows[0].cells].at(-1);"
        "  head.querySelector('button').click();"
        "  return [head.getAttribute('aria-sort'), [...table.tBodies[0].rows].map("
        "    row => [...row.cells].at(-1).dataset.value).filter(v => v !== undefined).map(Number)];"
        "})"
    )
    assert len(sorted_values) >= 8
    assert sum(len(values) > 1 for _, values in sorted_values) >= 6
    for direction, values in sorted_values:
        assert values == sorted(values, reverse=direction == "descending")
    assert browser.errors() == []


def test_words_from_files_stay_words(tmp_path, browser):
    entries = {**ENTRIES, EVIL: ("all-entire", "joint", "residual", 0.42)}
    results = made(entries=entries, muscles=[EVIL, *MUSCLES])
    run = write_run(tmp_path / "run", results)
    header = json.loads((run / "run.json").read_text())
    header["cohort"]["name"] = f"</title></style></script>{EVIL}"
    header["settings"] = {"models": [EVIL], "patterns": [EVIL], "targets": EVIL, "output": EVIL}
    header["settings"]["recipe"] = {"learning_rate": 1, "dropout": 0, "weight_decay": 0}
    header["versions"] = {EVIL: EVIL}
    (run / "run.json").write_text(json.dumps(header))
    report(run, "-o", tmp_path / "report")
    browser.open(tmp_path / "report" / "report.html")
    assert browser.evaluate("document.querySelectorAll('img').length") == 0
    assert browser.evaluate("window.hacked === undefined")
    assert browser.evaluate("document.title").endswith(EVIL)
    assert browser.errors() == []
    assert len(browser.requests()) == 1
    browser.window(width=380)
    assert browser.evaluate("document.documentElement.scrollWidth") <= 380


def test_options_that_make_no_sense_are_refused(tmp_path, real):
    run = write_run(tmp_path / "run", made())
    for arguments, message in (
        (("--entry", "seq2seq"), "expected --out"),
        (("-o", tmp_path / "r", "--json"), "neither --json"),
        (("-o", tmp_path / "r", "--entry", "seq2sek"), "did you mean seq2seq"),
        (("-o", tmp_path / "r", "--control", tmp_path), "control.json"),
        (("-o", tmp_path / "r", "--control", real / "shortcut"), "of the cohort abc"),
    ):
        with pytest.raises(InputError, match=message):
            report(run, *arguments)
    assert not (tmp_path / "r").exists()
    tiny_cohort(seed=3).save(tmp_path / "cohort")
    with pytest.raises(InputError, match="cohort of this run"):
        report(real / "run", "-o", tmp_path / "r", "--cohort", tmp_path / "cohort")


def test_runs_of_one_pattern_each_are_compared_across_runs():
    results = made(entries={"a": ("one-entire", "each", "direct", 0.5)}).assign(run="one")
    other = made(entries={"b": ("all-entire", "each", "direct", 0.4)}, seed=1).assign(run="two")
    table = pattern_table(pd.concat([results, other]))
    assert set(table["muscle"]) == set(MUSCLES)
    a, b = (
        results[results["muscle"] == "soleus"]["rate"],
        other[other["muscle"] == "soleus"]["rate"],
    )
    row = table.set_index("muscle").loc["soleus"]
    assert row["difference"] == pytest.approx(a.mean() - b.mean())
    again = results.assign(run="two")
    assert pattern_table(pd.concat([results, again])).empty


def test_tables_escape_heads_cells_and_explanations():
    rows = pd.DataFrame({"x": [EVIL], "y": [0.25], "y_low": [-0.5], "y_high": [1.0]})
    columns = [Column("a & b", "x", "text"), Column("y", "y", "interval", 2, explain='"quoted"')]
    source = '{% from "parts.html.jinja" import table %}{{ table(data) }}'
    text = templates().from_string(source).render(data=make_table(rows, columns, caption="<c>"))
    assert "<img" not in text
    assert "a &amp; b" in text
    assert 'title="&#34;quoted&#34;"' in text
    assert "&lt;c&gt;</p>" in text
    assert '<td data-value="0.25">0.25<small>[-0.50, 1.00]</small></td>' in text


def test_latex_tables_print_any_word():
    cells = {"muscle": "add_mag1 & 5 %", "rate": "-0.84", "range": "[-1, 2]", "p": "<.001"}
    rows = pd.DataFrame([cells | {"Holm": "–"}])
    text = latex_table(rows, caption="A_B < 5 %", label="tab:one")
    row = r"add\_mag1 \& 5 \% & $-0.84$ & $[-1, 2]$ & \textless{}.001 & -- \\"
    lines = [r"\begin{table}", r"\caption{A\_B \textless{} 5 \%}", r"\label{tab:one}"]
    lines += [r"\begin{tabular}{lrlrr}", r"\toprule", r"muscle & rate & range & p & Holm \\"]
    lines += [r"\midrule", row, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""]
    assert text.splitlines() == lines[:-1]


def test_nothing_is_drawn_for_the_tables_in_a_terminal():
    code = "import sys; from nem2e_tf.cli.report import command; import nem2e_tf.report.page.page; "
    code += "import nem2e_tf.report.pictures; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
