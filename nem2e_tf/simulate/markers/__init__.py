"""Motion of other systems made into a marker file for OpenSim's inverse kinematics.

========== ================================================== ======== ========= ================
system     file                                               length   up        forward
========== ================================================== ======== ========= ================
mediapipe  CSV of world landmarks, ``LEFT_HIP_x`` and so on   m        -y        x
opencap    TRC, or CSV with ``r.ASIS_study_x`` and so on      as said  y         x
theia      C3D with rotations of segments, ``pelvis_4X4``     as said  z         y
c3d        C3D with markers                                   as said  z         x
trc        TRC                                                as said  y         x
========== ================================================== ======== ========= ================

The marker file has metres, y up, x forward and z to the right, as OpenSim's models. "As said": by
the file itself; a CSV is taken to be in metres. ``up`` and ``forward`` are defaults.

The first three have a mapping to the marker names of Rajagopal's model, in ``mappings``:
`nem2e_tf.simulate.markers.converting` says what such a table is, and each has remarks of its own.
Another table
serves other models. Names of c3d and trc stay as they are if no table is given.

What was not seen stays a gap; nothing is filled in. World landmarks of MediaPipe have their origin
between the hips: the person does not travel, and no ground reaction fits them.
"""
