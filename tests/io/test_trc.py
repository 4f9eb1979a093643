"""Marker files written and read back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.recordings import markers_of

from nem2e_tf.errors import InputError
from nem2e_tf.io.trc import read_trc, write_trc


@given(
    arrays(np.float64, (4, 3, 3), elements=st.floats(-1e6, 1e6)),
    arrays(np.bool_, (4, 3)),
)
def test_a_marker_file_gives_back_every_number_and_gap(tmp_path_factory, positions, unseen):
    path = tmp_path_factory.getbasetemp() / "written.trc"
    positions[unseen] = np.nan
    write_trc(path, markers_of(positions, ("R.Heel", "L Toe", "C7")))
    found = read_trc(path)
    assert found.names == ("R.Heel", "L Toe", "C7")
    np.testing.assert_array_equal(found.positions, positions)
    np.testing.assert_array_equal(found.time, np.arange(4) / 100)


@pytest.mark.shared_data
def test_a_real_marker_file_survives_a_round_trip(shared_data, tmp_path):
    real = read_trc(shared_data / "opensim_walk3d" / "markers_walk.trc")
    write_trc(tmp_path / "again.trc", real)
    again = read_trc(tmp_path / "again.trc")
    assert again.names == real.names
    np.testing.assert_array_equal(again.positions, real.positions)
    text = (tmp_path / "again.trc").read_text().splitlines()
    assert text[2].split("\t")[:5] == ["100", "100", "238", "41", "m"]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (markers_of(np.zeros((2, 2, 3)), ("a", "a")), "expected each marker once, found 'a' twice"),
        (markers_of(np.zeros((2, 1, 3)), ("a\tb",)), "expected marker names without tabs"),
        (markers_of(np.zeros((2, 1, 3)), time=np.zeros(2)), "expected finite, increasing times"),
        (markers_of(np.full((2, 1, 3), np.inf)), "expected finite positions, found infinity"),
        (markers_of(np.zeros((0, 1, 3))), "expected positions of at least one frame"),
    ],
)
def test_what_would_break_a_marker_file_is_refused(tmp_path, made, message):
    with pytest.raises(InputError, match=message):
        write_trc(tmp_path / "bad.trc", made)
    assert not list(tmp_path.iterdir())


def test_marker_file(tmp_path):
    text = (
        "PathFileType\t4\t(X/Y/Z)\tx.trc\nDataRate\tUnits\n100\tmm\n"
        "Frame#\tTime\tR.Heel\t\t\tS2\t\t\n\t\tX1\tY1\tZ1\tX2\tY2\tZ2\n\n"
        "1\t0.0\t1000\t2\t3\t4\t5\t6\n2\t0.01\t\t\t\t7\t8\t9\n"
    )
    (tmp_path / "x.trc").write_text(text)
    markers = read_trc(tmp_path / "x.trc")
    assert markers.names == ("R.Heel", "S2")
    np.testing.assert_allclose(markers.marker("R.Heel"), [[1, 0.002, 0.003], [np.nan] * 3])
    with pytest.raises(InputError, match=r"did you mean R\.Heel"):
        markers.marker("R.Heal")
    for old, new, message in (
        ("mm", "inch", "expected Units"),
        ("1000", "x", "line 7, column 3"),
        ("\t9\n", "\t9\t10\n", "line 8: expected 8 cells"),
        ("PathFileType", "x", "expected a marker file"),
    ):
        (tmp_path / "y.trc").write_text(text.replace(old, new))
        with pytest.raises(InputError, match=message):
            read_trc(tmp_path / "y.trc")
