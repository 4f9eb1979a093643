"""Muscle activity from joint angles and ground reaction with MuJoCo, without OpenSim.

The model is myoLegs: the 80 leg muscles of Rajagopal et al. (2016), doi 10.1109/TBME.2016.2586891,
converted for MuJoCo. Motion comes from inverse kinematics with an OpenSim model of the same joints.

1. `motion`: coordinates of OpenSim become joints of myoLegs.
2. `body`: the model, fitted to a person by `sizes`.
3. `ground`: forces under the feet.
4. `dynamics`: moments that the motion needs, and what each muscle can give.
5. `sharing`: the activations with the least sum of squares that give these moments.
6. `route`: all of it, one call.
"""
