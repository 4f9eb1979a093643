"""Muscle activity from joint angles and ground reaction with MuJoCo, without OpenSim.

The model is myoLegs: the 80 leg muscles of Rajagopal et al. (2016), doi 10.1109/TBME.2016.2586891,
converted for MuJoCo. The motion comes from inverse kinematics with an OpenSim model that has the
same joints.

1. `inputs`: joint angles, ground reaction and the segment sizes of a person.
2. `dynamics`: the model fitted to the person, its joint moments and the strength of each muscle.
3. `route`: the activations with the least sum of squares that give these moments; all in one call.
"""
