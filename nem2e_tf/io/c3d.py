"""C3D files: read their analog channels with ``ezc3d`` (extra ``c3d``)."""

import importlib
import struct
from pathlib import Path
from typing import Any

import numpy as np

from nem2e_tf.errors import InputError
from nem2e_tf.io.storage import Storage

_KEY = 0x50
_BLOCK = 512
_DEC, _BIG_ENDIAN = 85, 86
_FRAMES_UNKNOWN = 65535


def read_c3d(path: Path) -> Storage:
    """Read the analog channels of a C3D file.

    Times are those of the recording: a file trimmed to start at frame 101 of 100 Hz starts at 1 s.
    A note states it, because some programs count the time of a trimmed file from 0; correct that
    with ``emg_offset`` in the manifest.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Storage
        One column per channel. `Storage.header` has entries ``unit <label>`` if units are stated.

    Raises
    ------
    InputError
        ``ezc3d`` is not installed, or the file is missing, damaged, or has no analog channels.
    """
    content = open_c3d(path)
    analog = content["parameters"].get("ANALOG", {})
    samples = np.asarray(content["data"]["analogs"], dtype=np.float64)
    labels = parameter(analog, "LABELS")
    units = parameter(analog, "UNITS")
    if not samples.size or not labels:
        raise InputError(f"{path}: expected analog channels, found none")
    if samples.shape[1] != len(labels):
        raise InputError(
            f"{path}: expected {samples.shape[1]} labels, one per analog channel, "
            f"found {len(labels)}"
        )
    header = content["header"]
    rate = float(header["analogs"]["frame_rate"])
    first, points = int(header["points"]["first_frame"]), float(header["points"]["frame_rate"])
    start = first / points if points > 0 else 0.0
    notes = []
    if first:
        notes.append(f"trimmed: the first frame is number {first + 1}, time starts at {start:g} s")
    names = [str(label).strip() for label in labels]
    return Storage(
        name=path.stem,
        labels=tuple(names),
        time=start + np.arange(samples.shape[2]) / rate,
        data=samples[0].T.copy(),
        header={
            f"unit {name}": str(unit).strip()
            for name, unit in zip(names, units, strict=False)
            if str(unit).strip()
        },
        notes=tuple(notes),
        path=path,
    )


def open_c3d(path: Path) -> Any:
    """Open a C3D file and return its content as ``ezc3d`` represents it.

    Raises
    ------
    InputError
        ``ezc3d`` is not installed, or the file is missing, damaged or of another kind.
    """
    try:
        ezc3d = importlib.import_module("ezc3d")
    except ModuleNotFoundError:
        raise InputError(
            f"{path}: reading C3D requires the package ezc3d; pip install 'nem2e-tf[c3d]'"
        ) from None
    _refuse_truncated(path)
    try:
        return ezc3d.c3d(str(path))
    except Exception as error:
        # ezc3d raises errors of several classes, some with line breaks
        raise InputError(
            f"{path}: expected a C3D file, cannot read it ({' '.join(str(error).split())})"
        ) from None


def parameter(group: dict[str, Any], name: str) -> list[Any]:
    """Return a parameter's values; those after the 255th are in ``NAME2``, ``NAME3`` and so on."""
    return [value for key in _numbered(group, name) for value in group[key]["value"]]


def _refuse_truncated(path: Path) -> None:
    """Refuse a file that is not C3D, or shorter than its header states.

    ezc3d reads a file with truncated data as a shorter one, and does not terminate on a file with
    truncated parameters. The header's layout is that of the C3D user guide (c3d.org).
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(_BLOCK)
            parameters = _BLOCK * (head[0] - 1) if head else 0
            stream.seek(max(parameters, 0))
            about = stream.read(4)
            size = stream.seek(0, 2)
    except FileNotFoundError:
        raise InputError(f"{path}: expected a C3D file, found no such file") from None
    except OSError as error:
        raise InputError(f"{path}: expected a C3D file, cannot read it ({error})") from None
    if len(head) < 2 or head[1] != _KEY or parameters < _BLOCK:
        raise InputError(f"{path}: expected a C3D file, found another kind of file")
    expected = parameters + _BLOCK
    if len(head) == _BLOCK and len(about) == 4:
        processor = about[3]
        order = ">" if processor == _BIG_ENDIAN else "<"
        points, analog, first, last = struct.unpack_from(f"{order}4H", head, 2)
        (data,) = struct.unpack_from(f"{order}H", head, 16)
        # A negative scale means floats; the position of its sign depends on the processor type.
        sign = head[{_BIG_ENDIAN: 12, _DEC: 13}.get(processor, 15)]
        width = 4 if sign & 0x80 else 2
        frames = 0 if last == _FRAMES_UNKNOWN else last - first + 1
        expected = max(
            parameters + _BLOCK * about[2],
            _BLOCK * (data - 1) + frames * (4 * points + analog) * width,
        )
    if size < expected:
        raise InputError(
            f"{path}: expected at least {expected} bytes according to its header, found {size}; "
            "the file seems truncated, get a complete copy"
        )


def _numbered(group: dict[str, Any], name: str) -> list[str]:
    """Return keys ``NAME``, ``NAME2``, ``NAME3``: a parameter has at most 255 texts."""
    numbers = {key: key.removeprefix(name) for key in group if key.startswith(name)}
    keys = [key for key, number in numbers.items() if not number or number.isdecimal()]
    return sorted(keys, key=lambda key: int(numbers[key] or 1))
