"""Where a manifest says that cycles are: contacts of both feet, by events, force or markers."""

import numpy as np
import pytest
from support.recordings import LABELS, TIME, activation, store

from nem2e_tf.cohorts.manifest.build import build_cohort
from nem2e_tf.errors import InputError


@pytest.fixture
def folder(tmp_path):
    store(tmp_path / "sim.sto", LABELS, activation(TIME))
    store(tmp_path / "emg.sto", ("soleus",), activation(TIME)[:, :1])
    (tmp_path / "channels.csv").write_text("column,muscle\nsoleus,soleus\n")
    return tmp_path


def by_contacts(folder, columns, cells, **options):
    """Bounds of the cycles, found by what the columns say."""
    (folder / "manifest.csv").write_text(
        f"subject,condition,speed,side,simulated,emg,{columns}\ns1,free,1.2,r,sim.sto,emg.sto,{cells}\n"
    )
    cohort = build_cohort(folder / "manifest.csv", **options)
    report = cohort.report
    return cohort.cycles[["start", "end"]].to_numpy(), report


def test_cycles_until_the_other_foots_contact(folder):
    times = {"r": (1, 2, 3, 4, 5), "l": (1.5, 2.4, 4.6, 5.5)}
    rows = "".join(f"sim,{side},contact,{t}\n" for side, of in times.items() for t in of)
    (folder / "events.csv").write_text(f"trial,side,event,time\n{rows}")
    bounds, report = by_contacts(folder, "events,until", "events.csv,other")
    np.testing.assert_allclose(bounds, [(1, 1.5), (2, 2.4), (4, 4.6), (5, 5.5)])
    assert len(report.cycles_left_out) == 1
    reported = "contact 3 at 3 s: no contact of the other foot 0.2 to 1.5 s later"
    assert reported in report.cycles_left_out[0]
    bounds, _ = by_contacts(folder, "events,until", "events.csv,")
    np.testing.assert_allclose(bounds, [(1, 2), (2, 3), (3, 4), (4, 5)])
    forces = [np.where(np.mod(TIME - at, 1) < 0.4, 700.0, 0.0) for at in (0.495, 0.005)]
    store(folder / "grf.mot", ("one_vy", "two_vy"), np.stack(forces, axis=1))
    bounds, _ = by_contacts(folder, "ground_reaction,plate,until", "grf.mot,two|one,other")
    np.testing.assert_allclose(bounds[:, 0], np.arange(0.01, 9.1), atol=0.011)
    np.testing.assert_allclose(bounds[:, 1] - bounds[:, 0], 0.49, atol=0.011)


@pytest.mark.parametrize(
    ("columns", "cells", "message"),
    [
        ("events,until", "events.csv,both", "column until: expected same, or other"),
        ("start,end,until", "1,2,other", "column until: expected same, or other"),
        ("ground_reaction,plate,until", "grf.mot,one,other", "column plate: expected this foot's"),
        ("markers,heel,pelvis", "m.trc,R.Heel,", "column pelvis: expected a value"),
        ("markers,heel", "m.trc,R.Heel", "found no pelvis"),
        (
            "markers,heel,pelvis",
            "m.trc,R.Heel,S2",
            "expected a marker file .*, found no such",
        ),
    ],
)
def test_cycles_that_are_not_stated_are_refused(columns, cells, message, folder):
    with pytest.raises(InputError, match=message):
        by_contacts(folder, columns, cells)


def write_trc(path, **positions):
    time = np.arange(0, 10, 0.01)
    names = [name.replace("_", ".") for name in positions]
    lines = [
        "PathFileType\t4\t(X/Y/Z)\tm.trc",
        "DataRate\tCameraRate\tNumFrames\tUnits",
        f"100\t100\t{len(time)}\tmm",
        "Frame#\tTime\t" + "\t\t\t".join(names),
        *("", ""),
    ]
    for frame, now in enumerate(time):
        places = [f"{1000 * at(now):.6g}\t900\t0" for at in positions.values()]
        lines.append("\t".join([str(frame + 1), f"{now:.6g}", *places]))
    path.write_text("\n".join(lines) + "\n")


def test_contacts_by_markers(folder):
    """The heel is farthest before the pelvis at .25 s of each cycle, and swings faster."""

    def heel(now):
        phase = np.mod(now - 0.25, 1.0)
        return now + (1 - phase / 0.6 if phase < 0.6 else (phase - 0.6) / 0.4) / 2

    write_trc(folder / "m.trc", R_Heel=heel, L_PSIS=lambda now: now, R_PSIS=lambda now: now + 0.1)
    bounds, _ = by_contacts(folder, "markers,heel,pelvis", "m.trc,R.Heel,L.PSIS|R.PSIS")
    np.testing.assert_allclose(bounds[:, 0] % 1, 0.25, atol=0.02)
    assert len(bounds) == 9
    with pytest.raises(InputError, match=r"line 2: .*did you mean R\.Heel"):
        by_contacts(folder, "markers,heel,pelvis", "m.trc,R.Heal,R.PSIS")
    lines = (folder / "m.trc").read_text().splitlines(keepends=True)
    (folder / "m.trc").write_text("".join(lines[: len(lines) // 2]))
    with pytest.raises(InputError, match=r"expected 1000 frames .*; the file seems truncated"):
        by_contacts(folder, "markers,heel,pelvis", "m.trc,R.Heel,L.PSIS|R.PSIS")


@pytest.mark.shared_data
def test_a_step_by_markers_and_by_force_is_the_same(shared_data, folder):
    """The simulation holds a left contact and the right one that follows."""
    source = shared_data / "opensim_walk3d"
    row = f"s1,walk,,l,{source}/moco_inverse_states.sto,{source}/electromyography.sto,other"
    ways = {
        "markers,heel,pelvis": f"{source}/markers_walk.trc,L.Heel|R.Heel,S2",
        "ground_reaction,plate": f"{source}/grf_walk.mot,ground_force_l|ground_force_r",
    }
    steps = []
    for columns, cells in ways.items():
        (folder / "manifest.csv").write_text(
            f"subject,condition,speed,side,simulated,emg,until,{columns}\n{row},{cells}\n"
        )
        steps.append(build_cohort(folder / "manifest.csv").cycles[["start", "end"]].to_numpy())
    assert steps[0].shape == steps[1].shape == (1, 2)
    np.testing.assert_allclose(steps[0], steps[1], atol=0.03)
    np.testing.assert_allclose(steps[1], [(0.842, 1.4175)], atol=1e-3)
