"""OpenSim: from markers and ground reaction to muscle activation, stage by stage.

``scale``, ``ik``, ``rra``, ``so``, ``cmc`` and ``moco`` are the stages, each a module with its
settings and one function; `nem2e_tf.simulate.opensim.chain` goes through them. OpenSim runs in a
process of
its own (`nem2e_tf.simulate.opensim.process`): nothing here imports it, and no crash, chatter or
damage at
its exit reaches the caller. Static optimization is the default way to activations: computed muscle
control takes 10 to 30 times as long.
"""
