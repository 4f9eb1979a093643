"""``nem2e-tf simulate``: OpenSim's tools, one by one or in sequence; MuJoCo."""

import click

from nem2e_tf.cli.main import LazyGroup

_STAGES = "simulate_stages"
COMMANDS = {
    "chain": (_STAGES, "chain", "From markers and ground reaction to activations."),
    "scale": (_STAGES, "scale", "Scale a generic model to a subject."),
    "ik": (_STAGES, "ik", "Inverse kinematics: markers to joint angles."),
    "rra": (_STAGES, "rra", "Residual reduction: adjust motion and trunk to the forces."),
    "so": (_STAGES, "so", "Static optimization: joint angles to activations."),
    "cmc": (_STAGES, "cmc", "Computed muscle control; takes 10 to 30 times as long."),
    "moco": (_STAGES, "moco", "MocoInverse: direct collocation."),
    "mujoco": (_STAGES, "mujoco", "Static optimization with MuJoCo, without OpenSim."),
}


@click.group(name="simulate", cls=LazyGroup, modules=COMMANDS)
def command() -> None:
    """Simulate muscle activity with OpenSim (pip install 'nem2e-tf[opensim]').

    Each stage takes options, or your own setup file as its argument, and writes a folder with its
    setup, results, OpenSim's log and stage.json. A stage that ran before with the same inputs and
    settings is not run again. Results are compared with the limits accepted in the field; the table
    shows which limits are exceeded.
    """
