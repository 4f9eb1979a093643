"""What an importer found of a published data set: cycles with their files, and pieces missing."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nem2e_tf.importers.manifest import Normalise

MapRows = tuple[tuple[str, str, str, str], ...]


@dataclass(frozen=True)
class Finding:
    """A cycle that was found, or a piece that was not.

    Attributes
    ----------
    subject, condition, trial : str
        Who, how fast in words, which recording. Empty where the missing piece is larger.
    speed : float or None
        m/s, where the release says.
    cycle : int or None
        Number in the release.
    status : {"found", "used", "left out", "missing"}
        ``found`` only until the cohort is built.
    reason : str
        Why it is not used.
    side : str
        The leg whose contacts bound the cycle.
    start, end : float or None
        s.
    bounds_from : str
        Where they come from.
    simulated, emg, recipe : str
        Files, and how the EMG becomes envelopes.
    channels : tuple
        Rows of the channel map that fits the EMG file.
    """

    subject: str
    condition: str = ""
    trial: str = ""
    speed: float | None = None
    cycle: int | None = None
    status: str = "found"
    reason: str = ""
    side: str = ""
    start: float | None = None
    end: float | None = None
    bounds_from: str = ""
    simulated: str = ""
    emg: str = ""
    recipe: str = ""
    channels: MapRows = ()

    def left_out(self, reason: str) -> "Finding":
        """Return the same cycle, left out."""
        return replace(self, status="left out", reason=reason)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, without the channel map."""
        values = asdict(self)
        del values["channels"]
        return values


@dataclass(frozen=True)
class Found:
    """What an importer found in a folder.

    Attributes
    ----------
    release : str
        Which data set.
    folder : Path
        Where.
    findings : tuple of Finding
    notes : tuple of str
        Files that were not used, and what was odd.
    normalise : str
        How the EMG is to be normalised.
    """

    release: str
    folder: Path
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    normalise: Normalise = "none"
