"""OpenSim: from markers and ground reaction to muscle activations, stage by stage.

`chain.TOOLS` describes the stages: ``scale``, ``ik``, ``rra``, ``so``, ``cmc`` and ``moco``.
`stage.run_stage` runs one of them, `chain.run_chain` all that a trial needs. Static optimization is
the default for activations; computed muscle control takes 10 to 30 times as long.
"""
