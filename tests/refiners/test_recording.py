"""Refining a recording: the input's own time grid, complete cycles only, nothing in silence."""

import resource
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from support import small_refiners as small

from nem2e_tf.cli.main import with_options
from nem2e_tf.cli.refine import command
from nem2e_tf.errors import InputError
from nem2e_tf.export.exporter import export
from nem2e_tf.io.storage import Storage, read_storage, write_storage
from nem2e_tf.refiners.recording import _samples, channel_columns, refine_recording
from nem2e_tf.refiners.refiner import save_refiner
from nem2e_tf.signals import gait
from nem2e_tf.signals.gait import cycles_of_plate, read_events
from nem2e_tf.training.rows import thin

LABELS = ("soleus_l", "glmed1_l", "glmed2_l", "soleus_r", "lumbar_ext")


class Same:
    """Gives its only channel back; notes what it was asked."""

    channels = ("soleus_ipsi",)
    muscles = ("soleus",)

    def refine(self, simulated, *, channels=None):
        assert list(channels) == list(self.channels)
        self.simulated = np.asarray(simulated)
        return self.simulated.astype(np.float32)


class Numbered(Same):
    """Gives the cycle's number."""

    def refine(self, simulated, *, channels=None):
        return np.ones((len(simulated), 20, 1)) * np.arange(len(simulated))[:, None, None]


def recording(*, rate=50, duration=5.0, labels=LABELS):
    time = np.round(np.arange(int(rate * duration) + 1) / rate, 9)
    data = 0.5 + 0.4 * np.sin(2 * np.pi * time[:, None] + np.arange(len(labels)))
    return Storage("walk", labels, time, data)


def test_a_straight_line_stays_a_straight_line():
    table = recording()
    table.data[:, 0] = 0.1 + 0.2 * table.time
    refined = refine_recording(Same(), table, [(1.0, 2.1), (2.1, 3.0)], side="l")
    time = refined.storage.time
    np.testing.assert_array_equal(time, table.time[(table.time >= 1) & (table.time <= 3)])
    np.testing.assert_allclose(refined.storage.data[:, 0], 0.1 + 0.2 * time, atol=1e-6)
    assert refined.storage.labels == ("soleus_l",)
    assert refined.cycles == [(1.0, 2.1), (2.1, 3.0)]
    assert "150 of 251 rows left out: outside complete cycles" in refined.notes


def test_a_shared_boundary_is_averaged():
    refined = refine_recording(Numbered(), recording(), [(1, 2), (2, 3), (3, 4)], side="l")
    at = dict(zip(refined.storage.time, refined.storage.data[:, 0], strict=True))
    assert (at[1.0], at[1.98], at[2.0], at[2.02], at[3.0], at[4.0]) == (0, 0, 0.5, 1, 1.5, 2)


def test_a_boundary_of_another_clock_is_still_shared():
    seconds = float(np.float32(2.3))  # 2.3 and 5e-8
    refined = refine_recording(Numbered(), recording(), [(1, seconds), (seconds, 4)], side="l")
    at = dict(zip(refined.storage.time, refined.storage.data[:, 0], strict=True))
    assert at[2.3] == 0.5


def test_a_gap_between_cycles_is_left_out():
    refined = refine_recording(Numbered(), recording(), [(1, 2), (2.5, 3.5)], side="l")
    time = refined.storage.time
    assert not ((time > 2) & (time < 2.5)).any()
    assert len(time) == 51 + 51


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 2), st.floats(0.4, 2.5), st.integers(30, 400), st.integers(0, 99))
def test_samples_are_those_of_a_cohort(start, length, rate, seed):
    time = np.arange(int(5 * rate)) / rate
    signals = np.random.default_rng(seed).random((len(time), 3))
    cycle = gait.resample_cycle(time, signals, start=start, end=start + length)
    expected = thin(cycle[None].astype(np.float32))[0]
    np.testing.assert_allclose(_samples(time, signals, start, start + length), expected, atol=1e-7)


def test_incomplete_cycles_are_left_out_and_reported():
    table = recording()
    table.data[table.time == 2.5, 0] = np.nan
    table.data[table.time == 1.5, 1] = np.nan  # of a channel that is not needed
    cycles = [(-0.5, 0.5), (1, 2), (2, 3), (3, 4), (4.5, 5.5)]
    refined = refine_recording(Same(), table, cycles, side="l")
    assert refined.cycles == [(1, 2), (3, 4)]
    assert np.isfinite(refined.storage.data).all()
    reported = "; ".join(refined.notes)
    assert "2 cycles left out: not covered by the recording (first: -0.5 to 0.5 s)" in reported
    assert "1 cycle left out: nan or infinity in a channel that is needed" in reported


def test_sparse_rows_are_left_out_and_reported():
    table = recording()
    keep = (table.time < 1.2) | (table.time > 1.6)
    sparse = Storage("walk", LABELS, table.time[keep], table.data[keep])
    refined = refine_recording(Same(), sparse, [(1, 2), (2, 3)], side="l")
    assert refined.cycles == [(2, 3)]
    assert any("further apart than a tenth" in note for note in refined.notes)


def test_no_complete_cycle_is_an_error():
    with pytest.raises(InputError, match="expected a complete cycle between 0 and 5 s"):
        refine_recording(Same(), recording(), [(4.5, 5.5)], side="l")
    with pytest.raises(InputError, match="found none among 0"):
        refine_recording(Same(), recording(), [], side="l")


def test_overlapping_cycles_are_an_error():
    with pytest.raises(InputError, match=r"found 1 to 2 s and one that starts at 1\.9 s"):
        refine_recording(Same(), recording(), [(1, 2), (1.9, 3)], side="l")


def test_repeated_time_stamps_are_reported():
    table = recording()
    rows = np.sort([*range(table.n_rows), 60])
    twice = Storage("walk", LABELS, table.time[rows], table.data[rows])
    refined = refine_recording(Same(), twice, [(1, 2)], side="l")
    assert len(refined.storage.time) == 51
    assert any("1 rows left out: they repeat" in note for note in refined.notes)


def test_sides_and_label_styles():
    table = recording(labels=("/forceset/soleus_r/activation", "soleus_l", "med_gas_r|activation"))
    needed = ["soleus_ipsi", "soleus_contra", "gasmed_ipsi"]
    columns, notes = channel_columns(table, needed=needed, side="r")
    assert columns == {"soleus_ipsi": 0, "soleus_contra": 1, "gasmed_ipsi": 2}
    assert notes == []


def test_missing_and_doubled_channels_are_named():
    with pytest.raises(InputError, match=r"walk: expected .* of soleus_contra .*did you mean"):
        channel_columns(recording(labels=("soleus_l",)), needed=["soleus_contra"], side="l")
    doubled = recording(labels=("soleus_l", "soleus_l.activation"))
    with pytest.raises(InputError, match=r"found soleus_l and soleus_l\.activation"):
        channel_columns(doubled, needed=["soleus_ipsi"], side="l")


def test_excitations_are_not_taken_for_activations():
    with pytest.raises(InputError, match="activation of soleus_ipsi"):
        channel_columns(recording(labels=("/forceset/soleus_l",)), needed=["soleus_ipsi"], side="l")


def forces(table, contacts=(0.5, 1.6, 2.7, 3.8)):
    newtons = np.zeros(table.n_rows)
    for contact in contacts:
        newtons[(table.time >= contact - 1e-9) & (table.time < contact + 0.6)] = 700
    return Storage("forces", ("1_ground_force_vy",), table.time, newtons[:, None])


def test_cycles_of_a_plate():
    table = forces(recording())
    for plate in ("1_ground_force", "1_ground_force_vy", "1_ground_force_"):
        cycles, notes = cycles_of_plate(table, plate=plate)
        np.testing.assert_allclose(cycles, [(0.5, 1.6), (1.6, 2.7), (2.7, 3.8)])
        assert notes == []
    with pytest.raises(InputError, match="did you mean 1_ground_force_vy"):
        cycles_of_plate(table, plate="2_ground_force")


def test_odd_stretches_between_contacts_are_reported():
    cycles, notes = cycles_of_plate(
        forces(recording(duration=9), (0.5, 1.6, 7.0)), plate="1_ground_force"
    )
    np.testing.assert_allclose(cycles, [(0.5, 1.6)])
    assert notes[0].startswith("1 interval between contacts left out")


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("begin,end\n1,2\n", "line 1: expected a column 'start', found begin, end"),
        ("start,end\n1,2\nx,3\n", "line 3, column start: expected a number, found 'x'"),
        ("start,end\n1\n", "line 2, column end: expected a value"),
        ("start,end\n2,1\n", "line 2, column end: expected an end after the start at 2 s"),
        ("start,end\n1,nan\n", "line 2, column end: expected a number, found 'nan'"),
        ("", "found an empty file"),
    ],
)
def test_wrong_events_are_reported(tmp_path, text, reported):
    (tmp_path / "events.csv").write_text(text)
    with pytest.raises(InputError, match=reported):
        read_events(tmp_path / "events.csv")


def test_events(tmp_path):
    (tmp_path / "events.csv").write_text("leg, Start ,end\nleft,1,2\n\nleft,2,3.5\n")
    cycles, notes = read_events(tmp_path / "events.csv")
    assert cycles == [(1, 2), (2, 3.5)]
    assert notes == [f"{tmp_path / 'events.csv'}: column 'leg' is not used"]
    with pytest.raises(InputError, match="no such file"):
        read_events(tmp_path / "absent.csv")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("refine")
    refiner = small.by_hand()
    saved = save_refiner(folder / "refiner", refiner.models, refiner.info, refiner.reference)
    export(saved, folder / "export", formats=["tflite"])
    write_storage(folder / "so.sto", recording())
    write_storage(folder / "grf.mot", forces(recording()))
    (folder / "events.csv").write_text("start,end\n0.5,1.6\n1.6,2.7\n2.7,3.8\n")
    return folder


def arguments(place, model, output, *more):
    return [str(place / model), str(place / "so.sto"), "--side", "left", "-o", str(output), *more]


def test_command_does_the_same_from_refiner_and_export(place, tmp_path):
    plate = ["--ground-reaction", str(place / "grf.mot"), "--plate", "1_ground_force"]
    for model, cycles in (
        ("refiner", plate),
        ("export", plate),
        ("export", ["--events", str(place / "events.csv")]),
        ("export/soleus.tflite", plate),
    ):
        output = tmp_path / f"{len(list(tmp_path.iterdir()))}.sto"
        run = CliRunner().invoke(command, arguments(place, model, output, *cycles))
        assert run.exit_code == 0, (run.output, run.exception)
        assert "166 rows, 3 cycles" in run.stdout
        assert "85 of 251 rows left out: outside complete cycles" in run.stderr
        assert "1 other column, such as lumbar_ext" in run.stderr
    tables = [read_storage(tmp_path / f"{i}.sto") for i in range(4)]
    assert tables[0].labels == ("soleus_l", "glmed1_l")
    np.testing.assert_allclose(tables[1].data, tables[0].data, rtol=1e-6)
    np.testing.assert_allclose(tables[2].data, tables[1].data, rtol=1e-6)
    np.testing.assert_array_equal(tables[3].data[:, 0], tables[1].data[:, 0])
    rows = np.isin(recording().time, tables[0].time)
    np.testing.assert_allclose(tables[0].data[:, 0], 2 * recording().data[rows, 0], atol=0.03)


@pytest.mark.parametrize(
    ("model", "more", "reported"),
    [
        ("absent", ["--events", "events.csv"], "or a .tflite or .onnx, found no such file"),
        (".", ["--events", "events.csv"], "or a .tflite or .onnx, found another folder"),
        ("grf.mot", ["--events", "events.csv"], "expected a TFLite file, found something else"),
        ("export", ["--events", "absent.csv"], "expected a table of events"),
        ("export", ["--ground-reaction", "absent.mot", "--plate", "1"], "no such file"),
        ("export", ["--ground-reaction", "grf.mot", "--plate", "x"], "expected a vertical force"),
    ],
)
def test_command_refuses_and_writes_nothing(place, tmp_path, monkeypatch, model, more, reported):
    monkeypatch.chdir(place)
    run = CliRunner().invoke(command, arguments(place, model, tmp_path / "out.sto", *more))
    assert isinstance(run.exception, InputError)
    assert reported in str(run.exception)
    assert "\n" not in str(run.exception)
    assert list(tmp_path.iterdir()) == []


def test_command_never_overwrites_its_input(place, monkeypatch):
    monkeypatch.chdir(place)
    more = ["--events", "events.csv"]
    run = CliRunner().invoke(command, arguments(place, "export", place / "so.sto", *more))
    assert "expected another file" in str(run.exception)
    run = CliRunner().invoke(command, arguments(place, "export", place / "no/out.sto", *more))
    assert "expected an existing folder" in str(run.exception)


@pytest.mark.parametrize(
    "more",
    [[], ["--plate", "1"], ["--ground-reaction", "g"], ["--events", "e", "--ground-reaction", "g"]],
)
def test_command_asks_for_cycles(place, tmp_path, more):
    run = CliRunner().invoke(command, arguments(place, "export", tmp_path / "out.sto", *more))
    assert isinstance(run.exception, InputError)
    assert "--ground-reaction" in with_options(str(run.exception), command)
    assert list(tmp_path.iterdir()) == []


def test_a_large_file_takes_under_half_a_second(place, tmp_path):
    labels = (*LABELS[:4], *(f"reserve_{i}" for i in range(100)))
    table = recording(duration=60, labels=labels)
    write_storage(tmp_path / "so.sto", table)
    lines = [f"{0.5 + 1.1 * i:.4f},{1.6 + 1.1 * i:.4f}" for i in range(53)]
    (tmp_path / "events.csv").write_text("\n".join(["start,end", *lines]))
    program = (
        "import sys\n"
        "from nem2e_tf.cli.refine import command\n"
        "command(sys.argv[1:], standalone_mode=False)\n"
        "heavy = {'tensorflow', 'keras', 'pandas', 'scipy', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    given = [str(place / "export/soleus.tflite"), str(tmp_path / "so.sto"), "--side", "left"]
    given += ["--events", str(tmp_path / "events.csv"), "-o", str(tmp_path / "out.sto")]
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run = subprocess.run(
            [sys.executable, "-c", program, *given], capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr
        assert "XNNPACK" not in run.stderr
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        # processor time: other programs on the machine do not count
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < 0.5


@pytest.mark.shared_data
def test_a_real_recording(shared_data):
    folder = shared_data / "treadmill_walk"
    recording = read_storage(folder / "so_activation.sto")
    emg = read_storage(folder / "emg.sto")
    cycles, notes = cycles_of_plate(read_storage(folder / "grf.mot"), plate="1_ground_force")
    assert (len(cycles), notes) == (53, [])
    same = Same()
    refined = refine_recording(same, recording, cycles, side="l")
    measured = emg.column("soleus_l_activation")[:, None]
    truth = np.stack([_samples(emg.time, measured, *cycle) for cycle in cycles])
    error = np.sqrt(((same.simulated - truth) ** 2).mean(axis=1)).mean()
    assert error == pytest.approx(0.1473, rel=0.01)  # what the data's README says of soleus
    assert refined.storage.n_rows == 2950
    assert refined.storage.time[0] == pytest.approx(cycles[0][0])
    # an EMG envelope passes through 20 samples and straight lines back nearly unharmed
    kept = refine_recording(Same(), emg, cycles, side="l").storage
    before = emg.column("soleus_l_activation")[np.isin(emg.time, kept.time)]
    change = np.sqrt(np.mean((kept.data[:, 0] - before) ** 2))
    assert change < 0.02 * np.ptp(before)
