"""Converts the motion of other systems to marker files for OpenSim's inverse kinematics.

========== ================================================== ======== ========= ================
system     file                                               length   up        forward
========== ================================================== ======== ========= ================
mediapipe  CSV of world landmarks, ``LEFT_HIP_x`` and so on   m        -y        x
opencap    TRC, or CSV with ``r.ASIS_study_x`` and so on      stated   y         x
theia      C3D with rotations of segments, ``pelvis_4X4``     stated   z         y
c3d        C3D with markers                                   stated   z         x
trc        TRC                                                stated   y         x
========== ================================================== ======== ========= ================

The marker file is in metres, with y up, x forward and z to the right, as in OpenSim's models.
"Stated": by the file itself; a CSV is assumed to be in metres. ``up`` and ``forward`` are defaults.

The first three have a mapping to the marker names of Rajagopal's model, in ``mappings``:
`nem2e_tf.simulate.markers.converting` describes the tables, and each has comments of its own. Other
tables serve other models. Without a table, c3d and trc keep their names.

Gaps remain gaps. World landmarks of MediaPipe have their origin between the hips: the person does
not travel, and no ground reaction fits them.
"""
