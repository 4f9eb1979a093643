"""Numbers parsed by a library are exactly those of Python, or the plain reader takes over."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nem2e_tf.errors import InputError
from nem2e_tf.io import numbers, storage
from nem2e_tf.io.numbers import number, read_regular
from nem2e_tf.io.storage import read_storage

FORMATS = ("%r", "%.17g", "%.8f", "%.18e", "%20.20f", "%.24f", "%+.3e", "%.0f", "%.12E", "%d")
LARGE = numbers.LOADED_PANDAS_FROM
HEADER = "endheader\ntime\ta\tb\n"


@pytest.fixture(params=["numpy", "pandas"])
def library(request, monkeypatch):
    """Each test runs with both libraries, whatever the size."""
    pytest.importorskip(request.param)
    start = {"numpy": np.inf, "pandas": 0}[request.param]
    monkeypatch.setattr(numbers, "LOADED_PANDAS_FROM", start)
    return request.param


def read(text, columns, *, mark=" ", start=0):
    content = text if isinstance(text, bytes) else text.encode()
    return read_regular(content, start=start, columns=columns, mark=mark)


floats = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-2, 2),
    st.floats(0, 1e9).map(lambda x: x * 1e-3),
)


@given(
    st.lists(st.tuples(floats, floats, floats), min_size=1, max_size=20),
    st.lists(st.sampled_from(FORMATS), min_size=3, max_size=3),
    st.sampled_from(["\t", " ", ",", " \t  "]),
)
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_number_is_what_float_gives(library, rows, formats, separator):
    # Integers of any length are left to the plain reader by pandas, and "%d" of 1e300 is one.
    rows = [[x if abs(x) < 1e15 else x / 1e300 for x in row] for row in rows]
    texts = [[form % x for form, x in zip(formats, row, strict=True)] for row in rows]
    body = "\n".join(separator.join(row) for row in texts)
    values, lines = read(body, 3, mark=separator[:1] if len(separator) == 1 else " ")
    np.testing.assert_array_equal(values, [[float(cell) for cell in row] for row in texts])
    assert lines.tolist() == list(range(len(rows)))


@pytest.mark.parametrize("digits", range(14, 26))
def test_rounding_is_right_also_next_to_the_middle_of_two(library, digits):
    # Exactly halfway (a decimal of 54 bits), and the nearest decimals of so many digits.
    rng = np.random.default_rng(digits)
    odd = 2 * rng.integers(2**52, 2**53, size=300) + 1
    halfway = [int(n) * 10**digits // 2**54 for n in odd]
    texts = [f"0.{n + step:0{digits}d}" for n in halfway for step in (-1, 0, 1)]
    values, _ = read("\n".join(texts), 1)
    assert values[:, 0].tolist() == [float(text) for text in texts]


def test_an_exact_tie_goes_to_the_even_one(library):
    # 1 + 2**-53 lies in the middle of 1 and the next float64.
    texts = ["1.00000000000000011102230246251565", "1.00000000000000011102230246251566"]
    ties = [f"{2**53 + 1}.0", f"{(2**53 + 1) / 2**1:.1f}", "9007199254740993", "4503599627370496.5"]
    values, _ = read("\n".join(texts + ties), 1)
    assert values[:2, 0].tolist() == [1.0, 1.0000000000000002]
    assert values[:, 0].tolist() == [float(text) for text in texts + ties]
    # Also where all are integers, which a library may read as such.
    assert read(f"{2**53 + 1}\n{2**63}\n", 1)[0][:, 0].tolist() == [2.0**53, 2.0**63]


def test_seldom_forms(library):
    texts = ["5", "5.", ".5", "-0", "+7", "1E5", "1e-300", "1e999", "nan", "NaN", "-Inf"]
    texts += ["infinity", "1e+07", "123456789012", "0" * 30 + "1", "0." + "0" * 30 + "1"]
    texts += ["1e0000000001", "1e-999", "-1e5"]
    values, _ = read("\t".join(texts), len(texts))
    np.testing.assert_array_equal(values[0], [number(text.encode()) for text in texts])
    assert values[0, :7].tolist() == [5, 5, 0.5, 0, 7, 1e5, 1e-300]


ODD = ["x", "1_0", "1-2", "--1", "1.2.3", "1e", "1e+", "e5", "+", ".", "0x1f", "1e5.5", "1/2"]
ODD += ["1d5", "True", "NA", "null", "None", "N/A", "#5", "5#", "'5'", "1f", "1j", "1L"]
ODD += ["$5", "5%", "infi", "nan1", "1:00", "2013-01-01", "\u0663", "\uff11", "\u22121", "\\5"]
ODD += [f"{mark}5" for mark in "\v\f\x1c\x1d\x1e\x1f\x85\xa0\u2003"]
ODD += [f"5{mark}" for mark in "\v\f\x1c\x1d\x1e\x1f\x85\xa0\u2003"]


@pytest.mark.parametrize("mark", ["\t", " ", ","])
@pytest.mark.parametrize("cell", ODD)
def test_what_is_no_number_is_not_read(library, cell, mark):
    for encoding in ("utf-8", "latin-1"):
        odd = cell.encode(encoding, errors="replace")
        assert number(odd) is None
        for row, column in np.ndindex(2, 2):
            cells = [[b"0.5", b"1"], [b"2.5", b"3"]]
            cells[row][column] = odd
            body = b"".join(mark.encode().join(line) + b"\n" for line in cells)
            assert read(body, 2, mark=mark) is None


def test_a_word_for_nan_is_counted_and_a_missing_cell_is_none(library):
    values, _ = read("0\tnan\tNaN\n1\t2\tinf\n", 3, mark="\t")
    np.testing.assert_array_equal(values, [[0, np.nan, np.nan], [1, 2, np.inf]])
    for short in (
        "0\tnan\n1\t2\t3\n",
        "0\tnan\t1\n1\t2\n",
        "0\tnan\t1\n1\t\t2\n",
        "0\tnan\t1\n1\n",
    ):
        assert read(short, 3, mark="\t") is None


def test_windows_nan_is_left_to_the_caller(library):
    assert np.isnan(number(b"-1.#IND00"))
    assert read("0\t-1.#IND00\n", 2) is None


@pytest.mark.parametrize("mark", ["\t", " ", ","])
def test_lines_are_counted_and_empty_ones_passed_over(library, mark):
    values, lines = read(f"0{mark}1\n\n2{mark}3\n\n\n4{mark}5\n\n", 2, mark=mark)
    assert values.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert lines.tolist() == [0, 2, 5]
    for rows in (["0|1", "2"], ["0|1", "2|3|4"], ["0", "1"], ["0|1|2", "3|4|5"], ["0|1", "2|"]):
        assert read("\n".join(rows).replace("|", mark) + "\n", 2, mark=mark) is None


def test_blanks_around_numbers(library):
    values, lines = read("  0 \t 1\t \n \t\n2 3\n", 2)
    assert values.tolist() == [[0, 1], [2, 3]]
    assert lines.tolist() == [0, 2]


def test_commas_stand_where_they_should(library):
    assert read("0,1\n2, 3\n", 2, mark=",")[0].tolist() == [[0, 1], [2, 3]]
    for odd in ("0,1\n2 3\n", "0,,1\n", "0,1,\n", "0,1\n2,\n", "0 1\n", "0\n,1\n"):
        assert read(odd, 2, mark=",") is None
    assert read("0,1\n", 2) is None


def test_a_part_of_a_content_in_many_pieces(library):
    table = np.random.default_rng(0).normal(size=(9000, 3))
    table[:, 2] = np.arange(9000)
    body = "\n".join("\t".join(map(repr, row)) for row in table.tolist())
    for before in ("", "time a b\n" * 9):
        values, lines = read(before + body, 3, start=len(before), mark="\t")
        np.testing.assert_array_equal(values, table)
        assert lines.tolist() == list(range(9000))
    # A word far down, behind the first pieces that a library takes.
    assert read(body + "\n1\tx\t2\n", 3, mark="\t") is None
    assert read(body + "\n1\t\v1\t2\n", 3, mark="\t") is None


@pytest.mark.parametrize(
    "returned",
    [[[0, 1], [2, 3]], [[0, 1], [2, 3], [4, np.nan]], [[0], [2], [4]], [[0, 1, 2]]],
    ids=["a row lost", "a number lost", "a column lost", "all on one row"],
)
def test_a_library_is_not_believed(monkeypatch, returned):
    def reads_wrong(pieces, mark):
        pieces.read()
        return np.array(returned, dtype=float)

    monkeypatch.setattr(numbers, "_with_numpy", reads_wrong)
    for text in ("0 1\n2 3\n4 5\n", "0 1\n\n2 3\n4 5\n"):
        assert read(text, 2) is None


@pytest.fixture
def large(tmp_path):
    """A file large enough for a loaded pandas."""
    path = tmp_path / "large.sto"
    rows = (f"{i / 100}\t{i / 7!r}\t{-i}.5" for i in range(20_000))
    path.write_text(HEADER + "\n".join(rows) + "\n")
    assert path.stat().st_size > LARGE
    return path


def fresh(code, *arguments):
    """What a fresh interpreter prints."""
    call = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(call, capture_output=True, text=True, check=True).stdout.split()


def test_pandas_is_loaded_for_very_large_files_only(large):
    code = (
        "import sys\nfrom nem2e_tf.io import numbers, storage\n"
        "total = storage.read_storage(sys.argv[1]).data.sum()\n"
        "before = 'pandas' in sys.modules\n"
        "numbers.IMPORTED_PANDAS_FROM = 0\n"
        "again = storage.read_storage(sys.argv[1]).data.sum()\n"
        "print(before, 'pandas' in sys.modules, total == again)"
    )
    assert fresh(code, large) == ["False", "True", "True"]


def test_without_pandas_numpy_reads_files_of_any_size(large):
    code = (
        "import sys\nsys.modules['pandas'] = None\n"
        "from nem2e_tf.io import numbers, storage\n"
        "numbers.IMPORTED_PANDAS_FROM = 0\n"
        "print(*storage.read_storage(sys.argv[1]).data.shape)"
    )
    assert fresh(code, large) == ["20000", "2"]


def test_an_older_pandas_is_not_asked(large, monkeypatch):
    """Its numbers were not rounded to the nearest."""
    pandas = pytest.importorskip("pandas")
    monkeypatch.setattr(pandas, "read_csv", lambda *_, **__: pytest.fail("was asked"))
    monkeypatch.setattr(pandas, "__version__", "3.0.9")
    assert read_storage(large).n_rows == 20_000
    monkeypatch.setattr(pandas, "__version__", "3.1.0rc1")
    with pytest.raises(pytest.fail.Exception):
        read_storage(large)


@pytest.mark.parametrize(
    ("old", "new"), [("\n", "\t\n"), ("\n", "\r\n"), ("\t", "  "), ("\t", ",")]
)
def test_usual_forms_of_a_file_are_left_to_a_library(library, large, monkeypatch, old, new):
    expected = read_storage(large)
    large.write_bytes(large.read_text().replace(old, new).encode())
    monkeypatch.setattr(numbers.Rows, "_row", lambda *_: pytest.fail("line by line"))
    np.testing.assert_array_equal(read_storage(large).data, expected.data)


def outcome(path):
    """All that is said of a file."""
    try:
        found = read_storage(path)
    except InputError as error:
        return str(error)
    table = np.column_stack([found.time, found.data]).tobytes()
    return found.labels, found.notes, found.header, found.n_rows, table


def test_a_plain_large_file_is_handed_to_pandas_as_a_file(large, monkeypatch):
    pytest.importorskip("pandas")
    sizes = []

    parse = storage.parse

    def recorded(content, **options):
        sizes.append(len(content))
        return parse(content, **options)

    monkeypatch.setattr(storage, "parse", recorded)
    assert read_storage(large).n_rows == 20_000
    assert sizes == [storage._START]


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c,
        lambda c: c.removesuffix(b"\n"),
        lambda c: c.removesuffix(b"\n") + b"1",
        lambda c: c + b"\n",
        # As many lines end as there are rows.
        lambda c: c[:-20].replace(b"\n150.0\t", b"\n\n150.0\t"),
        lambda c: c.replace(b"\n150.0\t", b"\n\n150.0\t"),
        lambda c: c + b"\0",
        lambda c: c.replace(b"\n150.0\t", b'\n"150.0"\t'),
        lambda c: c.replace(b"\n150.0\t", b"\r\n150.0\t"),
        lambda c: c.replace(b"\n150.0\t", b"\r150.0\t"),
        # As many lines as rows again, and the line at fault is not the one counted so.
        lambda c: (
            c.replace(b"\n150.0\t", b"\n\n150.0\t")
            .replace(b"\n160.0\t", b"\r160.0\t")
            .replace(b"\n155.0\t", b"\n1.0\t")
        ),
        lambda c: c.replace(b"\n150.0\t", b"\n\v150.0\t"),
        lambda c: c.replace(b"\n150.0\t", b"\n150.0"),
        lambda c: c.replace(b"\n150.0\t", b"\nendheader\n150.0\t"),
        lambda c: c.replace(b"\n150.0\t", b"\n150.0 7\t"),
        lambda c: c.replace(b"1", b"nan").replace(b"\nnan", b"\n1").replace(b".5\n", b".nan\n"),
        lambda c: c.replace(b".5\n", b"nan\n"),
        lambda c: b"\xef\xbb\xbf" + c,
        lambda c: b"x" * storage._START + b"\n" + c,
        lambda c: b"x" * (storage._START - 40) + b"\n" + c,
        lambda c: c[:4000] + c[4000:].replace(b"\t", b" "),
        lambda c: c.replace(b"\t1", b"\tnan"),
        lambda c: c.replace(b"\t", b",")[: len(c) // 2],
        lambda c: HEADER.encode() + b"5\n" * 3 + c,
    ],
)
def test_whichever_way_a_large_file_is_read_the_same_is_said(large, monkeypatch, change):
    pytest.importorskip("pandas")
    large.write_bytes(change(large.read_bytes()))
    expected = outcome(large)
    monkeypatch.setattr(storage, "_START", 0)
    assert outcome(large) == expected
    monkeypatch.setattr(numbers, "LOADED_PANDAS_FROM", np.inf)
    assert outcome(large) == expected
    monkeypatch.setattr(numbers, "read_regular", lambda *_, **__: None)
    assert outcome(large) == expected


def test_words_for_nan_that_lie_across_two_pieces_are_counted():
    content = b"nan\t" * 50 + b"NaN\n"
    for size in (1, 2, 3, 5, 64):
        pieces = numbers._Pieces(content, 0, None)
        while pieces.read(size):
            pass
        assert (pieces.nans, pieces.newlines) == (51, 1)


def test_however_read_a_column_stands_in_one_piece(large, monkeypatch):
    found = [read_storage(large)]
    monkeypatch.setattr(numbers, "LOADED_PANDAS_FROM", np.inf)
    found.append(read_storage(large))
    monkeypatch.setattr(numbers, "read_regular", lambda *_, **__: None)
    found.append(read_storage(large))
    assert all(one.data.flags.f_contiguous for one in found)
    assert {one.data.mean(axis=0).tobytes() for one in found} == {
        found[0].data.mean(axis=0).tobytes()
    }
    for one in found[1:]:
        np.testing.assert_array_equal(one.data, found[0].data)


def test_a_fault_deep_in_a_large_file_is_named(large):
    lines = large.read_text().split("\n")
    lines[15_000] = lines[15_000].replace("\t", "\tx", 1)
    large.write_text("\n".join(lines))
    with pytest.raises(
        InputError, match=r"line 15001, column 2 \(a\): expected a number, found 'x"
    ):
        read_storage(large)
