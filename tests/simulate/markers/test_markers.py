"""Motion of other systems converted to a marker file."""

import re
import struct
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from support.recordings import markers_of

from nem2e_tf.cli.data import markers as command
from nem2e_tf.errors import InputError
from nem2e_tf.io import c3d as c3d_files
from nem2e_tf.io.trc import read_trc, write_trc
from nem2e_tf.simulate.markers.converting import (
    AXES,
    SHIPPED,
    convert,
    read_mapping,
    read_points,
    shipped_mapping,
    turn_to_opensim,
)

FRAMES = 5
TIME = np.arange(FRAMES) / 100
C3D = "C3D needs ezc3d: pip install 'nem2e-tf[c3d]'"
OF_THE_MODEL = {
    *("C7", "RACR", "LACR", "RASI", "LASI", "RPSI", "LPSI", "RHJC", "LHJC", "RSJC", "LSJC"),
    *("REJC", "LEJC", "RLEL", "LLEL", "RMEL", "LMEL", "RFAradius", "LFAradius", "RFAulna"),
    *("LFAulna", "RLFC", "LLFC", "RMFC", "LMFC", "RKJC", "LKJC", "RLMAL", "LLMAL", "RMMAL"),
    *("LMMAL", "RAJC", "LAJC", "RCAL", "LCAL", "RTOE", "LTOE", "RMT5", "LMT5"),
}
"""Markers of Rajagopal's model that the mappings may use."""


def landmarks(path, system, *, change=None, ending=""):
    """A CSV of all needed points: point i is at (i, 10 + i, 20 + i) in frame 0, and moves along x.

    The numbers tell points and axes apart.
    """
    names = [name for row in shipped_mapping(system) for name in row.sources]
    table = {
        f"{name}_{axis}": i + 10 * k + (TIME if axis == "x" else 0 * TIME)
        for i, name in enumerate(names)
        for k, axis in enumerate("xyz")
    }
    if change:
        change(table)
    rows = [",".join(("time", *table)), *_lines(table)]
    path.write_text("\n".join(rows) + "\n" + ending)
    return names


def _lines(table):
    return [",".join(f"{v:.17g}" for v in row) for row in np.column_stack([TIME, *table.values()])]


@pytest.mark.parametrize("up", AXES)
@pytest.mark.parametrize("forward", AXES)
def test_axes_are_turned_and_never_mirrored(up, forward):
    if up[-1] == forward[-1]:
        with pytest.raises(InputError, match="expected two axes"):
            turn_to_opensim(up, forward)
        return
    turn = turn_to_opensim(up, forward)
    assert np.linalg.det(turn) == 1
    for axis, goal in ((forward, [1, 0, 0]), (up, [0, 1, 0])):
        unit = np.eye(3)["xyz".index(axis[-1])] * (-1 if axis[0] == "-" else 1)
        np.testing.assert_array_equal(turn @ unit, goal)


@pytest.mark.parametrize("system", SHIPPED)
def test_shipped_mappings_name_markers_of_the_model(system):
    rows = shipped_mapping(system)
    assert {row.marker for row in rows} <= OF_THE_MODEL
    sides = {row.marker[1:] for row in rows if row.marker[0] == "R"}
    assert sides == {row.marker[1:] for row in rows if row.marker[0] == "L"}


def test_mediapipe_is_turned_upright(tmp_path):
    names = landmarks(tmp_path / "pose.csv", "mediapipe")
    found = convert(tmp_path / "pose.csv", "mediapipe")
    i = names.index("LEFT_KNEE")
    # MediaPipe has y down and z away from the camera: y and z change sign.
    expected = np.stack([i + TIME, 0 * TIME - 10 - i, 0 * TIME - 20 - i], axis=1)
    np.testing.assert_allclose(found.markers.marker("LKJC"), expected)
    assert "axes: up is -y, forward is x" in found.notes[0]


def test_landmarks_that_are_hardly_visible_are_gaps(tmp_path):
    def change(table):
        table["LEFT_HEEL_visibility"] = np.array([0.9, 0.4, 0.5, np.nan, 0.9])

    landmarks(tmp_path / "pose.csv", "mediapipe", change=change)
    found = convert(tmp_path / "pose.csv", "mediapipe")
    unseen = np.isnan(found.markers.marker("LCAL")).all(axis=1)
    assert unseen.tolist() == [False, True, False, True, False]
    assert any("visibility below 0.5, treated as gaps: LEFT_HEEL 2" in note for note in found.notes)
    assert any("LCAL: missing in 2 of 5 frames, the longest gap 1" in n for n in found.notes)
    assert not np.isnan(found.markers.marker("RCAL")).any()


def test_opencap_is_read_from_a_table_or_a_marker_file(tmp_path):
    names = landmarks(tmp_path / "walk.csv", "opencap")
    table = convert(tmp_path / "walk.csv", "opencap").markers
    assert set(table.names) == OF_THE_MODEL - {
        *("RSJC", "LSJC", "REJC", "LEJC", "RKJC", "LKJC", "RAJC", "LAJC")
    }
    places = read_points(tmp_path / "walk.csv").places
    source = markers_of(np.stack([places[name] for name in names], axis=1), tuple(names))
    write_trc(tmp_path / "walk.trc", source)
    np.testing.assert_array_equal(
        convert(tmp_path / "walk.trc", "opencap").markers.positions, table.positions
    )


def test_missing_points_are_all_named_and_optional_ones_omitted(tmp_path):
    def change(table):
        for name in ("r_calc_study", "L_calc_study", "C7_study"):
            for axis in "xyz":
                del table[f"{name}_{axis}"]

    landmarks(tmp_path / "walk.csv", "opencap", change=change)
    with pytest.raises(InputError, match="expected r_calc_study, L_calc_study, found none"):
        convert(tmp_path / "walk.csv", "opencap")

    def only_the_neck(table):
        for axis in "xyz":
            del table[f"C7_study_{axis}"]

    landmarks(tmp_path / "walk.csv", "opencap", change=only_the_neck)
    found = convert(tmp_path / "walk.csv", "opencap")
    assert any("markers without a point in the file, omitted: C7" in n for n in found.notes)


def theia_content():
    """A Theia3D file as read by ezc3d; the pelvis is turned by 90 degrees about the vertical."""
    names = [name for row in shipped_mapping("theia") for name in (*row.sources, row.axes) if name]
    names = list(dict.fromkeys(names))
    matrices = np.tile(np.eye(4)[:, :, None, None], (1, 1, len(names), FRAMES))
    for i in range(len(names)):
        matrices[:3, 3, i] = np.array([100.0 * i, 200.0 * i, 300.0 * i])[:, None]
    matrices[:2, :2, names.index("pelvis_4X4")] = np.array([[0.0, -1.0], [1.0, 0.0]])[:, :, None]
    return names, {
        "header": {"points": {"frame_rate": 100.0, "first_frame": 0}},
        "parameters": {
            "POINT": {"UNITS": {"value": ["mm"]}, "LABELS": {"value": []}},
            "ROTATION": {"LABELS": {"value": names}},
        },
        "data": {"points": np.zeros((4, 0, FRAMES)), "rotations": matrices},
    }


def test_theias_segments_become_joints_and_points_next_to_them(tmp_path, monkeypatch):
    names, content = theia_content()
    monkeypatch.setattr("nem2e_tf.simulate.markers.converting.open_c3d", lambda path: content)
    found = convert(tmp_path / "walk.c3d", "theia").markers
    # Theia: x right, y forward, z up, mm; OpenSim: x forward, y up, z right, m.
    i = names.index("r_shank_4X4")
    np.testing.assert_allclose(found.marker("RKJC")[0], [0.2 * i, 0.3 * i, 0.1 * i])
    np.testing.assert_allclose(
        found.marker("RLFC")[0] - found.marker("RKJC")[0], [0, 0, 0.05], atol=1e-12
    )
    hips = [names.index(f"{side}_thigh_4X4") for side in "lr"]
    middle = np.mean(hips) * np.array([0.2, 0.3, 0.1])
    # The pelvis' right is the file's forward, and its forward is the file's left.
    np.testing.assert_allclose(found.marker("RASI")[0] - middle, [0.1285, 0.097, -0.066])


def test_markers_of_a_c3d_file_keep_names_and_gaps(tmp_path):
    ezc3d = pytest.importorskip("ezc3d", reason=C3D)
    content = ezc3d.c3d()
    content["parameters"]["POINT"]["RATE"]["value"] = [100.0]
    content["parameters"]["POINT"]["LABELS"]["value"] = ["R.Heel", "L.Heel"]
    content["parameters"]["POINT"]["UNITS"]["value"] = ["mm"]
    places = np.ones((4, 2, FRAMES))
    places[:3, 0] = np.array([100.0, 200.0, 300.0])[:, None] + np.arange(FRAMES)
    places[:3, 1] = 50.0
    places[:3, 1, 1] = np.nan
    places[:3, 1, 3] = 0.0
    content["data"]["points"] = places
    content.write(str(tmp_path / "walk.c3d"))
    found = convert(tmp_path / "walk.c3d", "c3d")
    assert found.markers.names == ("R.Heel", "L.Heel")
    np.testing.assert_allclose(found.markers.time, TIME)
    np.testing.assert_allclose(found.markers.marker("R.Heel")[2], [0.102, 0.302, -0.202])
    unseen = np.isnan(found.markers.marker("L.Heel")).all(axis=1)
    assert unseen.tolist() == [False, True, False, True, False]
    assert any("L.Heel: 1 frames at exactly 0, 0, 0 treated as gaps" in n for n in found.notes)
    with pytest.raises(InputError, match=r"expected .*l_thigh_4X4.*found none"):
        convert(tmp_path / "walk.c3d", "theia")
    raw = (tmp_path / "walk.c3d").read_bytes()
    (tmp_path / "walk.c3d").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(InputError, match="seems truncated"):
        convert(tmp_path / "walk.c3d", "c3d")


def test_c3d_without_ezc3d_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ezc3d", None)
    (tmp_path / "walk.c3d").write_bytes(struct.pack("<2B", 2, 0x50) + bytes(1022))
    with pytest.raises(InputError, match=re.escape("pip install 'nem2e-tf[c3d]'")):
        c3d_files.open_c3d(tmp_path / "walk.c3d")


def test_a_users_mapping_renames_and_averages(tmp_path):
    positions = np.zeros((FRAMES, 3, 3))
    positions[:, 0] = [1, 2, 3]
    positions[:, 1] = [3, 4, 5]
    positions[1, 1] = np.nan
    write_trc(tmp_path / "walk.trc", markers_of(positions, ("A", "B", "spare")))
    (tmp_path / "map.csv").write_text("# mine\nmarker,source\nmiddle,A + B\nfirst,A\n")
    found = convert(tmp_path / "walk.trc", "trc", mapping=tmp_path / "map.csv")
    assert found.markers.names == ("middle", "first")
    np.testing.assert_array_equal(found.markers.marker("middle")[0], [2, 3, 4])
    assert np.isnan(found.markers.marker("middle")[1]).all()
    assert any("points not used (1): spare" in note for note in found.notes)


def test_markers_are_compared_with_the_model(tmp_path):
    write_trc(tmp_path / "walk.trc", markers_of(np.zeros((3, 1, 3)), ("R.Heel",)))
    model = tmp_path / "model.osim"
    model.write_text(
        '<OpenSimDocument><Marker name="R.Heel"/><Marker name="C7"/></OpenSimDocument>'
    )
    found = convert(tmp_path / "walk.trc", "trc", model=model)
    assert any("markers without data (1): C7" in note for note in found.notes)
    model.write_text('<OpenSimDocument><Marker name="R_Heel"/></OpenSimDocument>')
    with pytest.raises(
        InputError, match=r"expected the markers R.Heel, found none; did you mean R_"
    ):
        convert(tmp_path / "walk.trc", "trc", model=model)
    model.write_text("<OpenSim")
    with pytest.raises(InputError, match="expected an OpenSim model"):
        convert(tmp_path / "walk.trc", "trc", model=model)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a column 'marker'"),
        ("marker,source\n", "expected a mapping of markers with at least one row"),
        ("marker,source\na,\n", "line 2, column source: expected a value"),
        ("marker,source\na,b\na,c\n", "line 3: expected a once"),
        ("marker,source,x\na,b,1\n", "column axes: expected the segment"),
        ("marker,source,axes,x\na,b,b,far\n", "column x: expected a number, found 'far'"),
        ("marker,source,needed\na,b,perhaps\n", "column needed: expected yes, no or an empty cell"),
        ("marker,source,color\na,b,red\n", "found also 'color'"),
    ],
)
def test_wrong_mappings_are_refused(tmp_path, text, message):
    (tmp_path / "map.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_mapping(tmp_path / "map.csv")


def test_the_command_writes_a_file_and_reports_gaps(tmp_path):
    def change(table):
        table["RIGHT_KNEE_visibility"] = np.array([0.9, 0.1, 0.1, 0.9, 0.9])

    landmarks(tmp_path / "pose.csv", "mediapipe", change=change)
    out = tmp_path / "pose.trc"
    arguments = [str(tmp_path / "pose.csv"), "--from", "mediapipe", "-o", str(out)]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{out}: 14 markers, 5 frames\n"
    assert "RKJC: missing in 2 of 5 frames, the longest gap 2 frames from 0.01 s" in done.stderr
    assert np.isnan(read_trc(out).marker("RKJC")).all(axis=1).sum() == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.csv", "--from", "mediapipe", "-o", "o.trc"], "found no such file"),
        (["none.txt", "--from", "mediapipe", "-o", "o.trc"], "expected a .csv file of mediapipe"),
        (["none.csv", "--from", "trc", "-o", "o.trc"], "expected a .trc file of trc"),
        (["none.csv", "--from", "mediapipe", "-o", "o.csv"], "a name that ends in .trc"),
    ],
)
def test_wrong_use_of_the_command_is_one_line(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(command, arguments)
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)
    assert "\n" not in str(done.exception)
    assert not list(tmp_path.iterdir())


def test_a_table_without_landmarks_is_refused(tmp_path):
    (tmp_path / "pose.csv").write_text("time,a,b\n0,1,2\n")
    with pytest.raises(InputError, match="expected columns such as LEFT_HIP_x"):
        convert(tmp_path / "pose.csv", "mediapipe")
    (tmp_path / "pose.csv").write_text("time,a_x,a_y\n0,1,2\n")
    with pytest.raises(InputError, match="expected a column 'a_z'"):
        convert(tmp_path / "pose.csv", "mediapipe")
