"""``nem2e-tf simulate``: OpenSim's tools, stage by stage or all the way."""

import click

from nem2e_tf.cli.main import LazyGroup

COMMANDS = {
    "chain": ("simulate_stages", "chain", "From markers and ground reaction to activations."),
    "scale": ("simulate_stages", "scale", "Scale a generic model to a subject."),
    "ik": ("simulate_stages", "ik", "Inverse kinematics: markers to joint angles."),
    "rra": ("simulate_stages", "rra", "Residual reduction: adjust motion and trunk to forces."),
    "so": ("simulate_stages", "so", "Static optimization: joint angles to activations."),
    "cmc": ("simulate_stages", "cmc", "Computed muscle control, 10 to 30 times as long."),
    "moco": ("simulate_stages", "moco", "MocoInverse: direct collocation."),
    "mujoco": ("simulate_stages", "mujoco", "Static optimization with MuJoCo, without OpenSim."),
}


@click.group(name="simulate", cls=LazyGroup, modules=COMMANDS)
def command() -> None:
    """Simulate muscle activity with OpenSim (pip install 'nem2e-tf[opensim]').

    Each stage takes options, or your own setup file as its argument, and writes a folder with its
    setup, results, OpenSim's log and stage.json. A stage that ran before with the same inputs and
    settings is not run again. Results are held against the limits the field accepts; the table says
    which are not kept.
    """
