"""Recordings of any laboratory: C3D, raw EMG, units, rates, clocks and events."""

import re
import sys

import numpy as np
import pytest
from support.recordings import LABELS, TIME, activation, store

from nem2e_tf.cohorts.manifest.build import build_cohort
from nem2e_tf.errors import InputError

HEADER = "subject,condition,speed,side,simulated,emg,start,end"
CELLS = "s1,free,1.2,r,sim.sto"
RATE = 1000
EMG_TIME = np.arange(0, 10, 1 / RATE)


def raw_emg(time=EMG_TIME):
    """Carriers that change sign at every sample: rectified, they are their amplitude."""
    sign = np.where(np.arange(len(time)) % 2, -1.0, 1.0)
    return np.stack([0.2 + sign * amplitude(time), sign * 0.5], axis=1)


def amplitude(time):
    return 0.6 + 0.3 * np.cos(2 * np.pi * time)


def filtered(time):
    """The 10 Hz first-order filter, both ways, makes the 1 Hz swing a little smaller."""
    ratio = np.tan(np.pi / RATE) / np.tan(np.pi * 10 / RATE)
    return 0.6 + 0.3 * np.cos(2 * np.pi * time) / (1 + ratio**2)


@pytest.fixture
def folder(tmp_path):
    store(tmp_path / "sim.sto", LABELS, activation(TIME))
    store(tmp_path / "emg.sto", ("sol", "ta"), raw_emg(), EMG_TIME)
    (tmp_path / "channels.csv").write_text("column,muscle\nsol,soleus\nta,tibant\n")
    return tmp_path


def write_csv(path, labels, columns, *, ending="\n"):
    rows = [",".join(labels), *(",".join(f"{v:.9g}" for v in row) for row in columns)]
    path.write_text("\n".join(rows) + ending)


def made(folder, columns="", cells="", *, emg="emg.sto", bounds=("2", "3")):
    """Build from a manifest of one row with further columns."""
    (folder / "manifest.csv").write_text(
        f"{HEADER}{columns}\n{CELLS},{emg},{','.join(bounds)}{cells}\n"
    )
    return build_cohort(folder / "manifest.csv")


def expected(start=2.0, end=3.0):
    return filtered(np.linspace(start, end, 101))


def test_raw_emg_becomes_an_envelope_by_recipe(folder):
    cohort = made(folder, ",recipe", ",hamner2013")
    report = cohort.report
    np.testing.assert_allclose(cohort.measured[0, :, 0], expected(), atol=2e-3)
    np.testing.assert_allclose(cohort.measured[0, :, 1], 0.5, atol=1e-3)
    facts = "EMG at 1000 Hz (by its times), unit not stated, envelopes by recipe hamner2013 ("
    reported = next(note for note in report.notes if facts in note)
    assert reported.endswith("low-pass 10 Hz (-3 dB of each pass, effective order 2))")


def test_raw_emg_without_a_recipe_gets_a_note(folder):
    emg = raw_emg() - [0.2, 0]
    store(folder / "emg.sto", ("sol", "ta"), emg, EMG_TIME)
    report = made(folder).report
    assert any("2 EMG columns, such as sol, look raw" in note for note in report.notes)
    report = made(folder, ",recipe", ",hamner2013").report
    assert not any("look raw" in note for note in report.notes)


def test_an_envelope_under_a_recipe_gets_a_note(folder):
    store(folder / "emg.sto", ("sol", "ta"), np.abs(raw_emg()) + 0.1, EMG_TIME)
    report = made(folder, ",recipe", ",hamner2013").report
    assert any("EMG 'sol' is never below zero" in note for note in report.notes)


@pytest.mark.parametrize(
    ("unit", "factor"), [("V", 1), ("mV", 1e-3), ("uV", 1e-6), ("%", 0.01), ("1", 1)]
)
def test_units_become_volts_or_shares(unit, factor, folder):
    cohort = made(folder, ",recipe,unit", f",hamner2013,{unit}")
    report = cohort.report
    np.testing.assert_allclose(cohort.measured[0, :, 0], factor * expected(), rtol=4e-3)
    assert any(f"unit {unit.lower()} (as stated)" in note for note in report.notes)


def test_one_row_in_volts_and_one_of_no_unit_are_refused(folder):
    (folder / "manifest.csv").write_text(
        f"{HEADER},unit\n{CELLS},emg.sto,2,3,mV\n{CELLS},emg.sto,3,4,\n"
    )
    with pytest.raises(InputError, match=r"line 3, column unit: expected EMG in one unit, found"):
        build_cohort(folder / "manifest.csv")


def test_a_recording_of_another_scale_gets_a_note(folder):
    store(folder / "other.sto", ("sol", "ta"), 1000 * raw_emg(), EMG_TIME)
    rows = "".join(f"{CELLS},emg.sto,{n},{n + 1},hamner2013\n" for n in (2, 3, 4))
    (folder / "manifest.csv").write_text(
        f"{HEADER},recipe\n{rows}{CELLS},other.sto,2,3,hamner2013\n"
    )
    report = build_cohort(folder / "manifest.csv").report
    reported = [note for note in report.notes if "times the median of all recordings" in note]
    assert len(reported) == 2
    assert all("line 5: EMG of" in note and "another unit" in note for note in reported)


def test_a_shifted_clock_is_shifted_back(folder):
    store(folder / "emg.sto", ("sol", "ta"), raw_emg(), EMG_TIME + 100)
    with pytest.raises(InputError, match="do they belong to one trial and one clock"):
        made(folder, ",recipe", ",hamner2013")
    cohort = made(folder, ",recipe,emg_offset", ",hamner2013,-100")
    np.testing.assert_allclose(cohort.measured[0, :, 0], expected(), atol=2e-3)


def test_dead_and_interrupted_electrodes_are_nan_and_reported(folder):
    emg = np.column_stack([raw_emg(), np.full(len(EMG_TIME), 0.1)])
    lines = []
    for time, row in zip(EMG_TIME.tolist(), emg.tolist(), strict=True):
        cells = ["nan" if time == 5 else repr(row[0]), repr(row[1]), repr(row[2])]
        lines.append(",".join([repr(time), *cells]))
    (folder / "emg.csv").write_text("time,sol,ta,rf\n" + "\n".join(lines) + "\n")
    (folder / "channels.csv").write_text(
        "column,muscle,counterparts\nsol,soleus,\nta,tibant,\nrf,recfem,soleus\n"
    )
    cohort = made(folder, ",recipe", ",hamner2013", emg="emg.csv", bounds=("4.5", "5.5"))
    report = cohort.report
    assert np.isnan(cohort.measured[0]).all(axis=0).tolist() == [True, False, True]
    assert any("EMG 'sol': 0.001 s of gaps kept as nan" in note for note in report.notes)
    assert any("EMG 'rf' is always 0.1: the electrode is dead" in note for note in report.notes)


def test_csv_gives_what_storage_gives(folder):
    whole = made(folder, ",recipe", ",hamner2013")
    write_csv(folder / "emg.csv", ("sol", "time", "ta"), np.insert(raw_emg(), 1, EMG_TIME, axis=1))
    write_csv(folder / "sim.csv", ("time", *LABELS), np.column_stack([TIME, activation(TIME)]))
    (folder / "manifest.csv").write_text(
        f"{HEADER},recipe\n{CELLS.replace('sto', 'csv')},emg.csv,2,3,hamner2013\n"
    )
    cohort = build_cohort(folder / "manifest.csv")
    np.testing.assert_allclose(cohort.measured, whole.measured, atol=1e-6)
    np.testing.assert_allclose(cohort.simulated, whole.simulated, atol=1e-6)


def test_csv_without_times_runs_at_the_stated_rate(folder):
    write_csv(folder / "emg.csv", ("sol", "ta"), raw_emg())
    with pytest.raises(InputError, match="or the sampling rate, found neither"):
        made(folder, ",recipe", ",hamner2013", emg="emg.csv")
    cohort = made(folder, ",recipe,rate", ",hamner2013,1000", emg="emg.csv")
    report = cohort.report
    np.testing.assert_allclose(cohort.measured[0, :, 0], expected(), atol=2e-3)
    assert any("rows counted from 0 s at 1000 Hz" in note for note in report.notes)
    assert any("EMG at 1000 Hz (as stated)" in note for note in report.notes)


@pytest.mark.parametrize(
    ("columns", "cells", "message"),
    [
        (",recipe", ",hamner", "column recipe: expected standard, hamner2013, liu2008"),
        (",rate", ",2000", "column rate: expected the rate of"),
        (",rate", ",0", "column rate: expected Hz above 0, found '0'"),
        (",unit", ",volt", "column unit: expected V, mV, uV, % or 1, found 'volt'"),
        (",drop", ",glmax", "column drop: expected a muscle or electrode of the channel map"),
        (",cycle", ",1.5", "column cycle: expected a whole number of 1 or more, found '1.5'"),
        (",emg_offset", ",soon", "column emg_offset: expected a number, found 'soon'"),
        (",events", ",e.csv", "or start and end, found more than one"),
    ],
)
def test_wrong_cells_are_named(columns, cells, message, folder):
    with pytest.raises(InputError, match=re.escape(message)):
        made(folder, columns, cells)


def test_raw_emg_with_a_gap_is_not_filtered(folder):
    keep = (EMG_TIME < 4) | (EMG_TIME > 4.01)
    store(folder / "emg.sto", ("sol", "ta"), raw_emg()[keep], EMG_TIME[keep])
    with pytest.raises(InputError, match=r"even steps of 0.001 s, found one of 0.012 s at 3.999 s"):
        made(folder, ",recipe", ",hamner2013")


def normalised(folder, how, columns="", cells=""):
    made(folder, f",recipe{columns}", f",hamner2013{cells}")
    cohort = build_cohort(folder / "manifest.csv", normalise=how)
    report = cohort.report
    return cohort.measured[0, :, 0], " ".join(report.notes), cohort.normalisation


def test_normalised_by_the_trials_own_range(folder):
    whole = filtered(EMG_TIME[3000:7000])
    curve, notes, words = normalised(folder, "trial", ",drop", ",tibant")
    lowest = np.sort(whole)[: len(whole) // 100].mean()
    np.testing.assert_allclose(curve, (expected() - lowest) / (whole.max() - lowest), atol=0.03)
    assert "every cycle is scaled by its own trial" in notes
    assert words == "share of each trial's own range"


def test_normalised_by_maximal_contractions(folder):
    for name, factor in (("one.sto", 2), ("two.sto", 4)):
        sign = np.where(np.arange(3000) % 2, -1.0, 1.0)
        strong = factor * np.stack([sign, sign], axis=1)
        store(folder / name, ("sol", "ta"), strong, EMG_TIME[:3000])
    curve, notes, _ = normalised(folder, "mvc", ",mvc", ",one.sto | two.sto")
    np.testing.assert_allclose(curve, expected() / 4, atol=2e-3)
    assert "EMG divided by soleus 4, tibant 4" in notes
    with pytest.raises(InputError, match="column mvc: expected recordings to normalise by"):
        normalised(folder, "mvc")


def test_normalised_by_fixed_numbers(folder):
    (folder / "channels.csv").write_text("column,muscle,reference\nsol,soleus,3\nta,tibant,1\n")
    curve, _, _ = normalised(folder, "fixed")
    np.testing.assert_allclose(curve, expected() / 3, atol=2e-3)
    (folder / "channels.csv").write_text("column,muscle,reference\nsol,soleus,3\nta,tibant,\n")
    with pytest.raises(InputError, match="line 3, column reference: expected a number to"):
        normalised(folder, "fixed")


def test_teager_kaiser_is_off_unless_named(folder):
    sine = 0.5 * np.sin(2 * np.pi * 100 * EMG_TIME)
    store(folder / "emg.sto", ("sol", "ta"), np.stack([sine, sine], axis=1), EMG_TIME)
    plain = made(folder, ",recipe", ",standard")
    np.testing.assert_allclose(plain.measured, 0.5 * 2 / np.pi, rtol=0.04)
    energy = made(folder, ",recipe", ",standard+teager-kaiser")
    report = energy.report
    np.testing.assert_allclose(energy.measured, (0.5 * np.sin(0.2 * np.pi)) ** 2, rtol=0.02)
    assert any("Teager-Kaiser energy" in note for note in report.notes)


EVENTS = "trial,side,event,time\n"


def by_events(folder, text, *, side="r"):
    (folder / "events.csv").write_text(EVENTS + text)
    (folder / "manifest.csv").write_text(
        "subject,condition,speed,side,simulated,emg,events,trial\n"
        f"s1,free,1.2,{side},sim.sto,emg.sto,events.csv,walk\n"
    )
    return build_cohort(folder / "manifest.csv")


def test_events_bound_cycles_from_contact_to_contact_of_the_side(folder):
    cohort = by_events(
        folder,
        "walk,r,foot strike,4.25\nwalk,r,Heel-Strike,2\nwalk,l,contact,2.5\nwalk,R,toe off,2.6\n"
        "other,r,contact,3\nwalk,right,initial contact,3.125\n",
    )
    report = cohort.report
    assert cohort.cycles[["start", "end"]].to_numpy().tolist() == [[2, 3.125], [3.125, 4.25]]
    assert cohort.cycles["cycle"].tolist() == [1, 2]
    assert any("1 events 'off' of trial walk are not used" in note for note in report.notes)
    left = by_events(folder, "walk,l,contact,2.5\n,l,contact,3.5\nwalk,r,contact,1\n", side="l")
    assert left.cycles[["start", "end"]].to_numpy().tolist() == [[2.5, 3.5]]


def test_events_that_start_and_end_need_no_side(folder):
    cohort = by_events(
        folder, "walk,,end,2.5\nwalk,,start,2\nwalk,,start,5\nwalk,,end,6\n", side=""
    )
    assert cohort.cycles[["start", "end"]].to_numpy().tolist() == [[2, 2.5], [5, 6]]


def test_events_as_refine_takes_them(folder):
    by_events(folder, "walk,r,contact,1\nwalk,r,contact,2\n")
    (folder / "events.csv").write_text("start,end\n2,3\n5,6.5\n")
    cohort = build_cohort(folder / "manifest.csv")
    assert cohort.cycles[["start", "end"]].to_numpy().tolist() == [[2, 3], [5, 6.5]]
    (folder / "events.csv").unlink()
    with pytest.raises(InputError, match="expected a table of events, found no such file"):
        build_cohort(folder / "manifest.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("walk,r,strike,1\n", "line 2, column event: expected contact, off, start or end"),
        ("walk,x,contact,1\n", "line 2, column side: expected r or l, found 'x'"),
        ("walk,r,contact,\n", "line 2, column time: expected a value"),
        ("wlak,r,contact,1\n", "expected events of trial 'walk', found wlak; did you mean wlak?"),
        ("walk,l,contact,1\n", "expected either contacts of side r or starts and ends"),
        ("walk,r,start,1\nwalk,r,start,2\n", "line 3: expected alternating starts and ends"),
        ("walk,r,start,1\n", "line 2: expected an end after this start, found none"),
        ("walk,r,start,1\nwalk,r,end,2\nwalk,r,contact,3\n", "found both"),
        ("walk,r,contact,2\nwalk,r,contact,2\n", "found two at 2 s"),
    ],
)
def test_wrong_events_are_named(text, message, folder):
    with pytest.raises(InputError, match=re.escape(message)):
        by_events(folder, text)


def test_a_map_of_sides_needs_a_side(folder):
    (folder / "channels.csv").write_text("column,muscle\nsol_{side},soleus\n")
    (folder / "manifest.csv").write_text(f"{HEADER}\ns1,free,,,sim.sto,emg.sto,2,3\n")
    with pytest.raises(InputError, match=r"column side: expected r or l, since .*line 2 names"):
        build_cohort(folder / "manifest.csv")


def write_c3d(path, *, units=("mV", "mV"), first=0):
    ezc3d = pytest.importorskip("ezc3d", reason="C3D needs ezc3d: pip install 'nem2e-tf[c3d]'")
    content = ezc3d.c3d()
    content["parameters"]["POINT"]["RATE"]["value"] = [100]
    content["parameters"]["POINT"]["LABELS"]["value"] = ["heel"]
    content["data"]["points"] = np.zeros((4, 1, len(EMG_TIME) // 10))
    content["parameters"]["ANALOG"]["RATE"]["value"] = [RATE]
    content["parameters"]["ANALOG"]["LABELS"]["value"] = ["sol", "ta"]
    content["parameters"]["ANALOG"]["UNITS"]["value"] = list(units)
    content["data"]["analogs"] = raw_emg().T[None]
    content["header"]["points"]["first_frame"] = first
    content.write(str(path))


def test_c3d_gives_analog_channels_with_their_units(folder):
    write_c3d(folder / "emg.c3d")
    cohort = made(folder, ",recipe", ",hamner2013", emg="emg.c3d")
    report = cohort.report
    np.testing.assert_allclose(cohort.measured[0, :, 0], 1e-3 * expected(), rtol=4e-3)
    assert any("unit mv (as the file states)" in note for note in report.notes)
    with pytest.raises(InputError, match=r"expected mv, as .*emg\.c3d states for 'sol', found v"):
        made(folder, ",recipe,unit", ",hamner2013,V", emg="emg.c3d")


def test_c3d_that_was_trimmed_keeps_the_recordings_clock(folder):
    write_c3d(folder / "emg.c3d", first=100)
    cohort = made(folder, ",recipe", ",hamner2013", emg="emg.c3d")
    report = cohort.report
    np.testing.assert_allclose(cohort.measured[0, :, 0], 1e-3 * expected(1, 2), rtol=4e-3)
    assert any("the first frame is number 101, time starts at 1 s" in n for n in report.notes)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (0, "expected a C3D file, found another kind of file"),
        (1, "expected a C3D file, found another kind of file"),
        (300, "the file seems truncated"),
        (512, "the file seems truncated"),
        # ezc3d reads this one without end
        (700, "the file seems truncated"),
        (50_000, "the file seems truncated"),
        (-1000, "the file seems truncated"),
    ],
)
def test_c3d_that_was_cut_is_refused(size, message, folder):
    write_c3d(folder / "emg.c3d")
    raw = (folder / "emg.c3d").read_bytes()
    (folder / "emg.c3d").write_bytes(raw[:size])
    with pytest.raises(InputError, match=message) as caught:
        made(folder, emg="emg.c3d")
    assert str(folder / "emg.c3d") in str(caught.value)


def test_text_that_is_called_c3d_is_refused(folder):
    pytest.importorskip("ezc3d", reason="C3D needs ezc3d: pip install 'nem2e-tf[c3d]'")
    (folder / "emg.c3d").write_text("time,sol\n0,1\n" * 100)
    with pytest.raises(InputError, match="expected a C3D file, found another kind of file"):
        made(folder, emg="emg.c3d")


def test_c3d_without_ezc3d_names_the_extra(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "ezc3d", None)
    (folder / "emg.c3d").write_bytes(b"\2\x50")
    with pytest.raises(InputError, match=r"requires .* ezc3d; pip install 'nem2e-tf\[c3d\]'"):
        made(folder, emg="emg.c3d")
