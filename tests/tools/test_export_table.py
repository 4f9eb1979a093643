"""The table of exports: a row an entry and format, no gaps."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support import small_refiners as small

pytestmark = pytest.mark.slow

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))

import export_table  # noqa: E402


@pytest.fixture(scope="module")
def rows():
    return list(export_table.rows_of("linear", small.with_training_cycles(small.joint("linear"))))


def test_every_format_has_a_row_without_empty_cells(rows):
    assert [row["format"] for row in rows] == list(export_table.FORMATS)
    for row in rows:
        assert set(export_table.COLUMNS) <= set(row)
        for column in export_table.COLUMNS:
            assert row[column] is not None, (row["format"], column)
            assert row[column] != "", (row["format"], column)
    found = {row["format"]: row for row in rows}
    assert found["TFLite float32, unrolled"]["converts"] == "no recurrence: the same as loop"
    assert found["TFLite float32, loop"]["converts"] == "yes"
    assert found["TFLite float32, loop"]["difference"] < 1e-5
    assert found["TFLite float32, loop"]["operators"] > 0
    assert found["SavedModel"]["median_ms"] == "runs in TensorFlow"


def test_the_table_is_whole_markdown(rows):
    lines = export_table.markdown(pd.DataFrame(rows)).splitlines()
    assert len(lines) == len(rows) + 2
    assert len({line.count("|") for line in lines}) == 1
    assert not any("|  |" in line or "nan" in line for line in lines)


def test_a_reason_stands_in_the_cell():
    from nem2e_tf.errors import ExportError

    def fails():
        raise ExportError("joint.tflite: over the limit")

    row = export_table.attempt(fails)
    assert row["converts"] == "joint.tflite: over the limit"
    assert {row[column] for column in export_table.COLUMNS[3:]} == {"-"}


def test_worst_muscle_and_mean_skill_are_reported():
    one = {"difference": 0.1, "rmse_change": -0.3, "skill_refiner": 0.5, "skill_file": 0.25}
    other = {"difference": 0.2, "rmse_change": 0.1, "skill_refiner": 0.25, "skill_file": 0.25}
    row = export_table.compared([one, other])
    assert (row["difference"], row["rmse_change"]) == (0.2, -0.3)
    np.testing.assert_allclose([row["skill_refiner"], row["skill_file"]], [0.375, 0.25])
    unknown = export_table.compared([{**one, "skill_refiner": None}])
    assert unknown["skill_file"] == "no mean pattern"


def test_an_unknown_entry_is_refused():
    run = subprocess.run(
        [sys.executable, str(TOOLS / "export_table.py"), "--entry", "lstn"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "--entry lstn: expected one of opensim, mean-pattern" in run.stderr
