"""What one check brings together: contents, findings and alignments, each with what it is of."""

from dataclasses import dataclass, field
from typing import Any

from nem2e_tf.checks.alignment import Alignment, judge
from nem2e_tf.checks.findings import Finding


@dataclass
class Checked:
    """What a check of a file, a manifest or a cohort found.

    Attributes
    ----------
    contents : dict
        What is in it, as plain values.
    findings : list of (str, Finding)
        Which file or trial, empty for the whole; and what was found.
    alignments : list of (str, Alignment)
        Which trial or subject; and how its EMG fits its simulation.
    """

    contents: dict[str, Any]
    findings: list[tuple[str, Finding]] = field(default_factory=list)
    alignments: list[tuple[str, Alignment]] = field(default_factory=list)

    def add(self, where: str, findings: list[Finding]) -> None:
        """Add findings of a file or trial."""
        self.findings += [(where, finding) for finding in findings]

    def align(self, where: str, alignment: Alignment) -> None:
        """Add an alignment and what it says."""
        self.alignments.append((where, alignment))
        self.add(where, judge(alignment))

    @property
    def wrong(self) -> list[str]:
        """Kinds of what is wrong."""
        return list(dict.fromkeys(f.kind for _, f in self.findings if f.severity == "wrong"))
