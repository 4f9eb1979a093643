"""Commands and examples of README and docs: each parses, and those on recordings are as shown."""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from nem2e_tf.cli.main import group
from nem2e_tf.io.storage import Storage, write_storage

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
BLOCKS = [
    block
    for page in PAGES
    for block in re.findall(r"^```\w*\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
]
LINES = "\n".join(BLOCKS).replace("\\\n", " ").splitlines()
COMMANDS = sorted(
    {
        # What a page pipes a command into is no part of it.
        tuple(shlex.split(line.removeprefix("$ ").split(" | ")[0], comments=True)[1:])
        for line in LINES
        if line.removeprefix("$ ").startswith("nem2e-tf ")
    }
)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_is_one(words):
    """Arguments and options are parsed; nothing runs."""
    words = list(words)
    command: click.Command = group
    context = click.Context(group)
    while isinstance(command, click.Group) and not words[0].startswith("-"):
        command, words = command.get_command(context, words[0]), words[1:]
    with contextlib.suppress(click.exceptions.Exit):  # --help
        command.make_context(command.name, words)


def test_the_commands_are_those_of_the_whole_way():
    assert len(COMMANDS) > 40
    first = {" ".join(words[:2]) for words in COMMANDS}
    assert {"data build", "data import", "data check", "data plot"} <= first


def test_every_tool_is_there():
    tools = {line.split()[0] for line in LINES if line.startswith("tools/")}
    assert {"tools/demo", "tools/fuzz-storage", "tools/bench-import"} <= tools
    for tool in tools:
        assert os.access(CHECKOUT / tool, os.X_OK), tool


def block(start):
    """The example that starts so; README and docs show the same."""
    (found,) = {text for text in BLOCKS if text.startswith(start)}
    return found


def run(words, folder, monkeypatch):
    monkeypatch.chdir(folder)
    return CliRunner().invoke(group, list(words), catch_exceptions=False)


def shown(command):
    """The words of a command and the lines shown below it; ``...`` stands for others."""
    (text,) = [b for b in BLOCKS if b.startswith(f"$ {command} ") and b.count("\n") > 4]
    first, *lines = text.splitlines()
    return shlex.split(first)[2:], [line.rstrip() for line in lines if line != "..."]


def test_raw_emg_with_recipe_and_events(tmp_path, monkeypatch):
    names = ("gasmed", "gaslat", "tibant")
    (tmp_path / "manifest.csv").write_text(block("subject,condition,speed,side,simulated,emg,rec"))
    (tmp_path / "events.csv").write_text(block("trial,side,event"))
    (tmp_path / "channels.csv").write_text(block("column,muscle,electrode"))
    time, fine = np.arange(0, 3, 0.01), np.arange(0, 3, 0.001)
    rng = np.random.default_rng(0)
    for trial in ("free", "fast"):
        legs = [(name, leg) for leg in "rl" for name in names]
        curves = [0.4 + 0.3 * np.cos(6 * time + (leg == "l") * np.pi) for _, leg in legs]
        labels = tuple(f"{name}_{leg}" for name, leg in legs)
        write_storage(
            tmp_path / f"{trial}_activation.sto",
            Storage("activation", labels, time, np.stack(curves, axis=1)),
        )
        raw = rng.normal(size=(len(fine), 2)) * (1 + 0.8 * np.cos(6 * fine))[:, None]
        table = np.column_stack([fine, raw])
        np.savetxt(
            tmp_path / f"{trial}_emg.csv", table, delimiter=",", header="time,GAS,TA", comments=""
        )
    (command,) = [
        words for words in COMMANDS if "subject-maximum" in words and words[2] == "manifest.csv"
    ]
    result = run(command, tmp_path, monkeypatch)
    assert result.exit_code == 0, result.stderr
    assert "3 cycles of 1 subjects, 6 simulated channels, 2 muscles (gasmed, tibant)" in (
        result.stdout
    )
    assert "unit mv (as stated), envelopes by recipe standard" in result.stderr
    (command,) = [
        words for words in COMMANDS if words[:2] == ("data", "plot") and "curves.pdf" in words
    ]
    assert run(command, tmp_path, monkeypatch).exit_code == 0
    assert (tmp_path / "curves.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.shared_data
def test_the_treadmill_recording_gives_what_is_shown(shared_data, tmp_path, monkeypatch):
    for path in (shared_data / "treadmill_walk").glob("*.[sm]*"):
        shutil.copy(path, tmp_path)
    (tmp_path / "manifest.csv").write_text(block("subject,condition,speed,side,simulated,emg,gr"))
    (tmp_path / "channels.csv").write_text(block("column,muscle\n"))
    for command in ("nem2e-tf data build", "nem2e-tf data check"):
        words, lines = shown(command)
        result = run(words, tmp_path, monkeypatch)
        assert result.exit_code == 0, result.stderr
        reported = [line.rstrip() for line in result.output.splitlines()]
        for line in lines:
            start = line.removesuffix("...")
            assert any(
                found.startswith(start) if line.endswith("...") else found == line
                for found in reported
            ), line
        warned = [line for line in result.stderr.splitlines() if not line.startswith("note: ")]
        assert len(warned) == sum(line.startswith("odd: ") for line in lines)


def test_the_readme_is_short_and_begins_with_the_two_commands():
    lines = (CHECKOUT / "README.md").read_text().splitlines()
    assert len(lines) <= 200
    assert {"tools/demo", "tools/test"} <= {line.split(" ")[0] for line in lines[:6]}


@pytest.mark.slow
def test_the_lines_of_python_run_as_they_are_shown(tmp_path):
    """Only with fewer epochs; in a program of its own, from standard input."""
    (code,) = [text for text in BLOCKS if text.startswith("import nem2e_tf as nem2e\n\ncohort")]
    assert len(code.strip().splitlines()) <= 12
    for call in ('"linear", "lstm"]', '"lstm", out='):
        assert call in code
    quick = code.replace('"linear", "lstm"]', '"linear", "lstm"], epochs=2').replace(
        '"lstm", out=', '"lstm", epochs=2, out='
    )
    recording = [sys.executable, str(CHECKOUT / "tools/demo_recording.py"), "."]
    subprocess.run(recording, cwd=tmp_path, check=True)
    done = subprocess.run(
        [sys.executable, "-"], input=quick, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "seq2seq" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} >= {"run", "evidence", "refiner", "exported"}
    assert (tmp_path / "emg.sto").is_file()
