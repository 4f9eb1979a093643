"""Signals from CSV files: delimiters, encodings, missing values and refusals."""

import re

import numpy as np
import pytest

from nem2e_tf.errors import InputError
from nem2e_tf.io.time_series import read_signals


def test_semicolons_blank_lines_and_empty_cells(tmp_path):
    (tmp_path / "a.csv").write_text("Time (s);a;b\n0;1;\n\n0.5;2;4\n")
    found = read_signals(tmp_path / "a.csv")
    assert (found.labels, found.time.tolist()) == (("a", "b"), [0, 0.5])
    np.testing.assert_array_equal(found.data, [[1, np.nan], [2, 4]])
    assert found.notes == ("1 empty or nan cells",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a table of signals, found an empty file"),
        ("0,1\n1,2\n", "line 1: expected labels, found numbers only"),
        ("time,a\n0,1\n1,x\n", "line 3, column a: expected a number, found 'x'"),
        ("time;a\n0;1,5\n", "line 2, column a: expected a number, found '1,5'; write a decimal"),
        ("time,a,b\n0,1,2\n1,2\n", "line 3: expected 3 cells, found 2; the file seems truncated"),
        ("time,a,b\n\n0,1\n1,2,3\n", "line 3: expected 3 cells, found 2"),
        ("time,a\n1,1\n0,2\n", "line 3: expected times that do not decrease"),
        ("time,a\n0,1\n,2\n", "line 3: expected times that do not decrease"),
        ("time,,b\n0,1,2\n", "line 1: expected a label in column 2"),
        ("time,t\n0,1\n", "line 1: expected one column of times, found 2"),
        ("time,a\n0,1\n1,inf\n", "line 3, column a: expected a number, found"),
        ("a,b\n0,1\n", "a column time (s), or the sampling rate, found neither"),
    ],
)
def test_ambiguous_csv_is_refused(text, message, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_signals(tmp_path / "a.csv")
    assert "\n" not in str(caught.value)


def test_csv_truncated_in_its_last_number_gets_a_note(tmp_path):
    (tmp_path / "a.csv").write_text("time,a\n0,1.25\n1,2.5")
    assert "no newline at the end" in read_signals(tmp_path / "a.csv").notes[0]


def test_matlab_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="found a MATLAB file; export its signals to a CSV"):
        read_signals(tmp_path / "emg.mat")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_csv_in_any_encoding(encoding, tmp_path):
    (tmp_path / "a.csv").write_bytes("time,µV ü\r\n0,1\r\n1,2\r\n".encode(encoding))
    found = read_signals(tmp_path / "a.csv")
    assert found.labels == ("µV ü",)
    np.testing.assert_array_equal(found.data, [[1], [2]])
    assert not found.notes
