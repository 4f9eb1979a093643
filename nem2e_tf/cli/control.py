"""``nem2e-tf control``: what refiners should not be able to do, and what their gain is made of."""

import click

from nem2e_tf.cli.main import LazyGroup

COMMANDS = {
    "blind": ("controls", "blind", "Hold entries against the mean EMG pattern."),
    "oracle": ("controls", "oracle", "Split gains into amplitude, timing and shape."),
    "shortcut": ("controls", "shortcut", "Change frequency and phase of the input."),
    "wrong-subject": ("controls", "wrong_subject", "Give another subject's input."),
    "shuffle": ("controls", "shuffle", "Shuffle the EMG: skill must vanish."),
    "attention": ("controls", "attention", "Look at attention, and mask what it is on."),
}


@click.group(name="control", cls=LazyGroup, modules=COMMANDS)
def command() -> None:
    """Run controls on a finished run.

    Each writes a folder with control.json, summary.csv and further tables.
    """
