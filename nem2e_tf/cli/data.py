"""``nem2e-tf data``: cohorts made from recordings or from nothing, and files looked into."""

import click

from nem2e_tf.cli.main import LazyGroup

COMMANDS = {
    "synth": ("cohorts", "synth", "Make an embedded, synthetic cohort."),
    "build": ("cohorts", "build", "Build a cohort from a manifest of recordings."),
    "import": ("cohorts", "import_release", "Build a cohort from a public data set."),
    "check": ("data_check", "check", "Say what is in recordings or a cohort, and what is odd."),
    "markers": (
        "cohorts",
        "markers",
        "Make a marker file for OpenSim from another system's motion.",
    ),
    "plot": ("cohorts", "plot", "Plot simulated and measured curves of a cohort."),
}


@click.group(name="data", cls=LazyGroup, modules=COMMANDS)
def command() -> None:
    """Make cohorts, and look into cohorts and recordings."""
