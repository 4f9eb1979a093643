"""Damage storage files at random and check that each is read correctly or refused in one line.

The result is compared with a second reader that goes line by line and ignores the header: every
line of numbers in the file must be a row of the result, with the same numbers. Each file is read in
all ways the package has (numpy, pandas), which must agree.

    tools/fuzz-storage [FOLDER] [--count 100000] [--seed N]

FOLDER holds .sto and .mot files, which are copied before they are damaged; by default the shared
recordings next to the checkout.
"""

import math
import random
import re
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from unittest.mock import patch

import click
import numpy as np
from pandas.io.parsers import readers

from nem2e_tf.errors import InputError
from nem2e_tf.io import numbers as storage_numbers
from nem2e_tf.io import storage
from nem2e_tf.io.storage import Storage

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "data" / "storage_corpus"
SEPARATORS = b'\t\n\r ,;"=.-+eE0123456789\0\xff'
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
NOT_FINITE = re.compile(r"[+-]?(inf|infinity|nan|nan\(\w*\)|1\.#(QNAN|SNAN|IND|NAN)0*)", re.I)


def damage(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """Return the content with one to four random changes."""
    for _ in range(draw.choice((1, 1, 2, 4))):
        content = draw.choice(DAMAGES)(content, others, draw)
    return content


def _place(content: bytes, draw: random.Random) -> int:
    """Choose a position, often in the header or at the end of a line."""
    kind = draw.randrange(3)
    if kind == 0:
        return draw.randrange(min(len(content), 600) + 1)
    place = draw.randrange(len(content) + 1)
    return content.find(b"\n", place) + 1 if kind == 1 else place


def _change(content: bytes, _: list[bytes], draw: random.Random) -> bytes:
    at = _place(content, draw)
    return content[:at] + bytes([draw.choice(SEPARATORS)]) + content[at + 1 :]


def _any_byte(content: bytes, _: list[bytes], draw: random.Random) -> bytes:
    at = _place(content, draw)
    return content[:at] + bytes([draw.randrange(256)]) + content[at + 1 :]


def _insert(content: bytes, _: list[bytes], draw: random.Random) -> bytes:
    at = _place(content, draw)
    piece = bytes(draw.choice(SEPARATORS) for _ in range(draw.randint(1, 6)))
    return content[:at] + piece + content[at:]


def _delete(content: bytes, _: list[bytes], draw: random.Random) -> bytes:
    at = _place(content, draw)
    return content[:at] + content[at + draw.choice((1, 2, 8, 60, 300)) :]


def _repeat(content: bytes, _: list[bytes], draw: random.Random) -> bytes:
    at, to = _place(content, draw), _place(content, draw)
    piece = content[at : at + draw.choice((1, 8, 60, 300))]
    return content[:to] + piece + content[to:]


def _overwrite(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """Overwrite the start with bytes of another file, as OpenSim sometimes does."""
    other = draw.choice(others)
    at, size = draw.choice((0, _place(content, draw))), draw.choice((20, 65, 200))
    return content[:at] + other[:size] + content[at + size :]


def _cut(content: bytes, _: list[bytes], draw: random.Random) -> bytes:
    return content[: _place(content, draw)]


def _swap_lines(content: bytes, _: list[bytes], draw: random.Random) -> bytes:
    lines = content.split(b"\n")
    a, b = draw.randrange(len(lines)), draw.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return b"\n".join(lines)


def _append(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    return content + draw.choice(others)


def _translate(content: bytes, _: list[bytes], draw: random.Random) -> bytes:
    old, new = draw.choice(
        ((b"\t", b" "), (b"\t", b","), (b"\n", b"\r\n"), (b".", b","), (b" ", b""))
    )
    return content.replace(old, new)


def _odd_number(content: bytes, _: list[bytes], draw: random.Random) -> bytes:
    found = list(re.finditer(rb"[\d.]+", content[:50_000]))
    if not found:
        return content
    place = draw.choice(found)
    odd = draw.choice(ODD_NUMBERS)
    return content[: place.start()] + odd + content[place.end() :]


def _odd_cell(content: bytes, _: list[bytes], draw: random.Random) -> bytes:
    """Insert text that some readers accept as part of a number."""
    found = list(re.finditer(rb"[\d.]+", content))
    if not found:
        return content
    place = draw.choice(found)
    at = draw.choice((place.start(), place.end(), draw.randint(place.start(), place.end())))
    return content[:at] + draw.choice(ODD_PIECES) + content[at:]


ODD_NUMBERS = (
    *(b"nan", b"-inf", b"1e999", b"1.#QNAN", b"--1", b"1_0", b"0x1f", b"1e", b"9" * 40, b"", b"-"),
)
ODD_PIECES = (
    *(
        b"\v",
        b"\f",
        b"\x1c",
        b"\x1f",
        b"\x85",
        b"\xa0",
        b" ",
        b"#",
        b"'",
        b"_",
        b"d",
        b"f",
        b"L",
        b"j",
    ),
    *(b"%", b"0x", b"nan", b"NA", b"inf", b"infinity", b"+", b"e", b"E5", b"True", b"null", b"\\"),
    *("\u0663".encode(), "\uff11".encode(), "\u2212".encode(), "\u2003".encode()),
)
DAMAGES = (
    *(_change, _any_byte, _insert, _delete, _repeat, _overwrite, _cut, _swap_lines, _append),
    *(_translate, _odd_number, _odd_cell),
)


def rows_of(content: bytes) -> list[list[float]]:
    """Return every line that holds only numbers, read in the simplest way."""
    text = content.decode("latin-1").replace('"', "")
    rows = []
    for line in re.split(r"\r\n|\r|\n", text):
        cells = re.split(r"[ \t,]+", line.strip(" \t,"))
        if all(NUMBER.fullmatch(cell) or NOT_FINITE.fullmatch(cell) for cell in cells):
            rows.append([_value(cell) for cell in cells])
    return rows


def _value(cell: str) -> float:
    return float("nan") if "n" in cell.lower().replace("inf", "") or "#" in cell else float(cell)


def judge(content: bytes, storage: Storage) -> str:
    """Describe what was read wrong; empty if all is right."""
    rows = rows_of(content)
    table = np.column_stack([storage.time, storage.data])
    wide = [row for row in rows if len(row) == table.shape[1]]
    if table.shape[1] == 1:
        # A number alone on its line may also be what is left of a header.
        wide = wide[len(wide) - len(table) :]
    others = [row for row in rows if len(row) != table.shape[1] and len(row) > 1]
    if others:
        return f"a line of {len(others[0])} numbers passed over, the others have {table.shape[1]}"
    if len(wide) != len(table):
        return f"{len(wide)} rows in the file, {len(table)} read"
    if len(wide) and not np.array_equal(np.array(wide), table, equal_nan=True):
        return "numbers differ"
    stated = storage.stated_rows
    if stated is not None and stated > len(table) and not storage.notes:
        return f"{stated} rows stated, {len(table)} read, nothing said"
    return ""


# From how many bytes on pandas reads; the start of the file that has to be plain for pandas to open
# it itself; from how many bytes on pandas then uses all cores, and rows for each.
WAYS = {
    "numpy": (math.inf, 0, math.inf, 0),
    "pandas": (0, 0, math.inf, 0),
    "pandas from the file": (0, 6000, math.inf, 0),
    "pandas on all cores": (0, 6000, 1, 2),
}


def read_in(way: str, path: Path) -> Storage:
    """Read a file in one of the ways; a warning is an error."""
    pandas_from, start, cores_from, rows = WAYS[way]
    with (
        patch.object(readers, "_PARALLEL_READ_MIN_BYTES", cores_from),
        patch.object(readers, "_PARALLEL_MIN_CHUNK_ROWS", max(rows, 1)),
        patch.object(storage_numbers, "LOADED_PANDAS_FROM", pandas_from),
        patch.object(storage, "_START", start),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("error")
        return storage.read_storage(path)


def same(one: Storage | str, other: Storage | str) -> bool:
    """Return whether two tables, or two errors, are equal."""
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and one == other
    fields = ("name", "labels", "in_degrees", "header", "notes")
    return all(getattr(one, name) == getattr(other, name) for name in fields) and all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
        for name in ("time", "data")
    )


def try_one(content: bytes, path: Path) -> tuple[str, str]:
    """Write and read a damaged file; return verdict (read, refused, WRONG) and reason."""
    path.write_bytes(content)
    found: dict[str, Storage | str] = {}
    for way in WAYS:
        try:
            found[way] = read_in(way, path)
        except InputError as error:
            found[way] = str(error)
        except Exception as error:
            return "WRONG", f"{way}: {type(error).__name__}: {error}"
    first = found["numpy"]
    different = [way for way, other in found.items() if not same(first, other)]
    if different:
        return "WRONG", f"numpy and {different[0]} differ: {first!r}, {found[different[0]]!r}"
    if isinstance(first, Storage):
        wrong = judge(content, first)
        return ("WRONG", wrong) if wrong else ("read", "")
    if "\n" in first or str(path) not in first:
        return "WRONG", f"message of several lines or without the file: {first!r}"
    return "refused", re.sub(r"'.*?'|\d+", "*", first.replace(str(path), ""))[:60]


def fuzz(
    files: list[Path], *, count: int, seed: int, folder: Path
) -> tuple[Counter[str], list[str]]:
    """Damage and read `count` files.

    Returns
    -------
    verdicts : Counter
        Number of files read, refused and read wrong.
    wrong : list of str
        What was read wrong; the files are kept in `folder`.
    """
    draw = random.Random(seed)
    contents = [path.read_bytes() for path in files]
    verdicts: Counter[str] = Counter()
    wrong = []
    for number in range(count):
        which = draw.randrange(len(files))
        content = damage(contents[which], contents, draw)
        path = folder / f"damaged{number}{files[which].suffix}"
        verdict, reason = try_one(content, path)
        verdicts[verdict] += 1
        if verdict == "WRONG":
            wrong.append(f"{path} ({files[which].name}): {reason}")
        else:
            path.unlink()
    return verdicts, wrong


@click.command()
@click.argument("folder", default=CORPUS, type=click.Path(exists=True, path_type=Path))
@click.option("--count", default=100_000, show_default=True, help="How many files to damage.")
@click.option("--seed", default=0, show_default=True)
@click.option("--shown", default=20, show_default=True, help="How many wrong ones to show.")
def main(folder: Path, *, count: int, seed: int, shown: int) -> None:
    """Damage copies of the files of FOLDER at random; exit 1 if any is read wrong."""
    files = sorted(path for path in folder.iterdir() if path.suffix in (".sto", ".mot"))
    if not files:
        raise click.UsageError(f"{folder}: expected .sto or .mot files, found none")
    kept = Path(tempfile.mkdtemp(prefix="fuzz-storage."))
    start = time.perf_counter()
    verdicts, wrong = fuzz(files, count=count, seed=seed, folder=kept)
    spent = time.perf_counter() - start
    for line in wrong[:shown]:
        click.echo(line)
    click.echo(
        f"{count} damaged copies of {len(files)} files, seed {seed}, {spent:.0f} s: "
        f"{verdicts['read']} read right, {verdicts['refused']} refused in one line, "
        f"{verdicts['WRONG']} wrong"
    )
    if not wrong:
        kept.rmdir()
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
