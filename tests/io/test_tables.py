"""The reader of tables that people write: delimiters, columns, and cells named by file and line."""

import pytest

from nem2e_tf.errors import InputError
from nem2e_tf.io.tables import column_names, read_table


def table(tmp_path, text, **options):
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    return read_table(tmp_path / "t.csv", ("name", "speed"), ("side",), what="a table", **options)


@pytest.mark.parametrize("mark", [",", ";", "\t", ", "])
def test_delimiters_blank_lines_and_byte_order_marks(mark, tmp_path):
    text = "\ufeff\nName,SPEED,colour\n\n a ,1.5,red\n,,\n'b',,blue\n"
    rows, columns, notes = table(tmp_path, text.replace(",", mark))
    assert [row["name"] for row in rows] == ["a", "'b'"]
    assert rows[0].number("speed") == 1.5
    assert rows[1].number("speed", 2.0) == 2.0
    assert rows[1].where.endswith("t.csv, line 6")
    assert columns == {"name", "speed", "colour"} == column_names(tmp_path / "t.csv")
    assert len(notes) == 1
    assert "column 'colour' is not used" in notes[0]


def test_remarks_are_skipped_only_on_request(tmp_path):
    text = "# remark\nname,speed\n#1,2\nb,3\n"
    assert len(table(tmp_path, text, remarks="#")[0]) == 1
    assert len(table(tmp_path, text.removeprefix("# remark\n"))[0]) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected a column 'name', found an empty file"),
        ("name,sped\na,1\n", "line 1: expected a column 'speed', found name, sped; did you mean"),
        ("name,speed,Name\na,1,b\n", "line 1: expected one column 'name', found two"),
        ("name,speed\n\na,1,2\n", "line 3: expected 2 cells, found 3"),
        ("name,speed\n", "expected a table with at least one row, found none"),
    ],
)
def test_wrong_tables_are_refused(text, message, tmp_path):
    with pytest.raises(InputError, match=message):
        table(tmp_path, text)


def test_wrong_cells_are_named_by_line_and_column(tmp_path):
    (row,), _, _ = table(tmp_path, "name;speed\n;fast\n")
    with pytest.raises(InputError, match="line 2, column name: expected a value, found an empty"):
        row.require("name")
    with pytest.raises(InputError, match="line 2, column speed: expected a number, found 'fast'"):
        row.number("speed")
