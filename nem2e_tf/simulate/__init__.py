"""Simulated muscle activity from motion and ground reaction, with OpenSim or MuJoCo.

`nem2e_tf.simulate.markers` converts the motion of other systems to marker files;
`nem2e_tf.simulate.estimate` simulates a motion and refines the result.
"""
