"""The text decoder: encodings, byte order marks, line ends, and files that are not text."""

import pytest

from nem2e_tf.errors import InputError
from nem2e_tf.io.storage import Storage, read_storage, write_storage
from nem2e_tf.io.text import decode, read_text
from nem2e_tf.io.trc import read_trc
from nem2e_tf.signals.gait import read_events

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_any_usual_encoding_is_recognised(encoding):
    assert decode("Hüfte Å µV".encode(encoding)) == "Hüfte Å µV"


def test_line_ends_become_line_feeds(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"a\r\nb\rc\n")
    assert read_text(tmp_path / "a.txt", "text") == "a\nb\nc\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04\x00", "a.txt: expected a channel map, found binary content"),
        ("ab".encode("utf-16-le"), "found binary content"),
        ("ab".encode("utf-16")[:-1], "found incomplete UTF-16 text"),
        (None, "a.txt: expected a channel map, found no such file"),
    ],
)
def test_files_that_are_not_text_are_refused(content, message, tmp_path):
    if content is not None:
        (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_text(tmp_path / "a.txt", "a channel map")
    with pytest.raises(InputError, match="found a folder"):
        read_text(tmp_path, "a channel map")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_reader_uses_the_decoder(encoding, tmp_path):
    trc = (
        "PathFileType\t4\t(X/Y/Z)\tx.trc\nDataRate\tUnits\n100\tmm\n"
        "Frame#\tTime\tHÅL\t\t\n\t\tX1\tY1\tZ1\n\n1\t0.0\t1000\t2\t3\n"
    )
    (tmp_path / "x.trc").write_bytes(trc.encode(encoding))
    assert read_trc(tmp_path / "x.trc").names == ("HÅL",)
    storage = "Läufer\nversion=1\nnRows=1\nnColumns=2\nendheader\ntime\ta\n0.5\t1.5\n"
    (tmp_path / "x.sto").write_bytes(storage.encode(encoding))
    found = read_storage(tmp_path / "x.sto")
    assert (found.name, found.data.tolist(), found.notes) == ("Läufer", [[1.5]], ())
    (tmp_path / "x.csv").write_bytes("start;end;Prüfer\n1;2;ö\n".encode(encoding))
    assert read_events(tmp_path / "x.csv")[0] == [(1, 2)]


@pytest.mark.parametrize("size", [3, 30_000])
def test_storage_of_any_size_in_utf16(size, tmp_path):
    import numpy as np

    table = Storage("", ("a", "b"), np.arange(size) / 100, np.arange(2.0 * size).reshape(size, 2))
    write_storage(tmp_path / "a.sto", table)
    (tmp_path / "b.sto").write_text((tmp_path / "a.sto").read_text(), encoding="utf-16")
    found = read_storage(tmp_path / "b.sto")
    np.testing.assert_array_equal(found.data, table.data)


@pytest.mark.shared_data
def test_reported_files_are_read(shared_data):
    cases = shared_data.parent / "cases"
    if not cases.is_dir():
        pytest.skip("no reported cases next to the recordings")
    assert len(read_trc(cases / "trc-bom" / "bom.trc").names) > 1
    assert "HÅL" in read_trc(cases / "trc-a-ring" / "angstrom.trc").names
    assert read_events(cases / "events-semicolon" / "ev.csv")[0][:2] == [(1, 2), (2, 3)]
