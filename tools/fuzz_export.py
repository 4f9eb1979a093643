"""Damage exported files at random and check that each is refused in one line or runs correctly.

Each file is loaded and run in a process of its own, so that a crash affects that process only.
There are two kinds of damage: to the file as it is, which the checksum has to detect; and with a
new, valid checksum, as an attacker would write it, which reaches the interpreter. A crash, a
time-out, an unexpected exception, a message of several lines, or, with the original checksum, other
numbers count as findings. With a forged checksum other numbers are expected, and crashes of
LiteRT's interpreter, which checks only the outline of a file, are counted separately.

    tools/fuzz-export [FILE...] [--count 10000] [--seed N]

Without FILE, a small refiner is trained and exported first.
"""

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.export.file import metadata
from nem2e_tf.export.file.metadata import read_content
from nem2e_tf.export.runtime.load import load

SECONDS = 60
RAN, REFUSED, OTHER, CRASHED, WRONG = "same numbers", "refused", "other numbers", "crashed", "WRONG"
VERDICTS = (RAN, REFUSED, OTHER, CRASHED, WRONG)
KINDS = ("sealed", "forged")

Damage = Callable[[bytes, random.Random], bytes]


def damage(content: bytes, draw: random.Random) -> bytes:
    """Return the content with one to four random changes."""
    for _ in range(draw.choice((1, 1, 2, 4))):
        content = draw.choice(DAMAGES)(content, draw)
    return content


def _piece(content: bytes, draw: random.Random) -> tuple[int, int]:
    """Choose a range of bytes, often near the start, where the tables of a flatbuffer begin."""
    first = draw.randrange(min(len(content), draw.choice((64, 4096, len(content) or 1))) + 1)
    return first, min(first + draw.choice((1, 4, 16, 256, 4096)), len(content))


def _flip(content: bytes, draw: random.Random) -> bytes:
    if not content:
        return content
    at = min(_piece(content, draw)[0], len(content) - 1)
    return content[:at] + bytes([content[at] ^ (1 << draw.randrange(8))]) + content[at + 1 :]


def _cut(content: bytes, draw: random.Random) -> bytes:
    return content[: _piece(content, draw)[0] if draw.random() < 0.5 else -draw.randint(1, 64)]


def _append(content: bytes, draw: random.Random) -> bytes:
    return content + draw.randbytes(draw.choice((1, 16, 4096)))


def _zero(content: bytes, draw: random.Random) -> bytes:
    first, last = _piece(content, draw)
    return content[:first] + bytes(last - first) + content[last:]


def _scramble(content: bytes, draw: random.Random) -> bytes:
    first, last = _piece(content, draw)
    return content[:first] + draw.randbytes(last - first) + content[last:]


def _swap(content: bytes, draw: random.Random) -> bytes:
    """Swap two ranges of the same length."""
    first, last = _piece(content, draw)
    size = last - first
    other = draw.randrange(max(len(content) - size, 0) + 1)
    if abs(other - first) < size:
        return content
    early, late = sorted((first, other))
    return (
        content[:early]
        + content[late : late + size]
        + content[early + size : late]
        + content[early : early + size]
        + content[late + size :]
    )


def _drop(content: bytes, draw: random.Random) -> bytes:
    first, last = _piece(content, draw)
    return content[:first] + content[last:]


def _repeat(content: bytes, draw: random.Random) -> bytes:
    first, last = _piece(content, draw)
    return content[:last] + content[first:last] + content[last:]


def _digits(content: bytes, draw: random.Random) -> bytes:
    """Change a number in the metadata text without changing its length."""
    places = [found.start() for found in re.finditer(rb"[0-9]", content[-20000:])]
    if not places:
        return content
    at = max(len(content) - 20000, 0) + draw.choice(places)
    return content[:at] + draw.choice(b"0123456789-e.").to_bytes() + content[at + 1 :]


DAMAGES: tuple[Damage, ...] = (
    *(_flip, _flip, _cut, _append, _zero, _scramble, _swap, _drop, _repeat, _digits),
)


def forged(content: bytes, draw: random.Random) -> bytes:
    """Return the content damaged in the graph or in the metadata, with a valid checksum."""
    inside = metadata.read_tflite(content, source="forged")
    if draw.random() < 0.5:
        return metadata.embed_tflite(content, _edited(inside, draw))
    at = content.index(b'{"kind": ')
    _, size = json.JSONDecoder().raw_decode(content[at:].decode("latin-1"))
    first, before, after = content[:8], content[8:at], content[at + size :]
    # one part is damaged, at its length, so that the seal still has its place; not the first bytes,
    # which are looked at before it
    part, other = (before, after) if draw.random() < 0.9 and before else (after, before)
    changed = draw.choice((_flip, _zero, _scramble, _swap))(part, draw)
    whole = (changed, content[at : at + size], other)
    return _sealed(first + b"".join(whole if part is before else whole[::-1]))


def _sealed(content: bytes) -> bytes:
    """Write the checksum that fits a file."""
    at = content.index(b'"content_sha256": "') + len(b'"content_sha256": "')
    zeroed = content[:at] + b"0" * 64 + content[at + 64 :]
    return content[:at] + hashlib.sha256(zeroed).hexdigest().encode() + content[at + 64 :]


ODD: tuple[object, ...] = (
    *(None, True, -1, 0, 19, 10**12, 0.5, "", "soleus_ipsi", "one-quarter", "\n", "é" * 300),
    *([], ["soleus_ipsi"], [None], [["a"]], {}, {"name": 1}),
)


def _edited(inside: dict[str, object], draw: random.Random) -> dict[str, object]:
    """Change one item of the metadata: a value, a missing key, the length of a list."""
    edited = json.loads(json.dumps(inside))
    keys = [
        key for key in edited if key not in ("kind", "format", "content_bytes", "content_sha256")
    ]
    key = draw.choice(("channels", "muscles", "pattern", "targets", "model_samples", *keys))
    value = edited.get(key)
    if isinstance(value, list) and value and draw.random() < 0.5:
        draw.choice((value.reverse, value.clear, value.pop, lambda: value.append(value[0])))()
    elif draw.random() < 0.2:
        edited.pop(key, None)
    else:
        edited[key] = draw.choice(ODD)
    return dict(edited)


def judge(path: Path, expected: NDArray[np.float32], cycles: NDArray[np.float32]) -> str:
    """Load and run a file; return verdict and reason."""
    named = path.name  # in what loading says; running speaks of what it was given
    try:
        runtime = load(path)
        named = ""
        refined = runtime.refine(cycles)
    except InputError as error:
        reported = str(error)
        if "\n" in reported or named not in reported:
            return f"{WRONG}: message of several lines or without the file: {reported!r}"
        return f"{REFUSED}: {reported}"
    except Exception as error:
        return f"{WRONG}: {type(error).__name__}: {error}".replace("\n", " ")
    return RAN if np.array_equal(refined, expected) else f"{OTHER}:"


def try_one(
    path: Path, expected: NDArray[np.float32], cycles: NDArray[np.float32]
) -> tuple[str, str]:
    """Load and run a file in a separate process; return verdict and reason."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(SECONDS)
            os.write(writing, judge(path, expected, cycles)[:2000].encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        reported = stream.read().decode(errors="replace")
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number == signal.SIGALRM:
            return CRASHED, f"no end within {SECONDS} s"
        return CRASHED, signal.Signals(number).name
    verdict, _, reason = reported.partition(":")
    return (
        (verdict, reason.strip()) if verdict in VERDICTS else (WRONG, f"no verdict: {reported!r}")
    )


def fuzz(
    files: list[Path], *, count: int, seed: int, folder: Path
) -> tuple[dict[str, Counter[str]], list[str]]:
    """Damage and try `count` files, every other one with a forged checksum.

    Returns
    -------
    verdicts : dict of str to Counter
        For ``sealed`` and ``forged``, the count of each verdict.
    findings : list of str
        What was wrong; the files are kept in `folder`.
    """
    draw = random.Random(seed)
    whole = [(path.name, path.read_bytes(), *_reference(path)) for path in files]
    verdicts: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    findings = []
    for number in range(count):
        name, content, cycles, expected = draw.choice(whole)
        kind = KINDS[number % 2]
        changed = (damage if kind == "sealed" else forged)(content, draw)
        path = folder / f"damaged{number}.tflite"
        path.write_bytes(changed)
        verdict, reason = try_one(path, expected, cycles)
        verdicts[kind][verdict] += 1
        harmful = verdict in (OTHER, CRASHED) and kind == "sealed"
        if verdict == WRONG or harmful:
            findings.append(f"{path} ({name}, {kind}): {verdict}: {reason}")
        else:
            path.unlink()
    return verdicts, findings


def _reference(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Two cycles and the output of the undamaged file for them, the same in every process."""
    runtime = load(path)
    cycles = np.random.default_rng(0).random((2, 20, len(runtime.channels))).astype(np.float32)
    return cycles, runtime.refine(cycles)


def make_files(folder: Path) -> list[Path]:
    """Train a small STDR-Net on synthetic walkers and export it by the command line."""
    quick = ("--epochs", "2", "-o", "refiner")
    steps = (
        ("data", "synth", "walk", "-o", "walk"),
        (*("train", "walk", "--model", "stdr-net-temporal", "--targets", "joint"), *quick),
        ("export", "refiner", "--tflite", "-o", "exported"),
    )
    for step in steps:
        subprocess.run([sys.executable, "-m", "nem2e_tf.cli.main", *step], cwd=folder, check=True)
    return sorted((folder / "exported").glob("*.tflite"))


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--count", default=10_000, show_default=True, help="How many files to damage.")
@click.option("--seed", default=0, show_default=True)
@click.option("--shown", default=20, show_default=True, help="How many findings to show.")
def main(files: tuple[Path, ...], *, count: int, seed: int, shown: int) -> None:
    """Damage exported FILES at random; exit 1 if there are findings."""
    kept = Path(tempfile.mkdtemp(prefix="fuzz-export."))
    with tempfile.TemporaryDirectory() as made:
        chosen = list(files) or make_files(Path(made))
        for path in chosen:
            metadata.read_tflite(read_content(path), source=path)
        start = time.perf_counter()
        verdicts, findings = fuzz(chosen, count=count, seed=seed, folder=kept)
        spent = time.perf_counter() - start
    for line in findings[:shown]:
        click.echo(line)
    click.echo(f"{'seal':<8}" + "".join(f"{name:>15}" for name in VERDICTS))
    for kind in KINDS:
        click.echo(f"{kind:<8}" + "".join(f"{verdicts[kind][name]:>15}" for name in VERDICTS))
    click.echo(
        f"{count} damaged copies of {len(chosen)} files, seed {seed}, {spent:.0f} s: "
        f"{len(findings)} findings"
    )
    if not findings:
        kept.rmdir()
    raise SystemExit(bool(findings))


if __name__ == "__main__":
    main()
