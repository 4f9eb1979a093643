"""Folders as Hamner & Delp's (2013) release unpacks to, with generated signals and known truth.

Names, tags and numbers of cycles are those of the release, exceptions included. Every cycle has a
height of its own, so that a cycle taken for another is seen.
"""

import numpy as np

from nem2e_tf.muscles import ELECTRODES_RUN, GAIT2392

SUBJECTS = ("01", "02", "03", "04", "08", "10", "11", "17", "19", "20")
SPEEDS = (2, 3, 4, 5)
TAGS = {
    ("02", 4): "05",
    ("03", 5): "03",
    ("04", 5): "04",
    ("08", 3): "01",
    ("08", 5): "03",
    **{("17", speed): "01" for speed in (3, 4, 5)},
    **{("19", speed): "01" for speed in (2, 3, 4, 5)},
    **{("20", speed): "01" for speed in (2, 3, 4)},
}
CYCLES = {
    ("02", 3): (2, 3, 4),
    ("02", 4): (1, 3, 4),
    ("10", 2): (2, 5, 6),
    ("10", 5): (4, 5, 7),
    ("11", 2): (2, 3, 4),
}
DURATIONS = {2: 0.77, 3: 0.73, 4: 0.69, 5: 0.64}
CMC = "cmc_multipleSteps_v24_Tendon_040_Vmax_15_Passive_10_2X"
# The release's model names muscles as gait2392 does.
_NAMES = """
glmed1:glut_med1 glmed2:glut_med2 glmed3:glut_med3 glmin1:glut_min1 glmin2:glut_min2
glmin3:glut_min3 glmax1:glut_max1 glmax2:glut_max2 glmax3:glut_max3 bflh:bifemlh bfsh:bifemsh
sart:sar addlong:add_long addbrev:add_brev piri:peri recfem:rect_fem vasmed:vas_med
vasint:vas_int vaslat:vas_lat gasmed:med_gas gaslat:lat_gas tibpost:tib_post fdl:flex_dig
fhl:flex_hal tibant:tib_ant perbrev:per_brev perlong:per_long edl:ext_dig ehl:ext_hal
"""
OLD_NAMES = dict(pair.split(":") for pair in _NAMES.split())
COLUMNS = [(muscle, electrode) for electrode, all_ in ELECTRODES_RUN.items() for muscle in all_]
EMG_RATE = 1000
_OFFSET = 0.3


def tag(subject, speed):
    return TAGS.get((subject, speed), "02")


def cycles(subject, speed):
    return CYCLES.get((subject, speed), (1, 2, 3))


def bounds(speed, cycle):
    """Right contacts that bound a cycle, s."""
    return 1 + DURATIONS[speed] * cycle, 1 + DURATIONS[speed] * (cycle + 1)


def height(subject, speed, cycle):
    """Between .3 and 1: differs between all cycles of the release."""
    return 0.3 + 0.7 * np.mod(0.618 * (int(subject) + 31 * speed + 7 * cycle), 1)


def activation(subject, speed, cycle, muscle, leg, share):
    """True activation at a share of the cycle, 0..1."""
    phase = GAIT2392.index(muscle) / len(GAIT2392) + (0.5 if leg == "l" else 0)
    return 0.5 + 0.45 * height(subject, speed, cycle) * np.cos(2 * np.pi * (share - phase))


def amplitude(subject, speed, electrode, time):
    """Mean and swing of the raw EMG's amplitude: one harmonic, which a filter makes smaller."""
    phase = GAIT2392.index(ELECTRODES_RUN[electrode][0]) / len(GAIT2392)
    mean, swing = height(subject, speed, 0), 0.4 * height(subject, speed, 1)
    return mean, swing * np.cos(2 * np.pi * ((time - 1) / DURATIONS[speed] - phase))


def envelope(subject, speed, electrode, time):
    """What subtracting the mean, rectifying and a 10 Hz first-order filter both ways give."""
    mean, swing = amplitude(subject, speed, electrode, time)
    frequency = 1 / DURATIONS[speed]
    ratio = np.tan(np.pi * frequency / EMG_RATE) / np.tan(np.pi * 10 / EMG_RATE)
    return mean + swing / (1 + ratio**2)


def write_table(path, labels, time, data, *, digits=9):
    path.parent.mkdir(parents=True, exist_ok=True)
    head = f"{path.stem}\nversion=1\nnRows={len(time)}\nnColumns={len(labels) + 1}\ninDegrees=no\n"
    form = "\t".join([f"%.{digits}g"] * (len(labels) + 1))
    rows = "\n".join(form % tuple(row) for row in np.column_stack([time, data]).tolist())
    path.write_text(f"{head}endheader\n" + "\t".join(("time", *labels)) + f"\n{rows}\n")


def write_setup(path, start, end, *, prose=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        ("OpenSim setup, written by hand\n\n" if prose else "")
        + '<?xml version="1.0" encoding="UTF-8"?>\n<OpenSimDocument Version="20302">\n'
        f"<RRATool name='x'>\n<initial_time> {start:.8f} </initial_time>\n"
        f"<final_time> {end:.8f} </final_time>\n</RRATool>\n</OpenSimDocument>\n"
    )


def write_states(path, subject, speed, cycle, *, muscles, seed=0):
    """One simulated cycle at the uneven steps of CMC, with lengths and coordinates beside."""
    start, end = bounds(speed, cycle)
    steps = np.random.default_rng(seed).uniform(2e-6, 1.6e-3, int(1.5e3 * (end - start)))
    time = start + np.concatenate([[0], np.cumsum(steps)]) / steps.sum() * (end - start)
    share = (time - start) / (end - start)
    names = [(muscle, leg) for leg in "rl" for muscle in muscles]
    labels, columns = ["knee_angle_r", "knee_angle_l"], [np.cos(time), np.sin(time)]
    for muscle, leg in names:
        old = OLD_NAMES.get(muscle, muscle)
        labels += [f"{old}_{leg}.activation", f"{old}_{leg}.fiber_length"]
        columns.append(activation(subject, speed, cycle, muscle, leg, share))
        columns.append(np.full(len(time), 0.1))
    write_table(path, labels, time, np.stack(columns, axis=1))


def write_emg(path, subject, speed, *, seconds, pins=False, dead=()):
    """Raw EMG: an offset, and a carrier that changes sign at every sample."""
    time = np.arange(int(seconds * EMG_RATE)) / EMG_RATE
    sign = np.where(np.arange(len(time)) % 2, -1.0, 1.0)
    columns = []
    for _, electrode in COLUMNS:
        raw = _OFFSET + sign * sum(amplitude(subject, speed, electrode, time))
        columns.append(np.zeros(len(time)) if electrode in dead else raw)
    labels = [f"Pin {n}" if pins else f"{m}_r" for n, (m, _) in enumerate(COLUMNS, start=1)]
    write_table(path, labels, time, np.stack(columns, axis=1), digits=7)


def write_forces(path, speed, *, seconds):
    """Vertical force of both feet, right contacts where cycles start; 1_ is the right foot here."""
    time = np.arange(int(seconds * EMG_RATE)) / EMG_RATE
    phase = (time - 1 - 1e-9) / DURATIONS[speed]
    right = np.where(np.mod(phase, 1) < 0.35, 900.0, 0.0)
    left = np.where(np.mod(phase + 0.5, 1) < 0.35, 900.0, 0.0)
    write_table(
        path, ("ground_force_vy", "1_ground_force_vy"), time, np.stack([left, right], axis=1)
    )


def write_tree(
    folder,
    *,
    subjects=SUBJECTS,
    speeds=SPEEDS,
    muscles=GAIT2392,
    seconds=7.0,
    forces=True,
    pins=(),
    dead=None,
):
    """Write the tree.

    `dead` gives the electrodes that are dead in a subject's EMG; `pins` the subjects whose EMG
    columns are named by pins.
    """
    for subject in subjects:
        home = folder / f"subject{subject}"
        for speed in speeds:
            number = tag(subject, speed)
            spaced, joined = f"Run_{speed}00 {number}", f"Run_{speed}00{number}"
            write_emg(
                home / "ExportedData" / f"{spaced}_EMG_RAW.sto",
                subject,
                speed,
                seconds=seconds,
                pins=subject in pins,
                dead=(dead or {}).get(subject, ()),
            )
            if forces:
                write_forces(
                    home / "ExportedData" / f"{spaced}_newCOP3_v24.mot", speed, seconds=seconds
                )
            for cycle in cycles(subject, speed):
                write_setup(
                    home
                    / "rra_multipleSteps"
                    / f"RRA_Results_v191_{joined}"
                    / f"subject{subject}_Setup_RRA_{joined}_cycle{cycle}_v191.xml",
                    *bounds(speed, cycle),
                    prose=cycle % 2 == 0,
                )
                write_states(
                    states(folder, subject, speed, cycle), subject, speed, cycle, muscles=muscles
                )


def states(folder, subject, speed, cycle):
    """Where the states of a cycle are."""
    run = f"CMC_Results_v240_Run_{speed}00{tag(subject, speed)}"
    return (
        folder / f"subject{subject}" / CMC / run / f"{run}_cycle{cycle}"
        / f"subject{subject}_Run_{speed}00{tag(subject, speed)}_cycle{cycle}_states.sto"
    )  # fmt: skip
