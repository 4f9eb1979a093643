import io
import json
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from rich.console import Console
from support.made_runs import ENTRIES, MUSCLES
from support.made_runs import made as made_results

from nem2e_tf.cli.report import command
from nem2e_tf.errors import InputError
from nem2e_tf.report.evidence import gather
from nem2e_tf.report.notes import notes
from nem2e_tf.report.runs import read_runs
from nem2e_tf.report.tables import evidence_tables, table, to_json


def made(**options):
    """Results, and the references that go with them."""
    results = made_results(**options)
    references = results[results["model"] == "opensim"]
    references = references[["muscle", "by", "group", "n_cycles", "rmse_simulated"]].assign(
        rmse_mean_pattern=references["rmse_simulated"] / 2,
        rmse_mean_pattern_per_condition=0.45 * references["rmse_simulated"],
    )
    return results, references


def printed(results, references=None, *, width=100, muscles=False):
    stream = io.StringIO()
    console = Console(file=stream, width=width, highlight=False)
    console.print(evidence_tables(gather(results, references), muscles=muscles))
    return stream.getvalue()


def one_line(text):
    return " ".join(text.split())


def write_run(folder, results, references=None, *, digest="abc"):
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"cohort": {"digest": digest}}))
    results.to_csv(folder / "results.csv", index=False)
    if references is not None:
        references.to_csv(folder / "references.csv", index=False)
    return folder


def test_table_is_whole_at_100_columns_without_colours():
    text = printed(*made(), muscles=True)
    assert "\x1b" not in text
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= 100
    for word in (*ENTRIES, *MUSCLES, "one-quarter each residual", "all-entire joint residual"):
        assert word in text


def test_narrow_terminals_fold_and_lose_nothing():
    text = printed(*made(), width=60)
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= 60


def test_entries_stand_in_the_order_of_their_skill():
    text = printed(*made())
    lines = text.splitlines()
    order = [line.split()[0] for line in lines if line.split()[:1] and line.split()[0] in ENTRIES]
    assert order == ["stdr-net-spatial", "stdr-net-temporal", "mean-pattern", "seq2seq", "opensim"]


def test_values_in_the_table_are_those_of_the_summary():
    results, references = made()
    summary = gather(results, references).summary
    best = summary[(summary["model"] == "stdr-net-spatial") & (summary["muscle"] == "overall")]
    row = best.iloc[0]
    lines = printed(results, references).splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("stdr-net-spatial"))
    assert f"{row['skill']:+.3f} p<.001" in lines[first]
    assert f"[{row['skill_low']:+.3f}, {row['skill_high']:+.3f}]" in lines[first + 1]
    assert f"[{row['rate_low']:+.3f}, {row['rate_high']:+.3f}]" in lines[first + 1]


def test_notes_state_plainly_what_the_mean_pattern_reaches():
    text = one_line(printed(*made()))
    assert "mean EMG pattern, which does not depend on its input, has a rate of -0.500" in text
    assert "a rate of -0.550 and a skill of +0.100" in text
    assert "muscles that share an electrode have the same signal" in text
    assert (
        "seq2seq with other settings (pattern one-quarter, targets each): stdr-net-spatial" in text
    )
    assert "6 subjects, mean over 4 muscles" in text


def test_without_references_only_the_pooled_pattern_is_reported():
    text = one_line(printed(made()[0]))
    assert "has a rate of -0.500" in text
    assert "per condition" not in text


def test_blocks_get_ranges_and_no_p():
    text = printed(*made(by="block"), muscles=True)
    assert not re.search(r"p[=<]\.", text)
    assert "no confidence intervals, no p values" in one_line(text)
    assert "t interval of the mean over" not in one_line(text)


def test_other_groups_than_people_are_named():
    text = one_line(printed(*made(by="speed")))
    assert "Each speed was left out, not each subject" in text


def test_a_missing_baseline_is_reported():
    results, references = made()
    text = one_line(printed(results[results["model"] != "seq2seq"], references))
    assert "No seq2seq among the entries" in text


def test_muscles_without_result_are_reported():
    results, references = made()
    gone = (results["muscle"] == "tibant") & (results["model"] == "seq2seq")
    results.loc[gone, ["rmse_refined", "rate", "skill", "r", "lag_ms"]] = np.nan
    text = one_line(printed(results, references, muscles=True))
    assert "No result for 6 of 6 groups (s0, s1, s2, s3, s4, s5): seq2seq (tibant)." in text


def test_kinds_of_groups_are_not_mixed():
    people, blocks = made()[0], made(by="block", groups=5)[0]
    evidence = gather(pd.concat([people, blocks]))
    assert evidence.kinds() == ["subject", "block"]
    assert not any("blocks" in note for note in notes(evidence, by="subject"))


def test_json_is_plain_and_complete():
    found = json.loads(json.dumps(to_json(gather(*made())), allow_nan=False))
    overall = [row for row in found["summary"] if row["muscle"] == "overall"]
    assert {row["model"] for row in overall} == set(ENTRIES)
    assert next(row for row in overall if row["model"] == "opensim")["rate_p"] is None
    assert len(found["against_baseline"]) == 4 * (len(MUSCLES) + 1)
    rates = {row["muscle"]: row["mean_pattern_rate"] for row in found["references"]}
    assert rates["overall"] == pytest.approx(-0.5)
    assert any("-0.500" in note for note in found["notes"]["subject"])


def test_command_prints_the_table_and_the_json(tmp_path):
    run = write_run(tmp_path / "run", *made())
    text = CliRunner().invoke(command, [str(run)], catch_exceptions=False).stdout
    assert one_line(text) == one_line(printed(*made()))
    muscles = CliRunner().invoke(command, [str(run), "--muscles"], catch_exceptions=False).stdout
    assert "semimem" in muscles
    plain = CliRunner().invoke(command, [str(run), "--json"], catch_exceptions=False).stdout
    assert json.loads(plain)["baseline"] == "seq2seq"


def test_the_table_of_a_run_prints_from_python(tmp_path):
    run = write_run(tmp_path / "run", *made())
    assert str(table(run)) == printed(*made())
    assert repr(table(SimpleNamespace(path=run), muscles=True)) == printed(*made(), muscles=True)


def test_runs_of_one_cohort_are_put_together(tmp_path):
    results, references = made()
    base = results["model"] == "seq2seq"
    one = write_run(tmp_path / "one", results[base], references)
    two = write_run(tmp_path / "two", results[~base], references)
    together, both = read_runs([one, two])
    assert set(together["run"]) == {"one", "two"}
    evidence = gather(together, both)
    assert evidence.references.set_index("muscle").loc["overall", "n"] == 6
    assert evidence.references.set_index("muscle").loc["soleus", "n"] == 6
    compared = evidence.comparison[evidence.comparison["model"] == "stdr-net-temporal"]
    assert set(compared["baseline"]) == {"run one"}
    assert "two" in printed(together, both)


def test_runs_that_cannot_be_put_together_are_refused(tmp_path):
    one = write_run(tmp_path / "one", *made())
    other = write_run(tmp_path / "other", *made(), digest="xyz")
    with pytest.raises(InputError, match="of the same cohort"):
        read_runs([one, other])
    with pytest.raises(InputError, match="each run once"):
        read_runs([one, one])


def test_folders_that_are_no_finished_run_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        read_runs([tmp_path / "absent"])
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "holiday.jpg").touch()
    with pytest.raises(InputError, match=r"run\.json"):
        read_runs([foreign])
    unfinished = write_run(tmp_path / "unfinished", made()[0])
    (unfinished / "results.csv").unlink()
    with pytest.raises(InputError, match="to finish it"):
        read_runs([unfinished])
    empty = write_run(tmp_path / "empty", made()[0].iloc[:0])
    with pytest.raises(InputError, match="found none"):
        read_runs([empty])
    lacking = write_run(tmp_path / "lacking", made()[0].drop(columns="skill"))
    with pytest.raises(InputError, match="expected a column skill"):
        read_runs([lacking])
    wrong = write_run(tmp_path / "wrong", made()[0])
    (wrong / "run.json").write_text("[]")
    with pytest.raises(InputError, match="settings"):
        read_runs([wrong])


def test_the_command_is_light_to_import():
    heavy = "numpy pandas scipy statsmodels rich.table tensorflow"
    code = "import sys, nem2e_tf.cli.report; "
    code += f"print([name for name in '{heavy}'.split() if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
