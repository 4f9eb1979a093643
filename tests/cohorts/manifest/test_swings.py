"""Not only gait: golf and batting swings, without side or force, from files to refined EMG."""

import csv

import numpy as np
import pytest
from support.recordings import store

from nem2e_tf.cli.main import main
from nem2e_tf.cohorts.cohort import load_cohort
from nem2e_tf.io.storage import read_storage

MUSCLES = ("ercspn", "extobl", "glmax1")
LABELS = tuple(f"{muscle}_{side}" for side in "rl" for muscle in MUSCLES)
# Seconds of a swing, and between the starts of two.
SWINGS = {"golf": (1.1, 2.0), "batting": (0.4, 1.5)}
PLAYERS = ("ana", "bo", "cy", "di")
COUNT = 3


def activation(time, motion, player):
    """Bursts of which each muscle and player has its own; the left side's are later."""
    length, every = SWINGS[motion]
    share = np.mod(time - 1, every)[:, None] / length
    middle = 0.3 + 0.1 * np.arange(len(LABELS)) + 0.02 * PLAYERS.index(player)
    return 0.05 + (0.5 + 0.1 * PLAYERS.index(player)) * np.exp(-(((share - middle) / 0.15) ** 2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("swings")
    rows = []
    for motion, (length, every) in SWINGS.items():
        time = np.round(np.arange(0, 1 + COUNT * every + 0.5, 0.005), 6)
        for player in PLAYERS:
            name = f"{player}-{motion}"
            truth = activation(time, motion, player)
            store(folder / f"{name}.sto", LABELS, truth, time)
            late = activation(time - 0.03, motion, player)
            store(folder / f"{name}-emg.sto", ("back", "belly", "bottom"), 0.7 * late[:, :3], time)
            for swing in range(COUNT):
                start = 1 + swing * every
                cells = (player, motion, "", "", f"{name}.sto", f"{name}-emg.sto")
                rows.append((*cells, name, start, start + length))
    with (folder / "manifest.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        stream.write("subject,condition,speed,side,simulated,emg,trial,start,end\n")
        writer.writerows(rows)
    (folder / "channels.csv").write_text(
        "column,muscle\nback,ercspn\nbelly,extobl\nbottom,glut_max1\n"
    )
    return folder


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert caught.value.code == 0, printed.err
    return printed


def test_swings_from_recordings_to_refined_activity(folder, tmp_path, capsys):
    cohort = tmp_path / "cohort"
    printed = run(capsys, "data", "build", folder / "manifest.csv", "-o", cohort)
    assert "24 cycles of 4 subjects, 6 simulated channels, 3 muscles" in printed.out
    assert "WARNING" not in printed.err
    assert "rows without a side: the right side's muscles are _ipsi" in printed.err
    built = load_cohort(cohort)
    assert set(built.cycles["side"]) == {""}
    assert set(built.cycles["condition"]) == set(SWINGS)
    assert built.cycles["cycle"].tolist() == [1, 2, 3] * 8
    sources = dict(zip(built.channel_names, built.channels["source"], strict=True))
    assert (sources["ercspn_ipsi"], sources["ercspn_contra"]) == ("ercspn_r", "ercspn_l")
    # the left one of ana is planted at .6 of the swing, the right one at .3
    peaks = built.simulated[0].argmax(axis=0)
    assert peaks[built.channel_names.index("ercspn_contra")] == 60
    assert peaks[built.channel_names.index("ercspn_ipsi")] == 30

    cv = ("cv", cohort, "--model", "mean-pattern", "--model", "lstm", "--targets", "joint")
    run(capsys, *cv, "--units", "4", "--epochs", "2", "-o", tmp_path / "run")
    results = list(csv.DictReader((tmp_path / "run" / "results.csv").open()))
    assert {row["group"] for row in results} == set(PLAYERS)
    assert {row["n_cycles"] for row in results} == {"6"}
    assert all(np.isfinite(float(row["rmse_refined"])) for row in results)

    refiner, exported = tmp_path / "refiner", tmp_path / "exported"
    run(capsys, "train", cohort, "--model", "linear", "--targets", "joint", "-o", refiner)
    run(capsys, "export", refiner, "--tflite", "-o", exported)

    events, out = tmp_path / "events.csv", tmp_path / "refined.sto"
    events.write_text("start,end\n1,2.1\n3,4.1\n")
    swing = ("refine", exported / "joint.tflite", folder / "ana-golf.sto", "--side", "right")
    run(capsys, *swing, "--events", events, "-o", out)
    refined = read_storage(out)
    assert refined.labels == ("ercspn_r", "extobl_r", "glmax1_r")
    assert set(np.round(refined.time, 3)) == set(
        np.round(np.r_[np.arange(1, 2.1001, 0.005), np.arange(3, 4.1001, 0.005)], 3)
    )
    measured = read_storage(folder / "ana-golf-emg.sto")
    rows = np.isin(np.round(measured.time, 3), np.round(refined.time, 3))
    error = np.sqrt(np.mean((refined.data - measured.data[rows]) ** 2, axis=0))
    simulated = read_storage(folder / "ana-golf.sto").data[rows][:, :3]
    plain = np.sqrt(np.mean((simulated - measured.data[rows]) ** 2, axis=0))
    assert (error < plain / 2).all()
